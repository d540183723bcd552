"""
A catalogue from the OVHcloud API's own answers; fetching them is the caller's business.

Four answers, as decoded JSON:

1. `GET /cloud/project/{id}/capabilities/kube/flavors?region=R` or `GET /cloud/project/{id}/kube/{id}/flavors`: which
   flavors MKS accepts there, with vCPUs, GPUs and memory.
2. `GET /cloud/project/{id}/flavor?region=R`: disk, bandwidth, stock, and the plan codes that the region is billed by.
3. `GET /order/catalog/public/cloud?ovhSubsidiary=FR`: prices by plan code. Public, several megabytes.
4. `availabilityZones` of `GET /cloud/project/{id}/region/R`: empty for one-zone regions.

What no answer says (GPU model of known flavors, local NVMe, measured memory) comes from the embedded catalogue. Prices
are never guessed: a plan code that is missing, ambiguous or free of charge means that no price is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import pydantic

from catalog import allocatable as model
from catalog import catalogue, flavor, money, region

MONTHLY_FAMILIES = frozenset({"b2", "c2", "r2", "d2"})
"""Families whose nodes MKS bills by the month (guide "Understanding MKS architecture": second generation only)."""

_MIB_FROM = 2000
"""Memory figures from here on are MiB: the largest flavor has 1920 GB, the smallest 2000 MiB."""

_Count = Annotated[int, pydantic.Field(ge=0)]


class RefreshError(ValueError):
    """An answer of the API cannot be used; the message holds one sentence a line."""


class _Answer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)


class KubeFlavor(_Answer):
    """A flavor as MKS lists it; `ram` is in GB."""

    name: Annotated[str, pydantic.Field(min_length=1)]
    state: str = "available"
    vCPUs: Annotated[int, pydantic.Field(ge=1)]  # noqa: N815 (the API's name)
    gpus: _Count | None = 0
    ram: Annotated[int, pydantic.Field(ge=1)]


class PlanCodes(_Answer):
    """Keys into the price catalogue."""

    hourly: str | None = None
    monthly: str | None = None


class ProjectFlavor(_Answer):
    """A flavor as the project lists it for instances in general; `disk` is in GB."""

    name: str
    osType: str = "linux"  # noqa: N815 (the API's name)
    disk: _Count | None = None
    outboundBandwidth: _Count | None = None  # noqa: N815 (the API's name)
    available: bool = True
    planCodes: PlanCodes = PlanCodes()  # noqa: N815 (the API's name)


class Pricing(_Answer):
    """One price of a plan, in hundred-millionths of the currency."""

    price: _Count
    interval: int = 1
    intervalUnit: str  # noqa: N815 (the API's name)
    commitment: int | None = 0


class Plan(_Answer):
    """An add-on of the price catalogue."""

    planCode: str  # noqa: N815 (the API's name)
    pricings: list[Pricing] = []
    blobs: Any = None


_Model = TypeVar("_Model", bound=_Answer)


def from_api(
    where: str,
    kube_flavors: object,
    project_flavors: object | None,
    prices: object | None,
    *,
    availability_zones: Sequence[str] = (),
    version: str,
) -> catalogue.Catalogue:
    """
    The flavors that MKS accepts in the region `where`, with their prices and stock.

    `project_flavors` may be None where the credentials may not read them: disk and bandwidth are then the embedded
    ones, and plan codes follow OVHcloud's naming. `prices` may be None: the embedded prices stand.

    Raises
    ------
    RefreshError
        When an answer has not the form described above, or prices are not in euro.
    """
    accepted = _read(KubeFlavor, kube_flavors, f"MKS flavors of {where}")
    details = None
    if project_flavors is not None:
        details = _linux_by_name(_read(ProjectFlavor, project_flavors, f"project flavors of {where}"))
    price_list = None if prices is None else _PriceList(prices)
    zones = frozenset(availability_zones) or frozenset({region.ONE_ZONE})
    made = [_flavor(each, details, price_list, zones) for each in accepted]
    made.sort(key=lambda each: (each.family, each.vcpus, each.memory_gib, each.name))
    return catalogue.Catalogue({each.name: each for each in made}, version)


def gigabytes(ram: int) -> int:
    """Nominal memory in GB of a figure that is GB, or MiB as some answers have it (8, 8000 and 8192 are all 8)."""
    if ram < _MIB_FROM:
        return ram
    return ram // 1000 if ram % 1000 == 0 else ram // 1024


class _PriceList:
    """The price catalogue's add-ons by plan code; each is read when it is asked for."""

    def __init__(self, answer: object) -> None:
        addons = answer.get("addons") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(addons, list):
            raise RefreshError('price catalogue: no list "addons" in the answer of /order/catalog/public/cloud')
        locale = answer.get("locale")
        currency = locale.get("currencyCode", "EUR") if isinstance(locale, dict) else "EUR"
        if currency != "EUR":
            raise RefreshError(f"price catalogue: prices are in {currency}: ask for an ovhSubsidiary that sells in EUR")
        self._addons = {addon.get("planCode"): addon for addon in addons if isinstance(addon, dict)}

    def __contains__(self, code: str) -> bool:
        return code in self._addons

    def micro_eur(self, code: str | None, unit: str) -> int | None:
        """Price per "hour" or "month" under a plan code, None when there is not exactly one above zero."""
        plan = self._plan(code)
        if plan is None:
            return None
        found = {
            pricing.price
            for pricing in plan.pricings
            if pricing.intervalUnit == unit and pricing.interval == 1 and not pricing.commitment and pricing.price
        }
        return money.from_api(found.pop()) if len(found) == 1 else None

    def gpu_model(self, code: str | None) -> str:
        """GPU model that the plan's technical description names, empty when it names none."""
        plan = self._plan(code)
        node: Any = plan.blobs if plan else None
        for key in ("technical", "gpu", "model"):
            node = node.get(key) if isinstance(node, dict) else None
        return node if isinstance(node, str) else ""

    def _plan(self, code: str | None) -> Plan | None:
        addon = self._addons.get(code) if code else None
        return None if addon is None else _read_one(Plan, addon, f"price catalogue, plan {code}")


