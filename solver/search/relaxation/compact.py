"""
The compact relaxation: volumes of each class on each kind of node, node numbers fractional.

Its value bounds every plan from below, its solution says which class belongs on which flavor, its duals say what a pod
is worth.

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
    n_classes, n_kinds = field.ok.shape
    pair_class, pair_kind = np.nonzero(field.ok & (counts > 0)[:, None])
    room_class, room_group = np.nonzero(room.ok) if room is not None else (np.zeros(0, np.int64), np.zeros(0, np.int64))
    n_pairs, n_room = len(pair_class), len(room_class)
    first_room, first_node = n_pairs, n_pairs + n_room
    first_left = first_node + n_kinds
    size = first_left + n_classes
    cost = np.zeros(size)
    cost[first_node:first_left] = field.cost
    high = np.full(size, np.inf)
    if room is not None:
        high[first_room:first_node] = room.most[room_class, room_group]
    cost[first_left:] = penalty or 0.0
    high[first_left:] = counts if penalty is not None or spare is not None else 0.0
    program = linear.Program(cost=cost, low=np.zeros(size), high=high)

    demand = program.add_rows(counts, np.full(n_classes, np.inf))
    program.add_entries(demand[pair_class], np.arange(n_pairs), np.ones(n_pairs))
    program.add_entries(demand[room_class], first_room + np.arange(n_room), np.ones(n_room))
    program.add_entries(demand, first_left + np.arange(n_classes), np.ones(n_classes))

    node_rows: dict[Row, tuple[Ints, Ints]] = {}
    for row, weight in node_weights(field, strong):
        node_rows[row] = _node_rows(program, weight[pair_class, pair_kind], pair_kind, first_node, n_kinds)
    room_rows: list[Ints] = []
    if room is not None and n_room:
        used = shares(field.requests, room.room)[room_class, room_group]
        for resource in range(used.shape[1]):
            rows = program.add_rows(np.full(room.room.shape[0], -np.inf), np.ones(room.room.shape[0]))
            room_rows.append(rows)
            program.add_entries(rows[room_group], first_room + np.arange(n_room), used[:, resource])
    limit_rows = np.zeros(0, dtype=np.int64)
    if limits is not None and len(limits.room):
        limit_rows = program.add_rows(np.full(len(limits.room), -np.inf), limits.room / limits.scale)
        program.add_entries(
            limit_rows[:, None], first_node + np.arange(n_kinds)[None, :], limits.per_node / limits.scale[:, None]
        )

    if spare is not None:
        spare_row = program.add_rows(np.array([-np.inf]), np.array([spare]))
        program.add_entries(spare_row, np.arange(first_left, size), np.ones(n_classes))
    answer = linear.solve(program, time_limit=time_limit)
    if answer is None:
        return None
    volume = np.zeros((n_classes, n_kinds))
    volume[pair_class, pair_kind] = answer.x[:n_pairs]
    existing = np.zeros((n_classes, room.room.shape[0] if room is not None else 0))
    existing[room_class, room_group] = answer.x[first_room:first_node]
    price = np.maximum(-answer.duals, 0.0)
    node_prices = {row: np.zeros(n_kinds) for row in node_rows}
    for row, (index, kinds) in node_rows.items():
        node_prices[row][kinds] = price[index]
    prices = Prices(
        node=node_prices,
        room=np.stack([price[rows] for rows in room_rows], axis=1) if room_rows else np.zeros((existing.shape[1], 0)),
        limits=price[limit_rows],
        spare=float(price[spare_row[0]]) if spare is not None else 0.0,
    )
    return Volumes(
        bound=answer.objective,
        volume=volume,
        nodes=answer.x[first_node:first_left],
        existing=existing,
        value=answer.duals[:n_classes],
        left_out=answer.x[first_left:],
        prices=prices,
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


def _node_rows(program: linear.Program, weight: Floats, kind: Ints, first_node: int, n_kinds: int) -> tuple[Ints, Ints]:
    """
    Sum of `weight` over the pods on a kind of node is at most its number of nodes; kinds with weight 0 throughout get
    no row. Returns rows and their kinds.
    """
    total = np.zeros(n_kinds)
    np.add.at(total, kind, weight)
    used = np.flatnonzero(total > 0)
    if len(used) == 0:
        return used, used
    position = np.full(n_kinds, -1)
    position[used] = np.arange(len(used))
    rows = program.add_rows(np.full(len(used), -np.inf), np.zeros(len(used)))
    keep = np.flatnonzero((weight > 0) & (position[kind] >= 0))
    program.add_entries(rows[position[kind[keep]]], keep, weight[keep])
    program.add_entries(rows, first_node + used, np.full(len(used), -1.0))
    return rows, used
