"""
The pricing problem as a knapsack: the content of one node that is worth most, for given dual values of pods.

Two quick answers; the whole truth is in `pricing`:

- `fractional_worth`, an upper bound by fractional knapsacks over one amount, a weighted sum of the two scarcest;
- `Table`, a dynamic program over a grid of the two scarcest amounts. One table answers for every kind of node: the best
  content of a smaller node stands in an earlier entry. Sizes are rounded to the grid, so what it finds is good rather
  than best, and is put together again with true sizes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

GRID = 240
"""Steps of the table along each axis: 0.2 MB, which stays in the cache."""
COARSE = 10
"""Smaller pods than this many steps are put in by the bundle, so that rounding changes no size by more than 5 %."""
SMALLER, TINY = 6, 64
"""
Kinds of node so many times smaller than the largest get a table of their own where pods must keep apart, and where not: there
they are hardly four steps of a table.
"""
ROUNDING = (0.25, 0.75)
"""What is added to a size before it is rounded down, at random: what one table overlooks another finds."""
NEAR = 3
"""Contents are traced from this many steps below a node's room as well: pods rounded up leave some of it free."""
WEIGHTS = np.linspace(0.0, 1.0, 17)


def fractional_worth(field: fields.Field, most: Ints, worth: Floats, limits: Ints) -> Floats:
    """
    An upper bound on the worth of one node of each kind (K,): the least of fractional knapsacks over single amounts and
    over weighted sums of the two scarcest.

    Parameters
    ----------
    field: classes and kinds.
    most: `capacity` of the field.
    worth: (C,) of one pod, none negative.
    limits: (C,) pods there are.
    """
    axes = fields.scarcest(field, limits)
    result = np.zeros(len(field.cost))
    for kind in range(len(field.cost)):
        usable = np.flatnonzero((most[:, kind] > 0) & (worth > 0))
        upper = np.minimum(most[usable, kind], limits[usable])
        share = field.requests[usable] / np.maximum(field.room[kind], 1e-9)
        first, second = share[:, axes[0]], share[:, axes[-1]]
        weights = np.concatenate([WEIGHTS[:, None] * first + (1 - WEIGHTS[:, None]) * second, share.T])
        value = worth[usable]
        order = np.argsort(-(value / np.maximum(weights, 1e-12)), axis=1)
        weight = np.take_along_axis(weights, order, axis=1)
        filled = np.minimum(np.cumsum(upper[order] * weight, axis=1), 1.0)
        part = np.diff(filled, prepend=0.0, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            number = np.where(weight > 0, part / weight, upper[order])
        result[kind] = (number * value[order]).sum(axis=1).min()
    return result


class Table:
    """
    The dynamic program over a grid for one set of worths: `best[i, j]` is the worth of the best content that takes i
    steps of the first amount and j of the second at most.

    Pods of which a node takes one at most (`field.HostRules.crowded`) are left out of the table; each content starts with
    one of them or none.
    """

    def __init__(self, field: fields.Field, counts: Ints, kinds: Ints) -> None:
        """Sizes in steps of some kinds, for a field crowded by one host rule at most and the pods (C,) there are."""
        self.field = field
        self.kinds = kinds
        self.axes = fields.scarcest(field, counts)
        if len(self.axes) == 1:
            self.axes = np.repeat(self.axes, 2)
        step = np.maximum(field.room[kinds][:, self.axes].max(axis=0), 1e-9) / GRID
        size = field.requests[:, self.axes] / step
        self.most = np.minimum(fields.capacity(field)[:, kinds].max(axis=1, initial=0), np.maximum(counts, 1))
        self.crowded = field.host.crowded()
        wanted = np.ceil(COARSE / np.maximum(size.max(axis=1), 1e-9))
        self.bundle = np.clip(wanted, 1, np.maximum(self.most, 1)).astype(np.int64)
        self.steps = size * self.bundle[:, None]
        self.size = np.zeros(size.shape, dtype=np.int64)
        self.ends = np.minimum(np.floor(field.room[:, self.axes] / step + 1e-9), GRID).astype(np.int64)
        self.best = np.zeros((GRID + 1, GRID + 1), dtype=np.int32)
        self._scratch = np.empty_like(self.best)
        self.classes = np.zeros(0, dtype=np.int64)
        self.value = np.zeros(0, dtype=np.int64)

    def fill(self, worth: Floats, limits: Ints, rng: np.random.Generator) -> None:
        """Compute the table for these worths (C,) and pods (C,)."""
        number = np.minimum(limits, self.most)
        self.classes = np.flatnonzero((number > 0) & (worth > 0))
        total = float(worth[self.classes] @ number[self.classes])
        asked = np.where(number > 0, worth * self.bundle, 0.0)
        value = np.floor(asked * ((1 << 29) / max(total, 1e-9))).astype(np.int64)
        self.value = value
        self.size = np.floor(self.steps + rng.uniform(*ROUNDING, self.steps.shape)).astype(np.int64)
        best = self.best
        best[:] = 0
        for c in self.classes[~self.crowded[self.classes]]:
            bundles = int(number[c] // self.bundle[c])
            times = 1
            while bundles > 0:
                times = min(times, bundles)
                bundles -= times
                i, j = (int(x) * times for x in self.size[c])
                if i > GRID or j > GRID:
                    break
                with_it = self._scratch[: GRID + 1 - i, : GRID + 1 - j]
                np.add(best[: GRID + 1 - i, : GRID + 1 - j], np.int32(value[c] * times), out=with_it)
                np.maximum(best[i:, j:], with_it, out=best[i:, j:])
                times *= 2

    def trace(self, limits: Ints, rng: np.random.Generator, tries: int) -> tuple[Ints, Floats]:
        """
        Contents that the table says are good.

        Parameters
        ----------
        limits: (C,) pods there are.
        rng: breaks ties and picks the entries to start from.
        tries: contents per kind.

        Returns
        -------
        Kind (M,) and pods (M, L) of `self.classes` of each content; all of them fit.
        """
        field, classes = self.field, self.classes
        kind = np.tile(self.kinds, tries)
        below = rng.integers(0, NEAR + 1, (len(kind), 2))
        below[: len(self.kinds)] = 0
        at = np.maximum(self.ends[kind] - below, 0)
        bundle, size, value = self.bundle[classes], self.size[classes], self.value[classes]
        request = field.requests[classes] * bundle[:, None]
        room = field.room[kind].copy()
        left = np.where(field.ok[np.ix_(classes, kind)].T, np.minimum(limits, self.most)[classes], 0)
        counts = np.zeros((len(kind), len(classes)))
        one = np.flatnonzero(self.crowded[classes])
        if len(one):
            self._start(np.repeat(np.arange(tries), len(self.kinds)), one, at, room, left, counts)
        live = np.arange(len(kind))
        # One index into the table, and one comparison per axis, instead of arrays of pairs: half of the time.
        best, width = self.best.ravel(), self.best.shape[1]
        steps = size @ (width, 1)
        while len(live) and len(classes):
            possible = left[live] >= bundle
            for axis in range(2):
                possible &= size[:, axis] <= at[live, axis][:, None]
            for r in range(request.shape[1]):
                possible &= request[:, r] <= room[live, r][:, None]
            total = best.take((at[live] @ (width, 1))[:, None] - steps, mode="clip") + value
            total[~possible] = -1
            top = total.max(axis=1, initial=-1)
            pick = np.where(total == top[:, None], rng.random(total.shape), -1.0).argmax(axis=1)
            going = top > 0
            live, pick = live[going], pick[going]
            at[live] -= size[pick]
            room[live] -= request[pick]
            counts[live, pick] += bundle[pick]
            left[live, pick] -= bundle[pick]
        return kind, counts

    def _start(self, rank: Ints, one: Ints, at: Ints, room: Floats, left: Floats, counts: Floats) -> None:
        """
        Put one pod of the classes `one` of `self.classes` into each content, the best, second best, ... by `rank`; none
        into those of the last rank.
        """
        classes = self.classes[one]
        before = at[:, None, :] - self.size[classes][None]
        possible = (before >= 0).all(axis=2) & (left[:, one] > 0)
        possible &= (self.field.requests[classes][None] <= room[:, None, :]).all(axis=2)
        i, j = np.maximum(before, 0).transpose(2, 0, 1)
        total = np.where(possible, self.best[i, j] + self.value[classes], -1)
        order = np.argsort(-total, axis=1, kind="stable")
        pick = order[np.arange(len(at)), rank % len(one)]
        rows = np.flatnonzero((total[np.arange(len(at)), pick] > 0) & (rank < rank.max()))
        chosen = pick[rows]
        at[rows] -= self.size[classes[chosen]]
        room[rows] -= self.field.requests[classes[chosen]]
        counts[rows, one[chosen]] += 1
        left[:, one] = 0


def tables(field: fields.Field, counts: Ints) -> list[Table]:
    """Tables for all kinds of a field; none where its host rules are too many for them."""
    if not len(field.host.crowded()):
        return []
    size = field.room[:, fields.scarcest(field, counts)].max(axis=1, initial=1.0)
    small = size * (TINY if field.host.empty else SMALLER) < size.max(initial=1.0)
    parts = [np.flatnonzero(small), np.flatnonzero(~small)]
    return [Table(field, counts, part) for part in parts if len(part)]
