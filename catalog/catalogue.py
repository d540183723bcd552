"""The catalogue: flavors by name, what of them can be bought in a region, and where the figures come from."""

import dataclasses
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog import csv_file, flavor, region

Billing = Literal["hourly", "monthly"]

HOURS_PER_MONTH = 730
"""Hours by which a monthly price is divided to compare it with hourly ones: 365 x 24 / 12."""

EMBEDDED_VERSION = "embedded 2026-05"

CatalogueError = csv_file.CatalogueError


@dataclass(frozen=True, slots=True)
class Offering:
    """
    A flavor that can be bought in a zone.

    `hourly_micro_eur` is the price per hour in micro-euro under this billing, None when it is not known; `available` is
    False where the flavor is known to be out of stock.
    """

    flavor: flavor.Flavor
    zone: str
    billing: Billing
    hourly_micro_eur: int | None
    available: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Flavors by name, and a version that says which figures these are."""

    flavors: Mapping[str, flavor.Flavor]
    version: str

    def offerings(
        self, where: str | region.Region, monthly: bool = False, *, blocked: Collection[tuple[str, str]] = frozenset()
    ) -> list[Offering]:
        """
        What can be bought in a region: every offered flavor in every zone, in catalogue order.

        With `monthly`, flavors that allow it are billed by the month and the others by the hour. `blocked` holds
        (flavor, zone) pairs that are out of stock at the moment. Raises region.UnknownRegionError.
        """
        place = region.get(where) if isinstance(where, str) else where
        found = []
        for each in self.flavors.values():
            if not each.offered:
                continue
            billing, price = price_per_hour(each, monthly=monthly)
            closed = {region.resolve_zone(place, zone)[0] for zone in each.unavailable_zones}
            found += [
                Offering(each, zone, billing, price, zone not in closed and (each.name, zone) not in blocked)
                for zone in place.zones
            ]
        return found

    def with_learned(self, allocatable: Mapping[str, Mapping[str, int]]) -> "Catalogue":
        """
        The same catalogue with the allocatable of real nodes, by flavor and resource, in place of the model's.

        Flavors that the catalogue does not know are passed over. A figure above the capacity raises the capacity.
        """
        learned = {
            name: dataclasses.replace(
                known,
                allocatable={**known.allocatable, **seen},
                capacity={**known.capacity, **{key: max(known.capacity.get(key, 0), n) for key, n in seen.items()}},
            )
            for name, seen in allocatable.items()
            if (known := self.flavors.get(name)) is not None
        }
        return Catalogue({**self.flavors, **learned}, self.version)


def price_per_hour(of: flavor.Flavor, *, monthly: bool) -> tuple[Billing, int | None]:
    """
    Billing of a flavor and its price in micro-euro per hour, None when that price is not known.

    A monthly price counts as 1/730 of it per hour, rounded half up to a micro-euro.
    """
    if not (monthly and of.monthly_billable):
        return "hourly", of.hourly_micro_eur
    if of.monthly_micro_eur is None:
        return "monthly", None
    return "monthly", (2 * of.monthly_micro_eur + HOURS_PER_MONTH) // (2 * HOURS_PER_MONTH)


@functools.cache
def embedded() -> Catalogue:
    """The catalogue that comes with this version: list prices of May 2026 without tax, in euro."""
    text = (Path(__file__).parent / "data" / "flavors.csv").read_text(encoding="utf-8")
    return Catalogue(csv_file.parse(text, "embedded catalogue"), EMBEDDED_VERSION)


def load(path: str | Path) -> Catalogue:
    """
    The catalogue of a CSV file; every flavor in it is offered, whatever its column `mks` says.

    Raises
    ------
    CatalogueError
        Every mistake of the file, one sentence each.
    """
    text, digest = csv_file.read(Path(path))
    rows = csv_file.parse(text, str(path))
    flavors = {name: dataclasses.replace(each, mks=flavor.LISTED) for name, each in rows.items()}
    return Catalogue(flavors, f"{Path(path).name} sha256:{digest[:12]}")
