"""Manifests of things that run: nodes with their claims, pods on them, PodDisruptionBudgets with their status."""

from __future__ import annotations

import math

from bench import workloads
from catalog import catalogue, labels

Manifest = workloads.Manifest
NOW = "2026-03-02T00:00:00Z"
DAEMONS = {"cpu": 250, "memory": 400 << 20}
"""What the pods of both DaemonSets of `workloads.base` ask of a node, milli-CPU and bytes."""

_CONDITIONS = ("Launched", "Registered", "Initialized", "Consolidatable")


def node(
    name: str, flavor: str, known: catalogue.Catalogue, pool: str = "general", zone: str | None = None
) -> list[Manifest]:
    """A node that may be consolidated, its claim, and the pods of both DaemonSets on it; in the one zone if none is named."""
    machine = known.flavors[flavor]
    region = workloads.THREE_ZONES if zone in workloads.ZONES else workloads.ONE_ZONE
    if zone is None:
        (zone,) = {o.zone for o in known.offerings(region) if o.flavor.name == flavor}
    own = labels.flavor_labels(machine) | labels.offering_labels(region, zone)
    own |= {labels.NODEPOOL: pool, labels.CAPACITY_TYPE: "on-demand"}
    amounts = {
        "capacity": {r: _quantity(r, a) for r, a in machine.capacity.items()},
        "allocatable": {r: _quantity(r, a) for r, a in machine.allocatable.items()},
    }
    machine_id = f"openstack:///{name}"
    claim: Manifest = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {"name": f"claim-{name}", "labels": own, "creationTimestamp": "2026-02-01T00:00:00Z"},
        "spec": {
            "nodeClassRef": {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"},
            "requirements": [],
            "expireAfter": "Never",
        },
        "status": {
            "nodeName": name,
            "providerID": machine_id,
            **amounts,
            "conditions": [
                {"type": each, "status": "True", "reason": each, "lastTransitionTime": "2026-02-01T00:10:00Z"}
                for each in _CONDITIONS
            ],
        },
    }
    there: Manifest = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": own
            | {labels.HOSTNAME: name, "karpenter.sh/registered": "true", "karpenter.sh/initialized": "true"},
            "creationTimestamp": "2026-02-01T00:05:00Z",
        },
        "spec": {"providerID": machine_id},
        "status": {**amounts, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return [there, claim, _daemon("network", "150m", "250Mi", name), _daemon("storage", "100m", "150Mi", name)]


def pod(of: Manifest, on: str) -> Manifest:
    """A pod of a ReplicaSet named by its label `app`, running on a node."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": of["metadata"]["labels"]["app"], "uid": "1"}
    of["metadata"]["ownerReferences"] = [owner | {"controller": True}]
    of["spec"]["nodeName"] = on
    of["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
    }
    return of


def guard(app: str, pods: int, *, closed: bool = False) -> Manifest:
    """A PodDisruptionBudget that lets a tenth of the pods go, rounded up; `closed` lets none."""
    allowed = 0 if closed else math.ceil(pods / 10)
    rule = {"minAvailable": pods} if closed else {"maxUnavailable": "10%"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": app, "namespace": "default"},
        "spec": {**rule, "selector": {"matchLabels": {"app": app}}},
        "status": {
            "disruptionsAllowed": allowed,
            "currentHealthy": pods,
            "desiredHealthy": pods - allowed,
            "expectedPods": pods,
        },
    }


def _quantity(resource: str, amount: int) -> str:
    return f"{amount}m" if resource == "cpu" else str(amount)


def _daemon(name: str, cpu: str, memory: str, on: str) -> Manifest:
    each = workloads.pod(f"{name}-{on}", 0, 0, {"app": name}, tolerations=[{"operator": "Exists"}])
    each["metadata"]["namespace"] = "kube-system"
    each["spec"]["containers"][0]["resources"]["requests"] = {"cpu": cpu, "memory": memory}
    running = pod(each, on)
    running["metadata"]["ownerReferences"][0] |= {"kind": "DaemonSet", "name": name}
    return running
