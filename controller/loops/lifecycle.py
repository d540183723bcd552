"""
NodeClaims from machine to ready node: registration, startup taints, initialization, and patience that ends.

Order, conditions and texts are upstream's (karpenter core, `pkg/controllers/nodeclaim/lifecycle`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from controller import metrics, names, settings, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import demands, notices
from crds import quantity

log = logging.getLogger(__name__)

DEPENDENTS = demands.DEPENDENTS
EPHEMERAL = (
    ("node.kubernetes.io/not-ready", "NoSchedule"),
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoSchedule"),
    ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
    (names.UNREGISTERED_TAINT, "NoExecute"),
)
"""Taints that go by themselves while a node starts (karpenter core, `pkg/scheduling/taints.go`)."""

READINESS = "readiness.k8s.io/"
BY_KUBELET = frozenset({"cpu", "memory", "pods", "ephemeral-storage"})
"""Resources that a Node has as soon as its kubelet runs; a DaemonSet brings all others."""


def registration(claim: world.Object, node: world.Object) -> dict[str, Any] | None:
    """The patch that makes a Node its claim's: finalizer, owner, labels, annotations and taints; None when it is."""
    metadata, spec = node["metadata"], node.get("spec") or {}
    labels = {**(claim["metadata"].get("labels") or {}), names.REGISTERED_LABEL: "true"}
    new_labels = _differing(metadata.get("labels") or {}, labels)
    own = {k: v for k, v in (claim["metadata"].get("annotations") or {}).items() if _is_for_node(k)}
    new_annotations = _differing(metadata.get("annotations") or {}, own)
    patch: dict[str, Any] = {"metadata": {}}
    if new_labels:
        patch["metadata"]["labels"] = new_labels
    if new_annotations:
        patch["metadata"]["annotations"] = new_annotations
    finalizers = metadata.get("finalizers") or []
    if names.TERMINATION_FINALIZER not in finalizers:
        patch["metadata"]["finalizers"] = [*finalizers, names.TERMINATION_FINALIZER]
    owners = metadata.get("ownerReferences") or []
    uid = claim["metadata"].get("uid")
    if not any(each.get("uid") == uid for each in owners):
        owner = {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "name": claim["metadata"]["name"],
            "uid": uid,
            "blockOwnerDeletion": True,
        }
        patch["metadata"]["ownerReferences"] = [*(o for o in owners if o.get("kind") != "NodeClaim"), owner]
    first = (metadata.get("labels") or {}).get(names.REGISTERED_LABEL) != "true"
    taints = spec.get("taints") or []
    after = [each for each in taints if each.get("key") != names.UNREGISTERED_TAINT]
    if first and (metadata.get("labels") or {}).get(names.DO_NOT_SYNC_TAINTS_LABEL) != "true":
        there = {(each["key"], each["effect"]) for each in after}
        wanted = [*(claim["spec"].get("taints") or []), *(claim["spec"].get("startupTaints") or [])]
        after += [each for each in wanted if (each["key"], each["effect"]) not in there]
    if after != taints:
        patch["spec"] = {"taints": after}
    if not patch["metadata"] and "spec" not in patch:
        return None
    # Lists are written as a whole, so the Node must be the one that was read.
    patch["metadata"]["resourceVersion"] = metadata["resourceVersion"]
    return patch


def _is_for_node(key: str) -> bool:
    own = (names.NODE_ID, names.POOL_INTENT, names.PLAN, names.PLAN_COST, names.PLANNED_PODS)
    return key not in own and not key.startswith("kubectl")


def _differing(there: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if there.get(key) != value}


def uninitialized(claim: world.Object, node: world.Object) -> tuple[str, str] | None:
    """Why a node is not initialized yet, as reason and message; None when it is."""
    if not conditions.is_true(node, "Ready"):
        return "NodeNotReady", "Node status is NotReady"
    for each in _startup_taints(claim, node):
        return "StartupTaintsExist", f'StartupTaint "{_taint_text(each)}" still exists'
    for each in (node.get("spec") or {}).get("taints") or []:
        if (each["key"], each["effect"]) in EPHEMERAL or each["key"].startswith(READINESS):
            return "KnownEphemeralTaintsExist", f'KnownEphemeralTaint "{_taint_text(each)}" still exists'
    for resource in _unregistered(claim, node):
        return "ResourceNotRegistered", f'Resource "{resource}" was requested but not registered'
    return None


def prepared_by_others(claim: world.Object, node: world.Object) -> bool:
    """Whether a node waits for pods that make it usable: they take a startup taint away, or bring a resource."""
    if claim["spec"].get("startupTaints") and not conditions.is_true(claim, "Registered"):
        return True
    taints = (node.get("spec") or {}).get("taints") or []
    return (
        bool(_startup_taints(claim, node))
        or any(each["key"].startswith(READINESS) for each in taints)
        or bool(_unregistered(claim, node, BY_KUBELET))
    )


def _startup_taints(claim: world.Object, node: world.Object) -> list[dict[str, str]]:
    """Those of the Node's taints that the claim has as startup taints."""
    startup = {(each["key"], each["effect"]) for each in claim["spec"].get("startupTaints") or []}
    return [each for each in (node.get("spec") or {}).get("taints") or [] if (each["key"], each["effect"]) in startup]


def _unregistered(claim: world.Object, node: world.Object, but: frozenset[str] = frozenset()) -> list[str]:
    """Resources that the claim asks for and the Node does not have yet, without some."""
    has = (node.get("status") or {}).get("allocatable") or {}
    asked = (claim["spec"].get("resources") or {}).get("requests") or {}
    return [
        resource
        for resource, amount in asked.items()
        if resource not in but and quantity.milli(amount) and not quantity.milli(has.get(resource, "0"))
    ]


