"""
Which nodes may be removed, and why.

Expired nodes go whatever anybody says. The others are managed and initialized, promised to no pod and protected by
nothing, and their reason is true of them as the objects say (`Consolidatable`, `Drifted`, hashes, emptiness).
Sources: Karpenter core, `pkg/controllers/disruption` (types.go, helpers.go, emptiness.go, consolidation.go,
drift.go), `pkg/utils/disruption` and `pkg/controllers/state/statenode.go`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from catalog import labels as names
from solver import cluster, plan
from solver.check import demand, facts, hosts, match

RULE, MODE, ACCOUNT = "disruption", "mode", "kept-and-removed"

EMPTY, UNDERUTILIZED, DRIFTED, EXPIRED = "Empty", "Underutilized", "Drifted", "Expired"
REASONS = (EMPTY, UNDERUTILIZED, DRIFTED, EXPIRED)

DISRUPTED = cluster.Taint("karpenter.sh/disrupted", "", "NoSchedule")
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
HASH, HASH_VERSION = "karpenter.sh/nodepool-hash", "karpenter.sh/nodepool-hash-version"


def violations(known: facts.Facts) -> Iterator[plan.Violation]:
    """Nodes that the plan removes although they may not go, or describes wrongly."""
    if known.asked.mode == "provision":
        for gone in known.answer.delete:
            yield _violation(MODE, gone.node, "nothing is removed when nodes are provisioned")
        return
    on = _pods_by_node(known)
    promised = {pod.nominated_node: pod.key for pod in known.snapshot.pods.values() if demand.is_waiting(pod)}
    for gone in known.answer.delete:
        node = known.snapshot.nodes.get(gone.node)
        if node is None:
            continue
        yield from _described(known, gone, node, on.get(gone.node, []))
        if known.asked.mode == "consolidate":
            words = _not_a_candidate(known, node, promised) or _not_for(gone.reason, known, node, on.get(gone.node, []))
            if words is not None:
                yield _violation(RULE, gone.node, words)
            yield from _unplaced(known, gone)
    if known.asked.mode == "consolidate":
        yield from _accounted(known)


def _violation(rule: str, node: str, words: str, pod: str = "") -> plan.Violation:
    start = f"node {node} may not be removed" if rule == RULE else f"node {node}"
    return plan.Violation(rule, pod, node, f"{start}: {words}")


def _pods_by_node(known: facts.Facts) -> dict[str, list[cluster.Pod]]:
    found: dict[str, list[cluster.Pod]] = {}
    for pod in known.snapshot.pods.values():
        if pod.node in known.deleted:
            found.setdefault(pod.node, []).append(pod)
    return found


def _accounted(known: facts.Facts) -> Iterator[plan.Violation]:
    """Each node with a claim is either removed or kept, and a kept one says why."""
    kept = Counter(each.node for each in known.answer.keep)
    for name in known.claim_of:
        if kept[name] + (name in known.deleted) != 1:
            yield _violation(ACCOUNT, name, "it must be either removed or kept, and be listed once")
    for each in known.answer.keep:
        if each.node not in known.claim_of:
            yield _violation(ACCOUNT, each.node, "it is listed as kept, but no node with a claim has this name")
        elif not each.reason:
            yield _violation(ACCOUNT, each.node, "it is kept for no reason")


def _described(
    known: facts.Facts, gone: plan.GoneNode, node: cluster.Node, pods: list[cluster.Pod]
) -> Iterator[plan.Violation]:
    claim, pool = known.claim_of.get(node.name), known.node_pool(node)
    right = (
        ("claim", gone.node_claim, claim.name if claim is not None else ""),
        ("NodePool", gone.node_pool, pool),
        ("flavor", gone.flavor, known.flavor(node.labels)),
        ("zone", gone.zone, node.labels.get(names.ZONE, "")),
        ("price", gone.hourly, known.hourly(known.flavor(node.labels), pool)),
        ("list of pods", sorted(gone.pods), sorted(pod.key for pod in pods if demand.is_reschedulable(pod))),
    )
    for what, stated, true in right:
        if stated != true:
            yield _violation(ACCOUNT, node.name, f"its {what} is {true or 'none'}, not {stated or 'none'}")


def _not_a_candidate(known: facts.Facts, node: cluster.Node, promised: Mapping[str, str]) -> str | None:
    claim = known.claim_of.get(node.name)
    if claim is None:
        return "no NodeClaim owns it"
    if node.name in known.leaving:
        return "it is in deletion already"
    if known.node_pool(node) not in known.node_pools:
        return f"its NodePool {known.node_pool(node)} does not exist"
    if known.deleted[node.name].reason == EXPIRED:
        return None
    if not hosts.is_initialized(node, claim):
        return "it is not initialized"
    if node.annotations.get(demand.DO_NOT_DISRUPT) == "true":
        return "its annotation karpenter.sh/do-not-disrupt forbids it"
    return f"it is nominated for the pending pod {promised[node.name]}" if node.name in promised else None


def _not_for(reason: str, known: facts.Facts, node: cluster.Node, pods: list[cluster.Pod]) -> str | None:
    """Why a candidate does not go for its reason."""
    claim = known.claim_of.get(node.name)
    assert claim is not None
    if reason == EXPIRED:
        alive = claim.expire_after is None or known.asked.now < claim.created + claim.expire_after
        return "it has not expired" if alive else None
    if reason == DRIFTED:
        why = None if _has_drifted(known, node, claim) else "it has not drifted"
        return why or (None if claim.termination_grace_period is not None else _blocking_pod(known, pods))
    if reason not in REASONS:
        return f"{reason} is no reason"
    return _not_consolidatable(reason, known, node, claim, pods) or _blocking_pod(known, pods)


def _has_drifted(known: facts.Facts, node: cluster.Node, claim: cluster.NodeClaim) -> bool:
    """Whether the claim says so, or its stored hash is another than its NodePool's under the same version."""
    if claim.is_true("Drifted"):
        return True
    of, pool = claim.annotations, known.snapshot.node_pools[known.node_pool(node)].annotations
    hashes, versions = (of.get(HASH), pool.get(HASH)), (of.get(HASH_VERSION), pool.get(HASH_VERSION))
    return None not in hashes and None not in versions and versions[0] == versions[1] and hashes[0] != hashes[1]


