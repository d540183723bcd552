"""
Recombining: take a few nodes, cover their pods many times at random, and let an exact model pick the best mix of all
nodes seen.

The covers are complementary by themselves, so a mix is at least as good as the best of them; the model is tiny (a few
hundred patterns, a few dozen classes) and solved in a fraction of a second.

Where nodes are few, covers at random miss the last percent: `again` lets the model decide on contents too, for two to
five nodes at a time.
"""

from __future__ import annotations

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
SECONDS, AGAIN = 0.15, 0.3
"""Limits of one answer, in seconds or the solver's own unit."""


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
    from ortools.sat.python import cp_model

    field = packer.field
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
    table = np.unique(np.concatenate(parts), axis=0)
    kinds, patterns = table[:, 0], table[:, 1:]
    used = {row.tobytes(): 0 for row in table}
    for row in np.column_stack([kind, counts]).astype(table.dtype):
        used[row.tobytes()] += 1
    old = round(float(field.cost[kind].sum()))

    model = cp_model.CpModel()
    uses = [model.new_int_var(0, len(kind) + 3, "") for _ in kinds]
    for index in np.flatnonzero(pool):
        there = np.flatnonzero(patterns[:, index])
        weights = patterns[there, index].tolist()
        model.add(cp_model.LinearExpr.weighted_sum([uses[p] for p in there], weights) >= int(pool[index]))
    for amounts, room in zip(limits.per_node, limits.room, strict=True) if limits is not None else ():
        taken = amounts[kinds].astype(np.int64).tolist()
        model.add(cp_model.LinearExpr.weighted_sum(uses, taken) <= int(room))
    price = cp_model.LinearExpr.weighted_sum(uses, field.cost[kinds].astype(np.int64).tolist())
    model.add(price <= old)
    model.minimize(price)
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
    left = pool.astype(np.int32)
    kept_kinds: list[int] = []
    kept: list[NDArray[np.int32]] = []
    for variable, bin_kind, pattern in zip(uses, kinds, patterns, strict=True):
        for _ in range(solver.value(variable)):
            row = np.minimum(pattern, left).astype(np.int32)
            if row.any():
                left -= row
                kept_kinds.append(int(bin_kind))
                kept.append(row)
    found = pack.Packing(np.array(kept_kinds, dtype=np.int64), np.stack(kept), np.zeros_like(pool))
    packer.shrink(found.kind, found.counts, limits)
    return found


def again(
    packer: pack.Packer,
    kind: Ints,
    counts: NDArray[np.int32],
    limits: quota.Limits | None = None,
    *,
    time_limit: float | None,
) -> pack.Packing | None:
    """
    The cheapest nodes for the pods of a few nodes, one more than there are at most, their contents decided pod by pod.

    Parameters
    ----------
    packer: a field without rules between pods of a node.
    kind: (m,) kinds of the nodes.
    counts: (m, C) their pods.
    limits: what the nodes may take together.
    time_limit: seconds, or None to limit effort by work.

    Returns
    -------
    Nodes that cost less and hold the same pods, or None when none were found.
    """
    from ortools.sat.python import cp_model

    field = packer.field
    pool = counts.sum(axis=0)
    classes = np.flatnonzero(pool)
    price = field.cost.astype(np.int64)
    old = int(price[kind].sum())
    order = np.argsort(-price[kind], kind="stable")
    model = cp_model.CpModel()
    slots = [
        (
            [model.new_bool_var("") for _ in price],
            [model.new_int_var(0, int(pool[c]), "") for c in classes],
        )
        for _ in range(len(kind) + 1)
    ]
    costs = [cp_model.LinearExpr.weighted_sum(bought, price.tolist()) for bought, _ in slots]
    for slot, (bought, pods) in enumerate(slots):
        model.add_at_most_one(bought)
        for r in range(field.room.shape[1]):
            need, room = field.requests[classes, r].astype(np.int64), field.room[:, r].astype(np.int64)
            taken = cp_model.LinearExpr.weighted_sum(pods, need.tolist())
            model.add(taken <= cp_model.LinearExpr.weighted_sum(bought, room.tolist()))
        for index, bin_kind in zip(*np.nonzero(~field.ok[classes]), strict=True):
            model.add(pods[index] == 0).only_enforce_if(bought[bin_kind])
        if slot:
            model.add(costs[slot] <= costs[slot - 1])
        there = slot < len(kind)
        for bin_kind, variable in enumerate(bought):
            model.add_hint(variable, there and bin_kind == kind[order[slot]])
        for c, variable in zip(classes, pods, strict=True):
            model.add_hint(variable, int(counts[order[slot], c]) if there else 0)
    for index, c in enumerate(classes):
        model.add(sum(pods[index] for _, pods in slots) == int(pool[c]))
    for amounts, most in zip(limits.per_node, limits.room, strict=True) if limits is not None else ():
        takes = amounts.astype(np.int64).tolist()
        model.add(sum(cp_model.LinearExpr.weighted_sum(bought, takes) for bought, _ in slots) <= int(most))
    total = sum(costs)
    model.add(total <= old)
    model.minimize(total)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False
    solver.parameters.random_seed = int(packer.rng.integers(1 << 30))
    solver.parameters.max_deterministic_time = AGAIN
    if time_limit is not None:
        solver.parameters.max_time_in_seconds = max(min(time_limit, AGAIN), 0.001)
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or solver.objective_value > old - 0.5:
        return None
    bought_kinds: list[int] = []
    rows: list[NDArray[np.int32]] = []
    for bought, pods in slots:
        row = np.zeros(len(pool), dtype=np.int32)
        row[classes] = [solver.value(v) for v in pods]
        if row.any():
            bought_kinds.append(next(k for k, v in enumerate(bought) if solver.value(v)))
            rows.append(row)
    return pack.Packing(np.array(bought_kinds, dtype=np.int64), np.stack(rows), np.zeros_like(pool))
