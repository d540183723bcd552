"""
Column generation: a linear program over patterns (what one node may hold), for the bound and for the plan.

1. The restricted master chooses how often to use each known pattern; its dual values say what a pod of each class is worth.
2. The pricing problem: patterns of negative reduced cost, worth more than their node costs. Solved heuristically by a
   dynamic program and exchanges, by random fills where rules between pods of one node forbid that, and exactly in the end
   (`pricing`).
3. Dual values jump about, so patterns are priced at a point between them and the stability centre, the point with the
   highest bound so far (Wentges, "Weighted Dantzig-Wolfe decomposition for linear mixed-integer programming", 1997).
4. Exact pricing gives the largest worth per cost over all patterns. Dual values divided by it are feasible for all of them,
   so counts times these bound every plan (Farley, "A note on bounding a class of linear programming problems", 1990).
5. `whole` takes the integral part of the master's solution: all but about one node per class; `dive` goes on from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent import futures
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields
from solver.search import linear, params, quota
from solver.search.packing import fill as fills
from solver.search.packing import knapsack

if TYPE_CHECKING:
    from solver.search.column_generation import pricing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

CLOSE = 2e-4
"""A gap between master and bound that is not worth closing, and the reduced cost of a pattern, as a share, that is looked for."""
MANY = 150
"""Beyond so many classes, rounds of quick pricing are many and short."""
TRIES, POLISH = (16, 4), (8, 2)
"""Contents per kind in a round of quick pricing, and exchanges that improve each, up to `MANY` classes and beyond."""
FILLS = 12
PULLS = (0.5, 0.25, 0.0)
"""How far the point to price at is drawn from the duals towards the best one, tried until patterns are found."""
QUICK_ROUND, EXACT_ROUND = 0.2, 1.5
QUICK = 1.003
"""While quick pricing finds patterns worth this much, exact pricing waits."""


@dataclasses.dataclass(frozen=True, slots=True)
class Master:
    """The linear master's solution: its value, uses (P,) of patterns, dual values (C + L,); `Columns` explains these."""

    value: float
    uses: Floats
    duals: Floats


@dataclasses.dataclass(slots=True)
class Effort:
    """
    What pricing may take: `stop` is asked often, `left` says what share of the whole budget is left until then and
    `seconds` how long that is (None: time plays no part), `spend` is told of work done, in rounds of `params.Budget`.
    """

    stop: Callable[[], bool]
    spend: Callable[[float], None]
    seed: int
    workers: int
    left: Callable[[], float] = lambda: 1.0
    seconds: Callable[[], float | None] = lambda: None

    @classmethod
    def until(
        cls,
        budget: params.Budget,
        share: float,
        settings: params.Params,
        stop: Callable[[], bool] = lambda: False,
    ) -> Effort:
        """Pricing until this share of the whole budget is spent, or `stop`."""
        return cls(
            lambda: stop() or budget.over(share),
            budget.tick,
            settings.seed,
            1 if settings.deterministic else settings.workers,
            lambda: share - budget.spent(),
            lambda: budget.seconds_until(share),
        )


