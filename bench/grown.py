"""
A cluster with a past: it grew in waves, and in the evening its Deployments were scaled down.

Three NodePools, each with a budget of 10 %: `general` may buy b3, c3 and r3, `compute` c3, `memory` r3. Some workloads with
little memory per core ask for `compute`, some with much for `memory`, the others for nothing. In each wave a few
workloads get replicas. They go where kube-scheduler puts them, to the node with the most room; the rest gets new nodes the
way that Karpenter makes them: largest pods first, a node is filled while any flavor holds it, and is then of the cheapest
flavor that does. In between, workloads shrink, as ReplicaSets do: pods go first that share their node with most others.
Then comes the evening: workloads lose replicas, each its own share, until as many pods are left as asked for.

Three workloads in four have a PodDisruptionBudget of a tenth of their pods, some small ones have one that lets none go, and
one is a batch whose pods may not be disrupted.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from bench import running, workloads
from catalog import catalogue, labels
from catalog import flavor as flavors

Manifest = workloads.Manifest
Ints = NDArray[np.int64]

POOLS = {"compute": ("c3",), "general": ("b3", "c3", "r3"), "memory": ("r3",)}
SMALLEST, LARGEST = 50, 16_000
"""Requests of a pod, milli-CPU, log-uniform over workloads."""
RARER = 0.6
"""Large pods are fewer: their share of a wave falls with this power of their size."""
WAVE = (10, 600)
"""Replicas that a wave brings, lowest and highest, log-uniform."""
SHRINK = (0.2, 0.7)
"""Share of its replicas that a workload loses between waves or in the evening."""
PEAK, CLOSE = 1.25, 0.05
"""Pods in the morning as a multiple of those in the evening: mornings are drawn until that is so to within `CLOSE`."""
CLOSED = 4
"""Workloads whose PodDisruptionBudget lets no pod go, and then one whose pods may not be disrupted: the smallest ones."""


class _Fleet:
    """
    Up to `nodes` nodes, what they have left for pods and in all (nodes x milli-CPU and bytes), how many pods of each
    class they run (nodes x classes), and of which pool they are. `requests` and `pinned` are the classes'.
    """

    def __init__(self, nodes: int, requests: Ints, pinned: list[str | None]) -> None:
        known = catalogue.embedded()
        priced = [f for f in known.flavors.values() if f.hourly_micro_eur and f.vcpus < 33]
        priced.sort(key=lambda f: f.hourly_micro_eur or 0)
        self.offers = {name: [f for f in priced if f.name.startswith(families)] for name, families in POOLS.items()}
        self.requests = requests
        self.pinned = pinned
        self.flavors: list[flavors.Flavor] = []
        self.pools = np.full(nodes, "", dtype=object)
        self.room = np.zeros((nodes, 2), dtype=np.int64)
        self.total = np.ones((nodes, 2), dtype=np.int64)
        self.count = np.zeros((nodes, len(requests)), dtype=np.int64)

    def is_full(self) -> bool:
        """Whether all nodes are there."""
        return len(self.flavors) == len(self.pools)

    def add(self, wave: list[int]) -> None:
        """Pods of a wave, one class each, on nodes that are there and on new ones, as long as there may be more."""
        waiting = [c for c in wave if not self._schedule(c)]
        for pool in POOLS:
            self._provision([c for c in waiting if (self.pinned[c] or "general") == pool], pool)

    def _schedule(self, pod_class: int) -> bool:
        need, pool = self.requests[pod_class], self.pinned[pod_class]
        fits = (need <= self.room).all(axis=1)
        if pool is not None:
            fits &= self.pools == pool
        places = np.flatnonzero(fits)
        if not len(places):
            return False
        free = ((self.room[places] - need) / self.total[places]).sum(axis=1)
        place = int(places[free.argmax()])
        self.count[place, pod_class] += 1
        self.room[place] -= need
        return True

    def _provision(self, waiting: list[int], pool: str) -> None:
        claims: list[tuple[Ints, list[int]]] = []
        for pod_class in sorted(waiting, key=lambda c: tuple(-self.requests[c])):
            for need, there in claims:
                if self._cheapest(need + self.requests[pod_class], pool) is not None:
                    need += self.requests[pod_class]
                    there.append(pod_class)
                    break
            else:
                claims.append((self.requests[pod_class].copy(), [pod_class]))
        for need, there in claims:
            flavor = self._cheapest(need, pool)
            if flavor is not None and not self.is_full():
                node = len(self.flavors)
                self.flavors.append(flavor)
                self.pools[node] = pool
                self.total[node] = _size(flavor)
                self.room[node] = self.total[node] - need
                self.count[node] = np.bincount(there, minlength=len(self.requests))

    def _cheapest(self, need: Ints, pool: str) -> flavors.Flavor | None:
        return next((f for f in self.offers[pool] if (need <= _size(f)).all()), None)

    def shrink(self, pod_class: int, pods: int) -> None:
        """A class loses pods, first those that share their node with most others of it."""
        for _ in range(pods):
            place = int(self.count[:, pod_class].argmax())
            self.count[place, pod_class] -= 1
            self.room[place] += self.requests[pod_class]


@functools.cache
def _size(flavor: flavors.Flavor) -> Ints:
    """What pods may have of a node beside those of DaemonSets."""
    return np.array([flavor.allocatable[r] - running.DAEMONS[r] for r in ("cpu", "memory")], dtype=np.int64)


def grown(nodes: int, pods: int, classes: int, seed: int) -> list[Manifest]:
    """The objects of a cluster of so many nodes, pods and workloads."""
    for attempt in itertools.count():
        rng = np.random.default_rng((seed, attempt))
        fleet = _morning(rng, nodes, classes)
        if abs(int(fleet.count.sum()) / pods - PEAK) < CLOSE:
            break
    while (over := int(fleet.count.sum()) - pods) > 0:
        pod_class = int(rng.integers(classes))
        there = int(fleet.count[:, pod_class].sum())
        fleet.shrink(pod_class, min(over, int(there * rng.uniform(*SHRINK))))
    return _manifests(fleet)


def _morning(rng: np.random.Generator, nodes: int, classes: int) -> _Fleet:
    """The cluster when all nodes are there."""
    cpu = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), classes)).astype(np.int64)
    ratio = np.exp(rng.uniform(0, np.log(8), classes))
    memory = np.maximum((cpu / 1000 * ratio * 1024).astype(np.int64), 16)
    weight = rng.dirichlet(np.ones(classes)) / cpu**RARER
    asks = rng.random(classes) < 0.5
    pinned = [
        "compute" if own and each < 2 else "memory" if own and each > 5 else None
        for own, each in zip(asks.tolist(), ratio.tolist(), strict=True)
    ]
    fleet = _Fleet(nodes, np.column_stack([cpu, memory << 20]), pinned)
    while not fleet.is_full():
        several = rng.choice(classes, int(rng.integers(2, 9)), replace=False)
        size = int(np.exp(rng.uniform(*np.log(WAVE))))
        more = rng.choice(several, size, p=weight[several] / weight[several].sum())
        fleet.add([*several.tolist(), *more.tolist()])
        for pod_class in rng.choice(classes, 2, replace=False).tolist():
            fleet.shrink(pod_class, int(fleet.count[:, pod_class].sum() * rng.uniform(*SHRINK)))
    return fleet


def _manifests(fleet: _Fleet) -> list[Manifest]:
    known = catalogue.embedded()
    never = {"disruption": {"consolidateAfter": "0s", "budgets": [{"nodes": "10%"}]}}
    objects = [o for o in workloads.base(workloads.ONE_ZONE) if o["kind"] != "NodePool"]
    for name, families in POOLS.items():
        pool = workloads.node_pool(name, families, **never, **({"weight": 10} if name == "general" else {}))
        pool["spec"]["template"]["spec"]["expireAfter"] = "Never"
        objects.append(pool)
    total = fleet.count.sum(axis=0)
    fewest = [int(c) for c in np.argsort(total, kind="stable") if total[c] > 1]
    closed, batch = set(fewest[:CLOSED]), fewest[CLOSED]
    number = np.zeros(len(total), dtype=np.int64)
    for index, flavor in enumerate(fleet.flavors):
        objects += running.node(f"node-{index}", flavor.name, known, fleet.pools[index])
        for c in np.flatnonzero(fleet.count[index]).tolist():
            selector = {"nodeSelector": {labels.NODEPOOL: fleet.pinned[c]}} if fleet.pinned[c] else {}
            for _ in range(int(fleet.count[index, c])):
                number[c] += 1
                cpu, memory = fleet.requests[c].tolist()
                pod = workloads.pod(f"class-{c}-{number[c]}", cpu, memory >> 20, {"app": f"class-{c}"}, **selector)
                if c == batch:
                    pod["metadata"]["annotations"] = {"karpenter.sh/do-not-disrupt": "true"}
                objects.append(running.pod(pod, f"node-{index}"))
    for c in np.flatnonzero(total).tolist():
        if c in closed or c % 4:
            objects.append(running.guard(f"class-{c}", int(total[c]), closed=c in closed))
    return objects
