"""The catalogue as text: what `catalog list` prints."""

import dataclasses
import fnmatch
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from catalog import allocatable as model
from catalog import catalogue, csv_file, flavor, labels, money, region
from crds import quantity

OUTPUTS = ("table", "json", "csv")

API_VERSION = "karpenter.ovhcloud.sh/catalog.v1alpha1"

_Cell = Callable[[flavor.Flavor], str]


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which flavors to list; what is None does not restrict.

    `min_cpu` (milli-CPU) and `min_memory` (bytes) compare with the nominal size. `gpu` is True for flavors with GPUs,
    False for those without, or a glob on the model as in the label `gpu-model`. `where` leaves what is offered in that
    region.
    """

    category: str | None = None
    flavor_glob: str | None = None
    min_cpu: int | None = None
    min_memory: int | None = None
    gpu: bool | str | None = None
    where: str | region.Region | None = None

    def holds(self, each: flavor.Flavor) -> bool:
        """Whether a flavor is wanted, wherever it is offered."""
        return (
            (self.category is None or each.category == self.category)
            and (self.flavor_glob is None or fnmatch.fnmatchcase(each.name, self.flavor_glob))
            and (self.min_cpu is None or each.vcpus * 1000 >= self.min_cpu)
            and (self.min_memory is None or each.memory_gib * model.GIB >= self.min_memory)
            and (self.gpu is None or _gpu_matches(each, self.gpu))
        )


def select(of: catalogue.Catalogue, wanted: Wanted) -> list[flavor.Flavor]:
    """The flavors that are wanted, in catalogue order. Raises region.UnknownRegionError."""
    offered = None if wanted.where is None else {offering.flavor.name for offering in of.offerings(wanted.where)}
    return [each for each in of.flavors.values() if (offered is None or each.name in offered) and wanted.holds(each)]


def list_flavors(of: catalogue.Catalogue, wanted: Wanted, output: str = "table") -> str:
    """
    The flavors that are wanted as a table, as JSON, or as CSV that `--catalog` reads; ends with a line break.

    Raises region.UnknownRegionError, and ValueError for another `output`.
    """
    if output not in OUTPUTS:
        raise ValueError(f'unknown output "{output}": write one of {", ".join(OUTPUTS)}')
    place = region.get(wanted.where) if isinstance(wanted.where, str) else wanted.where
    chosen = select(of, wanted)
    if output == "csv":
        return csv_file.write(chosen)
    if output == "json":
        return _json(of, chosen, place)
    return _table(of, chosen, place)


def _gpu_matches(of: flavor.Flavor, gpu: bool | str) -> bool:
    if isinstance(gpu, bool):
        return bool(of.gpus) is gpu
    return of.gpus > 0 and fnmatch.fnmatchcase(labels.gpu_model_value(of.gpu_model), gpu.lower())


def _json(of: catalogue.Catalogue, chosen: Sequence[flavor.Flavor], place: region.Region | None) -> str:
    document = {
        "apiVersion": API_VERSION,
        "kind": "FlavorList",
        "version": of.version,
        "currency": "EUR",
        "region": place.name if place else None,
        "zones": list(place.zones) if place else [],
        "items": [_item(each, place) for each in chosen],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _item(each: flavor.Flavor, place: region.Region | None) -> dict[str, Any]:
    return {
        "name": each.name,
        "category": each.category,
        "family": each.family,
        "generation": each.generation,
        "vcpus": each.vcpus,
        "memoryGib": each.memory_gib,
        "diskGib": each.disk_gib,
        "gpuModel": each.gpu_model or None,
        "gpus": each.gpus,
        "nvmeGib": each.nvme_gib,
        "bandwidthMbps": each.bandwidth_mbps,
        "hourlyEur": _euro(each.hourly_micro_eur),
        "monthlyEur": _euro(each.monthly_micro_eur),
        "monthlyBillable": each.monthly_billable,
        "mks": each.mks,
        "offered": each.offered,
        "unavailableZones": sorted(each.unavailable_zones),
        "availableZones": _available_zones(each, place) if place else [],
        "capacity": _quantities(each.capacity),
        "allocatable": _quantities(each.allocatable),
        "labels": labels.flavor_labels(each),
        "note": region.stock_note(each.family, place.name) if place else None,
    }


def _euro(micro: int | None) -> float | None:
    return None if micro is None else micro / money.MICRO


def _quantities(resources: Mapping[str, int]) -> dict[str, str]:
    return {resource: quantity.format_units(resource, amount) for resource, amount in resources.items()}


def _available_zones(each: flavor.Flavor, place: region.Region) -> list[str]:
    only = catalogue.Catalogue({each.name: each}, "")
    return [offering.zone for offering in only.offerings(place) if offering.available]


def _table(of: catalogue.Catalogue, chosen: Sequence[flavor.Flavor], place: region.Region | None) -> str:
    if not chosen:
        return f"No flavor of catalogue {of.version} passes these filters.\n"
    columns = [*_COLUMNS, ("OFFERED", False, lambda each: _offered(each, place))]
    lines = [""] * (len(chosen) + 1)
    for title, right, cell in columns:
        cells = [title, *map(cell, chosen)]
        width = max(map(len, cells))
        lines = [
            f"{line}{'  ' if line else ''}{text.rjust(width) if right else text.ljust(width)}"
            for line, text in zip(lines, cells, strict=True)
        ]
    lines.append("")
    if place:
        notes = [region.stock_note(family, place.name) for family in dict.fromkeys(each.family for each in chosen)]
        lines += [f"note: {note}" for note in notes if note]
    counted = "1 flavor" if len(chosen) == 1 else f"{len(chosen)} flavors"
    lines.append(f"{counted}, catalogue {of.version}; prices in euro without tax, - where none is known.")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _offered(each: flavor.Flavor, place: region.Region | None) -> str:
    if not each.offered:
        return f"no (MKS: {each.mks})"
    if place is None:
        return "yes"
    return " ".join(_available_zones(each, place)) or "no (out of stock)"


def _gpu(each: flavor.Flavor) -> str:
    return f"{each.gpus} x {labels.gpu_model_value(each.gpu_model) or 'GPU'}" if each.gpus else "-"


def _price(micro: int | None, decimals: int) -> str:
    return "-" if micro is None else money.text(micro, decimals)


_COLUMNS: tuple[tuple[str, bool, _Cell], ...] = (
    ("FLAVOR", False, lambda each: each.name),
    ("CATEGORY", False, lambda each: each.category),
    ("VCPU", True, lambda each: str(each.vcpus)),
    ("MEMORY", True, lambda each: f"{each.memory_gib}Gi"),
    ("DISK", True, lambda each: "-" if each.disk_gib is None else f"{each.disk_gib}Gi"),
    ("GPU", False, _gpu),
    ("EUR/HOUR", True, lambda each: _price(each.hourly_micro_eur, 4)),
    ("EUR/MONTH", True, lambda each: _price(each.monthly_micro_eur, 2)),
    ("POD CPU", True, lambda each: quantity.format_cpu(each.allocatable[model.CPU])),
    ("POD MEMORY", True, lambda each: f"{each.allocatable[model.MEMORY] // model.MIB}Mi"),
)
