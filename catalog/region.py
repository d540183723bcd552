"""
Regions of OVHcloud Managed Kubernetes, their plans and zones.

Regions and plans: OVHcloud guide "Datacenters, nodes, worker nodes and storage flavours" (February 2026). Zone names of
three-zone regions are the ones that the API gives (`GET /cloud/project/{id}/region/{region}`, availabilityZones). That
list is empty for one-zone regions, whose nodes carry the zone label `nova`.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Plan = Literal["free", "standard"]

ONE_ZONE = "nova"
"""Zone of every node in a one-zone region."""


GUIDE_REGIONS: dict[str, frozenset[str]] = {
    "t1": frozenset({"BHS5", "GRA5", "GRA7", "GRA11"}),
    "t2": frozenset({"BHS5", "DE1", "GRA5", "GRA7", "GRA9", "GRA11", "UK1", "WAW1"}),
    "i1": frozenset({"BHS5", "DE1", "GRA5", "GRA7", "GRA9", "GRA11", "SBG5", "UK1", "WAW1"}),
    **{family: frozenset({"GRA11"}) for family in ("a100", "h100", "l4", "l40s")},
}
"""Regions that the guide names for GPU and IOPS families. It is old: a reason to ask, not to refuse."""


class UnknownRegionError(ValueError):
    """The name is not a region of Managed Kubernetes; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Region:
    """One region: its name as the API spells it, its plan, and the zones that nodes can be in."""

    name: str
    plan: Plan
    zones: tuple[str, ...] = (ONE_ZONE,)

    @property
    def multi_zone(self) -> bool:
        """Whether a node pool of this region must name its zone; in one-zone regions naming one is refused."""
        return self.zones != (ONE_ZONE,)


def _three_zones(name: str) -> Region:
    return Region(name, "standard", tuple(f"{name.lower()}-{letter}" for letter in "abc"))


_FREE = (
    "GRA5",
    "GRA7",
    "GRA9",
    "GRA11",
    "SBG5",
    "DE1",
    "UK1",
    "WAW1",
    "SGP1",
    "SYD1",
    "BHS5",
    "US-WEST-OR-1",
    "US-EAST-VA-1",
)
# RBX-A and AP-SOUTH-MUM-1 are OpenStack's names of EU-WEST-RBX and AP-SOUTH-MUM; clusters are seen with either.
_STANDARD_ONE_ZONE = ("EU-WEST-RBX", "RBX-A", "AP-SOUTH-MUM", "AP-SOUTH-MUM-1")

REGIONS: dict[str, Region] = {
    region.name: region
    for region in (
        *(Region(name, "free") for name in _FREE),
        *(Region(name, "standard") for name in _STANDARD_ONE_ZONE),
        _three_zones("EU-WEST-PAR"),
        _three_zones("EU-SOUTH-MIL"),
    )
}


def get(name: str) -> Region:
    """
    The region of this name.

    Raises
    ------
    UnknownRegionError
        One sentence that lists near matches, or all regions when nothing is near.
    """
    try:
        return REGIONS[name]
    except KeyError:
        raise UnknownRegionError(_unknown(name)) from None


def from_api(name: str, availability_zones: Iterable[str], plan: Plan) -> Region:
    """A region from the API's own answer, for regions that this version does not list."""
    return Region(name, plan, tuple(sorted(availability_zones)) or (ONE_ZONE,))


def zones(name: str) -> tuple[str, ...]:
    """Zones of a region, in order. Raises UnknownRegionError."""
    return get(name).zones


def resolve_zone(region: str | Region, name: str) -> tuple[str, str | None]:
    """
    The zone label value that nodes of the region carry for a zone that somebody wrote, and what to tell them.

    Names such as `gra7-a`, which documents and other tools use, stand for `nova` in a one-zone region. A name that
    the region does not have comes back as it is, with a note: no node will ever match it.
    Raises UnknownRegionError.
    """
    where = get(region) if isinstance(region, str) else region
    if name in where.zones:
        return name, None
    if not where.multi_zone and re.fullmatch(re.escape(where.name) + "-[a-z]", name, re.IGNORECASE):
        return ONE_ZONE, f'region {where.name} has one zone, "{ONE_ZONE}": zone "{name}" is read as "{ONE_ZONE}"'
    listed = ", ".join(f'"{zone}"' for zone in where.zones)
    return name, f'region {where.name} has no zone "{name}": write {"one of " if where.multi_zone else ""}{listed}'


def stock_note(family: str, region: str) -> str | None:
    """What to tell somebody who plans with a family in a region that OVHcloud's guide does not name for it."""
    named = GUIDE_REGIONS.get(family)
    if named is None or region in named:
        return None
    return f"{family}: OVHcloud's guide names it for {', '.join(sorted(named))} only; check that {region} has it"


def _unknown(name: str) -> str:
    folded = {region.lower(): region for region in REGIONS}
    wanted = name.lower()
    close = [wanted] if wanted in folded else difflib.get_close_matches(wanted, folded, n=3, cutoff=0.6)
    near = [folded[match] for match in close]
    if near:
        return f'unknown region "{name}": did you mean {" or ".join(near)}?'
    return f'unknown region "{name}": regions of Managed Kubernetes are {", ".join(REGIONS)}'
