"""Existing nodes, and claims without a Node, as places for pods: labels and taints that count, room that is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from catalog import catalogue, labels
from solver import cluster
from solver.build import daemons
from solver.rules import context, resources, table

REGISTERED = "karpenter.sh/registered"
INITIALIZED = "karpenter.sh/initialized"

STARTED = {REGISTERED: "true", INITIALIZED: "true"}
"""Labels that every node of a NodePool gets when it joins; DaemonSets may select on them."""

CORDON = cluster.Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")

EPHEMERAL_TAINTS = frozenset(
    {
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
        ("karpenter.sh/unregistered", "NoExecute"),
    }
)
"""Taints that go by themselves while a node starts (Karpenter `pkg/scheduling/taints.go`)."""

EPHEMERAL_PREFIX = "readiness.k8s.io/"


def existing(of: cluster.Cluster, known: catalogue.Catalogue) -> list[context.Place]:
    """
    The places of a cluster, initialized nodes before the rest, then by name; pods and room are not filled in.

    Source for claims, taints and amounts before initialization: Karpenter `pkg/controllers/state/statenode.go`.
    """
    by_node = {claim.node: claim for claim in of.node_claims.values() if claim.node}
    by_id = {claim.provider_id: claim for claim in of.node_claims.values() if claim.provider_id}
    found = []
    met: set[str] = set()
    for node in of.nodes.values():
        claim = by_node.get(node.name) or by_id.get(node.provider_id)
        if claim is not None:
            met.add(claim.name)
        found.append(_place(node, claim, of, known))
    found += [_place(None, claim, of, known) for claim in of.node_claims.values() if claim.name not in met]
    return sorted(found, key=lambda place: (not _initialized(place.node, place.claim), place.name))


def _place(
    node: cluster.Node | None, claim: cluster.NodeClaim | None, of: cluster.Cluster, known: catalogue.Catalogue
) -> context.Place:
    own = _labels(node, claim)
    pool = (claim.node_pool if claim else "") or own.get(labels.NODEPOOL, "")
    flavor = known.flavors.get(own.get(labels.INSTANCE_TYPE, ""))
    allocatable = dict(node.allocatable) if node else {}
    if claim is not None and not _initialized(node, claim):
        allocatable = _first_known(allocatable, claim.allocatable, flavor.allocatable if flavor else {})
    capacity = _first_known(
        node.capacity if node else {}, claim.capacity if claim else {}, flavor.capacity if flavor and pool else {}
    )
    price = None
    if pool and flavor is not None:
        price = catalogue.price_per_hour(flavor, monthly=_monthly(pool, of))[1]
    name = node.name if node else claim.name if claim else ""
    return context.Place(
        name=name,
        node=node,
        claim=claim,
        node_pool=pool,
        flavor=own.get(labels.INSTANCE_TYPE, ""),
        zone=own.get(labels.ZONE, ""),
        price=price or 0,
        labels=own | {table.NAME_FIELD: name} if node else table.unborn(own),
        taints=_taints(node, claim),
        allocatable=allocatable,
        capacity=capacity,
        closed=_closed(node, claim, allocatable),
        volume_limits=of.csi_limits.get(name, {}),
    )


def _monthly(pool: str, of: cluster.Cluster) -> bool:
    """Whether nodes of a NodePool are bought by the month where that is possible."""
    owner = of.node_pools.get(pool)
    if owner is None:
        return False
    node_class = of.node_classes.get(owner.manifest.spec.template.spec.node_class_ref.name)
    return node_class is not None and node_class.manifest.spec.monthly_billed


def _initialized(node: cluster.Node | None, claim: cluster.NodeClaim | None) -> bool:
    if node is None or claim is None:
        return node is not None
    return claim.is_true("Initialized") or node.labels.get(INITIALIZED) == "true"


def _registered(node: cluster.Node | None, claim: cluster.NodeClaim | None) -> bool:
    if node is None or claim is None:
        return node is not None
    return claim.is_true("Registered") or node.labels.get(REGISTERED) == "true"


def _first_known(*figures: Mapping[str, int]) -> dict[str, int]:
    """Amounts by resource, each from the first of the figures that has one above zero."""
    found: dict[str, int] = {}
    for each in figures:
        found |= {resource: amount for resource, amount in each.items() if not found.get(resource)}
    return found


def _labels(node: cluster.Node | None, claim: cluster.NodeClaim | None) -> dict[str, str]:
    """The Node's labels; before registration those of the claim go before them."""
    own = dict(node.labels) if node else {}
    if claim is not None and not _registered(node, claim):
        own |= {
            each.key: each.values[0] for each in claim.requirements if each.operator == "In" and len(each.values) == 1
        }
        own |= STARTED | dict(claim.labels)
        if claim.node_pool:
            own.setdefault(labels.NODEPOOL, claim.node_pool)
    if node is not None:
        own.setdefault(labels.HOSTNAME, node.name)
    return own


def _taints(node: cluster.Node | None, claim: cluster.NodeClaim | None) -> tuple[cluster.Taint, ...]:
    """The taints that count, with the one that the node controller puts on cordoned nodes."""
    found = _own_taints(node, claim)
    if node is not None and node.unschedulable and CORDON not in found:
        return (*found, CORDON)
    return found


def _own_taints(node: cluster.Node | None, claim: cluster.NodeClaim | None) -> tuple[cluster.Taint, ...]:
    """The Node's taints; before registration those of the claim, before initialization none that go by themselves."""
    if claim is None:
        return node.taints if node else ()
    found = node.taints if node is not None and _registered(node, claim) else claim.taints
    if _initialized(node, claim):
        return found
    passing = EPHEMERAL_TAINTS | {(taint.key, taint.effect) for taint in claim.startup_taints}
    return tuple(
        taint
        for taint in found
        if (taint.key, taint.effect) not in passing and not taint.key.startswith(EPHEMERAL_PREFIX)
    )


def _closed(node: cluster.Node | None, claim: cluster.NodeClaim | None, allocatable: Mapping[str, int]) -> str:
    if (node is not None and node.deleting) or (claim is not None and claim.deleting):
        return "node is being deleted"
    return "" if allocatable else "nothing is known of what the node will have"


def fill(places: Iterable[context.Place], sets: daemons.Daemons, masks: list[np.ndarray]) -> None:
    """
    Work out the room of each place from its pods, and which DaemonSet pods are still to come.

    `masks` says for each DaemonSet which places it matches. What daemon pods take already is set off against what all
    matching DaemonSets take together, per resource and not below zero (Karpenter
    `pkg/controllers/provisioning/scheduling/existingnode.go`).
    """
    for index, place in enumerate(places):
        room = dict(place.allocatable)
        coming: dict[str, int] = {}
        there = set()
        for number, mask in enumerate(masks):
            if mask[index]:
                _add(coming, sets.specs[number], 1)
        for pod in place.pods:
            _add(room, pod.spec, -1)
            if pod.owner is not None and pod.owner.kind == daemons.KIND:
                _add(coming, pod.spec, -1)
                there.add((pod.namespace, pod.owner.name))
        for resource, amount in coming.items():
            if amount > 0:
                room[resource] = room.get(resource, 0) - amount
        place.room = room
        place.daemons = tuple(
            number for number, mask in enumerate(masks) if mask[index] and sets.names[number] not in there
        )


def _add(amounts: dict[str, int], spec: cluster.PodSpec, times: int) -> None:
    for resource, amount in spec.requests:
        amounts[resource] = amounts.get(resource, 0) + times * amount
    amounts[resources.PODS] = amounts.get(resources.PODS, 0) + times
