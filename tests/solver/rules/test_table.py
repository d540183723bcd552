"""Label tables answer for all rows what the requirement says of each."""

import hypothesis
from hypothesis import strategies

from solver import cluster
from solver.rules import requirements, table
from tests.solver.rules import world
from tests.solver.rules.test_requirements import VALUES, any_requirement

ROWS = strategies.lists(strategies.dictionaries(strategies.just("k"), strategies.sampled_from(VALUES)), max_size=6)


@hypothesis.given(ROWS, any_requirement())
def test_rows_fulfil_what_their_labels_fulfil(rows, asked):
    """A row is in the mask exactly when its value, or its lack of one, fulfils the requirement."""
    mask = table.LabelTable(rows).where(asked)

    assert mask.tolist() == [asked.matches(row.get("k")) for row in rows]


def test_terms_are_alternatives():
    """All expressions of a term hold together, any term is enough, and an empty term matches nothing."""
    rows = table.LabelTable([{"a": "1", "b": "1"}, {"a": "1"}, {"c": "1"}])
    both = world.term(world.within("a", "Exists"), world.within("b", "In", "1"))
    other = world.term(world.within("c", "Exists"))

    assert rows.any_of((both,)).tolist() == [True, False, False]
    assert rows.any_of((both, other)).tolist() == [True, False, True]
    assert rows.any_of((cluster.NodeTerm(),)).tolist() == [False, False, False]
    assert rows.any_of(()).tolist() == [False, False, False]


def test_fields_ask_for_names():
    """A term's field metadata.name is the node's name; of a node that does not exist yet nobody knows it."""
    rows = table.LabelTable([{table.NAME_FIELD: "one"}, table.unborn({})])
    named = cluster.NodeTerm(fields=(cluster.Expression("metadata.name", "In", ("one",)),))
    others = cluster.NodeTerm(fields=(cluster.Expression("metadata.name", "NotIn", ("one",)),))

    assert rows.term(named).tolist() == [True, False]
    assert rows.term(others).tolist() == [False, True]


def test_old_names_repeat_the_new_ones():
    """Nodes carry arch and zone under their old names too."""
    labels = table.with_old_names({"kubernetes.io/arch": "amd64"})

    assert labels["beta.kubernetes.io/arch"] == "amd64"


def test_codes_number_values():
    """Values are numbered as they appear; a missing label is -1."""
    index, codes = table.LabelTable([{"k": "b"}, {}, {"k": "a"}, {"k": "b"}]).codes("k")

    assert index == {"b": 0, "a": 1}
    assert codes.tolist() == [0, -1, 1, 0]
    assert requirements.of("k", "Exists").matches("b")
