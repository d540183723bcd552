"""
A plan as steps that can be carried out one after the other.

In a step nodes are launched, then pods move, then nodes are deleted. Nodes whose pods all go to nodes that are there
come first, those that wait for new nodes after them. A PodDisruptionBudget lets only so many pods go at once: what is
above that waits for the next step, when the moved pods run again.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from solver import cluster
from solver import plan as plans
from solver.disruption import candidates, worth
from solver.disruption import pods as pod_rules

Possible = Callable[[Collection[str]], bool]
"""Whether the cluster is in order once just these nodes are gone and their pods are where they will be."""


@dataclasses.dataclass(slots=True)
class _Stage:
    launch: list[str]
    gone: list[plans.GoneNode]


def order(
    of: cluster.Cluster,
    create: Sequence[plans.NewNode],
    delete: Sequence[plans.GoneNode],
    placements: Mapping[str, str],
    possible: Possible,
) -> tuple[plans.Step, ...]:
    """
    The steps of a plan.

    `placements` are where pods go; pods on nodes of `delete` that have none stay until their node ends. Steps take
    their estimated time in seconds.
    """
    if not delete:
        return tuple(_timed([node.name for node in create], {}, []) for _ in range(bool(create)))
    new = {node.name for node in create}
    leaving = {pod for gone in delete for pod in gone.pods}
    bought = [node.name for node in create if not leaving.intersection(node.pods)]
    late = [gone for gone in delete if any(placements.get(pod) in new for pod in gone.pods)]
    waits = {gone.node for gone in late}
    early = [gone for gone in delete if gone.node not in waits]
    rest = [node.name for node in create if node.name not in set(bought)]
    stages = [_Stage(bought, early), _Stage(rest, late)]
    if early and late and not possible({gone.node for gone in early}):
        stages = [_Stage([*bought, *rest], [*early, *late])]
    budgets = pod_rules.Budgets(of)
    ends = _ending(of, delete)
    found: list[plans.Step] = []
    for stage in stages:
        found += _split(of, stage, placements, budgets, ends)
    return tuple(found)


def _ending(of: cluster.Cluster, delete: Sequence[plans.GoneNode]) -> set[str]:
    """Nodes that go whatever budgets of pods say: expired ones, and drifted ones with a grace period."""
    return {
        gone.node
        for gone in delete
        if gone.reason == candidates.EXPIRED
        or (gone.reason == candidates.DRIFTED and of.node_claims[gone.node_claim].termination_grace_period is not None)
    }


def _split(
    of: cluster.Cluster,
    stage: _Stage,
    placements: Mapping[str, str],
    budgets: pod_rules.Budgets,
    ends: Collection[str],
) -> list[plans.Step]:
    """The stage in as few steps as budgets of pods allow."""
    waiting = {gone.node: [pod for pod in gone.pods if pod in placements] for gone in stage.gone}
    launch = stage.launch
    found: list[plans.Step] = []
    while waiting or launch:
        taken: Counter[int] = Counter()
        move: dict[str, str] = {}
        deleted: list[str] = []
        for node, pods in list(waiting.items()):
            held = []
            for key in pods:
                pod = of.pods[key]
                asked = budgets.covering(pod) if _counts(pod) and node not in ends else ()
                if any(taken[id(b)] >= budgets.allowed(b) for b in asked):
                    held.append(key)
                    continue
                taken.update(id(b) for b in asked)
                move[key] = placements[key]
            if held:
                waiting[node] = held
            else:
                del waiting[node]
                deleted.append(node)
        if not move and not deleted and not launch:
            deleted, waiting = list(waiting), {}
        found.append(_timed(launch, move, deleted))
        launch = []
    return found


def _counts(pod: cluster.Pod) -> bool:
    """Whether the eviction of a pod uses a budget up."""
    return pod_rules.is_active(pod) and pod.ready


def _timed(launch: Sequence[str], move: Mapping[str, str], delete: Sequence[str]) -> plans.Step:
    seconds = worth.STARTS_IN * bool(launch) + worth.DRAINS_IN * bool(move) + worth.GOES_IN * bool(delete)
    return plans.Step(tuple(launch), tuple(delete), dict(sorted(move.items())), seconds)
