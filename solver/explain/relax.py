"""
The cheapest single changes that would give pods a place, found by solving the changed question.

What a change to a NodePool or the quota comes to is the same for all pods, so it is asked once. Changes only ever allow more:
where all flavors together that are proposed for a NodePool place no more pods, none of them alone does.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from catalog import catalogue
from solver import build as builds
from solver import plan as plans
from solver.explain import changes

CLASSES = 20
"""Pod classes for which changes are tried; the others get reasons only."""
KEPT = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """
    What owned nodes cost per hour after a plan, the pods that it places, how many it leaves out by priority, highest first, and
    the nodes that it buys.
    """

    after: int
    placed: frozenset[str]
    left: tuple[int, ...]
    bought: tuple[plans.NewNode, ...]


class Changed(Protocol):
    """A changed question."""

    def opens(self, pods: frozenset[str]) -> bool:
        """Whether there is a place that one of these pods could have."""

    @property
    def plan(self) -> Answer:
        """Its answer, worked out when it is first asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Proposed:
    """A change, and the pods for which it is proposed."""

    change: changes.Change
    pods: set[str]


def relaxations(
    build: builds.Build,
    known: catalogue.Catalogue,
    left_out: Mapping[int, Sequence[str]],
    before: Answer,
    ask: Callable[[changes.Question], Changed],
    stop: Callable[[], bool],
) -> dict[str, tuple[plans.Relaxation, ...]]:
    """
    Try single changes for the classes with most pods left out.

    `before` is the plan that leaves them out. Returns for each pod the cheapest changes with which it is placed and fewer pods
    are left out, or such of less priority, and what the whole plan then costs more per hour.
    """
    found: dict[str, dict[str, plans.Relaxation]] = {}
    flavors = _Flavors(build, before, ask)
    proposals = _proposals(build, known, left_out)
    for each in proposals:
        if each.change.flavor:
            flavors.propose(each.change)
    for each in proposals:
        if stop():
            break
        pods = frozenset(each.pods)
        if each.change.flavor and not flavors.help(each.change.node_pool, pods):
            continue
        asked = ask(each.change.edit())
        if not asked.opens(pods):
            continue
        answer = asked.plan
        if answer.left >= before.left:
            continue
        made = each.change.fitted(answer.bought) if each.change.fitted is not None else each.change
        said = plans.Relaxation(made.sentence, answer.after - before.after)
        for pod in pods & answer.placed:
            mine = found.setdefault(pod, {})
            kind = f"flavor {made.node_pool}" if made.flavor else each.change.sentence
            mine[kind] = min(mine.get(kind, said), said, key=_extra)
    return {pod: tuple(sorted(each.values(), key=_extra)[:KEPT]) for pod, each in found.items()}


def _proposals(
    build: builds.Build, known: catalogue.Catalogue, left_out: Mapping[int, Sequence[str]]
) -> Sequence[_Proposed]:
    """Every change once, the first of all classes first, then the second, and so on."""
    order = sorted(left_out, key=lambda i: (-len(left_out[i]), i))[:CLASSES]
    found: dict[tuple[object, ...], _Proposed] = {}
    for number, row in enumerate(itertools.zip_longest(*(changes.of_class(build, index, known) for index in order))):
        for index, change in zip(order, row, strict=True):
            if change is not None:
                key = (index, number) if change.own else (change.sentence,)
                found.setdefault(key, _Proposed(change, set())).pods.update(left_out[index])
    return list(found.values())


class _Flavors:
    """Whether flavors beyond those of a NodePool are of any use, all of them together."""

    def __init__(self, build: builds.Build, before: Answer, ask: Callable[[changes.Question], Changed]) -> None:
        self.build, self.before, self.ask = build, before, ask
        self.proposed: dict[str, set[str]] = defaultdict(set)
        self.asked: dict[str, Changed] = {}

    def propose(self, change: changes.Change) -> None:
        self.proposed[change.node_pool].add(change.flavor)

    def help(self, node_pool: str, pods: frozenset[str]) -> bool:
        """
        Whether all flavors that are proposed for a NodePool have a place for one of these pods, and fewer pods are left out with
        them; one alone is its own answer.
        """
        more = sorted(self.proposed[node_pool])
        if len(more) == 1:
            return True
        if node_pool not in self.asked:
            self.asked[node_pool] = self.ask(changes.with_flavors(self.build, node_pool, more))
        together = self.asked[node_pool]
        return together.opens(pods) and together.plan.left < self.before.left


def _extra(of: plans.Relaxation) -> int:
    return of.extra_hourly
