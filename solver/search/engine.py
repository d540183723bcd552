"""
The search from end to end: which parts run, in which order, and what they hand to each other.

1. Preferences and weights narrow the masks (`restrict`), rules across nodes split the places into cells and the pods
   over them (`cells`).
2. Each cell: existing room first (`existing`), then the relaxation (`compact`) guides the packing of new nodes
   (`pack`).
3. What is left over is placed one by one under all rules (`greedy`); every incumbent is judged by `evaluate`.
4. Until the deadline: columns and dives (`columns`), neighbourhoods (`pack`); small problems go to enumeration
   (`exhaust`, where amounts are all that binds) and the exact model (`model`) first.
5. The bound is the relaxation's or the column generation's, whichever is higher; it looks at the whole problem, never
   at the cells' split.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from solver import evaluate
from solver import plan as plans
from solver import problem as problems
from solver.search import blend as blends
from solver.search import cells as splits
from solver.search import columns as patterns
from solver.search import (
    compact,
    exhaust,
    existing,
    greedy,
    merge,
    pack,
    params,
    recombine,
    restrict,
    rounding,
    shapes,
    zones,
)
from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SMALL_PODS = 60
SMALL_CLASSES = 12
ENUMERATE_SHARE, GLANCE_SHARE = 0.2, 0.04
"""Shares of the time left for each step of enumeration, and for the incumbent before it."""
BRANCHES = 500
"""Nodes of the search tree that a cover may take when the clock does not count."""
REFILLS = 12
IDLE_ROUNDS, PATIENCE = 20, 2.0
"""
More time will not pay after so many neighbourhoods per cell in a row without any saving, once the search has taken
twice as long as it had at the last saving.
"""
RECOMBINED = 0.2
"""Share of neighbourhoods that are recombined; the others are larger and packed anew, by a relaxation of their own."""
WARM_ENOUGH = 1.02
"""Cost over the relaxation at which the nodes of an earlier solution are taken without packing everything anew."""
COLUMN_CLASSES = 150
"""Up to this many classes column generation pays; beyond it the relaxation is tight and the master slow."""
CHOICES_SECONDS, CHOICES_SHARE = 2.0, 0.2
"""For the choices of domains, and of the time left."""
BLEND_SHARE = 0.3
"""Of the time left, for shares from patterns."""
CELL_SHARE = 0.5
"""Of the usual time for columns, in cells for which patterns are known."""
WHOLE_SHARE, WHOLE_REST, WHOLE_PULL = 0.1, 0.9, 0.15
"""
Of the time left then, for quick pricing and for a bound from patterns; and how far its prices are drawn to the best.
"""
UNDEALT = 0.02
"""Share of pods that may stay without a place when shapes are dealt; beyond it packing looks at all rules itself."""
COLUMN_SECONDS = 2.0
"""With a shorter time limit neighbourhoods use the time better where rules between pods of one node slow pricing down."""
QUICK_SHARE, CLOSE_SHARE, PROOF_SHARE = 0.6, 0.8, 0.97
"""
When quick and exact pricing end, as shares of the time left; the last where the bound is further from the master than
the plan is, so that neighbourhoods could close the smaller part of the gap only.
"""
REFILL = 0.12
ROUNDINGS = 4
"""Random packings of the pods that whole parts of a master leave over."""


@dataclasses.dataclass(slots=True)
class Cell:
    """
    One cell at work: its field of shapes, what its existing nodes took (nodes, C), the pods of each class (C,) and shape
    (S,) for new nodes, the packing of these, the share of the time that it took, and patterns `known` for it.
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
    took: float = 0.0
    known: tuple[Ints, NDArray[np.int32]] | None = None

    def cost(self) -> float:
        """Micro-euro per hour of the new nodes, charges included."""
        return self.packing.cost(self.field)


