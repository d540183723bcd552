"""OVHNodeClass, karpenter.ovhcloud.sh/v1alpha1: the project, cluster and region that nodes are bought for, and how."""

from typing import Annotated, ClassVar, Literal

import pydantic

from crds import forms, meta, schema

GROUP = "karpenter.ovhcloud.sh"
KIND = "OVHNodeClass"


class SecretRef(schema.Model):
    """A Secret with credentials of the OVHcloud API."""

    name: Annotated[
        str,
        pydantic.Field(
            min_length=1,
            max_length=253,
            description="The name of the Secret. Its keys are endpoint, applicationKey, applicationSecret and "
            "consumerKey, or endpoint, clientId and clientSecret.",
            examples=["ovh-credentials"],
        ),
    ]
    namespace: Annotated[
        str,
        pydantic.Field(
            max_length=63,
            description="The namespace of the Secret. Unset means the namespace that the controller runs in.",
        ),
    ] = ""


class OVHNodeClassSpec(schema.Model):
    """Where nodes are bought, and how."""

    service_name: Annotated[
        str,
        pydantic.Field(
            min_length=1,
            max_length=253,
            pattern=forms.PATH_PART,
            description="The id of the Public Cloud project that the cluster belongs to: 32 hexadecimal digits, "
            "which the control panel shows below the project's name.",
            examples=["the id of the Public Cloud project"],
        ),
    ]
    kube_id: Annotated[
        str,
        pydantic.Field(
            min_length=1,
            max_length=253,
            pattern=forms.PATH_PART,
            description="The id of the Managed Kubernetes cluster, which the control panel shows with the cluster.",
            examples=["the id of the Managed Kubernetes cluster"],
        ),
    ]
    region: Annotated[
        str,
        pydantic.Field(
            min_length=1,
            max_length=63,
            pattern=forms.REGION,
            description="The region of the cluster, as the OVHcloud API spells it: GRA7, GRA9, GRA11, SBG5, UK1, DE1, "
            "WAW1, BHS5, SGP1, SYD1, EU-WEST-PAR, EU-SOUTH-MIL and others. It decides zones, flavors and prices.",
            examples=["GRA11"],
        ),
    ]
    credentials_secret_ref: Annotated[
        SecretRef | None,
        pydantic.Field(
            description="The Secret with the credentials for the OVHcloud API. Unset means those that the controller "
            "was started with."
        ),
    ] = None
    monthly_billed: Annotated[
        bool,
        pydantic.Field(
            default=False,
            validate_default=True,
            strict=True,
            description="Buy by the month where that is possible (flavors b2, c2, r2 and d2), by the hour elsewhere. "
            "A month costs about half of its hours, and is paid in full even when the node goes early.",
        ),
    ]
    anti_affinity: Annotated[
        bool,
        pydantic.Field(
            default=False,
            validate_default=True,
            strict=True,
            description="Place the nodes of one OVHcloud node pool on different hypervisors. Such a pool holds at "
            "most five nodes, so that a large cluster needs many pools.",
        ),
    ]


class OVHNodeClassStatus(schema.Reading):
    """What is known about the place that nodes are bought in."""

    plan: Annotated[str, pydantic.Field(description="The plan of the cluster: free or standard.")] = ""
    kubernetes_version: Annotated[str, pydantic.Field(description="The version of Kubernetes that new nodes get.")] = ""
    zones: Annotated[
        tuple[str, ...],
        schema.ATOMIC,
        pydantic.Field(
            max_length=50,
            description="The zones that nodes can be created in, as the label topology.kubernetes.io/zone names them. "
            "A region with one zone calls it nova.",
        ),
    ] = ()
    flavors: Annotated[
        int,
        schema.Crd({"format": "int32", "minimum": 0}),
        pydantic.Field(
            description="How many flavors the cluster can buy in this region, those out of stock left aside."
        ),
    ] = 0
    conditions: Annotated[
        tuple[meta.FullCondition, ...],
        meta.BY_TYPE,
        pydantic.Field(
            description="What has been found out: whether credentials, rights, cluster, region and flavors are as "
            "they must be, and Ready when all are. The message of a condition that is False says what is missing."
        ),
    ] = ()


class OVHNodeClass(schema.Model):
    """An OVHNodeClass."""

    RULES: ClassVar[tuple[schema.Rule, ...]] = (meta.NAME_IN_LABEL,)

    api_version: Literal["karpenter.ovhcloud.sh/v1alpha1"]
    kind: Literal["OVHNodeClass"]
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: Annotated[
        OVHNodeClassSpec,
        pydantic.Field(
            description="In which OVHcloud project, cluster and region nodes are bought, and how.",
        ),
    ]
    status: Annotated[
        OVHNodeClassStatus, pydantic.Field(description="What is known about the place that nodes are bought in.")
    ] = OVHNodeClassStatus()

    @property
    def name(self) -> str:
        """The name of the node class."""
        return self.metadata.name
