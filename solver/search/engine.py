"""
The search from end to end: which parts run, in which order, and what they hand to each other.

1. Preferences and weights narrow the masks (`restrict`), rules across nodes split the places into cells and the pods
   over them (`share`).
2. Each cell is packed by itself (`cell`): existing room first, then new nodes along the relaxation.
3. What is left over is placed one by one under all rules (`greedy`); every solution is judged before it becomes the
   incumbent (`incumbent`).
4. Small problems go to enumeration and the exact model (`small`). Others are improved until the deadline: shares from
   patterns (`blend`), columns and dives (`columns`), neighbourhoods (`cell`).
5. The bound is the highest of the relaxation's, the wish's and the column generation's; it looks at the whole problem,
   never at the cells' split.
"""

from __future__ import annotations

import dataclasses
import importlib
import operator
import statistics
from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np

from solver import evaluate
from solver import problem as problems
from solver.search import aside, incumbent, leftover, params, parts, quota, race, restrict, together
from solver.search import cell as cells
from solver.search import field as fields
from solver.search.column_generation import columns as patterns
from solver.search.construction import greedy, trim
from solver.search.exact import small
from solver.search.improvement import neighbourhood
from solver.search.packing import existing, pack, shapes
from solver.search.relaxation import compact, fleet, merge
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
WHOLE_SHARE, WHOLE_REST, WHOLE_PULL = 0.1, 0.9, 0.15
"""
Of the time left then, for quick pricing and for a bound from patterns; and how far its prices are drawn to the best.
"""
FLEET_SHARE = 0.8
"""Of the time left, for the bound from whole nodes, which a core of its own looks for."""
VARIED = 12
"""Nodes per class up to which these are topped up before columns."""
SOON, WIDE, NEARLY = 40, 0.003, 1.2
"""
With so few classes patterns reach such a gap sooner than topping up does, whatever the number of pods; but not where the first
plan is within so many times of the gap that is asked for.
"""
TOP_UP_SHARE, TOP_UP_IDLE = 0.2, 3
"""Of the time left, for topping nodes up before columns, and after how many that saved nothing it ends."""


