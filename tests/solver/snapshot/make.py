"""Manifests for tests: small and valid, with one thing changed at a time."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

Raw = dict[str, Any]

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def with_field(manifest: Raw, path: str, value: Any) -> Raw:
    """A copy with the value at a path such as `spec.containers[0].name` replaced."""
    changed = copy.deepcopy(manifest)
    steps: list[Any] = [int(index) if index else name for index, name in _STEP.findall(path)]
    at: Any = changed
    for step in steps[:-1]:
        at = at[step]
    at[steps[-1]] = value
    return changed


def without_field(manifest: Raw, path: str) -> Raw:
    """A copy without the field at a path."""
    changed = copy.deepcopy(manifest)
    *steps, last = path.split(".")
    at: Any = changed
    for step in steps:
        at = at[step]
    del at[last]
    return changed


def paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all values inside a manifest."""
    if isinstance(value, dict):
        for key, child in value.items():
            if re.fullmatch(r"[A-Za-z]+", key):
                yield (here := f"{path}.{key}" if path else key)
                yield from paths(child, here)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield (here := f"{path}[{index}]")
            yield from paths(child, here)


def pod(name: str = "web", **spec: Any) -> Raw:
    """A pod that waits, with one container that requests one CPU; keywords replace fields of its spec."""
    container = {"name": "main", "image": "nginx", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def workload(kind: str = "Deployment", name: str = "web", replicas: int | None = 2, **spec: Any) -> Raw:
    """A workload whose template is that of `pod` with the label app."""
    versions = {"Job": "batch/v1", "ReplicationController": "v1"}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod()["spec"]}
    given = {"template": template, **spec}
    if replicas is not None:
        given["replicas"] = replicas
    return {"apiVersion": versions.get(kind, "apps/v1"), "kind": kind, "metadata": {"name": name}, "spec": given}


def owned(manifest: Raw, kind: str, name: str, **metadata: Any) -> Raw:
    """A copy that belongs to a controller."""
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}
    changed = copy.deepcopy(manifest)
    changed["metadata"] |= {"ownerReferences": [reference], **metadata}
    return changed


def node(name: str = "node-a", **metadata: Any) -> Raw:
    """A Node with four CPUs."""
    status = {
        "allocatable": {"cpu": "3900m", "memory": "14Gi", "pods": "110"},
        "capacity": {"cpu": "4", "memory": "16Gi"},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, **metadata}, "spec": {}, "status": status}


def node_claim(name: str = "general-abcde", **status: Any) -> Raw:
    """A NodeClaim of the pool general."""
    reference = {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {"name": name, "labels": {"karpenter.sh/nodepool": "general"}},
        "spec": {"nodeClassRef": reference, "requirements": []},
        "status": status,
    }


def node_pool(name: str = "general", node_class: str = "default", **spec: Any) -> Raw:
    """A NodePool without requirements."""
    reference = {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": node_class}
    template = {"spec": {"nodeClassRef": reference, "requirements": []}}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def node_class(name: str = "default") -> Raw:
    """An OVHNodeClass in a one-zone region."""
    return {
        "apiVersion": "karpenter.ovhcloud.sh/v1alpha1",
        "kind": "OVHNodeClass",
        "metadata": {"name": name},
        "spec": {"serviceName": "0123456789abcdef0123456789abcdef", "kubeId": "kube-id", "region": "GRA11"},
    }


def budget(name: str = "web", **spec: Any) -> Raw:
    """A PodDisruptionBudget for pods with the label app."""
    given = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": given}


def named(api_version: str, kind: str, name: str, **fields: Any) -> Raw:
    """Any other object."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def everything() -> list[Raw]:
    """One valid object of each kind, with as many fields as are read."""
    expression = {"key": "app", "operator": "In", "values": ["web"]}
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": [expression]}
    pod_term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": selector,
        "namespaces": ["shop"],
        "namespaceSelector": {},
        "matchLabelKeys": ["a"],
        "mismatchLabelKeys": ["b"],
    }
    node_term = {"matchExpressions": [expression], "matchFields": [expression]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [node_term]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": node_term}],
        },
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [pod_term],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": pod_term}],
        },
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [pod_term]},
    }
    spread = {
        "topologyKey": "topology.kubernetes.io/zone",
        "maxSkew": 1,
        "minDomains": 2,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector,
        "matchLabelKeys": ["a"],
        "nodeAffinityPolicy": "Honor",
        "nodeTaintsPolicy": "Ignore",
    }
    spec = {
        "initContainers": [{"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1m"}}}],
        "containers": [
            {
                "name": "main",
                "resources": {"requests": {"cpu": 1}, "limits": {"cpu": "2"}},
                "ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1", "protocol": "TCP"}],
            }
        ],
        "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}},
        "overhead": {"cpu": "10m"},
        "nodeSelector": {"disk": "fast"},
        "affinity": affinity,
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "x", "effect": "NoSchedule"}],
        "topologySpreadConstraints": [spread],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
        ],
        "resourceClaims": [{"name": "gpu"}],
        "priorityClassName": "high",
        "schedulerName": "default-scheduler",
        "hostNetwork": True,
        "schedulingGates": [{"name": "wait"}],
        "nodeName": "node-a",
    }
    status = {
        "phase": "Running",
        "startTime": "2026-05-01T10:00:00Z",
        "nominatedNodeName": "node-a",
        "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}],
        "containerStatuses": [
            {"name": "main", "resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "1"}}
        ],
    }
    node_affinity = {"required": {"nodeSelectorTerms": [node_term]}}
    return [
        owned(
            {**pod("db-0"), "spec": spec, "status": status},
            "StatefulSet",
            "db",
            labels={"app": "web"},
            annotations={"karpenter.sh/do-not-disrupt": "true"},
            creationTimestamp="2026-05-01T10:00:00Z",
        ),
        workload("Deployment", template={"metadata": {"labels": {"app": "web"}}, "spec": spec}),
        workload(
            "StatefulSet",
            "db",
            volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {}}],
            ordinals={"start": 1},
        ),
        workload("Job", "once", parallelism=1, completions=2, suspend=False)
        | {"status": {"succeeded": 1, "conditions": []}},
        workload("DaemonSet", "agent"),
        with_field(
            node(), "spec", {"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}], "unschedulable": True}
        ),
        node_claim(nodeName="node-a", providerID="ovh:///1"),
        node_pool(),
        node_class(),
        budget(minAvailable="50%", unhealthyPodEvictionPolicy="AlwaysAllow") | {"status": {"disruptionsAllowed": 1}},
        named(
            "v1",
            "PersistentVolumeClaim",
            "data",
            spec={"storageClassName": "fast", "volumeName": "pv", "accessModes": ["ReadWriteOnce"]},
            status={"phase": "Bound"},
        ),
        named("v1", "PersistentVolume", "pv", spec={"csi": {"driver": "d"}, "nodeAffinity": node_affinity}),
        named(
            "storage.k8s.io/v1",
            "StorageClass",
            "fast",
            provisioner="p",
            volumeBindingMode="Immediate",
            allowedTopologies=[{"matchLabelExpressions": [{"key": "zone", "values": ["a"]}]}],
        ),
        named("storage.k8s.io/v1", "CSINode", "node-a", spec={"drivers": [{"name": "d", "allocatable": {"count": 5}}]}),
        named("v1", "Namespace", "shop"),
        named("scheduling.k8s.io/v1", "PriorityClass", "high", value=5, globalDefault=True),
    ]
