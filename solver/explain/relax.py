"""The cheapest single changes that would give pods a place, found by solving the changed question."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from catalog import catalogue
from solver import build as builds
from solver import plan as plans
from solver.explain import changes

CLASSES = 20
"""Pod classes for which changes are tried; the others get reasons only."""
KEPT = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What owned nodes cost per hour after a plan, the pods that it places, and the nodes that it buys."""

    after: int
    placed: frozenset[str]
    bought: tuple[plans.NewNode, ...]


Solve = Callable[[changes.Question, frozenset[str]], Answer | None]
"""Answers an edited question about some pods; None when they have no place all the same."""


def relaxations(
    build: builds.Build,
    known: catalogue.Catalogue,
    left_out: Mapping[int, Sequence[str]],
    after: int,
    solve: Solve,
    stop: Callable[[], bool],
) -> dict[str, tuple[plans.Relaxation, ...]]:
    """
    Try single changes for the classes with most pods left out.

    `after` is what owned nodes cost in the plan that leaves them out. Returns for each pod the cheapest changes with
    which it is placed, and what the whole plan then costs more per hour.
    """
    found: dict[str, dict[str, plans.Relaxation]] = {}
    for index in sorted(left_out, key=lambda i: (-len(left_out[i]), i))[:CLASSES]:
        wanted = frozenset(left_out[index])
        for change in changes.of_class(build, index, known):
            if stop():
                break
            answer = solve(change.edit(), wanted)
            if answer is None:
                continue
            made = change.fitted(answer.bought) if change.fitted is not None else change
            said = plans.Relaxation(made.sentence, answer.after - after)
            for pod in wanted & answer.placed:
                mine = found.setdefault(pod, {})
                kind = change.kind or change.sentence
                mine[kind] = min(mine.get(kind, said), said, key=_extra)
    return {pod: tuple(sorted(each.values(), key=_extra)[:KEPT]) for pod, each in found.items()}


def _extra(of: plans.Relaxation) -> int:
    return of.extra_hourly
