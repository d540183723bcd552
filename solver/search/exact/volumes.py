"""
The relaxation over volumes of pods, sums of room on nodes of each kind, and numbers of nodes: first prices of pods, limits and of
what pods give up (`concession`), and the least that pods give up.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields
from solver.search import linear, quota
from solver.search.exact import concession

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SHORT = 10.0
"""What a pod costs that is not placed, in prices of the dearest node."""
NODES = 500
"""Most nodes of the tree in which the least number is looked for."""
CONTENTS = 300
"""Up to so many contents of existing nodes the program chooses one of them."""
FUZZ = 1e-6
"""By how much a whole number may be missed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """
    Worths (C,) of pods, prices (L,) of one unit of each limit and (G,) of what is given up, at which no node is worth more than
    it costs.
    """

    worth: Floats
    limit: Floats
    given: Floats

    def net(self, given: Ints) -> Floats:
        """What pods are worth (..., C) where they give up this much (..., C, G)."""
        return np.asarray(np.maximum(self.worth - given @ self.given, 0.0))

    def over(self, ratio: float) -> Point:
        """The point at which nodes are worth so many times less."""
        return Point(self.worth / ratio, self.limit, self.given / ratio)

    def towards(self, other: Point, share: float) -> Point:
        """The point this share of the way to another one."""
        return Point(
            (1 - share) * self.worth + share * other.worth,
            (1 - share) * self.limit + share * other.limit,
            (1 - share) * self.given + share * other.given,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """
    Pods (C,) for kinds of a field, node charges in its costs, and for existing nodes with `contents` (., C) and `room` (N, R);
    limits on new nodes, what is `given` up, and which classes do not settle on which kinds (K, C).
    """

    field: fields.Field
    counts: Ints
    contents: list[Ints]
    node_ok: Mask
    node_room: Floats
    caps: quota.Limits
    given: concession.Concessions
    loose: Mask

    def bound(self, point: Point) -> float:
        """What any plan costs at least at a point."""
        net = point.net(self.given.there)
        there = sum(float((rows @ worth).max(initial=0.0)) for rows, worth in zip(self.contents, net, strict=True))
        paid = point.worth @ self.counts - point.given @ self.given.room - point.limit @ self.caps.room
        return float(paid) - there


@dataclasses.dataclass(frozen=True, slots=True)
class _Volumes:
    """
    The program over volumes: pods of class `c` on kind `k` or existing node `n`, nodes of each kind, and pods left out; `gives`
    (V, G) is what one unit of each variable gives up.
    """

    program: linear.Program
    gives: Floats
    nodes: Ints
    out: Ints
    demand: Ints
    capped: Ints


def _over_volumes(asked: Question, *, contents: bool) -> _Volumes:
    """
    The program without what it minimises, and without bounds on what is given up; existing nodes hold one of their `contents` or
    less, or what their room is enough for.
    """
    field, given, counts, caps = asked.field, asked.given, asked.counts, asked.caps
    holds = np.minimum(fields.capacity(field), counts[:, None])
    c, k = np.nonzero(holds)
    fits = (field.requests[:, None] <= asked.node_room[None]).all(axis=2)
    c_there, n = np.nonzero(asked.node_ok & (counts > 0)[:, None] & fits)
    kinds, classes = len(field.cost), len(counts)
    pods, there, nodes, out = np.split(np.arange(len(c) + len(n) + kinds + classes), np.cumsum([len(c), len(n), kinds]))
    most = np.where(given.may, counts, 0)
    high = np.concatenate([counts[c], counts[c_there], np.full(kinds, counts.sum()), most]).astype(np.float64)
    if contents:
        rows, node = (
            np.concatenate(asked.contents),
            np.repeat(np.arange(len(asked.contents)), list(map(len, asked.contents))),
        )
        first, high = len(high), np.append(high, np.ones(len(rows)))
    program = linear.Program(np.zeros(len(high)), np.zeros(len(high)), high)
    demand = program.add_rows(counts.astype(np.float64), np.full(classes, np.inf))
    program.add_entries(demand[c], pods, np.ones(len(c)))
    program.add_entries(demand[c_there], there, np.ones(len(n)))
    program.add_entries(demand, out, np.ones(classes))
    for r in range(field.requests.shape[1]):
        scale = max(float(field.requests[:, r].max()), 1.0)
        room = program.add_rows(np.full(kinds, -np.inf), np.zeros(kinds))
        program.add_entries(room[k], pods, field.requests[c, r] / scale)
        program.add_entries(room, nodes, -field.room[:, r] / scale)
        free = program.add_rows(np.full(len(asked.node_room), -np.inf), np.maximum(asked.node_room[:, r], 0.0) / scale)
        program.add_entries(free[n], there, field.requests[c_there, r] / scale)
    if contents:
        one = program.add_rows(np.full(len(asked.contents), -np.inf), np.ones(len(asked.contents)))
        program.add_entries(one[node], first + np.arange(len(rows)), np.ones(len(rows)))
        held = program.add_rows(np.full(len(n), -np.inf), np.zeros(len(n)))
        program.add_entries(held, there, np.ones(len(n)))
        inside = (node[None, :] == n[:, None]) * rows.T[c_there]
        program.add_entries(held[:, None], first + np.arange(len(rows))[None, :], -inside.astype(np.float64))
    alone = program.add_rows(np.full(len(c), -np.inf), np.zeros(len(c)))
    program.add_entries(alone, pods, np.ones(len(c)))
    program.add_entries(alone, nodes[k], -holds[c, k].astype(np.float64))
    capped = program.add_rows(np.full(len(caps.room), -np.inf), caps.room / caps.scale)
    program.add_entries(capped[:, None], nodes[None, :], caps.per_node / caps.scale[:, None])
    gives = np.zeros((len(high), given.size), dtype=np.int64)
    gives[pods], gives[there], gives[out] = given.new[k, c], given.there[n, c_there], given.out
    return _Volumes(program, gives.astype(np.float64), nodes, out, demand, capped)


def prices(asked: Question) -> Point | None:
    """Prices at which no content of a node is worth more than it costs."""
    over, given, classes = _over_volumes(asked, contents=False), asked.given, len(asked.counts)
    known, size = over.program, len(over.program.cost)
    cost = np.zeros(size + classes)
    cost[over.nodes] = asked.field.cost
    cost[size:] = SHORT * float(asked.field.cost.max())
    # No price may hide in a bound of a variable, so there are none but for pods that must not be left out.
    high = np.where(known.high > 0, np.inf, 0.0)
    program = dataclasses.replace(
        known, cost=cost, low=np.zeros(size + classes), high=np.append(high, np.full(classes, np.inf))
    )
    program.add_entries(over.demand, size + np.arange(classes), np.ones(classes))
    allowed = program.add_rows(np.full(given.size, -np.inf), given.room.astype(np.float64))
    program.add_entries(allowed[:, None], np.arange(size)[None, :], over.gives.T)
    answer = linear.solve(program)
    if answer is None:
        return None
    worth = np.where(asked.counts > 0, np.maximum(answer.duals[over.demand], 0.0), 0.0)
    return point(asked, worth, answer.duals[over.capped], answer.duals[allowed])


def point(asked: Question, worth: Floats, capped: Floats, allowed: Floats) -> Point:
    """Duals of demand, limits and of what is given up as prices: no pod is worth more than it gives up when it is left out."""
    given, price = asked.given, np.maximum(-allowed, 0.0)
    worth = np.where(given.may, np.minimum(worth, given.out @ price), worth)
    return Point(worth, np.maximum(-capped, 0.0) / asked.caps.scale, price)


def least(asked: Question, reached: Sequence[int], *, time_limit: float, seed: int, deterministic: bool) -> list[int]:
    """
    A bound on what all pods give up at the least, one number after the other (G,), whatever it costs; some solution has `reached`
    so much. Whole numbers of pods and nodes, sums of room: mostly some solution gives up no more.
    """
    over = _over_volumes(asked, contents=0 < sum(map(len, asked.contents)) <= CONTENTS)
    found: list[int] = []
    whole = np.ones(len(over.program.cost), dtype=np.bool_)
    for number in range(asked.given.size):
        gives = over.gives[:, number]
        program = dataclasses.replace(over.program, cost=gives)
        known = found == list(reached[:number])
        answer = linear.solve(program)
        low = 0 if answer is None else max(0, math.ceil(answer.objective - FUZZ))
        if not (known and reached[number] <= low):
            limit = NODES if deterministic else None
            mixed = linear.solve_mixed(program, whole, time_limit=time_limit, node_limit=limit, gap=0.0, seed=seed)
            if np.isfinite(mixed.bound):
                low = max(low, math.ceil(mixed.bound - FUZZ))
        found.append(low)
        row = over.program.add_rows(np.array([-np.inf]), np.array([float(low)]))
        over.program.add_entries(row, np.arange(len(gives)), gives)
    return found
