"""The algebra of requirements: what each operator allows, and that intersections mean what they say."""

import functools

import hypothesis
import pytest
from hypothesis import strategies

from catalog import labels
from solver.rules import requirements
from solver.rules.requirements import Requirement, of

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte")
VALUES = ("a", "b", "c", "0", "1", "2", "3", "-1", "1.5", "")


@strategies.composite
def any_requirement(draw, key="k") -> Requirement:
    operator = draw(strategies.sampled_from(OPERATORS))
    if operator in ("In", "NotIn"):
        return of(key, operator, tuple(draw(strategies.lists(strategies.sampled_from(VALUES), max_size=4))))
    if operator in ("Exists", "DoesNotExist"):
        return of(key, operator)
    return of(key, operator, (str(draw(strategies.integers(-1, 4))),))


@pytest.mark.parametrize(
    ("operator", "values", "allowed", "missing"),
    [
        ("In", ("a", "1"), {"a", "1"}, False),
        ("NotIn", ("a", "1"), {"b", "2", "x"}, True),
        ("Exists", (), {"a", "b", "1", "2", "x"}, False),
        ("DoesNotExist", (), set(), True),
        ("Gt", ("1",), {"2"}, False),
        ("Lt", ("2",), {"1"}, False),
        ("Gte", ("2",), {"2"}, False),
        ("Lte", ("1",), {"1"}, False),
        ("Gt", (), set(), True),
        ("Near", ("a",), set(), True),
    ],
)
def test_operators(operator, values, allowed, missing):
    """Each operator allows these values; only NotIn and DoesNotExist are content with a missing label."""
    asked = of("k", operator, values)

    assert {value for value in ("a", "b", "1", "2", "x") if asked.allows(value)} == allowed
    assert asked.matches(None) is missing


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (of("k", "In", ("a", "b")), of("k", "In", ("b", "c")), "k In [b]"),
        (of("k", "In", ("a", "b")), of("k", "NotIn", ("b",)), "k In [a]"),
        (of("k", "NotIn", ("a",)), of("k", "NotIn", ("b",)), "k NotIn [a b]"),
        (of("k", "In", ("1", "5", "x")), of("k", "Gt", ("2",)), "k In [5]"),
        (of("k", "Gt", ("2",)), of("k", "Lt", ("9",)), "k Exists >=3 <=8"),
        (of("k", "Gt", ("2",)), of("k", "Lt", ("3",)), "k DoesNotExist"),
        (of("k", "Gt", ("5",)), of("k", "Lte", ("5",)), "k DoesNotExist"),
        (of("k", "Exists"), of("k", "DoesNotExist"), "k DoesNotExist"),
        (of("k", "In", ("a",)), of("k", "In", ("b",)), "k DoesNotExist"),
        (of("k", "In", ("a",), 1), of("k", "Exists", (), 3), "k In [a] minValues 3"),
    ],
)
def test_intersections(one, other, expected):
    """Pairs of operators and what is left of them, whichever comes first."""
    assert str(one.intersection(other)) == expected
    assert str(other.intersection(one)) == expected


@hypothesis.given(any_requirement(), any_requirement(), strategies.sampled_from(VALUES))
def test_intersection_allows_what_both_allow(one, other, value):
    """A value fulfils an intersection exactly when it fulfils both sides."""
    assert one.intersection(other).allows(value) == (one.allows(value) and other.allows(value))


@hypothesis.given(strategies.lists(any_requirement(), min_size=1, max_size=4), strategies.randoms())
def test_intersection_does_not_depend_on_the_order(parts, random):
    """Requirements on one key mean the same in any order."""
    shuffled = random.sample(parts, len(parts))
    one = functools.reduce(Requirement.intersection, parts)
    other = functools.reduce(Requirement.intersection, shuffled)

    assert [one.allows(value) for value in VALUES] == [other.allows(value) for value in VALUES]
    assert requirements.combine(parts) == {"k": one}


@hypothesis.given(any_requirement(), strategies.lists(strategies.sampled_from(VALUES), max_size=3))
def test_any_value_is_allowed(asked, avoided):
    """The value that stands for a requirement fulfils it, and of many is none of those to avoid."""
    value = asked.any_value(avoided)

    assert value is None or asked.allows(value)
    assert value is None or not asked.complement or value not in avoided
    assert value == asked.any_value(avoided)


