"""
Moves that are worth it.

Nodes removed to save money are not replaced by what costs as much; the flavors that a replacement lists are cheaper
than what it replaces; and their pods go to nodes that are ready and not still in their own consolidateAfter window.
Source: Karpenter core, `pkg/controllers/disruption/consolidation.go` and `helpers.go`.
"""

from __future__ import annotations

from collections.abc import Iterator

from solver import plan
from solver.check import disruption, facts, hosts, market

LOSS, DESTINATION = "net-loss", "destination"


def violations(known: facts.Facts) -> Iterator[plan.Violation]:
    """Replacements that save nothing, and pods moved to where they should not be."""
    if known.asked.mode == "consolidate" and known.answer.delete:
        yield from _losses(known)
        yield from _options(known)
        yield from _destinations(known)


def _reason(known: facts.Facts, pod: str) -> str:
    """Reason why the node of a pod goes, "" for pods that wait or whose node is in deletion already."""
    gone = known.deleted.get(known.moving.get(pod, ""))
    return gone.reason if gone is not None else ""


def _losses(known: facts.Facts) -> Iterator[plan.Violation]:
    saved = sum(gone.hourly for gone in known.answer.delete if gone.reason == disruption.UNDERUTILIZED)
    bought = [
        new
        for new in known.answer.create
        if new.pods and all(_reason(known, key) == disruption.UNDERUTILIZED for key in new.pods)
    ]
    spent = sum(new.hourly for new in bought)
    if bought and spent >= saved:
        words = f"nodes are replaced to save {saved} micro-euro per hour by others that cost {spent}"
        yield plan.Violation(LOSS, "", bought[0].name, words)


def _options(known: facts.Facts) -> Iterator[plan.Violation]:
    for new in known.answer.create:
        replaced = [known.deleted[name] for name in new.replaces if name in known.deleted]
        pool = known.node_pools.get(new.node_pool)
        if pool is None or not replaced or any(gone.reason != disruption.UNDERUTILIZED for gone in replaced):
            continue
        saved = sum(gone.hourly for gone in replaced)
        for name in new.flavor_options:
            offer = known.offers.offer(pool, name, new.zone)
            if isinstance(offer, market.Offer) and offer.price >= saved:
                words = f"node {new.name}: flavor option {name} is not cheaper than what it replaces"
                yield plan.Violation(LOSS, "", new.name, words)


def _destinations(known: facts.Facts) -> Iterator[plan.Violation]:
    for key, name in known.answer.placements.items():
        reason = _reason(known, key)
        if reason in ("", disruption.EXPIRED):
            continue
        if name in known.in_flight:
            yield _destination(key, name, "its node is not there yet")
            continue
        node, claim = known.snapshot.nodes.get(name), known.claim_of.get(name)
        if node is None or claim is None:
            continue
        if not hosts.is_initialized(node, claim):
            yield _destination(key, name, "it is not initialized")
        elif reason == disruption.UNDERUTILIZED and not claim.is_true("Consolidatable"):
            pool = known.snapshot.node_pools.get(known.node_pool(node))
            if pool is not None and pool.manifest.spec.disruption.consolidate_after:
                yield _destination(key, name, "it is still in its own consolidateAfter window")


def _destination(pod: str, node: str, words: str) -> plan.Violation:
    return plan.Violation(DESTINATION, pod, node, f"pod {pod} would be moved to {node}, but {words}")
