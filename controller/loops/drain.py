"""
Draining: which pods leave a node, in which order, and the eviction API with its refusals.

Rules and texts: karpenter core, `pkg/controllers/node/termination`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller import metrics, names, retry, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from crds import duration

CRITICAL = ("system-cluster-critical", "system-node-critical")
STUCK_SECONDS = 60.0
NAMED = 3


def waits(pod: Mapping[str, Any], now: float) -> bool:
    """Whether a pod is to leave its node before the node goes."""
    spec, metadata = pod.get("spec") or {}, pod["metadata"]
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    if any(each.get("kind") == "Node" for each in metadata.get("ownerReferences") or []):
        return False
    if any(_tolerates_disruption(each) for each in spec.get("tolerations") or []):
        return False
    gone = conditions.seconds(metadata.get("deletionTimestamp"))
    return gone is None or now - gone <= STUCK_SECONDS


def movable(pod: Mapping[str, Any]) -> bool:
    """Whether the pod needs another place when its node goes."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    owners = {each.get("kind") for each in pod["metadata"].get("ownerReferences") or []}
    if owners & {"DaemonSet", "Node"}:
        return False
    return not pod["metadata"].get("deletionTimestamp") or "StatefulSet" in owners


def _tolerates_disruption(toleration: Mapping[str, Any]) -> bool:
    key, effect = toleration.get("key") or "", toleration.get("effect") or ""
    if effect not in ("", "NoSchedule"):
        return False
    exists = toleration.get("operator") == "Exists"
    return (not key and exists) or (key == names.DISRUPTED_TAINT and (exists or not toleration.get("value")))


def group(pod: Mapping[str, Any]) -> int:
    """In which of four groups a pod is drained: critical pods after others, daemons after others."""
    critical = (pod.get("spec") or {}).get("priorityClassName") in CRITICAL
    return 2 * critical + _is_daemon(pod)


def _is_daemon(pod: Mapping[str, Any]) -> bool:
    return any(each.get("kind") == "DaemonSet" for each in pod["metadata"].get("ownerReferences") or [])


def protected(pod: Mapping[str, Any], now: float) -> bool:
    """Whether do-not-disrupt holds for a pod: "true", or a duration since its start that is not over."""
    value = (pod["metadata"].get("annotations") or {}).get(names.DO_NOT_DISRUPT)
    if value is None or value == "true":
        return value == "true"
    try:
        length = duration.parse_duration(value)
    except duration.DurationError:
        return False
    started = conditions.seconds((pod.get("status") or {}).get("startTime"))
    return length > 0 and (started is None or now < started + length)


def next_to_evict(pods: Sequence[world.Object], now: float) -> list[world.Object]:
    """The pods of the first group that is not gone yet, those being deleted or protected left aside."""
    if not pods:
        return []
    first = min(group(pod) for pod in pods)
    return [pod for pod in pods if group(pod) == first and not world.deleting(pod) and not protected(pod, now)]


def forced(pods: Iterable[world.Object], deadline: float | None, now: float) -> list[tuple[world.Object, int]]:
    """Pods whose own grace period would reach past the deadline, and the seconds that they are left."""
    if deadline is None:
        return []
    found = []
    for pod in pods:
        own = (pod.get("spec") or {}).get("terminationGracePeriodSeconds")
        grace = 30 if own is None else int(own)
        gone = conditions.seconds(pod["metadata"].get("deletionTimestamp"))
        if now > deadline - grace and (gone is None or gone > deadline + 1):
            found.append((pod, max(1, int(deadline - now))))
    return found


class Drain:
    """Evicts pods; remembers which evictions were refused, so as not to ask again at once."""

    def __init__(self, shared: world.World) -> None:
        self._world = shared
        self._backoff = retry.Backoff(base=0.1, cap=10.0)
        self._refused: dict[str, tuple[int, float]] = {}

    def evict(self, node: world.Object, pods: list[world.Object], reason: str, deadline: float | None = None) -> None:
        """Ask for the evictions that are due on a node; with a deadline, pods that would miss it are deleted."""
        shared, now = self._world, self._world.now()
        name = node["metadata"]["name"]
        for pod, grace in forced(pods, deadline, now):
            metadata = pod["metadata"]
            note = (
                f"Deleting the pod to accommodate the terminationTime {conditions.stamp(deadline or now)} of the node."
            )
            shared.recorder.event(pod, "Disrupted", note)
            shared.api.delete(
                kinds.POD, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"], grace=grace
            )
            metrics.PODS_DRAINED.labels(reason).inc()
        for pod in next_to_evict(pods, now):
            self._evict_one(pod, node, reason)
        shielded = sorted(
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods if protected(pod, now)
        )
        if shielded:
            note = f"Failed to drain node, {len(pods)} pods are waiting to be evicted"
            more = f" and {len(shielded) - NAMED} more" if len(shielded) > NAMED else ""
            note += f"; {names.DO_NOT_DISRUPT} is set on {', '.join(shielded[:NAMED])}{more}"
            shared.recorder.event(node, "FailedDraining", note, warning=True, dedupe=(name,))

    def _evict_one(self, pod: world.Object, node: world.Object, reason: str) -> None:
        """Ask for one eviction, unless the last refusal is too fresh."""
        shared, metadata = self._world, pod["metadata"]
        uid, moment = metadata["uid"], self._world.now()
        failures, not_before = self._refused.get(uid, (0, 0.0))
        if moment < not_before:
            return
        try:
            shared.api.evict(metadata["name"], metadata["namespace"], uid)
        except apis.TooManyError:
            metrics.EVICTIONS.labels("429").inc()
            if len(self._refused) > 10_000:
                self._refused.clear()
            self._refused[uid] = (failures + 1, moment + self._backoff.delay(failures + 1))
            note = f"Failed to drain node, evicting pod violates a PDB (Pod={metadata['namespace']}/{metadata['name']})"
            shared.recorder.event(node, "FailedDraining", note, warning=True, dedupe=(node["metadata"]["name"],))
            return
        except (apis.ConflictError, apis.NotFoundError):
            # Another pod by now, or none.
            return
        self._refused.pop(uid, None)
        metrics.EVICTIONS.labels("201").inc()
        metrics.PODS_DRAINED.labels(reason).inc()
        shared.recorder.event(pod, "Evicted", f"Evicted pod: {reason}")
