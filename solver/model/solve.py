"""
The direct model: the whole problem, or a part of it, solved exactly by CP-SAT.

Stages are minimised one after the other (`objective`), each fixed before the next; a stage whose best conceivable value
is already reached by the hint is not solved at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from ortools.sat.python import cp_model

from solver import evaluate
from solver.model import blocks, objective, sizing, translate
from solver.model.variables import Variables
from solver.problem import Problem, Solution, Value


@dataclasses.dataclass(frozen=True, slots=True)
class DirectResult:
    """
    What the direct model found.

    `solution` and `value` are None when there is none (as good as `upper`). `proved` counts the leading numbers of
    `Value` (each priority of `unplaced` is one) that are proved smallest, out of `numbers`. `cost_bound` (micro-euro
    per hour) bounds the cost of all solutions that are as good before it; None unless that is proved. Where `slots`
    limits the new nodes, all proofs are for that many. `seconds` is the time spent, `size` the number of variables.
    """

    solution: Solution | None
    value: Value | None
    proved: int
    numbers: int
    cost_bound: int | None
    seconds: float
    size: int

    @property
    def optimal(self) -> bool:
        """Whether nothing better exists."""
        return self.proved == self.numbers

    @property
    def unplaced_proved(self) -> bool:
        """Whether nothing that leaves out less exists."""
        return self.proved >= self.numbers - 3


def solve_direct(
    problem: Problem,
    *,
    time_limit: float,
    seed: int = 0,
    workers: int = 1,
    deterministic: bool = False,
    hint: Solution | None = None,
    upper: Value | None = None,
    cost_lower: int | None = None,
    slots: Mapping[int, int] | int | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> DirectResult:
    """
    Solve the problem, to proved optimality where time allows.

    `time_limit` is in seconds; with `deterministic` it counts the solver's own deterministic seconds instead, on one
    worker. A feasible `hint` is never lost: the result is at least as good. `upper` is a value that is known to be
    reachable: nothing worse is looked for. `cost_lower` is a proved bound as in `DirectResult.cost_bound`. `slots` is
    the number of new nodes per offer, or of each group of offers, or None for as many as could be needed.
    """
    return _Run(
        problem=problem,
        clock=_Clock(time_limit, deterministic),
        seed=seed,
        workers=1 if deterministic else workers,
        cost_lower=cost_lower,
        should_stop=should_stop or _never,
    ).solve(hint, upper, slots)


@dataclasses.dataclass(slots=True)
class _Clock:
    """What is left of the time limit: wall-clock seconds, or deterministic ones as the solver reports them."""

    limit: float
    deterministic: bool
    started: float = dataclasses.field(default_factory=time.monotonic)
    spent: float = 0.0

    @property
    def left(self) -> float:
        return self.limit - (self.spent if self.deterministic else self.elapsed)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started


@dataclasses.dataclass(slots=True)
class _Run:
    problem: Problem
    clock: _Clock
    seed: int
    workers: int
    cost_lower: int | None
    should_stop: Callable[[], bool]
    best: Solution | None = None
    value: Value | None = None
    proved: int = 0
    cost_bound: int | None = None

    def solve(self, hint: Solution | None, upper: Value | None, slots: Mapping[int, int] | int | None) -> DirectResult:
        if hint is not None and not evaluate.violations(self.problem, hint):
            self.best, self.value = hint, evaluate.value(self.problem, hint)
        known = min((v for v in (self.value, upper) if v is not None), default=None)
        model = cp_model.CpModel()
        variables = Variables(model, self.problem, sizing.groups(self.problem, slots, known))
        for add in blocks.BLOCKS.values():
            add(model, self.problem, variables)
        terms = objective.terms(self.problem, variables)
        if hint is not None:
            translate.hint(model, variables, hint)
        self._minimise_all(model, variables, objective.stages(terms), known)
        return DirectResult(
            solution=self.best,
            value=self.value,
            proved=self.proved,
            numbers=len(terms),
            cost_bound=self.cost_bound,
            seconds=self.clock.elapsed,
            size=len(model.proto.variables),
        )

    def _minimise_all(
        self, model: cp_model.CpModel, variables: Variables, stages: list[objective.Stage], known: Value | None
    ) -> None:
        """Stage by stage; each is fixed at what was found, and counts as proved while all before it are."""
        certain = True
        start = 0
        for stage in stages:
            end = start + len(stage.terms)
            reached = None if known is None else objective.numbers(known)[start:end]
            if reached != stage.least:
                if reached is not None:
                    model.add(stage.total.expr <= stage.ceiling(reached))
                status = self._minimise(model, variables, stage, last=stage is stages[-1], certain=certain)
                if status == cp_model.INFEASIBLE:
                    self.proved = sum(len(s.terms) for s in stages) if certain else self.proved
                    return
                certain = certain and status == cp_model.OPTIMAL
                known = min((v for v in (self.value, known) if v is not None), default=None)
                if known is None:
                    return
                reached = objective.numbers(known)[start:end]
            elif stage is stages[-1] and certain:
                self.cost_bound = reached[-1]
            model.add(stage.total.expr <= stage.ceiling(reached))
            if certain:
                self.proved = end
            start = end

    def _minimise(
        self, model: cp_model.CpModel, variables: Variables, stage: objective.Stage, last: bool, certain: bool
    ) -> cp_model.CpSolverStatus:
        """Minimise one stage and keep what is found; earlier stages may take half of the time that is left."""
        if last and self.cost_lower is not None:
            model.add(stage.total.expr >= stage.floor([self.cost_lower]))
        model.minimize(stage.total.expr)
        solver = self._solver(self.clock.left if last else self.clock.left / 2)
        with _watched(solver, self.should_stop):
            status = solver.solve(model)
        self.clock.spent += solver.response_proto.deterministic_time
        found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
        if last and certain:
            self.cost_bound = stage.bound(round(solver.best_objective_bound)) if found else stage.least[-1]
        if found:
            solution = translate.solution(variables, solver.value)
            value = evaluate.value(self.problem, solution)
            if self.value is None or value < self.value:
                self.best, self.value = solution, value
                translate.repeat(model, solver)
        return status

    def _solver(self, seconds: float) -> cp_model.CpSolver:
        solver = cp_model.CpSolver()
        parameters = solver.parameters
        parameters.num_workers = self.workers
        parameters.random_seed = self.seed
        parameters.catch_sigint_signal = False
        if self.clock.deterministic:
            parameters.max_deterministic_time = max(0.0, seconds)
        else:
            parameters.max_time_in_seconds = max(0.0, seconds)
        return solver


def _never() -> bool:
    return False


@contextlib.contextmanager
def _watched(solver: cp_model.CpSolver, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Stop the solver soon after `should_stop` says so."""
    if should_stop is _never:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            if should_stop():
                solver.stop_search()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
