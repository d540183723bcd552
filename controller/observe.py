"""Gauges about pods, nodes and pools, worked out from the mirror when somebody scrapes; upstream's names and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import core, registry

from controller import names, world
from controller.kube import conditions, kinds
from controller.loops import nodepools
from crds import nodepool, quantity, validation

POD_LABELS = (
    "name",
    "namespace",
    "owner",
    "node",
    "scheduled",
    "nodepool",
    "zone",
    "arch",
    "capacity_type",
    "instance_type",
    "phase",
    "ready",
    "managed",
)
NODE_LABELS = (
    "node_name",
    "phase",
    "managed",
    "resource_type",
    "nodepool",
    "zone",
    "region",
    "instance_type",
    "arch",
    "os",
    "capacity_type",
)
REASONS: tuple[nodepool.Reason, ...] = ("Empty", "Drifted", "Underutilized")


class Observer(registry.Collector):
    """A collector over the mirror; nothing is kept between scrapes."""

    def __init__(self, shared: world.World) -> None:
        self._world = shared

    def describe(self) -> Iterable[core.Metric]:
        """Nothing is promised before the first scrape."""
        return ()

    def collect(self) -> Iterator[core.Metric]:
        """All families."""
        if not self._world.mirror.synced():
            return
        nodes = {node["metadata"]["name"]: node for node in self._world.mirror.all(kinds.NODE)}
        yield self._pods(nodes)
        yield from self._nodes(nodes)
        yield from self._pools()
        for kind, name in (
            (kinds.NODE_CLAIM, "nodeclaim"),
            (kinds.NODE_POOL, "nodepool"),
            (kinds.NODE_CLASS, "ovhnodeclass"),
        ):
            yield self._conditions(kind, name)

    def _pods(self, nodes: dict[str, Any]) -> core.Metric:
        family = core.GaugeMetricFamily("karpenter_pods_state", "Pods, one series each, always 1.", labels=POD_LABELS)
        for pod in self._world.mirror.all(kinds.POD):
            metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
            place = nodes.get(spec.get("nodeName") or "")
            own = (place["metadata"].get("labels") or {}) if place else {}
            owners = metadata.get("ownerReferences") or []
            owner = ""
            if owners:
                first = owners[0]
                group = f"/apis/{first.get('apiVersion', '')}/namespaces/{metadata.get('namespace', '')}"
                owner = f"{group}/{str(first.get('kind', '')).lower()}s/{first.get('name', '')}"
            values = [
                metadata["name"],
                metadata.get("namespace") or "",
                owner,
                spec.get("nodeName") or "",
                _flag(bool(spec.get("nodeName"))),
                own.get(names.NODEPOOL_LABEL, ""),
                own.get(names.ZONE_LABEL, ""),
                own.get("kubernetes.io/arch", ""),
                own.get(names.CAPACITY_TYPE_LABEL, ""),
                own.get(names.INSTANCE_TYPE_LABEL, ""),
                status.get("phase") or "",
                _flag(conditions.is_true(pod, "Ready")),
                _flag(names.NODEPOOL_LABEL in own),
            ]
            family.add_metric(values, 1)
        return family

    def _nodes(self, nodes: dict[str, Any]) -> Iterator[core.Metric]:
        has = core.GaugeMetricFamily("karpenter_nodes_allocatable", "What nodes have for pods.", labels=NODE_LABELS)
        for name, node in nodes.items():
            own = node["metadata"].get("labels") or {}
            rest = [
                own.get(names.NODEPOOL_LABEL, ""),
                own.get(names.ZONE_LABEL, ""),
                own.get("topology.kubernetes.io/region", ""),
                own.get(names.INSTANCE_TYPE_LABEL, ""),
                own.get("kubernetes.io/arch", ""),
                own.get("kubernetes.io/os", ""),
                own.get(names.CAPACITY_TYPE_LABEL, ""),
            ]
            phase = str((node.get("status") or {}).get("phase") or "")
            for resource, amount in ((node.get("status") or {}).get("allocatable") or {}).items():
                value = quantity.milli(amount) / 1000
                kind = resource.lower().replace("-", "_")
                has.add_metric([name, phase, _flag(names.NODEPOOL_LABEL in own), kind, *rest], value)
        yield has

    def _pools(self) -> Iterator[core.Metric]:
        shared = self._world
        claims = shared.mirror.all(kinds.NODE_CLAIM)
        flavors = shared.catalogue().flavors
        cost = core.GaugeMetricFamily(
            "karpenter_nodepools_cost_total", "EUR per hour of a NodePool's nodes.", labels=["nodepool"]
        )
        allowed = core.GaugeMetricFamily(
            "karpenter_nodepools_allowed_disruptions",
            "Nodes that the budgets of a NodePool allow to be disrupted.",
            labels=["nodepool", "reason"],
        )
        used = nodepools.usage(claims)
        total = 0
        for item in shared.mirror.all(kinds.NODE_POOL):
            name = item["metadata"]["name"]
            mine = [each for each in claims if world.label(each, names.NODEPOOL_LABEL) == name]
            known = [flavors.get(world.label(each, names.INSTANCE_TYPE_LABEL)) for each in mine]
            price = sum(each.hourly_micro_eur or 0 for each in known if each is not None)
            total += price
            cost.add_metric([name], price / 1e6)
            try:
                parsed = validation.parse_nodepool(item, admitted=True)
            except validation.InvalidObject:
                continue
            count = used.get(name, {}).get("nodes", 0)
            for reason in REASONS:
                budget = parsed.spec.disruption.allowed(reason, count, int(shared.now()))
                allowed.add_metric([name, reason], budget)
        yield cost
        yield allowed
        yield core.GaugeMetricFamily(
            "karpenter_ovhcloud_cost_eur_per_hour", "EUR per hour of all nodes that NodePools own.", value=total / 1e6
        )

    def _conditions(self, kind: kinds.Kind, name: str) -> core.Metric:
        family = core.GaugeMetricFamily(
            f"operator_{name}_status_condition_count",
            f"Conditions of {kind.name} objects, by type, status and reason.",
            labels=["namespace", "name", "type", "status", "reason"],
        )
        for item in self._world.mirror.all(kind):
            for each in conditions.of(item):
                values = ["", item["metadata"]["name"], each["type"], each["status"], str(each.get("reason") or "")]
                family.add_metric(values, 1)
        return family


def _flag(value: bool) -> str:
    return "true" if value else "false"
