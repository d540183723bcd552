"""A flavor: one size of machine that OVHcloud sells."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog import allocatable as model

LISTED = "listed"
"""Value of `Flavor.mks` for flavors that MKS accepts; flavors with any other value are known, but not offered."""

_CATEGORIES = {"b": "general", "c": "compute", "r": "memory", "d": "discovery", "i": "iops"}
_GENERATION = re.compile(r"[bcrdit](\d)")


@dataclass(frozen=True, slots=True)
class Flavor:
    """
    One flavor, with all quantities as integers.

    Prices are micro-euro without tax, None when no price is known. Sizes are None when they are not known.
    `unavailable_zones` are zones where the flavor is known and priced but cannot be bought. `capacity` and
    `allocatable` map resource names to milli-CPU ("cpu"), bytes ("memory", "ephemeral-storage") or counts ("pods",
    "nvidia.com/gpu").
    """

    name: str
    category: str
    generation: int | None
    vcpus: int
    memory_gib: int
    disk_gib: int | None
    gpu_model: str
    gpus: int
    nvme_gib: int | None
    bandwidth_mbps: int | None
    hourly_micro_eur: int | None
    monthly_micro_eur: int | None
    monthly_billable: bool
    mks: str
    unavailable_zones: frozenset[str]
    capacity: Mapping[str, int] = field(hash=False)
    allocatable: Mapping[str, int] = field(hash=False)

    @property
    def family(self) -> str:
        """First part of the name: b3 of b3-8."""
        return family(self.name)

    @property
    def offered(self) -> bool:
        """Whether MKS is known to accept this flavor."""
        return self.mks == LISTED


def make(
    name: str,
    vcpus: int,
    memory_gib: int,
    *,
    category: str = "",
    generation: int | None = None,
    disk_gib: int | None = None,
    gpu_model: str = "",
    gpus: int = 0,
    nvme_gib: int | None = 0,
    bandwidth_mbps: int | None = None,
    hourly_micro_eur: int | None = None,
    monthly_micro_eur: int | None = None,
    monthly_billable: bool = False,
    mks: str = LISTED,
    unavailable_zones: frozenset[str] = frozenset(),
    capacity: Mapping[str, int] | None = None,
    allocatable: Mapping[str, int] | None = None,
) -> Flavor:
    """
    A flavor whose category, generation, capacity and allocatable follow from its name and size.

    `capacity` and `allocatable` hold known figures that go before the model, resource by resource. A known allocatable
    above the capacity raises the capacity.
    """
    known = dict(allocatable or {})
    full = model.capacity(vcpus, memory_gib, disk_gib, gpus) | dict(capacity or {})
    left = model.allocatable(vcpus, full, disk_gib) | known
    full |= {resource: max(full.get(resource, 0), amount) for resource, amount in known.items()}
    return Flavor(
        name=name,
        category=category or category_of(name, gpus),
        generation=generation if generation is not None else generation_of(name),
        vcpus=vcpus,
        memory_gib=memory_gib,
        disk_gib=disk_gib,
        gpu_model=gpu_model,
        gpus=gpus,
        nvme_gib=nvme_gib,
        bandwidth_mbps=bandwidth_mbps,
        hourly_micro_eur=hourly_micro_eur,
        monthly_micro_eur=monthly_micro_eur,
        monthly_billable=monthly_billable,
        mks=mks,
        unavailable_zones=unavailable_zones,
        capacity=full,
        allocatable=left,
    )


def family(name: str) -> str:
    """First part of a flavor name: b3 of b3-8, t1 of t1-le-45."""
    return name.partition("-")[0]


def category_of(name: str, gpus: int) -> str:
    """Category by OVHcloud's naming: gpu where there is one, else by the first letter, `other` when that tells none."""
    if gpus:
        return "gpu"
    return _CATEGORIES.get(name[0], "other") if re.match(r"[a-z]\d+-", name) else "other"


def generation_of(name: str) -> int | None:
    """Generation by OVHcloud's naming (3 of b3-8), None for families whose number names a card (l40s, h100)."""
    match = _GENERATION.fullmatch(family(name))
    return int(match[1]) if match else None
