"""Node objects as MKS leaves them in a cluster: what to create, patch and delete, as a pure comparison.

Labels, names and the provider id are those of live nodes; the two taints of a booting node are the kubelet's and the
OpenStack cloud controller's. A pool's template is enforced again and again: what somebody removes comes back, what
leaves the template leaves the nodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog import allocatable, flavor
from catalog import labels as names

ID = "simulator.karpenter.ovhcloud.sh/id"
"""Annotation with the id of the simulated node: the mark by which the simulator knows its own."""

TEMPLATE = "simulator.karpenter.ovhcloud.sh/template"
"""Annotation with the template that was applied last."""

KWOK = "kwok.x-k8s.io/node"
"""Annotation by which kwok takes over as kubelet, set once a node is ready."""

NOT_READY = "node.kubernetes.io/not-ready"
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
_BOOT_TAINTS = (
    {"key": NOT_READY, "effect": "NoSchedule"},
    {"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"},
)

HEARTBEAT = timedelta(seconds=20)
"""A Ready condition this old is written again: the node lifecycle controller gives up after 50 s without news."""


@dataclass(frozen=True)
class Wanted:
    """A node that belongs into the cluster; ``booting`` until it is ready for the first time."""

    id: str
    name: str
    pool: str
    cluster_id: str
    region: str
    zone: str
    flavor: flavor.Flavor
    version: str
    instance_id: str
    template: Mapping[str, Any]
    ready: bool
    booting: bool
    leaving: bool
    gpus_shown: bool
    registered: bool


@dataclass(frozen=True)
class Create:
    """Make this Node object of the node ``id``."""

    id: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Patch:
    """Change a Node object: a merge patch, or a strategic one of its status."""

    name: str
    body: dict[str, Any]
    status: bool = False


@dataclass(frozen=True)
class Delete:
    """Remove a Node object."""

    name: str


@dataclass(frozen=True)
class Lost:
    """The Node object of the node ``id`` was there and is gone."""

    id: str


@dataclass(frozen=True)
class Seen:
    """The Node object of the node ``id`` is there."""

    id: str


Action = Create | Patch | Delete | Lost | Seen


def plan(wanted: Iterable[Wanted], present: Iterable[Mapping[str, Any]], now: datetime) -> list[Action]:
    """What makes the cluster look as MKS would leave it; Node objects without our mark are never touched."""
    ours = {mark: node for node in present if (mark := _annotations(node).get(ID))}
    actions: list[Action] = []
    for each in wanted:
        node = ours.pop(each.id, None)
        if node is None and each.registered:
            actions.append(Lost(each.id))
        elif node is None:
            actions.append(Create(each.id, build(each, now)))
        else:
            if not each.registered:
                actions.append(Seen(each.id))
            actions += _corrections(each, node, now)
    actions += [Delete(node["metadata"]["name"]) for node in ours.values() if not _dying(node)]
    return actions


def build(of: Wanted, now: datetime) -> dict[str, Any]:
    """The Node object with which a node joins: labelled, with its machine's id, not ready."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": of.name,
            "labels": _labels(of) | dict(of.template["metadata"]["labels"]),
            "annotations": {
                "cluster.x-k8s.io/cluster-name": of.cluster_id,
                ID: of.id,
                TEMPLATE: _applied(of.template),
                **of.template["metadata"]["annotations"],
            },
            "finalizers": list(of.template["metadata"]["finalizers"]),
        },
        "spec": {
            "providerID": f"openstack:///{of.instance_id}",
            "taints": [*_BOOT_TAINTS, *of.template["spec"]["taints"]],
            "unschedulable": bool(of.template["spec"]["unschedulable"]) or None,
        },
        "status": {
            **_resources(of),
            "conditions": _conditions(ready=False, now=now, since=now),
            "addresses": [
                {"type": "InternalIP", "address": _address(of.id)},
                {"type": "Hostname", "address": of.name},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "Ubuntu 22.04.5 LTS",
                "kernelVersion": "5.15.0-generic",
                "containerRuntimeVersion": "containerd://1.7.27",
                "kubeletVersion": f"v{of.version.partition('-')[0]}",
                "kubeProxyVersion": "",
                "machineID": of.instance_id.replace("-", ""),
                "systemUUID": of.instance_id,
                "bootID": of.id,
            },
        },
    }


