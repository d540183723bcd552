"""Small problems as a whole: by enumeration of patterns where amounts are all that binds, and by the exact model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent import futures

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import columns as patterns
from solver.search import exhaust, incumbent, params
from solver.search import field as fields

Ints = NDArray[np.int64]

SMALL_PODS = 60
SMALL_CLASSES = 12
ENUMERATE_SHARE, GLANCE_SHARE = 0.1, 0.02
"""Shares of the time left for each step of enumeration, and for the incumbent before it."""
WHOLE_SHARE = 0.4
"""Share of the time left for patterns under rules, where the exact model comes after them."""
DIRECT_SHARE, TRY_SHARE = 0.8, 0.08
"""Shares of the time left for the exact model, and for a first try of it."""
RACE_SHARE = 0.85
"""Share of the time left for both, side by side."""
BRANCHES = 500
"""Nodes of the search tree that a cover may take when the clock does not count."""


def carries(problem: problems.Problem) -> bool:
    """Whether the exact model can carry a whole problem."""
    return int(problem.counts.sum()) <= SMALL_PODS and len(problem.classes) <= SMALL_CLASSES


class Small:
    """Exact methods for one problem; `patterns` counts those looked at."""

    def __init__(self, known: incumbent.Incumbent, rng: np.random.Generator) -> None:
        self.problem = known.problem
        self.settings: params.Params = known.settings
        self.known = known
        self.rng = rng
        self.patterns = 0

    def applies(self) -> bool:
        """Whether the exact model can carry the whole problem."""
        return carries(self.problem)

    def enumerate(self, whole: fields.Field) -> None:
        """All patterns that a better plan could use, where amounts are all that binds; ends with a proof, or not at all."""
        counts = np.where(self.placeable(), self.problem.counts, 0)
        out = self.problem.counts - counts
        if not counts.any() or not exhaust.applies(self.problem, counts) or sum(self.known.value.unplaced) > out.sum():
            return
        budget = self.known.budget
        started, spent = budget.seconds(), budget.spent()
        until = spent + (1.0 - spent) * ENUMERATE_SHARE

        def stop() -> bool:
            return budget.over(until)

        workers = 1 if self.settings.deterministic else self.settings.workers
        effort = patterns.Effort(
            stop,
            budget.tick,
            self.settings.seed,
            min(workers, 2),
            lambda: until - budget.spent(),
            lambda: budget.seconds_until(until),
        )
        columns = patterns.Columns(whole, counts, np.ones(len(counts)), 0.0, 0)
        columns.add_singles()
        master = columns.close(self.rng, effort)
        if master is None:
            return
        charged = dataclasses.replace(whole, cost=whole.cost + self.problem.node_charge)
        duals = columns.centre
        there = exhaust.on_nodes(self.problem, charged, counts, duals)
        if there is None:
            return
        few = exhaust.Rows(columns.kind, columns.counts.astype(np.int64))
        self.cover(charged, few, there, counts, GLANCE_SHARE)
        best = [(each @ duals).max(initial=0.0) for each in there]
        gap = self.known.value.cost - float(duals @ counts) + sum(best)
        rows = exhaust.patterns(charged, counts, duals, gap, stop)
        if rows is not None:
            there = [each[each @ duals >= most - gap - 1e-6] for each, most in zip(there, best, strict=True)]
            self.patterns += len(rows.kind)
            bound = self.cover(charged, rows, there, counts, ENUMERATE_SHARE)
            if bound is not None and self.known.value.cost <= bound:
                self.known.proved()
        self.known.phase("enumeration", started)

    def cover(
        self, field: fields.Field, rows: exhaust.Rows, there: list[Ints], counts: Ints, share: float
    ) -> int | None:
        """The best choice among patterns as an incumbent; the bound on any such choice, None when time was short."""
        found = exhaust.cover(
            self.problem,
            field,
            rows,
            there,
            counts,
            seed=self.settings.seed,
            time_limit=self.known.budget.left() * share,
            node_limit=BRANCHES if self.settings.deterministic else None,
        )
        if found is None:
            return None
        self.known.offer(found.solution, "exact")
        return found.bound

    def placeable(self) -> NDArray[np.bool_]:
        """(C,) classes of which an empty node of some offer, or what is free on an existing node, holds a pod."""
        problem = self.problem
        ok = np.concatenate([problem.offer_ok, problem.node_ok], axis=1)
        room = np.concatenate([problem.offer_room, problem.node_room])
        return np.asarray(((problem.requests[:, None, :] <= room[None, :, :]).all(axis=2) & ok).any(axis=1))

    def prove(self, narrow: problems.Problem | None) -> None:
        """
        Patterns under rules and the exact model: nobody knows beforehand which of them is faster. On two cores side by side, each
        with what the other one finds, until one of them proves it; else one after the other.
        """
        from solver.search import whole

        if self._over():
            return
        workers = 1 if self.settings.deterministic else self.settings.workers
        if workers > 1 and whole.applies(self.problem):
            until = self.known.budget.spent() + (1.0 - self.known.budget.spent()) * RACE_SHARE
            with futures.ThreadPoolExecutor(1) as beside:
                exact = beside.submit(self.direct, RACE_SHARE, 1)
                self.whole(narrow, until)
                exact.result()
            return
        # Where patterns have to be looked at case by case (`whole`), the exact model is often faster.
        if any(spread.topology == problems.HOST for spread in self.problem.spreads):
            self.direct(TRY_SHARE, workers)
        if not self._over():
            self.whole(narrow, self.known.budget.spent() + (1.0 - self.known.budget.spent()) * WHOLE_SHARE)
        if not self._over():
            self.direct(DIRECT_SHARE, workers)

    def _over(self) -> bool:
        """Whether somebody proved it, or found what is good enough."""
        return self.known.optimal or bool(self.settings.gap and self.known.done())

    def whole(self, narrow: problems.Problem | None, until: float) -> None:
        """
        Patterns under the blocks of the exact model, over `narrow` masks where bounds on them hold for the whole, until this
        share of the time is spent.
        """
        from solver.search import selection, whole

        problem = self.problem if narrow is None else narrow
        if not whole.applies(problem):
            return
        started, budget = self.known.budget.seconds(), self.known.budget
        clock = selection.Clock(
            left=lambda: (until - budget.spent()) * self.settings.time_limit,
            spend=lambda seconds: budget.tick(seconds * budget.ROUNDS_PER_SECOND),
            seed=self.settings.seed,
            stop=lambda: budget.over(until) or self._over(),
        )
        answer = whole.solve(problem, lambda: self.known.value, clock, lambda found: self.known.offer(found, "exact"))
        if answer.numbers == objective_numbers(self.known.value) and answer.cost is not None:
            if self.known.value.cost <= answer.cost:
                self.known.proved()
            elif not self.known.unplaced():
                self.known.lift(float(answer.cost) - self.known.most_charges())
        self.known.phase("patterns", started)

    def direct(self, share: float, workers: int) -> None:
        """The direct model over the whole problem, from the incumbent, for a share of the time left."""
        started = self.known.budget.seconds()
        direct(self.known, self.known.budget.left() * share, workers, lambda: self.settings.stop() or self._over())
        self.known.phase("exact", started)


def direct(known: incumbent.Incumbent, time_limit: float, workers: int, stop: Callable[[], bool]) -> None:
    """The direct model over a whole problem, from the incumbent; what it finds and proves is known then."""
    from solver.model import solve as exact

    settings = known.settings
    answer = exact.solve_direct(
        known.problem,
        time_limit=time_limit,
        seed=settings.seed,
        workers=workers,
        deterministic=settings.deterministic,
        hint=known.best,
        upper=lambda: known.value,
        slots=None,
        should_stop=stop,
    )
    if answer.solution is not None:
        known.offer(answer.solution, "exact")
    if answer.optimal and answer.value is not None and answer.value == known.value:
        known.proved()
    elif answer.cost_bound is not None and not known.unplaced():
        known.lift(float(answer.cost_bound) - known.most_charges())


def objective_numbers(value: problems.Value) -> tuple[int, ...]:
    """All numbers of a value but the cost."""
    return (*value.unplaced, value.preferences, value.rank)