class Engine:
    """One search over one problem. Whoever is `hurried` when the first plan is there leaves exact methods out."""

    def __init__(self, problem: problems.Problem, settings: params.Params) -> None:
        self.problem = problem
        self.settings = settings
        self.known = incumbent.Incumbent(problem, settings)
        self.budget = self.known.budget
        self.rng = np.random.default_rng(settings.seed)
        self.narrow = restrict.best_places(problem)
        self.patterns = 0
        self.hurried = False
        self.adopted: list[pack.Packing] = []
        self.judged: list[float] = []
        self.whole_nodes: futures.Future[float | None] | None = None

    # -- the whole ---------------------------------------------------------------------------

    def run(self) -> params.Found:
        """Search until the gap is closed, the time is over, or more time will not pay."""
        for _ in self.steps():
            pass
        return self.found()

    def steps(self) -> Iterator[None]:
        """The search; it waits once, when the first plan is there."""
        if not self.problem.counts.sum():
            return
        start = self.warm()
        started = self.budget.seconds()
        whole = self.whole_field()
        self.relax(whole, strong=False)
        if start.new and self.known.done():
            return
        sharing = share.Sharing(self.narrow, self.settings, self.budget)
        packer = cells.CellPacker(self.narrow, self.settings, self.budget, self.rng, start.new)
        work = packer.pack_all(sharing.cells, sharing.table, sharing.limits)
        self.adopt(work, "fill")
        self.lift_wish(sharing)
        self.known.phase("fill", started)
        yield
        exact = small.Small(self.known, self.rng)
        if exact.applies() and not self.hurried:
            if exact.amounts_only():
                exact.race(whole, self.narrow)
                self.patterns += exact.patterns
            exact.prove(self.narrow if self.is_exact() else None)
        if not self.known.done():
            # CP-SAT takes 0.17 s to load, once: now, not when the time is nearly over.
            importlib.import_module("solver.search.column_generation.pricing")
            self.relax(whole, strong=True)
            rival = None if exact.applies() else race.Race.over(self.known)
            with futures.ThreadPoolExecutor(1) as beside:
                if len(work) == 1 and neighbourhood.stepped(work[0]):
                    self.count_nodes(whole, beside)
                self.improve(work, sharing, packer, beside)
            self.counted()
            sharing.conclude()
            self.lift_wish(sharing)
            if rival is not None:
                rival.end()

    def warm(self) -> problems.Solution:
        """What rules leave of the solution to start from; completed, it is the first incumbent."""
        if self.settings.warm is None:
            return problems.Solution()
        started = self.budget.seconds()
        start = trim.trim(self.problem, self.settings.warm)
        self.known.offer(greedy.complete(self.problem, start, seed=0, stop=self.settings.stop), "warm")
        self.known.phase("warm start", started)
        return start

    def found(self, *, firm: bool = False) -> params.Found:
        """
        The answer so far. A bound for all pods says nothing about plans that leave some out, unless it is `firm`: that of the
        pods that have a place, where all of these are placed.
        """
        known = self.known
        if known.unplaced() and not known.optimal and not firm:
            known.bound = 0.0
            self.relax(self.whole_field(), strong=True, spare=float(sum(known.value.unplaced)))
        bound = known.value.cost if known.optimal else round(known.bound)
        return params.Found(
            solution=known.best,
            value=known.value,
            bound=bound if bound > 0 else (0 if not self.problem.removal_caps else None),
            optimal=known.optimal or not self.problem.counts.sum(),
            phases=tuple(known.phases),
            columns=self.patterns,
            strategy=known.strategy,
        )

    def adopt(self, work: Sequence[cells.Cell], strategy: str) -> bool:
        """
        Make the cells' packings the incumbent, completed one by one where something is left over or forbidden. Packings that
        were looked at last time are passed over, and so are those that were given up when the time was over.
        """
        packings = [cell.packing for cell in work]
        if len(packings) == len(self.adopted) and all(map(operator.is_, packings, self.adopted)):
            return False
        if self.budget.over() and not self.known.unplaced() and any(packing.left.any() for packing in packings):
            return False
        self.adopted = packings
        started = self.budget.seconds()
        solution = cells.assembled(self.problem, work, self.rng)
        if len(work) > 1:
            solution = leftover.place(self.problem, work, solution, seed=self.settings.seed, stop=self.settings.stop)
        broken, value = evaluate.violations(self.problem, solution), evaluate.value(self.problem, solution)
        self.judged.append(self.budget.seconds() - started)
        self.budget.set_aside((1 + self.settings.finish) * statistics.median(self.judged))
        if broken:
            solution = trim.trim(self.problem, solution)
            value = evaluate.value(self.problem, solution)
        if any(value.unplaced):
            solution = greedy.complete(self.problem, solution, seed=self.settings.seed, stop=self.settings.stop)
        return self.known.offer(solution, strategy)

    # -- bound ---------------------------------------------------------------------------

    def is_exact(self) -> bool:
        """Whether bounds on the narrowed problem hold for the whole."""
        return restrict.is_exact(self.problem, self.narrow, self.known.value)

    def whole_field(self) -> fields.Field:
        """All offers and classes at their bare prices, for the bound."""
        everything = np.arange(len(self.problem.offers))
        bare = dataclasses.replace(self.narrow, node_charge=0)
        return fields.make(bare, everything, self.problem.counts > 0)

    def relax(self, whole: fields.Field, *, strong: bool, spare: float | None = None) -> None:
        """
        Solve the relaxation of the whole problem and keep its bound when it is valid for the incumbent's class of
        solutions: those that leave out no more pods than `spare`.
        """
        nodes = np.arange(len(self.problem.nodes))
        counts = self.problem.counts.astype(np.float64)
        room = existing.groups(self.narrow, whole, nodes, self.problem.counts > 0)
        firm = dataclasses.replace(whole, host=whole.host.only(whole.host.firm))
        merged = merge.merge(firm, counts, up=False)
        limits = quota.limits_of(self.problem, whole)
        volumes = compact.solve(
            merged.field,
            merged.counts,
            room=merge.room_of(merged, room),
            limits=limits,
            spare=spare,
            strong=strong,
            time_limit=max(1.0, self.budget.left()),
        )
        if volumes is not None and self.is_exact():
            self.known.lift(compact.priced(firm, counts, volumes.prices, room=room, limits=limits, spare=spare))

    def count_nodes(self, whole: fields.Field, beside: futures.Executor) -> None:
        """Begin to look for the bound from whole nodes, where all pods are on new ones."""
        counts = self.problem.counts
        if self.narrow.node_ok[counts > 0].any() or not self.is_exact():
            return
        self.whole_nodes = beside.submit(
            fleet.bound,
            whole,
            counts,
            time_limit=FLEET_SHARE * self.budget.left(),
            deterministic=self.settings.deterministic,
            seed=self.settings.seed,
        )
        if self.settings.deterministic:
            self.counted()

    def counted(self) -> None:
        """Take over the bound from whole nodes once it is there; when deterministic, wait for it."""
        if self.whole_nodes is None or not (self.settings.deterministic or self.whole_nodes.done()):
            return
        self.known.lift(self.whole_nodes.result() or 0.0)
        self.whole_nodes = None

    def lift_wish(self, sharing: share.Sharing) -> None:
        """The bound of the program of shares, where it holds for the whole."""
        if self.is_exact():
            self.known.lift(sharing.bound * (1 - self.known.charge_share()))

    # -- improvement ---------------------------------------------------------------------------

    def improve(
        self, work: list[cells.Cell], sharing: share.Sharing, packer: cells.CellPacker, beside: futures.Executor
    ) -> None:
        """Shares from patterns, columns, dives and neighbourhoods until done."""
        blend = None
        if len(work) > 1 and all(packer.few(cell) for cell in work):
            work, blend = self.blended(work, sharing, packer, beside)
        movable = [c for c in work if c.packer is not None and (len(c.packing.kind) or c.packing.left.any())]
        if not movable:
            return
        for cell in movable:
            assert cell.packer is not None
            cell.packer.over = self.budget.over
        moves = neighbourhood.Neighbourhoods(packer, self.settings, self.budget, self.rng)
        far = self.settings.gap >= WIDE and self.known.gap() > NEARLY * self.settings.gap
        far &= all(np.count_nonzero(cell.counts) <= SOON for cell in movable)
        if not far:
            self.top_up(work, movable, moves)
            if self.known.done():
                return
        known = self.columns(work, movable, packer)
        if far and not self.known.done():
            self.top_up(work, movable, moves)
        # Where choices of domains cost much, the search for them proves more than patterns without rules across nodes.
        if blend is not None and not (sharing.dives and sharing.bound) and not self.known.done():
            started = self.budget.seconds()
            masters = [columns.master() for columns in known.values()]
            self.prove(blend, sharing, sum(master.value for master in masters if master is not None))
            self.known.phase("bound", started)
        self.neighbourhoods(work, movable, moves, known, beside)

    def blended(
        self, work: list[cells.Cell], sharing: share.Sharing, packer: cells.CellPacker, beside: futures.Executor
    ) -> tuple[list[cells.Cell], blends.Blend | None]:
        """Cells with shares from patterns, each with the patterns found for it; the cells as they are when that fails."""
        started = self.budget.seconds()
        sharing.choose(beside)
        self.lift_wish(sharing)
        there = [blends.Known(cell.shapes, cell.packing.kind, cell.packing.counts) for cell in work]
        blend = sharing.blend(there, self.rng, self.effort(BLEND_SHARE))
        if blend is not None:
            took = max(cell.took for cell in work)
            work = packer.pack_all(sharing.cells, sharing.table, sharing.limits, later=True)
            for cell in work:
                cell.took = cell.took or took
                cell.know([blend.known(i).seen_from(self.narrow, cell.shapes) for i in range(sharing.cells.count)])
        self.known.phase("shares", started)
        return work, blend

    def top_up(self, work: list[cells.Cell], movable: list[cells.Cell], moves: neighbourhood.Neighbourhoods) -> None:
        """
        Top nodes up in cells of small pods while that saves something, but where there are many nodes of few classes: there
        whole parts of columns are nearly all.
        """
        started, start = self.budget.seconds(), self.budget.spent()
        for index, cell in enumerate(movable):
            idle = 0
            until = start + TOP_UP_SHARE * (1 - start) * (index + 1) / len(movable)
            moves.packer.allot(cell, work)
            varied = len(cell.packing.kind) <= VARIED * np.count_nonzero(cell.counts)
            while (
                varied
                and neighbourhood.fine(cell)
                and idle < TOP_UP_IDLE
                and not self.budget.over(until)
                and not self.known.done()
            ):
                saved = moves.top_up(cell)
                self.budget.tick()
                idle = 0 if saved > 0 else idle + 1
                if saved > 0:
                    self.counted()
                    self.adopt(work, "neighbourhoods")
                    self.known.report()
        self.known.phase("top up", started)

    def columns(
        self, work: list[cells.Cell], movable: list[cells.Cell], packer: cells.CellPacker
    ) -> dict[int, patterns.Columns]:
        """Column generation where it pays, by position in `movable`."""
        known: dict[int, patterns.Columns] = {}
        started = self.budget.seconds()
        for index, cell in enumerate(movable):
            part = (1.0 if cell.known is None else CELL_SHARE) / len(movable)
            packer.allot(cell, work)
            if not packer.few(cell):
                if not len(cell.packing.kind):
                    packer.fill(cell)
                continue
            # Bounds on the cell count for the whole when it is the whole and existing nodes play no part.
            whole = len(work) == 1 and bool(cell.field.host.firm.all()) and not cell.on_nodes.any() and self.is_exact()

            def bound() -> float:
                self.counted()
                return self.known.bound

            def told(columns: patterns.Columns, cell: cells.Cell = cell, whole: bool = whole) -> bool:
                if whole:
                    self.known.lift(columns.bound)
                    self.adopt([cell], "columns")
                    self.known.report()
                return self.known.done()

            known[index] = packer.generate(cell, bound if whole else None, part, told)
            if not len(cell.packing.kind):
                packer.fill(cell)
            self.patterns += len(known[index].kind)
        self.adopt(work, "columns" if known else "fill")
        self.known.phase("columns", started)
        return known

    def neighbourhoods(
        self,
        work: list[cells.Cell],
        movable: list[cells.Cell],
        moves: neighbourhood.Neighbourhoods,
        known: dict[int, patterns.Columns],
        beside: futures.Executor,
    ) -> None:
        """Nodes taken apart and put together again, cell by cell, until done; for cells that dive patterns are made `beside`."""
        started = self.budget.seconds()
        ruled = [(movable[index], columns) for index, columns in known.items() if neighbourhood.diving(movable[index])]
        both = self.settings.workers > 1 and not self.settings.deterministic
        exact = aside.Aside(beside, ruled if both else (), dataclasses.replace(self.effort(1.0), workers=1))
        last = saving = self.budget.spent()
        idle = 0
        while not self.known.done() and not (
            idle > IDLE_ROUNDS * len(movable) and self.budget.spent() > PATIENCE * saving
        ):
            for index, cell in enumerate(movable):
                if self.budget.over():
                    break
                exact.turn()
                moves.packer.allot(cell, work)
                saved = moves.step(cell, known.get(index))
                idle = 0 if saved > 0 else idle + 1
                saving = self.budget.spent() if saved > 0 else saving
                self.budget.tick()
            if self.budget.spent() - last > 0.1:
                last = self.budget.spent()
                self.counted()
                self.adopt(work, "neighbourhoods")
                self.known.report()
        self.adopt(work, "neighbourhoods")
        self.known.phase("neighbourhoods", started)

    def effort(self, part: float) -> patterns.Effort:
        """Pricing that may take this share of the time left."""
        until = self.budget.spent() + part * (1 - self.budget.spent())
        return patterns.Effort(
            lambda: self.budget.over(until),
            self.budget.tick,
            self.settings.seed,
            1 if self.settings.deterministic else self.settings.workers,
            lambda: until - self.budget.spent(),
            lambda: self.budget.seconds_until(until),
        )

    def prove(self, blend: blends.Blend, sharing: share.Sharing, least: float) -> None:
        """
        A bound from patterns for the whole problem, with only those rules that hold inside every node; cells and rules
        across nodes play no part. Priced exactly only where the bound is further from the patterns than the incumbent
        is from `least`, what neighbourhoods could reach.
        """
        counts = self.problem.counts
        whole = fields.make(self.narrow, np.arange(len(self.problem.offers)), counts > 0)
        if self.narrow.node_ok[counts > 0].any() or not self.is_exact():
            return
        firm = shapes.reduce(dataclasses.replace(whole, host=whole.host.only(whole.host.firm)), counts)
        limits = firm.sums(counts)
        caps = quota.limits_of(self.problem, firm.field)
        relaxed = compact.solve(firm.field, limits.astype(np.float64), limits=caps, strong=False)
        if relaxed is None:
            return
        columns = patterns.Columns(firm.field, limits, relaxed.value, self.known.bound, self.problem.node_charge, caps)
        columns.add_singles()
        for index in range(sharing.cells.count):
            columns.add(*blend.known(index).seen_from(self.narrow, firm))
        master = columns.generate(self.rng, self.effort(WHOLE_SHARE))
        if master is not None and self.known.value.cost - least < master.value - self.known.bound:
            columns.close(self.rng, self.effort(WHOLE_REST), WHOLE_PULL)
        self.known.lift(columns.bound)


def plain(problem: problems.Problem, settings: params.Params) -> params.Found:
    """The greedy's solution alone: what to fall back on when a better one is rejected."""
    solution = greedy.complete(problem, problems.Solution(), seed=settings.seed, stop=settings.stop)
    return params.Found(solution, evaluate.value(problem, solution), None, False, (), 0, "heuristic")


def search(problem: problems.Problem, settings: params.Params) -> params.Found:
    """Search for the best solution of a problem, part by part where it falls apart."""
    budget = params.Budget(settings)
    found = None
    if (split := parts.split(problem))[0].problem is not problem:
        found = together.Together(Engine(problem, settings), split, settings, Engine).run()
        settings = dataclasses.replace(settings, time_limit=budget.left())
    return Engine(problem, settings).run() if found is None else found
