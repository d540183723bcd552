"""
Small problems as a whole, whatever rules they carry: patterns in place of nodes (`contents`), under the exact model's own
blocks (`selection`).

The numbers before the cost come first, then the cost, case by case of what the emptiest node holds where pods are spread over
hostnames. Rules that look at one node in another way (affinity over hostnames, shared volumes, minimum values) are left out:
the answer is then a bound, and whether the solution holds is looked at here before it bounds anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from ortools.sat.python import cp_model

from solver import evaluate
from solver import problem as problems
from solver.model import objective, sizing
from solver.search import contents, selection

FEW = (60, 600)
"""Most patterns of one kind of node that the model chooses from, first and then; other kinds are taken as sums of room."""
ROUNDS = 40
"""Most models with so many patterns; each is told of what clashed in those before."""
GLANCE = 0.08
"""Share of the work left for the problem without spreads over hostnames, before these are looked at case by case."""
NEVER = 1 << 60
"""The cost of what cannot be had."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """
    `solution` is the best one found (None: none). `numbers` bounds all numbers of `Value` before the cost, `cost` the cost of
    solutions that reach these, micro-euro per hour, charges included; None: not known.
    """

    solution: problems.Solution | None
    numbers: tuple[int, ...] | None
    cost: int | None


def applies(problem: problems.Problem) -> bool:
    """Whether there is nothing to remove, and preferences have no price."""
    removal = problem.removal_caps or any(node.removable for node in problem.nodes)
    return not removal and problem.preference_price is None


def solve(
    problem: problems.Problem,
    known: Callable[[], problems.Value],
    clock: selection.Clock,
    tell: Callable[[problems.Solution], object],
) -> Answer:
    """
    The best solution of a problem for which `applies` says yes, with bounds. `known` says what value can be reached by now,
    `tell` is told of every better solution at once.
    """
    return _Whole(problem, known, clock, tell).run()


class _Whole:
    """One run."""

    def __init__(
        self,
        problem: problems.Problem,
        known: Callable[[], problems.Value],
        clock: selection.Clock,
        tell: Callable[[problems.Solution], object],
    ) -> None:
        self.problem, self.known, self.clock, self.tell = problem, known, clock, tell
        self.groups = contents.groups(problem)
        roomy = sizing.roomy(problem, self.groups)
        self.ceiling: int | None = None
        self.best: problems.Solution | None = None
        self.met = False
        self.floor = 0
        self.patterns: contents.Known = {}
        self.roomy = dataclasses.replace(roomy, pools=dataclasses.replace(roomy.pools, charge=0))

    def run(self) -> Answer:
        """
        First the numbers before the cost, where they are not known to be least, then the cost: without spreads over hostnames,
        then case by case.
        """
        numbers = tuple(objective.numbers(self.known())[:-1])
        least = tuple(objective.least(self.problem))
        if numbers != least:
            first = self._first()
            if first is None:
                return Answer(None, None, None)
            least = first
        self.met = least[-2] <= objective.least(self.problem)[-2]
        self._hear(least)
        spreads = [s for s in self.problem.spreads if s.topology == problems.HOST and s.owners.any()]
        if spreads:
            total = np.array([contents.pods_of(self.problem, s.group) for s in spreads], dtype=np.int64)
            every = contents.Range(0, int(self.problem.counts.sum()), total, np.zeros_like(total))
            glance = dataclasses.replace(self.clock, left=lambda: self.clock.left() * GLANCE)
            self.floor = self._cost(least, spreads, every, glance) or 0
            if self.ceiling is not None and self.floor >= self.ceiling:
                return Answer(self.best, least, self.ceiling)
        low: int | None = None
        for part in contents.ranges(self.problem, spreads):
            if part.least and self.ceiling is not None and part.least * self._cheapest() >= self.ceiling:
                break
            found = self._cost(least, spreads, part, self.clock)
            if found is None:
                return Answer(self.best, least, self.floor or None)
            low = found if low is None else min(low, found)
        known = [each for each in (low, self.ceiling) if each is not None]
        return Answer(self.best, least, min(known, default=None))

    def _cost(
        self, numbers: tuple[int, ...], spreads: Sequence[problems.Spread], part: contents.Range, clock: selection.Clock
    ) -> int | None:
        """
        A bound on the cost in a range of numbers of nodes, None without one; a valid solution that is found becomes `best`. First
        with few patterns, told of what clashed where sums of room promised too much, then with more.
        """
        low = self.floor
        clashes: list[selection.Clash] = []
        for few in FEW:
            cells = self._cells(spreads, part, few, soft=True)
            for _ in range(ROUNDS):
                if clock.stop():
                    return low or None
                self._hear(numbers)
                model = selection.Model(self.problem, self.roomy, cells)
                model.avoid(clashes)
                model.fix(numbers)
                model.between(part)
                status, cost, bound = model.cheapest(self.ceiling, low, clock)
                if status == cp_model.INFEASIBLE:
                    return self.ceiling if self.ceiling is not None else NEVER
                low = max(low, bound)
                solution = None if cost is None else model.solution()
                if solution is not None and self._holds(solution, numbers):
                    self.ceiling, self.best = cost, solution
                    self.tell(solution)
                if status != cp_model.OPTIMAL or solution is not None or not model.guessed:
                    return low or None
                if not model.clashes:
                    break
                clashes += model.clashes
        return low or None

    def _hear(self, numbers: tuple[int, ...]) -> None:
        """Nothing dearer than what is known by now is looked for."""
        value = self.known()
        if tuple(objective.numbers(value)[:-1]) == numbers:
            self.ceiling = value.cost if self.ceiling is None else min(self.ceiling, value.cost)

    def _holds(self, solution: problems.Solution, numbers: tuple[int, ...]) -> bool:
        """Whether a solution keeps all rules, and those that may be broken as well as these numbers say."""
        reached = tuple(objective.numbers(evaluate.value(self.problem, solution))[:-1])
        return reached == numbers and not evaluate.violations(self.problem, solution)

    def _first(self) -> tuple[int, ...] | None:
        """The least numbers before the cost, with what is hard of the rules inside nodes; None when time was short."""
        numbers: tuple[int, ...] | None = None
        clashes: list[selection.Clash] = []
        for few in FEW:
            cells = self._cells([], contents.ranges(self.problem, [])[0], few, soft=False)
            for _ in range(ROUNDS):
                model = selection.Model(self.problem, self.roomy, cells)
                model.avoid(clashes)
                numbers = model.first(self.clock)
                if numbers is None or model.solution() is not None:
                    return numbers
                if not model.clashes:
                    break
                clashes += model.clashes
        return numbers

    def _cheapest(self) -> int:
        least = int(self.problem.prices.min(initial=1 << 40))
        return least + self.problem.node_charge

    def _cells(
        self, spreads: Sequence[problems.Spread], part: contents.Range, few: int, *, soft: bool
    ) -> list[contents.Cell]:
        """All cells with their patterns."""
        return [
            contents.cell(self.problem, each, spreads, part, few, soft=soft, met=self.met, known=self.patterns)
            for each in self.groups
        ]