def _flavor(
    listed: KubeFlavor,
    details: Mapping[str, ProjectFlavor] | None,
    price_list: _PriceList | None,
    zones: frozenset[str],
) -> flavor.Flavor:
    name, memory_gib = listed.name, gigabytes(listed.ram)
    known = catalogue.embedded().flavors.get(name)
    detail = details.get(name) if details is not None else None
    codes = detail.planCodes if detail else PlanCodes()
    if details is None and price_list is not None:
        codes = _usual_plan_codes(name, price_list, three_zones=len(zones) > 1)
    if price_list is not None:
        hourly, monthly = price_list.micro_eur(codes.hourly, "hour"), price_list.micro_eur(codes.monthly, "month")
    else:
        hourly, monthly = (known.hourly_micro_eur, known.monthly_micro_eur) if known else (None, None)
    in_stock = listed.state == "available" and (detail is None or detail.available)
    same_memory = known is not None and known.memory_gib == memory_gib
    return flavor.make(
        name,
        listed.vCPUs,
        memory_gib,
        generation=known.generation if known else None,
        disk_gib=(detail.disk if detail else None) or (known.disk_gib if known else None),
        gpu_model=(known.gpu_model if known else "") or (price_list.gpu_model(codes.hourly) if price_list else ""),
        gpus=listed.gpus if listed.gpus is not None else (known.gpus if known else 0),
        nvme_gib=known.nvme_gib if known else None,
        bandwidth_mbps=(detail.outboundBandwidth if detail else None) or (known.bandwidth_mbps if known else None),
        hourly_micro_eur=hourly,
        monthly_micro_eur=monthly,
        monthly_billable=monthly is not None and flavor.family(name) in MONTHLY_FAMILIES,
        unavailable_zones=frozenset() if in_stock else zones,
        capacity={model.MEMORY: known.capacity[model.MEMORY]} if known and same_memory else None,
        allocatable={model.MEMORY: known.allocatable[model.MEMORY]} if known and same_memory else None,
    )


def _usual_plan_codes(name: str, price_list: _PriceList, *, three_zones: bool) -> PlanCodes:
    in_three_zones = f"{name}.consumption.3AZ"
    hourly = in_three_zones if three_zones and in_three_zones in price_list else f"{name}.consumption"
    return PlanCodes(hourly=hourly, monthly=f"{name}.monthly.postpaid")


def _linux_by_name(listed: Iterable[ProjectFlavor]) -> dict[str, ProjectFlavor]:
    """One entry per name, one in stock where there are several."""
    best: dict[str, ProjectFlavor] = {}
    for each in listed:
        if each.osType == "linux" and (each.name not in best or each.available):
            best[each.name] = each
    return best


def _read(kind: type[_Model], answer: object, what: str) -> list[_Model]:
    if not isinstance(answer, list):
        raise RefreshError(f"{what}: the API answered with {type(answer).__name__} where a list was expected")
    read, problems = [], []
    for index, item in enumerate(answer):
        name = item.get("name") if isinstance(item, dict) else None
        try:
            read.append(_read_one(kind, item, f"{what}: entry {index}{f' ({name})' if name else ''}"))
        except RefreshError as error:
            problems.append(str(error))
    if problems:
        raise RefreshError("\n".join(problems))
    return read


def _read_one(kind: type[_Model], item: object, where: str) -> _Model:
    try:
        return kind.model_validate(item)
    except pydantic.ValidationError as error:
        sentences = [
            f"{where}: {'.'.join(map(str, each['loc'])) or 'value'}: {each['msg'][0].lower()}{each['msg'][1:]}"
            for each in error.errors()
        ]
        raise RefreshError("\n".join(sentences)) from None
