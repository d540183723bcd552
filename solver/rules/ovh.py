"""
OVHcloud's own limits: nodes per pool, pools per cluster, project quota.

Labels, taints, billing and anti-affinity belong to an OVH pool as a whole, so nodes that differ in one of them cannot
share a pool. Sources: OVHcloud guides "Known limits" (100 nodes in a pool, 5 with anti-affinity) and the API schema
of `POST /cloud/project/{serviceName}/kube/{kubeId}/nodepool`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from catalog import allocatable
from solver import cluster, problem
from solver.rules import builder, context

name = "ovh"

POOL_SIZE = 100
ANTI_AFFINITY_POOL_SIZE = 5
MAX_POOLS = 100
"""Pools in a cluster: no official limit is known; the control panel and the API have not been seen beyond it."""

POOLS = "ovh pools"
"""The resource of the cap that says how many nodes all pools of a cluster hold; a node takes its share of a pool."""

NEAR = 0.8
"""Part of that cap from which on it is worth its row: each kind of node may leave its last pool nearly empty."""

NO_POOL = "OVHcloud allows no further node pool in the cluster"

POOL_CHARGE = 20
"""
Micro-euro per hour for a pool content that has no pool yet: among equal plans the one with fewer kinds of nodes wins.
"""

_HASH_LENGTH = 8
_FURTHER = re.compile(r"[2-9]|[1-9][0-9]{1,2}")


def content(
    node_class: str,
    labels: Mapping[str, str],
    taints: Sequence[cluster.Taint],
    *,
    monthly: bool,
    anti_affinity: bool,
) -> str:
    """
    What all nodes of an OVH pool have in common apart from flavor and zone, as text: equal texts may share pools.

    `labels` are those of template and requirements; what flavor and zone decide, and the NodePool's name, do not
    belong to it.
    """
    found = {
        "nodeClass": node_class,
        "labels": dict(sorted(labels.items())),
        "taints": sorted([taint.key, taint.value, taint.effect] for taint in taints),
        "monthlyBilled": monthly,
        "antiAffinity": anti_affinity,
    }
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


def base_name(flavor: str, zone: str) -> str:
    """The name of the first OVH pool of a flavor in a zone."""
    return f"karpenter-{flavor}-{zone}"


def hashed_name(flavor: str, zone: str, of: str) -> str:
    """The name of an OVH pool whose content differs from that of the pool with the base name."""
    return f"{base_name(flavor, zone)}-{hashlib.sha256(of.encode()).hexdigest()[:_HASH_LENGTH]}"


def further_name(pool: str, number: int) -> str:
    """The name of the n-th pool of one content; the first has no number."""
    return pool if number == 1 else f"{pool}-{number}"


def further_pools(nodes: Mapping[str, int]) -> dict[str, tuple[tuple[str, int], ...]]:
    """
    Pools of a cluster by the name of their content's first pool, in order, each with its number of nodes.

    `nodes` maps pool name to number of nodes.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for pool in nodes:
        found.setdefault(pool, []).append((1, pool))
        first, _, number = pool.rpartition("-")
        if _FURTHER.fullmatch(number):
            found.setdefault(first, []).append((int(number), pool))
    return {first: tuple((pool, nodes[pool]) for _, pool in sorted(pools)) for first, pools in found.items()}


def pool_names(kind: context.PoolKind, count: int) -> list[str]:
    """Names of the OVH pools that the next `count` nodes of a content go to: pools that exist are filled first."""
    names = [pool for pool, free in kind.slots for _ in range(free)]
    taken = {pool for pool, _ in kind.slots}
    number = 1
    while len(names) < count:
        pool = further_name(kind.name, number)
        if pool not in taken:
            names += [pool] * kind.size
        number += 1
    return names[:count]


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Pool sizes, the guard on their number, what that comes to in nodes, and one cap per quota that is given."""
    into.pools = problem.OvhPools(
        tuple(kind.name for kind in about.kinds),
        np.array([kind.size for kind in about.kinds], dtype=np.int64),
        np.array([sum(free for _, free in kind.slots) for kind in about.kinds], dtype=np.int64),
        np.array([bool(kind.slots) for kind in about.kinds], dtype=np.bool_),
        max(0, MAX_POOLS - about.existing_pools),
        POOL_CHARGE,
    )
    into.caps += _most_nodes(about, into, into.pools)
    for resource, room in about.options.quota.items():
        per_offer = np.array(
            [_quota_of(each.vcpus, each.memory_gib, resource) for each in about.offer_flavors], dtype=np.int64
        )
        refused = np.zeros(len(about.table), dtype=np.bool_)
        refused[len(about.places) :] = per_offer > room
        into.refuse(name, np.arange(len(about.classes)), refused)
        into.caps.append(problem.Cap(f"quota: {resource}", "", resource, per_offer, max(room, 0)))


def _most_nodes(about: context.Context, into: builder.Builder, pools: problem.OvhPools) -> Iterator[problem.Cap]:
    """
    What sizes and number of pools allow in nodes, where the cheapest nodes for each class would come near it.

    It follows from the pools, but as one sum it is known to all parts of the search.
    """
    if not about.offers or not about.classes or not into.requests:
        return
    whole = math.lcm(*pools.size.tolist())
    share = whole // pools.size
    per_offer = share[[each.pool for each in about.offers]]
    room = whole * pools.new_pools + int(share @ pools.free)
    pods = np.array([len(each.pods) for each in about.classes], dtype=np.int64)
    if pods.sum() * per_offer.max() <= NEAR * room:
        return
    held = np.where(into.ok[:, len(about.places) :], pods[:, None], 0)
    for requests, rooms in zip(into.requests, into.room, strict=True):
        most = rooms[len(about.places) :] // np.maximum(requests, 1)[:, None]
        held = np.where(requests[:, None] > 0, np.minimum(held, most), held)
    price = np.array([each.price for each in about.offers], dtype=np.float64)
    cheapest = np.where(held > 0, price / np.maximum(held, 1), np.inf).argmin(axis=1)
    nodes = -(-pods // np.maximum(held[np.arange(len(pods)), cheapest], 1))
    if nodes @ per_offer[cheapest] > NEAR * room:
        yield problem.Cap("nodes in OVH pools", "", POOLS, per_offer, room)


def explain(about: context.Context, pod_class: int, place: int) -> str:  # noqa: ARG001
    """The first quota that one node of this flavor would break."""
    flavor = about.offer_flavors[place - len(about.places)]
    quota = about.options.quota
    short = [key for key, room in quota.items() if _quota_of(flavor.vcpus, flavor.memory_gib, key) > room]
    return f"project quota is too low for flavor {flavor.name}: {', '.join(short)}"


def _quota_of(vcpus: int, memory_gib: int, resource: str) -> int:
    """What one node takes of a project quota; a nominal GiB is 1000 MiB to the quota."""
    return {"vcpus": vcpus, "memory": memory_gib * 1000 * allocatable.MIB}.get(resource, 1)
