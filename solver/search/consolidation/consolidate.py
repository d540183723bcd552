"""
The search when nodes may be removed: which of them go, and where their pods move.

1. Nothing is removed: waiting pods are placed (`engine`); this is what every plan is measured against.
2. The relaxation (`removal`) says by which fraction each node goes. Some sets of nodes follow from it; with a set
   decided, what is left is a problem of placing pods again, and the engine solves it.
3. From the best of these, neighbourhoods (`exchange`): nodes go or stay together with new ones that are put together
   anew; where rules look across nodes also single nodes under all rules at once.
4. Small problems go to the exact model, which decides on removals itself.

A solution is taken only when it is worth more than the one before by `evaluate.value`, and so never at a net loss.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from solver import evaluate
from solver import plan as plans
from solver import problem as problems
from solver.search import engine, params, restrict
from solver.search import field as fields
from solver.search.consolidation import exchange, removal
from solver.search.construction import greedy

Floats = NDArray[np.float64]

SMALL_PODS = 60
SMALL_CLASSES = 12
SMALL_NODES = 16
SET, SETS, AGAIN = 0.06, 0.4, 0.6
"""Shares of the time: for one set, until which sets are tried, and until which the best one is tried again."""
WHOLE, TREE = 0.2, 200
"""Share of the time for the best set of whole nodes, or nodes of its search tree where time plays no part."""
FRACTION = 0.001
THRESHOLDS = (0.5, 0.99, 0.05)
"""Nodes that go by at least this fraction in the relaxation make up the sets that are tried."""


class Consolidation:
    """One search over one problem with removable nodes."""

    def __init__(self, problem: problems.Problem, settings: params.Params) -> None:
        self.problem = problem
        self.settings = settings
        self.budget = params.Budget(settings)
        self.narrow = restrict.best_places(problem)
        self.best = problems.Solution()
        self.value = evaluate.value(problem, self.best)
        self.bound: int | None = None
        self.optimal = False
        self.strategy = "heuristic"
        self.phases: list[plans.Phase] = []
        self.patterns = 0
        removable = frozenset(n for n, node in enumerate(problem.nodes) if node.removable)
        self.all = removable if removal.can_be_bought_again(problem) else frozenset()

    def run(self) -> params.Found:
        """Search until it is proved that nothing is better, or the time is over."""
        self.provision()
        if self.is_small():
            self.greedily()
            self.exact()
            if self.optimal:
                return self.found()
        guide = self.guide()
        if guide is not None:
            self.sets(guide[0].gone)
            self.again()
        if not self.budget.over():
            exchange.improve(self, guide)
        self.tidy()
        self.prove()
        return self.found()

    # -- incumbents ---------------------------------------------------------------------------

    def offer(self, solution: problems.Solution, strategy: str) -> bool:
        """Take a solution as the incumbent when it is valid and better, or as good with fewer pods moved."""
        value = evaluate.value(self.problem, solution)
        if (value, self.moves(solution)) >= (self.value, self.moves(self.best)):
            return False
        if evaluate.violations(self.problem, solution):
            return False
        self.best, self.value, self.strategy = solution, value, strategy
        return True

    def moves(self, solution: problems.Solution) -> int:
        """How many pods lose their node."""
        return int(self.problem.residents[list(solution.removed)].sum())

    def phase(self, name: str, started: float) -> None:
        """Record a phase and report progress."""
        self.phases.append(plans.Phase(name, self.budget.seconds() - started, evaluate.price(self.problem, self.best)))
        self.settings.progress(
            params.Progress(self.budget.seconds(), evaluate.price(self.problem, self.best), self.bound)
        )

    def found(self) -> params.Found:
        """The answer so far."""
        return params.Found(
            solution=self.best,
            value=self.value,
            bound=self.bound,
            optimal=self.optimal,
            phases=tuple(self.phases),
            columns=self.patterns,
            strategy=self.strategy,
            seconds=self.budget.seconds(),
        )

    # -- parts ---------------------------------------------------------------------------

    def engine(self, removed: frozenset[int], share: float) -> problems.Solution:
        """The engine's answer once these nodes are gone, in a share of the whole time."""
        until = min(1.0, self.budget.spent() + share)
        limit = max(0.02, (until - self.budget.spent()) * self.settings.time_limit)
        settings = dataclasses.replace(
            self.settings,
            time_limit=limit,
            warm=None,
            progress=lambda _: None,
            stop=lambda: self.settings.stop() or self.budget.over(max(until, 0.05)),
        )
        found = engine.search(removal.without(self.problem, removed), settings)
        proves = removed and removed == self.all and not found.optimal and not any(found.value.unplaced)
        if proves and found.bound is not None:
            self.bound_at(found.bound - sum(self.problem.nodes[n].price for n in removed))
        if self.settings.deterministic:
            self.budget.tick(max(1, round(limit * params.Budget.ROUNDS_PER_SECOND)))
        self.patterns += found.columns
        return dataclasses.replace(found.solution, removed=removed)

    def provision(self) -> None:
        """Place the pods that wait while all nodes stay."""
        if not self.problem.counts.sum():
            return
        started = self.budget.seconds()
        self.offer(self.engine(frozenset(), 0.15), "fill")
        self.phase("provision", started)

    def guide(self) -> tuple[removal.Relaxed, fields.Field] | None:
        """The relaxation with all costs."""
        started = self.budget.seconds()
        found = removal.relax(self.narrow, costs=True, time_limit=max(1.0, self.budget.left() / 3))
        self.phase("relaxation", started)
        return found

    def sets(self, gone: Floats) -> None:
        """Let sets of nodes go as the relaxation says, and place their pods."""
        started = self.budget.seconds()
        tried: set[frozenset[int]] = set()
        rounded = self._sets(gone)
        for removed in itertools.chain(itertools.islice(rounded, 1), self._whole(gone), rounded):
            if removed in tried or self.budget.over(SETS):
                continue
            tried.add(removed)
            self.offer(self.engine(removed, SET), "relaxation")
        self.phase("sets", started)

    def again(self) -> None:
        """Place the pods of the best set once more, with more time."""
        started = self.budget.seconds()
        share = AGAIN - self.budget.spent()
        if self.best.removed and share > SET:
            self.offer(self.engine(self.best.removed, share), "relaxation")
        self.phase("again", started)

    def _whole(self, gone: Floats) -> Iterator[frozenset[int]]:
        """The set of whole nodes that is best in the relaxation, where nodes go by fractions and limits bind."""
        if not self.is_limited() or not ((gone > FRACTION) & (gone < 1 - FRACTION)).any():
            return
        nodes = TREE if self.settings.deterministic else None
        limit = min(self.budget.left(), WHOLE * self.settings.time_limit)
        found = removal.whole(self.narrow, time_limit=limit, nodes=nodes, seed=self.settings.seed)
        if self.settings.deterministic:
            self.budget.tick(round(limit * params.Budget.ROUNDS_PER_SECOND))
        if found is not None:
            yield found

    def is_limited(self) -> bool:
        """Whether not all nodes may go that may go by themselves."""
        problem = self.problem
        removable = np.array([node.removable for node in problem.nodes], dtype=np.bool_)
        asked = problem.max_removals is not None or problem.max_evictions is not None
        return asked or any(cap.room < (cap.nodes & removable).sum() for cap in problem.removal_caps)

    def _sets(self, gone: Floats) -> Iterator[frozenset[int]]:
        problem = self.problem
        saved = np.array([n.price - n.removal_cost for n in problem.nodes], dtype=np.float64)
        moves = problem.residents.sum(axis=1)
        order = np.lexsort((np.arange(len(gone)), moves, -saved, -np.round(gone, 3)))
        worth = order[saved[order] > 0]
        for threshold in THRESHOLDS:
            yield removal.allowed(problem, [int(n) for n in worth if gone[n] >= threshold])
        yield removal.allowed(problem, [int(n) for n in worth])

    # -- exactness ---------------------------------------------------------------------------

    def is_small(self) -> bool:
        """Whether the exact model can carry the whole problem."""
        pods = int(self.problem.counts.sum() + self.problem.residents.sum())
        removable = sum(n.removable for n in self.problem.nodes)
        return pods <= SMALL_PODS and len(self.problem.classes) <= SMALL_CLASSES and removable <= SMALL_NODES

    def exact(self) -> None:
        """The direct model, which removes nodes itself, from the incumbent."""
        from solver.model import solve as direct

        started = self.budget.seconds()
        answer = direct.solve_direct(
            self.problem,
            time_limit=self.budget.left() * 0.6,
            seed=self.settings.seed,
            workers=1 if self.settings.deterministic else self.settings.workers,
            deterministic=self.settings.deterministic,
            hint=self.best,
            upper=lambda: self.value,
            should_stop=self.settings.stop,
        )
        if answer.solution is not None:
            self.offer(answer.solution, "exact")
        self.optimal = answer.optimal and answer.value == self.value
        if self.settings.deterministic:
            self.budget.tick(round(0.3 * self.settings.time_limit * params.Budget.ROUNDS_PER_SECOND))
        self.phase("exact", started)

    def greedily(self) -> None:
        """Let single nodes go, dearest first, as long as that saves."""
        saved = [n.price - n.removal_cost for n in self.problem.nodes]
        for node in sorted(range(len(saved)), key=lambda n: (-saved[n], n)):
            if self.problem.nodes[node].removable and node not in self.best.removed and not self.budget.over(0.3):
                self.remove(node)

    def remove(self, node: int) -> bool:
        """Let one more node go and place its pods under all rules; whether that was worth it."""
        placed = {n: counts for n, counts in self.best.placed.items() if n != node}
        start = problems.Solution(self.best.new, placed, self.best.removed | {node})
        if not removal.allowed(self.problem, sorted(start.removed)) >= start.removed:
            return False
        return self.offer(greedy.complete(self.problem, start, seed=0, stop=self.settings.stop), "greedy")

    def tidy(self) -> None:
        """Take back what does not pay: nodes whose pods went to new nodes that cost as much as they save."""
        started = self.budget.seconds()
        for node in sorted(self.best.removed):
            if node in self.best.removed:
                self.offer(exchange.restored(self.problem, self.best, node), self.strategy)
        self.phase("tidy", started)

    def prove(self) -> None:
        """The bound on prices: that of the relaxation without charges and costs."""
        if any(self.value.unplaced):
            return
        started = self.budget.seconds()
        found = removal.relax(self.problem, costs=False, strong=True, time_limit=max(2.0, self.budget.left()))
        if found is not None:
            self.bound_at(int(np.floor(found[0].bound + 1e-6)))
        self.phase("bound", started)

    def bound_at(self, bound: int) -> None:
        """Keep a bound on prices if it is the highest."""
        self.bound = bound if self.bound is None else max(self.bound, bound)


def search(problem: problems.Problem, settings: params.Params) -> params.Found:
    """Search for the best solution of a problem in which nodes may be removed."""
    if not any(node.removable for node in problem.nodes):
        return engine.search(problem, settings)
    return Consolidation(problem, settings).run()
