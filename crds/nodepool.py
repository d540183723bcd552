"""
NodePool, karpenter.sh/v1: which nodes may be created, how many, and when they may be disrupted.

Fields, defaults and rules are those of Karpenter core 1.14 (`pkg/apis/v1/nodepool.go`, `pkg/apis/crds`).
https://karpenter.sh/docs/concepts/nodepools/
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import pydantic

from crds import disruption as disruptions
from crds import forms, labels, meta, schema, template

HASH_ANNOTATION = "karpenter.sh/nodepool-hash"
HASH_VERSION_ANNOTATION = "karpenter.sh/nodepool-hash-version"
HASH_VERSION = "ovhcloud-v1"
"""Differs from upstream's (v3), whose number cannot be had without Go's own hash: claims of another version are stamped
anew, not taken for drifted."""

_LABEL_RULES = (
    schema.Rule(
        template.RESERVED_DOMAIN_MESSAGE,
        template.RESERVED_DOMAIN_HINT,
        labels.in_reserved_domain,
        cel='self.all(x, x in ["karpenter.sh/capacity-type", "karpenter.sh/nodepool"] '
        '|| !x.find("^([^/]+)").endsWith("karpenter.sh"))',
        each=True,
    ),
    schema.Rule(
        template.NODEPOOL_MESSAGE,
        template.NODEPOOL_HINT,
        lambda key: key == labels.NODEPOOL,
        cel='self.all(x, x != "karpenter.sh/nodepool")',
        each=True,
    ),
    schema.Rule(
        template.HOSTNAME_MESSAGE,
        template.HOSTNAME_HINT,
        lambda key: key == labels.HOSTNAME,
        cel='self.all(x, x != "kubernetes.io/hostname")',
        each=True,
    ),
)


class TemplateMeta(schema.Model):
    """Labels and annotations that nodes of a pool carry."""

    labels: Annotated[
        dict[forms.LabelKey, forms.LabelValue],
        schema.Crd({"x-kubernetes-map-type": "atomic"}),
        *_LABEL_RULES,
        pydantic.Field(
            default_factory=dict,
            max_length=100,
            description="Labels that every node of this pool carries, such as team: platform. Pods can select on "
            "them. A change replaces the nodes that are there.",
        ),
    ]
    annotations: Annotated[
        dict[str, str],
        schema.Crd({"x-kubernetes-map-type": "granular"}),
        pydantic.Field(
            default_factory=dict,
            description="Annotations that every node of this pool carries. A change replaces the nodes that are there.",
        ),
    ]


class TemplateSpec(schema.Model):
    """What nodes of a pool are like."""

    RULES: ClassVar[tuple[schema.Rule, ...]] = (
        schema.Rule(
            "a key and effect stands twice in taints and startupTaints",
            "name each key and effect once",
            template.duplicate_taints,
            stage="validation",
            at="taints",
        ),
    )

    node_class_ref: Annotated[
        template.NodeClassRef,
        schema.transition("nodeClassRef.group is immutable", "self.group == oldSelf.group"),
        schema.transition("nodeClassRef.kind is immutable", "self.kind == oldSelf.kind"),
        pydantic.Field(
            description=template.NODE_CLASS_REF_DESCRIPTION,
        ),
    ]
    requirements: Annotated[
        tuple[template.TemplateRequirement, ...],
        schema.ATOMIC,
        *template.REQUIREMENT_RULES,
        pydantic.Field(
            max_length=100,
            description="Conditions on flavor, zone and everything else that labels say about a node. All must hold, "
            "together with those of the pods. An empty list allows every flavor in every zone.",
            examples=["[] for every flavor in every zone"],
        ),
    ]
    taints: template.Taints = ()
    startup_taints: template.StartupTaints = ()
    expire_after: template.ExpireAfter
    termination_grace_period: template.GracePeriod = None


class Template(schema.Model):
    """The node that a pool makes."""

    metadata: Annotated[
        TemplateMeta, pydantic.Field(description="Labels and annotations of the nodes of this pool.")
    ] = TemplateMeta()
    spec: Annotated[
        TemplateSpec,
        pydantic.Field(
            description="What the nodes of this pool are like: flavors, zones, taints, and how long they live.",
        ),
    ]


class NodePoolSpec(schema.Model):
    """What a NodePool is for."""

    RULES: ClassVar[tuple[schema.Rule, ...]] = (
        schema.transition(
            "Cannot transition NodePool between static (replicas set) and dynamic (replicas unset) provisioning modes",
            "has(self.replicas) == has(oldSelf.replicas)",
        ),
        schema.Rule(
            "only 'limits.nodes' is supported on static NodePools",
            "remove the other limits or remove replicas",
            lambda spec: "replicas" in spec and not set(spec.get("limits", ())) <= {"nodes"},
            cel="!has(self.replicas) || (!has(self.limits) || size(self.limits) == 0 || (size(self.limits) == 1 && "
            "'nodes' in self.limits))",
            at="limits",
        ),
        schema.Rule(
            "'weight' is not supported on static NodePools",
            "remove weight or remove replicas",
            lambda spec: "replicas" in spec and "weight" in spec,
            cel="!has(self.replicas) || !has(self.weight)",
            at="weight",
        ),
    )

    template: Annotated[
        Template,
        pydantic.Field(
            description="What the nodes of this pool are like. A change here makes the nodes that are there drift, "
            "so that they are replaced within the budgets; a change of the requirements only those that no longer "
            "meet them.",
        ),
    ]
    disruption: Annotated[
        disruptions.Disruption,
        pydantic.Field(
            default={"consolidateAfter": "0s"},
            validate_default=True,
            description="When nodes of this pool may be taken away to save money, and how many at once.",
        ),
    ]
    limits: Annotated[
        forms.Amounts,
        pydantic.Field(
            default_factory=dict,
            description="How much the nodes of this pool may have together, by resource: cpu, memory, "
            "nvidia.com/gpu, or nodes for their number. No node is created that would exceed a limit, counted by the "
            "machines' capacity. Always set cpu and memory to bound the cost.",
        ),
    ]
    weight: Annotated[
        int,
        schema.Crd({"format": "int32"}),
        pydantic.Field(
            ge=1,
            le=100,
            strict=True,
            description="Which pool is asked first when several suit a pod: the heavier. Unset counts as 0. Among "
            "equals the name that is later in the alphabet comes first.",
        ),
    ] = 0
    replicas: Annotated[
        int | None,
        schema.INT64,
        pydantic.Field(
            ge=0,
            strict=True,
            description="Makes the pool static: it keeps this many nodes, whatever pods are waiting, and takes no "
            "part in consolidation. A static pool has no weight and only the limit nodes. Alpha.",
        ),
    ] = None


class NodePoolStatus(schema.Reading):
    """What is known about a pool."""

    nodes: Annotated[
        int,
        schema.INT64,
        pydantic.Field(
            default=0,
            validate_default=True,
            description="How many nodes the pool has, those on their way out left aside.",
        ),
    ]
    resources: Annotated[
        forms.ReportedAmounts,
        pydantic.Field(
            default_factory=dict,
            description="The capacity of the pool's nodes together, which is what limits are compared with.",
        ),
    ]
    node_class_observed_generation: Annotated[
        int,
        schema.INT64,
        pydantic.Field(
            description="The generation of the node class that NodeRegistrationHealthy was found out about."
        ),
    ] = 0
    conditions: Annotated[
        tuple[meta.FullCondition, ...],
        meta.BY_TYPE,
        pydantic.Field(
            description="What has been found out about the pool: ValidationSucceeded, NodeClassReady, "
            "NodeRegistrationHealthy, and Ready when the first two are true."
        ),
    ] = ()


class NodePool(schema.Model):
    """A NodePool."""

    RULES: ClassVar[tuple[schema.Rule, ...]] = (meta.NAME_IN_LABEL,)

    api_version: Literal["karpenter.sh/v1"]
    kind: Literal["NodePool"]
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: Annotated[
        NodePoolSpec,
        pydantic.Field(
            description="Which nodes may be created, how many, and when they may be disrupted.",
        ),
    ]
    status: Annotated[NodePoolStatus, pydantic.Field(description="What is known about the pool.")] = NodePoolStatus()

    @property
    def name(self) -> str:
        """The name of the pool."""
        return self.metadata.name


def template_hash(pool: NodePool) -> str:
    """
    A fingerprint of what makes nodes drift when it changes, as decimal text.

    It covers what upstream's hash covers: labels, annotations, taints, startup taints (in any order), node class,
    terminationGracePeriod and expireAfter of the template. Requirements have a check of their own, and nothing outside
    the template counts. Empty values count as absent. It is the same in every process and for every order of keys, but
    it is not the number that upstream would write: compare only hashes whose `HASH_VERSION_ANNOTATION` agrees.
    """
    spec, metadata = pool.spec.template.spec, pool.spec.template.metadata
    fields = {
        "labels": metadata.labels,
        "annotations": metadata.annotations,
        "taints": _taint_set(spec.taints),
        "startupTaints": _taint_set(spec.startup_taints),
        "nodeClassRef": [spec.node_class_ref.group, spec.node_class_ref.kind, spec.node_class_ref.name],
        "terminationGracePeriod": spec.termination_grace_period,
        "expireAfter": spec.expire_after,
    }
    text = json.dumps({name: value for name, value in fields.items() if value}, sort_keys=True, separators=(",", ":"))
    return str(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))


def _taint_set(taints: Iterable[template.Taint]) -> list[tuple[str, str, str]]:
    return sorted({(taint.key, taint.value, taint.effect) for taint in taints})
