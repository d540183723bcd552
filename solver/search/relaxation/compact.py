"""
The compact relaxation: the linear program over volumes of each class on each kind of node, node numbers fractional.

Its value bounds every plan from below, its solution says which class belongs on which flavor, its dual
values say what a pod is worth.

Sum and clique rows alone are weak where pods are big against nodes. For each resource and k = 1, 2, 3 the dual feasible
function u(s) = floor((k + 1) s) / k for a share s of the room ((k + 1) s when that is whole over (k + 1), that is s
itself) gives one more valid row per kind: pods of more than half a node count as whole ones, pods of more than a third
as halves, and so on (Fekete and Schepers, "New classes of lower bounds for bin packing problems", 2001).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields
from solver.search import linear, quota

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Row = tuple[str, int, int]

BIG_POD = 0.25
"""A class that takes more than this share of some kind's room makes the dual feasible rows worth their time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Volumes:
    """
    The relaxation's answer.

    `bound` in micro-euro per hour, `volume` (C, K) pods of each class on each kind of new node, `nodes` (K,),
    `existing` (C, G) pods in each group of existing room, `value` (C,) what one pod more would cost, `left_out` (C,),
    `prices` of what pods take.
    """

    bound: float
    volume: Floats
    nodes: Floats
    existing: Floats
    value: Floats
    left_out: Floats
    prices: Prices


@dataclasses.dataclass(frozen=True, slots=True)
class Prices:
    """
    Duals of what pods take: `node` (K,) per row of `node_weights`, `room` (G, R) of existing room, `limits` (L,), `spare`
    of leaving out a pod. None is negative.
    """

    node: Mapping[Row, Floats]
    room: Floats
    limits: Floats
    spare: float


@dataclasses.dataclass(frozen=True, slots=True)
class Room:
    """
    Existing room in G groups: `ok` (C, G), `room` (G, R) summed, `most` (C, G) pods of a class that fit when alone.
    """

    ok: NDArray[np.bool_]
    room: Floats
    most: Floats


def shares(requests: Floats, room: Floats) -> Floats:
    """Share of the room (K, R) that one pod of each class (C, R) takes: (C, K, R), 0 where there is no room."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = requests[:, None, :] / room[None, :, :]
    return np.nan_to_num(result, nan=0.0, posinf=2.0)


def dual_feasible(share: Floats, k: int) -> Floats:
    """The function of the module's docstring, applied to shares in [0, 1]."""
    scaled = (k + 1) * share
    whole = np.floor(scaled + 1e-9)
    return np.where(np.abs(scaled - np.round(scaled)) < 1e-9, share, whole / k)


def solve(
    field: fields.Field,
    counts: Floats,
    *,
    room: Room | None = None,
    limits: quota.Limits | None = None,
    penalty: float | None = None,
    spare: float | None = None,
    strong: bool = True,
    time_limit: float | None = None,
) -> Volumes | None:
    """
    Solve the relaxation.

    Parameters
    ----------
    field: classes and kinds of node.
    counts: (C,) pods to place.
    room: what is free on existing nodes.
    limits: limits on the new nodes.
    penalty: micro-euro per pod left out, or None when all must be placed.
    spare: how many pods may be left out for nothing, or None.
    strong: add the dual feasible rows.
    time_limit: seconds.

    Returns
    -------
    None when there is no answer in time or no way to place all pods.
    """
    model = _Model(field, counts, room, penalty=penalty, spare=spare)
    model.place_all()
    model.fit_new_nodes(strong=strong)
    model.fit_existing_room()
    model.keep_limits(limits)
    model.leave_out_at_most(spare)
    answer = linear.solve(model.program, time_limit=time_limit)
    return None if answer is None else model.volumes(answer)