class Engine:
    """One search over one problem."""

    def __init__(self, problem: problems.Problem, settings: params.Params) -> None:
        self.problem = problem
        self.settings = settings
        self.budget = params.Budget(settings)
        self.rng = np.random.default_rng(settings.seed)
        self.narrow = restrict.best_places(problem)
        self.start = problems.Solution()
        self.best: problems.Solution = problems.Solution()
        self.value: problems.Value = evaluate.value(problem, self.best)
        self.bound: float = 0.0
        self.wished: float = 0.0
        self.optimal = False
        self.strategy = "heuristic"
        self.phases: list[plans.Phase] = []
        self.patterns = 0
        self.cells = splits.Cells(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 1)
        self.settled = False
        self.blend: blends.Blend | None = None
        self.wanted: Floats = np.zeros((len(problem.classes), 1))
        self.table: Ints = np.zeros((len(problem.classes), 1), dtype=np.int64)

    # -- incumbents ---------------------------------------------------------------------------

    def offer(self, solution: problems.Solution, strategy: str) -> bool:
        """Take a solution as the incumbent when it is valid and better."""
        value = evaluate.value(self.problem, solution)
        if not value < self.value:
            return False
        if evaluate.violations(self.problem, solution):
            return False
        self.best, self.value, self.strategy = solution, value, strategy
        return True

    def phase(self, name: str, started: float) -> None:
        """Record a phase and report progress."""
        self.phases.append(plans.Phase(name, self.budget.seconds() - started, evaluate.price(self.problem, self.best)))
        self.report()

    def report(self) -> None:
        """Tell the caller how things stand."""
        bound = int(self.bound) if self.bound > 0 else None
        self.settings.progress(params.Progress(self.budget.seconds(), evaluate.price(self.problem, self.best), bound))

    def gap(self) -> float:
        """Relative distance of the incumbent to the bound; infinite without a bound."""
        if self.bound <= 0:
            return 0.0 if self.value.cost <= 0 else float("inf")
        return max(0.0, self.value.cost - self.bound) / self.bound

    # -- the whole ---------------------------------------------------------------------------

    def run(self) -> params.Found:
        """Search until the gap is closed, the time is over, or more time will not pay."""
        if not self.problem.counts.sum():
            return self.found()
        if self.settings.warm is not None:
            started = self.budget.seconds()
            self.start = greedy.trim(self.problem, self.settings.warm)
            self.offer(greedy.complete(self.problem, self.start, seed=0, stop=self.settings.stop), "warm")
            self.phase("warm start", started)
        started = self.budget.seconds()
        whole = self.whole_field()
        self.relax(whole, strong=False)
        if self.start.new and self.done():
            return self.found()
        work = self.construct(whole)
        self.phase("fill", started)
        if self.is_small():
            self.enumerate(whole)
            if not self.optimal and not (self.settings.gap and self.done()):
                self.exact()
        if not self.done():
            self.relax(whole, strong=True)
            self.improve(work, whole)
        return self.found()

    def done(self) -> bool:
        """Whether to stop: proved, good enough, or out of time."""
        return self.optimal or (self.gap() <= max(self.settings.gap, 0.0) and not self.unplaced()) or self.budget.over()

    def unplaced(self) -> bool:
        """Whether the incumbent leaves pods out."""
        return any(self.value.unplaced)

    def found(self) -> params.Found:
        """The answer so far."""
        if self.unplaced() and not self.optimal:
            self.bound = 0.0
            self.relax(self.whole_field(), strong=True, spare=float(sum(self.value.unplaced)))
        return params.Found(
            solution=self.best,
            value=self.value,
            bound=round(self.bound) if self.bound > 0 else (0 if not self.problem.removal_caps else None),
            optimal=self.optimal or not self.problem.counts.sum(),
            phases=tuple(self.phases),
            columns=self.patterns,
            strategy=self.strategy,
        )

    # -- bound ---------------------------------------------------------------------------

    def whole_field(self) -> fields.Field:
        """All offers and classes at their bare prices, for the bound."""
        everything = np.arange(len(self.problem.offers))
        bare = dataclasses.replace(self.narrow, node_charge=0)
        return fields.make(bare, everything, self.problem.counts > 0)

    def limits(self, field: fields.Field) -> compact.Limits | None:
        """NodePool limits and quota over the kinds of a field; twins share their amounts."""
        if not self.problem.caps:
            return None
        first = np.array([t[0] for t in field.twins], dtype=np.int64)
        return compact.Limits(
            np.array([c.per_offer[first] for c in self.problem.caps], dtype=np.float64),
            np.array([c.room for c in self.problem.caps], dtype=np.float64),
        )

    def relax(self, whole: fields.Field, *, strong: bool, spare: float | None = None) -> compact.Volumes | None:
        """
        Solve the relaxation of the whole problem and keep its bound when it is valid for the incumbent's class of
        solutions: those that leave out no more pods than `spare`.
        """
        nodes = np.arange(len(self.problem.nodes))
        counts = self.problem.counts.astype(np.float64)
        room = existing.groups(self.narrow, whole, nodes, self.problem.counts > 0)
        firm = dataclasses.replace(whole, host=whole.host.only(whole.host.firm))
        merged = merge.merge(firm, counts, up=False)
        limits = self.limits(whole)
        volumes = compact.solve(
            merged.field,
            merged.counts,
            room=merge.room_of(merged, room),
            limits=limits,
            spare=spare,
            strong=strong,
            time_limit=max(1.0, self.budget.left()),
        )
        if volumes is not None and self.narrowing_is_exact():
            bound = compact.priced(firm, counts, volumes.prices, room=room, limits=limits, spare=spare)
            self.bound = max(self.bound, bound)
        return volumes

    def narrowing_is_exact(self) -> bool:
        """
        Whether solutions outside the narrowed masks are worse than the incumbent could be: only then its bound holds.
        """
        return (
            (self.problem.offer_ok == self.narrow.offer_ok).all()
            and bool((self.problem.node_ok == self.narrow.node_ok).all())
        ) or (not self.unplaced() and self.value.rank == 0 and self.value.preferences <= self.least_penalty())

    def charge_share(self) -> float:
        """
        The largest share that the node charge can have in what a node costs: takes charges out of a bound that counts
        them.
        """
        cheapest = int(self.problem.prices.min(initial=1 << 40))
        return self.problem.node_charge / max(1, cheapest + self.problem.node_charge)

    def least_penalty(self) -> int:
        """The unmet preferences that no solution placing all pods can avoid, by place alone."""
        far = np.int64(1) << 60
        least = np.minimum(
            np.where(self.problem.offer_ok, self.problem.offer_penalty, far).min(axis=1, initial=far),
            np.where(self.problem.node_ok, self.problem.node_penalty, far).min(axis=1, initial=far),
        )
        there = self.problem.counts > 0
        return int((least * self.problem.counts)[there].sum())

    # -- construction ---------------------------------------------------------------------------

    def construct(self, whole: fields.Field) -> list[Cell]:
        """The first incumbent."""
        self.cells = splits.split(self.narrow)
        self.table = self.shares(self.cells, self.problem.counts)
        work = self.pack_cells(self.table)
        self.adopt(work, "fill")
        if self.narrowing_is_exact():
            self.bound = max(self.bound, self.wished)
        return work

    def pack_cells(self, table: Ints) -> list[Cell]:
        """Pack every cell that gets pods (C, cells)."""
        return [self.pack_cell(self.cells, i, table[:, i]) for i in range(self.cells.count) if table[:, i].any()]

    def places(self, cells: splits.Cells) -> tuple[list[fields.Field], list[compact.Room]]:
        """New nodes and room on existing ones that each cell has for all classes."""
        there = self.problem.counts > 0
        per_cell = [fields.make(self.narrow, np.flatnonzero(cells.of_offer == i), there) for i in range(cells.count)]
        rooms = [
            existing.groups(self.narrow, field, np.flatnonzero(cells.of_node == i), there)
            for i, field in enumerate(per_cell)
        ]
        return per_cell, rooms

    def shares(self, cells: splits.Cells, counts: Ints) -> Ints:
        """(C, cells) pods of each class that each cell gets."""
        if cells.count == 1:
            return counts[:, None]
        per_cell, rooms = self.places(cells)
        self.wanted = self.wish(per_cell, rooms, None)
        return self.whole_shares(cells, counts, can_go(per_cell, rooms), self.wanted)

    def wish(self, per_cell: list[fields.Field], rooms: list[compact.Room], time_limit: float | None) -> Floats:
        """(C, cells) of each class that each cell should get; with a time limit choices of domains are made."""
        wish = zones.wish(
            self.narrow,
            self.cells,
            per_cell,
            rooms,
            self.problem.counts,
            time_limit=time_limit,
            seed=self.settings.seed,
            deterministic=self.settings.deterministic,
        )
        if wish is None:
            possible = can_go(per_cell, rooms)
            return np.asarray(possible / np.maximum(possible.sum(axis=1), 1)[:, None])
        if wish.bound is not None:
            self.wished = max(self.wished, wish.bound * (1 - self.charge_share()))
        self.settled = wish.settled
        return wish.share

    def whole_shares(self, cells: splits.Cells, counts: Ints, possible: Mask, share: Floats) -> Ints:
        """(C, cells) whole pods near these shares of each class, under all rules over domains."""
        bound_by_rules = splits.touched(self.narrow)
        result = np.zeros((len(counts), cells.count), dtype=np.int64)
        for index in np.flatnonzero((counts > 0) & ~bound_by_rules):
            result[index] = splits.rounded(int(counts[index]), np.where(possible[index], share[index], 0.0))
        ruled = np.where(bound_by_rules, counts, 0)
        if ruled.any():
            result += self.ruled_shares(cells, ruled, possible, share)
        return result

    def ruled_shares(self, cells: splits.Cells, counts: Ints, possible: Mask, share: Floats) -> Ints:
        """Shares of the classes that rules across nodes look at: near the wish, and valid."""
        aggregated, merged = splits.aggregate(self.narrow, cells, counts, share, possible)
        shared = rounding.near(self.narrow, cells, aggregated, merged, share, possible, seed=self.settings.seed)
        if shared is None:
            shared = self.exact_shares(aggregated)
        table = np.zeros((len(aggregated.classes), cells.count), dtype=np.int64)
        for node, pods in shared.placed.items():
            for index, number in pods:
                table[index, node % cells.count] += number
        return splits.distribute(counts, merged, table, possible)

    def exact_shares(self, aggregated: problems.Problem) -> problems.Solution:
        """The best solution found of the problem with cells as nodes."""
        from solver.model import solve as exact

        known = greedy.complete(aggregated, problems.Solution(), seed=self.settings.seed, stop=self.settings.stop)
        answer = exact.solve_direct(
            aggregated,
            time_limit=max(0.2, min(1.0, self.budget.left() / 10)),
            seed=self.settings.seed,
            workers=1 if self.settings.deterministic else self.settings.workers,
            deterministic=self.settings.deterministic,
            hint=known,
            should_stop=self.settings.stop,
        )
        return answer.solution or known

    def pack_cell(self, cells: splits.Cells, index: int, counts: Ints) -> Cell:
        """Pack one cell."""
        offers = np.flatnonzero(cells.of_offer == index)
        nodes = np.flatnonzero(cells.of_node == index)
        field = fields.make(self.narrow, offers, counts > 0)
        if field.requests.shape[1] == 0:
            field = dataclasses.replace(field, resources=np.arange(self.problem.requests.shape[1]))
        room = existing.groups(self.narrow, field, nodes, counts > 0)
        on_nodes = np.zeros((len(nodes), len(counts)), dtype=np.int64)
        if room.ok.any():
            value = np.ones(len(counts))
            if len(field.cost):
                merged = merge.merge(field, counts.astype(np.float64), up=True)
                volumes = self.guide(merged, room)
                value = self.values(field, volumes) if volumes is not None else value
            exact = dataclasses.replace(field, requests=self.requests(field))
            on_nodes = existing.fill_nodes(self.narrow, exact, nodes, counts, np.maximum(value, 1e-6), self.rng)
        pods = counts - on_nodes.sum(axis=0)
        for extra in (shapes.SPLITS, shapes.ANY):
            cell = self.pack_shapes(shapes.reduce(field, pods, extra), nodes, on_nodes, pods)
            if cell.shapes.dealt.owner.shape[1] == 0:
                break
            dealt = int(cell.shapes.deal(pods, cell.packing.counts, self.rng).sum())
            if cell.packing.counts.sum() - dealt <= UNDEALT * dealt:
                break
        return cell

    def pack_shapes(self, small: shapes.Shapes, nodes: Ints, on_nodes: Ints, pods: Ints) -> Cell:
        """New nodes of a cell for the pods that its existing nodes do not take."""
        left = small.sums(pods)
        cell = Cell(small.field, small, nodes, on_nodes, pods, left, pack.nothing(left), None)
        if not len(cell.field.cost) or not left.any():
            return cell
        cell.merged = merge.merge(cell.field, left.astype(np.float64), up=True)
        cell.volumes = self.guide(cell.merged, None)
        if cell.volumes is None:
            return cell
        kinds = np.flatnonzero(cell.volumes.nodes > 0.01)
        if not len(kinds):
            kinds = np.arange(len(cell.field.cost))
        cell.packer = pack.Packer(
            cell.field, self.values(cell.field, cell.volumes), kinds, self.rng, self.settings.stop
        )
        warm = self.pack_warm(cell)
        if warm is not None and warm.cost(cell.field) <= WARM_ENOUGH * cell.volumes.bound:
            cell.packing = warm
            return cell
        started = self.budget.spent()
        cell.packing = cell.packer.construct(left, cell.volumes, cell.merged)
        cell.took = self.budget.spent() - started
        if warm is not None and warm.cost(cell.field) < cell.cost() and not warm.left.any():
            cell.packing = warm
        return cell

    def pack_warm(self, cell: Cell) -> pack.Packing | None:
        """The nodes of a cell that the solution to start from has, and new ones for the pods that these do not hold."""
        assert cell.packer is not None
        kind_of = {int(offer): kind for kind, twins in enumerate(cell.field.twins) for offer in twins}
        kinds: list[int] = []
        rows: list[NDArray[np.int32]] = []
        left = cell.counts.copy()
        for offer, counts in self.start.new:
            row = np.zeros(len(left), dtype=np.int32)
            shape = cell.shapes.index[[c for c, _ in counts]]
            np.add.at(row, shape, [n for _, n in counts])
            if offer in kind_of and (shape >= 0).all() and (row <= left).all():
                kinds.append(kind_of[offer])
                rows.append(row)
                left -= row
        if not rows:
            return None
        rest = self.pack_rest(cell, left)
        packing = pack.Packing(np.array(kinds), np.stack(rows), left).joined(rest)
        cell.packer.shrink(packing.kind, packing.counts)
        return packing

    def guide(self, merged: merge.Merged, room: compact.Room | None) -> compact.Volumes | None:
        """The relaxation of a cell, with pods left out at a price when not all can be placed."""
        there = None if room is None else merge.room_of(merged, room)
        limits = self.limits(merged.field)
        volumes = compact.solve(merged.field, merged.counts, room=there, limits=limits, strong=False)
        if volumes is None:
            penalty = float(merged.field.cost.max(initial=1.0)) * 1000
            volumes = compact.solve(
                merged.field, merged.counts, room=there, limits=limits, penalty=penalty, strong=False
            )
        return volumes

    def values(self, field: fields.Field, volumes: compact.Volumes) -> Floats:
        """What a pod of each class of a field is worth (C,): what it pays on new nodes, or much if none takes it."""
        worth = compact.worths(field, volumes.prices, limits=self.limits(field))
        return np.where(np.isfinite(worth), worth, 10.0 * field.cost.max(initial=1.0))

    def requests(self, field: fields.Field) -> Floats:
        """(C, R) requests for the resources of a field."""
        return self.problem.requests[:, field.resources].astype(np.float64)

    def assemble(self, work: Iterable[Cell]) -> problems.Solution:
        """One solution from all cells; twins of a kind are used so that OVH pools that exist are filled first."""
        free = self.problem.pools.free.copy()
        exists = self.problem.pools.exists
        new: list[tuple[int, problems.Counts]] = []
        placed: dict[int, problems.Counts] = {}
        for cell in work:
            for row, node in enumerate(cell.nodes):
                if cell.on_nodes[row].any():
                    placed[int(node)] = counts_of(cell.on_nodes[row])
            rows = cell.shapes.deal(cell.pods, cell.packing.counts, self.rng)
            for kind in np.unique(cell.packing.kind):
                twins = cell.field.twins[kind]
                order = sorted(twins, key=lambda o: (not exists[self.problem.offers[o].pool], o))
                position = 0
                for row in rows[cell.packing.kind == kind]:
                    while (
                        position + 1 < len(order)
                        and exists[self.problem.offers[order[position]].pool]
                        and free[self.problem.offers[order[position]].pool] <= 0
                    ):
                        position += 1
                    offer = int(order[position])
                    free[self.problem.offers[offer].pool] -= 1
                    if row.any():
                        new.append((offer, counts_of(row)))
        return problems.Solution(new=tuple(new), placed=placed)

    def adopt(self, work: list[Cell], strategy: str) -> bool:
        """Make the cells' packings the incumbent, completed one by one where something is left over or forbidden."""
        solution = self.assemble(work)
        if evaluate.violations(self.problem, solution):
            solution = greedy.trim(self.problem, solution)
        if any(evaluate.value(self.problem, solution).unplaced):
            solution = greedy.complete(self.problem, solution, seed=self.settings.seed, stop=self.settings.stop)
        return self.offer(solution, strategy)

    # -- improvement ---------------------------------------------------------------------------

    def is_small(self) -> bool:
        """Whether the exact model can carry the whole problem."""
        return int(self.problem.counts.sum()) <= SMALL_PODS and len(self.problem.classes) <= SMALL_CLASSES

    def enumerate(self, whole: fields.Field) -> None:
        """All patterns that a better plan could use, where amounts are all that binds; ends with a proof, or not at all."""
        counts = np.where(self.placeable(), self.problem.counts, 0)
        out = self.problem.counts - counts
        if not counts.any() or not exhaust.applies(self.problem, counts) or sum(self.value.unplaced) > out.sum():
            return
        started, spent = self.budget.seconds(), self.budget.spent()

        def stop() -> bool:
            return self.budget.over(spent + (1.0 - spent) * ENUMERATE_SHARE)

        workers = 1 if self.settings.deterministic else self.settings.workers
        effort = patterns.Effort(stop, self.budget.tick, self.settings.seed, min(workers, 2))
        columns = patterns.Columns(whole, counts, np.ones(len(counts)), 0.0, 0)
        columns.add_singles()
        master = columns.close(self.rng, effort)
        if master is None:
            return
        charged = dataclasses.replace(whole, cost=whole.cost + self.problem.node_charge)
        duals = columns.centre
        there = exhaust.on_nodes(self.problem, charged, counts, duals)
        if there is None:
            return
        few = exhaust.Rows(columns.kind, columns.counts.astype(np.int64))
        self.cover(charged, few, there, counts, GLANCE_SHARE)
        best = [(each @ duals).max(initial=0.0) for each in there]
        gap = self.value.cost - float(duals @ counts) + sum(best)
        rows = exhaust.patterns(charged, counts, duals, gap, stop)
        if rows is not None:
            there = [each[each @ duals >= most - gap - 1e-6] for each, most in zip(there, best, strict=True)]
            self.patterns += len(rows.kind)
            bound = self.cover(charged, rows, there, counts, ENUMERATE_SHARE)
            if bound is not None and self.value.cost <= bound:
                self.optimal = True
                self.bound = float(self.value.cost)
        self.phase("enumeration", started)

    def cover(
        self, field: fields.Field, rows: exhaust.Rows, there: list[Ints], counts: Ints, share: float
    ) -> int | None:
        """The best choice among patterns as an incumbent; the bound on any such choice, None when time was short."""
        found = exhaust.cover(
            self.problem,
            field,
            rows,
            there,
            counts,
            seed=self.settings.seed,
            time_limit=self.budget.left() * share,
            node_limit=BRANCHES if self.settings.deterministic else None,
        )
        if found is None:
            return None
        self.offer(found.solution, "exact")
        return found.bound

    def placeable(self) -> NDArray[np.bool_]:
        """(C,) classes of which an empty node of some offer, or what is free on an existing node, holds a pod."""
        problem = self.problem
        ok = np.concatenate([problem.offer_ok, problem.node_ok], axis=1)
        room = np.concatenate([problem.offer_room, problem.node_room])
        return np.asarray(((problem.requests[:, None, :] <= room[None, :, :]).all(axis=2) & ok).any(axis=1))

    def exact(self) -> None:
        """The direct model over the whole problem, from the incumbent."""
        from solver.model import solve as exact

        started = self.budget.seconds()
        answer = exact.solve_direct(
            self.problem,
            time_limit=self.budget.left() * 0.8,
            seed=self.settings.seed,
            workers=1 if self.settings.deterministic else self.settings.workers,
            deterministic=self.settings.deterministic,
            hint=self.best,
            upper=self.value,
            slots=None,
            should_stop=self.settings.stop,
        )
        if answer.solution is not None:
            self.offer(answer.solution, "exact")
        if answer.optimal and answer.value is not None and answer.value == self.value:
            self.optimal = True
            self.bound = float(self.value.cost)
        elif answer.cost_bound is not None and not self.unplaced():
            self.bound = max(self.bound, float(answer.cost_bound) * (1 - self.charge_share()))
        self.phase("exact", started)

    def improve(self, work: list[Cell], whole: fields.Field) -> None:
        """Columns, dives and neighbourhoods until done."""
        work = self.blended(work)
        movable = [c for c in work if c.packer is not None and len(c.packing.kind)]
        if not movable:
            return
        known: dict[int, patterns.Columns] = {}
        started = self.budget.seconds()
        for index, cell in enumerate(movable):
            share = (1.0 if cell.known is None else CELL_SHARE) / len(movable)
            if self.few(cell):
                known[index] = self.generate(cell, whole=len(work) == 1, share=share)
            else:
                self.refill(cell, share=REFILL * share)
        self.adopt(work, "columns" if known else "fill")
        self.phase("columns", started)
        if self.blend is not None and not self.done():
            started = self.budget.seconds()
            masters = [columns.master() for columns in known.values()]
            self.prove(self.blend, sum(master.value for master in masters if master is not None))
            self.phase("bound", started)
        started = self.budget.seconds()
        last = saving = self.budget.spent()
        idle = 0
        while not self.done() and not (idle > IDLE_ROUNDS * len(movable) and self.budget.spent() > PATIENCE * saving):
            for index, cell in enumerate(movable):
                if self.budget.over():
                    break
                saved = self.neighbourhood(cell, known.get(index))
                idle = 0 if saved > 0 else idle + 1
                saving = self.budget.spent() if saved > 0 else saving
                self.budget.tick()
            if self.budget.spent() - last > 0.1:
                last = self.budget.spent()
                self.adopt(work, "neighbourhoods")
                self.report()
        self.adopt(work, "neighbourhoods")
        self.phase("neighbourhoods", started)

    def blended(self, work: list[Cell]) -> list[Cell]:
        """Cells with shares from patterns where there are several, each with the patterns found for it."""
        if len(work) < 2 or not all(self.few(cell) for cell in work):
            return work
        started = self.budget.seconds()
        per_cell, rooms = self.places(self.cells)
        counts = self.problem.counts
        possible = can_go(per_cell, rooms)
        limit = min(CHOICES_SECONDS, CHOICES_SHARE * self.budget.left())
        wanted = self.wanted if self.settled else self.wish(per_cell, rooms, limit)
        if not np.array_equal(wanted, self.wanted):
            self.table = self.whole_shares(self.cells, counts, possible, wanted)
        if self.narrowing_is_exact():
            self.bound = max(self.bound, self.wished)
        blend = blends.Blend(self.narrow, self.cells, per_cell, rooms, counts, self.table)
        for cell in work:
            blend.add(blends.Known(cell.shapes, cell.packing.kind, cell.packing.counts))
        if blend.run(self.rng, self.effort(BLEND_SHARE)):
            self.table = self.whole_shares(self.cells, counts, possible, blend.share)
            work = self.pack_cells(self.table)
            for cell in work:
                self.know(cell, blend)
            self.adopt(work, "fill")
            self.blend = blend
        self.phase("shares", started)
        return work

    def effort(self, share: float) -> patterns.Effort:
        """Pricing that may take this share of the time left."""
        until = self.budget.spent() + share * (1 - self.budget.spent())
        return patterns.Effort(
            lambda: self.budget.over(until),
            self.budget.tick,
            self.settings.seed,
            1 if self.settings.deterministic else self.settings.workers,
        )

    def prove(self, blend: blends.Blend, least: float) -> None:
        """
        A bound from patterns for the whole problem, with only those rules that hold inside every node; cells and rules
        across nodes play no part. Priced exactly only where the bound is further from the patterns than the incumbent
        is from `least`, what neighbourhoods could reach.
        """
        counts = self.problem.counts
        whole = fields.make(self.narrow, np.arange(len(self.problem.offers)), counts > 0)
        if self.narrow.node_ok[counts > 0].any() or not self.narrowing_is_exact():
            return
        firm = shapes.reduce(dataclasses.replace(whole, host=whole.host.only(whole.host.firm)), counts)
        limits = firm.sums(counts)
        relaxed = compact.solve(firm.field, limits.astype(np.float64), strong=False)
        if relaxed is None:
            return
        columns = patterns.Columns(firm.field, limits, relaxed.value, self.bound, self.problem.node_charge)
        columns.add_singles()
        for index in range(self.cells.count):
            columns.add(*blend.known(index).seen_from(self.narrow, firm))
        master = columns.generate(self.rng, self.effort(WHOLE_SHARE))
        if master is not None and self.value.cost - least < master.value - self.bound:
            columns.close(self.rng, self.effort(WHOLE_REST), WHOLE_PULL)
        self.bound = max(self.bound, columns.bound)

    def know(self, cell: Cell, blend: blends.Blend) -> None:
        """Give a cell the patterns of a blend."""
        kinds, rows = zip(
            *(blend.known(i).seen_from(self.narrow, cell.shapes) for i in range(self.cells.count)), strict=True
        )
        kind, counts = np.concatenate(kinds), np.minimum(np.concatenate(rows), cell.counts).astype(np.int32)
        some = counts.any(axis=1)
        cell.known = kind[some], counts[some]

    def refill(self, cell: Cell, share: float) -> None:
        """Construct again with other draws of the generator while that is cheap, and keep the best."""
        assert cell.packer is not None
        assert cell.volumes is not None
        assert cell.merged is not None
        until = min(1.0, self.budget.spent() + share)
        for _ in range(REFILLS):
            if self.budget.spent() + cell.took > until or self.done():
                return
            packing = cell.packer.construct(cell.counts, cell.volumes, cell.merged)
            self.budget.tick()
            if packing.left.sum() <= cell.packing.left.sum() and packing.cost(cell.field) < cell.cost():
                cell.packing = packing

    def neighbourhood(self, cell: Cell, known: patterns.Columns | None) -> float:
        """Take some nodes of a cell apart and put their pods together again; returns what that saved."""
        assert cell.packer is not None
        packing, packer = cell.packing, cell.packer
        if self.rng.random() < RECOMBINED:
            nodes = recombine.choose(packer, packing, int(self.rng.integers(5, 11)))
            new = recombine.recombine(
                packer, packing.kind[nodes], packing.counts[nodes], known, deterministic=self.settings.deterministic
            )
        else:
            nodes = recombine.choose(packer, packing, int(self.rng.integers(5, 31)))
            new = self.pack_rest(cell, packing.counts[nodes].sum(axis=0).astype(np.int64))
            packer.shrink(new.kind, new.counts)
        if new is None or new.left.any():
            return 0.0
        saved = float(cell.field.cost[packing.kind[nodes]].sum()) - new.cost(cell.field)
        if saved < 0:
            return 0.0
        cell.packing = packing.exchanged(nodes, new)
        return saved

    def few(self, cell: Cell) -> bool:
        """Whether column generation pays in a cell."""
        if cell.packing.left.any() or np.count_nonzero(cell.counts) > COLUMN_CLASSES:
            return False
        return cell.field.host.empty or self.settings.time_limit >= COLUMN_SECONDS

    def generate(self, cell: Cell, *, whole: bool, share: float) -> patterns.Columns:
        """
        Column generation in a cell, and what whole nodes it makes of it; the bound counts for the whole when the cell
        is the whole and existing nodes play no part.
        """
        assert cell.packer is not None
        assert cell.volumes is not None
        whole &= bool(cell.field.host.firm.all()) and not cell.on_nodes.any() and self.narrowing_is_exact()
        columns = patterns.Columns(
            cell.field,
            cell.counts,
            cell.packer.value,
            self.bound if whole else cell.volumes.bound,
            self.problem.node_charge,
        )
        columns.add_singles()
        columns.add(cell.packing.kind, cell.packing.counts)
        if cell.known is not None:
            columns.add(*cell.known)
        start = self.budget.spent()
        until = start

        def stop() -> bool:
            return self.budget.over(until)

        effort = patterns.Effort(
            stop,
            self.budget.tick,
            self.settings.seed,
            1 if self.settings.deterministic else 2,
        )
        part = QUICK_SHARE
        for method in (columns.generate, columns.close):
            until = start + (1.0 - start) * part * share
            master = method(self.rng, effort)
            if whole:
                self.bound = max(self.bound, columns.bound)
            if master is None:
                break
            cell.packer.value = np.maximum(master.duals, 1e-6)
            self.round(cell, columns, master, stop)
            if whole:
                self.adopt([cell], "columns")
                self.report()
            if self.done():
                break
            part = PROOF_SHARE if whole and cell.cost() - master.value < master.value - self.bound else CLOSE_SHARE
        self.patterns += len(columns.kind)
        return columns

    def round(self, cell: Cell, columns: patterns.Columns, master: patterns.Master, stop: Callable[[], bool]) -> None:
        """Make whole nodes of a master's solution, pack the pods left over, and keep what is cheapest."""
        assert cell.packer is not None
        for kind, rows, left in (columns.whole(master, cell.counts), columns.dive(master, self.rng, stop)):
            for _ in range(ROUNDINGS):
                rest = self.pack_rest(cell, left)
                packing = pack.Packing(kind, rows, left).joined(rest)
                cell.packer.shrink(packing.kind, packing.counts)
                if not packing.left.any() and packing.cost(cell.field) < cell.cost():
                    cell.packing = packing
                if not left.any() or stop():
                    break

    def pack_rest(self, cell: Cell, left: Ints) -> pack.Packing:
        """New nodes for some of a cell's pods."""
        assert cell.packer is not None
        if not left.any():
            return pack.nothing(left)
        merged = merge.merge(cell.field, left.astype(np.float64), up=True)
        volumes = self.guide(merged, None)
        return pack.nothing(left) if volumes is None else cell.packer.construct(left, volumes, merged)


def can_go(per_cell: list[fields.Field], rooms: list[compact.Room]) -> Mask:
    """(C, cells) where each class fits at all."""
    return np.stack([f.ok.any(axis=1) | r.ok.any(axis=1) for f, r in zip(per_cell, rooms, strict=True)], axis=1)


def counts_of(row: NDArray[np.integer]) -> problems.Counts:
    """Pairs of class and number from a row."""
    used = np.flatnonzero(row)
    return tuple((int(c), int(row[c])) for c in used)


def plain(problem: problems.Problem, settings: params.Params) -> params.Found:
    """The greedy's solution alone: what to fall back on when a better one is rejected."""
    solution = greedy.complete(problem, problems.Solution(), seed=settings.seed, stop=settings.stop)
    return params.Found(solution, evaluate.value(problem, solution), None, False, (), 0, "heuristic")


def search(problem: problems.Problem, settings: params.Params) -> params.Found:
    """Search for the best solution of a problem."""
    return Engine(problem, settings).run()
