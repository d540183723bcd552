"""NodePool status: validation, node class, use against limits, hash. Texts and reasons are upstream's."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from controller import names, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from crds import nodepool, quantity, validation

log = logging.getLogger(__name__)

DEPENDENTS = ("ValidationSucceeded", "NodeClassReady")
RESOURCES = ("cpu", "memory", "pods", "ephemeral-storage")


def usage(claims: Iterable[world.Object]) -> dict[str, dict[str, int]]:
    """What the claims of each pool that stay have together: resource to amount (milli-CPU for cpu), and `nodes`."""
    found: dict[str, dict[str, int]] = {}
    for claim in claims:
        if world.deleting(claim):
            continue
        of_pool = found.setdefault(world.label(claim, names.NODEPOOL_LABEL), dict.fromkeys((*RESOURCES, "nodes"), 0))
        of_pool["nodes"] += 1
        for resource, amount in ((claim.get("status") or {}).get("capacity") or {}).items():
            of_pool[resource] = of_pool.get(resource, 0) + quantity.resource_units(resource, amount)
    return found


def class_state(node_class: world.Object | None) -> tuple[str, str, str]:
    """Status, reason and message of NodeClassReady."""
    if node_class is None:
        return "False", "NodeClassNotFound", "NodeClass not found on cluster"
    if world.deleting(node_class):
        return "False", "NodeClassTerminating", "NodeClass is Terminating"
    ready = conditions.find(node_class, conditions.ROOT)
    if ready is None or ready["status"] == "Unknown":
        return "False", "NodeClassReadinessUnknown", "Node Class Readiness Unknown"
    if ready["status"] == "True":
        return "True", "", ""
    broken = [
        each for each in conditions.of(node_class) if each["status"] == "False" and each["type"] != conditions.ROOT
    ]
    text = "; ".join(each["message"] for each in broken)
    return "False", broken[0]["reason"] if broken else str(ready["reason"]), text or str(ready["message"])


class NodePools:
    """Keeps the status of all NodePools up; called by the loop over the cluster."""

    def __init__(self, shared: world.World) -> None:
        self._world = shared

    def reconcile(self) -> None:
        """One pass."""
        shared = self._world
        used = usage(shared.mirror.all(kinds.NODE_CLAIM))
        for item in shared.mirror.all(kinds.NODE_POOL):
            if world.managed(item):
                try:
                    self._pool(item, used.get(item["metadata"]["name"], {}))
                except (apis.ConflictError, apis.NotFoundError):
                    continue

    def _pool(self, item: world.Object, used: dict[str, int]) -> None:
        shared = self._world
        draft = conditions.Draft(item, DEPENDENTS, shared.now())
        parsed: nodepool.NodePool | None = None
        try:
            parsed = validation.parse_nodepool(item, admitted=True)
            draft.true("ValidationSucceeded")
        except validation.InvalidObject as error:
            text = "; ".join(map(str, error.problems))
            draft.set("ValidationSucceeded", "False", "NodePoolValidationFailed", text[:2000])
        reference = item["spec"]["template"]["spec"]["nodeClassRef"]
        state = class_state(shared.mirror.get(kinds.NODE_CLASS, reference["name"]))
        draft.set("NodeClassReady", *state)
        status: dict[str, Any] = {}
        counts = {key: used.get(key, 0) for key in (*RESOURCES, "nodes")}
        counts |= {key: amount for key, amount in used.items() if key not in counts}
        resources = {key: quantity.format_units(key, amount) for key, amount in sorted(counts.items())}
        before = item.get("status") or {}
        if before.get("resources") != resources:
            status["resources"] = resources
        if before.get("nodes", 0) != counts["nodes"]:
            status["nodes"] = counts["nodes"]
        after = draft.finish()
        if after is not None:
            status["conditions"] = after
            for old, new in draft.transitions():
                if new["status"] == "False" and new["type"] != conditions.ROOT:
                    shared.recorder.event(item, new["reason"], new["message"] or new["type"], warning=True)
                del old
        if status:
            shared.patch(kinds.NODE_POOL, item, {"status": status}, subresource="status")
        if parsed is not None:
            self._hash(item, parsed)

    def _hash(self, item: world.Object, parsed: nodepool.NodePool) -> None:
        """Stamp the pool; claims of another hash version are stamped anew first, so that no update makes drift."""
        shared, name = self._world, item["metadata"]["name"]
        wanted = {
            nodepool.HASH_ANNOTATION: nodepool.template_hash(parsed),
            nodepool.HASH_VERSION_ANNOTATION: nodepool.HASH_VERSION,
        }
        if all(world.annotation(item, key) == value for key, value in wanted.items()):
            return
        if world.annotation(item, nodepool.HASH_VERSION_ANNOTATION) != nodepool.HASH_VERSION:
            for claim in shared.mirror.all(kinds.NODE_CLAIM):
                old = world.annotation(claim, nodepool.HASH_VERSION_ANNOTATION)
                if world.label(claim, names.NODEPOOL_LABEL) == name and old != nodepool.HASH_VERSION:
                    shared.annotate(claim, dict(wanted))
        shared.patch(kinds.NODE_POOL, item, {"metadata": {"annotations": wanted}})
