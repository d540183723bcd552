"""Conditions to wait for, as counts over what `Client.wait_for` shows."""

from __future__ import annotations

from tests.e2e.controlplane.client import Object, Objects


def ready(objects: Objects) -> int:
    """How many nodes or pods are Ready."""
    return sum(_is_ready(item) for item in objects.values())


def schedulable(nodes: Objects) -> int:
    """
    How many nodes are Ready, not cordoned and without a taint.

    The controller manager takes its not-ready taint off only some time after a node says that it is Ready.
    """
    return sum(_is_ready(node) and not node["spec"].get("taints") for node in nodes.values())


def bound(pods: Objects) -> int:
    """How many pods have a node."""
    return sum(bool(pod["spec"].get("nodeName")) for pod in pods.values())


def decided(pods: Objects) -> int:
    """How many pods have a node or were found to have no place for now."""
    return sum(bool(pod["spec"].get("nodeName")) or _is_refused(pod) for pod in pods.values())


def _is_ready(item: Object) -> bool:
    return _has_condition(item, "Ready", "True")


def _is_refused(pod: Object) -> bool:
    return _has_condition(pod, "PodScheduled", "False")


def _has_condition(item: Object, kind: str, status: str) -> bool:
    conditions = item["status"].get("conditions", [])
    return any(condition["type"] == kind and condition["status"] == status for condition in conditions)
