"""Labels, selectors, node selector terms, taints."""

import pytest

from solver import cluster
from solver.check import match
from tests.solver import builders as b


@pytest.mark.parametrize(
    ("operator", "values", "value", "holds"),
    [
        ("In", ("a", "b"), "a", True),
        ("In", ("a",), None, False),
        ("NotIn", ("a",), "a", False),
        ("NotIn", ("a",), None, True),
        ("Exists", (), "", True),
        ("Exists", (), None, False),
        ("DoesNotExist", (), None, True),
        ("DoesNotExist", (), "a", False),
        ("Gt", ("4",), "5", True),
        ("Gt", ("4",), "4", False),
        ("Gt", ("4",), None, False),
        ("Gt", ("4",), "many", False),
        ("Lt", ("4",), "3", True),
        ("Lt", ("4",), "-3", True),
        ("Lt", ("x",), "3", False),
        ("Gte", ("4",), "4", True),
        ("Lte", ("4",), "5", False),
        ("Likes", ("4",), "4", False),
    ],
)
def test_operators(operator, values, value, holds):
    """NotIn and DoesNotExist hold for missing labels, the other operators do not; bounds compare whole numbers."""
    assert match.value_holds(operator, values, value) is holds


@pytest.mark.parametrize(
    ("conditions", "value"),
    [
        ([("In", ("a", "b")), ("NotIn", ("a",))], "b"),
        ([("In", ("a",)), ("In", ("b",))], None),
        ([("Gt", ("3",)), ("Lt", ("5",))], "4"),
        ([("Gt", ("3",)), ("Lt", ("5",)), ("NotIn", ("4",))], None),
        ([("Gte", ("3",)), ("NotIn", ("3", "4", "5"))], "6"),
        ([("DoesNotExist", ())], None),
    ],
)
def test_a_value_for_all_conditions(conditions, value):
    """A value that fulfils every condition is found when there is one."""
    assert match.some_value(conditions) == value


def test_anything_fulfils_exists():
    """Without bounds and lists any value does."""
    assert match.some_value([("Exists", ())]) is not None


def test_terms_are_alternatives_and_empty_ones_match_nothing():
    """One of several terms is enough; a term without conditions matches no node, nor does a list without terms."""
    small = b.node_term(b.expression("size", "In", "s"))
    large = b.node_term(b.expression("size", "In", "l"))

    assert match.node_holds(b.spec(node_terms=(small, large)), {"size": "l"}, "n")
    assert not match.node_holds(b.spec(node_terms=(small, large)), {"size": "m"}, "n")
    assert not match.node_holds(b.spec(node_terms=(b.node_term(),)), {"size": "m"}, "n")
    assert not match.node_holds(b.spec(node_terms=()), {"size": "m"}, "n")


def test_fields_ask_for_the_name():
    """Terms with matchFields compare metadata.name; nobody can ask for the name of a node that does not exist yet."""
    named = b.spec(node_terms=(b.node_term(fields=[b.expression("metadata.name", "In", "n1")]),))

    assert match.node_holds(named, {}, "n1")
    assert not match.node_holds(named, {}, "n2")
    assert not match.node_holds(named, {}, "")


def test_selectors_without_expressions_match_everything_and_none_matches_nothing():
    """{} selects all pods, null none."""
    assert match.selects(cluster.Selector(), {})
    assert not match.selects(None, {})


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (b.toleration(), True),
        (b.toleration("gpu"), True),
        (b.toleration("cpu"), False),
        (b.toleration("gpu", "Equal", "yes"), True),
        (b.toleration("gpu", "", "yes"), True),
        (b.toleration("gpu", "Equal", "no"), False),
        (b.toleration("gpu", effect="NoSchedule"), True),
        (b.toleration("gpu", effect="NoExecute"), False),
    ],
)
def test_tolerations(toleration, tolerated):
    """An empty key or effect matches any; Equal, the default, compares values."""
    assert (match.untolerated([b.taint("gpu", "yes")], [toleration]) is None) is tolerated


def test_prefer_no_schedule_keeps_nobody_away():
    """A PreferNoSchedule taint is soft."""
    assert match.untolerated([b.taint("gpu", effect="PreferNoSchedule")], []) is None
