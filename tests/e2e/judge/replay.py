"""
Plans that remove nodes, carried out step by step before the real kube-scheduler.

Each step is a plan of its own: the cluster as the steps before have left it, with the step's new nodes and without
those that it deletes, in which the pods that the step moves look for their places.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from solver import cluster, options, plan
from tests.e2e.judge import court
from tests.solver import builders
from tests.solver.disruption import worlds

ASKED = options.Options(now=worlds.NOW)


@dataclasses.dataclass(slots=True)
class Replay:
    """`steps` that were carried out, with all pods that had to be `bound` there; `wrong` says what was not."""

    plans: int = 0
    steps: int = 0
    moved: int = 0
    bound: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)


def stages(of: cluster.Cluster, done: plan.Plan) -> Iterator[tuple[cluster.Cluster, plan.Plan]]:
    """For each step the cluster in which its pods look for their places, and the plan that says which."""
    for number in range(1, len(done.steps) + 1):
        after, last = worlds.under_way(of, done, number)
        after.pods = {key: dataclasses.replace(p, node="") if key in last else p for key, p in after.pods.items()}
        yield (
            after,
            dataclasses.replace(done, create=(), delete=(), keep=(), steps=(), unschedulable=(), placements=last),
        )


def carry_out(bench: court.Court, of: cluster.Cluster, done: plan.Plan, into: Replay, name: str) -> None:
    """Carry one plan out before a court."""
    into.plans += 1
    for number, (after, step) in enumerate(stages(of, done), 1):
        verdict = bench.judge(after, builders.SHELF, ASKED, step)
        into.steps += 1
        into.moved += verdict.planned
        into.bound += verdict.bound
        into.wrong += [f"{name}, step {number}: {words}" for words in verdict.wrong]