def _corrections(of: Wanted, node: Mapping[str, Any], now: datetime) -> list[Action]:
    actions: list[Action] = []
    body = _meta_patch(of, node)
    if body:
        body.setdefault("metadata", {})["resourceVersion"] = node["metadata"]["resourceVersion"]
        actions.append(Patch(of.name, body))
    status = _status_patch(of, node, now)
    if status:
        actions.append(Patch(of.name, {"status": status}, status=True))
    return actions


def _meta_patch(of: Wanted, node: Mapping[str, Any]) -> dict[str, Any]:
    """Labels, annotations, finalizers, taints and cordon that differ from what MKS wants."""
    template = of.template
    old = json.loads(_annotations(node).get(TEMPLATE) or "{}")
    metadata: dict[str, Any] = {}
    labels = _owned(
        node["metadata"].get("labels") or {}, _labels(of) | dict(template["metadata"]["labels"]), old.get("labels", [])
    )
    extra = {TEMPLATE: _applied(template)} | ({KWOK: "fake"} if of.ready else {})
    stale = [*old.get("annotations", []), *([] if of.ready or of.booting else [KWOK])]
    annotations = _owned(_annotations(node), dict(template["metadata"]["annotations"]) | extra, stale)
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    finalizers = node["metadata"].get("finalizers") or []
    missing = [each for each in template["metadata"]["finalizers"] if each not in finalizers]
    if missing and not _dying(node):
        metadata["finalizers"] = [*finalizers, *missing]
    spec: dict[str, Any] = {}
    taints = _taints(of, node, {tuple(pair) for pair in old.get("taints", [])})
    if taints is not None:
        spec["taints"] = taints
    cordoned = bool(node["spec"].get("unschedulable"))
    if (template["spec"]["unschedulable"] or of.leaving) and not cordoned:
        spec["unschedulable"] = True
    elif old.get("unschedulable") and not template["spec"]["unschedulable"] and cordoned:
        spec["unschedulable"] = None
    return {key: value for key, value in (("metadata", metadata), ("spec", spec)) if value}


def _owned(present: Mapping[str, str], wanted: Mapping[str, str], before: Iterable[str]) -> dict[str, str | None]:
    """A merge patch that sets what is wanted and takes away what was wanted before and is no more."""
    changes: dict[str, str | None] = {key: value for key, value in wanted.items() if present.get(key) != value}
    changes |= {key: None for key in before if key in present and key not in wanted}
    return changes


def _taints(of: Wanted, node: Mapping[str, Any], before: set[tuple[str, str]]) -> list[Any] | None:
    """The taints that the node should have, None when it has them; others' taints stay."""
    present = node["spec"].get("taints") or []
    wanted = {(taint["key"], taint["effect"]): taint for taint in of.template["spec"]["taints"]}
    kept = []
    for taint in present:
        pair = (taint["key"], taint["effect"])
        over = pair in before or (of.ready and taint["key"] in (NOT_READY, UNINITIALIZED))
        if pair not in wanted and not over:
            kept.append(taint)
        elif pair in wanted and taint.get("value", "") == wanted[pair]["value"]:
            kept.append(taint)
            del wanted[pair]
    result = [*kept, *wanted.values()]
    return None if result == present else result


