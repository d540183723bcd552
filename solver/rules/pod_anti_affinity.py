"""
Pod anti-affinity: away from pods that a required term matches, and from running pods whose required terms match.

Preferred terms cost their weight for each pod that is near such a pod all the same; preferred terms of running pods
are not asked. Source:
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity and
kube-scheduler's plugin InterPodAffinity.
"""

from __future__ import annotations

import collections

import numpy as np

from solver import problem
from solver.rules import builder, context, peers

name = "pod_anti_affinity"

_Term = tuple[str, peers.Target]


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """One exclusion per distinct required term, of running pods too, and per distinct preferred term."""
    required: dict[_Term, list[int]] = collections.defaultdict(list)
    preferred: dict[tuple[str, peers.Target, int], list[int]] = collections.defaultdict(list)
    for index, each in enumerate(about.classes):
        for term in each.spec.anti_affinity:
            target = about.selectors.pods_of(term, each.namespace, each.labels)
            required[term.topology_key, target].append(index)
        for wish in each.spec.preferred_anti_affinity if about.soft else ():
            target = about.selectors.pods_of(wish.term, each.namespace, each.labels)
            preferred[wish.term.topology_key, target, wish.weight].append(index)
    running = about.running.owners
    nobody = np.zeros(len(about.places), dtype=np.int64)
    for key, target in dict.fromkeys([*required, *running]):
        classes = required.get((key, target), [])
        group = about.group(about.selectors.match(target))
        if classes or group.members.any():
            into.exclusions.append(
                problem.Exclusion(
                    f"pod anti-affinity, key={key}",
                    into.topology(key),
                    into.class_mask(classes),
                    running.get((key, target), nobody),
                    group,
                )
            )
    for (key, target, weight), classes in preferred.items():
        into.exclusions.append(
            problem.Exclusion(
                f"preferred pod anti-affinity, key={key}",
                into.topology(key),
                into.class_mask(classes),
                nobody,
                about.group(about.selectors.match(target)),
                weight,
            )
        )


def explain(about: context.Context, pod_class: int, place: int) -> str:  # noqa: ARG001
    """Upstream's words for when no domain is left; pods are related here, no place is refused."""
    keys = sorted({term.topology_key for term in about.classes[pod_class].spec.anti_affinity})
    return f"unsatisfiable topology constraint for pod anti-affinity, key={','.join(keys)}"
