"""How upstream writes label values and amounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller import names
from crds import quantity


def flag(value: bool) -> str:
    """A boolean as a label value."""
    return "true" if value else "false"


def resource(name: str) -> str:
    """A resource as a label value: lower case with underscores."""
    return name.lower().replace("-", "_").replace("/", "_").replace(".", "_")


def units(name: str, amount: int) -> float:
    """An amount in units of the metric: cores for cpu (milli-CPU here), bytes or whole numbers for the rest."""
    return amount / 1000 if name == "cpu" else float(amount)


def amounts(found: Mapping[str, Any] | None) -> dict[str, int]:
    """Quantities of an object as integers: milli-CPU for cpu, whole units for the rest."""
    return {name: quantity.resource_units(name, text) for name, text in (found or {}).items()}


def labels(node: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The labels of a Node, none for no node."""
    return (node["metadata"].get("labels") or {}) if node else {}


def managed(node: Mapping[str, Any] | None) -> bool:
    """Whether a NodePool owns the node."""
    return names.NODEPOOL_LABEL in labels(node)


def is_daemon(pod: Mapping[str, Any]) -> bool:
    """Whether a DaemonSet owns the pod."""
    return any(each.get("kind") == "DaemonSet" for each in pod["metadata"].get("ownerReferences") or [])
