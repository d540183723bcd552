"""
A bound that counts whole nodes: the relaxation's volumes, with whole numbers of nodes of each kind.

Prices come in steps, and few fleets are both cheap and large enough: with tens of nodes the cheapest such fleet costs
0.1 to 2 % more than the relaxation. A handful of whole numbers is all that branch and bound has to decide.

Only the two scarcest amounts are looked at, and no rule between pods, so the bound holds for every plan. Where classes
are many, each pod is split into two parts whose requests lie in two of a few fixed directions (amount against amount):
together the parts ask for what the pod asks for, and as each may go elsewhere the program only gets looser.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields
from solver.search import linear
from solver.search.relaxation import compact

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

CLASSES = 60
"""Up to this many classes stand for themselves."""
DIRECTIONS, MASKS = 16, 4
"""Otherwise: directions, and groups of classes that may go to the same kinds."""
NODES = 20_000
"""Limit in nodes of the search tree where time plays no part."""
SAFE = 1e-6
"""What the solver's tolerances may be worth, as a share of the bound."""


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """Volumes to place: `request` (V, R) of one unit each, `volume` (V,), `ok` (V, K) where it may go."""

    request: Floats
    volume: Floats
    ok: Mask


def bound(
    field: fields.Field, counts: Ints, *, time_limit: float, deterministic: bool = False, seed: int = 0
) -> float | None:
    """
    What the new nodes of every plan cost at least, at the field's costs.

    Parameters
    ----------
    field: classes and kinds, with bare prices for a bound without charges.
    counts: (C,) pods that must all be on new nodes.
    time_limit: seconds; what is proved by then counts.
    deterministic: limit effort by nodes of the tree instead.
    seed: of the solver.
    """
    there = np.flatnonzero(counts > 0)
    if not len(there) or not field.ok[there].any(axis=1).all() or not field.requests.shape[1]:
        return None
    axes = fields.scarcest(field, counts)
    room = field.room[:, axes]
    unit = np.maximum(room.max(axis=0), 1e-9)
    request = field.requests[there][:, axes] / unit
    demand = Demand(request, counts[there].astype(np.float64), field.ok[there])
    apart = len(there) <= CLASSES or len(axes) < 2
    if not apart:
        demand = split(demand)
    program, nodes = _program(demand, room / unit, field.cost)
    if apart:
        _add_large(program, demand, room / unit, nodes)
    whole = np.zeros(len(program.cost), dtype=bool)
    whole[nodes] = True
    answer = linear.solve_mixed(
        program,
        whole,
        time_limit=time_limit,
        node_limit=NODES if deterministic else None,
        gap=1e-6,
        seed=seed,
        tree=True,
    )
    if not np.isfinite(answer.bound):
        return None
    # Prices are whole numbers of some step, and so is what a fleet costs.
    step = float(np.gcd.reduce(np.rint(field.cost).astype(np.int64)))
    return math.ceil(answer.bound * float(field.cost.max()) * (1 - SAFE) / step) * step


def _add_large(program: linear.Program, demand: Demand, room: Floats, nodes: Ints) -> None:
    """Dual feasible rows (`compact`) for kinds and amounts of which single pods take much; classes stand for themselves."""
    volume, kind = np.nonzero(demand.ok)
    share = demand.request[volume] / np.maximum(room[kind], 1e-12)
    for amount in range(room.shape[1]):
        large = np.unique(kind[share[:, amount] > compact.BIG_POD])
        if not len(large):
            continue
        row = np.full(len(room), -1, dtype=np.int64)
        inside = np.isin(kind, large)
        for order in (1, 2, 3):
            row[large] = program.add_rows(np.full(len(large), -np.inf), np.zeros(len(large)))
            taken = compact.dual_feasible(share[inside, amount], order) * demand.volume[volume[inside]]
            program.add_entries(row[kind[inside]], np.flatnonzero(inside), taken)
            program.add_entries(row[large], nodes[large], np.full(len(large), -1.0))


def split(demand: Demand) -> Demand:
    """The same demand in a few directions and groups of masks."""
    weight = demand.volume * demand.request.sum(axis=1)
    angle = np.arctan2(demand.request[:, 1], demand.request[:, 0])
    group, masks = _masks(demand.ok, weight)
    order = np.argsort(angle, kind="stable")
    share = np.cumsum(weight[order]) / max(weight.sum(), 1e-12)
    picked = np.searchsorted(share, np.linspace(0, 1, DIRECTIONS)[1:-1])
    ends = np.unique(np.concatenate([[angle.min()], angle[order][np.minimum(picked, len(order) - 1)], [angle.max()]]))
    if len(ends) == 1:
        ends = np.append(ends, ends[0] + 1e-3)
    low = np.clip(np.searchsorted(ends, angle, side="right") - 1, 0, len(ends) - 2)
    direction = np.stack([np.cos(ends), np.sin(ends)], axis=1)
    # Each pod is a sum of two directions: requests = first * direction[low] + second * direction[low + 1].
    a, b = direction[low], direction[low + 1]
    base = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    first = (demand.request[:, 0] * b[:, 1] - demand.request[:, 1] * b[:, 0]) / base
    second = (a[:, 0] * demand.request[:, 1] - a[:, 1] * demand.request[:, 0]) / base
    volume = np.zeros((len(masks), len(ends)))
    np.add.at(volume, (group, low), np.maximum(first, 0.0) * demand.volume)
    np.add.at(volume, (group, low + 1), np.maximum(second, 0.0) * demand.volume)
    at, along = np.nonzero(volume > 0)
    return Demand(direction[along], volume[at, along], masks[at])


def _masks(ok: Mask, weight: Floats) -> tuple[Ints, Mask]:
    """Groups of classes (V,) and where those may go that may go anywhere in their group: (groups, K)."""
    order = np.lexsort((*ok.T, ok.sum(axis=1)))
    changes = (ok[order[1:]] != ok[order[:-1]]).any(axis=1)
    position = np.append(0, np.cumsum(changes))
    if position[-1] >= MASKS:
        part = np.cumsum(weight[order]) / max(weight.sum(), 1e-12)
        position = np.minimum((part * MASKS).astype(np.int64), MASKS - 1)
    group = np.zeros(len(ok), dtype=np.int64)
    group[order] = np.unique(position, return_inverse=True)[1]
    masks = np.zeros((group.max() + 1, ok.shape[1]), dtype=bool)
    np.logical_or.at(masks, group, ok)
    return group, masks


def _program(demand: Demand, room: Floats, cost: Floats) -> tuple[linear.Program, Ints]:
    """Volumes (V, K) where they may go, numbers of nodes (K,): the program and the latter's variables."""
    volume, kind = np.nonzero(demand.ok)
    nodes = len(volume) + np.arange(len(cost))
    size = len(volume) + len(cost)
    program = linear.Program(np.append(np.zeros(len(volume)), cost / cost.max()), np.zeros(size), np.full(size, np.inf))
    asked = program.add_rows(np.ones(len(demand.volume)), np.full(len(demand.volume), np.inf))
    program.add_entries(asked[volume], np.arange(len(volume)), np.ones(len(volume)))
    for amount in range(room.shape[1]):
        held = program.add_rows(np.full(len(cost), -np.inf), np.zeros(len(cost)))
        taken = (demand.request[:, amount] * demand.volume)[volume]
        program.add_entries(held[kind], np.arange(len(volume)), taken)
        program.add_entries(held, nodes, -room[:, amount])
    return program, nodes
