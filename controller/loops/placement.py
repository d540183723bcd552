"""
Carrying the plan out against a scheduler that does not know it: new nodes are held for the pods planned onto them.

A node that belongs to a claim gets a taint of ours as soon as it appears, and its planned pods a toleration for just
that taint (tolerations may be added to a pending pod). The scheduler stays in charge; nobody else gets in. The taint
goes when the planned pods are bound or gone, or soon after the node is ready. Where that does not fit, pods are
nominated. When no controller runs, nodes simply are not held.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from controller import metrics, names, world
from controller.kube import api as apis
from controller.kube import conditions, kinds

log = logging.getLogger(__name__)

WRITERS = 8
"""How many pods are patched at a time."""


def value_of(claim: str) -> str:
    """The taint's value for a claim."""
    return claim[-63:].lstrip("-._")


def holds(node: Mapping[str, Any]) -> bool:
    """Whether a Node carries our taint."""
    taints = (node.get("spec") or {}).get("taints") or []
    return any(each.get("key") == names.RESERVED_TAINT for each in taints)


def tolerates(pod: Mapping[str, Any], claim: str) -> bool:
    """Whether a pod has the toleration for a claim's node."""
    wanted = value_of(claim)
    return any(
        each.get("key") == names.RESERVED_TAINT and each.get("value") == wanted
        for each in (pod.get("spec") or {}).get("tolerations") or []
    )


def toleration_patch(pod: Mapping[str, Any], claim: str) -> list[dict[str, Any]]:
    """The JSON patch that adds the toleration."""
    added = {
        "key": names.RESERVED_TAINT,
        "operator": "Equal",
        "value": value_of(claim),
        "effect": "NoSchedule",
    }
    if (pod.get("spec") or {}).get("tolerations"):
        return [{"op": "add", "path": "/spec/tolerations/-", "value": added}]
    return [{"op": "add", "path": "/spec/tolerations", "value": [added]}]


def wants_hold(
    initialized_for: float | None, unbound: int, patience: float, starting_for: float = 0.0, starts_in: float = 900.0
) -> bool:
    """
    Whether a node is to be held: while it starts and for pods that are still to come, but not for long.

    `initialized_for` is how many seconds ago the node was initialized, None when it is not; then it is held until it has
    been `starting_for` longer than it may (`starts_in`): a node that never gets all that its claim asks for, such as
    GPUs, still has room for others.
    """
    if initialized_for is None:
        return unbound > 0 and starting_for < starts_in
    return unbound > 0 and initialized_for < patience


