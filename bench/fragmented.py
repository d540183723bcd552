"""
Workloads for consolidation: clusters of half-empty nodes, by name and seed.

Pods come in random classes as in `workloads.random_classes`. Each node takes some pods at random and is of the cheapest
flavor of which they take no more than a share drawn between 35 and 65 percent: what is left when replicas have gone.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from bench import workloads
from catalog import catalogue, labels

Manifest = workloads.Manifest
NOW = "2026-03-02T00:00:00Z"
DAEMONS = {"cpu": 250, "memory": 400 << 20}
CONDITIONS = ("Launched", "Registered", "Initialized", "Consolidatable")


@dataclasses.dataclass(frozen=True)
class Size:
    """
    `nodes` nodes with `pods` pods on each (lowest and highest) of `classes` classes up to `largest` milli-CPU.

    `budget` is that of the NodePool; with `guarded` each class has a PodDisruptionBudget of a tenth of its pods.
    """

    nodes: int
    classes: int
    pods: tuple[int, int]
    largest: int = 8000
    budget: str = "100%"
    guarded: bool = False


SIZES: dict[str, Size] = {
    "C72/40": Size(72, 40, (1, 5)),
    "C300/40": Size(300, 40, (1, 5)),
    "C500/10000/100": Size(500, 100, (12, 30), largest=1500, budget="10%", guarded=True),
}


def fragmented(size: Size, seed: int) -> list[Manifest]:
    """The objects of a workload."""
    rng = np.random.default_rng(seed)
    cpu = np.exp(rng.uniform(np.log(100), np.log(size.largest), size.classes)).astype(int)
    memory = np.maximum((cpu / 1000 * np.exp(rng.uniform(0, np.log(8), size.classes)) * 1024).astype(int), 16)
    share = rng.dirichlet(np.ones(size.classes))
    known = catalogue.embedded()
    flavors = [f for f in known.flavors.values() if f.name.startswith(("b3", "c3", "r3")) and f.vcpus < 33]
    flavors = sorted((f for f in flavors if f.hourly_micro_eur), key=lambda f: f.hourly_micro_eur or 0)
    disruption = {"consolidateAfter": "0s", "budgets": [{"nodes": size.budget}]}
    objects = workloads.base(workloads.ONE_ZONE, disruption=disruption)
    objects[1]["spec"]["template"]["spec"]["expireAfter"] = "Never"
    count: Counter[int] = Counter()
    for index in range(size.nodes):
        while True:
            drawn = rng.choice(size.classes, int(rng.integers(size.pods[0], size.pods[1] + 1)), p=share)
            most = rng.uniform(0.35, 0.65)
            need = {
                "cpu": int(cpu[drawn].sum()) + DAEMONS["cpu"],
                "memory": (int(memory[drawn].sum()) << 20) + DAEMONS["memory"],
            }
            fitting = [f for f in flavors if all(need[r] <= most * f.allocatable[r] for r in need)]
            if fitting:
                break
        objects += _node(f"node-{index}", fitting[0].name, known)
        for number in drawn.tolist():
            count[number] += 1
            name = f"class-{number}-{count[number]}"
            pod = workloads.pod(name, int(cpu[number]), int(memory[number]), {"app": f"class-{number}"})
            objects.append(_running(pod, f"node-{index}"))
        for daemon, amounts in (("network", ("150m", "250Mi")), ("storage", ("100m", "150Mi"))):
            objects.append(_daemon(daemon, amounts, f"node-{index}"))
    if size.guarded:
        objects += [_guard(number, pods) for number, pods in sorted(count.items())]
    return objects


def _node(name: str, flavor: str, known: catalogue.Catalogue) -> list[Manifest]:
    machine = known.flavors[flavor]
    (zone,) = {o.zone for o in known.offerings(workloads.ONE_ZONE) if o.flavor.name == flavor}
    own = labels.flavor_labels(machine) | labels.offering_labels(workloads.ONE_ZONE, zone)
    own |= {labels.NODEPOOL: "general", labels.CAPACITY_TYPE: "on-demand"}
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
                for each in CONDITIONS
            ],
        },
    }
    node: Manifest = {
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
    return [node, claim]


def _quantity(resource: str, amount: int) -> str:
    return f"{amount}m" if resource == "cpu" else str(amount)


def _running(pod: Manifest, node: str) -> Manifest:
    pod["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": pod["metadata"]["labels"]["app"],
            "uid": "1",
            "controller": True,
        }
    ]
    pod["spec"]["nodeName"] = node
    pod["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
    }
    return pod


def _daemon(name: str, amounts: tuple[str, str], node: str) -> Manifest:
    pod = workloads.pod(f"{name}-{node}", 0, 0, {"app": name}, tolerations=[{"operator": "Exists"}])
    pod["metadata"]["namespace"] = "kube-system"
    pod["spec"]["containers"][0]["resources"]["requests"] = dict(zip(("cpu", "memory"), amounts, strict=True))
    running = _running(pod, node)
    running["metadata"]["ownerReferences"][0] |= {"kind": "DaemonSet", "name": name}
    return running


def _guard(number: int, pods: int) -> Manifest:
    allowed = math.ceil(pods / 10)
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"class-{number}", "namespace": "default"},
        "spec": {"maxUnavailable": "10%", "selector": {"matchLabels": {"app": f"class-{number}"}}},
        "status": {
            "disruptionsAllowed": allowed,
            "currentHealthy": pods,
            "desiredHealthy": pods - allowed,
            "expectedPods": pods,
        },
    }


WORKLOADS: dict[str, Callable[[int], list[Manifest]]] = {
    name: lambda seed, size=size: fragmented(size, seed)  # type: ignore[misc]
    for name, size in SIZES.items()
}
