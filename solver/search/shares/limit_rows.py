"""NodePool limits and project quota as rows of a program over all cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import quota
from solver.search.shares import rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class LimitRows:
    """
    Limits as rows of a program of shares: nodes are added cell by cell, the rows once all are there. They may be exceeded
    at a price that no plan pays, so that the program is feasible and its dual values guide.
    """

    def __init__(self, problem: problems.Problem) -> None:
        self.problem = problem
        self.nodes: list[tuple[Ints, quota.Limits, Ints, Floats]] = []

    def add(self, variables: Ints, kind: Ints, field: fields.Field) -> None:
        """Node numbers of some cell: each variable (M,) stands for nodes of a kind (M,)."""
        limit = quota.limits_of(self.problem, field)
        if limit is not None:
            self.nodes.append((variables, limit, kind, field.cost))

    def close(self, program: rows.Program) -> Ints:
        """Add a row for each limit (L,); returns their indices, none where there are no nodes."""
        if not self.nodes:
            return np.zeros(0, dtype=np.int64)
        scale = self.nodes[0][1].scale
        room = quota.limit_room(self.problem) / scale
        price = np.max([quota.excess_cost(limit, cost) for _, limit, _, cost in self.nodes], axis=0)
        variables = np.concatenate([v for v, _, _, _ in self.nodes])
        amounts = np.concatenate([limit.per_node[:, kind] for _, limit, kind, _ in self.nodes], axis=1) / scale[:, None]
        result = []
        for index in range(len(scale)):
            beyond = program.add(1, price[index])
            entries = np.append(variables, beyond)
            result.append(program.row(entries, np.append(amounts[index], -1.0), -np.inf, float(room[index])))
        return np.array(result, dtype=np.int64)

    def used(self, x: Floats, cell: int) -> Floats:
        """What the nodes that were added as number `cell` take of each limit (L,), by the values of all variables."""
        if not self.nodes:
            return np.zeros(len(self.problem.caps))
        variables, limit, kind, _ = self.nodes[cell]
        return np.asarray(limit.per_node[:, kind] @ x[variables])