class Placement:
    """Reserves, nominates and lets go; called by a loop of its own."""

    def __init__(self, shared: world.World, replan: Callable[[], None]) -> None:
        self._world = shared
        self._replan = replan
        self._writers = concurrent.futures.ThreadPoolExecutor(WRITERS, thread_name_prefix="placement")

    def reconcile(self) -> None:
        """One pass."""
        shared = self._world
        self._review()
        with shared.lock:
            assigned = list(shared.assignments.values())
        by_claim: dict[str, list[world.Assignment]] = {}
        for each in assigned:
            by_claim.setdefault(each.claim, []).append(each)
        nodes = shared.nodes_by_machine()
        work = []
        for claim in shared.mirror.all(kinds.NODE_CLAIM):
            node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
            # What an earlier start of the controller has held is let go, whatever is set now.
            if node is not None and (shared.settings.placement != "none" or holds(node)):
                work.append((claim, node, by_claim.get(claim["metadata"]["name"], [])))
        # All nodes are held before the first pod is written: they may be ready any moment.
        held = list(self._writers.map(self._hold, work))
        metrics.RESERVED_NODES.set(sum(held))
        if shared.settings.placement == "none":
            return
        for (claim, node, mine), now_held in zip(work, held, strict=True):
            self._bring(claim, node, mine, held=now_held)

    def _review(self) -> None:
        """Count pods that were bound, forget pods and claims that are gone, and plan anew for pods without a place."""
        shared = self._world
        claims = {claim["metadata"]["name"]: claim for claim in shared.mirror.all(kinds.NODE_CLAIM)}
        with shared.lock:
            assigned = list(shared.assignments.values())
        done, left = [], 0
        for each in assigned:
            pod = shared.mirror.of(kinds.POD).get(each.pod)
            claim = claims.get(each.claim)
            if pod is None or pod["metadata"].get("uid") != each.uid or world.deleting(pod):
                done.append(each.pod)
            elif node := (pod.get("spec") or {}).get("nodeName"):
                there = (claim.get("status") or {}).get("nodeName") if claim else None
                metrics.PLACED.labels("planned" if node == there else "elsewhere").inc()
                done.append(each.pod)
            elif claim is None or world.deleting(claim) or self._late(claim):
                done.append(each.pod)
                left += 1
        with shared.lock:
            for key in done:
                shared.assignments.pop(key, None)
        if left:
            self._replan()

    def _late(self, claim: world.Object) -> bool:
        since = self._initialized_for(claim)
        return since is not None and since > self._world.settings.reservation_timeout

    def _initialized_for(self, claim: world.Object) -> float | None:
        if not conditions.is_true(claim, "Initialized"):
            return None
        return self._world.now() - conditions.since(claim, "Initialized")

    def _hold(self, what: tuple[world.Object, world.Object, list[world.Assignment]]) -> bool:
        """Hold or release one node; whether it is held for pods that are known."""
        claim, node, assigned = what
        shared = self._world
        since = self._initialized_for(claim)
        unbound = sum(1 for _ in self._unbound(assigned))
        wanted = (
            self._reserves(assigned)
            and not world.deleting(claim)
            and wants_hold(
                since,
                unbound,
                shared.settings.reservation_timeout,
                shared.now() - conditions.since(claim, "Registered")
                if conditions.is_true(claim, "Registered")
                else 0.0,
                shared.settings.registration_timeout,
            )
        )
        held = holds(node)
        if held and not wanted and since is None and not assigned and not world.deleting(claim):
            # After a restart nothing is known yet of a node that still starts: the next batch says who goes there.
            return False
        if wanted != held:
            try:
                self._taint(node, claim, on=wanted)
            except (apis.ConflictError, apis.NotFoundError):
                # Changed meanwhile: that change wakes the loop again.
                return False
        return wanted

    def _reserves(self, assigned: Iterable[world.Assignment]) -> bool:
        return self._world.settings.placement == "reserve" and not any(each.direct for each in assigned)

    def _bring(self, claim: world.Object, node: world.Object, assigned: list[world.Assignment], *, held: bool) -> None:
        """Let the planned pods onto a node that is held, or nominate them where none is."""
        name, there = claim["metadata"]["name"], node["metadata"]["name"]
        pods = list(self._unbound(assigned))
        if held:
            list(self._writers.map(self._tolerate, [(pod, name) for pod in pods if not tolerates(pod, name)]))
        elif not self._reserves(assigned):
            away = [pod for pod in pods if (pod.get("status") or {}).get("nominatedNodeName") != there]
            list(self._writers.map(self._nominate, [(pod, there) for pod in away]))

    def _tolerate(self, what: tuple[world.Object, str]) -> None:
        pod, claim = what
        with contextlib.suppress(apis.NotFoundError, apis.ConflictError):
            self._world.patch(kinds.POD, pod, toleration_patch(pod, claim), how=apis.JSON_PATCH)

    def _nominate(self, what: tuple[world.Object, str]) -> None:
        pod, node = what
        # The API server refuses this for a pod that has been bound meanwhile.
        with contextlib.suppress(apis.ApiError):
            self._world.patch(kinds.POD, pod, {"status": {"nominatedNodeName": node}}, subresource="status")

    def _unbound(self, assigned: Iterable[world.Assignment]) -> Iterable[world.Object]:
        for each in assigned:
            pod = self._world.mirror.of(kinds.POD).get(each.pod)
            if pod is not None and not (pod.get("spec") or {}).get("nodeName"):
                yield pod

    def _taint(self, node: world.Object, claim: world.Object, *, on: bool) -> None:
        name = claim["metadata"]["name"]
        taints = [each for each in (node.get("spec") or {}).get("taints") or [] if each["key"] != names.RESERVED_TAINT]
        if on:
            taints.append({"key": names.RESERVED_TAINT, "value": value_of(name), "effect": "NoSchedule"})
        body = {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}, "spec": {"taints": taints}}
        self._world.patch(kinds.NODE, node, body)
        log.info(
            "reserved node" if on else "released node", extra={"Node": node["metadata"]["name"], "NodeClaim": name}
        )
