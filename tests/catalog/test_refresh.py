"""A catalogue from the API's own answers."""

from typing import Any

import pytest

from catalog import catalogue, csv_file, refresh

PARIS = ("eu-west-par-b", "eu-west-par-a", "eu-west-par-c")


def kube(name: str, vcpus: int, ram: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "category": name[0], "state": "available", "vCPUs": vcpus, "gpus": 0, "ram": ram} | more


def project(name: str, hourly: str | None, monthly: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "6f0f5b3a-0000-4000-8000-000000000001",
        "name": name,
        "region": "EU-WEST-PAR",
        "osType": "linux",
        "disk": 50,
        "outboundBandwidth": 500,
        "available": True,
        "planCodes": {"hourly": hourly, "monthly": monthly},
    } | more


def plan(code: str, price: int, unit: str = "hour", **more: Any) -> dict[str, Any]:
    return {
        "planCode": code,
        "pricings": [{"price": price, "interval": 1, "intervalUnit": unit, "capacities": []} | more],
    }


def price_list(*plans: dict[str, Any], currency: str = "EUR") -> dict[str, Any]:
    return {"locale": {"currencyCode": currency, "subsidiary": "FR"}, "addons": list(plans)}


def one(kube_flavor: dict[str, Any], project_flavors: Any, prices: Any, **more: Any) -> Any:
    made = refresh.from_api("EU-WEST-PAR", [kube_flavor], project_flavors, prices, version="now", **more)
    [each] = made.flavors.values()
    return each


def test_prices_follow_the_plan_codes_of_the_region():
    """The project's flavor names the plan, the plan names the price, in hundred-millionths of a euro."""
    prices = price_list(plan("b3-8.consumption", 4_000_000), plan("b3-8.consumption.3AZ", 5_120_000))

    made = refresh.from_api(
        "EU-WEST-PAR",
        [kube("b3-8", 2, 8)],
        [project("b3-8", "b3-8.consumption.3AZ")],
        prices,
        availability_zones=PARIS,
        version="2026-06-01",
    )

    assert made.version == "2026-06-01"
    assert made.flavors["b3-8"].hourly_micro_eur == 51_200
    assert made.flavors["b3-8"].monthly_micro_eur is None
    assert not made.flavors["b3-8"].monthly_billable
    assert len(made.offerings("EU-WEST-PAR")) == 3


def test_monthly_plans():
    """Second-generation flavors with a monthly plan may be billed by the month, GPU flavors only carry its price."""
    prices = price_list(
        plan("b2-7.consumption", 7_090_000),
        plan("b2-7.monthly.postpaid", 2_517_000_000, "month"),
        plan("t1-45.monthly.postpaid", 50_400_000_000, "month"),
    )
    b2_7 = one(kube("b2-7", 2, 7), [project("b2-7", "b2-7.consumption", "b2-7.monthly.postpaid")], prices)
    t1_45 = one(kube("t1-45", 8, 45, gpus=1), [project("t1-45", None, "t1-45.monthly.postpaid")], prices)

    assert (b2_7.hourly_micro_eur, b2_7.monthly_micro_eur, b2_7.monthly_billable) == (70_900, 25_170_000, True)
    assert (t1_45.hourly_micro_eur, t1_45.monthly_micro_eur, t1_45.monthly_billable) == (None, 504_000_000, False)


@pytest.mark.parametrize(
    "plans",
    [
        [],
        [plan("b3-8.consumption", 0)],
        [plan("b3-8.consumption", 5_120_000, "month")],
        [plan("b3-8.consumption", 5_120_000, interval=12)],
        [plan("b3-8.consumption", 5_120_000, commitment=36)],
        [{"planCode": "b3-8.consumption", "pricings": []}],
        [
            {
                "planCode": "b3-8.consumption",
                "pricings": [
                    {"price": price, "interval": 1, "intervalUnit": "hour"} for price in (5_120_000, 4_000_000)
                ],
            }
        ],
    ],
)
def test_prices_are_never_guessed(plans):
    """No plan, no charge, another unit, several prices: no price is known, whatever the embedded catalogue says."""
    assert one(kube("b3-8", 2, 8), [project("b3-8", "b3-8.consumption")], price_list(*plans)).hourly_micro_eur is None


def test_the_embedded_prices_stand_where_none_could_be_asked_for():
    """Without the price catalogue the embedded list is the best there is; an unknown flavor then has no price."""
    made = refresh.from_api("GRA7", [kube("b3-8", 2, 8), kube("b9-8", 2, 8)], None, None, version="now")

    assert {name: each.hourly_micro_eur for name, each in made.flavors.items()} == {"b3-8": 51_200, "b9-8": None}


@pytest.mark.parametrize(
    ("zones", "codes", "micro"),
    [
        ((), ["b3-8.consumption", "b3-8.consumption.3AZ"], 10_000),
        (PARIS, ["b3-8.consumption", "b3-8.consumption.3AZ"], 20_000),
        (PARIS, ["b3-8.consumption"], 10_000),
    ],
)
def test_usual_plan_codes_without_the_right_to_read_project_flavors(zones, codes, micro):
    """OVHcloud's naming of plans tells which is meant; disk and bandwidth are the embedded ones."""
    prices = price_list(*(plan(code, (index + 1) * 1_000_000) for index, code in enumerate(codes)))
    made = one(kube("b3-8", 2, 8), None, prices, availability_zones=zones)

    assert made.hourly_micro_eur == micro
    assert (made.disk_gib, made.bandwidth_mbps) == (50, 500)


