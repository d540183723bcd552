"""What `catalog list` prints."""

import json
from typing import Any

import pytest

from catalog import catalogue, csv_file, flavor, labels, region, render

EMBEDDED = catalogue.embedded()
GIB = 1024**3
PARIS = ["eu-west-par-a", "eu-west-par-b", "eu-west-par-c"]


def names(**filters: Any) -> list[str]:
    return [each.name for each in render.select(EMBEDDED, render.Wanted(**filters))]


def test_no_filter_lists_everything():
    """Also what is not offered: the list says so."""
    assert names() == list(EMBEDDED.flavors)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"category": "discovery"}, ["d2-2", "d2-4", "d2-8"]),
        ({"flavor_glob": "b3-?"}, ["b3-8"]),
        ({"flavor_glob": "*-45", "gpu": False}, ["i1-45"]),
        ({"flavor_glob": "c3-*", "min_cpu": 64_000, "where": "GRA7"}, ["c3-128"]),
        ({"category": "memory", "min_memory": 512 * GIB}, ["r3-512", "r3-1024"]),
        ({"category": "memory", "min_memory": 512 * GIB, "where": "GRA7"}, ["r3-512"]),
        ({"gpu": "v100S"}, ["t2-45", "t2-90", "t2-180", "t2-le-45", "t2-le-90", "t2-le-180"]),
        ({"gpu": "l4*", "min_cpu": 45_000}, ["l4-180", "l4-360", "l40s-360"]),
        ({"gpu": True, "category": "general"}, []),
    ],
)
def test_filters(filters, expected):
    """Filters narrow one another; sizes compare with the flavor's nominal size."""
    assert names(**filters) == expected


def test_table():
    """One line per flavor, what pods get of it, and where the prices come from."""
    assert render.list_flavors(EMBEDDED, render.Wanted(flavor_glob="[bd]?-[28]")).splitlines() == [
        "FLAVOR  CATEGORY   VCPU  MEMORY  DISK  GPU  EUR/HOUR  EUR/MONTH  POD CPU  POD MEMORY  OFFERED",
        "b3-8    general       2     8Gi  50Gi  -      0.0512          -    1840m      5912Mi  yes",
        "d2-2    discovery     1     2Gi  25Gi  -      0.0104       5.71     845m         6Mi  no (MKS: no)",
        "d2-8    discovery     4     8Gi  50Gi  -      0.0372      20.60    3830m      5913Mi  yes",
        "",
        "3 flavors, catalogue embedded 2026-05; prices in euro without tax, - where none is known.",
    ]


def test_table_of_a_region():
    """Zones in place of a plain yes, and a note where OVHcloud's guide does not name the region."""
    assert render.list_flavors(EMBEDDED, render.Wanted(flavor_glob="l40s-90", where="EU-WEST-PAR")).splitlines()[
        1:
    ] == [
        "l40s-90  gpu         15    90Gi  400Gi  1 x l40s    1.4000    1008.00   14775m     86631Mi  "
        + " ".join(PARIS),
        "",
        "note: l40s: OVHcloud's guide names it for GRA11 only; check that EU-WEST-PAR has it",
        "1 flavor, catalogue embedded 2026-05; prices in euro without tax, - where none is known.",
    ]


def test_table_of_what_is_out_of_stock_or_unknown():
    """Unknown figures are a dash, no zone left is said in words."""
    each = flavor.make("x1-8", 2, 8, gpus=1, unavailable_zones=frozenset({"nova"}))
    made = catalogue.Catalogue({"x1-8": each}, "test")

    assert render.list_flavors(made, render.Wanted(where="GRA7")).splitlines()[1] == (
        "x1-8    gpu          2     8Gi     -  1 x GPU         -          -    1840m      5913Mi  no (out of stock)"
    )


def test_table_of_nothing():
    """No flavor passes: one sentence."""
    expected = "No flavor of catalogue embedded 2026-05 passes these filters.\n"

    assert render.list_flavors(EMBEDDED, render.Wanted(category="nonsense")) == expected


def test_json():
    """A versioned document with prices, resources and labels per flavor."""
    document = json.loads(
        render.list_flavors(EMBEDDED, render.Wanted(flavor_glob="b2-7", where="EU-WEST-PAR"), output="json")
    )
    [item] = document["items"]

    assert (document["apiVersion"], document["kind"]) == ("karpenter.ovhcloud.sh/catalog.v1alpha1", "FlavorList")
    assert (document["version"], document["currency"], document["region"]) == ("embedded 2026-05", "EUR", "EU-WEST-PAR")
    assert document["zones"] == item["availableZones"] == PARIS
    assert (item["name"], item["hourlyEur"], item["monthlyEur"], item["monthlyBillable"]) == (
        "b2-7",
        0.0709,
        25.17,
        True,
    )
    assert item["allocatable"] == {"cpu": "1840m", "memory": "4928Mi", "ephemeral-storage": "28427Mi", "pods": "110"}
    assert item["labels"] == labels.flavor_labels(EMBEDDED.flavors["b2-7"])
    assert (item["offered"], item["mks"], item["note"]) == (True, "listed", None)


def test_json_of_all_flavors():
    """Without a region there are no zones; an unknown price is null."""
    document = json.loads(render.list_flavors(EMBEDDED, render.Wanted(), output="json"))
    items = {item["name"]: item for item in document["items"]}

    assert document["region"] is None
    assert list(items) == list(EMBEDDED.flavors)
    assert items["bm-s1"]["hourlyEur"] is None
    assert items["b3-8"]["availableZones"] == []


def test_csv_can_be_fed_back():
    """The list as CSV is a catalogue file of the selected flavors."""
    text = render.list_flavors(EMBEDDED, render.Wanted(category="general"), output="csv")

    assert list(csv_file.parse(text, "list").values()) == render.select(EMBEDDED, render.Wanted(category="general"))


def test_wrong_arguments():
    """Unknown outputs and regions are refused in one sentence."""
    with pytest.raises(ValueError, match=r'^unknown output "xml": write one of table, json, csv$'):
        render.list_flavors(EMBEDDED, render.Wanted(), output="xml")
    with pytest.raises(region.UnknownRegionError, match="did you mean GRA7"):
        render.list_flavors(EMBEDDED, render.Wanted(where="gra7"))
