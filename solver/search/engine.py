"""
The search from end to end: which methods run, in which order, and what they hand to each other.

1. Preferences and weights narrow the masks (`restrict`), rules across nodes split the places into cells and the pods
   over them (`share`).
2. Each cell is packed by itself (`cell`): existing room first, then new nodes along the relaxation. What is left over is
   placed one by one under all rules (`completion`). That is the first plan.
3. Small problems go to enumeration and the exact model (`small`).
4. Others are improved until the deadline (`refinement`): shares from patterns, columns, dives, neighbourhoods.

Every solution is judged before it becomes the incumbent (`incumbent`); `bounds` says what any could save.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from concurrent import futures

import numpy as np

from solver import evaluate
from solver import problem as problems
from solver.search import bounds as proofs
from solver.search import cell as cells
from solver.search import completion, incumbent, params, parts, race, refinement, together
from solver.search.construction import greedy, trim
from solver.search.exact import small
from solver.search.improvement import neighbourhood
from solver.search.shares import share


class Engine:
    """One search over one problem. Whoever is `hurried` when the first plan is there leaves exact methods out."""

    def __init__(self, problem: problems.Problem, settings: params.Params) -> None:
        self.problem = problem
        self.settings = settings
        self.known = incumbent.Incumbent(problem, settings)
        self.bounds = proofs.Bounds(self.known)
        self.narrow = self.bounds.narrow
        self.budget = self.known.budget
        self.rng = np.random.default_rng(settings.seed)
        self.patterns = 0
        self.hurried = False

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
        whole = self.bounds.whole_field()
        self.bounds.relax(whole, strong=False)
        if start.new and self.known.done():
            return
        sharing = share.Sharing(self.narrow, self.settings, self.budget)
        exact = small.Small(self.known, self.rng)
        # A small problem is packed in no time: what to start from is there to be beaten.
        kept = () if exact.applies() else start.new
        packer = cells.CellPacker(self.narrow, self.settings, self.budget, self.rng, kept)
        work = packer.pack_all(sharing.cells, sharing.table, sharing.limits)
        complete = completion.Completion(self.known, self.rng)
        complete.adopt(work, "fill")
        if self.problem.caps and any(cell.packing.left.any() for cell in work) and self.spared():
            packer = cells.CellPacker(self.narrow, self.settings, self.budget, self.rng, self.known.best.new)
            work = packer.pack_all(sharing.cells, sharing.table, sharing.limits)
            complete.adopt(work, "fill")
        self.bounds.lift_wish(sharing)
        self.known.phase("fill", started)
        yield
        if exact.applies() and not self.hurried:
            if exact.amounts_only():
                exact.race(whole, self.narrow)
                self.patterns += exact.patterns
            exact.prove(self.narrow if self.is_exact() else None)
        if self.known.done():
            return
        # CP-SAT takes a moment to load, once: now, not when the time is nearly over.
        importlib.import_module("solver.search.column_generation.pricing")
        self.bounds.relax(whole, strong=True)
        rival = None if exact.applies() else race.Race.over(self.known)
        with futures.ThreadPoolExecutor(1) as beside:
            if len(work) == 1 and neighbourhood.stepped(work[0]):
                self.bounds.count_nodes(whole, beside)
            refined = refinement.Refinement(self.bounds, complete, sharing, packer, beside)
            refined.run(work)
            self.patterns += refined.patterns
        self.bounds.counted()
        sharing.conclude()
        self.bounds.lift_wish(sharing)
        if rival is not None:
            rival.end()

    def spared(self) -> bool:
        """
        Whether all pods have a place, if need be on nodes that take little of what is limited: the cheapest ones are packed
        first, and may have used it up. Then cells are packed anew along that plan's nodes.
        """
        solution = greedy.complete(self.problem, problems.Solution(), seed=self.settings.seed, stop=self.settings.stop)
        self.known.offer(solution, "spared")
        return not self.known.unplaced()

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
            self.bounds.relax(self.bounds.whole_field(), strong=True, spare=float(sum(known.value.unplaced)))
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

    def is_exact(self) -> bool:
        """Whether bounds on the narrowed problem hold for the whole."""
        return self.bounds.is_exact()


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
    found = Engine(problem, settings).run() if found is None else found
    return dataclasses.replace(found, seconds=budget.seconds())
