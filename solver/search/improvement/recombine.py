"""
Recombining: take a few nodes, cover their pods many times at random, and let an exact model pick the best mix of all
nodes seen.

The covers are complementary by themselves, so a mix is at least as good as the best of them; the model is tiny (a few
hundred patterns, a few dozen classes) and solved in a fraction of a second. Where nodes are few, covers at random miss the
last percent: see `repack`.
"""

from __future__ import annotations

import collections
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver.search import quota
from solver.search.column_generation import columns
from solver.search.packing import pack

Ints = NDArray[np.int64]

COPIES, LEAST_COPIES, ENTRIES = 24, 4, 2400
"""Random covers, at most and at least, and how many classes these have together."""
KNOWN = 200
SECONDS = 0.15
"""Limit of one answer, in seconds or the solver's own unit."""


def choose(packer: pack.Packer, packing: pack.Packing, size: int) -> Ints:
    """Pick nodes to take apart, the wasteful ones more often."""
    cost = packer.cost[packing.kind]
    waste = np.maximum(cost - packing.counts @ packer.value, 0.0) / cost
    key = np.log(packer.rng.random(len(cost))) / (waste + 0.01)
    return np.argsort(-key)[: min(len(cost), size)]


def recombine(
    packer: pack.Packer,
    kind: Ints,
    counts: NDArray[np.int32],
    known: columns.Columns | None = None,
    limits: quota.Limits | None = None,
    *,
    seconds: Callable[[], float | None],
    copies: int = COPIES,
) -> pack.Packing | None:
    """
    Cover the pods of some nodes anew.

    Parameters
    ----------
    packer: the field and what a pod is worth.
    kind: (m,) kinds of the nodes.
    counts: (m, C) their pods.
    known: patterns from column generation; the best of those that fit the pods are used too.
    limits: what the nodes may take together.
    seconds: what is left of the time when it is asked, or None to limit effort by work.
    copies: random covers, fewer where classes are many.

    Returns
    -------
    Nodes that cost less and hold the same pods, or None.
    """
    pool = counts.sum(axis=0)
    table = _seen(packer, kind, counts, known, copies)
    uses = _cheapest_mix(packer, table, np.column_stack([kind, counts]), limits, seconds)
    if uses is None:
        return None
    left = pool.astype(np.int32)
    kinds: list[int] = []
    rows: list[NDArray[np.int32]] = []
    for entry in np.repeat(table, uses, axis=0):
        row = np.minimum(entry[1:], left).astype(np.int32)
        if row.any():
            left -= row
            kinds.append(int(entry[0]))
            rows.append(row)
    found = pack.Packing(np.array(kinds, dtype=np.int64), np.stack(rows), np.zeros_like(pool))
    packer.shrink(found.kind, found.counts, limits)
    return found


def _seen(
    packer: pack.Packer, kind: Ints, counts: NDArray[np.int32], known: columns.Columns | None, copies: int
) -> Ints:
    """Nodes for the pods of some nodes (P, 1 + C), kind and pods of each: these nodes, those of random covers, patterns."""
    pool = counts.sum(axis=0)
    copies = min(copies, max(LEAST_COPIES, ENTRIES // max(1, int((pool > 0).sum()))))
    _, new_kind, new_counts, _ = packer.cover_groups(np.repeat(pool[None].astype(np.float64), copies, axis=0))
    packer.shrink(new_kind, new_counts)
    parts = [np.column_stack([kind, counts]), np.column_stack([new_kind, new_counts])]
    if known is not None:
        fitting = np.flatnonzero((known.counts <= pool).all(axis=1))
        ratio = known.counts[fitting] @ packer.value / packer.cost[known.kind[fitting]]
        fitting = fitting[np.argsort(-ratio, kind="stable")[:KNOWN]]
        parts.append(np.column_stack([known.kind[fitting], known.counts[fitting]]))
    return np.unique(np.concatenate(parts), axis=0)


def _cheapest_mix(
    packer: pack.Packer, table: Ints, now: Ints, limits: quota.Limits | None, seconds: Callable[[], float | None]
) -> Ints | None:
    """How often to buy each node of a table (P,) to hold all pods of the nodes `now` (m, 1 + C); None: not cheaper."""
    from solver.model.cp_sat import cp_model

    kinds, patterns, pool = table[:, 0], table[:, 1:], now[:, 1:].sum(axis=0)
    price = packer.field.cost.astype(np.int64)
    old = round(float(packer.field.cost[now[:, 0]].sum()))
    used = collections.Counter(row.tobytes() for row in now.astype(table.dtype))
    model = cp_model.CpModel()
    uses = [model.new_int_var(0, len(now) + 3, "") for _ in kinds]
    for index in np.flatnonzero(pool):
        there = np.flatnonzero(patterns[:, index])
        weights = patterns[there, index].tolist()
        model.add(cp_model.LinearExpr.weighted_sum([uses[p] for p in there], weights) >= int(pool[index]))
    for amounts, room in zip(limits.per_node, limits.room, strict=True) if limits is not None else ():
        taken = amounts[kinds].astype(np.int64).tolist()
        model.add(cp_model.LinearExpr.weighted_sum(uses, taken) <= int(room))
    total = cp_model.LinearExpr.weighted_sum(uses, price[kinds].tolist())
    model.add(total <= old)
    model.minimize(total)
    for variable, row in zip(uses, table, strict=True):
        model.add_hint(variable, used[row.tobytes()])
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2
    solver.parameters.catch_sigint_signal = False
    solver.parameters.random_seed = int(packer.rng.integers(1 << 30))
    time = seconds()
    if time is None:
        solver.parameters.max_deterministic_time = SECONDS
    else:
        solver.parameters.max_time_in_seconds = max(min(time, SECONDS), 0.001)
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or solver.objective_value > old - 0.5:
        return None
    return np.array([solver.value(variable) for variable in uses], dtype=np.int64)
