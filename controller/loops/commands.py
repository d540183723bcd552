"""
Disruptions that are under way: nodes that wait for their replacements, and what becomes of them.

Nothing is kept in memory. A claim with the condition DisruptionReason waits; the claims that replace it name it in an
annotation. When all of them are ready it is deleted. When one of them is gone, or time is up, the node is given back:
what was bought stays as an ordinary node. After a crash half-way the next pass finds one of the two.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controller import metrics, names, settings, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import demands

log = logging.getLogger(__name__)

DEPENDENTS = demands.DEPENDENTS


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a claim that waits: it `goes`, it is given `back` (with the reason in words), or it waits on."""

    goes: bool = False
    back: str = ""


def replacements(claims: Sequence[world.Object]) -> dict[str, tuple[list[world.Object], int]]:
    """Claims that others replace, by uid: those others that are there, and how many there must be."""
    found: dict[str, tuple[list[world.Object], int]] = {}
    for claim in claims:
        try:
            said = json.loads(world.annotation(claim, names.REPLACES) or "{}")
            replaced, count = [str(each) for each in said.get("claims", ())], int(said.get("by", 0))
        except (ValueError, AttributeError, TypeError):
            continue
        for uid in replaced:
            known, most = found.setdefault(uid, ([], 0))
            known.append(claim)
            found[uid] = known, max(most, count)
    return found


def waiting(claim: world.Object) -> bool:
    """Whether a claim was chosen to go and its deletion is still to come."""
    return conditions.is_true(claim, "DisruptionReason") and not world.deleting(claim)


def verdict(
    claim: world.Object,
    node: world.Object | None,
    by: Sequence[world.Object],
    needed: int,
    given: settings.Settings,
    now: float,
) -> Verdict:
    """What becomes of a claim that waits for the claims `by`, of which there must be `needed`."""
    if node is not None and world.annotation(node, names.DO_NOT_DISRUPT) == "true":
        return Verdict(back=f"the node has {names.DO_NOT_DISRUPT} now")
    if needed == 0 or len(by) < needed or any(world.deleting(each) for each in by):
        return Verdict(back="a replacement is missing")
    if all(conditions.is_true(each, "Initialized") for each in by):
        return Verdict(goes=True)
    slow = any("nvidia.com/gpu" in ((each.get("status") or {}).get("capacity") or {}) for each in by)
    patience = given.gpu_registration_timeout if slow else given.registration_timeout
    late = now - conditions.since(claim, "DisruptionReason") > given.launch_timeout + 2 * patience
    return Verdict(back="its replacements are not ready in time") if late else Verdict()


class Commands:
    """Begins disruptions and brings them to their end."""

    def __init__(self, shared: world.World, changed: Callable[[], None]) -> None:
        self._world = shared
        self._changed = changed

    def reconcile(self, claims: Sequence[world.Object], nodes: Mapping[str, world.Object]) -> None:
        """Look after all disruptions under way; `nodes` are by provider id."""
        shared = self._world
        by = replacements(claims)
        for claim in claims:
            if not waiting(claim):
                continue
            node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
            others, needed = by.get(str(claim["metadata"].get("uid")), ([], 0))
            found = verdict(claim, node, others, needed, shared.settings, shared.now())
            try:
                if found.goes:
                    self.delete(claim, node)
                elif found.back:
                    self._give_back(claim, node, found.back)
                else:
                    for each in others:
                        note = "Waiting on readiness to continue disruption"
                        shared.recorder.event(each, "DisruptionWaitingReadiness", note)
            except (apis.ConflictError, apis.NotFoundError):
                # Something has changed since it was read: the next pass judges anew.
                self._changed()

    def mark(self, claim: world.Object, node: world.Object, reason: str) -> bool:
        """Keep new pods off a node and say why it goes; False when it has changed meanwhile, and nothing is marked."""
        shared = self._world
        taints = [each for each in node["spec"].get("taints") or [] if each["key"] != names.DISRUPTED_TAINT]
        draft = conditions.Draft(claim, DEPENDENTS, shared.now())
        draft.set("DisruptionReason", "True", reason, reason)
        try:
            # The taint comes first: a claim with the condition and without the taint would get pods until it goes.
            shared.patch(
                kinds.NODE, node, _spec(node, [*taints, {"key": names.DISRUPTED_TAINT, "effect": "NoSchedule"}])
            )
            body = {"status": {"conditions": draft.finish()}}
            shared.patch(kinds.NODE_CLAIM, claim, body, subresource="status")
        except (apis.ConflictError, apis.NotFoundError):
            return False
        return True

    def delete(self, claim: world.Object, node: world.Object | None) -> None:
        """Delete a marked claim; draining is the termination's business."""
        shared, name = self._world, claim["metadata"]["name"]
        reason = str((conditions.find(claim, "DisruptionReason") or {}).get("reason") or "")
        shared.api.delete(kinds.NODE_CLAIM, name, uid=claim["metadata"].get("uid") or "")
        if node is not None:
            shared.recorder.event(node, "DisruptionTerminating", f"Disrupting Node: {reason}")
        shared.recorder.event(claim, "DisruptionTerminating", f"Disrupting NodeClaim: {reason}")
        pool = shared.mirror.get(kinds.NODE_POOL, world.label(claim, names.NODEPOOL_LABEL)) or {}
        policy = ((pool.get("spec") or {}).get("disruption") or {}).get("consolidationPolicy") or ""
        demands.disrupted(claim, reason.lower(), _snake(policy) if reason != "Drifted" else "")
        self._changed()

    def release(self, claims: Sequence[world.Object], nodes: Mapping[str, world.Object]) -> None:
        """Take the taint off nodes that nothing is going to happen to: a crash has left it there."""
        for claim in claims:
            node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
            if node is None or world.deleting(node) or world.deleting(claim) or waiting(claim):
                continue
            if any(each["key"] == names.DISRUPTED_TAINT for each in node["spec"].get("taints") or []):
                try:
                    self._untaint(node)
                except (apis.ConflictError, apis.NotFoundError):
                    self._changed()

    def _give_back(self, claim: world.Object, node: world.Object | None, why: str) -> None:
        shared, name = self._world, claim["metadata"]["name"]
        reason = str((conditions.find(claim, "DisruptionReason") or {}).get("reason") or "")
        if node is not None:
            self._untaint(node)
        draft = conditions.Draft(claim, DEPENDENTS, shared.now())
        draft.remove("DisruptionReason")
        body = {"status": {"conditions": draft.finish()}}
        shared.patch(kinds.NODE_CLAIM, claim, body, subresource="status")
        metrics.QUEUE_FAILURES.labels("replace", reason.lower(), "").inc()
        log.warning("disruption given up", extra={"NodeClaim": name, "reason": reason, "error": why})

    def _untaint(self, node: world.Object) -> None:
        taints = [each for each in node["spec"].get("taints") or [] if each["key"] != names.DISRUPTED_TAINT]
        self._world.patch(kinds.NODE, node, _spec(node, taints))
        log.info("untainted node", extra={"Node": node["metadata"]["name"]})


def _spec(node: world.Object, taints: list[Any]) -> dict[str, Any]:
    """The patch of the taints of the Node that was read."""
    return {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}, "spec": {"taints": taints}}


def _snake(text: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in text).lstrip("_")
