"""What claims are told of OVH's answers: their machine, that it will not come, that it goes, and that it is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from controller import metrics, names, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import demands, notices
from controller.ovh import types
from solver.render import document

log = logging.getLogger(__name__)


class Outcomes:
    """Writes to claims; nothing here speaks to OVH."""

    def __init__(self, shared: world.World, changed: Callable[[], None]) -> None:
        self._world = shared
        self._changed = changed
        self._missing: dict[str, float] = {}

    @property
    def awaited(self) -> bool:
        """Whether a machine has vanished and may still come back."""
        return bool(self._missing)

    def forget(self, claims: Collection[str]) -> None:
        """Drop what was remembered of claims that are not among these any more."""
        self._missing = {name: since for name, since in self._missing.items() if name in claims}

    def launched(self, place: world.Place, claim: world.Object, node: types.Node) -> None:
        """Give the node to the claim and tell the claim what it got."""
        shared, name = self._world, claim["metadata"]["name"]
        status = claim.get("status") or {}
        new_node = world.annotation(claim, names.NODE_ID) != node.id
        if new_node:
            adopted = bool(world.annotation(claim, names.NODE_ID))
            shared.annotate(claim, {names.NODE_ID: node.id, names.POOL_INTENT: None})
            claim = shared.mirror.get(kinds.NODE_CLAIM, name) or claim
            log.info(
                "adopted node" if adopted else "launched nodeclaim",
                extra={"NodeClaim": name, "node": node.name, "pool": world.annotation(claim, names.OVH_POOL)},
            )
        self._missing.pop(name, None)
        machine = node.provider_id or ""
        body: dict[str, Any] = {}
        draft = conditions.Draft(claim, demands.DEPENDENTS, shared.now())
        draft.true("Launched")
        before = status.get("providerID") or ""
        if machine != before:
            # While another node has no machine yet, the claim has none: the old Node is not its Node any more.
            body["providerID"] = machine or None
            with shared.lock:
                shared.machine_since[name] = shared.now()
            if before:
                draft.set("Registered", "Unknown", "NodeReplaced", "MKS has replaced the node")
                draft.set("Initialized", "Unknown", "NodeReplaced", "MKS has replaced the node")
                body["nodeName"] = ""
        if not status.get("capacity"):
            flavor = shared.catalogue().flavors.get(world.label(claim, names.INSTANCE_TYPE_LABEL))
            if flavor is not None:
                body |= {
                    "capacity": document.amounts(flavor.capacity),
                    "allocatable": document.amounts(flavor.allocatable),
                    "imageID": f"mks-{place.version}" if place.version else "mks",
                }
        after = draft.finish()
        if after is not None:
            body["conditions"] = after
            notices.transitions(shared, claim, draft, (*demands.DEPENDENTS, conditions.ROOT))
        if body:
            shared.patch(kinds.NODE_CLAIM, claim, {"status": body}, subresource="status")
            self._changed()

    def give_up(self, claim: world.Object, reason: str, message: str) -> None:
        """Delete a claim that will not get its node."""
        shared, name = self._world, claim["metadata"]["name"]
        shared.recorder.event(
            claim, "InsufficientCapacityError", f"NodeClaim {name} event: {message[:300]}", warning=True
        )
        log.warning("launch failed", extra={"NodeClaim": name, "reason": reason, "error": message})
        shared.api.delete(kinds.NODE_CLAIM, name, uid=claim["metadata"].get("uid") or "")
        demands.disrupted(claim, reason)
        self._changed()

    def terminating(self, claim: world.Object) -> None:
        """The machine of a claim is on its way out."""
        draft = conditions.Draft(claim, demands.DEPENDENTS, self._world.now())
        if draft.is_true("InstanceTerminating"):
            return
        draft.true("InstanceTerminating")
        after = draft.finish()
        self._world.patch(kinds.NODE_CLAIM, claim, {"status": {"conditions": after}}, subresource="status")
        self._changed()

    def finish(self, claim: world.Object) -> None:
        """The machine is gone: so is the claim, once nothing of its Node is left to do."""
        shared, metadata = self._world, claim["metadata"]
        if world.annotation(claim, names.NODE_ID) and not conditions.is_true(claim, "InstanceTerminating"):
            self.terminating(claim)
            return
        if shared.node_of(claim) is not None:
            return
        finalizers = [each for each in metadata.get("finalizers") or [] if each != names.TERMINATION_FINALIZER]
        if len(finalizers) == len(metadata.get("finalizers") or []):
            return
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        try:
            shared.patch(kinds.NODE_CLAIM, claim, body)
        except (apis.NotFoundError, apis.ConflictError):
            return
        with shared.lock:
            shared.machine_since.pop(metadata["name"], None)
        pool = world.label(claim, names.NODEPOOL_LABEL)
        zone = world.label(claim, names.ZONE_LABEL)
        metrics.NODECLAIMS_TERMINATED.labels(pool, world.label(claim, names.CAPACITY_TYPE_LABEL), zone).inc()
        started = conditions.seconds(metadata.get("deletionTimestamp"))
        if started is not None:
            metrics.NODECLAIM_TERMINATION_SECONDS.labels(pool).observe(max(0.0, shared.now() - started))
        log.info("deleted nodeclaim", extra={"NodeClaim": metadata["name"], "NodePool": pool})
        self._changed()

    def vanished(self, claim: world.Object, lost: bool, now: float) -> None:
        """A machine that is not listed any more: MKS brings another one, or somebody has taken it away."""
        name = claim["metadata"]["name"]
        if not lost:
            self._missing.pop(name, None)
            return
        since = self._missing.setdefault(name, now)
        if now - since > self._world.settings.orphan_after:
            log.warning("machine is gone", extra={"NodeClaim": name})
            self._missing.pop(name, None)
            self._world.api.delete(kinds.NODE_CLAIM, name, uid=claim["metadata"].get("uid") or "")
            demands.disrupted(claim, "garbage_collected")
