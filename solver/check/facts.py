"""What the checker derives from its input once: NodePools, offers, which pods are to be placed, which nodes go."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from catalog import catalogue
from catalog import labels as names
from solver import cluster, options, plan
from solver.check import demand, market, pools, storage


@dataclasses.dataclass(slots=True)
class Facts:
    """
    The question and the answer, indexed.

    `claim_of` maps node names to their claims, `in_flight` holds the claims that have no Node. `leaving` are nodes in
    deletion, `deleted` those that the plan removes. `moving` maps pods of both, as far as they move, to the node that
    they leave; `stuck` are pods that may not be evicted and hold their node until a deadline or for ever.
    """

    snapshot: cluster.Cluster
    catalogue: catalogue.Catalogue
    asked: options.Options
    answer: plan.Plan
    node_pools: Mapping[str, pools.Pool]
    daemon_sets: tuple[cluster.DaemonSet, ...]
    offers: market.Market
    budgets: demand.Budgets
    claim_of: dict[str, cluster.NodeClaim]
    in_flight: dict[str, cluster.NodeClaim]
    leaving: set[str]
    deleted: dict[str, plan.GoneNode]
    created: dict[str, plan.NewNode]
    waiting: set[str]
    moving: dict[str, str]
    stuck: set[str]
    storage: storage.Storage
    affordable: list[market.Offer] | None = None
    """Filled by `fleet.affordable`."""

    def node_pool(self, node: cluster.Node) -> str:
        """Name of the NodePool that owns a node, "" when none does."""
        claim = self.claim_of.get(node.name)
        return (claim.node_pool if claim is not None else "") or node.labels.get(names.NODEPOOL, "")

    def flavor(self, labels: Mapping[str, str]) -> str:
        """Name of the flavor that labels name, "" when they do not."""
        return labels.get(names.INSTANCE_TYPE, "")

    def hourly(self, flavor_name: str, node_pool: str) -> int:
        """Catalogue price of a node that exists, micro-euro per hour; 0 when it is not known."""
        of = self.catalogue.flavors.get(flavor_name)
        pool = self.node_pools.get(node_pool)
        if of is None:
            return 0
        return catalogue.price_per_hour(of, monthly=pool is not None and pool.monthly)[1] or 0

    @property
    def due(self) -> set[str]:
        """Pods that belong into the plan's placements or its list of unschedulable pods."""
        return self.waiting | self.moving.keys()

    def ends_by_deadline(self, name: str) -> bool:
        """Whether a node that the plan removes goes whatever its pods say: expired, or drifted with a grace period."""
        claim = self.claim_of.get(name)
        reason = self.deleted[name].reason
        return reason == "Expired" or (
            reason == "Drifted" and claim is not None and claim.termination_grace_period is not None
        )

    def held(self) -> set[str]:
        """Nodes that go away, but not before pods on them do that may not be evicted."""
        return {self.snapshot.pods[key].node for key in self.stuck}


def gather(snapshot: cluster.Cluster, known: catalogue.Catalogue, answer: plan.Plan, asked: options.Options) -> Facts:
    """Index a question and its answer."""
    pool_views = pools.read(snapshot, asked)
    daemon_sets = tuple(snapshot.daemon_sets.values())
    claim_of, in_flight = _claims(snapshot)
    leaving = {claim.name for claim in in_flight.values() if claim.deleting} | {
        name for name, node in snapshot.nodes.items() if node.deleting or (name in claim_of and claim_of[name].deleting)
    }
    found = Facts(
        snapshot=snapshot,
        catalogue=known,
        asked=asked,
        answer=answer,
        node_pools=pool_views,
        daemon_sets=daemon_sets,
        offers=market.Market(known, asked, pool_views, daemon_sets),
        budgets=demand.Budgets.of(snapshot),
        claim_of=claim_of,
        in_flight=in_flight,
        leaving=leaving,
        deleted={gone.node: gone for gone in answer.delete},
        created={node.name: node for node in answer.create},
        waiting=set(),
        moving={},
        stuck=set(),
        storage=storage.Storage(snapshot),
    )
    for key, pod in snapshot.pods.items():
        if not pod.node:
            if demand.is_waiting(pod) and not (pod.nominated_node and _is_nominated(pod, found)):
                found.waiting.add(key)
        elif pod.node in leaving or pod.node in found.deleted:
            _goes(key, pod, found)
    return found


def _claims(snapshot: cluster.Cluster) -> tuple[dict[str, cluster.NodeClaim], dict[str, cluster.NodeClaim]]:
    by_machine = {node.provider_id: name for name, node in snapshot.nodes.items() if node.provider_id}
    claim_of, in_flight = {}, {}
    for claim in snapshot.node_claims.values():
        node = claim.node if claim.node in snapshot.nodes else by_machine.get(claim.provider_id, "")
        if node:
            claim_of[node] = claim
        else:
            in_flight[claim.name] = claim
    return claim_of, in_flight


def _is_nominated(pod: cluster.Pod, found: Facts) -> bool:
    """Whether the scheduler has promised a pod room on a node that stays; one that goes promises none."""
    name = pod.nominated_node
    return name in found.snapshot.nodes and name not in found.leaving and name not in found.deleted


def _goes(key: str, pod: cluster.Pod, found: Facts) -> None:
    """Note whether a pod of a node that goes away moves, or holds the node."""
    if not demand.is_reschedulable(pod):
        return
    held = pod.node in found.leaving or found.ends_by_deadline(pod.node)
    if held and not demand.may_be_evicted(pod, found.budgets, found.asked.now):
        found.stuck.add(key)
    else:
        found.moving[key] = pod.node
