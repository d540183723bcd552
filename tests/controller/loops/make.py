"""Raw objects as the API server has them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

T0 = "2026-01-01T00:00:00Z"
T0_SECONDS = 1767225600.0


def condition(kind: str, status: str = "True", since: str = T0, reason: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason or kind, "message": "", "lastTransitionTime": since}


def claim(name: str = "general-a", *conditions: Object, **metadata: Any) -> Object:
    labels = {"karpenter.sh/nodepool": "general", "node.kubernetes.io/instance-type": "b3-8"}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": T0,
            "resourceVersion": "1",
            "labels": labels,
            **metadata,
        },
        "spec": {"nodeClassRef": {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"}},
        "status": {"providerID": f"openstack:///{name}", "conditions": list(conditions)},
    }


def node(name: str = "node-a", *taints: Object, ready: bool = True, **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "7", "labels": {}, **metadata},
        "spec": {"taints": list(taints)},
        "status": {
            "allocatable": {"cpu": "2", "memory": "5Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def pod(name: str = "web-0", node: str = "", owner: str = "ReplicaSet", **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "ownerReferences": [{"kind": owner, "name": "web", "uid": "u"}],
            **metadata,
        },
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": "Running" if node else "Pending"},
    }
