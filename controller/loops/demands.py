"""What claims ask of OVH: the content of their pool, a node, its removal; and how claims look to `pools`."""

from __future__ import annotations

from typing import Any

from catalog import labels as known_labels
from controller import metrics, names, world
from controller.kube import conditions
from controller.loops import pools
from controller.ovh import types

DEPENDENTS = ("Launched", "Registered", "Initialized")

_SHARED = frozenset(known_labels.WELL_KNOWN) | {names.NODE_CLASS_LABEL, names.NODEPOOL_LABEL}


def template(claim: world.Object, installation: str) -> types.Template:
    """
    What the pool puts on its nodes: all that its claims have in common.

    A taint without a value is left to the controller, since OVH refuses it; so are startup taints, which MKS would put
    back for ever, and finalizers, which would keep Nodes from going when no controller runs.
    """
    own = {
        key: value
        for key, value in (claim["metadata"].get("labels") or {}).items()
        if key not in _SHARED and not key.startswith("karpenter.sh/")
    }
    taints = tuple(
        types.Taint(key=each["key"], value=each["value"], effect=each["effect"])
        for each in claim["spec"].get("taints") or []
        if each.get("value")
    )
    return types.Template(
        metadata=types.TemplateMetadata(labels=own, annotations={names.INSTALLATION: installation}),
        spec=types.TemplateSpec(taints=taints),
    )


def content(of: types.Template) -> dict[str, Any]:
    """What of a template makes a difference to nodes."""
    return {
        "labels": dict(sorted(of.metadata.labels.items())),
        "taints": sorted((taint.key, taint.value or "", taint.effect) for taint in of.spec.taints),
        "installation": of.metadata.annotations.get(names.INSTALLATION, ""),
    }


def disrupted(claim: world.Object, reason: str, policy: str = "") -> None:
    """Count a claim that Karpenter decided to delete."""
    period = claim["spec"].get("terminationGracePeriod")
    mode = "graceful" if not period else "forceful" if period == "0s" else "eventual"
    metrics.NODECLAIMS_DISRUPTED.labels(
        reason,
        world.label(claim, names.NODEPOOL_LABEL),
        world.label(claim, names.CAPACITY_TYPE_LABEL),
        policy,
        mode,
    ).inc()


def view(claim: world.Object, node: world.Object | None) -> pools.Claim:
    """A claim as `pools.decide` sees it; `node` is its Node."""
    return pools.Claim(
        name=claim["metadata"]["name"],
        created=conditions.seconds(claim["metadata"].get("creationTimestamp")) or 0.0,
        node=world.annotation(claim, names.NODE_ID),
        deleting=world.deleting(claim),
        removable=removable(claim),
        alive=node is not None and not world.deleting(node) and conditions.is_true(node, "Ready"),
        registered=conditions.is_true(claim, "Registered"),
    )


def removable(claim: world.Object) -> bool:
    """Whether the machine of a claim in deletion may go: nothing was on it yet, or it is drained."""
    if not world.deleting(claim):
        return False
    if not conditions.is_true(claim, "Registered"):
        return True
    return conditions.is_true(claim, "Drained") and conditions.is_(claim, "VolumesDetached") in ("True", "False")


def waits(claim: world.Object) -> bool:
    """Whether a claim has no node yet and wants one."""
    return not world.deleting(claim) and not world.annotation(claim, names.NODE_ID)


def ask(claim: world.Object) -> tuple[object, ...]:
    """What of a claim makes a difference to OVH."""
    pool = world.annotation(claim, names.OVH_POOL)
    return claim["metadata"]["name"], pool, world.deleting(claim), removable(claim)


def busy(claim: world.Object) -> bool:
    """Whether something is under way for a claim that OVH may have news of."""
    return world.deleting(claim) or not conditions.is_true(claim, "Initialized")


def ours(pool: types.NodePool, installation: str) -> bool:
    """Whether an OVH pool was made by this installation."""
    return pool.template.metadata.annotations.get(names.INSTALLATION) == installation


def same(one: world.Place, other: world.Place) -> bool:
    """Whether two places buy nodes for the same cluster."""
    mine, theirs = one.client, other.client
    return (mine.service_name, mine.kube_id) == (theirs.service_name, theirs.kube_id)


def distinct(places: list[world.Place]) -> list[world.Place]:
    """One place for each cluster."""
    found: list[world.Place] = []
    for place in places:
        if not any(same(place, each) for each in found):
            found.append(place)
    return found
