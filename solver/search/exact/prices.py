"""
Prices of pods, limits and of what pods give up (`concession`), by a linear program over patterns.

The prices of the relaxation over volumes hold for all patterns. In each round all patterns are listed that are worth more than
they cost at prices between the program's and the best ones so far; where these are too many, quick pricing finds some. When there
are none left, the prices hold for all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver.search import linear, quota
from solver.search.column_generation import columns as patterns
from solver.search.exact import exhaust, volumes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

CLOSE = 2e-4
"""A gap between the program and the bound that is not worth closing."""
BEST, ROUNDS, PATTERNS, PARTIAL = 60, 60, 2_000, 20_000
"""Patterns that are added at a time, how often, and the most that are listed or under construction for a kind."""
NEAR = 0.97
"""Share of its price that a pattern is worth that is there from the start, where these are not too many."""
PULLS = (0.3, 0.7)
"""How far the point to price at is drawn from the program's towards the best one, tried until not too many are found."""
QUICK_PULLS = (0.5, 0.0)
"""The same for quick pricing, one after the other."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The value of the program, its prices, and what the place of each existing node is worth (N,)."""

    value: float
    point: volumes.Point
    on_node: Floats


def priced(asked: volumes.Question, rng: np.random.Generator, stop: Callable[[], bool]) -> volumes.Point | None:
    """
    Good prices: the best ones where that does not take too long, by quick pricing as long as it finds something. None where there
    is nothing to buy.
    """
    best = volumes.prices(asked) if len(asked.field.cost) else None
    if best is None:
        return None
    master, quick, bound = _Master(asked), _Quick(asked), asked.bound(best)
    rows = _worthy(asked, best, NEAR, stop)
    if rows is not None:
        master.add(best, rows.kind, rows.counts)
    answer = master.solve()
    for _ in range(ROUNDS):
        if answer is None or stop() or answer.value - bound <= CLOSE * abs(answer.value):
            break
        found, raised = _pulled(asked, answer.point, best, stop), False
        if found is None:
            new = sum(quick.price(master, answer.point.towards(best, pull), answer.point, rng) for pull in QUICK_PULLS)
        else:
            point, rows = found
            price = asked.field.cost + point.limit @ asked.caps.per_node
            worth = (rows.counts * point.net(asked.given.new)[rows.kind]).sum(axis=1) / price[rows.kind]
            valid = point.over(max(1.0, float(worth.max(initial=1.0))))
            raised = asked.bound(valid) > bound + CLOSE * abs(bound)
            if asked.bound(valid) > bound:
                best, bound = valid, asked.bound(valid)
            good = np.argsort(-worth, kind="stable")[:BEST]
            new = master.add(point, rows.kind[good], rows.counts[good])
        if new + master.add_there(answer.point, answer.on_node):
            answer = master.solve()
        elif not raised:
            break
    return best


def _pulled(
    asked: volumes.Question, point: volumes.Point, best: volumes.Point, stop: Callable[[], bool]
) -> tuple[volumes.Point, exhaust.Rows] | None:
    """Patterns that are worth more than they cost at a point, or at one so near to the best one that they are not too many."""
    for pull in PULLS:
        near = point.towards(best, pull)
        rows = _worthy(asked, near, 1.0, stop)
        if rows is not None:
            return near, rows
    return None


class _Quick:
    """Quick pricing, kinds on which the same is given up together."""

    def __init__(self, asked: volumes.Question) -> None:
        self.asked = asked
        field = asked.field
        gives = (asked.given.new * field.ok.T[:, :, None]).reshape(
            len(field.cost), len(asked.counts) * asked.given.size
        )
        _, of = np.unique(gives, axis=0, return_inverse=True)
        self.kinds = [np.flatnonzero(of.ravel() == group) for group in range(int(of.max()) + 1)]
        self.columns = [self._columns(kinds) for kinds in self.kinds]

    def _columns(self, kinds: Ints) -> patterns.Columns:
        field, counts, caps = self.asked.field, self.asked.counts, self.asked.caps
        part = dataclasses.replace(
            field,
            room=field.room[kinds],
            ok=field.ok[:, kinds],
            cost=field.cost[kinds],
            twins=tuple(field.twins[k] for k in kinds),
        )
        limits = quota.Limits(caps.per_node[:, kinds], caps.room)
        return patterns.Columns(part, counts, np.zeros(len(counts)), 0.0, 0, limits)

    def price(self, master: _Master, point: volumes.Point, duals: volumes.Point, rng: np.random.Generator) -> int:
        """Patterns that are good at a point and worth more than they cost by the duals go to the master; how many are new."""
        new, scale = 0, self.asked.caps.scale
        for kinds, columns in zip(self.kinds, self.columns, strict=True):
            gives = self.asked.given.new[kinds[0]]
            at, by = (np.append(p.net(gives), p.limit * scale) for p in (point, duals))
            known = len(columns.kind)
            columns.price(at, by, self.asked.counts, rng)
            new += master.add(duals, kinds[columns.kind[known:]], columns.counts[known:].astype(np.int64))
        return new


