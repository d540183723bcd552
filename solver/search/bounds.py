"""
Bounds: what every plan costs at least, by programs over the whole problem, whatever the cells' split.

- The relaxation (`compact`), with fractions of nodes.
- Whole numbers of nodes (`fleet`), on a core of its own.
- The program of shares (`share`), which knows the rules across nodes.
- Column generation over the whole, which knows patterns and leaves out the rules across nodes.

The highest counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from concurrent import futures

import numpy as np

from solver.search import field as fields
from solver.search import incumbent, quota, restrict
from solver.search.column_generation import columns as patterns
from solver.search.packing import existing, shapes
from solver.search.relaxation import compact, fleet, merge
from solver.search.shares import blend as blends
from solver.search.shares import share

FLEET_SHARE = 0.8
"""Of the time left, for the bound from whole nodes, which a core of its own looks for."""
WHOLE_SHARE, WHOLE_REST, WHOLE_PULL = 0.1, 0.9, 0.15
"""
Of the time left, for quick pricing and for a bound from patterns; and how far its prices are drawn to the best.
"""


class Bounds:
    """Proves bounds for the incumbent `known` of a problem whose masks are `narrow`ed to the best places."""

    def __init__(self, known: incumbent.Incumbent) -> None:
        self.known = known
        self.problem = known.problem
        self.settings = known.settings
        self.budget = known.budget
        self.narrow = restrict.best_places(known.problem)
        self.whole_nodes: futures.Future[float | None] | None = None

    def is_exact(self) -> bool:
        """Whether bounds on the narrowed problem hold for the whole."""
        return restrict.is_exact(self.problem, self.narrow, self.known.value)

    def whole_field(self) -> fields.Field:
        """All offers and classes at their bare prices, for the bound."""
        everything = np.arange(len(self.problem.offers))
        bare = dataclasses.replace(self.narrow, node_charge=0)
        return fields.make(bare, everything, self.problem.counts > 0)

    def relax(self, whole: fields.Field, *, strong: bool, spare: float | None = None) -> None:
        """
        Solve the relaxation of the whole problem and keep its bound when it is valid for the incumbent's class of
        solutions: those that leave out no more pods than `spare`.
        """
        nodes = np.arange(len(self.problem.nodes))
        counts = self.problem.counts.astype(np.float64)
        room = existing.groups(self.narrow, whole, nodes, self.problem.counts > 0)
        firm = dataclasses.replace(whole, host=whole.host.only(whole.host.firm))
        merged = merge.merge(firm, counts, up=False)
        limits = quota.limits_of(self.problem, whole)
        volumes = compact.solve(
            merged.field,
            merged.counts,
            room=merge.room_of(merged, room),
            limits=limits,
            spare=spare,
            strong=strong,
            time_limit=max(1.0, self.budget.left()),
        )
        if volumes is not None and self.is_exact():
            self.known.lift(compact.priced(firm, counts, volumes.prices, room=room, limits=limits, spare=spare))

    def count_nodes(self, whole: fields.Field, beside: futures.Executor) -> None:
        """Begin to solve for the bound with whole numbers of nodes, where all pods are on new ones."""
        counts = self.problem.counts
        if self.narrow.node_ok[counts > 0].any() or not self.is_exact():
            return
        self.whole_nodes = beside.submit(
            fleet.bound,
            whole,
            counts,
            time_limit=FLEET_SHARE * self.budget.left(),
            deterministic=self.settings.deterministic,
            seed=self.settings.seed,
        )
        if self.settings.deterministic:
            self.counted()

    def counted(self) -> None:
        """Take in the bound with whole numbers of nodes once it is there; when deterministic, wait for it."""
        if self.whole_nodes is None or not (self.settings.deterministic or self.whole_nodes.done()):
            return
        self.known.lift(self.whole_nodes.result() or 0.0)
        self.whole_nodes = None

    def lift_wish(self, sharing: share.Sharing) -> None:
        """The bound of the program of shares, where it holds for the whole."""
        if self.is_exact():
            self.known.lift(sharing.bound * (1 - self.known.charge_share()))

    def prove(self, found: Iterable[blends.Known], least: float, rng: np.random.Generator) -> None:
        """
        A bound from patterns for the whole problem, with only those rules that hold inside every node; cells and rules
        across nodes play no part. Priced exactly only where the bound is further from the patterns than the incumbent
        is from `least`, what neighbourhoods could reach.
        """
        counts = self.problem.counts
        whole = fields.make(self.narrow, np.arange(len(self.problem.offers)), counts > 0)
        if self.narrow.node_ok[counts > 0].any() or not self.is_exact():
            return
        firm = shapes.reduce(dataclasses.replace(whole, host=whole.host.only(whole.host.firm)), counts)
        limits = firm.sums(counts)
        caps = quota.limits_of(self.problem, firm.field)
        relaxed = compact.solve(firm.field, limits.astype(np.float64), limits=caps, strong=False)
        if relaxed is None:
            return
        columns = patterns.Columns(firm.field, limits, relaxed.value, self.known.bound, self.problem.node_charge, caps)
        columns.add_singles()
        for known in found:
            columns.add(*known.seen_from(self.narrow, firm))
        master = columns.generate(rng, self._effort(WHOLE_SHARE))
        if master is not None and self.known.value.cost - least < master.value - self.known.bound:
            columns.close(rng, self._effort(WHOLE_REST), WHOLE_PULL)
        self.known.lift(columns.bound)

    def _effort(self, part: float) -> patterns.Effort:
        """Pricing that may take this share of the time left."""
        return patterns.Effort.until(self.budget, self.budget.part(part), self.settings)
