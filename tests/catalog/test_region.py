"""Regions, their zones, and the zone names that people write."""

import pytest

from catalog import region


@pytest.mark.parametrize(
    ("name", "zones"),
    [
        ("EU-WEST-PAR", ("eu-west-par-a", "eu-west-par-b", "eu-west-par-c")),
        ("EU-SOUTH-MIL", ("eu-south-mil-a", "eu-south-mil-b", "eu-south-mil-c")),
        ("GRA7", ("nova",)),
        ("RBX-A", ("nova",)),
        ("US-EAST-VA-1", ("nova",)),
        ("AP-SOUTH-MUM", ("nova",)),
    ],
)
def test_zones(name, zones):
    """Three-zone regions have -a, -b and -c; all others have the one zone nova."""
    assert zones == region.zones(name)
    assert (len(zones) == 3) is region.get(name).multi_zone


@pytest.mark.parametrize("name", ["gra7-a", "gra7-b", "gra7-c", "GRA7-A"])
def test_zone_names_of_a_one_zone_region_are_mapped_and_reported(name):
    """A name made of region and letter stands for nova, with a note."""
    zone, note = region.resolve_zone("GRA7", name)

    assert zone == "nova"
    assert note == f'region GRA7 has one zone, "nova": zone "{name}" is read as "nova"'


def test_zone_of_a_region_whose_name_has_a_dash():
    """rbx-a-a is read as a zone of RBX-A."""
    assert region.resolve_zone("RBX-A", "rbx-a-a")[0] == "nova"


@pytest.mark.parametrize(("where", "zone"), [("GRA7", "nova"), ("EU-WEST-PAR", "eu-west-par-b")])
def test_real_zones_stay_as_they_are(where, zone):
    """Nothing to say about a zone that the region has."""
    assert region.resolve_zone(where, zone) == (zone, None)


PARIS_ZONES = '"eu-west-par-a", "eu-west-par-b", "eu-west-par-c"'


@pytest.mark.parametrize(
    ("where", "zone", "note"),
    [
        (
            "EU-WEST-PAR",
            "eu-west-par-d",
            f'region EU-WEST-PAR has no zone "eu-west-par-d": write one of {PARIS_ZONES}',
        ),
        ("GRA7", "gra9-a", 'region GRA7 has no zone "gra9-a": write "nova"'),
        (
            "EU-WEST-PAR",
            "nova",
            f'region EU-WEST-PAR has no zone "nova": write one of {PARIS_ZONES}',
        ),
    ],
)
def test_zones_that_the_region_does_not_have(where, zone, note):
    """An unknown zone is not changed: it matches no node, and the note says what to write."""
    assert region.resolve_zone(where, zone) == (zone, note)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gra7", 'unknown region "gra7": did you mean GRA7?'),
        ("GRA12", 'unknown region "GRA12": did you mean GRA11 or '),
        ("EU-WEST-PARIS", 'unknown region "EU-WEST-PARIS": did you mean EU-WEST-PAR'),
        ("moon", 'unknown region "moon": regions of Managed Kubernetes are GRA5, GRA7, '),
        ("", 'unknown region "": regions of Managed Kubernetes are GRA5'),
    ],
)
def test_unknown_regions(name, sentence):
    """One sentence with near matches, or the whole list when nothing is near."""
    for ask in (region.zones, region.get, lambda region_name: region.resolve_zone(region_name, "nova")):
        with pytest.raises(region.UnknownRegionError) as caught:
            ask(name)
        assert str(caught.value).startswith(sentence)


def test_region_from_the_api():
    """Zones that the API lists make a three-zone region; an empty list means the one zone nova."""
    three = region.from_api("EU-NORTH-OSL", ["eu-north-osl-b", "eu-north-osl-a"], "standard")

    assert three.zones == ("eu-north-osl-a", "eu-north-osl-b")
    assert three.multi_zone
    assert region.resolve_zone(three, "eu-north-osl-a") == ("eu-north-osl-a", None)
    assert region.from_api("GRA12", [], "free").zones == ("nova",)


def test_stock_notes():
    """A GPU family outside of the regions that the guide names gets a note; general families never do."""
    assert region.stock_note("l4", "GRA11") is None
    assert region.stock_note("b3", "EU-WEST-PAR") is None
    assert region.stock_note("l4", "GRA7") == "l4: OVHcloud's guide names it for GRA11 only; check that GRA7 has it"
