"""
Status conditions as pure functions on lists of raw conditions.

Times move only when a status changes; a dependent condition that appears first counts from the object's creation;
`Ready` follows from the dependents (awslabs/operatorpkg, `status`).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

Condition = dict[str, Any]

ROOT = "Ready"
AWAITING = "AwaitingReconciliation"


def stamp(now: float) -> str:
    """Seconds since the epoch as the API server writes times."""
    return datetime.datetime.fromtimestamp(int(now), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str | None) -> float | None:
    """A time of the API server as seconds since the epoch."""
    if not text:
        return None
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def of(item: Mapping[str, Any]) -> list[Condition]:
    """The conditions of an object."""
    return list((item.get("status") or {}).get("conditions") or [])


def find(item: Mapping[str, Any], kind: str) -> Condition | None:
    """One condition of an object."""
    return next((each for each in of(item) if each.get("type") == kind), None)


def is_true(item: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition of an object is True."""
    found = find(item, kind)
    return found is not None and found.get("status") == "True"


def is_(item: Mapping[str, Any], kind: str) -> str:
    """The status of a condition, empty when it is not there."""
    found = find(item, kind)
    return str(found.get("status")) if found else ""


def since(item: Mapping[str, Any], kind: str) -> float:
    """When a condition last changed, the object's creation when it is not there; seconds since the epoch."""
    found = find(item, kind)
    text = (found or {}).get("lastTransitionTime") or item["metadata"].get("creationTimestamp")
    return seconds(text) or 0.0


class Draft:
    """The conditions of an object while they are being worked out."""

    def __init__(self, item: Mapping[str, Any], dependents: Sequence[str], now: float) -> None:
        self._before = of(item)
        self._dependents = tuple(dependents)
        self._now = now
        self._generation = int(item["metadata"].get("generation") or 0)
        self._created = str(item["metadata"].get("creationTimestamp") or stamp(now))
        self._found: dict[str, Condition] = {str(each["type"]): dict(each) for each in self._before}
        for kind in self._dependents:
            if kind not in self._found:
                self.set(kind, "Unknown", AWAITING, "object is awaiting reconciliation")

    def set(self, kind: str, status: str, reason: str = "", message: str = "") -> None:
        """Set a condition; without a reason it is the name of the condition."""
        old = self._found.get(kind)
        moved = stamp(self._now)
        if old is None and kind in self._dependents:
            moved = self._created
        elif old is not None and old.get("status") == status:
            moved = str(old.get("lastTransitionTime") or moved)
        self._found[kind] = {
            "type": kind,
            "status": status,
            "reason": reason or kind,
            "message": message,
            "lastTransitionTime": moved,
            "observedGeneration": self._generation,
        }

    def true(self, kind: str, message: str = "") -> None:
        """Set a condition to True."""
        self.set(kind, "True", "", message)

    def remove(self, kind: str) -> None:
        """Take a condition away."""
        self._found.pop(kind, None)

    def is_true(self, kind: str) -> bool:
        """Whether a condition is True by now."""
        return self._found.get(kind, {}).get("status") == "True"

    def finish(self) -> list[Condition] | None:
        """The conditions with their root, None when nothing has changed."""
        states = {kind: str(self._found[kind].get("status")) for kind in self._dependents}
        if all(state == "True" for state in states.values()):
            self.set(ROOT, "True")
        else:
            broken = "False" in states.values()
            text = ", ".join(f"{kind}={state}" for kind, state in states.items() if state != "True")
            self.set(
                ROOT,
                "False" if broken else "Unknown",
                "UnhealthyDependents" if broken else "ReconcilingDependents",
                text,
            )
        after = [each for kind, each in self._found.items() if kind != ROOT] + [self._found[ROOT]]
        return None if after == self._before else after

    def transitions(self) -> list[tuple[Condition | None, Condition]]:
        """Conditions whose status has changed: before and after."""
        before = {each["type"]: each for each in self._before}
        return [
            (before.get(kind), each)
            for kind, each in self._found.items()
            if before.get(kind, {}).get("status") != each["status"]
        ]
