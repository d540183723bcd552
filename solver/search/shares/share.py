"""
How many pods of each class each cell gets: wished for by a relaxation, made whole under all rules over domains.

A first wish makes choices of domains (which zone a group of pods goes to) one after the other; `blend` asks again with
patterns in place of volumes, and makes them anew where all depend on volumes alone. `choose` searches them for a better
bound, and for choices where `blend` makes none.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent import futures

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import params
from solver.search.column_generation import columns as patterns
from solver.search.construction import greedy
from solver.search.shares import aggregate, rounding, zones
from solver.search.shares import blend as blends
from solver.search.shares import cells as splits
from solver.search.shares import places as sites

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

CHOICES_SECONDS, CHOICES_SHARE = 2.0, 0.2
"""For the choices of domains, and of the time left, when everything else waits for them."""
ASIDE_SECONDS, ASIDE_SHARE = 3.5, 0.9
"""The same when the solver works on them on another core meanwhile; the search does not end before it."""
RELAXED_ROUNDS = 6
"""Rounds of pricing before the first choices are made: enough to tell the clearest of them."""


class Sharing:
    """
    Shares of a narrowed problem: `table` (C, cells) are whole pods, `wanted` (C, cells) what they were made of, `bound` what
    the wish says of all plans (charges included, 0: nothing), `limits` (cells, L) what each cell should take of limits.
    """

    def __init__(self, narrow: problems.Problem, settings: params.Params, budget: params.Budget) -> None:
        self.narrow = narrow
        self.settings = settings
        self.budget = budget
        self.cells = splits.split(narrow)
        self.bound = 0.0
        self.places: sites.Places | None = None
        self.possible: Mask = np.ones((len(narrow.classes), 1), dtype=bool)
        self.wanted: Floats = np.ones((len(narrow.classes), 1))
        self.table: Ints = narrow.counts[:, None]
        self.limits: Floats = np.zeros((self.cells.count, len(narrow.caps)))
        self._settled, self.dives = True, False
        self._aside: futures.Future[zones.Wish | None] | None = None
        if self.cells.count > 1:
            self.places = sites.Places.of(narrow, self.cells)
            self.possible = self.places.possible()
            self.wanted = self._wish(None)
            self.table = self._whole(self.wanted)

    def choose(self, beside: futures.Executor) -> None:
        """Search the choices of domains that the first wish left open, `beside` when `blend` does not need them."""
        if self._settled:
            return
        if self.dives and self.settings.workers > 1 and not self.settings.deterministic:
            seconds = min(ASIDE_SECONDS, ASIDE_SHARE * self.budget.left())
            self._aside = beside.submit(self._ask, seconds, zones.PROOF_GAP)
            return
        wanted = self._wish(min(CHOICES_SECONDS, CHOICES_SHARE * self.budget.left()))
        if not self.dives and not np.array_equal(wanted, self.wanted):
            self.table = self._whole(wanted)

    def conclude(self) -> None:
        """Wait for the search beside; what it proved counts."""
        wish = None if self._aside is None else self._aside.result()
        self.bound = max(self.bound, 0.0 if wish is None else wish.bound or 0.0)
        self._aside = None

    def blend(
        self, known: Iterable[blends.Known], rng: np.random.Generator, effort: patterns.Effort
    ) -> blends.Blend | None:
        """Shares from patterns, beginning with those known; None when nothing came of it."""
        assert self.places is not None
        blend = blends.Blend(self.places)
        for each in known:
            blend.add(each)
        choices = blend.rules.groups
        if self.dives and blend.run(rng, effort, RELAXED_ROUNDS) and blend.dive(choices, rng, effort):
            blend.run(rng, effort)
            blend.reconsider(rng, effort)
        else:
            blend.settle(self.table)
        blend.run(rng, effort)
        if not np.isfinite(blend.value):
            return None
        self.table, self.limits = self._whole(blend.share), blend.used
        return blend

    def _wish(self, time_limit: float | None) -> Floats:
        """(C, cells) of each class that each cell should get; with a time limit choices of domains are searched."""
        wish = self._ask(time_limit)
        if wish is None:
            self._settled = False
            return np.asarray(self.possible / np.maximum(self.possible.sum(axis=1), 1)[:, None])
        self.bound = max(self.bound, wish.bound or 0.0)
        self._settled, self.dives, self.limits = wish.settled, wish.grouped and not wish.settled, wish.used
        return wish.share

    def _ask(self, time_limit: float | None, gap: float = zones.GAP) -> zones.Wish | None:
        """The wish; see `zones.wish`."""
        assert self.places is not None
        return zones.wish(
            self.places,
            time_limit=time_limit,
            seed=self.settings.seed,
            deterministic=self.settings.deterministic,
            gap=gap,
        )

    def _whole(self, share: Floats) -> Ints:
        """(C, cells) whole pods near these shares of each class, under all rules over domains."""
        cells, counts, possible = self.cells, self.narrow.counts, self.possible
        bound_by_rules = splits.touched(self.narrow)
        result = np.zeros((len(counts), cells.count), dtype=np.int64)
        for index in np.flatnonzero((counts > 0) & ~bound_by_rules):
            result[index] = splits.rounded(int(counts[index]), np.where(possible[index], share[index], 0.0))
        ruled = np.where(bound_by_rules, counts, 0)
        if ruled.any():
            result += self._ruled(ruled, share)
        return result

    def _ruled(self, counts: Ints, share: Floats) -> Ints:
        """Shares of the classes that rules across nodes look at: near the wish, and valid."""
        cells, possible = self.cells, self.possible
        aggregated, merged = aggregate.aggregate(self.narrow, cells, counts, share, possible)
        shared = rounding.near(self.narrow, cells, aggregated, merged, share, possible, seed=self.settings.seed)
        if shared is None:
            shared = self._exact(aggregated)
        table = np.zeros((len(aggregated.classes), cells.count), dtype=np.int64)
        for node, pods in shared.placed.items():
            for index, number in pods:
                table[index, node % cells.count] += number
        return splits.distribute(counts, merged, table, possible)

    def _exact(self, aggregated: problems.Problem) -> problems.Solution:
        """The best solution found of the problem with cells as nodes."""
        from solver.model import solve as exact

        known = greedy.complete(aggregated, problems.Solution(), seed=self.settings.seed, stop=self.settings.stop)
        answer = exact.solve_direct(
            aggregated,
            time_limit=max(0.2, min(1.0, self.budget.left() / 10)),
            seed=self.settings.seed,
            workers=1 if self.settings.deterministic else self.settings.workers,
            deterministic=self.settings.deterministic,
            hint=known,
            should_stop=self.settings.stop,
        )
        return answer.solution or known
