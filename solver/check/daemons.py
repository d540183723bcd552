"""
DaemonSets: which of them come to a node, and what they take there.

A DaemonSet comes where its pods tolerate the taints (PreferNoSchedule keeps none away; startup taints are not asked)
and nodeSelector and required node affinity hold; preferences and pod (anti-)affinity are not considered. Each of its
pods takes one of "pods". Source: Karpenter core, `pkg/controllers/provisioning/scheduling/scheduler.go`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from catalog import allocatable
from solver import cluster
from solver.check import match

REGISTERED = {"karpenter.sh/registered": "true", "karpenter.sh/initialized": "true"}
"""Labels that every node of a NodePool gets when it joins; DaemonSets may select on them before it is there."""


@dataclasses.dataclass(slots=True)
class Daemons:
    """The DaemonSets of a cluster, asked about one node after the other."""

    sets: tuple[cluster.DaemonSet, ...]
    keys: frozenset[str] = dataclasses.field(init=False)
    _known: dict[tuple[object, ...], tuple[cluster.DaemonSet, ...]] = dataclasses.field(default_factory=dict)
    _sums: dict[tuple[int, ...], dict[str, int]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = frozenset(key for each in self.sets for key in node_keys(each.spec))

    def on(
        self, labels: Mapping[str, str], taints: tuple[cluster.Taint, ...], name: str = ""
    ) -> tuple[cluster.DaemonSet, ...]:
        """DaemonSets that come to a node; `name` is empty when the node does not exist yet."""
        if not self.sets:
            return ()
        asked = name if any(_asks_names(each.spec) for each in self.sets) else ""
        key = (taints, asked, *(labels.get(each) for each in self.keys))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = tuple(
                each
                for each in self.sets
                if match.untolerated(taints, each.spec.tolerations) is None
                and match.node_holds(each.spec, labels, name)
            )
        return found

    def requests(
        self, labels: Mapping[str, str], taints: tuple[cluster.Taint, ...], name: str = ""
    ) -> Mapping[str, int]:
        """What the DaemonSets that come to a node take together, "pods" included."""
        found = self.on(labels, taints, name)
        key = tuple(id(each) for each in found)
        total = self._sums.get(key)
        if total is None:
            total = self._sums[key] = {}
            for each in found:
                for resource, amount in (*each.spec.requests, (allocatable.PODS, 1)):
                    total[resource] = total.get(resource, 0) + amount
        return total


def node_keys(spec: cluster.PodSpec) -> Iterator[str]:
    """Label keys of nodes that nodeSelector and required node affinity of a pod ask about."""
    for key, _ in spec.node_selector:
        yield key
    for term in spec.node_terms or ():
        for expression in term.expressions:
            yield expression.key


def _asks_names(spec: cluster.PodSpec) -> bool:
    return any(term.fields for term in spec.node_terms or ())
