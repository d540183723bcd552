"""Why pods are left out: for each NodePool the rule that refuses it and for how many offers, in upstream's words."""

from __future__ import annotations

from collections.abc import Mapping

from solver import build as builds
from solver import plan as plans
from solver import problem as problems
from solver.explain import reasons

__all__ = ["left_out"]


def left_out(
    build: builds.Build,
    solution: problems.Solution,
    pods: Mapping[int, tuple[str, ...]],
    changes: Mapping[int, tuple[plans.Relaxation, ...]],
) -> tuple[plans.Unschedulable, ...]:
    """
    Explain pods without a place.

    Parameters
    ----------
    build: the problem and what it was made from.
    solution: what the plan does.
    pods: class index to the pods of that class that were left out.
    changes: class index to single changes that would place one of them.
    """
    result: list[plans.Unschedulable] = []
    for index, keys in pods.items():
        why = reasons.of_class(build, solution, index)
        message = build.ignored.get(keys[0]) or reasons.summary(build, why)
        relaxed = changes.get(index, ())
        result.extend(plans.Unschedulable(key, message, why, relaxed) for key in keys)
    return tuple(sorted(result, key=lambda u: u.pod))
