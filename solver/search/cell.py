"""
One cell: existing room first, then new nodes along the relaxation.

A cell is a set of places that no rule across nodes tells apart, with the pods that it gets (`cells`): here packing is all
that is left to decide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import params, quota
from solver.search.column_generation import opening
from solver.search.packing import existing, pack, shapes
from solver.search.relaxation import compact, merge
from solver.search.shares import cells as splits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WARM_ENOUGH = 1.02
"""Cost over the relaxation at which the nodes of an earlier solution are taken without packing everything anew."""
UNASSIGNED = 0.02
"""Share of pods that may stay without a place when pods are assigned; beyond it packing looks at all rules itself."""


@dataclasses.dataclass(slots=True)
class Cell:
    """
    One cell: its field of shapes, what its existing nodes took (nodes, C), the pods of each class (C,) and shape
    (S,) for new nodes, the packing of these, the `limits` that it keeps and what of them it is `planned` to take, the share of
    the time that packing took, and patterns `known` for it.
    """

    field: fields.Field
    shapes: shapes.Shapes
    nodes: Ints
    on_nodes: Ints
    pods: Ints
    counts: Ints
    packing: pack.Packing
    packer: pack.Packer | None
    volumes: compact.Volumes | None = None
    merged: merge.Merged | None = None
    limits: quota.Limits | None = None
    planned: Floats | None = None
    took: float = 0.0
    known: tuple[Ints, NDArray[np.int32]] | None = None

    def cost(self) -> float:
        """Micro-euro per hour of the new nodes, charges included."""
        return self.packing.cost(self.field)

    def improved_by(self, packing: pack.Packing) -> bool:
        """Whether a packing keeps the limits and leaves fewer pods over, or as many and costs less."""
        if self.limits is not None and (self.limits.used(packing.kind) > self.limits.room).any():
            return False
        left, now = packing.left.sum(), self.packing.left.sum()
        return bool(left < now or (left == now and packing.cost(self.field) < self.cost()))

    def takes(self) -> Floats:
        """What the new nodes take of each limit (L,); until there are some, what is planned."""
        if self.planned is not None and not len(self.packing.kind):
            return self.planned
        return np.zeros(0) if self.limits is None else self.limits.used(self.packing.kind)

    def know(self, found: Iterable[tuple[Ints, NDArray[np.int32]]]) -> None:
        """Remember patterns, as kinds and pods of each shape (P, S), that some of its pods could fill."""
        kinds, rows = zip(*found, strict=True)
        kind, counts = np.concatenate(kinds), np.minimum(np.concatenate(rows), self.counts).astype(np.int32)
        some = counts.any(axis=1)
        self.known = kind[some], counts[some]


class CellPacker:
    """Packs cells of a narrowed problem; `start` are new nodes of an earlier solution, as (offer, pods by class)."""

    def __init__(
        self,
        narrow: problems.Problem,
        settings: params.Params,
        budget: params.Budget,
        rng: np.random.Generator,
        start: tuple[tuple[int, problems.Counts], ...] = (),
    ) -> None:
        self.narrow = narrow
        self.settings = settings
        self.budget = budget
        self.rng = rng
        self.start = start

    def pack_all(self, cells: splits.Cells, table: Ints, planned: Floats, *, later: bool = False) -> list[Cell]:
        """
        Pack every cell that gets pods (C, cells). Of limits each may take what those before it left and those after it
        are not `planned` (cells, L) to take. With `later` cells are only made ready where all rules are kept while packing:
        patterns fill them better than `fill` would.
        """
        work: list[Cell] = []
        with_pods = np.flatnonzero(table.any(axis=0))
        for position, index in enumerate(with_pods):
            taken = [cell.takes() for cell in work] + list(planned[with_pods[position + 1 :]])
            limit = quota.left(self.narrow, taken)
            work.append(self.pack_cell(cells, int(index), table[:, index], limit, later=later))
            work[-1].planned = planned[index]
        return work

    def allot(self, cell: Cell, work: Iterable[Cell]) -> None:
        """Let a cell take of limits what the nodes of the others leave."""
        if cell.limits is not None:
            taken = (each.takes() for each in work if each is not cell)
            cell.limits = dataclasses.replace(cell.limits, room=quota.left(self.narrow, taken))

    def pack_cell(self, cells: splits.Cells, index: int, counts: Ints, limit: Floats, *, later: bool = False) -> Cell:
        """Pack one cell with pods of each class (C,); its new nodes may take `limit` (L,) of limits. `later` as above."""
        offers = np.flatnonzero(cells.of_offer == index)
        nodes = np.flatnonzero(cells.of_node == index)
        field = fields.make(self.narrow, offers, counts > 0)
        if field.requests.shape[1] == 0:
            field = dataclasses.replace(field, resources=np.arange(self.narrow.requests.shape[1]))
        room = existing.groups(self.narrow, field, nodes, counts > 0)
        on_nodes = np.zeros((len(nodes), len(counts)), dtype=np.int64)
        if room.ok.any():
            value = np.ones(len(counts))
            if len(field.cost):
                merged = merge.merge(field, counts.astype(np.float64), up=True)
                limits = quota.limits_of(self.narrow, field, limit)
                volumes = self._guide(merged, room, limits)
                value = self._values(field, volumes, limits) if volumes is not None else value
            exact = dataclasses.replace(field, requests=self.narrow.requests[:, field.resources].astype(np.float64))
            on_nodes = existing.fill_nodes(self.narrow, exact, nodes, counts, np.maximum(value, 1e-6), self.rng)
        pods = counts - on_nodes.sum(axis=0)
        for extra in (shapes.SPLITS, shapes.ANY):
            cell = self._make(shapes.reduce(field, pods, extra), nodes, on_nodes, pods, limit)
            postponed = cell.shapes.postponed.owner.shape[1] > 0
            if postponed or not later:
                self.fill(cell)
            if not postponed:
                break
            assigned = int(cell.shapes.assign(pods, cell.packing.counts, self.rng).sum())
            if cell.packing.counts.sum() - assigned <= UNASSIGNED * assigned:
                break
        return cell

    def _make(self, small: shapes.Shapes, nodes: Ints, on_nodes: Ints, pods: Ints, limit: Floats) -> Cell:
        """A cell without new nodes yet, with the relaxation for the pods that its existing nodes do not take."""
        left = small.sums(pods)
        cell = Cell(small.field, small, nodes, on_nodes, pods, left, pack.nothing(left), None)
        cell.limits = quota.limits_of(self.narrow, small.field, limit)
        if not len(cell.field.cost) or not left.any():
            return cell
        cell.merged = merge.merge(cell.field, left.astype(np.float64), up=True)
        cell.volumes = self._guide(cell.merged, None, cell.limits)
        if cell.volumes is None:
            return cell
        kinds = np.flatnonzero(cell.volumes.nodes > 0.01)
        if not len(kinds):
            kinds = np.arange(len(cell.field.cost))
        value = self._values(cell.field, cell.volumes, cell.limits)
        charge = 0.0 if cell.limits is None else cell.limits.charge(cell.volumes.prices.limits)
        cell.packer = pack.Packer(cell.field, value, kinds, self.rng, self.settings.stop, charge)
        return cell

    def fill(self, cell: Cell) -> None:
        """New nodes for a cell along its relaxation."""
        if cell.packer is None or cell.volumes is None or cell.merged is None:
            return
        warm = self._pack_warm(cell)
        if warm is not None and warm.cost(cell.field) <= WARM_ENOUGH * cell.volumes.bound:
            cell.packing = warm
            return
        started = self.budget.spent()
        opened = self._opened(cell) if opening.applies(cell.field, cell.counts, cell.volumes) else None
        cell.packing = opened or cell.packer.construct(cell.counts, cell.volumes, cell.merged, cell.limits)
        cell.took = self.budget.spent() - started
        if warm is not None and warm.cost(cell.field) < cell.cost() and not warm.left.any():
            cell.packing = warm

    def _opened(self, cell: Cell) -> pack.Packing | None:
        """New nodes for a cell with few classes from patterns."""
        packer = cell.packer
        assert packer is not None
        assert cell.volumes is not None
        assert cell.merged is not None
        # Worths of the relaxation are the better ones to begin column generation from.
        value, cost = packer.value, packer.cost
        charge = self.narrow.node_charge
        begun = opening.begin(packer, cell.counts, cell.volumes, cell.merged, cell.limits, self.budget, charge)
        packing = None if begun is None else begun.joined(self.pack_rest(cell, begun.left, begun.kind))
        packer.value, packer.cost = value, cost
        if packing is None or packing.left.any():
            return None
        packer.shrink(packing.kind, packing.counts, cell.limits)
        return packing

    def _pack_warm(self, cell: Cell) -> pack.Packing | None:
        """The nodes of a cell that the solution to start from has, and new ones for the pods that these do not hold."""
        assert cell.packer is not None
        kind_of = {int(offer): kind for kind, twins in enumerate(cell.field.twins) for offer in twins}
        kinds: list[int] = []
        rows: list[NDArray[np.int32]] = []
        left = cell.counts.copy()
        for offer, counts in self.start:
            row = np.zeros(len(left), dtype=np.int32)
            shape = cell.shapes.index[[c for c, _ in counts]]
            np.add.at(row, shape, [n for _, n in counts])
            if offer in kind_of and (shape >= 0).all() and (row <= left).all():
                kinds.append(kind_of[offer])
                rows.append(row)
                left -= row
        kept = np.array(kinds, dtype=np.int64)
        if not rows or (cell.limits is not None and (cell.limits.used(kept) > cell.limits.room).any()):
            return None
        rest = self.pack_rest(cell, left, kept)
        packing = pack.Packing(kept, np.stack(rows), left).joined(rest)
        cell.packer.shrink(packing.kind, packing.counts, cell.limits)
        return packing

    def _guide(
        self, merged: merge.Merged, room: compact.Room | None, limits: quota.Limits | None
    ) -> compact.Volumes | None:
        """The relaxation of a cell, with pods left out at a price when not all can be placed."""
        there = None if room is None else merge.room_of(merged, room)
        volumes = compact.solve(merged.field, merged.counts, room=there, limits=limits, strong=False)
        if volumes is None:
            penalty = float(merged.field.cost.max(initial=1.0)) * 1000
            volumes = compact.solve(
                merged.field, merged.counts, room=there, limits=limits, penalty=penalty, strong=False
            )
        return volumes

    def _values(self, field: fields.Field, volumes: compact.Volumes, limits: quota.Limits | None) -> Floats:
        """What a pod of each class of a field is worth (C,): what it pays on new nodes, or much if none takes it."""
        worth = compact.worths(field, volumes.prices, limits=limits)
        return np.where(np.isfinite(worth), worth, 10.0 * field.cost.max(initial=1.0))

    def pack_rest(self, cell: Cell, left: Ints, stay: Ints) -> pack.Packing:
        """New nodes for some of a cell's pods, beside those of the kinds `stay` (M,)."""
        return next(self.packings(cell, left, stay))

    def packings(self, cell: Cell, left: Ints, stay: Ints) -> Iterator[pack.Packing]:
        """New nodes for some of a cell's pods, beside those of the kinds `stay` (M,): one random packing after another."""
        assert cell.packer is not None
        volumes = None
        if left.any():
            merged = merge.merge(cell.field, left.astype(np.float64), up=True)
            limits = None if cell.limits is None else cell.limits.less(stay)
            volumes = self._guide(merged, None, limits)
        while True:
            yield pack.nothing(left) if volumes is None else cell.packer.construct(left, volumes, merged, limits)


def assembled(problem: problems.Problem, work: Iterable[Cell], rng: np.random.Generator) -> problems.Solution:
    """One solution from all cells; twins of a kind are used so that OVH pools that exist are filled first."""
    free = problem.pools.free.copy()
    exists = problem.pools.exists
    new: list[tuple[int, problems.Counts]] = []
    placed: dict[int, problems.Counts] = {}
    for cell in work:
        there = zip(cell.nodes.tolist(), pack.counts_of(cell.on_nodes), strict=True)
        placed |= {node: counts for node, counts in there if counts}
        rows = cell.shapes.assign(cell.pods, cell.packing.counts, rng)
        for kind in np.unique(cell.packing.kind):
            twins = cell.field.twins[kind]
            order = sorted(twins, key=lambda o: (not exists[problem.offers[o].pool], o))
            position = 0
            for counts in pack.counts_of(rows[cell.packing.kind == kind]):
                while (
                    position + 1 < len(order)
                    and exists[problem.offers[order[position]].pool]
                    and free[problem.offers[order[position]].pool] <= 0
                ):
                    position += 1
                offer = int(order[position])
                free[problem.offers[offer].pool] -= 1
                if counts:
                    new.append((offer, counts))
    return problems.Solution(new=tuple(new), placed=placed)
