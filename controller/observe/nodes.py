"""Nodes: what they have, what is asked of them, how old they are; and how full the cluster is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import core

from controller import metrics, names, world
from controller.kube import conditions, kinds
from controller.observe import values
from solver.snapshot import errors, requests, view

Amounts = dict[str, int]

_NOWHERE = errors.Origin("cluster")


@dataclasses.dataclass(slots=True)
class Load:
    """What the pods of one node ask for, those of DaemonSets apart."""

    requests: Amounts = dataclasses.field(default_factory=dict)
    limits: Amounts = dataclasses.field(default_factory=dict)
    daemon_requests: Amounts = dataclasses.field(default_factory=dict)
    daemon_limits: Amounts = dataclasses.field(default_factory=dict)

    def add(self, pod: Mapping[str, Any]) -> None:
        """Count a pod."""
        daemon = values.is_daemon(pod)
        asked = {**dict(requested(pod)), "pods": 1}
        for into, amounts in (
            (self.daemon_requests if daemon else self.requests, asked),
            (self.daemon_limits if daemon else self.limits, limits(pod)),
        ):
            for name, amount in amounts.items():
                into[name] = into.get(name, 0) + amount


def requested(pod: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """What a pod requests, as the scheduler counts it; what cannot be read counts as nothing."""
    report = view.Report(_NOWHERE, [])
    return requests.effective(
        view.View(pod.get("spec") or {}, report, None, "spec"),
        view.View(pod.get("status") or {}, report, None, "status"),
    )


def limits(pod: Mapping[str, Any]) -> Amounts:
    """The sum of the limits of a pod's containers."""
    found: Amounts = {}
    for container in (pod.get("spec") or {}).get("containers") or []:
        for name, amount in values.amounts((container.get("resources") or {}).get("limits")).items():
            found[name] = found.get(name, 0) + amount
    return found


def families(shared: world.World) -> Iterator[core.Metric]:
    """All gauges about nodes."""
    loads: dict[str, Load] = {}
    for pod in shared.mirror.all(kinds.POD):
        place = (pod.get("spec") or {}).get("nodeName")
        if place and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            loads.setdefault(place, Load()).add(pod)
    has, over, age = metrics.NODES_ALLOCATABLE.family(), metrics.NODES_OVERHEAD.family(), metrics.NODES_AGE.family()
    of_pods, pod_limits = metrics.NODES_POD_REQUESTS.family(), metrics.NODES_POD_LIMITS.family()
    of_daemons, daemon_limits = metrics.NODES_DAEMON_REQUESTS.family(), metrics.NODES_DAEMON_LIMITS.family()
    room: Amounts = {}
    used: Amounts = {}
    for node in shared.mirror.all(kinds.NODE):
        who, load = _labels(node), loads.get(node["metadata"]["name"], Load())
        status = node.get("status") or {}
        allocatable, capacity = values.amounts(status.get("allocatable")), values.amounts(status.get("capacity"))
        overhead = {name: amount - allocatable.get(name, 0) for name, amount in capacity.items()}
        for family, amounts in (
            (has, allocatable),
            (over, overhead),
            (of_pods, load.requests),
            (pod_limits, load.limits),
            (of_daemons, load.daemon_requests),
            (daemon_limits, load.daemon_limits),
        ):
            for name, amount in amounts.items():
                family.add_metric([*who, values.resource(name)], values.units(name, amount))
        for name, amount in allocatable.items():
            room[name] = room.get(name, 0) + amount
            used[name] = used.get(name, 0) + load.requests.get(name, 0) + load.daemon_requests.get(name, 0)
        created = conditions.seconds(node["metadata"].get("creationTimestamp"))
        if created is not None:
            age.add_metric(who, max(0.0, shared.now() - created))
    utilization = metrics.UTILIZATION.family()
    for name, amount in room.items():
        if amount:
            utilization.add_metric([values.resource(name)], 100 * used[name] / amount)
    yield from (has, over, of_pods, pod_limits, of_daemons, daemon_limits, age, utilization)


def _labels(node: Mapping[str, Any]) -> list[str]:
    own = values.labels(node)
    return [
        node["metadata"]["name"],
        str((node.get("status") or {}).get("phase") or ""),
        values.flag(values.managed(node)),
        own.get(names.NODEPOOL_LABEL, ""),
        own.get(names.ZONE_LABEL, ""),
        own.get("topology.kubernetes.io/region", ""),
        own.get(names.INSTANCE_TYPE_LABEL, ""),
        own.get("kubernetes.io/arch", ""),
        own.get("kubernetes.io/os", ""),
        own.get(names.CAPACITY_TYPE_LABEL, ""),
        own.get("node.kubernetes.io/windows-build", ""),
    ]
