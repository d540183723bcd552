"""
How many nodes may go at a time: disruption budgets of NodePools, and what the user allows.

A budget is about the initialized nodes of its pool whose machines are not going yet; those that are not ready or in
deletion use it up for every reason. Reasons share one count: a node removed for one reason counts for the others, so
that there must be an order in which each removal is within the budget of its reason. Expired nodes ask no budget.
Source: Karpenter core, `pkg/controllers/disruption/helpers.go`, `pkg/apis/v1/nodepool.go`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from solver import cluster, plan
from solver.check import disruption, facts, hosts

RULE, WISH = "budgets", "max-disruption"


def violations(known: facts.Facts) -> Iterator[plan.Violation]:
    """Budgets that the plan's removals exceed at `options.now`."""
    if known.asked.mode != "consolidate":
        return
    by_pool: dict[str, Counter[str]] = {}
    for gone in known.answer.delete:
        node = known.snapshot.nodes.get(gone.node)
        if node is not None and gone.reason != disruption.EXPIRED:
            by_pool.setdefault(known.node_pool(node), Counter())[gone.reason] += 1
    for name, removed in by_pool.items():
        if name in known.snapshot.node_pools:
            yield from _exceeded(known, known.snapshot.node_pools[name], removed)
    yield from _wished(known)


def _exceeded(known: facts.Facts, pool: cluster.NodePool, removed: Counter[str]) -> Iterator[plan.Violation]:
    total = disrupting = 0
    for node in known.snapshot.nodes.values():
        claim = known.claim_of.get(node.name)
        if claim is None or known.node_pool(node) != pool.name:
            continue
        if hosts.is_initialized(node, claim) and not claim.is_true("InstanceTerminating"):
            total += 1
            disrupting += not node.ready or node.name in known.leaving
    allowed = {
        reason: max(0, pool.manifest.spec.disruption.allowed(reason, total, known.asked.now) - disrupting)
        for reason in removed
    }
    so_far = 0
    for reason in sorted(removed, key=lambda each: (allowed[each], each)):
        so_far += removed[reason]
        if so_far > allowed[reason]:
            words = f"NodePool {pool.name}: {so_far} nodes would go, its budgets allow {allowed[reason]} for {reason}"
            there = f"{total} nodes, {disrupting} of them not ready or in deletion"
            yield plan.Violation(RULE, "", "", f"{words} ({there})")


def _wished(known: facts.Facts) -> Iterator[plan.Violation]:
    chosen = [gone for gone in known.answer.delete if gone.reason != disruption.EXPIRED]
    evicted = sum(key in known.moving for gone in chosen for key in gone.pods)
    for name, wanted, count in (
        ("nodes", known.asked.max_nodes, len(chosen)),
        ("evictions", known.asked.max_evictions, evicted),
    ):
        if wanted is not None and count > wanted:
            yield plan.Violation(WISH, "", "", f"the plan takes {count} {name}, at most {wanted} were asked for")
