"""Small problems as a whole: by enumeration of patterns where amounts are all that binds, and by the exact model."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from concurrent import futures
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import incumbent, params, quota, restrict
from solver.search.column_generation import columns as patterns
from solver.search.exact import exhaust, walk

if TYPE_CHECKING:
    from solver.search.exact import selection

Ints = NDArray[np.int64]

SMALL_PODS = 60
SMALL_CLASSES = 12
ENUMERATE_SHARE, LEAST_SHARE = 0.4, 0.1
"""Shares of the time left for enumeration, and in it for each of the least numbers before the cost."""
MOST = 80_000
"""
States that walks look at before they leave the rest to patterns under rules: each takes a few times as many as the one before.
"""
HOPELESS, PATIENCE = 0.1, 12_000
"""
How far above the bound covers are looked for where it is not known that there is one, and after how many states that ends where
pods may have to be left out: then the least numbers are often not reached.
"""
WHOLE_SHARE, CONCEDED_SHARE = 0.4, 0.6
"""Shares of the time left for patterns under rules, where others come after them: in all, and where pods give up something."""
HEAD_START = 0.6
"""Seconds that enumeration has for itself on more than one core."""
GLANCE = 0.15
"""Seconds that patterns have for themselves before the exact model begins."""
DIRECT_SHARE, TRY_SHARE = 0.8, 0.08
"""Shares of the time left for the exact model, and for a first try of it."""
RACE_SHARE = 0.85
"""Share of the time left for both, side by side."""


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
        self.looked = False
        self.numbers: tuple[int, ...] | None = None

    def applies(self) -> bool:
        """Whether the exact model can carry the whole problem."""
        return carries(self.problem)

    def amounts_only(self) -> bool:
        """Whether amounts, masks, limits and what pods give up without a price are all that binds."""
        if not exhaust.applies(self.problem):
            return False
        return self.problem.preference_price is None or self.only_cost(self.demand())

    def demand(self) -> Ints:
        """Pods of each class (C,) that some place could hold."""
        return np.where(self.placeable(), self.problem.counts, 0)

    def race(self, whole: fields.Field, narrow: problems.Problem) -> None:
        """Enumeration, and on a second core patterns under rules once that takes long: nobody knows which of them is faster."""
        only_cost = self.only_cost(self.demand())

        def first() -> None:
            if only_cost:
                self.enumerate(whole)
            else:
                self.concede()

        if self.settings.workers < 2 or self.settings.deterministic:
            first()
            return
        alone = GLANCE if self._left_out() else HEAD_START
        mask, share = (narrow, WHOLE_SHARE) if only_cost else (None, CONCEDED_SHARE)
        self._race(alone, first, lambda: self.whole(mask, self._until(share)))

    def concede(self) -> None:
        """
        The least numbers before the cost first, then all patterns that a better plan with these could use, where amounts, masks
        and limits are all that binds.
        """
        started, settings, budget = self.known.budget.seconds(), self.settings, self.known.budget
        until, counts = self._until(ENUMERATE_SHARE), self.demand()
        numbers = walk.least(
            self.problem,
            counts,
            objective_numbers(self.known.value),
            time_limit=LEAST_SHARE * budget.left(),
            seed=settings.seed,
            deterministic=settings.deterministic,
        )
        if numbers is not None:
            found = walk.conceding(self.problem, counts, numbers, lambda: self.known.optimal or budget.over(until))
            budget.tick(patterns.QUICK_ROUND)
            if found is not None:
                self.walk(found, numbers)
                self.patterns += found.patterns
        self.known.phase("enumeration", started)

    def enumerate(self, whole: fields.Field) -> None:
        """All patterns that a better plan could use, where amounts are all that binds; ends with a proof, or not at all."""
        counts = self.demand()
        if not counts.any():
            return
        budget = self.known.budget
        started = budget.seconds()
        until = self._until(ENUMERATE_SHARE)

        def stop() -> bool:
            return self.known.optimal or budget.over(until)

        workers = 1 if self.settings.deterministic else self.settings.workers
        effort = patterns.Effort(
            stop,
            budget.tick,
            self.settings.seed,
            min(workers, 2),
            lambda: until - budget.spent(),
            lambda: budget.seconds_until(until),
        )
        whole = walk.useful(self.problem, whole, counts)
        caps = quota.limits_of(self.problem, whole)
        columns = patterns.Columns(whole, counts, np.ones(len(counts)), 0.0, 0, caps)
        columns.add_singles()
        if walk.priced(columns, self.rng, effort):
            charged = dataclasses.replace(whole, cost=whole.cost + self.problem.node_charge)
            found = walk.Walk(self.problem, charged, counts, walk.point(columns), stop)
            self.walk(found, objective_numbers(self.known.value))
            self.patterns += found.patterns
        self.known.phase("enumeration", started)

    def walk(self, found: walk.Walk, numbers: tuple[int, ...]) -> None:
        """
        Covers that cost little more than the bound first, then those below the incumbent, where it has these numbers before the
        cost, than which there are none less.
        """
        if not np.isfinite(found.least()):
            return
        self._lift(found.least(), numbers)
        ladder, patience = walk.Ladder(large=found.large), PATIENCE if self._left_out() else np.inf
        while True:
            reached = objective_numbers(self.known.value) == numbers
            if not reached and (ladder.share > HOPELESS or found.states > patience):
                return
            top = self.known.value.cost - 1 if reached else np.inf
            answer = found.within(min(top, found.above(ladder.share)))
            if answer is None:
                return
            if answer.solution is not None:
                self.known.offer(answer.solution, "exact")
            if objective_numbers(self.known.value) == numbers:
                self.numbers = numbers
                if self.known.value.cost <= answer.bound:
                    self.known.proved()
                    return
            self._lift(answer.bound, numbers)
            if found.states > MOST:
                return
            if answer.solution is not None:
                # The cheapest cover breaks what covers do not know of: the greatest number and size of OVH pools.
                return
            ladder.climb(answer.states)

    def _lift(self, cost: float, numbers: tuple[int, ...]) -> None:
        """A bound on what solutions with these numbers before the cost cost, charges included."""
        if objective_numbers(self.known.value) == numbers and not self.known.unplaced():
            self.known.lift(cost - self.known.most_charges())

    def _left_out(self) -> bool:
        """Whether the incumbent leaves out pods that have a place."""
        return sum(self.known.value.unplaced) > int((self.problem.counts - self.demand()).sum())

    def only_cost(self, counts: Ints) -> bool:
        """Whether the incumbent places all that can be, as well as can be by place alone, so that only its cost is open."""
        problem, value = self.problem, self.known.value
        if sum(value.unplaced) > (problem.counts - counts).sum() or value.rank:
            return False
        if problem.preference_price is None:
            return value.preferences <= restrict.least_penalty(problem, counts)
        asked = counts > 0
        return not (problem.offer_penalty[asked].any() or problem.node_penalty[asked].any())

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
        if self._over():
            return
        from solver.search.exact import whole

        workers = 1 if self.settings.deterministic else self.settings.workers
        if workers > 1 and not self.looked and whole.applies(self.problem):
            until = self._until(RACE_SHARE)
            self._race(GLANCE, lambda: self.whole(narrow, until), lambda: self.direct(RACE_SHARE, 1))
            return
        # Where patterns have to be looked at case by case (`whole`), the exact model is often faster.
        if any(spread.topology == problems.HOST for spread in self.problem.spreads):
            self.direct(TRY_SHARE, workers)
        if not self._over():
            self.whole(narrow, self._until(WHOLE_SHARE))
        if not self._over():
            self.direct(DIRECT_SHARE, workers)

    def _race(self, alone: float, first: Callable[[], None], second: Callable[[], None]) -> None:
        """
        Both side by side until one of them proves it. The first has so many seconds for itself: two cores are often two halves of
        one, and most problems take no longer.
        """
        ended = threading.Event()

        def late() -> None:
            ended.wait(alone)
            if not self._over():
                second()

        with futures.ThreadPoolExecutor(1) as beside:
            rival = beside.submit(late)
            try:
                first()
            finally:
                ended.set()
            rival.result()

    def _until(self, share: float) -> float:
        """The part of the whole time that is spent when this share of what is left is."""
        spent = self.known.budget.spent()
        return spent + (1.0 - spent) * share

    def _over(self) -> bool:
        """Whether somebody proved it, or found what is good enough."""
        return self.known.optimal or bool(self.settings.gap and self.known.done())

    def whole(self, narrow: problems.Problem | None, until: float) -> None:
        """
        Patterns under the blocks of the exact model, over `narrow` masks where bounds on them hold for the whole, until this
        share of the time is spent.
        """
        from solver.search.exact import whole

        problem = self.problem if narrow is None else narrow
        if self.known.optimal or not whole.applies(problem) or self.looked:
            return
        self.looked = True
        started = self.known.budget.seconds()
        clock = self._clock(until)
        answer = whole.solve(
            problem, lambda: self.known.value, clock, lambda found: self.known.offer(found, "exact"), self.numbers
        )
        if answer.numbers == objective_numbers(self.known.value) and answer.cost is not None:
            if self.known.value.cost <= answer.cost:
                self.known.proved()
            elif not self.known.unplaced():
                self.known.lift(float(answer.cost) - self.known.most_charges())
        self.known.phase("patterns", started)

    def _clock(self, until: float) -> selection.Clock:
        """The work left until this share of the time is spent."""
        from solver.search.exact import selection

        budget = self.known.budget
        return selection.Clock(
            left=lambda: (until - budget.spent()) * self.settings.time_limit,
            spend=lambda seconds: budget.tick(seconds * budget.ROUNDS_PER_SECOND),
            seed=self.settings.seed,
            stop=lambda: budget.over(until) or self._over(),
        )

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
