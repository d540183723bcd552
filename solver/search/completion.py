"""Completion: solutions out of the cells' packings, repaired and completed under all rules, and judged."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Sequence

import numpy as np

from solver import evaluate
from solver.search import cell as cells
from solver.search import incumbent, leftover
from solver.search.construction import enlarge, greedy, trim
from solver.search.packing import pack

ENLARGE_SHARE = 0.2
"""Part of the time left for giving nodes up where limits leave pods out."""


class Completion:
    """Makes packings the incumbent; `judged` are the seconds that putting each together and judging it took."""

    def __init__(self, known: incumbent.Incumbent, rng: np.random.Generator) -> None:
        self.known = known
        self.problem = known.problem
        self.settings = known.settings
        self.budget = known.budget
        self.rng = rng
        self.adopted: list[pack.Packing] = []
        self.judged: list[float] = []

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
            if self.problem.caps:
                until = self.budget.spent() + ENLARGE_SHARE * (1 - self.budget.spent())
                solution = enlarge.enlarge(
                    self.problem, solution, seed=self.settings.seed, stop=lambda: self.budget.over(until)
                )
        return self.known.offer(solution, strategy)
