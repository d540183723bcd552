"""What OVH answers and what it is asked for, as frozen models; fields that we do not know are ignored.

Field names are OVH's in snake case. Status strings stay plain strings, because OVH adds values without notice; the
``phase`` of a node and the ``settled`` of a pool say what they mean. Schemas:
https://eu.api.ovh.com/console/?section=%2Fcloud.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from controller.ovh import errors


def _none_is_empty(value: Any) -> Any:
    return () if value is None else value


Names = Annotated[tuple[str, ...], BeforeValidator(_none_is_empty)]


class Answer(BaseModel):
    """Base of everything that OVH sends."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore", frozen=True
    )


class Cluster(Answer):
    """One managed cluster; ``region`` is the name to use in all other calls, ``plan`` is free or standard."""

    id: str
    name: str = ""
    region: str
    version: str = ""
    status: str
    plan: str | None = None
    is_up_to_date: bool = True


class KubeFlavor(Answer):
    """A flavor that the cluster may use: no disk, no price, no zone."""

    name: str
    category: str = ""
    state: str = "available"
    vcpus: int = Field(alias="vCPUs")
    gpus: int = 0
    ram_gb: int = Field(alias="ram", description="gigabytes as in the flavor's name")

    @property
    def available(self) -> bool:
        """False when OVH says that the flavor cannot be had now."""
        return self.state != "unavailable"


class PlanCodes(Answer):
    """The price catalogue's codes for a flavor in its region."""

    hourly: str | None = None
    monthly: str | None = None


class NovaFlavor(Answer):
    """A flavor as the project sees it in one region: disk (GB), bandwidth (Mbit/s), stock, quota head-room, plan codes.

    ``model_dump(by_alias=True)`` is what ``catalog.refresh`` reads.
    """

    id: str
    name: str
    region: str
    vcpus: int
    ram: int
    disk: int = 0
    os_type: str = "linux"
    available: bool = True
    quota: int | None = None
    inbound_bandwidth: int | None = None
    outbound_bandwidth: int | None = None
    plan_codes: PlanCodes = PlanCodes()


class ComputeQuota(Answer):
    """Use and limits of one region, memory in MB; a limit below zero means none."""

    max_cores: int
    used_cores: int
    max_instances: int
    used_instances: int
    max_ram: int
    used_ram: int = Field(alias="usedRAM")


class Quota(Answer):
    """A project's quota in one region, shared with machines that are no cluster's."""

    region: str = ""
    instance: ComputeQuota

    def left(self) -> dict[str, int | None]:
        """What may still be made: ``vcpus``, ``memory_mb`` and ``instances``; None where there is no limit."""
        now = self.instance
        pairs = {
            "vcpus": (now.max_cores, now.used_cores),
            "memory_mb": (now.max_ram, now.used_ram),
            "instances": (now.max_instances, now.used_instances),
        }
        return {name: None if limit < 0 else max(0, limit - used) for name, (limit, used) in pairs.items()}


class Region(Answer):
    """A region; no availability zones means one zone, which nodes call ``nova``."""

    name: str
    status: str = ""
    availability_zones: Names = ()


class Taint(Answer):
    """A taint of a pool template; OVH refuses an empty value."""

    key: str
    value: str | None = ""
    effect: str


class TemplateMetadata(Answer):
    """Metadata that the pool puts on each of its nodes."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    finalizers: Names = ()


class TemplateSpec(Answer):
    """Taints and cordon that the pool puts on each of its nodes."""

    taints: Annotated[tuple[Taint, ...], BeforeValidator(_none_is_empty)] = ()
    unschedulable: bool = False


class Template(Answer):
    """What a pool enforces on its nodes, present and future, again and again."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: TemplateSpec = TemplateSpec()

    def body(self) -> dict[str, Any]:
        """The request body: all five members, since OVH refuses a template with one of them missing.

        Raises ``BadRequestError`` for a taint without a value.
        """
        for taint in self.spec.taints:
            if not taint.value:
                raise errors.BadRequestError(f"taint {taint.key}:{taint.effect} has no value: OVH node pools need one")
        return {
            "metadata": {
                "labels": dict(self.metadata.labels),
                "annotations": dict(self.metadata.annotations),
                "finalizers": list(self.metadata.finalizers),
            },
            "spec": {
                "taints": [{"key": t.key, "value": t.value, "effect": t.effect} for t in self.spec.taints],
                "unschedulable": self.spec.unschedulable,
            },
        }


