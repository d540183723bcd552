"""
NodeClaim, karpenter.sh/v1: one node that has been asked for, and what has become of it.

Fields, defaults and rules are those of Karpenter core 1.14 (`pkg/apis/v1/nodeclaim.go`, `pkg/apis/crds`). The spec of a
claim can never be changed, not even in how a quantity is written: patch claims, never write a whole one back.
"""

from typing import Annotated, ClassVar, Literal

import pydantic

from crds import forms, meta, schema, template


class Resources(schema.Model):
    """What a node must have at the least."""

    requests: Annotated[
        forms.Amounts,
        pydantic.Field(
            default_factory=dict,
            description="The requests of all pods planned onto the node, DaemonSets included, by resource, and their "
            "number as pods.",
        ),
    ]


class NodeClaimSpec(schema.Model):
    """The node that is asked for."""

    node_class_ref: Annotated[
        template.NodeClassRef,
        pydantic.Field(
            description=template.NODE_CLASS_REF_DESCRIPTION,
        ),
    ]
    requirements: Annotated[
        tuple[template.Requirement, ...],
        schema.ATOMIC,
        *template.REQUIREMENT_RULES,
        pydantic.Field(
            max_length=100,
            description="Conditions on flavor, zone and everything else that labels say about the node. They name all "
            "flavors that would do, the one to be bought among them.",
            examples=["[] for every flavor in every zone"],
        ),
    ]
    resources: Annotated[
        Resources, pydantic.Field(description="What the node must have at the least to hold the pods planned onto it.")
    ] = Resources()
    taints: template.Taints = ()
    startup_taints: template.StartupTaints = ()
    expire_after: template.ExpireAfter
    termination_grace_period: template.GracePeriod = None


class NodeClaimStatus(schema.Reading):
    """What has become of a claim."""

    node_name: Annotated[str, pydantic.Field(description="The name of the Node, once it has joined the cluster.")] = ""
    provider_id: Annotated[
        str,
        pydantic.Field(alias="providerID", description="The machine, as spec.providerID of its Node names it."),
    ] = ""
    image_id: Annotated[
        str,
        pydantic.Field(alias="imageID", description="The image that the machine runs; on OVHcloud the MKS version."),
    ] = ""
    capacity: Annotated[
        forms.ReportedAmounts, pydantic.Field(default_factory=dict, description="What the machine has, by resource.")
    ]
    allocatable: Annotated[
        forms.ReportedAmounts,
        pydantic.Field(default_factory=dict, description="What is left of the capacity for pods, by resource."),
    ]
    conditions: Annotated[
        tuple[meta.Condition, ...],
        meta.BY_TYPE,
        pydantic.Field(
            description="How far the node has come: Launched, Registered, Initialized, and Ready when all three are "
            "true. Drifted, Consolidatable and DisruptionReason say why it may or will go; Drained, VolumesDetached "
            "and InstanceTerminating how far it is gone."
        ),
    ] = ()
    last_pod_event_time: Annotated[
        forms.Time,
        pydantic.Field(description="When a pod last came to or left the node. consolidateAfter counts from here."),
    ] = ""


class NodeClaim(schema.Model):
    """A NodeClaim."""

    RULES: ClassVar[tuple[schema.Rule, ...]] = (meta.NAME,)

    api_version: Literal["karpenter.sh/v1"]
    kind: Literal["NodeClaim"]
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: Annotated[
        NodeClaimSpec,
        schema.transition("spec is immutable", "self == oldSelf"),
        pydantic.Field(
            description="The node that is asked for. It cannot be changed.",
        ),
    ]
    status: Annotated[NodeClaimStatus, pydantic.Field(description="What has become of the claim.")] = NodeClaimStatus()

    @property
    def name(self) -> str:
        """The name of the claim."""
        return self.metadata.name
