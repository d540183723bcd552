"""
Terms of required pod affinity and anti-affinity as they apply to a pod: topology key, namespaces, selector.

A term without namespaces and namespace selector means the pod's own namespace; an empty namespace selector means all.
A namespace that the cluster data does not hold has the one label that every namespace has. matchLabelKeys and
mismatchLabelKeys narrow the selector by the pod's own labels, as the API server does.
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
"""

from __future__ import annotations

import dataclasses

from solver import cluster
from solver.check import match, spread, state

NAME = "kubernetes.io/metadata.name"
"""Label that holds a namespace's own name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """A term for one pod; `namespaces` None means all."""

    key: str
    namespaces: frozenset[str] | None
    selector: cluster.Selector | None

    def matched(self, now: state.State) -> list[state.PodClass]:
        """Classes that the term matches."""
        return now.matching(self.namespaces, self.selector)


def term(of: cluster.PodTerm, owner: state.PodClass, now: state.State) -> Term:
    """A term as it applies to the pods of a class."""
    selector = spread.with_own_labels(of.selector, owner, of.match_label_keys, of.mismatch_label_keys)
    return Term(of.topology_key, _namespaces(of, owner.namespace, now), selector)


def _namespaces(of: cluster.PodTerm, own: str, now: state.State) -> frozenset[str] | None:
    if of.namespace_selector is None:
        return frozenset(of.namespaces or (own,))
    if not of.namespace_selector.expressions:
        return None
    known = now.known.snapshot.namespaces
    there = known.keys() | {each.namespace for each in now.classes}
    chosen = {n for n in there if match.selects(of.namespace_selector, {NAME: n, **known.get(n, {})})}
    return frozenset(chosen.union(of.namespaces))
