"""
`solver.cluster` data as raw Kubernetes objects: what `solver.snapshot.from_objects` reads, written backwards.

Everything that kube-scheduler looks at is written. Owners are not: the objects stand for themselves. Effective requests
become those of one container, which asks for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from solver import cluster

Object = dict[str, Any]

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
IMAGE = "registry.test/pause"
NODE_LOCAL = ("cpu", "memory", "ephemeral-storage")
"""Resources whose request may stand without an equal limit."""


def to_manifests(of: cluster.Cluster) -> list[Object]:
    """Namespaces, storage, nodes and pods of a cluster: all that means something to kube-scheduler."""
    made = [namespace(name, labels) for name, labels in of.namespaces.items()]
    made += [storage_class(each) for each in of.storage_classes.values()]
    bound = {each.volume: each for each in of.volume_claims.values() if each.volume}
    made += [volume(each, bound.get(each.name)) for each in of.volumes.values()]
    made += [volume_claim(each) for each in of.volume_claims.values()]
    made += [node(each) for each in of.nodes.values()]
    made += [csi_node(name, limits) for name, limits in of.csi_limits.items()]
    made += [pod(each) for each in of.pods.values()]
    return made


def amounts(of: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Amounts as quantities."""
    return {name: f"{amount}m" if name == "cpu" else str(amount) for name, amount in of}


def namespace(name: str, labels: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def node(of: cluster.Node) -> Object:
    """A Node with its status."""
    spec: Object = {"taints": [_taint(each) for each in of.taints]}
    if of.unschedulable:
        spec["unschedulable"] = True
    if of.provider_id:
        spec["providerID"] = of.provider_id
    metadata: Object = {"name": of.name, "labels": dict(of.labels), "annotations": dict(of.annotations)}
    if of.deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {"allocatable": amounts(of.allocatable.items()), "capacity": amounts(of.capacity.items())}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}


def csi_node(name: str, limits: Mapping[str, int]) -> Object:
    """The CSINode of a node: how many volumes each driver attaches."""
    drivers = [
        {"name": driver, "nodeID": name, "topologyKeys": None, "allocatable": {"count": count}}
        for driver, count in limits.items()
    ]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": name},
        "spec": {"drivers": drivers},
    }


def storage_class(of: cluster.StorageClass) -> Object:
    made: Object = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": of.name, "annotations": {DEFAULT_CLASS: str(of.default).lower()}},
        "provisioner": of.provisioner or "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer" if of.wait_for_consumer else "Immediate",
    }
    if of.topologies:
        made["allowedTopologies"] = [
            {"matchLabelExpressions": [{"key": each.key, "values": [*each.values]} for each in term.expressions]}
            for term in of.topologies
        ]
    return made


def volume(of: cluster.Volume, claim: cluster.VolumeClaim | None = None) -> Object:
    """A PersistentVolume, bound to a claim where there is one."""
    spec: Object = {
        "capacity": {"storage": "1Gi"},
        "accessModes": [*(claim.access_modes if claim else ())] or ["ReadWriteOnce"],
        "storageClassName": (claim.storage_class if claim else None) or "",
    }
    if of.driver:
        spec["csi"] = {"driver": of.driver, "volumeHandle": of.name}
    else:
        spec["nfs"] = {"server": "nfs.test", "path": "/"}
    if of.terms is not None:
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [_node_term(each) for each in of.terms]}}
    if claim is not None:
        spec["claimRef"] = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": claim.namespace,
            "name": claim.name,
        }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": of.name}, "spec": spec}


def volume_claim(of: cluster.VolumeClaim) -> Object:
    spec: Object = {
        "accessModes": [*of.access_modes] or ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    if of.storage_class is not None:
        spec["storageClassName"] = of.storage_class
    if of.volume:
        spec["volumeName"] = of.volume
    metadata: Object = {"namespace": of.namespace, "name": of.name}
    annotations = {BIND_COMPLETED: "yes"} if of.bind_completed else {}
    if of.selected_node:
        annotations[SELECTED_NODE] = of.selected_node
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": of.phase},
    }


def pod(of: cluster.Pod) -> Object:
    """A pod without owner."""
    metadata: Object = {
        "namespace": of.namespace,
        "name": of.name,
        "labels": dict(of.labels),
        "annotations": dict(of.annotations),
    }
    spec = pod_spec(of.spec)
    if of.node:
        spec["nodeName"] = of.node
    made: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    if of.deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if of.nominated_node:
        made["status"] = {"nominatedNodeName": of.nominated_node}
    return made


