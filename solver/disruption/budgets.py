"""
How many nodes of a NodePool may go now, by reason.

Budgets count the pool's initialized nodes whose machines are not going yet; those that are not ready or in deletion use
a budget up, whatever the reason. All reasons share that count, so that a node which goes for one reason is missing for
the others. Source: Karpenter core, `pkg/controllers/disruption/helpers.go`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from solver import cluster
from solver.disruption import candidates

REASONS = (candidates.EMPTY, candidates.DRIFTED, candidates.UNDERUTILIZED)


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """Of `nodes` (names) at most `room` may go: what one budget says."""

    name: str
    nodes: frozenset[str]
    room: int


def allowed(
    of: cluster.Cluster, found: Iterable[candidates.Candidate], going: Collection[str], now: int
) -> dict[tuple[str, str], int]:
    """
    Nodes that may go by NodePool and reason, those disrupting already taken off; never below 0.

    `going` are further nodes that go in any case (expired ones) and use the budgets up.
    """
    leaving = {each.name for each in found if each.blocked == "Node is deleting or marked for deletion"}
    total: dict[str, int] = {}
    disrupting: dict[str, int] = {}
    for each in found:
        if not candidates.is_initialized(each.node, each.claim) or each.claim.is_true("InstanceTerminating"):
            continue
        total[each.pool] = total.get(each.pool, 0) + 1
        if not each.node.ready or each.name in leaving or each.name in going:
            disrupting[each.pool] = disrupting.get(each.pool, 0) + 1
    return {
        (name, reason): max(
            0,
            pool.manifest.spec.disruption.allowed(reason, total.get(name, 0), now) - disrupting.get(name, 0),
        )
        for name, pool in of.node_pools.items()
        for reason in REASONS
    }


def limits(room: Mapping[tuple[str, str], int], chosen: Mapping[str, tuple[str, str]]) -> list[Limit]:
    """
    Limits on the nodes in `chosen` (name to NodePool and reason) so that they can go in some order within `room`.

    With reasons sorted by room, all nodes that go for one or for a reason with less room are within its room.
    """
    found = []
    for pool in dict.fromkeys(pool for pool, _ in chosen.values()):
        for reason in REASONS:
            most = room[pool, reason]
            nodes = frozenset(name for name, (own, why) in chosen.items() if own == pool and room[own, why] <= most)
            if len(nodes) > most:
                found.append(Limit(f"disruption budget of {pool} for {reason}", nodes, most))
    return found
