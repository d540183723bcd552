"""What a request about node pools may say; everything else is refused as OVH refuses it.

Names, limits and the all-or-nothing template: the v1 schema, guide "Known limits", and messages that users of the API
have reported. Codes that nobody reported are 400 here, and 409 for a duplicate name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.simulator import model

POOL_LIMIT = 100
"""Nodes of one pool (OVH staff on https://github.com/ovh/public-cloud-roadmap/issues/411)."""

ANTI_AFFINITY_LIMIT = 5
"""Nodes of one anti-affinity pool (guide "Known limits")."""

NAME_LIMIT = 50
"""Characters of a pool name: the names of nodes are up to 13 longer and must fit a label."""

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
EMPTY_TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {}, "annotations": {}, "finalizers": []},
    "spec": {"taints": [], "unschedulable": False},
}
AUTOSCALING = {
    "scaleDownUtilizationThreshold": 0.5,
    "scaleDownUnneededTimeSeconds": 600,
    "scaleDownUnreadyTimeSeconds": 1200,
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FloatingIPs(_Body):
    """The switch ``attachFloatingIps``."""

    enabled: bool = False


class _Taint(_Body):
    key: str = Field(min_length=1)
    value: str = Field(min_length=1)
    effect: str = Field(pattern="^(NoExecute|NoSchedule|PreferNoSchedule)$")


class _Metadata(_Body):
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: list[str]


class _Spec(_Body):
    taints: list[_Taint]
    unschedulable: bool


class _Template(_Body):
    metadata: _Metadata
    spec: _Spec


class Update(_Body):
    """A PUT on a pool: what is None keeps its value."""

    desired: int | None = Field(default=None, alias="desiredNodes", ge=0)
    min: int | None = Field(default=None, alias="minNodes", ge=0)
    max: int | None = Field(default=None, alias="maxNodes", ge=0)
    autoscale: bool | None = None
    autoscaling: dict[str, float] | None = None
    floating_ips: FloatingIPs | None = Field(default=None, alias="attachFloatingIps")
    nodes_to_remove: list[str] = Field(default=[], alias="nodesToRemove")
    template: _Template | None = None


class Creation(Update):
    """A POST of a pool."""

    flavor: str = Field(alias="flavorName", min_length=1)
    name: str | None = None
    monthly_billed: bool = Field(default=False, alias="monthlyBilled")
    anti_affinity: bool = Field(default=False, alias="antiAffinity")
    zones: list[str] | None = Field(default=None, alias="availabilityZones")


Request = TypeVar("Request", bound=Update)


@dataclass(frozen=True)
class Sizes:
    """Desired, least and most nodes of a pool, checked against each other."""

    desired: int
    min: int
    max: int
    limit: int = field(repr=False)

    def __post_init__(self) -> None:
        if self.max > self.limit:
            raise bad(f"[maxNodes] {self.max} is above the limit of {self.limit} nodes for this node pool")
        if not self.min <= self.desired <= self.max:
            raise bad(f"[desiredNodes] {self.desired} is not between minNodes {self.min} and maxNodes {self.max}")


def bad(message: str, status: int = 400) -> model.Refusal:
    """The refusal of a request that makes no sense."""
    return model.Refusal(status, "Client::BadRequest", message)


def creation(body: Any) -> Creation:
    """A checked creation; raises ``Refusal``."""
    request = _read(Creation, body)
    if request.name is not None:
        if not _NAME.fullmatch(request.name):
            raise bad(
                f"[name] {request.name!r} is not allowed: lower case letters, digits and dashes, starting with a letter"
            )
        if len(request.name) > NAME_LIMIT:
            raise bad(f"[name] {request.name!r} is longer than {NAME_LIMIT} characters")
    return request


def update(body: Any) -> Update:
    """A checked update; raises ``Refusal``."""
    return _read(Update, body)


def template(of: Update) -> dict[str, Any] | None:
    """The template of a request as plain data."""
    return None if of.template is None else of.template.model_dump()


def zone(request: Creation, zones: tuple[str, ...], one_zone_status: int) -> str:
    """The zone of a new pool: exactly one of the region's, none where there is only one."""
    if not zones:
        if request.zones:
            raise bad("[availabilityZones] this region is not multi-zone compatible", one_zone_status)
        return "nova"
    if not request.zones:
        raise bad("[availabilityZones] availabilityZones is mandatory")
    if len(request.zones) != 1:
        raise bad("[availabilityZones] a node pool has exactly one availability zone")
    if request.zones[0] not in zones:
        raise bad(f"[availabilityZones] {request.zones[0]!r} is not one of {', '.join(zones)}")
    return request.zones[0]


def _read(kind: type[Request], body: Any) -> Request:
    try:
        return kind.model_validate(body if body is not None else {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise bad(f"[{where}] Property is mandatory") from None
        if first["type"] == "extra_forbidden":
            raise bad(f"Received not described parameters: ({where})") from None
        raise bad(f"[{where}] {first['msg']}") from None
