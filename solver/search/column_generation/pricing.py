"""
Exact pricing: the content of one node that is worth most at given dual values, by CP-SAT.

Asked only for contents worth more than the node costs it takes milliseconds, because most of the tree is cut off at once.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from solver.model.cp_sat import cp_model
from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

SCALE = 1_000_000
WORK = 0.5
"""Limit of one exact answer in the solver's own unit, about a second; it is the same however busy the machine is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Exact:
    """`worth` at most, and `rows` (M, C): contents found that are worth more than what was asked for."""

    worth: float
    rows: Rows


def exact(
    field: fields.Field,
    kind: int,
    most: Ints,
    worth: Floats,
    limits: Ints,
    *,
    least: float,
    seed: int,
    time_limit: float | None = None,
) -> Exact:
    """
    The largest worth of one node of a kind, as far as it is above `least`.

    Parameters
    ----------
    field: classes and kinds; of its host rules only firm ones of pods that keep apart from their like are looked at.
    kind: the kind of node.
    most: `capacity` of the field.
    worth: (C,) of one pod, none negative.
    limits: (C,) pods there are.
    least: only contents worth more are of interest.
    seed: of the solver.
    time_limit: seconds, or None when time plays no part; what is proved by then counts.

    Returns
    -------
    An upper bound on the worth of all contents, `least` when none is worth more.
    """
    model = cp_model.CpModel()
    number = np.minimum(most[:, kind], limits)
    classes = np.flatnonzero((number > 0) & (worth > 0))
    scale = SCALE / least
    values = [math.ceil(float(worth[c]) * scale) for c in classes]
    pods = [model.new_int_var(0, int(number[c]), "") for c in classes]
    for r in range(field.room.shape[1]):
        amounts = field.requests[classes, r].astype(np.int64).tolist()
        model.add(cp_model.LinearExpr.weighted_sum(pods, amounts) <= int(field.room[kind, r]))
    for rule in np.flatnonzero(field.host.firm):
        both = field.host.owner[classes, rule] & field.host.member[classes, rule]
        if both.any():
            model.add(sum(pods[i] for i in np.flatnonzero(both)) <= 1)
    total = cp_model.LinearExpr.weighted_sum(pods, values)
    model.add(total >= SCALE)
    model.maximize(total)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.catch_sigint_signal = False
    solver.parameters.max_deterministic_time = WORK
    if time_limit is not None:
        solver.parameters.max_time_in_seconds = max(time_limit, 0.001)
    seen = _Seen(pods)
    status = solver.solve(model, seen)
    rows = np.zeros((len(seen.found), len(worth)), dtype=np.int32)
    if seen.found:
        rows[:, classes] = seen.found
    if status == cp_model.INFEASIBLE:
        return Exact(least, rows)
    # Without time to begin the solver's bound is 0, less than what was asked for.
    bound = solver.best_objective_bound
    return Exact(max(least, bound / scale) if bound >= SCALE else math.inf, rows)


class _Seen(cp_model.CpSolverSolutionCallback):
    """Keeps all solutions on the way to the best."""

    def __init__(self, variables: list[cp_model.IntVar]) -> None:
        super().__init__()
        self._variables = variables
        self.found: list[list[int]] = []

    def on_solution_callback(self) -> None:
        self.found.append([self.value(v) for v in self._variables])
