"""
Whether a node is no longer what its NodePool and OVHNodeClass ask for.

Reasons and their order are upstream's (karpenter core, `pkg/controllers/nodeclaim/disruption/drift.go`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from catalog import catalogue as catalogues
from catalog import labels, region
from controller import names, world
from controller.kube import conditions
from crds import nodepool
from solver.rules import requirements

CLASS_HASH_VERSION = "v1"
"""Changes with the fields of a class that are hashed: claims of another version are stamped anew."""

SETTLES_IN = 3600.0
"""Seconds for which a claim's flavor may be missing from the catalogue."""

_BUYING = ("serviceName", "kubeId", "region", "monthlyBilled", "antiAffinity")
"""Fields of an OVHNodeClass that decide what a node is; with other credentials it is the same node."""


def class_marks(node_class: Mapping[str, Any]) -> dict[str, str]:
    """The annotations with which a claim remembers its OVHNodeClass."""
    said = {key: node_class["spec"].get(key) or None for key in _BUYING}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    return {names.CLASS_HASH: digest, names.CLASS_HASH_VERSION: CLASS_HASH_VERSION}


def reason(
    claim: world.Object,
    pool: world.Object,
    parsed: nodepool.NodePool,
    node_class: world.Object | None,
    known: catalogues.Catalogue | None,
    now: float,
) -> str | None:
    """
    Why a claim has drifted, None when it has not.

    `known` is what OVH sells there as far as it was asked; `now` is seconds since the epoch.
    """
    if _differ(claim, pool, nodepool.HASH_ANNOTATION, nodepool.HASH_VERSION_ANNOTATION):
        return "NodePoolDrifted"
    if not fulfils(claim, parsed, str(node_class["spec"]["region"]) if node_class else ""):
        return "RequirementsDrifted"
    flavor = world.label(claim, names.INSTANCE_TYPE_LABEL)
    created = conditions.seconds(claim["metadata"].get("creationTimestamp")) or now
    if known is not None and known.flavors and flavor not in known.flavors and now - created > SETTLES_IN:
        return "InstanceTypeNotFound"
    if node_class is not None:
        marked = {"metadata": {"annotations": class_marks(node_class)}}
        if _differ(claim, marked, names.CLASS_HASH, names.CLASS_HASH_VERSION):
            return "NodeClassDrifted"
    return None


def _differ(claim: world.Object, other: world.Object, value: str, version: str) -> bool:
    """Whether both carry a hash of the same version, but not the same."""
    mine, theirs = ((world.annotation(each, value), world.annotation(each, version)) for each in (claim, other))
    return all((*mine, *theirs)) and mine[1] == theirs[1] and mine[0] != theirs[0]


def fulfils(claim: world.Object, pool: nodepool.NodePool, where: str) -> bool:
    """Whether a claim's labels still fulfil every requirement of its NodePool; `where` is the class's region."""
    own = {labels.translate(key): value for key, value in (claim["metadata"].get("labels") or {}).items()}
    for each in pool.spec.template.spec.requirements:
        key, values = labels.translate(each.key), each.values
        if key in (labels.ZONE, labels.CINDER_ZONE):
            values = tuple(_zone(where, value) for value in values)
        if not requirements.of(key, each.operator, values).matches(own.get(key)):
            return False
    return True


def _zone(where: str, name: str) -> str:
    """A zone as nodes of the region carry it; of a region that is not known the names are taken as written."""
    try:
        return region.resolve_zone(where, name)[0]
    except region.UnknownRegionError:
        return name
