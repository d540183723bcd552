"""
NodePool limits and project quota: linear limits on new nodes, which all cells share.

The program of shares has them as rows over all cells (`shares.limit_rows`). What a cell may take while it is packed is what
the nodes of the others leave, as far as these are packed, and what the program gives the others, as far as they are not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXCESS = 10.0
"""What a node beyond a limit costs in programs that must have an answer, in prices of the dearest kind."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Linear limits on new nodes: `per_node` (L, K) and `room` (L,). In programs each stands in shares of its `scale`."""

    per_node: Floats
    room: Floats

    @property
    def scale(self) -> Floats:
        """What each limit is divided by (L,)."""
        return np.maximum(np.abs(self.room), 1.0)

    def charge(self, prices: Floats) -> Floats:
        """What a node of each kind pays for what it takes of limits (K,), at prices (L,) per scale."""
        return np.asarray((prices / self.scale) @ self.per_node)

    def used(self, kind: Ints) -> Floats:
        """What nodes of these kinds (M,) take of each limit (L,)."""
        return np.asarray(self.per_node[:, kind].sum(axis=1))

    def less(self, kind: Ints) -> Limits:
        """What nodes of these kinds leave."""
        return Limits(self.per_node, np.maximum(self.room - self.used(kind), 0.0))


def limit_room(problem: problems.Problem) -> Floats:
    """What new nodes may take of NodePool limits and quota in all (L,)."""
    return np.array([max(0, c.room) for c in problem.caps], dtype=np.float64)


def limits_of(problem: problems.Problem, field: fields.Field, room: Floats | None = None) -> Limits | None:
    """NodePool limits and quota over the kinds of a field, with this much `room` (L,) or all; twins share their amounts."""
    if not problem.caps:
        return None
    first = np.array([t[0] for t in field.twins], dtype=np.int64)
    return Limits(
        np.array([c.per_offer[first] for c in problem.caps], dtype=np.float64),
        limit_room(problem) if room is None else room,
    )


def excess_cost(limit: Limits, cost: Floats) -> Floats:
    """What it costs to exceed each limit by its scale (L,): more than any plan saves by it."""
    share = np.where(limit.per_node > 0, limit.per_node / limit.scale[:, None], np.inf)
    least = share.min(axis=1, initial=np.inf)
    return np.asarray(np.where(np.isfinite(least), EXCESS * cost.max(initial=1.0) / least, 0.0))


def left(problem: problems.Problem, taken: Iterable[Floats]) -> Floats:
    """Room (L,) of each limit that what is taken (L,) leaves; never below 0."""
    room = limit_room(problem)
    return np.maximum(room - sum(taken, np.zeros(len(room))), 0.0)


def tight(limits: Limits | None, field: fields.Field, counts: Ints) -> Limits | None:
    """
    The limits that nodes of the worst kinds, each full of pods of one class, would reach: others only make programs slower.
    """
    if limits is None:
        return None
    most = np.minimum(fields.capacity(field), np.maximum(counts, 1)[:, None])
    nodes = np.where(most > 0, np.ceil(counts[:, None] / np.maximum(most, 1)), 0.0)
    reached = np.array([(nodes * amounts).max(axis=1, initial=0.0).sum() for amounts in limits.per_node])
    some = reached > limits.room
    return Limits(limits.per_node[some], limits.room[some])


def same(some: Limits, whole: Limits) -> Limits:
    """Those of all limits that `some` are, with the room that these have now."""
    alike = (some.per_node[:, None] == whole.per_node[None]).all(axis=2)
    return Limits(some.per_node, np.where(alike, whole.room, np.inf).min(axis=1, initial=np.inf))
