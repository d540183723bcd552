"""
Neighbourhoods: some nodes of a cell are taken apart and their pods put together again, in one of five ways.

- Where rules stand between pods of a node, whole nodes are taken from a linear master for these pods (`dive`).
- Their pods top up all other nodes, and what is left of them needs less room (`topup`).
- A few nodes are decided pod by pod, where a cell has few (`repack`), or recombined from many covers (`recombine`).
- They are packed anew, by a relaxation of their own.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from solver.search import cell as cells
from solver.search import params
from solver.search.column_generation import columns as patterns
from solver.search.column_generation import dive as dives
from solver.search.improvement import recombine, repack, topup
from solver.search.packing import pack

TOPPED_UP, RECOMBINED = 0.6, 0.1
"""Shares of neighbourhoods that top nodes up and that recombine; the others are packed anew, by a relaxation of their own."""
FEW_NODES, AGAIN = 30, 0.8
"""Up to so many nodes of small pods this share of neighbourhoods is decided pod by pod."""
FINE = 8
"""Pods per node from which on these count as small."""
POOLED, POOLED_MOST, POOLED_PART, REPACKED = 4, 21, 0.12, 3
"""
Nodes whose pods top the others up: at least, fewer than, or fewer than this part of all; and how often what is left of
their pods is packed.
"""
DIVED, DIVED_CLASSES, DIVED_SELDOM, DIVED_LEAST = 0.95, 40, 0.4, 0.3
"""
Share of neighbourhoods that dive where rules stand between pods of a node: up to so many classes, as masters and prices are
found in milliseconds then, and beyond. Then the least part of the nodes whose pods a dive takes.
"""
NODES_PER_ROUND = 150
"""So many nodes are topped up in a twelfth of a second."""


def fine(cell: cells.Cell) -> bool:
    """
    Whether pods are small against nodes and no rule stands between pods of a node: then nodes can be filled up, and what
    whole nodes cost is the larger part of what the relaxation leaves out.
    """
    return cell.field.host.empty and bool(cell.counts.sum() >= FINE * len(cell.packing.kind))


def stepped(cell: cells.Cell) -> bool:
    """Whether whole numbers of nodes say more than fractions do: where these are filled up, and where there are few."""
    return fine(cell) or (cell.field.host.empty and len(cell.packing.kind) <= FEW_NODES)


def diving(cell: cells.Cell) -> bool:
    """Whether nearly all neighbourhoods of a cell with columns dive."""
    return not cell.field.host.empty and bool(np.count_nonzero(cell.counts) <= DIVED_CLASSES)


class Neighbourhoods:
    """Improves cells that a packer packed; `packing_took` is the share of the budget that the last packing took."""

    def __init__(
        self, packer: cells.CellPacker, settings: params.Params, budget: params.Budget, rng: np.random.Generator
    ) -> None:
        self.packer = packer
        self.settings = settings
        self.budget = budget
        self.rng = rng
        self.packing_took = 0.0

    def _is_late(self) -> bool:
        """Whether there is no time left to pack what nodes are topped up with, by how long that took last."""
        return self.budget.over(1.0 - self.packing_took)

    def step(self, cell: cells.Cell, known: patterns.Columns | None) -> float:
        """Take some nodes of a cell apart and put their pods together again; returns what that saved."""
        assert cell.packer is not None
        packing, packer, limits = cell.packing, cell.packer, cell.limits
        dived = 0.0 if cell.field.host.empty else DIVED if diving(cell) else DIVED_SELDOM
        if known is not None and dived and self.rng.random() < dived:
            return self.dive(cell, known)
        drawn = self.rng.random()
        if len(packing.kind) <= FEW_NODES and fine(cell) and self.rng.random() < AGAIN:
            nodes = recombine.choose(packer, packing, int(self.rng.integers(2, 6)))
            new = repack.repack(
                packer,
                packing.kind[nodes],
                packing.counts[nodes],
                None if limits is None else limits.less(np.delete(packing.kind, nodes)),
                time_limit=self.budget.seconds_until(1.0),
            )
        elif drawn < TOPPED_UP:
            return self.top_up(cell)
        elif drawn < TOPPED_UP + RECOMBINED:
            nodes = recombine.choose(packer, packing, int(self.rng.integers(5, 11)))
            new = recombine.recombine(
                packer,
                packing.kind[nodes],
                packing.counts[nodes],
                known,
                None if limits is None else limits.less(np.delete(packing.kind, nodes)),
                seconds=lambda: self.budget.seconds_until(1.0),
            )
        else:
            nodes = recombine.choose(packer, packing, int(self.rng.integers(5, 31)))
            pods = packing.counts[nodes].sum(axis=0).astype(np.int64)
            new = self.packer.pack_rest(cell, pods, np.delete(packing.kind, nodes))
        if new is None or new.left.any():
            return 0.0
        saved = float(cell.field.cost[packing.kind[nodes]].sum()) - new.cost(cell.field)
        if saved < 0:
            return 0.0
        cell.packing = packing.exchanged(nodes, new)
        return saved

    def dive(self, cell: cells.Cell, known: patterns.Columns) -> float:
        """Put pods of a good part of the nodes together by diving; what that saved."""
        assert cell.packer is not None
        packing, before = cell.packing, cell.cost()
        size = int(len(packing.kind) * self.rng.uniform(DIVED_LEAST, 1.0))
        nodes = recombine.choose(cell.packer, packing, max(size, 1))
        known.add(packing.kind[nodes], packing.counts[nodes])
        stay = np.delete(packing.kind, nodes)
        limits = None if cell.limits is None else cell.limits.less(stay)
        pool = packing.counts[nodes].sum(axis=0).astype(np.int64)
        new = dives.dive(known, pool, limits, self.rng, self.budget.over)
        if new.left.any():
            new = new.joined(self.packer.pack_rest(cell, new.left, np.append(stay, new.kind)))
        cell.packer.shrink(new.kind, new.counts, limits)
        whole = packing.exchanged(nodes, dataclasses.replace(new, left=packing.left))
        if not new.left.any() and cell.improved_by(whole):
            cell.packing = whole
        return before - cell.cost()

    def top_up(self, cell: cells.Cell) -> float:
        """Fill all other nodes with pods of some nodes, and put what is left of these together anew; what that saved."""
        assert cell.packer is not None
        packing, before = cell.packing, cell.cost()
        most = max(POOLED_MOST, int(POOLED_PART * len(packing.kind)))
        nodes = recombine.choose(cell.packer, packing, int(self.rng.integers(POOLED, most)))
        stay = np.ones(len(packing.kind), dtype=bool)
        stay[nodes] = False
        kind = packing.kind[stay]
        pool = packing.counts[nodes].sum(axis=0).astype(np.int64)
        rows, pool = topup.top_up(cell.packer, kind, packing.counts[stay], pool, self._is_late)
        started = self.budget.spent()
        for new in itertools.islice(self.packer.packings(cell, pool, kind), REPACKED):
            self.packing_took, started = self.budget.spent() - started, self.budget.spent()
            joined = pack.Packing(kind, rows, packing.left).joined(new)
            if not new.left.any() and joined.cost(cell.field) <= cell.cost():
                cell.packing = joined
            if self._is_late():
                break
        self.budget.tick(len(kind) / NODES_PER_ROUND)
        return before - cell.cost()