def _taint_text(taint: Mapping[str, str]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def overdue(claim: world.Object, given: settings.Settings, gpus: int, now: float) -> str | None:
    """The reason to give a claim up for lost, None while there is patience left."""
    if not conditions.is_true(claim, "Launched"):
        late = now - conditions.since(claim, "Launched") > given.launch_timeout
        return "launch_timeout" if late else None
    if conditions.is_true(claim, "Registered"):
        return None
    patience = given.gpu_registration_timeout if gpus else given.registration_timeout
    return "registration_timeout" if now - conditions.since(claim, "Registered") > patience else None


class Lifecycle:
    """Walks all claims; called by the loop over the cluster."""

    def __init__(self, shared: world.World, changed: Callable[[], None]) -> None:
        self._world = shared
        self._changed = changed

    def reconcile(self) -> None:
        """One pass."""
        nodes = self._world.nodes_by_machine()
        for claim in self._world.mirror.all(kinds.NODE_CLAIM):
            claim = self._world.fresh(kinds.NODE_CLAIM, claim)
            if not world.managed(claim) or world.deleting(claim):
                continue
            node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
            try:
                self._claim(claim, self._world.fresh(kinds.NODE, node) if node is not None else None)
            except (apis.ConflictError, apis.NotFoundError):
                # Changed meanwhile: the next pass sees the new state.
                self._changed()

    def _claim(self, claim: world.Object, node: world.Object | None) -> None:
        shared, now = self._world, self._world.now()
        name = claim["metadata"]["name"]
        finalizers = claim["metadata"].get("finalizers") or []
        if names.TERMINATION_FINALIZER not in finalizers:
            body = {
                "metadata": {
                    "resourceVersion": claim["metadata"]["resourceVersion"],
                    "finalizers": [*finalizers, names.TERMINATION_FINALIZER],
                }
            }
            shared.patch(kinds.NODE_CLAIM, claim, body)
            return
        flavor = shared.catalogue().flavors.get(world.label(claim, names.INSTANCE_TYPE_LABEL))
        reason = overdue(claim, shared.settings, flavor.gpus if flavor else 0, now)
        if reason is not None:
            log.warning("gave up", extra={"NodeClaim": name, "reason": reason})
            shared.recorder.event(claim, "InsufficientCapacityError", f"NodeClaim {name} event: {reason}", warning=True)
            shared.api.delete(kinds.NODE_CLAIM, name, uid=claim["metadata"].get("uid") or "")
            shared.refuse(
                world.label(claim, names.INSTANCE_TYPE_LABEL), world.label(claim, names.ZONE_LABEL), "did not come"
            )
            demands.disrupted(claim, reason)
            return
        draft = conditions.Draft(claim, DEPENDENTS, now)
        status: dict[str, Any] = {}
        if draft.is_true("Launched"):
            self._register(claim, node, draft, status)
            if node is not None and draft.is_true("Registered") and not draft.is_true("Initialized"):
                self._initialize(claim, node, draft)
        self._write(claim, draft, status)

    def _register(
        self, claim: world.Object, node: world.Object | None, draft: conditions.Draft, status: dict[str, Any]
    ) -> None:
        shared = self._world
        if node is None:
            if not draft.is_true("Registered"):
                draft.set("Registered", "Unknown", "NodeNotFound", "Node not registered with cluster")
                draft.set("Initialized", "Unknown", "NodeNotFound", "Node not registered with cluster")
            return
        if draft.is_true("Registered") and (claim.get("status") or {}).get("nodeName") == node["metadata"]["name"]:
            return
        if world.deleting(node):
            return
        patch = registration(claim, node)
        if patch is not None:
            shared.patch(kinds.NODE, node, patch)
        draft.true("Registered")
        status["nodeName"] = node["metadata"]["name"]

    def _initialize(self, claim: world.Object, node: world.Object, draft: conditions.Draft) -> None:
        why_not = uninitialized(claim, node)
        if why_not is not None:
            draft.set("Initialized", "Unknown", *why_not)
            return
        shared = self._world
        if world.label(node, names.INITIALIZED_LABEL) != "true":
            shared.patch(kinds.NODE, node, {"metadata": {"labels": {names.INITIALIZED_LABEL: "true"}}})
        draft.true("Initialized")

    def _write(self, claim: world.Object, draft: conditions.Draft, status: dict[str, Any]) -> None:
        after = draft.finish()
        if after is not None:
            status["conditions"] = after
        if not status:
            return
        self._world.patch(kinds.NODE_CLAIM, claim, {"status": status}, subresource="status")
        pool, zone = world.label(claim, names.NODEPOOL_LABEL), world.label(claim, names.ZONE_LABEL)
        node = status.get("nodeName") or (claim.get("status") or {}).get("nodeName") or ""
        for _, each in draft.transitions():
            if each["status"] == "True" and each["type"] in ("Registered", "Initialized"):
                extra = {"NodeClaim": claim["metadata"]["name"], "Node": node}
                log.info(f"{each['type'].lower()} nodeclaim", extra=extra)
            if each["status"] == "True" and each["type"] == "Registered":
                metrics.NODES_CREATED.labels(pool, zone).inc()
        notices.transitions(self._world, claim, draft, (*DEPENDENTS, conditions.ROOT))
        self._changed()
