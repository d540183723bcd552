"""
NodePools by weight: new nodes come from the heaviest NodePool that can take the pods; price decides within a weight.

Source: https://karpenter.sh/docs/concepts/nodepools/#specweight ; equal weights tie here, where Karpenter takes names
in descending order (`pkg/utils/nodepool/nodepool.go`). What a NodePool's requirements allow is already in the labels
of its offers.
"""

from __future__ import annotations

import numpy as np

from solver import problem
from solver.rules import builder, context

name = "nodepool"

NO_POOLS = "no dynamic nodepools found"
NO_FLAVORS = "nodepool requirements filtered out all available instance types"


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Rank each offer by how many heavier weights the class could have had."""
    weights = np.array([about.templates[offer.node_pool].weight for offer in about.offers], dtype=np.int64)
    levels, level_of = np.unique(-weights, return_inverse=True)
    if about.options.weights == "price" or len(levels) < 2:
        return
    ok = into.ok[:, len(about.places) :]
    usable = np.stack([ok[:, level_of == level].any(axis=1) for level in range(len(levels))], axis=1)
    heavier: problem.Ints = np.cumsum(usable, axis=1) - usable
    into.rank += heavier[:, level_of]


def explain(about: context.Context, pod_class: int, place: int) -> str:  # noqa: ARG001
    """Upstream's words for NodePools without a flavor; offers are ranked here, none is refused."""
    return NO_FLAVORS