class _Model:
    """
    The relaxation as a linear program, and its answer read back.

    Columns, in this order: pods of each class on each kind of new node (`pair_class`, `pair_kind`), pods of each class on each
    group of existing room (`room_class`, `room_group`), `nodes` of each kind (K,), pods of each class `left_out` (C,).
    """

    def __init__(
        self, field: fields.Field, counts: Floats, room: Room | None, *, penalty: float | None, spare: float | None
    ) -> None:
        self.field = field
        self.counts = counts
        self.room = room
        n_classes, n_kinds = field.ok.shape
        self.pair_class, self.pair_kind = np.nonzero(field.ok & (counts > 0)[:, None])
        none = np.zeros(0, dtype=np.int64)
        self.room_class, self.room_group = np.nonzero(room.ok) if room is not None else (none, none)
        ends = np.cumsum([len(self.pair_class), len(self.room_class), n_kinds, n_classes])
        self.pairs, self.rooms, self.nodes, self.left_out = np.split(np.arange(ends[-1]), ends[:-1])
        cost, high = np.zeros(ends[-1]), np.full(ends[-1], np.inf)
        cost[self.nodes] = field.cost
        cost[self.left_out] = penalty or 0.0
        if room is not None:
            high[self.rooms] = room.most[self.room_class, self.room_group]
        high[self.left_out] = counts if penalty is not None or spare is not None else 0.0
        self.program = linear.Program(cost=cost, low=np.zeros(ends[-1]), high=high)
        self.demand_rows = self.limit_rows = self.spare_row = np.zeros(0, dtype=np.int64)
        self.node_rows: dict[Row, tuple[Ints, Ints]] = {}
        self.room_rows: list[Ints] = []

    def place_all(self) -> None:
        """Every pod is on a new node, in existing room, or left out."""
        rows = self.program.add_rows(self.counts, np.full(len(self.counts), np.inf))
        self.program.add_entries(rows[self.pair_class], self.pairs, np.ones(len(self.pairs)))
        self.program.add_entries(rows[self.room_class], self.rooms, np.ones(len(self.rooms)))
        self.program.add_entries(rows, self.left_out, np.ones(len(rows)))
        self.demand_rows = rows

    def fit_new_nodes(self, *, strong: bool) -> None:
        """What pods on a kind of node weigh is at most its number of nodes; no row where nothing weighs."""
        for row, weights in node_weights(self.field, strong):
            weight = weights[self.pair_class, self.pair_kind]
            total = np.zeros(len(self.nodes))
            np.add.at(total, self.pair_kind, weight)
            kinds = np.flatnonzero(total > 0)
            self.node_rows[row] = self._node_rows(weight, kinds), kinds

    def _node_rows(self, weight: Floats, kinds: Ints) -> Ints:
        """A row for each of some kinds: the sum of `weight` (pairs,) on it is at most its number of nodes."""
        if not len(kinds):
            return kinds
        position = np.full(len(self.nodes), -1)
        position[kinds] = np.arange(len(kinds))
        rows = self.program.add_rows(np.full(len(kinds), -np.inf), np.zeros(len(kinds)))
        keep = np.flatnonzero((weight > 0) & (position[self.pair_kind] >= 0))
        self.program.add_entries(rows[position[self.pair_kind[keep]]], keep, weight[keep])
        self.program.add_entries(rows, self.nodes[kinds], np.full(len(kinds), -1.0))
        return rows

    def fit_existing_room(self) -> None:
        """What pods take of existing room is at most all of it."""
        if self.room is None or not len(self.rooms):
            return
        groups = len(self.room.room)
        used = shares(self.field.requests, self.room.room)[self.room_class, self.room_group]
        for resource in range(used.shape[1]):
            rows = self.program.add_rows(np.full(groups, -np.inf), np.ones(groups))
            self.room_rows.append(rows)
            self.program.add_entries(rows[self.room_group], self.rooms, used[:, resource])

    def keep_limits(self, limits: quota.Limits | None) -> None:
        """What new nodes take of each limit is at most its room."""
        if limits is None or not len(limits.room):
            return
        rows = self.program.add_rows(np.full(len(limits.room), -np.inf), limits.room / limits.scale)
        self.program.add_entries(rows[:, None], self.nodes[None, :], limits.per_node / limits.scale[:, None])
        self.limit_rows = rows

    def leave_out_at_most(self, spare: float | None) -> None:
        """At most so many pods are left out."""
        if spare is not None:
            self.spare_row = self.program.add_rows(np.array([-np.inf]), np.array([spare]))
            self.program.add_entries(self.spare_row, self.left_out, np.ones(len(self.left_out)))

    def volumes(self, answer: linear.Answer) -> Volumes:
        """What an answer says."""
        volume = np.zeros(self.field.ok.shape)
        volume[self.pair_class, self.pair_kind] = answer.x[self.pairs]
        existing = np.zeros((len(self.counts), 0 if self.room is None else len(self.room.room)))
        existing[self.room_class, self.room_group] = answer.x[self.rooms]
        return Volumes(
            bound=answer.objective,
            volume=volume,
            nodes=answer.x[self.nodes],
            existing=existing,
            value=answer.duals[self.demand_rows],
            left_out=answer.x[self.left_out],
            prices=self._prices(np.maximum(-answer.duals, 0.0)),
        )

    def _prices(self, price: Floats) -> Prices:
        """Prices of what pods take, by those of the rows."""
        node = {row: np.zeros(len(self.nodes)) for row in self.node_rows}
        for row, (index, kinds) in self.node_rows.items():
            node[row][kinds] = price[index]
        groups = 0 if self.room is None else len(self.room.room)
        return Prices(
            node=node,
            room=np.stack([price[rows] for rows in self.room_rows], axis=1)
            if self.room_rows
            else np.zeros((groups, 0)),
            limits=price[self.limit_rows],
            spare=float(price[self.spare_row].sum()),
        )


