"""
Recombining: take a few nodes, cover their pods many times at random, and let an exact model pick the best mix of all
nodes seen.

The covers are complementary by themselves, so a mix is at least as good as the best of them; the model is tiny (a few
hundred patterns, a few dozen classes) and solved in a fraction of a second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from solver.search import columns, compact, pack

Ints = NDArray[np.int64]

COPIES = 24
KNOWN = 200
SECONDS = 0.15


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
    limits: compact.Limits | None = None,
    *,
    deterministic: bool,
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
    deterministic: limit effort by work instead of time.
    copies: random covers.

    Returns
    -------
    Nodes that cost less and hold the same pods, or None.
    """
    field = packer.field
    pool = counts.sum(axis=0)
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
    if deterministic:
        solver.parameters.max_deterministic_time = SECONDS
    else:
        solver.parameters.max_time_in_seconds = SECONDS
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
