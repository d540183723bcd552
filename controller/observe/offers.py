"""What OVHcloud sells: flavors, prices, what cannot be had at the moment, and the project's quota."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import core

from catalog import catalogue
from controller import metrics, world


def families(shared: world.World) -> Iterator[core.Metric]:
    """Flavors of all node classes that are ready, and what is left of the quota."""
    cpu, memory = metrics.TYPE_CPU.family(), metrics.TYPE_MEMORY.family()
    price, available = metrics.OFFERING_PRICE.family(), metrics.OFFERING_AVAILABLE.family()
    quota = metrics.QUOTA_LEFT.family()
    refused = shared.refused()
    with shared.lock:
        places = list(shared.places.values())
    known: set[str] = set()
    offered: set[tuple[str, str]] = set()
    regions: set[str] = set()
    for place in places:
        for name, flavor in sorted(place.catalogue.flavors.items()) if place.catalogue else ():
            if name not in known:
                known.add(name)
                cpu.add_metric([name], flavor.vcpus)
                memory.add_metric([name], flavor.capacity.get("memory", 0))
            _, hourly = catalogue.price_per_hour(flavor, monthly=place.monthly)
            for zone in place.zones:
                if (name, zone) in offered:
                    continue
                offered.add((name, zone))
                labels = [name, "on-demand", zone]
                if hourly is not None:
                    price.add_metric(labels, hourly / 1e6)
                there = flavor.offered and zone not in flavor.unavailable_zones and (name, zone) not in refused
                available.add_metric(labels, int(there))
        if place.region not in regions:
            regions.add(place.region)
            for resource, left in place.quota.items():
                if left is not None:
                    quota.add_metric([place.region, resource], left)
    yield from (cpu, memory, price, available, quota)
