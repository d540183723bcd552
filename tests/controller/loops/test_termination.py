"""Nodes on their way out."""

from __future__ import annotations

import pytest

from controller import world
from controller.loops import termination
from tests.controller.loops import make

LISTED = frozenset({"openstack:///kept"})


@pytest.mark.parametrize(
    ("machine", "asked", "stays"),
    [("kept", None, None), ("kept", 100.9, None), ("kept", 101, True), ("exchanged", 101, False)],
)
def test_whether_a_machine_stays_is_what_ovh_says_after_its_node_was_deleted(machine, asked, stays):
    """A listing from before the deletion says nothing: MKS may have begun to exchange the machine since."""
    listed = None if asked is None else world.Machines(LISTED, asked)

    assert termination.machine_stays(f"openstack:///{machine}", listed, 100.0) is stays


@pytest.mark.parametrize(("machine", "behind"), [("a", False), ("b", True), ("", True)])
def test_the_node_of_an_exchanged_machine_is_left_behind(machine, behind):
    """Its claim has another machine by now, or none yet."""
    claim = make.claim("general-a")
    claim["status"]["providerID"] = f"openstack:///{machine}" if machine else ""
    node = make.node("node-a", ownerReferences=[{"kind": "NodeClaim", "uid": "uid-general-a"}])
    node["spec"]["providerID"] = "openstack:///a"

    assert termination.left_behind([node], [claim]) == ([(node, claim)] if behind else [])
