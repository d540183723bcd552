"""What can be bought where: the catalogue's flavors as OVH's flavor, plan and price answers.

Shapes: the v1 schema (https://eu.api.ovh.com/console/?section=%2Fcloud) and the public catalogue
(``/order/catalog/public/cloud``), whose prices are integers in hundred-millionths of the currency.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog import catalogue as catalogues
from catalog import flavor as kinds
from catalog import region as regions

EUROS = frozenset({"FR", "IE", "DE", "ES", "IT", "PT", "NL", "FI", "LT"})
"""Subsidiaries that sell in euro."""

_THREE_ZONE_PLANS = frozenset({"b3", "r3"})
"""Families with a plan code of their own in three-zone regions, in the copies of the catalogue that were seen."""

_NAMESPACE = uuid.UUID("6f7c2a52-0d0c-5b7e-9d7e-6a1f2b3c4d5e")


@dataclass(frozen=True)
class Shop:
    """The flavors that clusters may use, by name."""

    flavors: Mapping[str, kinds.Flavor]

    def sells(self, name: str, region: str) -> bool:
        """Whether a cluster of the region may use the flavor."""
        named = regions.GUIDE_REGIONS.get(kinds.family(name))
        return name in self.flavors and (named is None or region in named)

    def ram(self, name: str) -> int:
        """Memory in MB as Nova counts it: 1000 for each GB in the flavor's name."""
        return self.flavors[name].memory_gib * 1000

    def in_region(self, region: str) -> list[kinds.Flavor]:
        """The flavors of a region, in catalogue order."""
        return [each for each in self.flavors.values() if self.sells(each.name, region)]


def open_shop(of: catalogues.Catalogue) -> Shop:
    """A shop with what the catalogue says MKS accepts."""
    return Shop({name: each for name, each in of.flavors.items() if each.offered})


def flavor_id(region: str, name: str) -> str:
    """Nova's UUID of a flavor in a region."""
    return str(uuid.uuid5(_NAMESPACE, f"{region}/{name}"))


def kube_flavor(of: kinds.Flavor, *, available: bool) -> dict[str, Any]:
    """A flavor as the Kubernetes routes list it: memory in GB, no disk, no price."""
    return {
        "name": of.name,
        "category": of.name[0],
        "state": "available" if available else "unavailable",
        "vCPUs": of.vcpus,
        "gpus": of.gpus,
        "ram": of.memory_gib,
    }


def nova_flavor(of: kinds.Flavor, region: str, *, available: bool, quota: int) -> dict[str, Any]:
    """A flavor as the project lists it; ``quota`` is how many more fit the quota."""
    place = regions.REGIONS.get(region)
    own_plan = place is not None and place.multi_zone and of.family in _THREE_ZONE_PLANS
    return {
        "id": flavor_id(region, of.name),
        "name": of.name,
        "region": region,
        "vcpus": of.vcpus,
        "ram": of.memory_gib * 1000,
        "disk": of.disk_gib or 0,
        "osType": "linux",
        "type": f"ovh.{of.family}",
        "available": available,
        "quota": quota,
        "inboundBandwidth": of.bandwidth_mbps,
        "outboundBandwidth": of.bandwidth_mbps,
        "capabilities": [{"name": name, "enabled": True} for name in ("resize", "snapshot", "volume", "failoverip")],
        "planCodes": {
            "hourly": f"{of.name}.consumption{'.3AZ' if own_plan else ''}",
            "monthly": None if of.monthly_micro_eur is None else f"{of.name}.monthly.postpaid",
        },
    }


def windows_flavor(of: dict[str, Any]) -> dict[str, Any]:
    """The Windows sibling that Nova lists beside a Linux flavor and that no cluster can use."""
    name = f"win-{of['name']}"
    codes = {"hourly": f"{name}.consumption", "monthly": None}
    return {**of, "id": flavor_id(of["region"], name), "name": name, "osType": "windows", "planCodes": codes}


def price_catalogue(shop: Shop, subsidiary: str) -> dict[str, Any]:
    """The public price catalogue: one add-on per flavor and way of billing, and some that clusters have no use for."""
    addons = []
    for each in shop.flavors.values():
        if each.hourly_micro_eur is not None:
            hourly = each.hourly_micro_eur * 100
            addons.append(_addon(each, f"{each.name}.consumption", hourly, "hour"))
            addons.append(_addon(each, f"{each.name}.consumption.LZ.EU", hourly * 11 // 10, "hour"))
            addons.append(_addon(each, f"win-{each.name}.consumption", hourly * 2, "hour"))
            if each.family in _THREE_ZONE_PLANS:
                addons.append(_addon(each, f"{each.name}.consumption.3AZ", hourly, "hour"))
        if each.monthly_micro_eur is not None:
            addons.append(_addon(each, f"{each.name}.monthly.postpaid", each.monthly_micro_eur * 100, "month"))
    return {
        "catalogId": 1,
        "locale": {"currencyCode": "EUR", "subsidiary": subsidiary, "taxRate": 20},
        "plans": [],
        "products": [],
        "addons": addons,
        "planFamilies": [],
    }


def _addon(of: kinds.Flavor, code: str, price: int, unit: str) -> dict[str, Any]:
    gpu = {"gpu": {"model": of.gpu_model, "number": of.gpus}} if of.gpus else {}
    return {
        "planCode": code,
        "invoiceName": code.partition(".")[0],
        "product": "publiccloud-instance",
        "pricingType": "consumption" if unit == "hour" else "rental",
        "pricings": [
            {
                "phase": 0,
                "capacities": ["consumption"] if unit == "hour" else ["renew"],
                "commitment": 0,
                "interval": 1,
                "intervalUnit": unit,
                "price": price,
                "tax": 0,
                "mode": "default",
                "type": "consumption" if unit == "hour" else "rental",
            }
        ],
        "blobs": {
            "commercial": {"name": of.name},
            "technical": {
                "name": of.name,
                "cpu": {"cores": of.vcpus},
                "memory": {"size": of.memory_gib},
                "storage": {"disks": [{"capacity": of.disk_gib or 0}]},
                **gpu,
            },
        },
    }
