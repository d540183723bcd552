"""Pods: their state, and how long those wait that have no node or do not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import core

from controller import metrics, names, world
from controller.kube import conditions, kinds
from controller.observe import values


def families(shared: world.World) -> Iterator[core.Metric]:
    """`pods_state` and the waits."""
    nodes = {node["metadata"]["name"]: node for node in shared.mirror.all(kinds.NODE)}
    state = metrics.PODS_STATE.family()
    unbound, unstarted = metrics.PODS_UNBOUND.family(), metrics.PODS_UNSTARTED.family()
    now = shared.now()
    for pod in shared.mirror.all(kinds.POD):
        metadata, status = pod["metadata"], pod.get("status") or {}
        place = (pod.get("spec") or {}).get("nodeName") or ""
        state.add_metric(_labels(pod, nodes.get(place)), 1)
        created = conditions.seconds(metadata.get("creationTimestamp"))
        if created is None or status.get("phase") not in ("Pending", None, ""):
            continue
        who = [metadata["name"], metadata.get("namespace") or ""]
        if not place:
            unbound.add_metric(who, max(0.0, now - created))
        unstarted.add_metric(who, max(0.0, now - created))
    yield from (state, unbound, unstarted)


def _labels(pod: Mapping[str, Any], node: Mapping[str, Any] | None) -> list[str]:
    metadata, own = pod["metadata"], values.labels(node)
    place = (pod.get("spec") or {}).get("nodeName") or ""
    return [
        metadata["name"],
        metadata.get("namespace") or "",
        _owner(metadata),
        place,
        values.flag(bool(place)),
        own.get(names.NODEPOOL_LABEL, ""),
        own.get(names.ZONE_LABEL, ""),
        own.get("kubernetes.io/arch", ""),
        own.get(names.CAPACITY_TYPE_LABEL, ""),
        own.get(names.INSTANCE_TYPE_LABEL, ""),
        str((pod.get("status") or {}).get("phase") or ""),
        values.flag(conditions.is_true(pod, "Ready")),
        values.flag(values.managed(node)),
    ]


def _owner(metadata: Mapping[str, Any]) -> str:
    """The path of the first owner, such as /apis/apps/v1/namespaces/default/replicasets/web-5d9."""
    owners = metadata.get("ownerReferences") or []
    if not owners:
        return ""
    first = owners[0]
    space = metadata.get("namespace") or ""
    kind = str(first.get("kind", "")).lower()
    return f"/apis/{first.get('apiVersion', '')}/namespaces/{space}/{kind}s/{first.get('name', '')}"
