"""
Whole pods near shares: shares that keep all linear rules over cells seldom need more than rounding up or down.

The rows of the program of shares, with every volume between its value rounded down and up, or one or two pods beyond,
are a question of feasibility that CP-SAT answers in milliseconds. Rules that are not linear are not in it, so the answer
is judged by `evaluate` like any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver import evaluate
from solver import problem as problems
from solver.search.shares import cells as splits
from solver.search.shares import rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SLACKS = (0, 1, 2)
SECONDS = 0.3


def near(
    problem: problems.Problem,
    cells: splits.Cells,
    aggregated: problems.Problem,
    merged: Ints,
    share: Floats,
    possible: Mask,
    *,
    seed: int,
) -> problems.Solution | None:
    """
    Round shares under all rules over cells.

    Parameters
    ----------
    problem: the whole problem.
    cells: its cells.
    aggregated: the problem with cells as nodes, and `merged` (C,) the class there of each class, as `aggregate`
        makes them.
    share: (C, cells) of each class's pods that is wanted in each cell.
    possible: (C, cells) where a class can go.

    Returns
    -------
    A valid solution of the aggregated problem with all pods, or None when rounding alone does not lead to one.
    """
    weights = [s.weight for s in aggregated.spreads] + [e.weight for e in aggregated.exclusions]
    weights += [a.weight for a in aggregated.attractions]
    if any(weight is not None for weight in weights) or not len(aggregated.classes):
        return None
    there = np.flatnonzero(merged >= 0)
    _, first = np.unique(merged[there], return_index=True)
    total = aggregated.counts.astype(np.float64)
    wanted = np.zeros((len(total), cells.count))
    np.add.at(wanted, merged[there], share[there] * np.array([len(problem.classes[c].pods) for c in there])[:, None])
    program, volumes = rows.Program(), rows.Volumes.of(there[first])
    at: list[tuple[Ints, Ints]] = []
    for cell in range(cells.count):
        usable = np.flatnonzero(possible[there[first], cell])
        at.append((usable, volumes.add(program, usable, np.inf, cell)))
    volumes.demand(program, total)
    rows.add_rules(program, problem, cells, total, volumes)
    want = np.full(program.size, np.nan)
    for cell, (usable, variables) in enumerate(at):
        want[variables] = wanted[usable, cell]
    for slack in SLACKS:
        x = _feasible(program, want, slack, seed)
        if x is None:
            continue
        solution = _solution(aggregated, cells, at, x)
        if not evaluate.violations(aggregated, solution):
            return solution
    return None


def _feasible(program: rows.Program, want: Floats, slack: int, seed: int) -> Ints | None:
    """Values of all variables that keep all rows, volumes near what is wanted (nan for choices)."""
    from solver.model.cp_sat import cp_model

    model = cp_model.CpModel()
    variables = [
        model.new_bool_var("")
        if np.isnan(value)
        else model.new_int_var(max(0, int(np.floor(value + 1e-6)) - slack), int(np.ceil(value - 1e-6)) + slack, "")
        for value in want
    ]
    for index, weight, low, high in program.rows:
        total = cp_model.LinearExpr.weighted_sum([variables[i] for i in index], np.rint(weight).astype(int).tolist())
        if np.isfinite(low):
            model.add(total >= int(np.ceil(low - 1e-6)))
        if np.isfinite(high):
            model.add(total <= int(np.floor(high + 1e-6)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.catch_sigint_signal = False
    solver.parameters.max_deterministic_time = SECONDS
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return np.array([solver.value(v) for v in variables], dtype=np.int64)


def _solution(
    aggregated: problems.Problem, cells: splits.Cells, at: list[tuple[Ints, Ints]], x: Ints
) -> problems.Solution:
    """Pods on the two nodes of each cell: those that are wanted there first."""
    placed: dict[int, problems.Counts] = {}
    for cell, (usable, variables) in enumerate(at):
        room = aggregated.node_room[cell][usable]
        for node, pods in (
            (cell, np.minimum(x[variables], room)),
            (cells.count + cell, np.maximum(x[variables] - room, 0)),
        ):
            if pods.any():
                placed[node] = tuple((int(c), int(n)) for c, n in zip(usable, pods, strict=True) if n)
    return problems.Solution(placed=placed)
