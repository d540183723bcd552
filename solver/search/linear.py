"""Linear programs from arrays: the one place that speaks to the LP solver."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np
from numpy.typing import NDArray
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclasses.dataclass(slots=True)
class Program:
    """
    Minimise `cost` x over `low` <= x <= `high` with rows added in blocks of coordinates.

    Rows are `row_low` <= A x <= `row_high`.
    """

    cost: Floats
    low: Floats
    high: Floats
    row_low: list[Floats] = dataclasses.field(default_factory=list)
    row_high: list[Floats] = dataclasses.field(default_factory=list)
    entries: list[tuple[Ints, Ints, Floats]] = dataclasses.field(default_factory=list)
    rows: int = 0

    def add_rows(self, low: Floats, high: Floats) -> Ints:
        """Add rows with these bounds; returns their indices."""
        first = self.rows
        self.rows += len(low)
        self.row_low.append(low)
        self.row_high.append(high)
        return np.arange(first, self.rows)

    def add_entries(self, rows: Ints, columns: Ints, values: Floats) -> None:
        """Add coefficients; the three arrays broadcast together. No coordinate may be given twice."""
        r, c, v = np.broadcast_arrays(rows, columns, values)
        keep = v.ravel() != 0
        self.entries.append((r.ravel()[keep], c.ravel()[keep], v.ravel()[keep]))


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Optimal values of the variables and duals of the rows."""

    objective: float
    x: Floats
    duals: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class MixedAnswer:
    """The best point found of a mixed-integer program, and a proven lower bound on its value."""

    objective: float
    x: Floats
    bound: float


def solve(program: Program, *, time_limit: float | None = None) -> Answer | None:
    """Solve to optimality; None when that fails or takes longer than `time_limit` seconds."""
    size = len(program.cost)
    parameters = mathopt.SolveParameters(threads=1)
    if time_limit is not None:
        parameters.time_limit = datetime.timedelta(seconds=max(time_limit, 0.001))
    result = mathopt.solve(_model(program, None), mathopt.SolverType.GLOP, params=parameters)
    if result.termination.reason != mathopt.TerminationReason.OPTIMAL:
        return None
    solution = result.solutions[0]
    assert solution.primal_solution is not None
    assert solution.dual_solution is not None
    x = np.fromiter(solution.primal_solution.variable_values.values(), dtype=np.float64, count=size)
    duals = np.fromiter(solution.dual_solution.dual_values.values(), dtype=np.float64, count=program.rows)
    return Answer(solution.primal_solution.objective_value, x, duals)


def solve_mixed(
    program: Program, integers: NDArray[np.bool_], *, time_limit: float, gap: float, seed: int
) -> MixedAnswer | None:
    """Solve with some variables whole; None when no point was found in time."""
    parameters = mathopt.SolveParameters(
        threads=1,
        time_limit=datetime.timedelta(seconds=max(time_limit, 0.001)),
        relative_gap_tolerance=gap,
        random_seed=seed,
    )
    result = mathopt.solve(_model(program, integers), mathopt.SolverType.GSCIP, params=parameters)
    if not result.has_primal_feasible_solution():
        return None
    values = result.solutions[0].primal_solution
    assert values is not None
    x = np.fromiter(values.variable_values.values(), dtype=np.float64, count=len(program.cost))
    return MixedAnswer(values.objective_value, x, result.dual_bound())


def _model(program: Program, integers: NDArray[np.bool_] | None) -> mathopt.Model:
    model = model_pb2.ModelProto()
    size = len(program.cost)
    model.variables.ids.extend(range(size))
    model.variables.lower_bounds.extend(program.low.tolist())
    model.variables.upper_bounds.extend(program.high.tolist())
    model.variables.integers.extend([False] * size if integers is None else integers.tolist())
    used = np.flatnonzero(program.cost)
    model.objective.linear_coefficients.ids.extend(used.tolist())
    model.objective.linear_coefficients.values.extend(program.cost[used].tolist())
    model.linear_constraints.ids.extend(range(program.rows))
    model.linear_constraints.lower_bounds.extend(np.concatenate(program.row_low).tolist())
    model.linear_constraints.upper_bounds.extend(np.concatenate(program.row_high).tolist())
    rows = np.concatenate([e[0] for e in program.entries])
    columns = np.concatenate([e[1] for e in program.entries])
    values = np.concatenate([e[2] for e in program.entries])
    order = np.lexsort((columns, rows))
    model.linear_constraint_matrix.row_ids.extend(rows[order].tolist())
    model.linear_constraint_matrix.column_ids.extend(columns[order].tolist())
    model.linear_constraint_matrix.coefficients.extend(values[order].tolist())
    return mathopt.Model.from_model_proto(model)
