"""
Carrying the plan out against a scheduler that does not know it: new nodes are held for the pods planned onto them.

A node that belongs to a claim gets a taint of ours as soon as it appears, and its planned pods a toleration for just
that taint (tolerations may be added to a pending pod). The scheduler stays in charge; nobody else gets in. The taint
goes when the planned pods are bound, those of other nodes too, for they would take the room that is left; or soon after
the node is ready. Where that does not fit, pods are nominated. When no controller runs, nodes simply are not held.

What is kept is a slot for a pod of a class (`controller.slots`), so that pods that come back under new names after an
eviction find their place.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from controller import metrics, names, slots, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import commands, lifecycle, notices
from solver import cluster

log = logging.getLogger(__name__)

WRITERS = 8
"""How many pods are patched at a time."""

PASS_SECONDS = 1.0
"""How long pods are written to before a look for new nodes: those must be held before they are ready."""


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
    quiet_for: float | None,
    slots_left: int,
    patience: float,
    starting_for: float = 0.0,
    starts_in: float = 900.0,
    *,
    from_others: bool = False,
) -> bool:
    """
    Whether a node is to be held: while it starts and for pods that are still to come, but not for long.

    `quiet_for` is how many seconds ago the node was initialized or the last of its planned pods was bound, None when it
    is not initialized; then it is held until it has been `starting_for` longer than it may (`starts_in`): a node that
    never gets all that its claim asks for still has room for others. A node that has all its pods is held `from_others`:
    pods that wait for nodes of theirs.
    """
    if quiet_for is None:
        return slots_left > 0 and starting_for < starts_in
    return (slots_left > 0 or from_others) and quiet_for < patience


def keep(shared: world.World, placements: Mapping[str, str], of: cluster.Cluster, claims: Collection[str]) -> None:
    """
    Keep a slot for each pod of a plan (by `namespace/name`) that it puts onto one of these claims, or onto the Node of
    one that is not handed over yet; pods with another place in the plan lose theirs.
    """
    if shared.settings.dry_run:
        return
    nodes, by_node = shared.nodes_by_machine(), {}
    for claim in shared.mirror.all(kinds.NODE_CLAIM):
        node = nodes.get(_machine(claim))
        if node is not None and (holds(node) or not conditions.is_true(claim, "Initialized")):
            by_node[node["metadata"]["name"]] = claim["metadata"]["name"]
    pods = {key: pod for key in placements if (pod := of.pods.get(key)) is not None}
    known = slots.classes(raw for key in pods if (raw := shared.mirror.of(kinds.POD).get(key)) is not None)
    wanted = []
    for key, pod in pods.items():
        target = placements[key]
        name = target if target in claims else by_node.get(target, "")
        if name and pod.uid in known:
            direct = any(spread.honor_taints for spread in pod.spec.spread)
            wanted.append(slots.Slot(name, known[pod.uid], key, pod.uid, direct, pod.node))
    shared.slots.plan(wanted, {pod.uid for pod in pods.values()})


def waits(pod: world.Object) -> bool:
    """Whether a pod could be bound now."""
    spec = pod.get("spec") or {}
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not (spec.get("nodeName") or spec.get("schedulingGates") or ended or world.deleting(pod))


def take(shared: world.World, pod: world.Object) -> bool:
    """Give a waiting pod the slot of one of its class that is gone; whether there was one."""
    slot = shared.slots.take(pod)
    if slot is None:
        return False
    metrics.SLOTS_TAKEN.inc()
    claim = shared.mirror.get(kinds.NODE_CLAIM, slot.claim)
    log.info("pod takes a slot", extra={"Pod": slot.pod, "NodeClaim": slot.claim})
    if claim is not None:
        notices.nominated(shared, pod, claim)
    return True


def _machine(claim: world.Object) -> str:
    return str((claim.get("status") or {}).get("providerID") or "")


class Placement:
    """Reserves, nominates and lets go; called by a loop of its own."""

    def __init__(self, shared: world.World, replan: Callable[[], None]) -> None:
        self._world = shared
        self._replan = replan
        self._writers = concurrent.futures.ThreadPoolExecutor(WRITERS, thread_name_prefix="placement")
        self._filled: dict[str, float] = {}
        """When the last planned pod of a claim was bound to its node."""

    def reconcile(self) -> bool:
        """One pass; whether it came to its end, or there is more to do at once."""
        shared = self._world
        self._review()
        by_claim: dict[str, list[slots.Slot]] = {}
        for slot in shared.slots.all():
            by_claim.setdefault(slot.claim, []).append(slot)
        nodes = shared.nodes_by_machine()
        work = []
        for claim in shared.mirror.all(kinds.NODE_CLAIM):
            node = nodes.get(_machine(claim))
            # What an earlier start of the controller has held is let go, whatever is set now.
            if node is not None and (shared.settings.placement != "none" or holds(node)):
                work.append((claim, node, by_claim.get(claim["metadata"]["name"], [])))
        waiting = any(slot.uid and not slot.origin for slot in shared.slots.all())
        # All nodes are held before the first pod is written: they may be ready any moment.
        held = list(self._writers.map(functools.partial(self._hold, waiting), work))
        metrics.RESERVED_NODES.set(sum(held))
        if shared.settings.placement == "none":
            return True
        # Counted from here, so that every pass brings somebody in.
        until = shared.now() + PASS_SECONDS
        for (claim, node, mine), now_held in zip(work, held, strict=True):
            if shared.now() > until:
                return False
            self._bring(claim, node, mine, held=now_held)
        return True

    def _review(self) -> None:
        """
        Forget slots that are filled or that nothing comes of, and give free ones to pods that wait.

        Pods that wait and whose slot is forgotten are planned anew.
        """
        shared = self._world
        claims = {claim["metadata"]["name"]: claim for claim in shared.mirror.all(kinds.NODE_CLAIM)}
        leaving = {
            str((claim.get("status") or {}).get("nodeName") or "")
            for claim in claims.values()
            if world.deleting(claim) or commands.waiting(claim)
        }
        leaving |= {node["metadata"]["name"] for node in shared.mirror.all(kinds.NODE) if world.deleting(node)}
        nodes = shared.nodes_by_machine()
        self._filled = {name: since for name, since in self._filled.items() if name in claims}
        left = False
        for slot in shared.slots.all():
            claim, pod = claims.get(slot.claim), shared.mirror.of(kinds.POD).get(slot.pod)
            node = str(((pod or {}).get("spec") or {}).get("nodeName") or "")
            if slot.uid and (pod is None or pod["metadata"].get("uid") != slot.uid or world.deleting(pod)):
                shared.slots.release(slot.uid)
            elif node and node != slot.origin:
                self._bound(slot, nodes.get(_machine(claim)) if claim is not None else None, node)
            elif claim is None or world.deleting(claim) or self._late(claim) or (node and node not in leaving):
                shared.slots.drop(slot)
                left = left or (pod is not None and not node)
        if any(not slot.uid for slot in shared.slots.all()):
            for pod in shared.mirror.all(kinds.POD):
                if waits(pod):
                    take(shared, pod)
        if left:
            self._replan()

    def _bound(self, slot: slots.Slot, wanted: world.Object | None, node: str) -> None:
        """Count a pod that has found its node, which should be `wanted`."""
        planned = wanted is not None and wanted["metadata"]["name"] == node
        metrics.PLACED.labels("planned" if planned else "elsewhere").inc()
        if planned:
            self._filled[slot.claim] = self._world.now()
        self._world.slots.drop(slot)

    def _late(self, claim: world.Object) -> bool:
        quiet = self._quiet_for(claim)
        return quiet is not None and quiet > self._world.settings.reservation_timeout

    def _quiet_for(self, claim: world.Object) -> float | None:
        if not conditions.is_true(claim, "Initialized"):
            return None
        last = max(conditions.since(claim, "Initialized"), self._filled.get(claim["metadata"]["name"], 0.0))
        return self._world.now() - last

    def _hold(self, waiting: bool, what: tuple[world.Object, world.Object, list[slots.Slot]]) -> bool:
        """Hold or release one node; whether it is held. `waiting`: pods wait for their places, here or elsewhere."""
        claim, node, mine = what
        shared = self._world
        held = holds(node)
        quiet = self._quiet_for(claim)
        starting = (
            shared.now() - conditions.since(claim, "Registered") if conditions.is_true(claim, "Registered") else 0.0
        )
        wanted = (
            self._reserves(mine)
            and not world.deleting(claim)
            # Daemons that bring a device or take a startup taint away tolerate no taint of ours.
            and not lifecycle.prepared_by_others(claim, node)
            and wants_hold(
                quiet,
                len(mine),
                shared.settings.reservation_timeout,
                starting,
                shared.settings.registration_timeout,
                from_others=held and claim["metadata"]["name"] in self._filled and waiting,
            )
        )
        if held and not wanted and quiet is None and not mine and not world.deleting(claim):
            # After a restart nothing is known yet of a node that still starts: the next batch says who goes there.
            return False
        if wanted != held:
            try:
                self._taint(node, claim, on=wanted)
            except (apis.ConflictError, apis.NotFoundError):
                # Changed meanwhile: that change wakes the loop again.
                return False
        return wanted

    def _reserves(self, mine: Iterable[slots.Slot]) -> bool:
        return self._world.settings.placement == "reserve" and not any(slot.direct for slot in mine)

    def _bring(self, claim: world.Object, node: world.Object, mine: list[slots.Slot], *, held: bool) -> None:
        """Let the planned pods onto a node that is held, or nominate them where none is."""
        name, there = claim["metadata"]["name"], node["metadata"]["name"]
        pods = list(self._waiting(mine))
        if held:
            list(self._writers.map(self._tolerate, [(pod, name) for pod in pods if not tolerates(pod, name)]))
        elif not self._reserves(mine):
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

    def _waiting(self, mine: Iterable[slots.Slot]) -> Iterable[world.Object]:
        for slot in mine:
            pod = self._world.mirror.of(kinds.POD).get(slot.pod)
            if pod is not None and pod["metadata"].get("uid") == slot.uid and waits(pod):
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
