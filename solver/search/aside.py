"""
Exact pricing on a core of its own, cell after cell, while neighbourhoods dive.

Quick pricing misses contents that are a percent or two better than what it finds, so the masters of cells end half a percent
above what all patterns allow. CP-SAT finds these in some tenths of a second for all kinds of a cell, and leaves the
interpreter to others meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent import futures

import numpy as np
from numpy.typing import NDArray

from solver.search import cell as cells
from solver.search.column_generation import columns as patterns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]


class Aside:
    """
    Exact pricing for cells with the columns known for each, by an executor that may have other things to do first; not for those
    with rules that exact pricing leaves out. `turn` is to be called now and then.
    """

    def __init__(
        self,
        executor: futures.Executor,
        work: Iterable[tuple[cells.Cell, patterns.Columns]],
        effort: patterns.Effort,
    ) -> None:
        self.executor = executor
        self.waiting = [(cell, columns) for cell, columns in work if cell.field.host.simple]
        self.effort = effort
        self.asked: futures.Future[tuple[Floats, Ints, Rows]] | None = None

    def turn(self) -> None:
        """Take over what was found, and ask for the next cell; one for which nothing is left to find is not asked for again."""
        if self.asked is not None:
            if not self.asked.done():
                return
            cell, columns = self.waiting.pop(0)
            _, kind, rows = self.asked.result()
            self.asked = None
            if len(kind):
                columns.add(kind, rows)
                self.waiting.append((cell, columns))
        if not self.waiting or self.effort.stop():
            return
        cell, columns = self.waiting[0]
        master = columns.master()
        if master is None or cell.packer is None:
            self.waiting.pop(0)
            return
        cell.packer.value = np.maximum(columns.worths(master.duals), 1e-6)
        cell.packer.cost = cell.field.cost + columns.charge(master.duals)
        self.asked = self.executor.submit(columns.exactly, master.duals, self.effort)
