"""
Required pod anti-affinity, in both directions.

No planned pod is in a domain with a pod that it excludes, or with a pod that excludes it. Pods on nodes without the
topology key are not affected. Pods being deleted still count, and so do pods that DaemonSets bring to a node. Preferred
terms exclude nobody. kube-scheduler:
`pkg/scheduler/framework/plugins/interpodaffinity/filtering.go`.
"""

from __future__ import annotations

from collections.abc import Iterator

from solver import plan
from solver.check import peers, state

RULE = "pod-anti-affinity"


def violations(now: state.State) -> Iterator[plan.Violation]:
    """Planned pods that exclude, or are excluded by, another pod in their domain."""
    owners: dict[peers.Term, dict[state.PodClass, None]] = {}
    for owner in now.classes:
        for each in owner.spec.anti_affinity:
            owners.setdefault(peers.term(each, owner, now), {})[owner] = None
    for term, excluding in owners.items():
        yield from _judged(now, term, list(excluding))


def _judged(now: state.State, term: peers.Term, owners: list[state.PodClass]) -> Iterator[plan.Violation]:
    targets = term.matched(now)
    newcomers: dict[str, tuple[state.PodClass, state.Place]] = {}
    count: dict[str, int] = {}
    for target in targets:
        for pods in (target.running, target.coming, target.planned):
            for place, many in pods.items():
                domain = place.domain(term.key)
                if domain is not None:
                    count[domain] = count.get(domain, 0) + many
                    if pods is target.planned:
                        newcomers.setdefault(domain, (target, place))
    matched = set(targets)
    for owner in owners:
        itself = 1 if owner in matched else 0
        for place in owner.planned:
            domain = place.domain(term.key)
            if domain is not None and count.get(domain, 0) > itself:
                words = f"a pod that its anti-affinity excludes is in {term.key}={domain}"
                yield now.violation(RULE, owner, place, words)
        for place in (*owner.running, *owner.coming):
            domain = place.domain(term.key)
            if domain is not None and domain in newcomers:
                words = f"a pod that runs in {term.key}={domain} excludes it by its anti-affinity"
                yield now.violation(RULE, *newcomers[domain], words)
