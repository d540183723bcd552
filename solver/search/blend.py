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
from solver.search import cells as splits
from solver.search import columns as patterns
from solver.search import compact, linear, quota, rows, shapes, zones
from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

CLOSE = 2e-4
"""A round of pricing that saves less than this share saves nothing."""
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

    Parameters
    ----------
    problem: the whole problem, masks narrowed.
    cells: its cells, with a field and the room on existing nodes for each.
    counts: (C,) pods to place.
    table: (C, cells) pods by class that keep all rules over domains; in which domains pods may be is taken from it.
    """

    def __init__(
        self,
        problem: problems.Problem,
        cells: splits.Cells,
        per_cell: list[fields.Field],
        rooms: list[compact.Room],
        counts: Ints,
        table: Ints,
    ) -> None:
        self.problem, self.cells, self.per_cell, self.rooms = problem, cells, per_cell, rooms
        self.counts, self.table = counts, table
        self.shapes = [shapes.reduce(field, counts) for field in per_cell]
        self.columns = []
        for small in self.shapes:
            limits = small.sums(counts)
            none = np.zeros(len(limits))
            caps = compact.limits_of(problem, small.field)
            self.columns.append(patterns.Columns(small.field, limits, none, 0.0, problem.node_charge, caps))
            self.columns[-1].add_singles()
        self.there = np.flatnonzero(counts > 0)
        signature = zones.signatures(problem, per_cell, rooms)[self.there]
        sizes = np.stack([s.index for s in self.shapes], axis=1)[self.there].astype(np.float64)
        _, first, group = np.unique(
            np.concatenate([signature, sizes], axis=1), axis=0, return_index=True, return_inverse=True
        )
        if len(first) > zones.EXACT_CLASSES:
            _, first, group = np.unique(signature, axis=0, return_index=True, return_inverse=True)
        self.group = group.ravel()
        self.heads = self.there[first]
        self.total: Floats = np.bincount(self.group, weights=counts[self.there].astype(np.float64)).astype(np.float64)
        self.share = np.zeros((len(counts), cells.count))
        self.used = np.zeros((cells.count, len(problem.caps)))
        self.value = np.inf

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

    def run(self, rng: np.random.Generator, effort: patterns.Effort) -> bool:
        """Generate patterns until they save nothing more, or the effort is spent; whether there is an answer in `share`."""
        worth = self.solve()
        centre, idle = worth, 0
        while worth is not None and centre is not None and not effort.stop():
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
            idle = 0 if self.value < before * (1 - CLOSE) else idle + 1
            if idle > 2 or (pull == 0 and not new):
                break
        return bool(np.isfinite(self.value))

    def solve(self) -> list[Floats] | None:
        """
        Solve for the patterns known so far; what a pod of each shape is worth in each cell and what each limit costs
        (`columns.Columns` explains these points), None without answer.
        """
        program, volumes, capped = rows.Program(), rows.Volumes.of(self.heads), quota.Rows(self.problem)
        at = [self._new_nodes(program, volumes, capped, index) for index in range(self.cells.count)]
        limits = capped.close(program)
        for index, (field, room) in enumerate(zip(self.per_cell, self.rooms, strict=True)):
            requests = self.problem.requests[np.ix_(self.there, field.resources)].astype(np.float64)
            volumes.add_room(program, room, self._mean(requests), index)
        volumes.demand(program, self.total)
        rows.add_rules(program, self.problem, self.cells, self.total, volumes)
        answer = linear.solve(program.whole(self.table))
        if answer is None:
            return None
        self.value = answer.objective
        self.share[self.there] = volumes.shares(answer.x, self.cells.count)[self.group]
        self.used = np.array([capped.used(answer.x, cell) for cell in range(self.cells.count)])
        price = np.maximum(-answer.duals, 0.0)
        return [np.append(np.where(row >= 0, price[row], 0.0), price[limits]) for row in at]

    def _mean(self, values: Floats) -> Floats:
        """Means over the pods of each group (G, X) of values of classes that are there."""
        result = np.zeros((len(self.heads), values.shape[1]))
        np.add.at(result, self.group, values * self.counts[self.there, None])
        result /= self.total[:, None]
        return result

    def _new_nodes(self, program: rows.Program, volumes: rows.Volumes, capped: quota.Rows, cell: int) -> Ints:
        """Volumes on new nodes of a cell; the row of each shape (S,), -1 for none."""
        small, columns = self.shapes[cell], self.columns[cell]
        at = np.full(len(small.field.requests), -1, dtype=np.int64)
        usable = np.flatnonzero(small.index[self.heads] >= 0)
        held = columns.kind if len(usable) else columns.kind[:0]
        node = program.add(len(held), small.field.cost[held])
        capped.add(node, held, small.field)
        if not len(usable):
            return at
        volume = volumes.add(program, usable, np.inf, cell)
        table = np.zeros((len(self.there), len(at)))
        shaped = np.flatnonzero(small.index[self.there] >= 0)
        table[shaped, small.index[self.there[shaped]]] = 1.0
        mixed = self._mean(table)[usable]
        for shape in np.flatnonzero(mixed.any(axis=0)):
            holding, asking = np.flatnonzero(columns.counts[:, shape]), np.flatnonzero(mixed[:, shape])
            weights = np.concatenate([-columns.counts[holding, shape].astype(np.float64), mixed[asking, shape]])
            at[shape] = program.row(np.concatenate([node[holding], volume[asking]]), weights, -np.inf, 0.0)
        return at