_SETTLED_POOL = frozenset(
    {
        "READY",
        "ERROR",
        "USER_ERROR",
        "USER_QUOTA_ERROR",
        "USER_NODE_NOT_FOUND_ERROR",
        "USER_NODE_SUSPENDED_SERVICE",
        "USER_WEBHOOK_PREVENTING_OPERATIONS_ERROR",
        "SUSPENDED",
        "DELETED",
    }
)


class NodePool(Answer):
    """One pool of equal nodes. ``current_nodes`` includes those still installing, ``available_nodes`` does not."""

    id: str
    name: str
    flavor: str
    status: str
    size_status: str = ""
    desired_nodes: int
    min_nodes: int = 0
    max_nodes: int = 100
    current_nodes: int = 0
    available_nodes: int = 0
    up_to_date_nodes: int = 0
    autoscale: bool = False
    monthly_billed: bool = False
    anti_affinity: bool = False
    availability_zones: Names = ()
    template: Template = Template()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def zone(self) -> str:
        """The zone of the pool's nodes as their label says it."""
        return self.availability_zones[0] if self.availability_zones else "nova"

    @property
    def settled(self) -> bool:
        """True when nothing is under way; strings that we do not know count as under way."""
        return self.status in _SETTLED_POOL


class Phase(enum.Enum):
    """What a node's status means to an autoscaler."""

    CREATING = "creating"
    READY = "ready"
    LEAVING = "leaving"
    OUT_OF_STOCK = "out of stock"
    OUT_OF_QUOTA = "out of quota"
    BROKEN = "broken"


_PHASES = {
    "READY": Phase.READY,
    "UPDATING": Phase.READY,
    "MAINTENANCE": Phase.READY,
    "DELETING": Phase.LEAVING,
    "DELETED": Phase.LEAVING,
    "SUSPENDING": Phase.LEAVING,
    "FLAVOR_OUT_OF_STOCK_ERROR": Phase.OUT_OF_STOCK,
    "USER_QUOTA_ERROR": Phase.OUT_OF_QUOTA,
    "ERROR": Phase.BROKEN,
    "USER_ERROR": Phase.BROKEN,
    "USER_NODE_NOT_FOUND_ERROR": Phase.BROKEN,
    "USER_NODE_SUSPENDED_SERVICE": Phase.BROKEN,
    "USER_WEBHOOK_PREVENTING_OPERATIONS_ERROR": Phase.BROKEN,
    "SUSPENDED": Phase.BROKEN,
}


class Node(Answer):
    """One node of a pool; ``instance_id`` is None until a machine exists.

    ``flavor`` is a name, but some releases of the service put the Nova flavor's UUID there.
    """

    id: str
    node_pool_id: str = ""
    instance_id: str | None = None
    name: str = ""
    flavor: str = ""
    status: str
    version: str | None = None
    is_up_to_date: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deployed_at: datetime | None = None

    @property
    def provider_id(self) -> str | None:
        """``spec.providerID`` of the Kubernetes Node, None until a machine exists."""
        return f"openstack:///{self.instance_id}" if self.instance_id else None

    @property
    def phase(self) -> Phase:
        """What the status means; a string that we do not know counts as still creating."""
        return _PHASES.get(self.status, Phase.CREATING)


class AccessRule(Answer):
    """One rule of a consumer key: a method and a path in which ``*`` stands for anything."""

    method: str
    path: str


class GrantedCredential(Answer):
    """The consumer key in use."""

    status: str
    expiration: datetime | None = None
    rules: Annotated[tuple[AccessRule, ...], BeforeValidator(_none_is_empty)] = ()


class NodePoolSpec(BaseModel):
    """A pool to be. It is never handed to OVH's own autoscaler; a one-zone region takes no ``availability_zones``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    flavor: str
    desired_nodes: int = Field(ge=0)
    min_nodes: int = Field(default=0, ge=0)
    max_nodes: int = Field(default=100, ge=0)
    monthly_billed: bool = False
    anti_affinity: bool = False
    availability_zones: tuple[str, ...] = ()
    template: Template = Template()

    def body(self) -> dict[str, Any]:
        """The request body of the creation."""
        body: dict[str, Any] = {
            "name": self.name,
            "flavorName": self.flavor,
            "desiredNodes": self.desired_nodes,
            "minNodes": self.min_nodes,
            "maxNodes": self.max_nodes,
            "autoscale": False,
            "monthlyBilled": self.monthly_billed,
            "antiAffinity": self.anti_affinity,
            "template": self.template.body(),
        }
        if self.availability_zones:
            body["availabilityZones"] = list(self.availability_zones)
        return body