def pod_spec(of: cluster.PodSpec) -> Object:
    """The spec of pods."""
    resources: Object = {"requests": amounts(of.requests)}
    limits = {name: amount for name, amount in of.requests if name not in NODE_LOCAL}
    if limits:
        resources["limits"] = amounts(limits.items())
    ports = [
        {"containerPort": each.port, "hostPort": each.port, "hostIP": each.ip, "protocol": each.protocol}
        for each in of.host_ports
    ]
    affinity = {name: part for name, part in _affinity(of) if part}
    volumes: list[Object] = [
        {"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": each}} for index, each in enumerate(of.claims)
    ]
    volumes += [_ephemeral(each) for each in of.ephemeral_claims]
    made: Object = {
        "schedulerName": of.scheduler,
        "priority": of.priority,
        "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "main", "image": IMAGE, "resources": resources, "ports": ports}],
        "nodeSelector": dict(of.node_selector),
        "tolerations": [_toleration(each) for each in of.tolerations],
        "topologySpreadConstraints": [_spread(each) for each in of.spread],
        "resourceClaims": [{"name": each, "resourceClaimName": each} for each in of.resource_claims],
        "volumes": volumes,
        "affinity": affinity,
    }
    return {key: value for key, value in made.items() if value not in ({}, [])}


def ephemeral_claim(of: cluster.EphemeralClaim, owner: Object) -> Object:
    """The claim that the controller for generic ephemeral volumes makes for a pod that is stored already."""
    metadata = owner["metadata"]
    name = f"{metadata['name']}-{of.volume}"
    made = volume_claim(
        cluster.VolumeClaim(metadata["namespace"], name, of.storage_class, access_modes=of.access_modes)
    )
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    ]
    return made


def _affinity(of: cluster.PodSpec) -> Iterator[tuple[str, Object]]:
    required, preferred = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    )
    node: Object = {}
    if of.node_terms is not None:
        node[required] = {"nodeSelectorTerms": [_node_term(each) for each in of.node_terms]}
    if of.preferred_node_terms:
        node[preferred] = [{"weight": e.weight, "preference": _node_term(e.term)} for e in of.preferred_node_terms]
    yield "nodeAffinity", node
    for name, hard, soft in (
        ("podAffinity", of.affinity, of.preferred_affinity),
        ("podAntiAffinity", of.anti_affinity, of.preferred_anti_affinity),
    ):
        made: Object = {}
        if hard:
            made[required] = [_pod_term(each) for each in hard]
        if soft:
            made[preferred] = [{"weight": each.weight, "podAffinityTerm": _pod_term(each.term)} for each in soft]
        yield name, made


def _ephemeral(of: cluster.EphemeralClaim) -> Object:
    spec: Object = {
        "accessModes": [*of.access_modes] or ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    if of.storage_class is not None:
        spec["storageClassName"] = of.storage_class
    return {"name": of.volume, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}


def _taint(of: cluster.Taint) -> Object:
    return {"key": of.key, "value": of.value, "effect": of.effect}


def _toleration(of: cluster.Toleration) -> Object:
    made = {"key": of.key, "operator": of.operator, "value": of.value, "effect": of.effect}
    return {key: value for key, value in made.items() if value}


def _expression(of: cluster.Expression) -> Object:
    made: Object = {"key": of.key, "operator": of.operator}
    return made | ({"values": [*of.values]} if of.values else {})


def _node_term(of: cluster.NodeTerm) -> Object:
    made = {
        "matchExpressions": [_expression(each) for each in of.expressions],
        "matchFields": [_expression(each) for each in of.fields],
    }
    return {key: value for key, value in made.items() if value}


def _selector(of: cluster.Selector) -> Object:
    return {"matchExpressions": [_expression(each) for each in of.expressions]} if of.expressions else {}


def _pod_term(of: cluster.PodTerm) -> Object:
    made: Object = {"topologyKey": of.topology_key}
    if of.selector is not None:
        made["labelSelector"] = _selector(of.selector)
    if of.namespaces:
        made["namespaces"] = [*of.namespaces]
    if of.namespace_selector is not None:
        made["namespaceSelector"] = _selector(of.namespace_selector)
    if of.match_label_keys:
        made["matchLabelKeys"] = [*of.match_label_keys]
    if of.mismatch_label_keys:
        made["mismatchLabelKeys"] = [*of.mismatch_label_keys]
    return made


def _spread(of: cluster.Spread) -> Object:
    made: Object = {
        "topologyKey": of.topology_key,
        "maxSkew": of.max_skew,
        "whenUnsatisfiable": "DoNotSchedule" if of.hard else "ScheduleAnyway",
        "nodeAffinityPolicy": "Honor" if of.honor_affinity else "Ignore",
        "nodeTaintsPolicy": "Honor" if of.honor_taints else "Ignore",
    }
    if of.selector is not None:
        made["labelSelector"] = _selector(of.selector)
    if of.min_domains is not None:
        made["minDomains"] = of.min_domains
    if of.match_label_keys:
        made["matchLabelKeys"] = [*of.match_label_keys]
    return made
