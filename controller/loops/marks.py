"""
What claims say of themselves before anything is decided: Consolidatable, Drifted, and when a pod last came or went.

Rules: karpenter core, `pkg/controllers/nodeclaim/disruption` and `podevents`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller import names, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import demands, drift
from crds import nodepool

POD_EVENT_SECONDS = 10.0
"""How much later a pod event must be to be written down again."""


def consolidatable(claim: Mapping[str, Any], pool: nodepool.NodePool, last_pod: float | None, now: float) -> bool:
    """Whether a node has been quiet for its pool's consolidateAfter."""
    after = pool.spec.disruption.consolidate_after
    if after is None or not conditions.is_true(claim, "Initialized") or pool.spec.replicas is not None:
        return False
    base = last_pod or conditions.since(claim, "Initialized")
    return now - base >= after


class Marks:
    """Keeps these conditions up."""

    def __init__(self, shared: world.World) -> None:
        self._world = shared

    def reconcile(
        self,
        claims: Sequence[world.Object],
        nodes: Mapping[str, world.Object],
        pools: Mapping[str, tuple[world.Object, nodepool.NodePool]],
    ) -> None:
        """One pass; `nodes` are by provider id, `pools` by name."""
        for each in claims:
            claim = self._world.fresh(kinds.NODE_CLAIM, each)
            pool = pools.get(world.label(claim, names.NODEPOOL_LABEL))
            if pool is None or world.deleting(claim) or not conditions.is_true(claim, "Launched"):
                continue
            try:
                self._claim(claim, nodes.get(str((claim.get("status") or {}).get("providerID") or "")), *pool)
            except (apis.NotFoundError, apis.ConflictError):
                continue

    def _claim(
        self, claim: world.Object, node: world.Object | None, pool: world.Object, parsed: nodepool.NodePool
    ) -> None:
        shared, now = self._world, self._world.now()
        node_class = shared.mirror.get(kinds.NODE_CLASS, claim["spec"]["nodeClassRef"]["name"])
        status: dict[str, Any] = {}
        draft = conditions.Draft(claim, demands.DEPENDENTS, now)
        with shared.lock:
            place = shared.places.get(claim["spec"]["nodeClassRef"]["name"])
            seen = shared.pod_events.get(str(node["metadata"]["name"])) if node is not None else None
        why = drift.reason(claim, pool, parsed, node_class, place.catalogue if place is not None else None, now)
        if why is None:
            draft.remove("Drifted")
        elif not draft.is_true("Drifted"):
            draft.set("Drifted", "True", why, why)
        stored = conditions.seconds((claim.get("status") or {}).get("lastPodEventTime"))
        last = max(filter(None, (stored, seen)), default=None)
        if seen is not None and (stored is None or seen - stored >= POD_EVENT_SECONDS):
            status["lastPodEventTime"] = conditions.stamp(seen)
        if node is None or not consolidatable(claim, parsed, last, now):
            draft.remove("Consolidatable")
        elif not draft.is_true("Consolidatable"):
            draft.true("Consolidatable")
        after = draft.finish()
        if after is not None:
            status["conditions"] = after
        if status:
            shared.patch(kinds.NODE_CLAIM, claim, {"status": status}, subresource="status")
        if node_class is not None and world.annotation(claim, names.CLASS_HASH_VERSION) != drift.CLASS_HASH_VERSION:
            shared.annotate(claim, drift.class_marks(node_class))
