"""
Which nodes may go, for which reasons, and in upstream's words why not.

Source: Karpenter core, `pkg/controllers/disruption` (types.go, consolidation.go, emptiness.go, drift.go) and
`pkg/controllers/state/statenode.go`. Conditions are taken as stored on the claims.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from catalog import catalogue, labels
from crds import nodepool
from solver import cluster
from solver.disruption import pods as pod_rules
from solver.snapshot import pending

EMPTY, UNDERUTILIZED, DRIFTED, EXPIRED = "Empty", "Underutilized", "Drifted", "Expired"

INITIALIZED = "karpenter.sh/initialized"


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """
    A node with a claim.

    `reasons` are those for which it may go, `blocked` says why there is none. `drifted_since` is when it drifted
    (seconds since the epoch). `pods` are all pods on it, `moving` those that would have to move, `stuck` those of them
    that may not be evicted and that a node with a deadline leaves behind.
    """

    node: cluster.Node
    claim: cluster.NodeClaim
    pool: str
    pods: tuple[cluster.Pod, ...]
    moving: tuple[cluster.Pod, ...]
    stuck: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    blocked: str = ""
    drifted_since: int = 0

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.node.name


def find(of: cluster.Cluster, known: catalogue.Catalogue, now: int) -> list[Candidate]:
    """All nodes with a claim, in the order of the input, and what may happen to them at `now`."""
    return _Finder(of, known, now).find()


def owners(of: cluster.Cluster) -> dict[str, cluster.NodeClaim]:
    """The claims of nodes, by node name."""
    by_node = {claim.node: claim for claim in of.node_claims.values() if claim.node}
    by_machine = {claim.provider_id: claim for claim in of.node_claims.values() if claim.provider_id}
    found = {}
    for node in of.nodes.values():
        claim = by_node.get(node.name) or (by_machine.get(node.provider_id) if node.provider_id else None)
        if claim is not None:
            found[node.name] = claim
    return found


def node_pool(node: cluster.Node, claim: cluster.NodeClaim) -> str:
    """Name of the NodePool that owns a node, "" when none does."""
    return claim.node_pool or node.labels.get(labels.NODEPOOL, "")


def is_initialized(node: cluster.Node, claim: cluster.NodeClaim) -> bool:
    """Whether a node has registered and is ready for pods as far as Karpenter is concerned."""
    registered = claim.is_true("Registered") or node.labels.get("karpenter.sh/registered") == "true"
    return registered and (claim.is_true("Initialized") or node.labels.get(INITIALIZED) == "true")


def has_drifted(claim: cluster.NodeClaim, pool: cluster.NodePool) -> bool:
    """Whether the claim says so, or carries another hash than its NodePool under the same version of hashes."""
    if claim.is_true("Drifted"):
        return True
    keys = (nodepool.HASH_ANNOTATION, nodepool.HASH_VERSION_ANNOTATION)
    own, wanted = ([each.annotations.get(key) for key in keys] for each in (claim, pool))
    return None not in own and None not in wanted and own[1] == wanted[1] and own[0] != wanted[0]


def has_expired(claim: cluster.NodeClaim, now: int) -> bool:
    """Whether the claim has lived for its `expireAfter`, to the second; Never never ends."""
    return claim.expire_after is not None and now >= claim.created + claim.expire_after


class _Finder:
    def __init__(self, of: cluster.Cluster, known: catalogue.Catalogue, now: int) -> None:
        self.of = of
        self.known = known
        self.now = now
        self.budgets = pod_rules.Budgets(of)
        self.never = pending.Blocked(of)
        self.leaving = pending.deleting_nodes(of)
        self.nominated = {pod.nominated_node for pod in pending.nominated(of)}
        self.on_node: dict[str, list[cluster.Pod]] = {}
        for pod in of.pods.values():
            if pod.node:
                self.on_node.setdefault(pod.node, []).append(pod)

    def find(self) -> list[Candidate]:
        claims = owners(self.of)
        return [self._candidate(self.of.nodes[name], claim) for name, claim in claims.items()]

    def _candidate(self, node: cluster.Node, claim: cluster.NodeClaim) -> Candidate:
        there = tuple(self.on_node.get(node.name, ()))
        pool = node_pool(node, claim)
        found = Candidate(node, claim, pool, there, tuple(pod for pod in there if pending.movable(pod)))
        why = self._not_owned(node, claim, pool)
        if why is not None:
            return dataclasses.replace(found, blocked=why)
        if has_expired(claim, self.now):
            return dataclasses.replace(found, reasons=(EXPIRED,), stuck=self._stuck(found))
        why = self._not_a_candidate(node, claim)
        if why is not None:
            return dataclasses.replace(found, blocked=why)
        owner = self.of.node_pools[pool]
        block = self._blocking_pod(there)
        drifts = has_drifted(claim, owner) and owner.manifest.spec.replicas is None
        reasons: list[str] = []
        why = block or self._not_consolidatable(node, claim, owner, there)
        if why is None:
            reasons.append(EMPTY if pod_rules.is_empty(there) else UNDERUTILIZED)
        ends = claim.termination_grace_period is not None
        if drifts and (block is None or ends):
            reasons.append(DRIFTED)
        condition = claim.conditions.get("Drifted")
        return dataclasses.replace(
            found,
            reasons=tuple(reasons),
            blocked="" if reasons else why or "",
            stuck=self._stuck(found) if ends else frozenset(),
            drifted_since=condition.changed if condition is not None else 0,
        )

    def _stuck(self, found: Candidate) -> frozenset[str]:
        return frozenset(pod.key for pod in found.moving if pending.protected(pod, self.now) or self.never(pod))

    def _not_owned(self, node: cluster.Node, claim: cluster.NodeClaim, pool: str) -> str | None:
        """What keeps even an expired node."""
        if node.name in self.leaving or claim.deleting:
            return "Node is deleting or marked for deletion"
        if not pool:
            return f"Node doesn't have required label (label={labels.NODEPOOL})"
        if pool not in self.of.node_pools:
            return f"NodePool not found (NodePool={pool})"
        return None

    def _not_a_candidate(self, node: cluster.Node, claim: cluster.NodeClaim) -> str | None:
        if not is_initialized(node, claim):
            return "Node isn't initialized"
        if node.name in self.nominated:
            return "Node is nominated for a pending pod"
        if node.annotations.get(pending.DO_NOT_DISRUPT) == "true":
            return f'Disruption is blocked through the "{pending.DO_NOT_DISRUPT}" annotation'
        return None

    def _blocking_pod(self, there: Sequence[cluster.Pod]) -> str | None:
        """A pod that may not be disturbed; a protected one is said before budgets, and its budgets do not count."""
        protected = [pod for pod in there if pod_rules.is_active(pod) and pending.protected(pod, self.now)]
        if protected:
            return f'Pod has "{pending.DO_NOT_DISRUPT}" annotation (Pod={protected[0].key})'
        return self.budgets.blocking(there)

    def _not_consolidatable(
        self, node: cluster.Node, claim: cluster.NodeClaim, pool: cluster.NodePool, there: Sequence[cluster.Pod]
    ) -> str | None:
        disruption = pool.manifest.spec.disruption
        if pool.manifest.spec.replicas is not None:
            return f'NodePool "{pool.name}" is static'
        if disruption.consolidate_after is None:
            return f'NodePool "{pool.name}" has consolidation disabled'
        if not pod_rules.is_empty(there):
            flavor = node.labels.get(labels.INSTANCE_TYPE, "")
            if flavor not in self.known.flavors:
                return f'Instance Type "{flavor}" not found'
            for key in (labels.CAPACITY_TYPE, labels.ZONE):
                if key not in node.labels:
                    return f'Node does not have label "{key}"'
            if disruption.consolidation_policy == "WhenEmpty":
                return f'NodePool "{pool.name}" has consolidation policy WhenEmpty, but node is not empty'
        if not claim.is_true("Consolidatable"):
            return "Node is not consolidatable: pods came or went within consolidateAfter"
        return None
