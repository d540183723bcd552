"""The cheapest single changes that would give pods a place, found by solving the changed question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from catalog import catalogue
from solver import build as builds
from solver import plan as plans
from solver.explain import changes

CLASSES = 5
"""Pod classes for which changes are tried; the others get reasons only."""
KEPT = 3

Answer = tuple[int, frozenset[str]]
"""What owned nodes cost per hour after a plan, and the pods that it places."""


def relaxations(
    build: builds.Build,
    known: catalogue.Catalogue,
    left_out: Mapping[int, Sequence[str]],
    after: int,
    solve: Callable[[changes.Question], Answer | None],
    stop: Callable[[], bool],
) -> dict[int, tuple[plans.Relaxation, ...]]:
    """
    Try single changes for the classes with most pods left out.

    `after` is what owned nodes cost in the plan that leaves them out; `solve` answers an edited question, None when it
    has no answer. Returns for each class index the cheapest changes that place a pod more, with what the whole plan
    then costs more per hour.
    """
    result: dict[int, tuple[plans.Relaxation, ...]] = {}
    for index in sorted(left_out, key=lambda i: (-len(left_out[i]), i))[:CLASSES]:
        found: list[plans.Relaxation] = []
        wanted = frozenset(left_out[index])
        for change in changes.of_class(build, index, known):
            if stop():
                break
            answer = solve(change.edit())
            if answer is not None and wanted & answer[1]:
                found.append(plans.Relaxation(change.sentence, answer[0] - after))
        found.sort(key=lambda r: r.extra_hourly)
        result[index] = tuple(found[:KEPT])
    return result
