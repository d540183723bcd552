"""The plan for a few objects, and questions about it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from solver import cluster, options, planner
from solver import plan as plans
from tests.solver import builders as b

SMALL, MEDIUM, LARGE = 50_000, 100_000, 200_000
"""Micro-euro per hour of b3-8, b3-16 and b3-32."""

ONLY_B3 = ("b3-*",)


def solved(*objects: Any, **asked: Any) -> plans.Plan:
    """The proved best plan for these objects (or one cluster), accepted by the checker; other words are options."""
    whole = objects[0] if isinstance(objects[0], cluster.Cluster) else b.cluster(*objects)
    asked = {"time_limit": 20.0, "deterministic": True, "workers": 1, **asked}
    plan = planner.plan(whole, b.SHELF, options.Options(**asked), planner.Run(clock=time.monotonic))
    assert plan.verification.ok
    assert not any("rejected" in note for note in plan.notes)
    return plan


def flavors(plan: plans.Plan) -> dict[str, int]:
    """How many nodes of each flavor the plan buys."""
    return dict(sorted(Counter(node.flavor for node in plan.create).items()))


def zones(plan: plans.Plan) -> str:
    """Last letters of the zones of the new nodes, in order."""
    return "".join(sorted(node.zone[-1] for node in plan.create))


def zone_of(plan: plans.Plan, of: cluster.Cluster, pod: str) -> str:
    """Last letter of the zone that a pod `default/<pod>` goes to, "" when it is left out."""
    zones = {name: node.labels[b.ZONE] for name, node in of.nodes.items()} | {
        node.name: node.zone for node in plan.create
    }
    return zones.get(place(plan, pod), "")[-1:]


def place(plan: plans.Plan, pod: str) -> str:
    """The node of a pod `default/<pod>`, "" when it is left out."""
    return plan.placements.get(_key(pod), "")


def together(plan: plans.Plan, *pods: str) -> bool:
    """Whether these pods are on one node."""
    return len({place(plan, pod) for pod in pods}) == 1 and bool(place(plan, pods[0]))


def left_out(plan: plans.Plan) -> set[str]:
    """Names of the pods that the plan leaves out."""
    return {each.pod.partition("/")[2] for each in plan.unschedulable}


def why(plan: plans.Plan, pod: str) -> str:
    """What is said of a pod that is left out."""
    return next(each.message for each in plan.unschedulable if each.pod == _key(pod))


def constraints(plan: plans.Plan, pod: str) -> dict[str, str]:
    """The rule that is blamed for a pod, by NodePool."""
    found = next(each for each in plan.unschedulable if each.pod == _key(pod))
    return {reason.node_pool: reason.constraint for reason in found.reasons}


def preferences(plan: plans.Plan) -> int:
    """The weight of preferences that the plan does not meet."""
    return next(term.value for term in plan.objective if term.term == "preferences")


def _key(pod: str) -> str:
    return pod if "/" in pod else f"default/{pod}"
