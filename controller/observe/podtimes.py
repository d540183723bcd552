"""How long pods take to be bound and to be ready, counted as the mirror tells of them."""

from __future__ import annotations

import threading
from typing import Any

from controller import metrics
from controller.kube import conditions, kinds


class PodTimes:
    """A listener of the mirror; pods that had a node when it first heard of them are not counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unbound: set[str] = set()
        self._unready: set[str] = set()

    def __call__(self, kind: kinds.Kind, change: str, item: dict[str, Any]) -> None:
        """Take in a change of any object."""
        if kind is not kinds.POD:
            return
        uid = str(item["metadata"].get("uid") or "")
        with self._lock:
            if change == "DELETED":
                self._unbound.discard(uid)
                self._unready.discard(uid)
            elif not (item.get("spec") or {}).get("nodeName"):
                self._unbound.add(uid)
            else:
                self._placed(uid, item)

    def _placed(self, uid: str, item: dict[str, Any]) -> None:
        if uid in self._unbound:
            self._unbound.remove(uid)
            self._unready.add(uid)
            took = _since_creation(item, "PodScheduled")
            if took is not None:
                metrics.POD_BOUND_SECONDS.observe(took)
        if uid in self._unready and conditions.is_true(item, "Ready"):
            self._unready.remove(uid)
            took = _since_creation(item, "Ready")
            if took is not None:
                metrics.POD_STARTUP_SECONDS.observe(took)


def _since_creation(item: dict[str, Any], kind: str) -> float | None:
    """Seconds from an object's creation to the last change of a condition, None where either is unknown."""
    found = conditions.find(item, kind)
    created = conditions.seconds(item["metadata"].get("creationTimestamp"))
    changed = conditions.seconds((found or {}).get("lastTransitionTime"))
    return None if created is None or changed is None else max(0.0, changed - created)
