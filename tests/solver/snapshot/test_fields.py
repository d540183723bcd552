"""Fields that are misspelled: what is taken for a slip and what is not."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import kubernetes_validate
import pytest

from crds import wording
from solver import snapshot
from solver.snapshot import errors, fields
from tests.solver.snapshot import make

SCHEMAS = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
HOLDERS = {
    "PodAffinity": ("NodeAffinity", "PodAffinity", "PodAntiAffinity"),
    "PreferredTerm": ("PreferredSchedulingTerm", "WeightedPodAffinityTerm"),
}
"""Holders of `fields.READ` that stand for several of the API's."""


def schema(version: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Fields by the names of the types that have them."""
    definitions = json.loads((version / "_definitions.json").read_text())["$defs"]
    return {name.rpartition(".")[2]: type_.get("properties", {}) for name, type_ in sorted(definitions.items())}


@pytest.mark.parametrize("version", sorted(SCHEMAS.glob("v1.3*-local")), ids=lambda path: str(path.name))
def test_no_field_of_kubernetes_is_taken_for_a_slip(version: pathlib.Path) -> None:
    """In no version is a field of a holder called almost like one that is read of it, and those that are read exist."""
    known = schema(version)
    for holder, read in fields.READ.items():
        there = {name for each in HOLDERS.get(holder, (holder,)) for name in known[each]}
        others = [name for name in there if name not in read]
        assert {name: wording.closest(name, read, fields.ALMOST) for name in others} == dict.fromkeys(others, "")
        if "v1.34" in version.name:
            assert set(read) <= there, holder


@pytest.mark.parametrize("version", sorted(SCHEMAS.glob("v1.3*-local")), ids=lambda path: str(path.name))
def test_holders_that_are_known_whole_have_no_more_fields(version: pathlib.Path) -> None:
    """No version has fields of them that would be refused."""
    known = schema(version)
    for holder, others in fields.UNREAD.items():
        there = {name for each in HOLDERS.get(holder, (holder,)) for name in known[each]}
        assert there <= {*fields.READ[holder], *others}, holder


@pytest.mark.parametrize("metadata", [{"uid": "1"}, {"ownerReferences": [{"kind": "Job", "name": "a", "uid": "1"}]}])
def test_what_an_api_server_has_seen_has_no_slips(metadata: make.Raw) -> None:
    """A field that is not known here is then one of a newer version."""
    pod = make.pod(tolerationz=[], affinity={"nodeAffinity": {"required": {}}})
    pod["metadata"] |= metadata

    assert list(snapshot.from_objects([pod]).pods) == ["default/web"]


def test_a_slip_is_found_behind_a_spec_that_is_known_already() -> None:
    """Specs are read once; one that differs from another by nothing but a slip is still looked at."""
    with pytest.raises(errors.SnapshotError, match=r"Pod default/b, spec\.tolerationz: is not a field"):
        snapshot.from_objects([make.pod("a"), make.pod("b", tolerationz=[])])
