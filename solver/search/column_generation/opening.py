"""
The first nodes where many pods are of few classes: patterns of a small part of the pods, used as often as all pods need.

The effort hardly depends on how many pods there are. A master over the patterns chooses among them; its whole parts are
all but about a node for each class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields
from solver.search import params, quota
from solver.search.column_generation import columns as patterns
from solver.search.packing import pack
from solver.search.relaxation import compact, merge

Ints = NDArray[np.int64]

CLASSES = 40
"""With so few classes the master and rounds of pricing take no longer than filling nodes for all pods does."""
NODES = 48
"""The part of the pods that patterns are made from fills about so many nodes; with fewer in all there is no part."""
ROUNDS, ENOUGH = 6, 0.005
"""Rounds of pricing at most, fewer once the master is so little above the relaxation."""


def applies(field: fields.Field, counts: Ints, volumes: compact.Volumes) -> bool:
    """Whether this is the way to begin with pods (C,) of a field."""
    classes = int(np.count_nonzero(counts))
    placeable = np.asarray(field.ok.any(axis=1))[counts > 0]
    return 0 < classes <= min(CLASSES, float(volumes.nodes.sum())) and field.host.empty and bool(placeable.all())


def begin(
    packer: pack.Packer,
    counts: Ints,
    volumes: compact.Volumes,
    merged: merge.Merged,
    limits: quota.Limits | None,
    budget: params.Budget,
    node_charge: int,
) -> pack.Packing | None:
    """
    Nodes for most of the pods (C,), what is left over still without a place. The worths that the packer goes by become those
    of the master. None when limits do not allow the nodes.
    """
    field = packer.field
    columns = patterns.Columns(
        field, counts, packer.value, volumes.bound, node_charge, quota.tight(limits, field, counts)
    )
    columns.add_singles()
    columns.add(*packer.sketch(counts, volumes, merged, min(1.0, NODES / float(volumes.nodes.sum()))))
    rounds = 0

    def enough(value: float) -> bool:
        nonlocal rounds
        rounds += 1
        return rounds >= ROUNDS or value <= volumes.bound * (1 + ENOUGH)

    effort = patterns.Effort(packer.stop, budget.tick, seed=0, workers=1)
    master = columns.generate(packer.rng, effort, enough)
    if master is None:
        return None
    begun = pack.Packing(*columns.whole(master, counts))
    if limits is not None and (limits.used(begun.kind) > limits.room).any():
        return None
    packer.value = np.maximum(columns.worths(master.duals), 1e-6)
    packer.cost = field.cost + columns.charge(master.duals)
    return begun
