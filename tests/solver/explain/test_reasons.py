"""Reasons for pods that no single rule keeps out: what the plan has used up, or what a node would have to leave open."""

from __future__ import annotations

import time

import pytest

from catalog import catalogue
from solver import options, planner
from tests.solver import builders as b

TYPE = "node.kubernetes.io/instance-type"
GIB = 1 << 30


def message(*objects: object, **asked: object) -> str:
    """What is said of the first pod that is left out."""
    made = options.Options(time_limit=20.0, **asked)  # type: ignore[arg-type]
    plan = planner.plan(b.cluster(*objects), catalogue.embedded(), made, planner.Run(clock=time.monotonic))
    return plan.unschedulable[0].message


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"nodes": "1"}, "node limits have been exhausted for nodepool"),
        ({"cpu": "2"}, "all available instance types exceed limits for nodepool (NodePool=/general)"),
        ({"memory": "8Gi"}, "all available instance types exceed limits for nodepool (NodePool=/general)"),
    ],
)
def test_limits_that_the_plan_uses_up(limits, text):
    """One node of b3-8 is all that the limit allows, and it holds one of three pods."""
    pool = b.pool(requirements=[b.requirement(TYPE, "In", "b3-8")], limits=limits)

    assert message(pool, b.node_class(), b.pods("web", 3, b.spec(1500))) == text


def test_a_quota_that_the_plan_uses_up():
    """The project's quota is named by what is short."""
    pool = b.pool(requirements=[b.requirement(TYPE, "In", "b3-8")])
    text = message(pool, b.node_class(), b.pods("web", 3, b.spec(1500)), quota={"instances": 1})

    assert text == "the project quota leaves no room for another node (instances)"


def test_a_pod_that_leaves_no_choice_of_flavors():
    """Two flavors are asked for and one is large enough: nothing forbids the pod but minValues."""
    pool = b.pool(requirements=[b.requirement(TYPE, "In", "b3-8", "c3-4", minValues=2)])
    stuck = b.pod("web", b.spec(1000, 5 * GIB))

    assert message(pool, b.node_class(), stuck) == (
        f"minValues requirement is not met for label(s) (label(s)=[{TYPE}])"
    )
