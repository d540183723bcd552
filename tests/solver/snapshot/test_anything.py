"""Whatever stands in a manifest: it is read, or refused in sentences of one line each. Never anything else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver import snapshot
from solver.snapshot import errors
from tests.solver.snapshot import make

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["", "-1", "1Zi", "Always", "\ud800", "a\nb", "NaN"]),
    st.lists(st.none() | st.text(max_size=2), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none() | st.integers(), max_size=2),
    st.just([{}]),
    st.just([{"name": {}}]),
)
OBJECTS = make.everything()
PLACES = [(index, path) for index, manifest in enumerate(OBJECTS) for path in make.paths(manifest)]
CHANGES = st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=2)


def test_the_objects_that_are_changed_are_valid() -> None:
    """One object of each kind, every field filled: nothing is wrong and nothing is lost."""
    cluster = snapshot.from_objects(OBJECTS)

    assert sorted(cluster.pods) == ["default/db-0", "default/once-0", "default/web-0", "default/web-1"]
    assert cluster.node_pools
    assert cluster.daemon_sets
    assert cluster.notes == []


def problems_of(read: Callable[[], object]) -> list[errors.Problem]:
    """What is wrong, nothing when it can be read; any other exception goes through."""
    try:
        read()
    except errors.SnapshotError as error:
        return list(error.problems)
    return []


def changed(changes: list[tuple[tuple[int, str], Any]]) -> list[make.Raw]:
    """The objects with some values replaced; a change inside what another one took away is left out."""
    objects = list(OBJECTS)
    for (index, path), value in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            objects[index] = make.with_field(objects[index], path, value)
    return objects


@settings(max_examples=250, deadline=None)
@given(CHANGES, st.sampled_from([(), ("deployment/web=5",)]))
def test_junk_anywhere_gives_a_cluster_or_sentences(
    changes: list[tuple[tuple[int, str], Any]], scale: tuple[str, ...]
) -> None:
    """Any value in any field, and the pods of broken workloads scaled as well."""
    for problem in problems_of(lambda: snapshot.from_objects(changed(changes), scale=scale)):
        assert str(problem).isprintable()
        assert str(problem).startswith(("input, ", "input: ", "--scale "))
        assert problem.message


@settings(max_examples=100, deadline=None)
@given(CHANGES)
def test_lenient_reading_never_stops(changes: list[tuple[tuple[int, str], Any]]) -> None:
    """What stops a strict reading is left out, with a note, where the caller must go on."""
    snapshot.from_objects(changed(changes), strict=False)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """A file of any bytes."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)

    assert all(str(problem).isprintable() for problem in problems_of(lambda: snapshot.read([str(path)])))


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("abn:-?&*!|>'\"%@`{}[],#~<= \n\t01."), max_size=40))
def test_any_yaml_like_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """A file of the characters that mean something in YAML and JSON."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)

    assert all(str(problem).isprintable() for problem in problems_of(lambda: snapshot.read([str(path)])))
