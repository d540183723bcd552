"""
Shares from patterns: how many pods of each class each cell gets, when new nodes are whole patterns.

With fractions of nodes (`zones`) many ways to share pods out cost the same; with patterns they do not, because small
nodes do not take every mix of pods. So once the choices of domains are made, the volumes are asked for again by a
linear program over patterns of all cells, and column generation prices against all cells at once. What one cell finds
the others may use.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import linear, quota
from solver.search.column_generation import columns as patterns
from solver.search.packing import shapes
from solver.search.shares import limit_rows, rows, zones
from solver.search.shares import places as sites

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

CLOSE = 2e-4
"""A round of pricing that saves less than this share saves nothing."""
DIVE_ROUNDS = 1
"""Rounds of pricing after some choices are made."""
KEPT = 60
"""Patterns of each pricing that go into the program: each goes into all cells, and more of them slow it down."""
ENDLESS = 1 << 30
PULL = 0.5
"""How far the point to price at is drawn towards the mean of past duals."""


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """Patterns of one cell: what its shapes are, the kind of each pattern (P,) and its pods by shape (P, S)."""

    of: shapes.Shapes
    kind: Ints
    counts: Rows

    def seen_from(self, problem: problems.Problem, other: shapes.Shapes) -> tuple[Ints, Rows]:
        """These patterns in the kinds and shapes of another cell, as far as they can be had there."""
        size = len(other.field.requests)
        if not other.field.ok.size or not len(self.kind):
            return np.zeros(0, dtype=np.int64), np.zeros((0, size), dtype=np.int32)
        shape = np.full(len(self.of.field.requests), size, dtype=np.int64)
        both = np.flatnonzero((self.of.index >= 0) & (other.index >= 0))
        shape[self.of.index[both]] = other.index[both]
        moved = np.zeros((len(self.counts), size + 1), dtype=np.int32)
        np.add.at(moved.T, shape, self.counts.T)
        moved = moved[:, :size]
        alike = _alike(problem, self.of.field, other.field)
        refused = (moved > 0).astype(np.float64) @ (~other.field.ok).astype(np.float64)
        refused[~alike[self.kind]] = np.inf
        kind = refused.argmin(axis=1)
        moved *= other.field.ok[:, kind].T
        keep = np.isfinite(refused.min(axis=1)) & moved.any(axis=1)
        return kind[keep], moved[keep]


def _alike(problem: problems.Problem, one: fields.Field, other: fields.Field) -> NDArray[np.bool_]:
    """Which kinds of two fields have the same room at the same price (K, L)."""
    first, second = (np.array([t[0] for t in f.twins], dtype=np.int64) for f in (one, other))
    room = (problem.offer_room[first][:, None] == problem.offer_room[second][None]).all(axis=2)
    return np.asarray(room & (problem.prices[first][:, None] == problem.prices[second][None]))


class Blend:
    """
    The program of shares over patterns.

    Everything but the patterns stays the same from one solution to the next: it is built once, patterns are columns behind
    it, and each solution starts from the basis of the last one.
    """

    def __init__(self, places: sites.Places) -> None:
        self.places = places
        self.problem = problem = places.problem
        self.cells = cells = places.cells
        counts = problem.counts
        self.shapes = [shapes.reduce(field, counts) for field in places.fields]
        self.columns = []
        for small in self.shapes:
            limits = small.sums(counts)
            none = np.zeros(len(limits))
            caps = quota.limits_of(problem, small.field)
            self.columns.append(patterns.Columns(small.field, limits, none, 0.0, problem.node_charge, caps, KEPT))
            self.columns[-1].add_singles()
        sizes = np.stack([s.index for s in self.shapes], axis=1).astype(np.float64)
        self.groups = sites.Groups.like(
            counts, places.signatures(), sizes, lambda number: number <= zones.EXACT_CLASSES
        )
        self.share = np.zeros((len(counts), cells.count))
        self.used = np.zeros((cells.count, len(problem.caps)))
        self.value = np.inf
        self._build()

    def _build(self) -> None:
        """Everything but the patterns."""
        program, volumes, capped = (
            rows.Program(),
            rows.Volumes.of(self.groups.heads),
            limit_rows.LimitRows(self.problem),
        )
        self._at = [self._link(program, volumes, index) for index in range(self.cells.count)]
        none = np.zeros(0, dtype=np.int64)
        for small in self.shapes:
            capped.add(none, none, small.field)
        self._capped = capped.close(program)
        for index, (field, room) in enumerate(zip(self.places.fields, self.places.rooms, strict=True)):
            requests = self.problem.requests[np.ix_(self.groups.there, field.resources)].astype(np.float64)
            volumes.add_room(program, room, self.groups.mean(requests), index)
        volumes.demand(program, self.groups.total)
        rows.add_rules(program, self.problem, self.cells, self.groups.total, volumes)
        self.rules, self._volumes, self._fixed = program, volumes, program.whole()
        self._basis: linear.Basis | None = None
        self._x = np.zeros(0)
        self._cell, self._kind, self._cost = none, none, np.zeros(0)
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self._seen = [0] * self.cells.count

    def _link(self, program: rows.Program, volumes: rows.Volumes, cell: int) -> Ints:
        """Volumes on new nodes of a cell; the row of each shape (S,), -1 for none, that patterns join."""
        small = self.shapes[cell]
        at = np.full(len(small.field.requests), -1, dtype=np.int64)
        usable = np.flatnonzero(small.index[self.groups.heads] >= 0)
        if not len(usable):
            return at
        volume = volumes.add(program, usable, np.inf, cell)
        table = np.zeros((len(self.groups.there), len(at)))
        shaped = np.flatnonzero(small.index[self.groups.there] >= 0)
        table[shaped, small.index[self.groups.there[shaped]]] = 1.0
        mixed = self.groups.mean(table)[usable]
        for shape in np.flatnonzero(mixed.any(axis=0)):
            asking = np.flatnonzero(mixed[:, shape])
            at[shape] = program.row(volume[asking], mixed[asking, shape], -np.inf, 0.0)
        return at

    # -- patterns ---------------------------------------------------------------------------

    def add(self, known: Known) -> None:
        """Patterns known for some cell, for all cells."""
        for small, columns in zip(self.shapes, self.columns, strict=True):
            kind, counts = known.seen_from(self.problem, small)
            counts = np.minimum(counts, columns.limits).astype(np.int32)
            some = counts.any(axis=1)
            columns.add(kind[some], counts[some])

    def known(self, cell: int) -> Known:
        """All patterns of a cell."""
        return Known(self.shapes[cell], self.columns[cell].kind, self.columns[cell].counts)

    def _take_in(self) -> None:
        """Patterns found since the last solution become columns."""
        for cell, (small, columns, at) in enumerate(zip(self.shapes, self.columns, self._at, strict=True)):
            kind, counts = columns.kind[self._seen[cell] :], columns.counts[self._seen[cell] :]
            self._seen[cell] = len(columns.kind)
            if not len(kind) or not (at >= 0).any():
                continue
            column = len(self._fixed.cost) + len(self._kind) + np.arange(len(kind))
            pattern, shape = np.nonzero(np.where(at >= 0, counts, 0))
            self._entries.append((at[shape], column[pattern], -counts[pattern, shape].astype(np.float64)))
            if len(self._capped):
                taken = columns.caps.per_node[:, kind] / columns.caps.scale[:, None]
                limit, pattern = np.nonzero(taken)
                self._entries.append((self._capped[limit], column[pattern], taken[limit, pattern]))
            self._cell = np.concatenate([self._cell, np.full(len(kind), cell)])
            self._kind = np.concatenate([self._kind, kind])
            self._cost = np.concatenate([self._cost, small.field.cost[kind]])

    def run(self, rng: np.random.Generator, effort: patterns.Effort, rounds: int = ENDLESS) -> list[Floats] | None:
        """
        Generate patterns until they save nothing more, the effort is spent or so many rounds are over; the last worths as
        `solve` gives them.
        """
        worth = self.solve()
        centre, idle = worth, 0
        while worth is not None and centre is not None and rounds > 0 and not effort.stop():
            before, new = self.value, 0
            pull = PULL if idle == 0 else 0.0
            for index, columns in enumerate(self.columns):
                size = len(columns.kind)
                if not size:
                    continue
                point = pull * centre[index] + (1 - pull) * worth[index]
                new += columns.price(point, worth[index], columns.limits, rng)[0]
                found = Known(self.shapes[index], columns.kind[size:], columns.counts[size:])
                if len(found.kind):
                    self.add(found)
            effort.spend(len(self.columns) * patterns.QUICK_ROUND)
            centre = [0.5 * (c + w) for c, w in zip(centre, worth, strict=True)]
            worth = self.solve()
            rounds -= 1
            idle = 0 if self.value < before * (1 - CLOSE) else idle + 1
            if idle > 2 or (pull == 0 and not new):
                break
        return worth

    # -- the program ---------------------------------------------------------------------------

    def settle(self, table: Ints) -> None:
        """Choices of domains as a table of pods (C, cells) has them."""
        self._fixed = self.rules.whole(table)

    def solve(self) -> list[Floats] | None:
        """
        Solve for the patterns known so far; what a pod of each shape is worth in each cell and what each limit costs
        (`columns.Columns` explains these points), None without answer.
        """
        self._take_in()
        fixed, more = self._fixed, np.zeros(len(self._kind))
        program = linear.Program(
            np.concatenate([fixed.cost, self._cost]),
            np.concatenate([fixed.low, more]),
            np.concatenate([fixed.high, more + np.inf]),
            fixed.row_low,
            fixed.row_high,
            [*fixed.entries, *self._entries],
            fixed.rows,
        )
        answer = linear.solve(program, start=self._basis)
        if answer is None:
            return None
        self._basis, self._x, self.value = answer.basis, answer.x, answer.objective
        self.share[self.groups.there] = self._volumes.shares(answer.x, self.cells.count)[self.groups.of]
        uses = answer.x[len(fixed.cost) :]
        for cell, columns in enumerate(self.columns):
            here = self._cell == cell
            self.used[cell] = columns.caps.per_node[:, self._kind[here]] @ uses[here]
        price = np.maximum(-answer.duals, 0.0)
        return [np.append(np.where(row >= 0, price[row], 0.0), price[self._capped]) for row in self._at]

    def dive(self, groups: list[Ints], rng: np.random.Generator, effort: patterns.Effort) -> bool:
        """
        Make the choices of these groups, whatever they were, the clearest quarter of them at a time, with new patterns after
        each; whether there is an answer.
        """
        fixed = self._fixed
        for group in groups:
            fixed.low[group], fixed.high[group] = 0.0, 1.0
        open_groups = list(groups)
        worth = self.solve()
        while worth is not None and open_groups:
            decided = np.array([self._x[group].max() for group in open_groups])
            order = np.argsort(-decided, kind="stable")
            number = max(int((decided > rows.SURE).sum()), -(-len(open_groups) // 4))
            for index in order[:number]:
                group = open_groups[index]
                taken = group[self._x[group].argmax()]
                fixed.high[group] = 0.0
                fixed.low[taken] = fixed.high[taken] = 1.0
            open_groups = [open_groups[index] for index in np.sort(order[number:])]
            worth = self.run(rng, effort, DIVE_ROUNDS)
        return worth is not None

    def reconsider(self, rng: np.random.Generator, effort: patterns.Effort) -> None:
        """Make some of the choices again, while there is time, and keep what is better."""
        groups = self.rules.groups
        while len(groups) > 1 and not effort.stop():
            before, low, high = self.value, self._fixed.low.copy(), self._fixed.high.copy()
            some = rng.permutation(len(groups))[: -(-len(groups) // 3)]
            self.dive([groups[index] for index in some], rng, effort)
            if not self.value < before:
                self._fixed.low, self._fixed.high = low, high
                self.solve()
