"""What the embedded catalogue holds, what it offers, and at which price."""

import hashlib
from pathlib import Path

import pytest

from catalog import allocatable, catalogue, flavor, region
from crds import quantity

DOCS = Path(__file__).parents[2] / "docs" / "catalogue.md"
EMBEDDED = catalogue.embedded()


def table_with(column: str) -> list[list[str]]:
    """Cells of the table in docs/catalogue.md whose head starts with this column."""
    after = DOCS.read_text(encoding="utf-8").split(f"\n| {column} |", 1)[1].splitlines()[2:]
    rows = []
    for line in after:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def offered(where: str, name: str, monthly: bool = False) -> list[catalogue.Offering]:
    return [offering for offering in EMBEDDED.offerings(where, monthly) if offering.flavor.name == name]


def test_version_and_cache():
    """The embedded catalogue says how old it is and is read once."""
    assert EMBEDDED.version == "embedded 2026-05"
    assert catalogue.embedded() is EMBEDDED


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_gib", "disk_gib", "hourly", "monthly", "billable"),
    [
        ("b3-8", 2, 8, 50, 51_200, None, False),
        ("b2-7", 2, 7, 50, 70_900, 25_170_000, True),
        ("c3-8", 4, 8, 100, 91_300, None, False),
        ("r3-64", 8, 64, 200, 264_800, None, False),
        ("t2-180", 60, 180, 50, 3_200_000, 2_304_000_000, False),
        ("i1-45", 8, 45, 50, 439_000, 220_000_000, False),
        ("bm-s1", 4, 32, 1920, None, None, False),
    ],
)
def test_official_figures(name, vcpus, memory_gib, disk_gib, hourly, monthly, billable):
    """Sizes and list prices; a monthly price that MKS is not known to accept does not make a flavor monthly."""
    each = EMBEDDED.flavors[name]

    assert (each.vcpus, each.memory_gib, each.disk_gib) == (vcpus, memory_gib, disk_gib)
    assert (each.hourly_micro_eur, each.monthly_micro_eur, each.monthly_billable) == (hourly, monthly, billable)


def test_names_and_sizes_agree():
    """The number behind the dash is the nominal memory; category and generation follow from the name."""
    for name, each in EMBEDDED.flavors.items():
        assert each.name == name
        if each.category != "metal":
            assert int(name.rsplit("-", 1)[1]) == each.memory_gib
            assert flavor.category_of(name, each.gpus) == each.category
            assert flavor.generation_of(name) == each.generation


def test_documented_meaning_of_mks_is_complete_and_true():
    """Every value of the column is explained, and only `listed` is offered."""
    explained = {cells[0].strip("`"): cells[2] for cells in table_with("value")}

    assert {each.mks for each in EMBEDDED.flavors.values()} == set(explained)
    for each in EMBEDDED.flavors.values():
        assert each.offered is (explained[each.mks] == "yes")


def test_documented_regions_are_the_codes():
    """Name, plan and zones of every region."""
    expected = [
        [each.name, each.plan, ", ".join(f"`{zone}`" for zone in each.zones)] for each in region.REGIONS.values()
    ]

    assert table_with("region") == expected


def test_documented_guide_regions_are_the_codes():
    """Families whose regions OVHcloud's guide names."""
    assert {cells[0]: frozenset(cells[1].split(", ")) for cells in table_with("family")} == region.GUIDE_REGIONS


def test_documented_differences_state_the_official_figures():
    """Where another guide differs, the official columns are the catalogue's and really differ."""
    rows = table_with("flavor | vCPUs in that guide")

    assert len(rows) == 21
    for name, other_vcpus, vcpus, other_disk, disk in rows:
        each = EMBEDDED.flavors[name]
        assert vcpus in ("", str(each.vcpus))
        assert disk in ("", str(each.disk_gib))
        assert other_vcpus != vcpus or other_disk != disk


def test_documented_measurements_are_the_embedded_ones():
    """Figures of live nodes, and what the model would have said."""
    rows = table_with("flavor | measured memory capacity")

    assert rows
    for name, capacity, left, modelled in rows:
        each = EMBEDDED.flavors[name]
        model = allocatable.memory_allocatable(allocatable.memory_capacity(each.memory_gib))
        assert quantity.whole(capacity) == each.capacity["memory"]
        assert quantity.whole(left) == each.allocatable["memory"]
        assert modelled == f"{model // allocatable.MIB}Mi"


def test_what_a_region_offers():
    """Every listed flavor in every zone; flavors that MKS is not known to accept are not offered."""
    one, three = EMBEDDED.offerings("GRA7"), EMBEDDED.offerings("EU-WEST-PAR")
    listed = [name for name, each in EMBEDDED.flavors.items() if each.mks == "listed"]

    assert [offering.flavor.name for offering in one] == listed
    assert {offering.zone for offering in one} == {"nova"}
    assert len(three) == 3 * len(listed)
    assert not {"bm-s1", "d2-2", "t1-le-45", "b3-512", "a10-45"} & {offering.flavor.name for offering in three}
    assert all(offering.available for offering in one + three)


def test_hourly_by_default():
    """Without monthly billing the price is the hourly one."""
    assert offered("GRA7", "b2-7") == [catalogue.Offering(EMBEDDED.flavors["b2-7"], "nova", "hourly", 70_900, True)]


def test_monthly_where_asked_and_allowed():
    """25.17 EUR a month are 0.034479 EUR an hour at 730 hours; a third-generation flavor stays hourly."""
    [b2_7] = offered("GRA7", "b2-7", monthly=True)
    [b3_8] = offered("GRA7", "b3-8", monthly=True)
    [i1_45] = offered("GRA7", "i1-45", monthly=True)

    assert (b2_7.billing, b2_7.hourly_micro_eur) == ("monthly", 34_479)
    assert (b3_8.billing, b3_8.hourly_micro_eur) == ("hourly", 51_200)
    assert (i1_45.billing, i1_45.hourly_micro_eur) == ("hourly", 439_000)


