"""
Questions with a single change made, planned anew: what `explain.relax` asks.

What changes come to is worth less than the plan itself: they get half of the time that the search took, as far as it left
some, or what makes both of them short.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from catalog import catalogue
from solver import assemble, cluster, options
from solver import build as builds
from solver.explain import changes, relax
from solver.search import params, parts

PART = 0.5
"""Of the time that the search took, for all changes together."""
SOON, LEAST, LATE = 0.15, 0.05, 0.1
"""
Shares of the time limit: what search and changes may take together in any case, what changes may take in any case, and after a
search that left nothing of it.
"""
EACH, LEFT_EACH, LEAST_EACH = 0.2, 0.7, 0.1
"""Share of the time limit for one of them, of what is left for all, and of the search's own time that it gets in any case."""
EFFORT = 50_000
"""Pods and nodes that are planned over again for all of them, also without a clock."""
EXACT, NEARLY = 500, 0.001
"""Pods up to which a change is priced exactly, and the gap that will do beyond."""

Search = Callable[[cluster.Cluster, options.Options, builds.Build], tuple[builds.Build, params.Found]]
"""Answers a question whose problem is built."""


class Asked:
    """A changed question; its plan is worked out when it is first asked for."""

    def __init__(self, question: changes.Question, known: catalogue.Catalogue, search: Search) -> None:
        self.question, self.search = question, search
        of, asked = question
        self.build = builds.build_problem(of, known, asked)

    @functools.cached_property
    def plan(self) -> relax.Answer:
        """What it comes to."""
        of, asked = self.question
        build, found = self.search(of, asked, self.build)
        placed = assemble.assemble(build, found.solution)
        fleet = sum(n.price for n in build.problem.nodes) + sum(n.hourly for n in placed.create)
        after = fleet - sum(n.hourly for n in placed.delete)
        return relax.Answer(after, frozenset(placed.placements), found.value.unplaced, placed.create)

    def opens(self, pods: frozenset[str]) -> bool:
        """Whether a place could hold one of these pods: an existing node, or a new one that no limit rules out by itself."""
        problem = self.build.problem
        there = np.array([not pods.isdisjoint(each.pods) for each in problem.classes], dtype=np.bool_)
        holds = parts.held(problem, there)
        for cap in problem.caps:
            holds[:, len(problem.nodes) :] &= cap.per_offer <= cap.room
        return bool(holds.any())


class Asking:
    """Asks changed questions of one plan with so many pods and new nodes, while seconds are `left`."""

    def __init__(
        self,
        known: catalogue.Catalogue,
        search: Search,
        pods: int,
        nodes: int,
        left: Callable[[], float],
        spent: float,
    ) -> None:
        self.known, self.search, self.pods, self.nodes, self.left = known, search, pods, nodes, left
        self.least = LEAST_EACH * max(spent, 1.0)
        self.effort = 0

    def ask(self, question: changes.Question) -> Asked:
        """A changed question with the time that is worth it."""
        of, asked = question
        gap = asked.gap if self.pods <= EXACT else max(asked.gap, NEARLY)
        limit = max(self.least, min(asked.time_limit * EACH, self.left() * LEFT_EACH))
        quick = dataclasses.replace(asked, time_limit=limit, gap=gap)
        return Asked((of, quick), self.known, self._counted)

    def stop(self) -> bool:
        """Whether to ask no more: a search gets no less than its least, so it would end late by more than half of it."""
        return self.effort > EFFORT or self.left() <= self.least / 2

    def _counted(
        self, of: cluster.Cluster, asked: options.Options, build: builds.Build
    ) -> tuple[builds.Build, params.Found]:
        self.effort += self.pods + self.nodes
        return self.search(of, asked, build)


def seconds(limit: float, spent: float) -> float:
    """How long changes may take altogether after a search that took so much of its limit."""
    part = min(spent * PART, max(limit - spent, limit * LATE))
    return max(limit * LEAST, limit * SOON - spent, part)