def test_sizes_come_from_the_answers_and_the_rest_from_what_is_known():
    """Disk and bandwidth of the project's flavor, GPU model and NVMe of the embedded catalogue."""
    made = one(
        kube("t2-180", 60, 180, gpus=4), [project("t2-180", None, disk=77, outboundBandwidth=9000)], price_list()
    )

    assert (made.vcpus, made.memory_gib, made.disk_gib, made.bandwidth_mbps) == (60, 180, 77, 9000)
    assert (made.gpus, made.gpu_model, made.nvme_gib, made.category) == (4, "NVIDIA V100S 32GB", 4000, "gpu")


def test_a_flavor_that_this_version_does_not_know():
    """Everything that the answers do not tell is unknown, and the GPU model is the plan's."""
    described = plan("x9-64.consumption", 100_000_000) | {"blobs": {"technical": {"gpu": {"model": "NVIDIA B200"}}}}
    made = one(kube("x9-64", 8, 64, gpus=1), [project("x9-64", "x9-64.consumption", disk=None)], price_list(described))

    assert (made.gpu_model, made.nvme_gib, made.disk_gib, made.generation) == ("NVIDIA B200", None, None, None)
    assert made.hourly_micro_eur == 1_000_000
    assert made.offered


def test_measured_memory_is_kept():
    """A live node's memory goes before the model, as long as the flavor still has that size."""
    assert one(kube("b3-8", 2, 8), None, None).allocatable["memory"] == 6054204 * 1024
    assert one(kube("b3-8", 2, 9), None, None).allocatable["memory"] > 6054204 * 1024


@pytest.mark.parametrize(
    ("ram", "gigabytes"), [(8, 8), (1520, 1520), (1920, 1920), (2000, 2), (8000, 8), (8192, 8), (1024000, 1024)]
)
def test_memory_in_gigabytes_or_mebibytes(ram, gigabytes):
    """MKS says GB; figures that can only be MiB are taken as such."""
    assert refresh.gigabytes(ram) == gigabytes
    assert one(kube("x9-1", 2, ram), None, None).memory_gib == gigabytes


@pytest.mark.parametrize(
    ("state", "stock", "available"),
    [("available", True, True), ("unavailable", True, False), ("available", False, False)],
)
def test_stock(state, stock, available):
    """Out of stock for MKS or for the project: priced, and in no zone available."""
    made = refresh.from_api(
        "EU-WEST-PAR",
        [kube("b3-8", 2, 8, state=state)],
        [project("b3-8", "b3-8.consumption", available=stock)],
        price_list(plan("b3-8.consumption", 5_120_000)),
        availability_zones=PARIS,
        version="now",
    )

    assert [offering.available for offering in made.offerings("EU-WEST-PAR")] == [available] * 3


def test_windows_and_double_entries_are_passed_over():
    """Of several entries of one name the Linux one in stock counts."""
    listed = [
        project("b3-8", "b3-8.consumption", available=False),
        project("b3-8", "b3-8.consumption"),
        project("b3-8", "win-b3-8.consumption", osType="windows"),
    ]
    made = one(kube("b3-8", 2, 8), listed, price_list(plan("b3-8.consumption", 5_120_000)))

    assert made.hourly_micro_eur == 51_200
    assert not made.unavailable_zones


def test_order_does_not_depend_on_the_answer():
    """By family, then size."""
    answer = [kube("c3-4", 2, 4), kube("b3-16", 4, 16), kube("b3-8", 2, 8), kube("b2-120", 32, 120)]

    assert list(refresh.from_api("GRA7", answer, None, None, version="now").flavors) == [
        "b2-120",
        "b3-8",
        "b3-16",
        "c3-4",
    ]


def test_a_refreshed_catalogue_can_be_written_and_used(tmp_path):
    """What a refresh writes as CSV is a catalogue file, stock and measured memory included."""
    answer = [kube("b3-8", 2, 8, state="unavailable"), kube("t2-45", 15, 45, gpus=1), kube("b9-8", 2, 8)]
    made = refresh.from_api("EU-WEST-PAR", answer, None, None, availability_zones=PARIS, version="now")
    file = tmp_path / "mine.csv"
    file.write_text(csv_file.write(made.flavors.values()), encoding="utf-8")

    assert catalogue.load(file).flavors == made.flavors


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (({"message": "no"}, None, None), "MKS flavors of GRA7: the API answered with dict where a list was expected"),
        (
            ([kube("b3-8", 2, 8), {"name": "b3-16", "ram": 16}], None, None),
            "MKS flavors of GRA7: entry 1 (b3-16): vCPUs: field required",
        ),
        (
            ([kube("b3-8", 0, 8)], None, None),
            "MKS flavors of GRA7: entry 0 (b3-8): vCPUs: input should be greater than or equal to 1",
        ),
        (
            (["b3-8"], None, None),
            "MKS flavors of GRA7: entry 0: value: input should be a valid dictionary or instance of KubeFlavor",
        ),
        (
            ([kube("b3-8", 2, 8)], [{"disk": 50}], None),
            "project flavors of GRA7: entry 0: name: field required",
        ),
        (
            ([kube("b3-8", 2, 8)], None, []),
            'price catalogue: no list "addons" in the answer of /order/catalog/public/cloud',
        ),
        (
            ([kube("b3-8", 2, 8)], None, price_list(currency="CAD")),
            "price catalogue: prices are in CAD: ask for an ovhSubsidiary that sells in EUR",
        ),
        (
            ([kube("b3-8", 2, 8)], None, price_list(plan("b3-8.consumption", -5))),
            "price catalogue, plan b3-8.consumption: pricings.0.price: input should be greater than or equal to 0",
        ),
    ],
)
def test_answers_that_cannot_be_used(answers, sentence):
    """Which answer, which entry, which field, what is wrong."""
    with pytest.raises(refresh.RefreshError) as caught:
        refresh.from_api("GRA7", *answers, version="now")

    assert str(caught.value) == sentence
