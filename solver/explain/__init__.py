"""
Why pods are left out: for each NodePool the rule that refuses it and for how many offers, in upstream's words; the
smallest set of rules that together leave no place; single changes that would give one.
"""

from __future__ import annotations

from collections.abc import Mapping

from solver import build as builds
from solver import plan as plans
from solver import problem as problems
from solver.explain import reasons, trials

__all__ = ["left_out"]


def left_out(
    build: builds.Build,
    solution: problems.Solution,
    pods: Mapping[int, tuple[str, ...]],
    changes: Mapping[str, tuple[plans.Relaxation, ...]],
) -> tuple[plans.Unschedulable, ...]:
    """
    Explain pods without a place.

    Parameters
    ----------
    build: the problem and what it was made from.
    solution: what the plan does.
    pods: class index to the pods of that class that were left out.
    changes: pod to single changes that would place it.
    """
    result: list[plans.Unschedulable] = []
    tried = trials.Trials(build, solution)
    for index, keys in pods.items():
        why, message = reasons.of_class(build, tried, solution, index)
        message = build.ignored.get(keys[0]) or message
        together = tried.together(index)
        result.extend(plans.Unschedulable(key, message, why, changes.get(key, ()), together) for key in keys)
    return tuple(sorted(result, key=lambda u: u.pod))
