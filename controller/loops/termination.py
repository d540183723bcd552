"""
Nodes on their way out: taint, drain through the eviction API, volumes, and the finalizer once MKS has let the node go.

The machine itself goes by the cloud loop, as soon as the claim says Drained and VolumesDetached. The Node object is
only deleted when the pool is smaller already: MKS would bring it back otherwise. Rules and texts: karpenter core,
`pkg/controllers/node/termination`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from controller import metrics, names, world
from controller.kube import api as apis
from controller.kube import conditions, kinds, mirror
from controller.loops import drain
from crds import duration

log = logging.getLogger(__name__)

DEPENDENTS = ("Launched", "Registered", "Initialized")
FORCEFUL = "Forceful Termination"
EXCHANGED = "Machine exchanged by MKS"


def to_detach(
    attachments: Iterable[world.Object], node: str, staying: Iterable[world.Object], claims: Mapping[str, world.Object]
) -> list[str]:
    """
    The names of VolumeAttachments that a node waits for, in order; not those of volumes whose pods do not leave it.

    `staying` are the pods that a drained node still has, `claims` PersistentVolumeClaims by `namespace/name`.
    """
    kept = set()
    for pod in staying:
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        for volume in (pod.get("spec") or {}).get("volumes") or []:
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if "ephemeral" in volume:
                name = f"{pod['metadata']['name']}-{volume['name']}"
            claim = claims.get(f"{pod['metadata'].get('namespace')}/{name}") if name else None
            kept.add(((claim or {}).get("spec") or {}).get("volumeName") or "")
    found = []
    for each in attachments:
        volume = (each["spec"].get("source") or {}).get("persistentVolumeName")
        if each["spec"].get("nodeName") == node and volume and volume not in kept:
            found.append(str(each["metadata"]["name"]))
    return sorted(found)


def machine_stays(machine: str, listed: world.Machines | None, since: float) -> bool | None:
    """
    Whether OVH keeps a machine whose Node was deleted at `since`; None before OVH was asked after that.

    The API server's times are whole seconds.
    """
    if listed is None or listed.asked < since + 1:
        return None
    return machine in listed.ids


def left_behind(
    nodes: Iterable[world.Object], claims: Iterable[world.Object]
) -> list[tuple[world.Object, world.Object]]:
    """Nodes of claims that have another machine by now, or wait for one, since MKS exchanges theirs; with the claim."""
    by_uid = {claim["metadata"].get("uid"): claim for claim in claims if not world.deleting(claim)}
    found = []
    for node in nodes:
        machine = (node.get("spec") or {}).get("providerID")
        for owner in node["metadata"].get("ownerReferences") or []:
            claim = by_uid.get(owner.get("uid"))
            if claim is not None and (claim.get("status") or {}).get("providerID") != machine:
                found.append((node, claim))
    return found


def _held(node: world.Object) -> bool:
    """Whether a Node is in deletion and waits for us."""
    return world.deleting(node) and names.TERMINATION_FINALIZER in (node["metadata"].get("finalizers") or [])


class Termination:
    """Walks claims and nodes in deletion; called by the loop over the cluster."""

    def __init__(self, shared: world.World, changed: Callable[[], None]) -> None:
        self._world = shared
        self._changed = changed
        self._drain = drain.Drain(shared)

    def reconcile(self) -> None:
        """One pass."""
        shared = self._world
        nodes = shared.nodes_by_machine()
        claims = [claim for claim in shared.mirror.all(kinds.NODE_CLAIM) if world.managed(claim)]
        leaving = [claim for claim in claims if world.deleting(claim)]
        dying = [node for node in nodes.values() if _held(node)]
        exchanged = left_behind(nodes.values(), claims)
        if not leaving and not dying and not exchanged:
            return
        by_node = shared.pods_by_node()
        for claim in leaving:
            claim = shared.fresh(kinds.NODE_CLAIM, claim)
            node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
            node = shared.fresh(kinds.NODE, node) if node is not None else None
            try:
                self._claim(claim, node, by_node)
            except (apis.ConflictError, apis.NotFoundError):
                self._changed()
        of_machine = {str((claim.get("status") or {}).get("providerID") or ""): claim for claim in claims}
        for node, claim in exchanged:
            if conditions.is_true(claim, "Initialized") and not world.deleting(node):
                try:
                    self._taint(node)
                    pods = [pod for pod in by_node.get(node["metadata"]["name"], []) if drain.waits(pod, shared.now())]
                    self._drain.evict(node, pods, EXCHANGED)
                except (apis.ConflictError, apis.NotFoundError):
                    self._changed()
        for node in dying:
            try:
                self._node(node, of_machine.get(node["spec"]["providerID"]), by_node.get(node["metadata"]["name"], []))
            except (apis.ConflictError, apis.NotFoundError):
                self._changed()

    def _claim(self, claim: world.Object, node: world.Object | None, by_node: dict[str, list[world.Object]]) -> None:
        shared, now = self._world, self._world.now()
        deadline = self._deadline(claim)
        claim = shared.fresh(kinds.NODE_CLAIM, claim)
        if node is None or not conditions.is_true(claim, "Registered"):
            self._without_node(claim)
            return
        if conditions.is_true(claim, "InstanceTerminating"):
            if not world.deleting(node):
                shared.api.delete(kinds.NODE, node["metadata"]["name"], uid=node["metadata"]["uid"])
            return
        self._taint(node)
        pods = [pod for pod in by_node.get(node["metadata"]["name"], []) if drain.waits(pod, now)]
        draft = conditions.Draft(claim, DEPENDENTS, now)
        if pods:
            draft.set("Drained", "Unknown", "Draining", "Draining")
            reason = str((conditions.find(claim, "DisruptionReason") or {}).get("reason") or FORCEFUL)
            self._drain.evict(node, pods, reason, deadline)
        elif not draft.is_true("Drained"):
            began = conditions.find(claim, "Drained")
            if began is None:
                draft.set("Drained", "Unknown", "Draining", "Draining")
            elif now - conditions.since(claim, "Drained") >= shared.settings.drained_delay:
                draft.true("Drained")
        if draft.is_true("Drained"):
            self._volumes(claim, node, by_node.get(node["metadata"]["name"], []), draft, deadline)
        after = draft.finish()
        if after is not None:
            shared.patch(kinds.NODE_CLAIM, claim, {"status": {"conditions": after}}, subresource="status")
            if draft.is_true("Drained") and not conditions.is_true(claim, "Drained"):
                metrics.NODES_DRAINED.labels(world.label(claim, names.NODEPOOL_LABEL)).inc()
                log.info("drained node", extra={"Node": node["metadata"]["name"]})
            self._changed()

    def _without_node(self, claim: world.Object) -> None:
        """A registered claim whose Node has vanished has nothing to drain."""
        if not conditions.is_true(claim, "Registered") or conditions.is_true(claim, "Drained"):
            return
        draft = conditions.Draft(claim, DEPENDENTS, self._world.now())
        draft.true("Drained")
        draft.true("VolumesDetached")
        body = {"status": {"conditions": draft.finish()}}
        self._world.patch(kinds.NODE_CLAIM, claim, body, subresource="status")
        self._changed()

    def _deadline(self, claim: world.Object) -> float | None:
        """When everything has to be gone, from the annotation, which is written once."""
        shared = self._world
        written = world.annotation(claim, names.TERMINATION_TIMESTAMP)
        if written:
            return conditions.seconds(written)
        period = claim["spec"].get("terminationGracePeriod")
        asked = conditions.seconds(claim["metadata"].get("deletionTimestamp"))
        if not period or asked is None:
            return None
        deadline = asked + duration.parse_duration(period)
        text = conditions.stamp(deadline)
        shared.annotate(claim, {names.TERMINATION_TIMESTAMP: text})
        note = f"All pods will be deleted by {text}"
        shared.recorder.event(claim, "TerminationGracePeriodExpiring", note, warning=True)
        return deadline

    def _taint(self, node: world.Object) -> None:
        taints = (node.get("spec") or {}).get("taints") or []
        right = {"key": names.DISRUPTED_TAINT, "effect": "NoSchedule"}
        if any(each.get("key") == right["key"] and each.get("effect") == right["effect"] for each in taints):
            return
        others = [each for each in taints if each.get("key") not in (names.DISRUPTED_TAINT, names.RESERVED_TAINT)]
        body = {
            "metadata": {
                "resourceVersion": node["metadata"]["resourceVersion"],
                "labels": {names.EXCLUDE_BALANCERS_LABEL: "karpenter"},
            },
            "spec": {"taints": [*others, right]},
        }
        self._world.patch(kinds.NODE, node, body)
        log.info("tainted node", extra={"Node": node["metadata"]["name"]})

    def _volumes(
        self,
        claim: world.Object,
        node: world.Object,
        staying: Sequence[world.Object],
        draft: conditions.Draft,
        deadline: float | None,
    ) -> None:
        if draft.is_true("VolumesDetached") or conditions.is_(claim, "VolumesDetached") == "False":
            return
        shared, name = self._world, node["metadata"]["name"]
        attached = to_detach(
            shared.mirror.all(kinds.VOLUME_ATTACHMENT),
            name,
            staying,
            {mirror.key_of(each): each for each in shared.mirror.all(kinds.PERSISTENT_VOLUME_CLAIM)},
        )
        if not attached:
            draft.true("VolumesDetached")
        elif deadline is not None and shared.now() > deadline:
            draft.set("VolumesDetached", "False", "TerminationGracePeriodElapsed", "")
        else:
            draft.set("VolumesDetached", "Unknown", "AwaitingVolumeDetachment", "AwaitingVolumeDetachment")
            note = f"Awaiting deletion of bound volumeattachments ({', '.join(attached[:5])})"
            shared.recorder.event(node, "AwaitingVolumeDetachment", note)

    def _node(self, node: world.Object, claim: world.Object | None, pods: list[world.Object]) -> None:
        """
        A Node in deletion: its claim goes first, its finalizer when MKS has let the machine go.

        While MKS keeps the machine a user wants the Node gone, and so the claim. Otherwise MKS exchanges the machine:
        the Node goes, and the claim waits for the other one.
        """
        shared, metadata = self._world, node["metadata"]
        machine = str((node.get("spec") or {}).get("providerID") or "")
        if claim is not None and world.deleting(claim):
            if not conditions.is_true(claim, "InstanceTerminating"):
                return
        else:
            began = conditions.seconds(metadata.get("deletionTimestamp")) or 0.0
            stays = machine_stays(machine, shared.machines, began)
            if stays is None or (stays and claim is None):
                return
            if stays and claim is not None:
                log.info("node was deleted, so its claim goes", extra={"Node": metadata["name"]})
                name = claim["metadata"]["name"]
                shared.api.delete(kinds.NODE_CLAIM, name, uid=claim["metadata"].get("uid") or "")
                return
            still = [pod for pod in pods if drain.waits(pod, shared.now())]
            if still and shared.now() - began < drain.STUCK_SECONDS:
                # Pods of a Node that is gone would be noticed much later, and their place taken for empty meanwhile.
                self._drain.evict(node, still, EXCHANGED)
                return
        kept = [each for each in metadata["finalizers"] if each != names.TERMINATION_FINALIZER]
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": kept}}
        shared.patch(kinds.NODE, node, body)
        pool, zone = world.label(node, names.NODEPOOL_LABEL), world.label(node, names.ZONE_LABEL)
        metrics.NODES_TERMINATED.labels(pool, zone).inc()
        now = shared.now()
        asked, born = (conditions.seconds(metadata.get(key)) for key in ("deletionTimestamp", "creationTimestamp"))
        if asked is not None:
            metrics.NODE_TERMINATION_SECONDS.observe(max(0.0, now - asked), pool)
        if born is not None:
            metrics.NODE_LIFETIME_SECONDS.labels(pool).observe(max(0.0, now - born))
        log.info("deleted node", extra={"Node": metadata["name"], "NodePool": pool})
        self._changed()
