"""
NodePool limits and quota for those who pack: linear limits on new nodes that all cells share.

The program of shares has them as rows over all cells. What a cell may take while it is packed is what the nodes of the
others leave, as far as these are packed, and what the program gives the others, as far as they are not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search.packing import knapsack
from solver.search.relaxation import compact
from solver.search.shares import rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXCESS = 10.0
"""What a node beyond a limit costs in programs that must have an answer, in prices of the dearest kind."""


def excess_cost(limit: compact.Limits, cost: Floats) -> Floats:
    """What it costs to exceed each limit by its scale (L,): more than any plan saves by it."""
    share = np.where(limit.per_node > 0, limit.per_node / limit.scale[:, None], np.inf)
    least = share.min(axis=1, initial=np.inf)
    return np.asarray(np.where(np.isfinite(least), EXCESS * cost.max(initial=1.0) / least, 0.0))


def left(problem: problems.Problem, taken: Iterable[Floats]) -> Floats:
    """Room (L,) of each limit that what is taken (L,) leaves; never below 0."""
    room = compact.limit_room(problem)
    return np.maximum(room - sum(taken, np.zeros(len(room))), 0.0)


def tight(limits: compact.Limits | None, field: fields.Field, counts: Ints) -> compact.Limits | None:
    """
    The limits that nodes of the worst kinds, each full of pods of one class, would reach: others only make programs slower.
    """
    if limits is None:
        return None
    most = np.minimum(knapsack.capacity(field), np.maximum(counts, 1)[:, None])
    nodes = np.where(most > 0, np.ceil(counts[:, None] / np.maximum(most, 1)), 0.0)
    reached = np.array([(nodes * amounts).max(axis=1, initial=0.0).sum() for amounts in limits.per_node])
    some = reached > limits.room
    return compact.Limits(limits.per_node[some], limits.room[some])


def same(some: compact.Limits, whole: compact.Limits) -> compact.Limits:
    """Those of all limits that `some` are, with the room that these have now."""
    alike = (some.per_node[:, None] == whole.per_node[None]).all(axis=2)
    return compact.Limits(some.per_node, np.where(alike, whole.room, np.inf).min(axis=1, initial=np.inf))


class Rows:
    """
    Limits as rows of a program of shares: nodes are added cell by cell, the rows once all are there. They may be exceeded
    at a price that no plan pays, so that the program has an answer and its duals guide.
    """

    def __init__(self, problem: problems.Problem) -> None:
        self.problem = problem
        self.nodes: list[tuple[Ints, compact.Limits, Ints, Floats]] = []

    def add(self, variables: Ints, kind: Ints, field: fields.Field) -> None:
        """Node numbers of some cell: each variable (M,) stands for nodes of a kind (M,)."""
        limit = compact.limits_of(self.problem, field)
        if limit is not None:
            self.nodes.append((variables, limit, kind, field.cost))

    def close(self, program: rows.Program) -> Ints:
        """Add a row for each limit (L,); returns their indices, none where there are no nodes."""
        if not self.nodes:
            return np.zeros(0, dtype=np.int64)
        scale = self.nodes[0][1].scale
        room = compact.limit_room(self.problem) / scale
        price = np.max([excess_cost(limit, cost) for _, limit, _, cost in self.nodes], axis=0)
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
