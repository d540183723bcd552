"""
Clusters of half-empty nodes that are all filled alike.

Pods come in random classes as in `workloads.random_classes`. Each node takes some pods at random and is of the cheapest
flavor of which they take no more than a share drawn between 35 and 65 percent: what is left when replicas have gone.
`bench.grown` has a cluster with a past.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from bench import running, workloads
from catalog import catalogue

Manifest = workloads.Manifest


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
                "cpu": int(cpu[drawn].sum()) + running.DAEMONS["cpu"],
                "memory": (int(memory[drawn].sum()) << 20) + running.DAEMONS["memory"],
            }
            fitting = [f for f in flavors if all(need[r] <= most * f.allocatable[r] for r in need)]
            if fitting:
                break
        objects += running.node(f"node-{index}", fitting[0].name, known)
        for number in drawn.tolist():
            count[number] += 1
            name = f"class-{number}-{count[number]}"
            pod = workloads.pod(name, int(cpu[number]), int(memory[number]), {"app": f"class-{number}"})
            objects.append(running.pod(pod, f"node-{index}"))
    if size.guarded:
        objects += [running.guard(f"class-{number}", pods) for number, pods in sorted(count.items())]
    return objects


ALIKE = Size(500, 100, (12, 30), largest=1500, budget="10%", guarded=True)
"""500 nodes that are so much alike that those with the fewest pods are the right ones for everybody."""
