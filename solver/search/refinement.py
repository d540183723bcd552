"""
Refinement: from the first plan to the last, those methods first that save most for their time.

1. Shares from patterns (`blend`), where rules across nodes split the pods over several cells.
2. Topping nodes up (`topup`), where pods are small against nodes.
3. Column generation (`columns`), and whole nodes out of its fractions.
4. Neighbourhoods (`neighbourhood`), until the gap is closed, the time is over, or more time will not pay.
"""

from __future__ import annotations

import dataclasses
from concurrent import futures

import numpy as np

from solver.search import aside, cell_columns, completion
from solver.search import bounds as proofs
from solver.search import cell as cells
from solver.search.column_generation import columns as patterns
from solver.search.improvement import neighbourhood
from solver.search.shares import blend as blends
from solver.search.shares import share

IDLE_ROUNDS, PATIENCE = 40, 2.0
"""
More time will not pay after so many neighbourhoods per cell in a row without any saving, once the search has taken
twice as long as it had at the last saving.
"""
BLEND_SHARE = 0.35
"""Of the time left, for shares from patterns."""
CELL_SHARE = 0.5
"""Of the usual time for columns, in cells for which patterns are known."""
VARIED = 12
"""Nodes per class up to which these are topped up before columns."""
SOON, WIDE, NEARLY = 40, 0.003, 1.2
"""
With so few classes patterns reach such a gap sooner than topping up does, whatever the number of pods; but not where the first
plan is within so many times of the gap that is asked for.
"""
TOP_UP_SHARE, TOP_UP_IDLE = 0.2, 3
"""Of the time left, for topping nodes up before columns, and after how many that saved nothing it ends."""