def _status_patch(of: Wanted, node: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Resources that differ, and the Ready condition when it is wrong or old.

    A node that boots is left as it is: where kwok manages all nodes it says Ready early, and the uninitialized taint
    still holds pods off.
    """
    patch: dict[str, Any] = {}
    present = node.get("status") or {}
    for kind, values in _resources(of).items():
        have = present.get(kind) or {}
        if any(have.get(name) != value for name, value in values.items()):
            patch[kind] = values
    if of.booting:
        return patch
    conditions = {each["type"]: each for each in present.get("conditions") or []}
    current = conditions.get("Ready", {})
    right = current.get("status") == ("True" if of.ready else "False")
    last = _time(current.get("lastHeartbeatTime"))
    if not right or (of.ready and (last is None or now - last > HEARTBEAT)):
        since = (_time(current.get("lastTransitionTime")) if right else None) or now
        patch["conditions"] = _conditions(ready=of.ready, now=now, since=since)
    return patch


def _labels(of: Wanted) -> dict[str, str]:
    """The labels that live nodes were seen with."""
    return {
        names.INSTANCE_TYPE: of.flavor.name,
        names.REGION: of.region,
        names.ZONE: of.zone,
        names.CINDER_ZONE: of.zone,
        names.ARCH: "amd64",
        names.OS: "linux",
        names.HOSTNAME: of.name,
        names.OVH_POOL: of.pool,
        names.OVH_TYPE: "gpu" if of.flavor.gpus else "standard",
        "beta.kubernetes.io/instance-type": of.flavor.name,
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": of.region,
        "failure-domain.beta.kubernetes.io/zone": of.zone,
    }


def _resources(of: Wanted) -> dict[str, dict[str, str]]:
    """Capacity and allocatable as quantities; GPUs only once a device plugin shows them."""
    return {
        kind: {
            name: _quantity(name, amount) for name, amount in values.items() if name != allocatable.GPU or of.gpus_shown
        }
        for kind, values in (("capacity", of.flavor.capacity), ("allocatable", of.flavor.allocatable))
    }


def _quantity(resource: str, amount: int) -> str:
    """Cores or milli-cores, memory and storage down to whole KiB, plain counts.

    In the API server's canonical form (the largest suffix without a fraction), since it rewrites what is not.
    """
    if resource == allocatable.CPU:
        return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
    if resource not in (allocatable.MEMORY, allocatable.EPHEMERAL_STORAGE):
        return str(amount)
    amount //= 1024
    suffixes = iter(("Ki", "Mi", "Gi", "Ti"))
    suffix = next(suffixes)
    while amount and amount % 1024 == 0:
        amount, suffix = amount // 1024, next(suffixes)
    return f"{amount}{suffix}"


def _conditions(*, ready: bool, now: datetime, since: datetime) -> list[dict[str, str]]:
    text = (
        ("KubeletReady", "kubelet is posting ready status") if ready else ("KubeletNotReady", "the node is not ready")
    )
    times = {"lastHeartbeatTime": _stamp(now), "lastTransitionTime": _stamp(since)}
    pressures = [
        {"type": kind, "status": "False", "reason": "KubeletHasSufficient", "message": "", **times}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    return [
        {"type": "Ready", "status": str(ready), "reason": text[0], "message": text[1], **times},
        *(pressures if not ready else []),
    ]


def _applied(template: Mapping[str, Any]) -> str:
    """What of a template has to be taken away when it leaves the template."""
    metadata, spec = template["metadata"], template["spec"]
    applied = {
        "labels": sorted(metadata["labels"]),
        "annotations": sorted(metadata["annotations"]),
        "taints": sorted([taint["key"], taint["effect"]] for taint in spec["taints"]),
        "unschedulable": spec["unschedulable"],
    }
    return json.dumps(applied, separators=(",", ":"))


def _annotations(node: Mapping[str, Any]) -> Mapping[str, str]:
    return node["metadata"].get("annotations") or {}


def _dying(node: Mapping[str, Any]) -> bool:
    return bool(node["metadata"].get("deletionTimestamp"))


def _address(node_id: str) -> str:
    number = int(node_id.replace("-", "")[-6:], 16)
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)