@hypothesis.given(any_requirement(), any_requirement())
def test_overlap_is_mutual_and_has_a_witness(one, other):
    """Two sides overlap when some value, or a missing label, fulfils both."""
    witness = any(one.matches(value) and other.matches(value) for value in (*VALUES, *map(str, range(9)), None))

    assert one.overlaps(other) == other.overlaps(one)
    assert one.overlaps(other) or not witness
    if one.lower is one.upper is other.lower is other.upper is None:
        assert one.overlaps(other) == witness


def test_any_value_of_bounds_and_lists():
    """A list gives its first value in order, bounds the smallest number within them, an impossible bound none."""
    assert of("k", "In", ("b", "a")).any_value() == "a"
    assert of("k", "Gt", ("41",)).any_value() == "42"
    assert of("k", "NotIn", ("0", "1")).any_value() == "2"
    assert of("k", "Exists").any_value({"0"}) == "1"
    assert of("k", "Lt", ("0",)).any_value() is None
    assert of("k", "DoesNotExist").any_value() is None


def test_clash_names_key_and_both_sides():
    """A clash is told in upstream's words."""
    offered = requirements.combine([of("team", "In", ("a", "b"))])

    assert (
        requirements.clash({"team": of("team", "In", ("c",))}, offered, ())
        == "key team, team In [c] not in team In [a b]"
    )
    assert requirements.clash({"team": of("team", "In", ("a",))}, offered, ()) is None


def test_clash_on_a_key_that_nobody_defines():
    """Asking for an undefined label fails with a hint, unless it is well known or asked to be absent."""
    offered = requirements.combine([of("team", "Exists")])

    assert (
        requirements.clash({"teams": of("teams", "Exists")}, offered, ())
        == 'label "teams" does not have known values (typo of "team"?)'
    )
    assert 'typo of "example.com/team"?' in str(
        requirements.clash({"team": of("team", "Exists")}, {"example.com/team": of("example.com/team", "Exists")}, ())
    )
    assert requirements.clash({"x": of("x", "In", ("1",))}, offered, ()) == 'label "x" does not have known values'
    assert requirements.clash({"x": of("x", "In", ("1",))}, offered, {"x"}) is None
    assert requirements.clash({"x": of("x", "NotIn", ("1",))}, offered, ()) is None


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("zone", "topology.kubernetes.io/zone"),
        ("region", "topology.kubernetes.io/region"),
        ("nodepool", "karpenter.sh/nodepool"),
        ("instance-type", "node.kubernetes.io/instance-type"),
        ("arch", "kubernetes.io/arch"),
        ("capacity-type", "karpenter.sh/capacity-type"),
        ("example.com/zone", "topology.kubernetes.io/zone"),
        ("gpu", "karpenter.ovhcloud.sh/gpu-model"),
    ],
)
def test_what_was_meant_by_half_a_name(key: str, meant: str):
    """Upstream's own examples (`pkg/scheduling/requirements_test.go`), a foreign domain, and one of ours."""
    said = requirements.clash({key: of(key, "Exists")}, {}, labels.WELL_KNOWN)

    assert said == f'label "{key}" does not have known values (typo of "{meant}"?)'


def test_negative_sides_never_clash():
    """NotIn against DoesNotExist, and two NotIn, agree on a missing label."""
    absent = {"k": of("k", "DoesNotExist")}

    assert requirements.clash({"k": of("k", "NotIn", ("a",))}, absent, ()) is None
    assert requirements.clash(absent, absent, ()) is None
    assert requirements.clash({"k": of("k", "Exists")}, absent, ()) is not None


def test_numbers_are_64_bit():
    """Gt of the largest number allows nothing; numbers beyond 64 bits are no numbers."""
    assert of("k", "Gt", (str(2**63 - 1),)).operator == "DoesNotExist"
    assert requirements.whole_number(str(2**63)) is None
    assert requirements.whole_number("12") == 12
    assert requirements.whole_number("1_2") is None


def test_long_lists_are_shortened():
    """Texts show five values and how many more there are."""
    assert str(of("k", "In", tuple("abcdefg"))) == "k In [a b c d e and 2 others]"
