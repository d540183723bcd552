"""
Repacking: the cheapest nodes for the pods of two to five nodes, kinds and contents decided pod by pod by an exact model.

Where nodes are few, covers at random (`recombine`) miss the last percent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from solver.search import quota
from solver.search.packing import pack

if TYPE_CHECKING:
    from solver.model.cp_sat import cp_model

Ints = NDArray[np.int64]

SECONDS = 0.3
"""Limit of one answer, in seconds or the solver's own unit."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Slot:
    """A node that may be bought: a yes or no for each kind (K,), and its pods of each class in question."""

    bought: list[cp_model.IntVar]
    pods: list[cp_model.IntVar]
    cost: cp_model.LinearExpr


def repack(
    packer: pack.Packer,
    kind: Ints,
    counts: NDArray[np.int32],
    limits: quota.Limits | None = None,
    *,
    time_limit: float | None,
) -> pack.Packing | None:
    """
    The cheapest nodes for the pods of a few nodes, one more than there are at most.

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
    from solver.model.cp_sat import cp_model

    pool = counts.sum(axis=0)
    classes = np.flatnonzero(pool)
    price = packer.field.cost.astype(np.int64)
    old = int(price[kind].sum())
    model = cp_model.CpModel()
    slots = _slots(model, price, pool[classes], len(kind) + 1)
    _fit(model, packer, classes, slots)
    _hint(model, slots, kind, counts[:, classes], price)
    for index, c in enumerate(classes):
        model.add(sum(slot.pods[index] for slot in slots) == int(pool[c]))
    for amounts, most in zip(limits.per_node, limits.room, strict=True) if limits is not None else ():
        takes = amounts.astype(np.int64).tolist()
        model.add(sum(cp_model.LinearExpr.weighted_sum(slot.bought, takes) for slot in slots) <= int(most))
    total = sum(slot.cost for slot in slots)
    model.add(total <= old)
    model.minimize(total)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False
    solver.parameters.random_seed = int(packer.rng.integers(1 << 30))
    solver.parameters.max_deterministic_time = SECONDS
    if time_limit is not None:
        solver.parameters.max_time_in_seconds = max(min(time_limit, SECONDS), 0.001)
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or solver.objective_value > old - 0.5:
        return None
    kinds: list[int] = []
    rows: list[NDArray[np.int32]] = []
    for slot in slots:
        row = np.zeros(len(pool), dtype=np.int32)
        row[classes] = [solver.value(variable) for variable in slot.pods]
        if row.any():
            kinds.append(next(k for k, variable in enumerate(slot.bought) if solver.value(variable)))
            rows.append(row)
    return pack.Packing(np.array(kinds, dtype=np.int64), np.stack(rows), np.zeros_like(pool))


def _slots(model: cp_model.CpModel, price: Ints, pool: Ints, number: int) -> list[_Slot]:
    """Nodes that may be bought, for pods of some classes (c,)."""
    from solver.model.cp_sat import cp_model

    result = []
    for _ in range(number):
        bought = [model.new_bool_var("") for _ in price]
        pods = [model.new_int_var(0, int(most), "") for most in pool]
        result.append(_Slot(bought, pods, cp_model.LinearExpr.weighted_sum(bought, price.tolist())))
    return result


def _fit(model: cp_model.CpModel, packer: pack.Packer, classes: Ints, slots: Sequence[_Slot]) -> None:
    """Pods fit the node that is bought; dearer nodes come first, so that equal plans are looked at once."""
    from solver.model.cp_sat import cp_model

    field = packer.field
    for index, slot in enumerate(slots):
        model.add_at_most_one(slot.bought)
        for r in range(field.room.shape[1]):
            need, room = field.requests[classes, r].astype(np.int64), field.room[:, r].astype(np.int64)
            taken = cp_model.LinearExpr.weighted_sum(slot.pods, need.tolist())
            model.add(taken <= cp_model.LinearExpr.weighted_sum(slot.bought, room.tolist()))
        for refused, kind in zip(*np.nonzero(~field.ok[classes]), strict=True):
            model.add(slot.pods[refused] == 0).only_enforce_if(slot.bought[kind])
        if index:
            model.add(slot.cost <= slots[index - 1].cost)


def _hint(model: cp_model.CpModel, slots: Sequence[_Slot], kind: Ints, counts: NDArray[np.int32], price: Ints) -> None:
    """Begin with the nodes that there are (m,), dearest first, and their pods of the classes in question (m, c)."""
    order = np.argsort(-price[kind], kind="stable")
    for index, slot in enumerate(slots):
        there = index < len(kind)
        for bin_kind, variable in enumerate(slot.bought):
            model.add_hint(variable, there and bin_kind == kind[order[index]])
        for c, variable in enumerate(slot.pods):
            model.add_hint(variable, int(counts[order[index], c]) if there else 0)
