"""
Room on nodes that are still to be handed over, kept for pods by their class.

A slot is for one pod of a class, whatever its name: when the pod goes before it is bound, the next one of its class
that waits takes the slot, such as the one that a ReplicaSet makes after an eviction. Slots are what the last plan wants;
they are worked out anew after a restart.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from controller import names
from solver import cluster
from solver.snapshot import reader

Object = dict[str, Any]
Labels = tuple[tuple[str, str], ...]

OWN_LABELS = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "statefulset.kubernetes.io/pod-name",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
"""
Labels that tell the pods of one template apart: the number of a replica, and since Kubernetes 1.35 the place of a pod
that is bound (admission plugin PodTopologyLabels).
"""


@dataclasses.dataclass(frozen=True, slots=True)
class PodClass:
    """What pods have in common that any slot of theirs suits: namespace, labels, and all that schedulers look at."""

    namespace: str
    labels: Labels
    spec: cluster.PodSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """
    A place for one pod on a claim's node. `pod` (`namespace/name`) and `uid` say who has it, empty while it is free.

    `direct` says that the pod must not rely on a taint, since its spread counts tainted nodes out. `origin` is the node
    in deletion that the pod runs on when the plan is made, empty when it waits.
    """

    claim: str
    pod_class: PodClass
    pod: str = ""
    uid: str = ""
    direct: bool = False
    origin: str = ""


def classes(pods: Iterable[Object]) -> dict[str, PodClass]:
    """The classes of raw pods by uid; pods that cannot be read have none."""
    found: dict[str, PodClass] = {}
    bare: dict[cluster.PodSpec, cluster.PodSpec] = {}
    for pod in reader.from_objects(pods, strict=False).pods.values():
        if pod.spec not in bare:
            kept = tuple(each for each in pod.spec.tolerations if each.key != names.RESERVED_TAINT)
            bare[pod.spec] = dataclasses.replace(pod.spec, tolerations=kept)
        found[pod.uid] = PodClass(pod.namespace, _common(pod.labels), bare[pod.spec])
    return found


def _common(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((key, value) for key, value in labels.items() if key not in OWN_LABELS))


class Slots:
    """All slots; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, Slot] = {}
        self._free: list[Slot] = []

    def all(self) -> list[Slot]:
        """All slots at this moment, those of pods first."""
        with self._lock:
            return [*self._taken.values(), *self._free]

    def has(self, uid: str) -> bool:
        """Whether a pod has a slot."""
        with self._lock:
            return uid in self._taken

    def plan(self, wanted: Iterable[Slot], planned: Collection[str]) -> None:
        """
        Give the pods of a new plan, by uid, the slots that it wants for them; all others keep theirs.

        The plan knows nothing of free slots: where it puts a pod onto a claim, the room of that claim's is given away.
        """
        with self._lock:
            before = {uid: self._taken.pop(uid, None) for uid in planned}
            filled = set()
            for slot in wanted:
                old = before.get(slot.uid)
                if old is None or old.claim != slot.claim:
                    filled.add(slot.claim)
                self._taken[slot.uid] = slot
            self._free = [slot for slot in self._free if slot.claim not in filled]

    def take(self, pod: Object) -> Slot | None:
        """Give a waiting pod a free slot of its class; None when there is none, or the pod has one."""
        metadata = pod["metadata"]
        uid, namespace = str(metadata.get("uid") or ""), str(metadata.get("namespace") or "")
        with self._lock:
            if uid in self._taken:
                return None
            labels = _common(metadata.get("labels") or {}) if self._free else ()
            # Reading a pod takes longer than comparing its labels.
            alike = [
                slot for slot in self._free if (slot.pod_class.namespace, slot.pod_class.labels) == (namespace, labels)
            ]
            wanted = classes([pod]).get(uid) if alike else None
            free = next((slot for slot in alike if slot.pod_class == wanted), None)
            if free is None:
                return None
            self._free.remove(free)
            taken = dataclasses.replace(free, pod=f"{namespace}/{metadata['name']}", uid=uid)
            self._taken[uid] = taken
            return taken

    def release(self, uid: str) -> bool:
        """Free the slot of a pod that is gone or going; whether it had one."""
        with self._lock:
            slot = self._taken.pop(uid, None)
            if slot is not None:
                self._free.append(dataclasses.replace(slot, pod="", uid="", origin=""))
            return slot is not None

    def drop(self, slot: Slot) -> None:
        """Forget a slot, filled or not wanted any more, unless it has changed hands."""
        with self._lock:
            if slot.uid and self._taken.get(slot.uid) == slot:
                del self._taken[slot.uid]
            elif not slot.uid and slot in self._free:
                self._free.remove(slot)
