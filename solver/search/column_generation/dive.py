"""
Diving: integral nodes from the linear master, a few of them at a time.

A master's solution rounded down leaves about half a node per class to other methods, and that is what rounding costs. So
one goes on: whole parts are taken, some of the largest fractions are rounded up, and the master is solved again for the
pods that are left, with patterns made for these. A little noise decides what is rounded up, so that no two dives are
alike; the best of several counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver.search import quota
from solver.search.column_generation import columns as patterns
from solver.search.packing import pack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

UPS = 2
"""Patterns that are rounded up between two masters."""
NOISE = 0.1
"""Spread of the logarithm of the noise on fractions."""
FRACTION = 1e-6


def dive(
    columns: patterns.Columns,
    pool: Ints,
    limits: quota.Limits | None,
    rng: np.random.Generator,
    stop: Callable[[], bool],
    *,
    ups: int = UPS,
    first: patterns.Master | None = None,
) -> pack.Packing:
    """
    Nodes for a pool of pods.

    Parameters
    ----------
    columns: patterns known; those found on the way are added.
    pool: (C,) pods.
    limits: what the nodes may take together.
    rng: the source of noise.
    stop: is asked between masters.
    ups: patterns that are rounded up between two masters; with none of them a dive ends where nothing is whole any more.
    first: the master's solution for the pool over all patterns, where it is known.

    Returns
    -------
    Nodes within the limits; pods for which no pattern was found, or no time, are left over.
    """
    way = _Way(columns, pool.astype(np.int64).copy(), limits)
    some, master = way.ask() if first is None else (np.arange(len(first.uses)), first)
    while master is not None:
        before = len(way.kind)
        way.take_whole(some, master.uses)
        way.round_up(some, master.uses, ups, rng)
        if len(way.kind) == before or not way.left.any() or stop():
            break
        columns.price(master.duals, master.duals * (1 + 1e-2), way.left, rng)
        some, master = way.ask()
    rows = np.array(way.rows, dtype=np.int32).reshape(-1, len(pool))
    return pack.Packing(np.array(way.kind, dtype=np.int64), rows, way.left)


class _Way:
    """Nodes taken so far, and the pods (C,) and limits that they leave."""

    def __init__(self, columns: patterns.Columns, left: Ints, limits: quota.Limits | None) -> None:
        self.columns = columns
        self.left = left
        self.kind: list[int] = []
        self.rows: list[Rows] = []
        self.takes = np.zeros((0, len(columns.field.cost))) if limits is None else limits.per_node
        self.room = np.zeros(0) if limits is None else limits.room.copy()

    def ask(self) -> tuple[Ints, patterns.Master | None]:
        """The patterns that fit the pods left, and the master over these within what is left of limits."""
        some = self.columns.fitting(self.left)
        caps = quota.same(self.columns.caps, quota.Limits(self.takes, np.maximum(self.room, 0.0)))
        return some, self.columns.master(self.left, some, caps) if len(some) else None

    def take_whole(self, some: Ints, uses: Floats) -> None:
        """The whole parts of a solution, the largest first."""
        times = np.floor(uses + FRACTION).astype(np.int64)
        for position in np.argsort(-uses, kind="stable")[: int((times > 0).sum())]:
            self._take(some[position], int(times[position]))

    def round_up(self, some: Ints, uses: Floats, ups: int, rng: np.random.Generator) -> None:
        """The largest fractions, so many of them; where none fits any more one of them with the pods there are."""
        part = uses - np.floor(uses + FRACTION)
        order = np.argsort(-part * np.exp(NOISE * rng.standard_normal(len(part))), kind="stable")
        order = order[: int((part > FRACTION).sum())]
        for clipped in (False, True):
            taken = 0
            for position in order:
                if taken < (1 if clipped else ups):
                    taken += self._take(some[position], 1, clipped=clipped)
            if taken or not ups:
                return

    def _take(self, pattern: int, times: int, *, clipped: bool = False) -> int:
        """Use a pattern as often as pods and limits allow, `times` at most; `clipped` with the pods there are. How often."""
        kind = int(self.columns.kind[pattern])
        row = self.columns.counts[pattern]
        if clipped:
            row = np.minimum(row, self.left).astype(np.int32)
        used, takes = row > 0, self.takes[:, kind]
        if not used.any():
            return 0
        number = min(times, int((self.left[used] // row[used]).min()))
        if (takes > 0).any():
            number = min(number, int(np.floor((self.room / np.maximum(takes, 1e-9))[takes > 0].min() + 1e-9)))
        if number <= 0:
            return 0
        self.left -= number * row
        self.room = self.room - number * takes
        self.kind += [kind] * number
        self.rows += [row] * number
        return number