@pytest.mark.parametrize(("monthly", "hourly"), [(730, 1), (364, 0), (365, 1), (1095, 2), (25_170_000, 34_479)])
def test_monthly_prices_are_rounded_half_up(monthly, hourly):
    """A month counts 730 hours."""
    each = flavor.make("b2-7", 2, 7, monthly_micro_eur=monthly, monthly_billable=True)

    assert catalogue.price_per_hour(each, monthly=True) == ("monthly", hourly)


def test_unknown_prices_are_not_invented():
    """A flavor without a price is offered without one, also where only its price by the month is missing."""
    unpriced = flavor.make("b3-8", 2, 8)
    only_hourly = flavor.make("b2-7", 2, 7, hourly_micro_eur=70_900, monthly_billable=True)
    made = catalogue.Catalogue({"b3-8": unpriced, "b2-7": only_hourly}, "test")

    assert [offering.hourly_micro_eur for offering in made.offerings("GRA7")] == [None, 70_900]
    assert [offering.hourly_micro_eur for offering in made.offerings("GRA7", True)] == [None, None]


def test_unavailable_and_blocked_zones():
    """Known to be out of stock, by the catalogue or by recent experience: offered as not available."""
    closed = flavor.make(
        "b3-8", 2, 8, hourly_micro_eur=51_200, unavailable_zones=frozenset({"eu-west-par-a", "gra7-a"})
    )
    made = catalogue.Catalogue({"b3-8": closed}, "test")
    blocked = {("b3-8", "eu-west-par-c"), ("b3-16", "eu-west-par-b")}

    assert [offering.available for offering in made.offerings("EU-WEST-PAR")] == [False, True, True]
    assert [offering.available for offering in made.offerings("EU-WEST-PAR", blocked=blocked)] == [False, True, False]
    assert [offering.available for offering in made.offerings("GRA7")] == [False]
    assert [offering.available for offering in made.offerings("GRA9")] == [True]


def test_unknown_region():
    """The sentence of the region module reaches the caller."""
    with pytest.raises(region.UnknownRegionError, match="did you mean EU-WEST-PAR"):
        EMBEDDED.offerings("EU-WEST-PARI")


def test_region_that_only_the_api_knows():
    """A region of the API's own answer works like a listed one."""
    made = EMBEDDED.offerings(region.from_api("EU-NORTH-OSL", ["eu-north-osl-a", "eu-north-osl-b"], "standard"))

    assert {offering.zone for offering in made} == {"eu-north-osl-a", "eu-north-osl-b"}


def test_learned_figures_replace_the_model():
    """What a first node really has goes before the model, for its flavor and resources only."""
    real = {"b3-16": {"memory": 14_000_000_000, "cpu": 3800}, "nobody-knows-it": {"cpu": 1}}
    learned = EMBEDDED.with_learned(real)
    before, after = EMBEDDED.flavors["b3-16"], learned.flavors["b3-16"]

    assert after.allocatable == {**before.allocatable, "memory": 14_000_000_000, "cpu": 3800}
    assert after.capacity == before.capacity
    assert learned.flavors["b3-32"] is EMBEDDED.flavors["b3-32"]
    assert set(learned.flavors) == set(EMBEDDED.flavors)
    assert learned.version == EMBEDDED.version
    assert EMBEDDED.flavors["b3-16"] is before


def test_learned_figures_above_the_capacity_raise_it():
    """Capacity is never below what a real node had for pods."""
    learned = EMBEDDED.with_learned({"b3-8": {"memory": 9_000_000_000, "example.com/fpga": 1}}).flavors["b3-8"]

    assert learned.capacity["memory"] == 9_000_000_000
    assert learned.capacity["example.com/fpga"] == learned.allocatable["example.com/fpga"] == 1


def test_load_offers_everything_and_names_its_content(tmp_path):
    """A file replaces the embedded catalogue: every flavor in it is offered, and the version tells files apart."""
    text = "name,vcpus,memory_gib,hourly_eur,mks\nbm-s1,4,32,0.2,no\nb3-8,2,8,,listed\n"
    file = tmp_path / "mine.csv"
    file.write_text(text, encoding="utf-8")

    made = catalogue.load(file)

    assert [offering.flavor.name for offering in made.offerings("GRA7")] == ["bm-s1", "b3-8"]
    assert made.version == f"mine.csv sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def test_flavors_are_values():
    """Equal figures make equal flavors, which can be keys."""
    one, other = (flavor.make("b3-8", 2, 8, disk_gib=50) for _ in range(2))

    assert one == other
    assert len({one, other}) == 1


@pytest.mark.parametrize(
    ("name", "gpus", "family", "category", "generation"),
    [
        ("b3-8", 0, "b3", "general", 3),
        ("c2-15-flex", 0, "c2", "compute", 2),
        ("r3-16", 0, "r3", "memory", 3),
        ("d2-4", 0, "d2", "discovery", 2),
        ("i1-45", 0, "i1", "iops", 1),
        ("t1-le-45", 1, "t1", "gpu", 1),
        ("l40s-90", 1, "l40s", "gpu", None),
        ("a100-180", 1, "a100", "gpu", None),
        ("bm-s1", 0, "bm", "other", None),
        ("mine", 0, "mine", "other", None),
    ],
)
def test_what_a_name_tells(name, gpus, family, category, generation):
    """Family, category and generation by OVHcloud's naming."""
    made = flavor.make(name, 2, 8, gpus=gpus)

    assert (made.family, made.category, made.generation) == (family, category, generation)