class Refinement:
    """
    Refines the packings of cells; every one that is worth it becomes the incumbent. `beside` runs what has a core of its own.
    `patterns` counts those that were looked at.
    """

    def __init__(
        self,
        bounds: proofs.Bounds,
        whole: completion.Completion,
        sharing: share.Sharing,
        packer: cells.CellPacker,
        beside: futures.Executor,
    ) -> None:
        self.bounds = bounds
        self.known = bounds.known
        self.settings = bounds.settings
        self.budget = bounds.budget
        self.whole = whole
        self.rng = whole.rng
        self.sharing = sharing
        self.packer = packer
        self.beside = beside
        self.moves = neighbourhood.Neighbourhoods(packer, self.settings, self.budget, self.rng)
        self.patterns = 0

    def run(self, work: list[cells.Cell]) -> None:
        """Refine these cells until done."""
        blend = None
        if len(work) > 1 and all(cell_columns.pays(self.packer, cell, self.known.gap()) for cell in work):
            work, blend = self.blended(work)
        movable = [c for c in work if c.packer is not None and (len(c.packing.kind) or c.packing.left.any())]
        if not movable:
            return
        for cell in movable:
            assert cell.packer is not None
            cell.packer.over = self.budget.over
        far = self.settings.gap >= WIDE and self.known.gap() > NEARLY * self.settings.gap
        far &= all(np.count_nonzero(cell.counts) <= SOON for cell in movable)
        if not far:
            self.top_up(work, movable)
            if self.known.done():
                return
        known = self.columns(work, movable)
        if far and not self.known.done():
            self.top_up(work, movable)
        # Where choices of domains cost much, the search for them proves more than patterns without rules across nodes.
        if blend is not None and not (self.sharing.dives and self.sharing.bound) and not self.known.done():
            started = self.budget.seconds()
            masters = [columns.master() for columns in known.values()]
            least = sum(master.value for master in masters if master is not None)
            self.bounds.prove([blend.known(i) for i in range(self.sharing.cells.count)], least, self.rng)
            self.known.phase("bound", started)
        self.neighbourhoods(work, movable, known)

    def blended(self, work: list[cells.Cell]) -> tuple[list[cells.Cell], blends.Blend | None]:
        """Cells with shares from patterns, each with the patterns found for it; the cells as they are when that fails."""
        started, sharing = self.budget.seconds(), self.sharing
        sharing.choose(self.beside)
        self.bounds.lift_wish(sharing)
        there = [blends.Known(cell.shapes, cell.packing.kind, cell.packing.counts) for cell in work]
        blend = sharing.blend(there, self.rng, self.effort(BLEND_SHARE))
        if blend is not None:
            took = max(cell.took for cell in work)
            work = self.packer.pack_all(sharing.cells, sharing.table, sharing.limits, later=True)
            for cell in work:
                cell.took = cell.took or took
                cell.know(
                    [blend.known(i).seen_from(self.bounds.narrow, cell.shapes) for i in range(sharing.cells.count)]
                )
        self.known.phase("shares", started)
        return work, blend

    def top_up(self, work: list[cells.Cell], movable: list[cells.Cell]) -> None:
        """
        Top nodes up in cells of small pods while that saves something, but where there are many nodes of few classes: there
        whole parts of columns are nearly all.
        """
        started, start = self.budget.seconds(), self.budget.spent()
        for index, cell in enumerate(movable):
            idle = 0
            until = start + TOP_UP_SHARE * (1 - start) * (index + 1) / len(movable)
            self.packer.allot(cell, work)
            varied = len(cell.packing.kind) <= VARIED * np.count_nonzero(cell.counts)
            while (
                varied
                and neighbourhood.fine(cell)
                and idle < TOP_UP_IDLE
                and not self.budget.over(until)
                and not self.known.done()
            ):
                saved = self.moves.top_up(cell)
                self.budget.tick()
                idle = 0 if saved > 0 else idle + 1
                if saved > 0:
                    self.bounds.counted()
                    self.whole.adopt(work, "neighbourhoods")
                    self.known.report()
        self.known.phase("top up", started)

    def columns(self, work: list[cells.Cell], movable: list[cells.Cell]) -> dict[int, patterns.Columns]:
        """Column generation where it pays, by position in `movable`."""
        known: dict[int, patterns.Columns] = {}
        started = self.budget.seconds()
        for index, cell in enumerate(movable):
            part = (1.0 if cell.known is None else CELL_SHARE) / len(movable)
            self.packer.allot(cell, work)
            if not cell_columns.pays(self.packer, cell, self.known.gap()):
                if not len(cell.packing.kind):
                    self.packer.fill(cell)
                continue
            # Bounds on the cell count for the whole when it is the whole and existing nodes play no part.
            whole = (
                len(work) == 1
                and bool(cell.field.host.firm.all())
                and not cell.on_nodes.any()
                and self.bounds.is_exact()
            )

            def bound() -> float:
                self.bounds.counted()
                return self.known.bound

            def told(columns: patterns.Columns, cell: cells.Cell = cell, whole: bool = whole) -> bool:
                if whole:
                    self.known.lift(columns.bound)
                    self.whole.adopt([cell], "columns")
                    self.known.report()
                return self.known.done()

            known[index] = cell_columns.Generation(self.packer, cell, bound if whole else None).run(part, told)
            if not len(cell.packing.kind):
                self.packer.fill(cell)
            self.patterns += len(known[index].kind)
        self.whole.adopt(work, "columns" if known else "fill")
        self.known.phase("columns", started)
        return known

    def neighbourhoods(
        self, work: list[cells.Cell], movable: list[cells.Cell], known: dict[int, patterns.Columns]
    ) -> None:
        """Nodes taken apart and put together again, cell by cell, until done; for cells that dive patterns are made `beside`."""
        started = self.budget.seconds()
        ruled = [(movable[index], columns) for index, columns in known.items() if neighbourhood.diving(movable[index])]
        both = self.settings.workers > 1 and not self.settings.deterministic
        exact = aside.Aside(self.beside, ruled if both else (), dataclasses.replace(self.effort(1.0), workers=1))
        last = saving = self.budget.spent()
        idle = 0
        while not self.known.done() and not (
            idle > IDLE_ROUNDS * len(movable) and self.budget.spent() > PATIENCE * saving
        ):
            for index, cell in enumerate(movable):
                if self.budget.over():
                    break
                exact.turn()
                self.packer.allot(cell, work)
                saved = self.moves.step(cell, known.get(index))
                idle = 0 if saved > 0 else idle + 1
                saving = self.budget.spent() if saved > 0 else saving
                self.budget.tick()
            if self.budget.spent() - last > 0.1:
                last = self.budget.spent()
                self.bounds.counted()
                self.whole.adopt(work, "neighbourhoods")
                self.known.report()
        self.whole.adopt(work, "neighbourhoods")
        self.known.phase("neighbourhoods", started)

    def effort(self, part: float) -> patterns.Effort:
        """Pricing that may take this share of the time left."""
        return patterns.Effort.until(self.budget, self.budget.part(part), self.settings)
