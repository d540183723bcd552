"""The best solution so far, what is proved about it, and how it came about."""

from __future__ import annotations

import threading

import numpy as np

from solver import evaluate
from solver import plan as plans
from solver import problem as problems
from solver.search import params


class Incumbent:
    """
    The best valid solution of a problem, its `value` and the `strategy` that found it; the highest `bound` on what new
    nodes cost without charges (micro-euro per hour, 0: none yet), and whether the value is proved `optimal`. Threads may
    share it.
    """

    def __init__(self, problem: problems.Problem, settings: params.Params) -> None:
        self.problem = problem
        self.settings = settings
        self.budget = params.Budget(settings)
        self.best: problems.Solution = problems.Solution()
        self.value: problems.Value = evaluate.value(problem, self.best)
        self.bound: float = 0.0
        self.optimal = False
        self.strategy = "heuristic"
        self.phases: list[plans.Phase] = []
        self.lock = threading.RLock()

    def offer(self, solution: problems.Solution, strategy: str) -> bool:
        """Take a solution as the incumbent when it is valid and better."""
        value = evaluate.value(self.problem, solution)
        if not value < self.value:
            return False
        if evaluate.violations(self.problem, solution):
            return False
        with self.lock:
            if not value < self.value:
                return False
            self.best, self.value, self.strategy = solution, value, strategy
        return True

    def phase(self, name: str, started: float) -> None:
        """Record a phase and report progress."""
        self.phases.append(plans.Phase(name, self.budget.seconds() - started, evaluate.price(self.problem, self.best)))
        self.report()

    def report(self) -> None:
        """Tell the caller how things stand."""
        bound = self.value.cost if self.optimal else int(self.bound) if self.bound > 0 else None
        self.settings.progress(params.Progress(self.budget.seconds(), evaluate.price(self.problem, self.best), bound))

    def gap(self) -> float:
        """Relative distance of the incumbent to the bound; infinite without a bound."""
        if self.optimal:
            return 0.0
        if self.bound <= 0:
            return 0.0 if self.value.cost <= 0 else float("inf")
        return max(0.0, self.value.cost - self.bound) / self.bound

    def unplaced(self) -> bool:
        """Whether the incumbent leaves pods out."""
        return any(self.value.unplaced)

    def done(self) -> bool:
        """Whether to stop: proved, good enough, or out of time."""
        return self.settled() or self.budget.over()

    def settled(self) -> bool:
        """Whether the incumbent is proved, or good enough."""
        return self.optimal or (self.gap() <= max(self.settings.gap, 0.0) and not self.unplaced())

    def lift(self, bound: float) -> None:
        """A lower bound is proved; the highest counts."""
        with self.lock:
            self.bound = max(self.bound, bound)

    def proved(self) -> None:
        """The incumbent is proved optimal."""
        self.optimal = True
        if self.problem.preference_price is None:
            self.lift(self.value.cost - self.most_charges())

    def most_charges(self) -> float:
        """
        The most that solutions which cost no more pay for charges: by what prices may differ where costs do not, micro-euro
        per hour.
        """
        cheapest = int(self.problem.prices.min(initial=1 << 40))
        nodes = min(int(self.problem.counts.sum()), self.value.cost // max(cheapest, 1))
        pools = min(nodes, int(np.count_nonzero(~self.problem.pools.exists)))
        return float(self.problem.node_charge * nodes + self.problem.pools.charge * pools)

    def charge_share(self) -> float:
        """
        The largest share that the node charge can have in what a node costs: takes charges out of a bound that counts
        them.
        """
        cheapest = int(self.problem.prices.min(initial=1 << 40))
        return self.problem.node_charge / max(1, cheapest + self.problem.node_charge)
