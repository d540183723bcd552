"""DaemonSets: the pod that stands for each, and where it will run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from solver import cluster, problem
from solver.rules import node_affinity, resources, table, taints

KIND = "DaemonSet"


@dataclasses.dataclass(frozen=True, slots=True)
class Daemons:
    """DaemonSets by (namespace, name), in this order, and what a pod of each is like."""

    names: tuple[tuple[str, str], ...]
    specs: tuple[cluster.PodSpec, ...]


def of_cluster(of: cluster.Cluster) -> Daemons:
    """The DaemonSets of a cluster, by namespace and name."""
    sets = sorted(of.daemon_sets.values(), key=lambda each: (each.namespace, each.name))
    return Daemons(tuple((each.namespace, each.name) for each in sets), tuple(each.spec for each in sets))


def matches(sets: Daemons, of: table.LabelTable, tainted: Sequence[tuple[cluster.Taint, ...]]) -> list[problem.Mask]:
    """
    For each DaemonSet the rows with these labels and taints that it will have a pod on (n,).

    Taints must be tolerated (PreferNoSchedule always is), the node selector and one required term must fit; nothing
    else is asked. Source: Karpenter `pkg/utils/daemonset/daemonset.go`.
    """
    different = {each: index for index, each in enumerate(dict.fromkeys(tainted))}
    codes = np.array([different[each] for each in tainted], dtype=np.int64)
    found = []
    for spec in sets.specs:
        tolerated = np.array([not taints.untolerated(spec.tolerations, each) for each in different], dtype=np.bool_)
        fits = node_affinity.allowed(of, spec.node_selector, spec.node_terms)
        found.append(fits & tolerated[codes] if len(codes) else fits)
    return found


def requests(sets: Daemons, chosen: Sequence[int]) -> Mapping[str, int]:
    """What one pod of each of these DaemonSets takes together, resource "pods" included."""
    total: dict[str, int] = {}
    for index in chosen:
        for resource, amount in sets.specs[index].requests:
            total[resource] = total.get(resource, 0) + amount
    if chosen:
        total[resources.PODS] = len(chosen)
    return total
