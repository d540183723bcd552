"""
Column generation in one cell, and whole nodes out of its fractions.

1. Where a gap is asked for: quick pricing until whole parts of the master may be good enough, and whole nodes.
2. Quick pricing to its end, and whole nodes.
3. Exact pricing, to the proof where bounds on the cell count for the whole problem, and whole nodes once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from solver.search import cell as cells
from solver.search import quota
from solver.search.column_generation import columns as patterns
from solver.search.column_generation import dive as dives
from solver.search.packing import pack

Enough = Callable[[float], bool]

LOOSE = 0.03
"""
Beyond `columns.MANY` classes the master is slow, and the relaxation over volumes mostly tight: column generation pays only where
the plan is so far above the bound. Small nodes that hold one to three of the pods are what makes it loose.
"""
COLUMN_SECONDS = 2.0
"""With a shorter time limit neighbourhoods use the time better where rules between pods of one node slow pricing down."""
QUICK_SHARE, CLOSE_SHARE, PROOF_SHARE = 0.6, 0.8, 0.97
"""When quick and exact pricing end, as shares of the time left; the last where exact pricing raises the bound."""
PROVED = 0.5
"""
Exact pricing ends once the bound is below the master by less than this part of what the plan is above it: the larger
part of the gap is for neighbourhoods then.
"""
PROMISING = 0.7
"""Where a gap is asked for, whole nodes are made of patterns as soon as these are within this part of it."""
ROUNDINGS, CUT_SHORT = 4, 0.4
"""
Random packings of the pods that whole parts of a master leave over; and what share of their time they take when there is
time for one only.
"""


def pays(packer: cells.CellPacker, cell: cells.Cell, gap: float) -> bool:
    """Whether column generation pays in a cell of a plan with this gap."""
    placeable = cell.field.ok.any(axis=1) | (cell.counts == 0)
    if not placeable.all() or (np.count_nonzero(cell.counts) > patterns.MANY and gap < LOOSE):
        return False
    return cell.field.host.empty or packer.budget.limit >= COLUMN_SECONDS


class Generation:
    """
    Column generation in a cell, whose packing is replaced by cheaper ones.

    Parameters
    ----------
    packer: packs what whole parts of a master leave over.
    cell: the cell, with a packing.
    bound: the bound so far where the cell is the whole problem, so that bounds on the cell count for it; else None.
    """

    def __init__(self, packer: cells.CellPacker, cell: cells.Cell, bound: Callable[[], float] | None) -> None:
        assert cell.packer is not None
        assert cell.volumes is not None
        self.cells = packer
        self.budget = packer.budget
        self.gap = packer.settings.gap
        self.cell = cell
        self.packer = cell.packer
        self.bound = bound
        self.columns = patterns.Columns(
            cell.field,
            cell.counts,
            cell.packer.value,
            cell.volumes.bound if bound is None else bound(),
            packer.narrow.node_charge,
            quota.tight(cell.limits, cell.field, cell.counts),
        )
        self.columns.add_singles()
        self.columns.add(cell.packing.kind, cell.packing.counts)
        if cell.known is not None:
            self.columns.add(*cell.known)

    def run(self, share: float, told: Callable[[patterns.Columns], bool]) -> patterns.Columns:
        """
        Price patterns for this share of the time left, and make whole nodes of each master. `told` is asked after each method
        of pricing whether to stop.
        """
        start = self.budget.spent()
        rounding = 0.0
        for part, price, enough in self._ways():
            until = min(start + (1.0 - start) * part * share, 1.0 - CUT_SHORT * rounding)
            effort = patterns.Effort.until(self.budget, until, self.cells.settings, self._good)
            master = price(self.cells.rng, effort, enough=enough)
            if master is not None:
                self.packer.value = np.maximum(self.columns.worths(master.duals), 1e-6)
                self.packer.cost = self.cell.field.cost + self.columns.charge(master.duals)
                before = self.budget.spent()
                self._round(master, effort.stop)
                rounding = self.budget.spent() - before
            if told(self.columns) or master is None or self._proved(master.value):
                break
        return self.columns

    def _ways(self) -> Iterator[tuple[float, Callable[..., patterns.Master | None], Enough]]:
        """Methods of pricing, with the share of the time at which each ends and the value of the master that is enough."""
        if self.bound is not None and self.gap > 0:
            yield QUICK_SHARE, self.columns.generate, self._promising
        yield QUICK_SHARE, self.columns.generate, _never
        yield CLOSE_SHARE if self.bound is None else PROOF_SHARE, self.columns.close, self._proved

    def _good(self) -> bool:
        """Whether the plan is good enough."""
        return self.bound is not None and self.gap > 0 and self.cell.cost() <= self.bound() * (1 + self.gap)

    def _promising(self, value: float) -> bool:
        """Whether whole parts of a master of this value may well be good enough."""
        return self.bound is not None and value <= self.bound() * (1 + PROMISING * self.gap)

    def _proved(self, value: float) -> bool:
        """Whether the plan is so far above a master of this value that the bound is hardly what is left to improve."""
        if self.bound is None:
            return False
        return value - max(self.columns.bound, self.bound()) < PROVED * (self.cell.cost() - value)

    def _round(self, master: patterns.Master, stop: Callable[[], bool]) -> None:
        """
        Make whole nodes of a master's solution, pack the pods left over, and keep what is cheapest, until the budget would
        not hold another packing, or `stop`.
        """
        cell = self.cell
        worth = max(float(cell.counts @ self.packer.value), 1e-9)
        ups = 0 if cell.field.host.empty else dives.UPS
        for diving in (True,) if ups else (False, True):
            if diving:
                begun = dives.dive(self.columns, cell.counts, cell.limits, self.cells.rng, stop, ups=ups, first=master)
            else:
                begun = pack.Packing(*self.columns.whole(master, cell.counts))
            takes = cell.took * float(begun.left @ self.packer.value) / worth
            packings = self.cells.packings(cell, begun.left, begun.kind)
            for _ in range(ROUNDINGS):
                if self.budget.over(1.0 - takes):
                    break
                packing = begun.joined(next(packings))
                self.packer.shrink(packing.kind, packing.counts, cell.limits)
                if cell.improved_by(packing):
                    cell.packing = packing
                if not begun.left.any() or stop():
                    break
            if stop():
                break


def _never(_: float) -> bool:
    """No master is enough."""
    return False
