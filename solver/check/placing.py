"""Where pods may go at all: taints and tolerations, node selectors and node affinity."""

from __future__ import annotations

from collections.abc import Iterator

from solver import plan
from solver.check import match, state

TOLERATIONS, AFFINITY, UNSUPPORTED = "tolerations", "node-affinity", "unsupported"


def tolerations(now: state.State) -> Iterator[plan.Violation]:
    """Pods planned onto a place with a NoSchedule or NoExecute taint that they do not tolerate."""
    for of in now.planned:
        for place, many in of.planned.items():
            taint = now.refused_by(of, place.kind)
            if taint is not None:
                yield now.violation(TOLERATIONS, of, place, f"did not tolerate taint {match.written(taint)}", many)


def node_affinity(now: state.State) -> Iterator[plan.Violation]:
    """Pods planned onto a place that their nodeSelector or required node affinity excludes."""
    for of in now.planned:
        if of.affinity:
            for place, many in of.planned.items():
                if not now.admits(of, place.kind):
                    words = "the node's labels do not match its nodeSelector and required node affinity"
                    yield now.violation(AFFINITY, of, place, words, many)


def unsupported(now: state.State) -> Iterator[plan.Violation]:
    """Pods that are never placed: with resource claims, or so malformed that Karpenter ignores them."""
    for of in now.planned:
        why = of.spec.invalid or ("it uses resource claims" if of.spec.resource_claims else None)
        if why is not None:
            for place, many in of.planned.items():
                yield now.violation(UNSUPPORTED, of, place, f"such a pod is never placed: {why}", many)
