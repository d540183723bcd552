"""
DaemonSets: which of them come to a node, and what they take there.

A DaemonSet comes where its pods tolerate the taints (PreferNoSchedule keeps none away; startup taints are not asked)
and nodeSelector and required node affinity hold; preferences and pod (anti-)affinity are not considered. Each of its
pods takes one of "pods". Source: Karpenter core, `pkg/controllers/provisioning/scheduling/scheduler.go`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from catalog import allocatable
from catalog import labels as names
from solver import cluster
from solver.check import match

REGISTERED = {"karpenter.sh/registered": "true", "karpenter.sh/initialized": "true"}
"""Labels that every node of a NodePool gets when it joins; DaemonSets may select on them before it is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """DaemonSets that come to a node, and what they take there together, "pods" included."""

    sets: tuple[cluster.DaemonSet, ...] = ()
    requests: Mapping[str, int] = dataclasses.field(default_factory=dict)


def load(
    sets: Iterable[cluster.DaemonSet], labels: Mapping[str, str], taints: tuple[cluster.Taint, ...], name: str = ""
) -> Load:
    """Those of the DaemonSets that come to a node; `name` is empty when the node does not exist yet."""
    found = tuple(
        each
        for each in sets
        if match.untolerated(taints, each.spec.tolerations) is None and match.node_holds(each.spec, labels, name)
    )
    total: dict[str, int] = {}
    for each in found:
        for resource, amount in (*each.spec.requests, (allocatable.PODS, 1)):
            total[resource] = total.get(resource, 0) + amount
    return Load(found, total)


def node_keys(spec: cluster.PodSpec) -> Iterator[str]:
    """Label keys of nodes that nodeSelector and required node affinity of a pod ask about."""
    for key, _ in spec.node_selector:
        yield key
    for term in spec.node_terms or ():
        for expression in term.expressions:
            yield expression.key


def asks_names(spec: cluster.PodSpec) -> bool:
    """Whether they tell nodes apart by name."""
    return names.HOSTNAME in node_keys(spec) or any(term.fields for term in spec.node_terms or ())