def node_weights(field: fields.Field, strong: bool) -> Iterator[tuple[Row, Floats]]:
    """
    The rows that every kind of node has, each with the weight (C, K) of a pod on it: per node at most 1 in all.
    """
    share = shares(field.requests, field.room)
    for resource in range(share.shape[2]):
        yield ("sum", resource, 1), share[:, :, resource]
        if strong and (share[:, :, resource] * field.ok > BIG_POD).any():
            for k in (1, 2, 3):
                yield ("dual feasible", resource, k), dual_feasible(share[:, :, resource], k)
    for rule in range(field.host.owner.shape[1]):
        alone = field.host.owner[:, rule] & field.host.member[:, rule]
        weight = 1.0 / (field.host.member_cap[rule] + 1 if field.host.member_cap[rule] >= 0 else 1)
        yield ("host", rule, 1), np.broadcast_to(np.where(alone, weight, 0.0)[:, None], field.ok.shape)


def worths(field: fields.Field, prices: Prices, *, limits: quota.Limits | None = None) -> Floats:
    """
    What one pod of each class pays for what it takes on the new node where that is cheapest (C,), infinite where it may
    go nowhere. No node takes in more than it costs, whatever problem the prices come from.
    """
    cost = field.cost
    if limits is not None and len(limits.room):
        cost = cost + limits.charge(prices.limits)
    strong = any(name == "dual feasible" for name, _, _ in prices.node)
    rows = [(prices.node[row], weight) for row, weight in node_weights(field, strong) if row in prices.node]
    taken = np.sum([price for price, _ in rows], axis=0)
    scale = np.minimum(1.0, cost / np.maximum(taken, 1e-9))
    pays = np.sum([price * scale * weight for price, weight in rows], axis=0)
    return np.asarray(np.where(field.ok, pays, np.inf).min(axis=1, initial=np.inf))


def priced(
    field: fields.Field,
    counts: Floats,
    prices: Prices,
    *,
    room: Room | None = None,
    limits: quota.Limits | None = None,
    spare: float | None = None,
) -> float:
    """
    A bound from prices alone: what all pods pay, less what limits, existing room and pods left out are worth.

    Prices of merged classes make a bound for the classes themselves, which is much higher than that of the merged ones.
    """
    cheapest = worths(field, prices, limits=limits)
    bound = 0.0
    if limits is not None and len(limits.room):
        bound -= float(prices.limits @ (limits.room / limits.scale))
    if room is not None and prices.room.size:
        used = shares(field.requests, room.room)
        there = np.where(room.ok, (used * prices.room).sum(axis=2), np.inf)
        cheapest = np.minimum(cheapest, there.min(axis=1, initial=np.inf))
        bound -= float(prices.room.sum())
    elif room is not None:
        cheapest[room.ok.any(axis=1)] = 0.0
    if spare is not None:
        cheapest = np.minimum(cheapest, prices.spare)
        bound -= prices.spare * spare
    asked = (counts > 0) & np.isfinite(cheapest)
    return bound + float(counts[asked] @ cheapest[asked])
