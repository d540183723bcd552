"""
Everything but pods and workloads as values of `solver.cluster`: nodes, claims, pools, node classes, budgets, volumes.

Volumes of the types that Kubernetes once had built in count as volumes of the CSI driver that took them over, and the
zone labels of a volume as part of its node affinity, as kube-scheduler has both
(https://kubernetes.io/docs/concepts/storage/volumes/#csi-migration).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from catalog import labels as known_labels
from crds import nodeclaim, validation
from solver import cluster
from solver.snapshot import constraints
from solver.snapshot.view import Report, View, instant, shown

T = TypeVar("T")

IN_TREE_VOLUMES = {
    "awsElasticBlockStore": "ebs.csi.aws.com",
    "azureDisk": "disk.csi.azure.com",
    "azureFile": "file.csi.azure.com",
    "cinder": "cinder.csi.openstack.org",
    "gcePersistentDisk": "pd.csi.storage.gke.io",
    "portworxVolume": "pxd.portworx.com",
    "vsphereVolume": "csi.vsphere.vmware.com",
}
"""Built-in volume types and the CSI drivers that took them over."""

IN_TREE_PROVISIONERS = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}
"""Built-in provisioners and the CSI drivers that took them over."""

DEFAULT_CLASS_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NAMESPACE_NAME = "kubernetes.io/metadata.name"

_VOLUME_LABELS = (known_labels.ZONE, known_labels.REGION)
_ZONE_SEPARATOR = "__"
_SHARE = re.compile(r"[0-9]{1,9}|(?:100|[0-9]{1,2})%")


def node(root: View) -> cluster.Node:
    """A Node."""
    metadata, spec, status = root.mapping("metadata"), root.mapping("spec"), root.mapping("status")
    capacity = status.amounts("capacity")
    return cluster.Node(
        name=metadata.text("name"),
        labels=metadata.labels("labels"),
        annotations=metadata.labels("annotations"),
        taints=constraints.taints(spec, "taints"),
        allocatable=status.amounts("allocatable") if "allocatable" in status else capacity,
        capacity=capacity,
        provider_id=spec.text("providerID"),
        unschedulable=spec.flag("unschedulable"),
        ready=_is_ready(status) is not False,
        deleting="deletionTimestamp" in metadata,
        created=metadata.time("creationTimestamp") or 0,
    )


def _is_ready(status: View) -> bool | None:
    """Whether the condition Ready is True; None when it is not stored."""
    for condition in status.items("conditions"):
        if condition.raw.get("type") == "Ready":
            return bool(condition.raw.get("status") == "True")
    return None


def node_claim(root: View) -> cluster.NodeClaim | None:
    """A NodeClaim, None when it is broken."""
    claim = _validated(root, validation.parse_nodeclaim)
    if claim is None:
        return None
    metadata, spec, status = claim.metadata, claim.spec, claim.status
    return cluster.NodeClaim(
        name=metadata.name,
        node_pool=metadata.labels.get(known_labels.NODEPOOL, ""),
        node_class=spec.node_class_ref.name,
        labels=metadata.labels,
        annotations=metadata.annotations,
        requirements=tuple(cluster.Expression(r.key, r.operator, tuple(r.values)) for r in spec.requirements),
        taints=tuple(cluster.Taint(taint.key, taint.value or "", taint.effect) for taint in spec.taints),
        startup_taints=tuple(
            cluster.Taint(taint.key, taint.value or "", taint.effect) for taint in spec.startup_taints
        ),
        requests=spec.resources.requests,
        capacity=status.capacity,
        allocatable=status.allocatable,
        node=status.node_name,
        provider_id=status.provider_id,
        conditions=_claim_conditions(status),
        expire_after=spec.expire_after,
        termination_grace_period=spec.termination_grace_period,
        created=instant(metadata.creation_timestamp) or 0,
        deleting=bool(metadata.deletion_timestamp),
        last_pod_event=instant(status.last_pod_event_time),
    )


def _claim_conditions(status: nodeclaim.NodeClaimStatus) -> Mapping[str, cluster.ClaimCondition]:
    return {
        condition.type: cluster.ClaimCondition(
            condition.status, condition.reason, instant(condition.last_transition_time) or 0
        )
        for condition in status.conditions
    }


def node_pool(root: View, *, admitted: bool = False) -> cluster.NodePool | None:
    """A NodePool, None when it is broken; `admitted` as in `crds.validation.parse_nodepool`."""
    manifest = _validated(root, lambda raw: validation.parse_nodepool(raw, admitted=admitted))
    if manifest is None:
        return None
    metadata = root.mapping("metadata")
    return cluster.NodePool(
        name=metadata.text("name"),
        manifest=manifest,
        ready=_is_ready(root.mapping("status")),
        deleting="deletionTimestamp" in metadata,
        annotations=metadata.labels("annotations"),
    )


def node_class(root: View) -> cluster.NodeClass | None:
    """An OVHNodeClass, None when it is broken."""
    manifest = _validated(root, validation.parse_nodeclass)
    if manifest is None:
        return None
    metadata = root.mapping("metadata")
    return cluster.NodeClass(
        name=metadata.text("name"),
        manifest=manifest,
        ready=_is_ready(root.mapping("status")),
        deleting="deletionTimestamp" in metadata,
        annotations=metadata.labels("annotations"),
    )


def _validated(root: View, parse: Callable[[Any], T]) -> T | None:
    try:
        return parse(root.raw)
    except validation.InvalidObject as error:
        report: Report = root.report
        for problem in error.problems:
            report.wrong(problem.field, problem.message, problem.hint)
        return None


def budget(root: View) -> cluster.Budget:
    """A PodDisruptionBudget."""
    metadata, spec, status = root.mapping("metadata"), root.mapping("spec"), root.mapping("status")
    spec.misspelled("PodDisruptionBudgetSpec")
    if "minAvailable" in spec and "maxUnavailable" in spec:
        spec.wrong("has both minAvailable and maxUnavailable", "keep one of the two")
    policy = spec.choice("unhealthyPodEvictionPolicy", ("IfHealthyBudget", "AlwaysAllow"), "IfHealthyBudget")
    return cluster.Budget(
        namespace=metadata.text("namespace") or "default",
        name=metadata.text("name"),
        selector=constraints.selector(spec, "selector"),
        min_available=_share(spec, "minAvailable"),
        max_unavailable=_share(spec, "maxUnavailable"),
        always_allow_unhealthy=policy == "AlwaysAllow",
        disruptions_allowed=status.integer("disruptionsAllowed"),
        expected_pods=status.integer("expectedPods"),
    )


def _share(spec: View, key: str) -> str | None:
    value = spec.raw.get(key)
    if value is None:
        return None
    text = str(value)
    if isinstance(value, (bool, float, dict, list)) or _SHARE.fullmatch(text) is None:
        spec.wrong(f"{shown(value)} is no number of pods", 'write a count such as 1 or a percentage such as "50%"', key)
    return text


def volume_claim(root: View) -> cluster.VolumeClaim:
    """A PersistentVolumeClaim."""
    metadata, spec, status = root.mapping("metadata"), root.mapping("spec"), root.mapping("status")
    annotations = metadata.labels("annotations")
    return cluster.VolumeClaim(
        namespace=metadata.text("namespace") or "default",
        name=metadata.text("name"),
        storage_class=spec.text("storageClassName") if "storageClassName" in spec else None,
        volume=spec.text("volumeName"),
        phase=status.text("phase") or "Pending",
        access_modes=spec.texts("accessModes"),
        bind_completed=BIND_COMPLETED in annotations,
        deleting="deletionTimestamp" in metadata,
        selected_node=annotations.get(SELECTED_NODE, ""),
    )


def volume(root: View) -> cluster.Volume:
    """A PersistentVolume."""
    metadata, spec = root.mapping("metadata"), root.mapping("spec")
    terms = constraints.node_terms(spec.mapping("nodeAffinity"), "required")
    zones = _volume_labels(metadata.labels("labels"))
    if zones:
        terms = tuple(
            cluster.NodeTerm((*term.expressions, *zones), term.fields)
            for term in (terms if terms is not None else (cluster.NodeTerm(),))
        )
    driver = spec.mapping("csi").text("driver") or next(
        (IN_TREE_VOLUMES[key] for key in IN_TREE_VOLUMES if key in spec), ""
    )
    return cluster.Volume(
        name=metadata.text("name"),
        terms=terms,
        driver=driver,
        local="local" in spec or "hostPath" in spec,
        deleting="deletionTimestamp" in metadata,
    )


def _volume_labels(labels: Mapping[str, str]) -> tuple[cluster.Expression, ...]:
    """Zone and region labels, whose values may list several."""
    found = {known_labels.translate(key): value for key, value in sorted(labels.items(), reverse=True)}
    return tuple(
        cluster.Expression(key, "In", tuple(sorted(found[key].split(_ZONE_SEPARATOR))))
        for key in _VOLUME_LABELS
        if key in found
    )


def storage_class(root: View) -> cluster.StorageClass:
    """A StorageClass."""
    metadata = root.mapping("metadata")
    annotations = metadata.labels("annotations")
    provisioner = root.required("provisioner", "cinder.csi.openstack.org")
    mode = root.choice("volumeBindingMode", ("Immediate", "WaitForFirstConsumer"), "Immediate")
    return cluster.StorageClass(
        name=metadata.text("name"),
        provisioner=IN_TREE_PROVISIONERS.get(provisioner, provisioner),
        wait_for_consumer=mode == "WaitForFirstConsumer",
        topologies=tuple(
            cluster.NodeTerm(
                tuple(
                    cluster.Expression(item.required("key", known_labels.ZONE), "In", item.texts("values"))
                    for item in term.items("matchLabelExpressions")
                )
            )
            for term in root.items("allowedTopologies")
        ),
        default=any(annotations.get(key) == "true" for key in DEFAULT_CLASS_ANNOTATIONS),
    )


def csi_limits(root: View) -> dict[str, int]:
    """How many volumes each driver may attach to the node of a CSINode; drivers without a limit are left out."""
    limits: dict[str, int] = {}
    for driver in root.mapping("spec").items("drivers"):
        count = driver.mapping("allocatable").integer("count") if "allocatable" in driver else None
        if count is not None:
            limits[driver.text("name")] = count
    return limits


def namespace(root: View) -> dict[str, str]:
    """The labels of a Namespace, with the one for its name that every namespace has."""
    metadata = root.mapping("metadata")
    return {**metadata.labels("labels"), NAMESPACE_NAME: metadata.text("name")}


def priority_class(root: View) -> tuple[int, bool]:
    """Value of a PriorityClass, and whether it is the global default."""
    if "value" not in root:
        root.wrong("is missing", "write a whole number", "value")
    value = root.integer("value", 0, least=-(2**31), most=2_000_001_000)
    return value or 0, root.flag("globalDefault")
