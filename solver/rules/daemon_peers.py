"""
Pods of DaemonSets as neighbours of the pods to place.

They come with every node that the DaemonSet matches, and kube-scheduler counts them like other pods: a pod whose
anti-affinity means them cannot join them, nor can one that their own anti-affinity means, and an affinity may be met by
them. Pods of DaemonSets that run already are running pods; here are those that are still to come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from solver import cluster, problem
from solver.rules import builder, context, peers


def sets(about: context.Context) -> Iterator[tuple[cluster.DaemonSet, problem.Mask]]:
    """DaemonSets, each with the places that a pod of it is still to come to (P,)."""
    found = sorted(about.objects.daemon_sets.values(), key=lambda each: (each.namespace, each.name))
    coming = [() if place.gone else place.daemons for place in about.places]
    coming += about.offer_daemons
    for index, each in enumerate(found):
        yield each, np.array([index in there for there in coming], dtype=np.bool_)


def near(about: context.Context, targets: Collection[peers.Target]) -> problem.Mask:
    """Places that a pod comes to which every one of the targets means (P,)."""
    mask = np.zeros(len(about.table), dtype=np.bool_)
    for each, coming in sets(about):
        if all(about.selectors.means(target, each.namespace, each.labels) for target in targets):
            mask |= coming
    return mask


def around(into: builder.Builder, key: str, coming: problem.Mask) -> problem.Mask:
    """Places in a domain of the key with one of these places (P,): they may all get a node."""
    topology = into.topology(key)
    if topology == problem.HOST:
        return coming
    domains = into.domains(topology)
    mask: problem.Mask = np.isin(domains, np.unique(domains[coming & (domains >= 0)]))
    return mask
