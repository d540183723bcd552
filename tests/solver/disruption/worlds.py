"""Clusters to consolidate, plans for them, and what is left when a plan has been carried out."""

from __future__ import annotations

import copy
import dataclasses
import time
from typing import Any

import numpy as np

from catalog import catalogue, labels
from solver import cluster, options, plan, planner
from tests.solver import builders as b

NOW = 1_772_409_600
"""Monday 2 March 2026, 00:00 UTC."""

FREE = {"consolidateAfter": "0s", "budgets": [{"nodes": "100%"}]}
"""Disruption settings of a NodePool that hold nothing up."""

SIZES = [{"key": labels.INSTANCE_TYPE, "operator": "In", "values": ["b3-8", "b3-16", "b3-32"]}]


def pool(name: str = "general", **fields: Any) -> cluster.NodePool:
    """A NodePool of three sizes; without more words nothing holds disruption up and nodes live for ever."""
    return b.pool(name, SIZES, **({"disruption": FREE, "expireAfter": "Never"} | fields))


def world(*objects: Any, pool: cluster.NodePool | None = None, **fields: Any) -> cluster.Cluster:
    """A cluster with NodePool "general"."""
    return b.cluster(pool or globals()["pool"](), *objects, **fields)


def plan_of(of: cluster.Cluster, known: catalogue.Catalogue = b.SHELF, **asked: Any) -> plan.Plan:
    """The plan of mode consolidate; the checker has accepted it."""
    settings: dict[str, Any] = {"mode": "consolidate", "now": NOW, "time_limit": 4.0, "workers": 1}
    wish = options.Options(**(settings | asked))
    found = planner.plan(of, known, wish, planner.Run(clock=time.monotonic))
    assert found.verification.ok
    assert not [note for note in found.notes if "rejected" in note], found.notes
    return found


def removed(of: cluster.Cluster, **asked: Any) -> dict[str, str]:
    """Reasons by name of the nodes that the plan removes."""
    return {each.node: each.reason for each in plan_of(of, **asked).delete}


def kept(of: cluster.Cluster, **asked: Any) -> dict[str, str]:
    """Reasons by name of the nodes that the plan keeps."""
    return {each.node: each.reason for each in plan_of(of, **asked).keep}


def carried_out(of: cluster.Cluster, done: plan.Plan) -> cluster.Cluster:
    """The cluster after all steps: removed nodes and their claims are gone, new ones are ready, pods run where planned."""
    return under_way(of, done, len(done.steps))[0]


def under_way(of: cluster.Cluster, done: plan.Plan, steps: int) -> tuple[cluster.Cluster, dict[str, str]]:
    """
    The cluster after so many steps, and the pods that the last of them has moved or found a place for.

    A pod without a place is gone with its node when somebody makes it anew, and waits otherwise.
    """
    named = {key for step in done.steps for key in step.move}
    there = of.nodes.keys() | of.node_claims.keys()
    gone: set[str] = set()
    placed: dict[str, str] = {}
    last: dict[str, str] = {}
    for step in done.steps[:steps]:
        there |= set(step.launch)
        gone |= set(step.delete)
        arriving = {key: name for key, name in done.placements.items() if key not in named and name in there}
        last = {key: name for key, name in (arriving | dict(step.move)).items() if key not in placed}
        placed |= last
    after = copy.copy(of)
    after.nodes = {name: node for name, node in of.nodes.items() if name not in gone}
    after.node_claims = {name: claim for name, claim in of.node_claims.items() if claim.node not in gone}
    for new in done.create:
        if new.name in there:
            own = {**new.labels, labels.HOSTNAME: new.name, "karpenter.sh/registered": "true"}
            node = b.node(new.name, new.zone, new.flavor, labels=own, taints=new.taints)
            after.nodes[new.name] = node
            after.node_claims[new.name] = b.claim(
                new.name, node, new.node_pool, annotations=new.annotations, created=NOW
            )
    after.pods = {}
    for key, pod in of.pods.items():
        place = placed.get(key, "" if pod.node in gone else pod.node)
        if pod.node in gone and key not in placed and pod.owner is not None:
            continue
        after.pods[key] = dataclasses.replace(pod, node=place, nominated_node="")
    return after, last


def draw(seed: int) -> cluster.Cluster:
    """A cluster of two to six nodes with up to 24 pods, and a chance of each rule that consolidation must keep."""
    return _Maker(seed).cluster()


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def cluster(self) -> cluster.Cluster:
        kinds = [self._kind(index) for index in range(int(self.random.integers(1, 5)))]
        pools = [pool(), pool("other", taints=[{"key": "team", "value": "x", "effect": "NoSchedule"}])]
        objects: list[Any] = list(pools[: 1 + self._chance(0.2)])
        for index in range(int(self.random.integers(2, 7))):
            flavor = ("b3-8", "b3-16", "b3-32")[int(self.random.integers(3))]
            zone = (b.A, b.B, b.C)[int(self.random.integers(3))]
            name = f"n{index}"
            objects.append(b.owned(name, zone, flavor, claim=self._claim()))
            room = {"b3-8": 1800, "b3-16": 3800, "b3-32": 7800}[flavor]
            for number in range(int(self.random.integers(0, 5))):
                kind = kinds[int(self.random.integers(len(kinds)))]
                cpu = dict(kind["of"].requests)["cpu"]
                if cpu <= room:
                    room -= cpu
                    objects.append(b.pod(f"p{index}-{number}", node=name, **kind))
        for number in range(int(self.random.integers(0, 3)) if self._chance(0.3) else 0):
            objects.append(b.pod(f"waits-{number}", **kinds[0]))
        if self._chance(0.3):
            allowed = int(self.random.integers(0, 3))
            objects.append(cluster.Budget("default", "budget", b.selector(app="app0"), disruptions_allowed=allowed))
        return b.cluster(*objects)

    def _kind(self, index: int) -> dict[str, Any]:
        app = f"app{index}"
        fields: dict[str, Any] = {}
        if self._chance(0.15):
            fields["anti_affinity"] = (b.near(b.HOSTNAME, b.selector(app=app)),)
        if self._chance(0.15):
            fields["spread"] = (b.spread(b.ZONE, b.selector(app=app), hard=self._chance(0.7)),)
        if self._chance(0.1):
            fields["node_selector"] = ((b.ZONE, b.A),)
        annotations = {"karpenter.sh/do-not-disrupt": "true"} if self._chance(0.08) else {}
        return {
            "of": b.spec(int(self.random.choice([250, 500, 1000, 1500])), b.GIB, **fields),
            "labels": {"app": app},
            "annotations": annotations,
            "owner": cluster.Owner("ReplicaSet", app, app),
        }

    def _claim(self) -> dict[str, Any]:
        if self._chance(0.1):
            return {"conditions": {"Drifted": cluster.ClaimCondition("True", changed=NOW - 60)}}
        if self._chance(0.05):
            return {"expire_after": 3600, "created": NOW - 7200}
        return {}

    def _chance(self, chance: float) -> bool:
        return bool(self.random.random() < chance)


def moved(of: cluster.Cluster, done: plan.Plan) -> set[str]:
    """Pods that ran and run elsewhere once the plan is carried out."""
    return {key for key, place in done.placements.items() if of.pods[key].node not in ("", place)}