class Columns:
    """
    Patterns known so far for one field: `kind` (P,), `counts` (P, C).

    A point (C + L,) is a vector of dual values: what a pod of each class is worth, and what the whole room of each of the L
    limits on new nodes costs; a node pays for its part of it on top of its price. With worths divided by the greatest worth
    per cost, counts times worths less the costs of the limits are a bound. `centre` is the point with the highest bound,
    `bound` that bound in micro-euro per hour, node charges not included.
    """

    def __init__(
        self,
        field: fields.Field,
        limits: Ints,
        centre: Floats,
        bound: float,
        charge: int,
        caps: quota.Limits | None = None,
        keep: int = 1 << 30,
    ) -> None:
        """
        `limits` (C,) pods there are; dual values (C,) of a relaxation and its bound to start from; node charge in the costs;
        `caps` on the nodes; so many of the patterns that are found at once to `keep` at most, the best ones.
        """
        self.keep = keep
        self.field = field
        self.limits = limits
        self.caps = caps or quota.Limits(np.zeros((0, len(field.cost))), np.zeros(0))
        self.price_of = np.maximum(field.cost - charge, 1.0)
        self.kind = np.zeros(0, dtype=np.int64)
        self.counts = np.zeros((0, field.ok.shape[0]), dtype=np.int32)
        self.centre = np.append(np.maximum(centre, 0.0), np.zeros(len(self.caps.room)))
        self.bound = bound
        self.most = fields.capacity(field)
        self.between = field.host.between()
        many = int(np.count_nonzero(limits) > MANY)
        self.tries, self.exchanges = TRIES[many], POLISH[many]
        self.tables = knapsack.tables(field, limits)
        self._believed = (bound, self.centre)
        self._basis: linear.Basis | None = None
        self._seen: set[bytes] = set()

    def add(self, kind: Ints, counts: Rows) -> int:
        """Add patterns; known ones are passed over. Returns how many were new."""
        new = []
        for index in range(len(kind)):
            key = int(kind[index]).to_bytes(4, "little") + counts[index].tobytes()
            if key not in self._seen:
                self._seen.add(key)
                new.append(index)
        if new:
            self.kind = np.concatenate([self.kind, kind[new]])
            self.counts = np.concatenate([self.counts, counts[new].astype(np.int32)])
        return len(new)

    def add_singles(self) -> None:
        """One pattern per class: as many of it as its cheapest kind per pod holds."""
        number = np.minimum(self.most, self.limits[:, None])
        if not number.size:
            return
        price = np.where(number > 0, self.field.cost / np.maximum(number, 1), np.inf)
        kind = price.argmin(axis=1)
        there = np.flatnonzero(np.isfinite(price.min(axis=1, initial=np.inf)))
        rows = np.zeros((len(there), len(self.limits)), dtype=np.int32)
        rows[np.arange(len(there)), there] = number[there, kind[there]]
        self.add(kind[there], rows)

    def master(
        self, left: Ints | None = None, patterns: Ints | None = None, caps: quota.Limits | None = None
    ) -> Master | None:
        """
        Solve the linear master for all pods over all patterns, or for the pods left over some patterns and what is left
        of the limits. These may be exceeded at a price that is too high for any plan.
        """
        counts = self.limits if left is None else left
        some = np.arange(len(self.kind)) if patterns is None else patterns
        caps = self.caps if caps is None else caps
        first = len(caps.room)
        cost = np.concatenate([quota.excess_cost(caps, self.field.cost), self.field.cost[self.kind[some]]])
        program = linear.Program(cost, np.zeros(len(cost)), np.full(len(cost), np.inf))
        there = np.flatnonzero(counts)
        rows = program.add_rows(counts[there].astype(np.float64), np.full(len(there), np.inf))
        table = self.counts[some][:, there]
        column, row = np.nonzero(table)
        program.add_entries(rows[row], first + column, table[column, row].astype(np.float64))
        capped = program.add_rows(np.full(first, -np.inf), caps.room / caps.scale)
        program.add_entries(capped, np.arange(first), np.full(first, -1.0))
        taken = caps.per_node[:, self.kind[some]] / caps.scale[:, None]
        program.add_entries(capped[:, None], first + np.arange(len(some))[None, :], taken)
        answer = linear.solve(program, start=self._basis if patterns is None else None)
        if answer is None:
            return None
        if patterns is None:
            self._basis = answer.basis
        duals = np.zeros(len(counts) + first)
        duals[there] = np.maximum(answer.duals[rows], 0.0)
        duals[len(counts) :] = np.maximum(-answer.duals[capped], 0.0) / caps.scale * self.caps.scale
        return Master(answer.objective, answer.x[first:], duals)

    def worths(self, point: Floats) -> Floats:
        """What a pod of each class is worth at a point (C,)."""
        return point[: len(self.limits)]

    def charge(self, point: Floats) -> Floats:
        """What a node of each kind pays for limits at a point (K,)."""
        return self.caps.charge(point[len(self.limits) :])

    def scaled(self, point: Floats, ratio: float) -> tuple[float, Floats]:
        """The bound of a point where no node is worth more than `ratio` times what it costs, and the point that says so."""
        worth, price = self.worths(point) / ratio, point[len(self.limits) :]
        return float(worth @ self.limits - price @ (self.caps.room / self.caps.scale)), np.append(worth, price)

    # -- pricing ---------------------------------------------------------------------------

    def price(self, point: Floats, duals: Floats, limits: Ints, rng: np.random.Generator) -> tuple[int, float]:
        """
        Look for patterns of at most `limits` pods that are good at a point, and add those of negative reduced cost at the
        dual values. Returns how many, and the best ratio of worth to cost at the point.
        """
        new, best = 0, 0.0
        if not (self.worths(point)[limits > 0] > 0).any():
            return new, best
        for table in self.tables:
            table.fill(self.worths(point), limits, rng)
            added, ratio = self._polished(table.classes, *table.trace(limits, rng, self.tries), point, duals, limits)
            new, best = new + added, max(best, ratio)
        return (new, best) if self.tables else self._polished(*self._fill(point, limits, rng), point, duals, limits)

    def _polished(
        self, classes: Ints, kind: Ints, found: Floats, point: Floats, duals: Floats, limits: Ints
    ) -> tuple[int, float]:
        """Improve contents (M, L) of nodes by exchanges; see `price`."""
        field = self.field
        if not len(classes):
            return 0, 0.0
        bins = fills.Bins(
            room=field.room[kind],
            requests=field.requests[None, classes],
            available=np.minimum(self.most[np.ix_(classes, kind)].T, limits[classes]).astype(np.float64),
            host=fills.shared(self.between.take(classes)),
        )
        found = fills.polish(bins, found, point[None, classes], self.exchanges)
        rows = np.zeros((len(found), len(limits)), dtype=np.int32)
        rows[:, classes] = found
        cost = field.cost + self.charge(point)
        return self.add_good(kind, rows, duals), float((found @ point[classes] / cost[kind]).max())

    def _fill(self, point: Floats, limits: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Floats]:
        """Random fills that lean towards what is worth most for its size: classes (L,), kinds (M,), pods (M, L)."""
        field = self.field
        classes = np.flatnonzero((self.worths(point) > 1e-9) & (limits > 0))
        kind = np.repeat(np.arange(len(field.cost)), FILLS)
        if not len(classes):
            return classes, kind, np.zeros((len(kind), 0))
        size = (field.requests[classes] / np.maximum(field.room.max(axis=0), 1e-9)).sum(axis=1)
        density = point[classes] / np.maximum(size, 1e-12)
        bins = fills.Bins(
            room=field.room[kind],
            requests=field.requests[None, classes],
            available=np.minimum(self.most[np.ix_(classes, kind)].T, limits[classes]).astype(np.float64),
            host=fills.shared(self.between.take(classes)),
        )
        bias = (density / density.max()) ** rng.uniform(0.5, 3.0, (len(kind), 1))
        return classes, kind, fills.fill(bins, rng, bias=bias)

    def prove(self, point: Floats, duals: Floats, effort: Effort) -> int:
        """
        Price exactly at a point: raises the bound to what the point proves and adds the patterns found that have
        negative reduced cost at the dual values. Returns how many.
        """
        worth, kind, rows = self.exactly(point, effort)
        new = self.add_good(kind, rows, duals) if self.field.host.simple else 0
        self.take(point, float((worth / (self.price_of + self.charge(point))).max(initial=1e-9)))
        return new

    def exactly(self, point: Floats, effort: Effort) -> tuple[Floats, Ints, Rows]:
        """
        What a node of each kind is worth at most at a point (K,), and the contents worth more than their cost that were seen
        on the way: kinds (M,), pods (M, C). Nothing is changed, so this may run beside everything else.
        """
        field, limits = self.field, self.limits
        cost = field.cost + self.charge(point)
        worth = knapsack.fractional_worth(field, self.most, self.worths(point), limits)
        doubtful = np.flatnonzero(worth > cost * (1 + CLOSE))
        answers = self._ask(doubtful, worth, point, effort) if len(doubtful) else []
        found = [np.zeros((0, len(limits)), dtype=np.int32)]
        for kind, answer in zip(doubtful, answers, strict=True):
            worth[kind] = min(worth[kind], answer.worth)
            found.append(answer.rows)
        kinds = np.repeat(doubtful, np.array([len(rows) for rows in found[1:]], dtype=np.int64))
        return worth, kinds, np.concatenate(found)

    def add_good(self, kind: Ints, rows: Rows, duals: Floats) -> int:
        """Add those of some patterns that have negative reduced cost at the dual values; how many of them are new."""
        ratio = rows @ self.worths(duals) / (self.field.cost + self.charge(duals))[kind]
        good = np.flatnonzero(ratio > 1 + 1e-6)
        if len(good) > self.keep:
            good = good[np.argsort(-ratio[good], kind="stable")[: self.keep]]
        return self.add(kind[good], rows[good])

    def take(self, point: Floats, ratio: float) -> None:
        """No node is worth more than `ratio` times what it costs at a point: a bound."""
        proved, centre = self.scaled(point, ratio)
        if proved > self.bound:
            self.bound, self.centre = proved, centre

    def _ask(self, kinds: Ints, worth: Floats, point: Floats, effort: Effort) -> list[pricing.Exact]:
        """What nodes of these kinds are worth at a point, where that is more than they cost; `worth` (K,) at most."""
        from solver.search.column_generation import pricing

        cost = self.field.cost + self.charge(point)

        def ask(kind: int) -> pricing.Exact:
            if effort.stop():
                return pricing.Exact(float(worth[kind]), np.zeros((0, len(self.limits)), dtype=np.int32))
            return pricing.exact(
                self.field,
                kind,
                self.most,
                self.worths(point),
                self.limits,
                least=float(cost[kind]) * (1 + CLOSE),
                seed=effort.seed,
                time_limit=effort.seconds(),
            )

        with futures.ThreadPoolExecutor(max(1, effort.workers)) as pool:
            return list(pool.map(ask, kinds.tolist()))

    def generate(
        self, rng: np.random.Generator, effort: Effort, enough: Callable[[float], bool] = lambda _: False
    ) -> Master | None:
        """
        Generate columns by quick pricing until it finds none, the bound it believes in is reached, the master's value is
        `enough`, or `stop`. No round is begun that would end later than that if it took as long as the last one.
        """
        self.price(self.centre, self.centre * (1 + 1e-3), self.limits, rng)
        took = 0.0
        while (master := self.master()) is not None:
            new, before = 0, effort.left()
            if before < took or enough(master.value):
                return master
            for pull in PULLS:
                bound, centre = self._believed
                point = pull * centre + (1 - pull) * master.duals
                new, ratio = self.price(point, master.duals, self.limits, rng)
                effort.spend(QUICK_ROUND)
                believed, scaled = self.scaled(point, max(ratio, 1.0))
                if believed > bound:
                    self._believed = believed, scaled
                if new or effort.stop():
                    break
            took = before - effort.left()
            if not new or effort.stop() or master.value <= self._believed[0] * (1 + CLOSE):
                return master
        return None

    def close(
        self,
        rng: np.random.Generator,
        effort: Effort,
        pull: float = PULLS[0],
        enough: Callable[[float], bool] = lambda _: False,
    ) -> Master | None:
        """
        Generate columns by exact pricing until the master is at the bound or its value `enough`, or `stop`. No round is
        begun that would end later than that if it took as long as the last one. `pull` as in `PULLS`; less is better
        where the patterns known are good already.
        """
        took = 0.0
        while (master := self.master()) is not None:
            new = 0
            for part in (pull, 0.0):
                closed = master.value <= self.bound * (1 + CLOSE) or enough(master.value)
                if closed or effort.stop() or effort.left() < took:
                    return master
                point = part * self.centre + (1 - part) * master.duals
                new, ratio = self.price(point, master.duals, self.limits, rng)
                if not new or ratio < QUICK:
                    before = effort.left()
                    new += self.prove(point, master.duals, effort)
                    effort.spend(EXACT_ROUND)
                    took = before - effort.left()
                if new:
                    break
            if not new:
                return master
        return None

    # -- whole nodes ---------------------------------------------------------------------------

    def whole(self, master: Master, counts: Ints) -> tuple[Ints, Rows, Ints]:
        """The integral part of a master's solution: kinds (M,), pods (M, C), and the pods left of `counts` (C,)."""
        left = counts.astype(np.int64).copy()
        times = np.floor(master.uses + 1e-6).astype(np.int64)
        kind_of: list[Ints] = []
        rows: list[Rows] = []
        for position in np.argsort(-master.uses, kind="stable")[: int((times > 0).sum())]:
            row = self.counts[position]
            used = row > 0
            number = min(int(times[position]), int((left[used] // row[used]).min()))
            left -= number * row
            kind_of.append(np.full(number, self.kind[position]))
            rows.append(np.repeat(row[None], number, axis=0))
            if number < times[position] and (last := np.minimum(row, left)).any():
                left -= last
                kind_of.append(self.kind[position][None])
                rows.append(last[None].astype(np.int32))
        if not rows:
            return np.zeros(0, dtype=np.int64), np.zeros((0, len(counts)), dtype=np.int32), left
        return np.concatenate(kind_of), np.concatenate(rows), left

    def fitting(self, left: Ints) -> Ints:
        """Patterns that hold no more than these pods; empty unless together they hold some of each class."""
        found = np.flatnonzero((self.counts <= left).all(axis=1))
        held = self.counts[found].sum(axis=0)
        return found if (held[left > 0] > 0).all() else found[:0]
