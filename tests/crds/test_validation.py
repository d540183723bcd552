"""Validation as a whole: whatever is thrown at it, it answers in words."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds import nodeclaim, nodepool, ovhnodeclass, schema, validation
from tests.crds import manifests

MODELS: dict[str, tuple[type[schema.Model], dict[str, Any]]] = {
    "NodePool": (nodepool.NodePool, manifests.NODEPOOL),
    "NodeClaim": (nodeclaim.NodeClaim, manifests.NODECLAIM),
    "OVHNodeClass": (ovhnodeclass.OVHNodeClass, manifests.NODECLASS),
}


def paths(value: Any, prefix: str = "") -> list[str]:
    """The paths of everything in a manifest."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for name, part in parts:
        if "." not in str(name):
            found += [f"{prefix}{name}", *paths(part, f"{prefix}{name}.")]
    return found


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=3),
    st.dates(),
    st.sampled_from(["In", "Exists", "Never", "10%", "@daily", "1Gi", "karpenter.sh/x", "nodes", "values", "operator"]),
)
KEYS = st.one_of(st.sampled_from(["key", "operator", "values", "nodes", "effect"]), SCALARS)
GARBAGE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_is_answered_in_words(name, data):
    """Whatever stands in a field, there is an object or a list of sentences, never a traceback."""
    model, manifest = MODELS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        manifest = manifests.changed(manifest, data.draw(st.sampled_from(paths(manifest))), data.draw(GARBAGE))

    for problem in validation.problems(model, manifest):
        assert problem.message
        assert "\n" not in str(problem)
        assert len(str(problem)) < 600


@settings(max_examples=50, deadline=None)
@given(GARBAGE)
def test_any_value_at_all_is_answered_in_words(value):
    """The same for whole manifests."""
    for model, _manifest in MODELS.values():
        assert all(problem.message for problem in validation.problems(model, value))


def test_no_error_of_pydantic_shows():
    """Every error that the models can make has words of our own."""
    manifest = manifests.changed(manifests.NODEPOOL, "spec.template.metadata.labels.since", datetime.date(2026, 1, 2))

    assert [str(problem) for problem in validation.problems(nodepool.NodePool, manifest)] == [
        'spec.template.metadata.labels.since: 2026-01-02 is not a text; write it in quotes: "2026-01-02"'
    ]


@pytest.mark.parametrize(
    "problem", [validation.Problem("a.b", "is wrong", "write c"), validation.Problem("", "is wrong")]
)
def test_problems_are_sentences(problem):
    """A problem is where, what and what to write instead, as far as there is each."""
    assert str(problem) in ("a.b: is wrong; write c", "is wrong")