def _not_consolidatable(
    reason: str, known: facts.Facts, node: cluster.Node, claim: cluster.NodeClaim, pods: list[cluster.Pod]
) -> str | None:
    pool = known.snapshot.node_pools[known.node_pool(node)]
    disruption = pool.manifest.spec.disruption
    empty = is_empty(pods)
    if pool.manifest.spec.replicas is not None:
        return f"NodePool {pool.name} is static"
    if disruption.consolidate_after is None:
        return f"NodePool {pool.name} has consolidation disabled"
    if not claim.is_true("Consolidatable"):
        return "it is not consolidatable"
    if reason == EMPTY:
        return None if empty else "it is not empty"
    if empty:
        return "it is empty, which is another reason"
    if disruption.consolidation_policy == "WhenEmpty":
        return f"NodePool {pool.name} has consolidation policy WhenEmpty, but it is not empty"
    if known.flavor(node.labels) not in known.catalogue.flavors:
        return f"its flavor {known.flavor(node.labels) or 'label'} is not in the catalogue"
    missing = next((key for key in (names.CAPACITY_TYPE, names.ZONE) if key not in node.labels), None)
    return f"it has no label {missing}" if missing is not None else None


def is_empty(pods: list[cluster.Pod]) -> bool:
    """Whether no pod on a node that would have to move costs anything to evict."""
    return not any(demand.is_reschedulable(pod) and eviction_cost(pod) > 0 for pod in pods)


def eviction_cost(pod: cluster.Pod) -> float:
    """What evicting a pod counts: 1, more for high priority and pod-deletion-cost, within -10 and 10."""
    try:
        stated = int(pod.annotations.get(DELETION_COST, "0"))
    except ValueError:
        stated = 0
    return max(-10.0, min(10.0, 1 + stated / 2**27 + pod.spec.priority / 2**25))


def is_evicted(pod: cluster.Pod) -> bool:
    """Whether a drain evicts a pod: neither a mirror nor one that tolerates the taint of disrupted nodes."""
    return not pod.mirror and not any(match.tolerates(each, DISRUPTED) for each in pod.spec.tolerations)


def _blocking_pod(known: facts.Facts, pods: list[cluster.Pod]) -> str | None:
    for pod in pods:
        if not demand.is_active(pod):
            continue
        if demand.is_protected(pod, known.asked.now):
            return f"pod {pod.key} has the annotation karpenter.sh/do-not-disrupt"
        if not is_evicted(pod):
            continue
        found = known.budgets.covering(pod)
        if len(found) > 1:
            return f"pod {pod.key} has two PodDisruptionBudgets, with which it cannot be evicted"
        for budget in found:
            if not demand.skips(budget, pod) and known.budgets.allowed(budget) <= 0:
                return f"PodDisruptionBudget {budget.namespace}/{budget.name} prevents the eviction of pod {pod.key}"
    return None


def _unplaced(known: facts.Facts, gone: plan.GoneNode) -> Iterator[plan.Violation]:
    """A node goes only when its pods have a place; an expired one goes anyway."""
    if gone.reason == EXPIRED:
        return
    for key in gone.pods:
        if key in known.moving and key not in known.answer.placements:
            yield _violation(RULE, gone.node, f"pod {key} would have no place", key)
