"""Linear programs from arrays: the one place that speaks to the LP solver."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np
from numpy.typing import NDArray
from ortools.math_opt import (
    callback_pb2,
    model_parameters_pb2,
    model_pb2,
    parameters_pb2,
    result_pb2,
    solution_pb2,
)
from ortools.math_opt.core.python import solver

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


FIRST = 1_000_000
"""A priority above all that SCIP gives its own methods."""


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
class Basis:
    """Where a solution lies: the status of each column and row, as MathOpt numbers them."""

    columns: list[int]
    rows: list[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Optimal values of the variables and duals of the rows."""

    objective: float
    x: Floats
    duals: Floats
    basis: Basis


@dataclasses.dataclass(frozen=True, slots=True)
class MixedAnswer:
    """
    The best point found of a mixed-integer program (None: none in time), and a proven lower bound on its value.
    """

    objective: float
    x: Floats | None
    bound: float


def solve(program: Program, *, time_limit: float | None = None, start: Basis | None = None) -> Answer | None:
    """
    Solve to optimality; None when that fails or takes longer than `time_limit` seconds.

    `start` is the basis of a program with the same rows whose columns are the first ones of this one.
    """
    parameters = parameters_pb2.SolveParametersProto(threads=1)
    if time_limit is not None:
        parameters.time_limit.FromTimedelta(datetime.timedelta(seconds=max(time_limit, 0.001)))
    hints = model_parameters_pb2.ModelSolveParametersProto()
    if start is not None:
        _set(hints.initial_basis.variable_status, start.columns, len(program.cost))
        _set(hints.initial_basis.constraint_status, start.rows, program.rows)
        parameters.presolve = parameters_pb2.EMPHASIS_OFF
    # Costs of a hundred thousand and coefficients of a thousandth are too far apart for the solver's tolerances.
    unit = float(np.abs(program.cost).max(initial=0.0)) or 1.0
    scaled = dataclasses.replace(program, cost=program.cost / unit)
    result = _run(scaled, None, parameters_pb2.SOLVER_TYPE_GLOP, parameters, hints)
    if result.termination.reason != result_pb2.TERMINATION_REASON_OPTIMAL:
        return None
    found = result.solutions[0]
    return Answer(
        objective=found.primal_solution.objective_value * unit,
        x=np.array(found.primal_solution.variable_values.values),
        duals=np.array(found.dual_solution.dual_values.values) * unit,
        basis=Basis(list(found.basis.variable_status.values), list(found.basis.constraint_status.values)),
    )


def _set(statuses: solution_pb2.SparseBasisStatusVector, known: list[int], size: int) -> None:
    """Statuses of the first columns or rows; those that came later lie at their lower bound."""
    statuses.ids.extend(range(size))
    statuses.values.extend(known)
    statuses.values.extend([solution_pb2.BASIS_STATUS_AT_LOWER_BOUND] * (size - len(known)))


def solve_mixed(
    program: Program,
    integers: NDArray[np.bool_],
    *,
    time_limit: float,
    node_limit: int | None = None,
    gap: float,
    seed: int,
    tree: bool = False,
) -> MixedAnswer:
    """
    Solve with some variables whole. With a `node_limit`, in nodes of the search tree, time plays no part. With `tree` the
    solver goes into the tree at once: no heuristics, no cuts, and branching by what earlier branchings brought.
    """
    parameters = parameters_pb2.SolveParametersProto(threads=1, relative_gap_tolerance=gap, random_seed=seed)
    if tree:
        parameters.heuristics = parameters.cuts = parameters_pb2.EMPHASIS_OFF
        parameters.gscip.int_params["branching/pscost/priority"] = FIRST
    if node_limit is None:
        parameters.time_limit.FromTimedelta(datetime.timedelta(seconds=max(time_limit, 0.001)))
    else:
        parameters.node_limit = node_limit
    hints = model_parameters_pb2.ModelSolveParametersProto()
    result = _run(program, integers, parameters_pb2.SOLVER_TYPE_GSCIP, parameters, hints)
    bound = result.termination.objective_bounds.dual_bound
    if not result.solutions or not result.solutions[0].HasField("primal_solution"):
        return MixedAnswer(np.inf, None, bound)
    found = result.solutions[0].primal_solution
    return MixedAnswer(found.objective_value, np.array(found.variable_values.values), bound)


def _run(
    program: Program,
    integers: NDArray[np.bool_] | None,
    solver_type: int,
    parameters: parameters_pb2.SolveParametersProto,
    hints: model_parameters_pb2.ModelSolveParametersProto,
) -> result_pb2.SolveResultProto:
    """
    The solver on messages: MathOpt's classes would build a Python object for each number, which takes longer than the
    solver does.
    """
    return solver.solve(
        _model(program, integers),
        solver_type,
        parameters_pb2.SolverInitializerProto(),
        parameters,
        hints,
        None,
        callback_pb2.CallbackRegistrationProto(),
        None,
        None,
    )


def _model(program: Program, integers: NDArray[np.bool_] | None) -> model_pb2.ModelProto:
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
    rows = np.concatenate([e[0] for e in program.entries]).astype(np.int64)
    columns = np.concatenate([e[1] for e in program.entries]).astype(np.int64)
    values = np.concatenate([e[2] for e in program.entries])
    order = np.lexsort((columns, rows))
    model.linear_constraint_matrix.row_ids.extend(rows[order].tolist())
    model.linear_constraint_matrix.column_ids.extend(columns[order].tolist())
    model.linear_constraint_matrix.coefficients.extend(values[order].tolist())
    return model
