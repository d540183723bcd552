"""
Pod affinity: near pods that match all required terms; preferred terms cost their weight where unmet.

A pod that matches its own terms may be the first when no such pod runs anywhere. Sources:
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity and
kube-scheduler's plugin InterPodAffinity. Karpenter also lets a pod be the first when all such pods are out of its
reach; kube-scheduler does not, so neither do we.
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np

from catalog import labels
from solver import problem
from solver.rules import builder, context, daemon_peers, peers

name = "pod_affinity"

_Terms = tuple[tuple[str, ...], frozenset[peers.Target]]
"""Topology keys and targets of all required terms together."""


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """One attraction per distinct set of required terms and per distinct preferred term."""
    required: dict[tuple[_Terms, int], list[int]] = collections.defaultdict(list)
    preferred: dict[tuple[str, peers.Target, int], list[int]] = collections.defaultdict(list)
    for index, each in enumerate(about.classes):
        if each.spec.affinity:
            required[_terms(about, each), each.turn].append(index)
        for wish in each.spec.preferred_affinity if about.soft else ():
            target = about.selectors.pods_of(wish.term, each.namespace, each.labels)
            preferred[wish.term.topology_key, target, wish.weight].append(index)
    for ((keys, targets), turn), classes in required.items():
        for key in keys:
            into.refuse(name, np.array(classes), about.missing(key))
        group = about.group(about.selectors.match_all(targets))
        group = dataclasses.replace(group, members=group.members & about.by_turn(turn))
        met = daemon_peers.near(about, targets)
        for key in keys:
            met &= ~about.missing(key)
        if met.any():
            sure = _sure(about, into, keys, met, group.base)
            classes = [index for index in classes if not _met_by_daemons(into, index, met, sure)]
        if not classes:
            continue
        owners = into.class_mask(classes)
        # Those of earlier turns are there, as far as is known, so that nobody of a later one is the first.
        follows = bool((group.members & about.by_turn(turn - 1)).any())
        into.attractions.append(
            problem.Attraction(
                f"pod affinity, key={','.join(keys)}",
                tuple(into.topology(key) for key in keys),
                owners,
                group,
                owners & group.members & np.bool_(not follows),
            )
        )
    for (key, target, weight), classes in preferred.items():
        into.attractions.append(
            problem.Attraction(
                f"preferred pod affinity, key={key}",
                (into.topology(key),),
                into.class_mask(classes),
                about.group(about.selectors.match(target)),
                np.zeros(into.classes, dtype=np.bool_),
                weight,
            )
        )


def _sure(
    about: context.Context, into: builder.Builder, keys: tuple[str, ...], met: problem.Mask, running: problem.Ints
) -> problem.Mask:
    """
    Places with company whatever the plan does (P,): pods of a DaemonSet come along (`met`), or `running` ones (N,) stay.

    For other keys than the hostname those on nodes that may go do not count: the node that they are on may be another.
    """
    leaving = {place for each in about.classes for place in each.residents}
    there = np.zeros(len(about.table), dtype=np.bool_)
    there[: len(about.places)] = running > 0
    staying = there.copy()
    staying[sorted(leaving)] = False
    sure = np.ones(len(about.table), dtype=np.bool_)
    for key in keys:
        sure &= met | daemon_peers.around(into, key, there if key == labels.HOSTNAME else staying)
    return sure


def _met_by_daemons(into: builder.Builder, index: int, met: problem.Mask, sure: problem.Mask) -> bool:
    """
    Whether a class may go where pods of a DaemonSet meet its affinity (P,); it then goes where company is sure.

    A node of its own brings the company along, so that no order of placement has to be found.
    """
    if not (into.ok[index] & met).any():
        return False
    into.refuse(name, np.array([index]), ~sure)
    return True


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """The first key whose label is missing there."""
    keys, _ = _terms(about, about.classes[pod_class])
    missing = next((key for key in keys if about.missing(key)[place]), None)
    if missing is None:
        return f"unsatisfiable topology constraint for pod affinity, key={','.join(keys)}"
    return f"unsatisfiable topology constraint for pod affinity, key={missing} (counts = none: the label is missing"


def _terms(about: context.Context, of: context.PodClass) -> _Terms:
    keys = tuple(sorted({term.topology_key for term in of.spec.affinity}))
    return keys, frozenset(about.selectors.pods_of(term, of.namespace, of.labels) for term in of.spec.affinity)
