"""
The fields that are read of pods, workloads and budgets, by their holders.

Everything else in them makes no difference to a plan, unless its name is a slip for one of these (`View.misspelled`). Of
some holders all fields are known (`UNREAD`): what they hold beside these would be a rule that is lost.
"""

from __future__ import annotations

ALMOST = 0.85
"""
From which likeness on a name is taken for a slip of another. No field of Kubernetes is as close to one of the same holder
that is read, which a test holds against the published schemas.
"""

READ: dict[str, tuple[str, ...]] = {
    "ObjectMeta": ("name", "namespace", "labels", "annotations"),
    "PodSpec": (
        "containers",
        "initContainers",
        "volumes",
        "nodeName",
        "nodeSelector",
        "affinity",
        "tolerations",
        "topologySpreadConstraints",
        "schedulingGates",
        "resourceClaims",
        "resources",
        "overhead",
        "priority",
        "priorityClassName",
        "schedulerName",
        "hostNetwork",
    ),
    "Container": ("name", "resources", "ports", "restartPolicy"),
    "Volume": ("name", "persistentVolumeClaim", "ephemeral"),
    "ContainerPort": ("hostPort", "containerPort", "protocol", "hostIP"),
    "ResourceRequirements": ("requests", "limits"),
    "Toleration": ("key", "operator", "value", "effect"),
    "Affinity": ("nodeAffinity", "podAffinity", "podAntiAffinity"),
    "PodAffinity": (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    ),
    "NodeSelector": ("nodeSelectorTerms",),
    "NodeSelectorTerm": ("matchExpressions", "matchFields"),
    "NodeSelectorRequirement": ("key", "operator", "values"),
    "PreferredTerm": ("weight", "preference", "podAffinityTerm"),
    "PodAffinityTerm": (
        "topologyKey",
        "labelSelector",
        "namespaces",
        "namespaceSelector",
        "matchLabelKeys",
        "mismatchLabelKeys",
    ),
    "LabelSelector": ("matchLabels", "matchExpressions"),
    "LabelSelectorRequirement": ("key", "operator", "values"),
    "TopologySpreadConstraint": (
        "topologyKey",
        "maxSkew",
        "whenUnsatisfiable",
        "labelSelector",
        "minDomains",
        "matchLabelKeys",
        "nodeAffinityPolicy",
        "nodeTaintsPolicy",
    ),
    "DeploymentSpec": ("replicas", "template"),
    "ReplicaSetSpec": ("replicas", "template"),
    "ReplicationControllerSpec": ("replicas", "template"),
    "StatefulSetSpec": ("replicas", "template", "volumeClaimTemplates", "ordinals"),
    "DaemonSetSpec": ("template",),
    "JobSpec": ("parallelism", "completions", "suspend", "template"),
    "PodDisruptionBudgetSpec": ("minAvailable", "maxUnavailable", "selector", "unhealthyPodEvictionPolicy"),
}

UNREAD: dict[str, tuple[str, ...]] = {
    "ResourceRequirements": ("claims",),
    "Toleration": ("tolerationSeconds",),
    "Affinity": (),
    "PodAffinity": (),
    "NodeSelector": (),
    "NodeSelectorTerm": (),
    "NodeSelectorRequirement": (),
    "PreferredTerm": (),
    "PodAffinityTerm": (),
    "LabelSelector": (),
    "LabelSelectorRequirement": (),
    "TopologySpreadConstraint": (),
}
"""The other fields of holders that have no more than these."""
