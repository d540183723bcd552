"""The kinds that the controller reads or writes, and where the API server keeps them."""

from __future__ import annotations

import dataclasses
from urllib.parse import quote


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object: its API version, the plural in paths, and whether its objects live in namespaces."""

    name: str
    api_version: str
    plural: str
    namespaced: bool = False

    def path(self, name: str = "", namespace: str = "", subresource: str = "") -> str:
        """The path of all objects, of those of a namespace, or of one."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{quote(namespace)}")
        parts.append(self.plural)
        parts += [quote(part) for part in (name, subresource) if part]
        return "/".join(parts)


POD = Kind("Pod", "v1", "pods", namespaced=True)
NODE = Kind("Node", "v1", "nodes")
NAMESPACE = Kind("Namespace", "v1", "namespaces")
SECRET = Kind("Secret", "v1", "secrets", namespaced=True)
CONFIG_MAP = Kind("ConfigMap", "v1", "configmaps", namespaced=True)
PERSISTENT_VOLUME = Kind("PersistentVolume", "v1", "persistentvolumes")
PERSISTENT_VOLUME_CLAIM = Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims", namespaced=True)
DAEMON_SET = Kind("DaemonSet", "apps/v1", "daemonsets", namespaced=True)
BUDGET = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", namespaced=True)
STORAGE_CLASS = Kind("StorageClass", "storage.k8s.io/v1", "storageclasses")
CSI_NODE = Kind("CSINode", "storage.k8s.io/v1", "csinodes")
VOLUME_ATTACHMENT = Kind("VolumeAttachment", "storage.k8s.io/v1", "volumeattachments")
PRIORITY_CLASS = Kind("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses")
NODE_POOL = Kind("NodePool", "karpenter.sh/v1", "nodepools")
NODE_CLAIM = Kind("NodeClaim", "karpenter.sh/v1", "nodeclaims")
NODE_CLASS = Kind("OVHNodeClass", "karpenter.ovhcloud.sh/v1alpha1", "ovhnodeclasses")
EVENT = Kind("Event", "events.k8s.io/v1", "events", namespaced=True)
LEASE = Kind("Lease", "coordination.k8s.io/v1", "leases", namespaced=True)

PLANNED = (
    POD,
    NODE,
    NAMESPACE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    DAEMON_SET,
    BUDGET,
    STORAGE_CLASS,
    CSI_NODE,
    PRIORITY_CLASS,
    NODE_POOL,
    NODE_CLAIM,
    NODE_CLASS,
)
"""What the planner is told of. Workloads are not among them: the pods that they want exist as objects here."""

MIRRORED = (*PLANNED, VOLUME_ATTACHMENT)
