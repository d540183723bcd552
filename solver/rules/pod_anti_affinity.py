"""
Pod anti-affinity: away from pods that a required term matches, and from running pods whose required terms match.

Preferred terms cost their weight for each pod that is near such a pod all the same; preferred terms of running pods
are not asked. Pods of DaemonSets count on both sides. Source:
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity and
kube-scheduler's plugin InterPodAffinity.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping

import numpy as np

from solver import problem
from solver.rules import builder, context, daemon_peers, peers

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
        guarded = (key, target) in running and running[key, target].any()
        if classes or (guarded and group.members.any()):
            into.exclusions.append(
                problem.Exclusion(
                    f"pod anti-affinity, key={key}",
                    into.topology(key),
                    into.class_mask(classes),
                    running.get((key, target), nobody),
                    group,
                )
            )
    _daemons(about, into, required)
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


def _daemons(about: context.Context, into: builder.Builder, required: Mapping[_Term, list[int]]) -> None:
    """Keeps classes away from pods of DaemonSets, wherever one side's required terms mean the other."""
    if not about.objects.daemon_sets:
        return
    for (key, target), classes in required.items():
        coming = daemon_peers.near(about, [target])
        if coming.any():
            into.refuse(name, np.array(classes), daemon_peers.around(into, key, coming))
    for each, coming in daemon_peers.sets(about):
        for term in each.spec.anti_affinity if coming.any() else ():
            target = about.selectors.pods_of(term, each.namespace, each.labels)
            classes_meant = np.flatnonzero(about.selectors.match(target)[about.class_kinds])
            into.refuse(name, classes_meant, daemon_peers.around(into, term.topology_key, coming))


def explain(about: context.Context, pod_class: int, place: int) -> str:  # noqa: ARG001
    """Upstream's words for when no domain is left; pods are related here, no place is refused."""
    keys = sorted({term.topology_key for term in about.classes[pod_class].spec.anti_affinity})
    return f"unsatisfiable topology constraint for pod anti-affinity, key={','.join(keys)}"
