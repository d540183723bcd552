"""Holding nodes for their planned pods."""

from __future__ import annotations

import pytest

from controller.loops import placement
from tests.controller.loops import make


@pytest.mark.parametrize(
    ("initialized_for", "unbound", "held"),
    [(None, 3, True), (None, 0, False), (5.0, 1, True), (5.0, 0, False), (31.0, 1, False)],
)
def test_a_node_is_held_while_it_starts_and_for_pods_to_come_but_not_for_long(initialized_for, unbound, held):
    """The last planned pod, or thirty seconds, end it."""
    assert held == placement.wants_hold(initialized_for, unbound, 30.0)


def test_the_toleration_is_for_just_that_node():
    """It is added to what the pod has, and names the claim."""
    pod = make.pod()
    pod["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]
    [step] = placement.toleration_patch(pod, "general-a")

    assert (step["op"], step["path"]) == ("add", "/spec/tolerations/-")
    pod["spec"]["tolerations"].append(step["value"])
    assert placement.tolerates(pod, "general-a")
    assert not placement.tolerates(pod, "general-b")


def test_a_pod_without_tolerations_gets_a_list():
    """A JSON patch cannot append to what is not there."""
    [step] = placement.toleration_patch(make.pod(), "general-a")

    assert step["path"] == "/spec/tolerations"
    assert isinstance(step["value"], list)


def test_a_long_name_still_makes_a_taint_value():
    """Values have at most 63 characters and begin with a letter or digit."""
    value = placement.value_of("x" * 10 + "-" + "y" * 62)

    assert value == "y" * 62
