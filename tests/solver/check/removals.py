"""Clusters with nodes to remove, and plans that remove them."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from solver import cluster, plan
from tests.solver import builders as b

ALL = {"budgets": [{"nodes": "100%"}]}
"""Disruption settings of a NodePool that hold nothing up."""


def world(*objects: Any, pool: cluster.NodePool | None = None) -> cluster.Cluster:
    """A cluster with NodePool "general" whose budgets allow everything."""
    return b.cluster(pool or b.pool(disruption=ALL), *objects)


def removal(
    of: cluster.Cluster,
    removed: Mapping[str, str],
    moves: Mapping[str, str] | None = None,
    create: Iterable[plan.NewNode] = (),
    **changes: Any,
) -> plan.Plan:
    """A plan that removes nodes for a reason each and moves pods in one step; other nodes with claims are kept."""
    new = tuple(create)
    claimed = {each.node for each in of.node_claims.values() if each.node}
    keep = tuple(plan.KeptNode(name, "general", "it is needed") for name in sorted(claimed - removed.keys()))
    answer = b.plan(
        of, *new, placed=moves, delete=[b.gone(of, name, reason) for name, reason in removed.items()], keep=keep
    )
    step = plan.Step(tuple(each.name for each in new), tuple(removed), answer.placements, 240)
    return dataclasses.replace(answer, **({"steps": (step,)} | changes))
