"""
What whole nodes cost that are worth something together: prices of few nodes come in steps, so linear bounds are weak there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GRID, LEAST, CELLS = 4_096, 2_048, 40_000
"""
Most steps of worth that are told apart; worths of nodes are rounded up to them, so that bounds hold. With a limit they are so
many that the table has no more cells than these, and not less than the second number.
"""
PARTS = 96
"""Most parts of a limit that are told apart."""
FUZZ = 0.01
"""Micro-euro by which sums of worths may be off."""


class Steps:
    """
    The least price of whole nodes that together have at least some worth and keep within what is left of one limit, the `tight`
    one: kinds (K,) of a `price`, at most a `worth`, that take so much of it (`taken`, of `room`; None: no limit); so many times
    `finer` than usual.
    """

    def __init__(
        self,
        price: Floats,
        worth: Floats,
        total: float,
        tight: int | None = None,
        taken: Ints | None = None,
        room: int = 0,
        finer: int = 1,
    ) -> None:
        self.tight = tight
        # Whole numbers of parts of the limit: what nodes take is rounded down, and so may be what there is.
        taken = np.zeros(len(price), dtype=np.int64) if taken is None else taken
        self.part = max(int(np.gcd.reduce(taken)), -(-room // PARTS), 1)
        self.taken = taken // self.part
        self.parts = room // self.part
        self.grid = min(GRID * finer, max(LEAST, CELLS * finer // (4 * (self.parts + 1))))
        self.unit = max(total, 1.0) / self.grid
        units = np.clip(np.ceil(worth / self.unit - 1e-9), 0, self.grid + 1).astype(np.int64)
        some = units > 0
        prices, units = price[some], units[some]
        least = np.full((self.parts + 1, self.grid + 2), np.inf)
        least[:, 0] = 0.0
        for price_of, unit, take in zip(prices.tolist(), units.tolist(), self.taken[some].tolist(), strict=True):
            if take:
                for part in range(take, self.parts + 1):
                    _once(least[part], least[part - take], price_of, unit)
            else:
                _often(least, price_of, unit)
        self.least = least.T
        # One ascending row of all prices, those for more parts after those for less.
        self._high = float(self.least[np.isfinite(self.least)].max()) + 1.0
        above = np.where(np.isfinite(self.least), self.least, 1.5 * self._high)
        self._flat = (above + 2 * self._high * np.arange(self.parts + 1)).T.ravel()

    def left(self, room: Ints) -> Ints:
        """Parts that are left of the room of all limits (S, L)."""
        if self.tight is None:
            return np.zeros(len(room), dtype=np.int64)
        return np.asarray(np.clip(room[:, self.tight] // self.part, 0, self.parts))

    def taken_parts(self, taken: Ints) -> Ints:
        """Parts that nodes take for sure of what they take of all limits (K, L)."""
        return np.zeros(len(taken), dtype=np.int64) if self.tight is None else taken[:, self.tight] // self.part

    def others(self, limit: Floats) -> Floats:
        """Prices (L,) of limits without the tight one, which is not paid for here but kept."""
        return np.where(np.arange(len(limit)) == self.tight, 0.0, limit)

    def of(self, worth: Floats, left: Ints) -> Floats:
        """The least price of these worths (S,) with these parts of the limit left (S,)."""
        # Units are whole, so the need may be rounded up to the next one.
        need = np.clip(np.ceil((worth - FUZZ) / self.unit - 1e-9).astype(np.int64), 0, self.grid + 1)
        return np.asarray(self.least[need, left])

    def reach(self, price: Floats, left: Ints) -> Floats:
        """The most worth that nodes of these prices together have with these parts left; below 0 where one is negative."""
        at = np.searchsorted(self._flat, np.minimum(price + FUZZ, self._high) + left * 2 * self._high, side="right")
        found = (at - 1 - np.maximum(left, 0) * (self.grid + 2)) * self.unit
        return np.asarray(np.where((price < 0) | (left < 0), -1.0, found))


def _once(least: Floats, before: Floats, price: float, unit: int) -> None:
    """What one node more of a kind makes of the least prices `before` (W,), where that is less."""
    np.minimum(least[1 : unit + 1], price + before[0], out=least[1 : unit + 1])
    np.minimum(least[unit + 1 :], price + before[1 : len(before) - unit], out=least[unit + 1 :])


def _often(least: Floats, price: float, unit: int) -> None:
    """What any number of nodes more of a kind make of least prices (P, W): in steps of its worth the price grows by the same."""
    parts, size = least.shape
    rows = -(-(size - 1) // unit) + 1
    # So many steps below 0 that need nothing come first.
    chains = np.full((parts, rows * unit), np.inf)
    chains[:, :unit] = 0.0
    chains[:, unit : unit + size - 1] = least[:, 1:]
    table = chains.reshape(parts, rows, unit)
    paid = price * np.arange(rows)[None, :, None]
    table = np.minimum.accumulate(table - paid, axis=1) + paid
    least[:, 1:] = table.reshape(parts, rows * unit)[:, unit : unit + size - 1]