def _worthy(
    asked: volumes.Question, point: volumes.Point, share: float, stop: Callable[[], bool]
) -> exhaust.Rows | None:
    """All patterns that are worth more than a share of what they cost; None when there are too many."""
    price = asked.field.cost + point.limit @ asked.caps.per_node
    net = point.net(asked.given.new)
    gap = asked.field.cost - price * share
    return exhaust.patterns(asked.field, asked.counts, net, gap, stop, PATTERNS, asked.loose, PARTIAL)


class _Master:
    """The program over the patterns known so far."""

    def __init__(self, asked: volumes.Question) -> None:
        self.asked = asked
        classes = len(asked.counts)
        self.kind = np.zeros(0, dtype=np.int64)
        self.rows = np.zeros((0, classes), dtype=np.int64)
        self.node = np.zeros(0, dtype=np.int64)
        self.there = np.zeros((0, classes), dtype=np.int64)
        self.seen: set[bytes] = set()

    def add(self, point: volumes.Point, kind: Ints, rows: Ints) -> int:
        """Patterns, without pods that are worth nothing there; how many were new."""
        rows = rows * (point.net(self.asked.given.new)[kind] > 0)
        new = [i for i in range(len(kind)) if self._is_new(int(kind[i]), rows[i])]
        self.kind, self.rows = np.append(self.kind, kind[new]), np.concatenate([self.rows, rows[new]])
        return len(new)

    def add_there(self, point: volumes.Point, on_node: Floats) -> int:
        """The best content of each existing node, where it is worth more than the node's place (N,) is; how many were new."""
        new = 0
        for node, worth in enumerate(point.net(self.asked.given.there)):
            contents = self.asked.contents[node]
            value = contents @ worth
            if len(value) and value.max() > on_node[node] * (1 + CLOSE) + 1.0:
                row = contents[int(value.argmax())] * (worth > 0)
                if self._is_new(-1 - node, row):
                    self.node, self.there = np.append(self.node, node), np.concatenate([self.there, row[None, :]])
                    new += 1
        return new

    def _is_new(self, place: int, row: Ints) -> bool:
        key = place.to_bytes(8, "little", signed=True) + row.tobytes()
        if key in self.seen or not row.any():
            return False
        self.seen.add(key)
        return True

    def solve(self) -> Answer | None:
        """The program over these patterns."""
        asked, given = self.asked, self.asked.given
        new, there, classes = len(self.kind), len(self.node), len(asked.counts)
        content = np.concatenate([self.rows, self.there])
        gives = np.einsum("pc,pcg->pg", content, np.concatenate([given.new[self.kind], given.there[self.node]]))
        short = np.full(classes, volumes.SHORT * float(asked.field.cost.max()))
        out = np.where(given.may, np.inf, 0.0)
        cost = np.concatenate([asked.field.cost[self.kind], np.zeros(there + classes), short])
        high = np.concatenate([np.full(new + there, np.inf), out, np.full(classes, np.inf)])
        program = linear.Program(cost, np.zeros(len(cost)), high)
        size, each = new + there, np.arange(classes)
        demand = program.add_rows(asked.counts.astype(np.float64), np.full(classes, np.inf))
        program.add_entries(demand[:, None], np.arange(size)[None, :], content.T.astype(np.float64))
        program.add_entries(demand, size + each, np.ones(classes))
        program.add_entries(demand, size + classes + each, np.ones(classes))
        caps = asked.caps
        capped = program.add_rows(np.full(len(caps.room), -np.inf), caps.room / caps.scale)
        program.add_entries(capped[:, None], np.arange(new)[None, :], caps.per_node[:, self.kind] / caps.scale[:, None])
        allowed = program.add_rows(np.full(given.size, -np.inf), given.room.astype(np.float64))
        program.add_entries(allowed[:, None], np.arange(size)[None, :], gives.T.astype(np.float64))
        program.add_entries(allowed[:, None], size + each[None, :], given.out.T.astype(np.float64))
        places = program.add_rows(np.full(len(asked.contents), -np.inf), np.ones(len(asked.contents)))
        program.add_entries(places[self.node], new + np.arange(there), np.ones(there))
        answer = linear.solve(program)
        if answer is None:
            return None
        worth = np.where(asked.counts > 0, np.maximum(answer.duals[demand], 0.0), 0.0)
        point = volumes.point(asked, worth, answer.duals[capped], answer.duals[allowed])
        return Answer(answer.objective, point, np.maximum(-answer.duals[places], 0.0))
