"""
The direct model: the whole problem, or a part of it, solved exactly by CP-SAT.

Stages are minimised one after the other (`objective`), each fixed before the next; a stage whose best conceivable value
is already reached by the hint is not solved at all.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping

from solver import evaluate
from solver.model import blocks, objective, sizing, stopping, translate
from solver.model.cp_sat import cp_model
from solver.model.variables import Variables
from solver.problem import Problem, Solution, Value

FIRST_STEP = 0.02
"""How far above its lower bound the cost is looked for at first."""

PASS = 0.25
"""Share of the time left for one pass that asks for less than what is known to be reachable."""

SIMPLER = 0.3
"""Share of the time left for bounds from a simpler problem."""


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


def solve_direct(
    problem: Problem,
    *,
    time_limit: float,
    seed: int = 0,
    workers: int = 1,
    deterministic: bool = False,
    hint: Solution | None = None,
    upper: Callable[[], Value | None] = lambda: None,
    cost_lower: int | None = None,
    slots: Mapping[int, int] | int | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> DirectResult:
    """
    Solve the problem, to proved optimality where time allows.

    `time_limit` is in seconds; with `deterministic` it counts the solver's own deterministic seconds instead, on one
    worker. A feasible `hint` is never lost: the result is at least as good. `upper` says what value is known to be
    reachable by now: nothing worse is looked for. `cost_lower` is a proved bound as in `DirectResult.cost_bound`. `slots` is
    the number of new nodes per offer, or of each group of offers, or None for as many as could be needed.
    """
    return _Run(
        problem=problem,
        clock=_Clock(time_limit, deterministic),
        seed=seed,
        workers=1 if deterministic else workers,
        cost_lower=cost_lower,
        should_stop=should_stop or stopping.never,
        upper=upper,
    ).solve(hint, slots)


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
    """One run: the best solution so far, and what is proved of its numbers."""

    problem: Problem
    clock: _Clock
    seed: int
    workers: int
    cost_lower: int | None
    should_stop: Callable[[], bool]
    upper: Callable[[], Value | None]
    best: Solution | None = None
    value: Value | None = None
    known: Value | None = None
    proved: int = 0
    numbers: int = 0
    cost_bound: int | None = None
    size: int = 0

    def solve(self, hint: Solution | None, slots: Mapping[int, int] | int | None) -> DirectResult:
        if hint is not None and not evaluate.violations(self.problem, hint):
            self.best, self.value = hint, evaluate.value(self.problem, hint)
        self.known = self.value
        self._hear()
        least = objective.least(self.problem)
        self.numbers = len(least) + 1
        if self.known is not None and not self._reached(least):
            least = self._roomy_least() or least
        self._hear()
        if self._reached(least):
            self.proved = len(least)
        else:
            self._first_numbers(slots, hint, least)
        if self.known is not None and self.proved < self.numbers:
            self._cost(slots)
        return DirectResult(
            solution=self.best,
            value=self.value,
            proved=self.proved,
            numbers=self.numbers,
            cost_bound=self.cost_bound,
            seconds=self.clock.elapsed,
            size=self.size,
        )

    def _hear(self) -> None:
        """Take over what is known to be reachable by now."""
        self.known = min((v for v in (self.known, self.upper()) if v is not None), default=None)

    def _reached(self, least: list[int]) -> bool:
        """Whether a solution is known that is as good as these bounds in all numbers but the cost."""
        return self.known is not None and objective.numbers(self.known)[:-1] == least

    def _roomy_least(self) -> list[int] | None:
        """Bounds on all numbers but the cost from the problem whose new nodes have room for everything."""
        roomy = sizing.roomy(self.problem)
        run = dataclasses.replace(
            self,
            problem=roomy,
            clock=self._part(SIMPLER),
            upper=lambda: None,
            best=None,
            value=None,
            known=None,
        )
        run._first_numbers(dict.fromkeys(range(len(roomy.offers)), 1), None, [])
        self.clock.spent = run.clock.spent
        return objective.numbers(run.known)[:-1] if run.known and run.proved == self.numbers - 1 else None

    def _part(self, share: float) -> _Clock:
        """A clock with a share of the time that is left."""
        return dataclasses.replace(self.clock, limit=self.clock.limit - self.clock.left * (1 - share))

    def _first_numbers(self, wanted: Mapping[int, int] | int | None, hint: Solution | None, least: list[int]) -> None:
        """Minimise all numbers but the cost, stage by stage, in at most half of the time each."""
        slots = sizing.given(wanted) if isinstance(wanted, Mapping) else sizing.plain(self.problem, wanted)
        built = _Built(self.problem, slots, hint)
        self.size = built.size
        start = 0
        certain = True
        for stage in objective.stages(built.terms[:-1]):
            end = start + len(stage.terms)
            if self.known is None or objective.numbers(self.known)[start:end] != least[start:end]:
                if self.known is not None:
                    built.limit(stage, objective.numbers(self.known)[start:end])
                status, _ = self._minimise(built, stage, self.clock.left / 2)
                if status == cp_model.INFEASIBLE:
                    self.proved = self.numbers if certain else self.proved
                    return
                certain = certain and status == cp_model.OPTIMAL
            if self.known is None:
                return
            built.limit(stage, objective.numbers(self.known)[start:end])
            self.proved = end if certain else self.proved
            start = end

    def _cost(self, wanted: Mapping[int, int] | int | None) -> None:
        """
        Minimise the cost with all other numbers fixed.

        The lower the cost that is asked for, the fewer slots are needed and the smaller is the model. So what is asked
        for starts a little above the relaxation's bound; when that is refused, the bound has risen, and the step is
        doubled; when that is not decided in time, the step is made four times as large.
        """
        assert self.known is not None
        certain = self.proved == self.numbers - 1
        size = sizing.Sizing(self.problem, self.known)
        bound = _highest(self.cost_lower, size.least_cost())
        step = FIRST_STEP
        simpler = sizing.without_domains(self.problem)
        if simpler is not None and not isinstance(wanted, Mapping):
            bound = _highest(bound, self._simpler_bound(simpler, wanted))
            step = FIRST_STEP / 8
        while True:
            if certain:
                self._hear()
            target = self._target(bound, step)
            slots = sizing.given(wanted) if isinstance(wanted, Mapping) else size.slots(target, wanted)
            built = _Built(self.problem, slots, self.best)
            self.size = built.size
            for term, number in zip(built.terms[:-1], objective.numbers(self.known), strict=False):
                built.model.add(term.total.expr <= number)
            stage = objective.stages(built.terms[-1:])[0]
            built.limit(stage, [target])
            if bound is not None:
                built.model.add(stage.total.expr >= stage.floor([bound]))
            final = target == self.known.cost
            status, reached = self._minimise(built, stage, self.clock.left * (1.0 if final else PASS))
            if status == cp_model.INFEASIBLE and not final:
                bound = target + 1
                step *= 2
                continue
            bound = _highest(bound, reached)
            self.cost_bound = bound if certain else None
            if certain and status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
                self.proved = self.numbers
            if final or status == cp_model.OPTIMAL or self.should_stop():
                return
            step *= 4

    def _simpler_bound(self, simpler: Problem, wanted: int | None) -> int | None:
        """A bound on the cost from the problem without its rules across nodes, which needs far fewer slots."""
        run = dataclasses.replace(
            self,
            problem=simpler,
            clock=self._part(SIMPLER),
            proved=self.numbers - 1,
        )
        run._cost(wanted)
        self.clock.spent = run.clock.spent
        return run.cost_bound

    def _target(self, bound: int | None, step: float) -> int:
        """The cost to ask for: `step` above the bound, or what is known where that is not far away."""
        assert self.known is not None
        if bound is None:
            return self.known.cost
        width = int(step * max(abs(bound), self.known.cost - bound))
        return bound + width if bound + 2 * width < self.known.cost else self.known.cost

    def _minimise(
        self, built: _Built, stage: objective.Stage, seconds: float
    ) -> tuple[cp_model.CpSolverStatus, int | None]:
        """Minimise one stage and keep what is found; also a bound on the stage's last number, if there is one."""
        built.model.minimize(stage.total.expr)
        solver = self._solver(seconds)
        with stopping.watched(solver, self.should_stop):
            status = solver.solve(built.model)
        self.clock.spent += solver.response_proto.deterministic_time
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return status, None
        solution = translate.solution(built.variables, solver.value)
        value = evaluate.value(self.problem, solution)
        if self.value is None or value < self.value:
            self.best, self.value = solution, value
            translate.repeat(built.model, solver)
        self.known = min(self.value, self.known or self.value)
        return status, stage.bound(round(solver.best_objective_bound))

    def _solver(self, seconds: float) -> cp_model.CpSolver:
        solver = cp_model.CpSolver()
        parameters = solver.parameters
        parameters.num_workers = self.workers
        parameters.random_seed = self.seed
        parameters.catch_sigint_signal = False
        parameters.linearization_level = 2
        parameters.use_lns = False
        if self.clock.deterministic:
            parameters.max_deterministic_time = max(0.0, seconds)
        else:
            parameters.max_time_in_seconds = max(0.0, seconds)
        return solver


class _Built:
    """A model with all blocks and the terms of its objective."""

    def __init__(self, problem: Problem, slots: sizing.Slots, hint: Solution | None) -> None:
        self.model = cp_model.CpModel()
        self.variables = Variables(self.model, problem, slots.groups)
        for add in blocks.BLOCKS.values():
            add(self.model, problem, self.variables)
        sizing.add(self.model, self.variables, slots)
        self.terms = objective.terms(problem, self.variables)
        if hint is not None:
            translate.hint(self.model, self.variables, hint, slots.stand_in)

    @property
    def size(self) -> int:
        return len(self.model.proto.variables)

    def limit(self, stage: objective.Stage, numbers: list[int]) -> None:
        """Nothing worse than these numbers."""
        self.model.add(stage.total.expr <= stage.ceiling(numbers))


def _highest(*bounds: int | None) -> int | None:
    """The best of the lower bounds that are known."""
    return max((b for b in bounds if b is not None), default=None)
