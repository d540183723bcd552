"""Limits that the cheapest nodes use up before all pods have a place."""

from __future__ import annotations

import time

import pytest

from catalog import catalogue
from solver import options, planner
from tests.solver import builders as b

GIB = 2**30


@pytest.mark.parametrize(
    "limits", [{"nodes": "10"}, {"cpu": "580"}, {"cpu": "600", "memory": "1500Gi"}], ids=lambda each: "-".join(each)
)
def test_all_pods_have_a_place_where_larger_nodes_have_it(limits: dict[str, str]) -> None:
    """A d2-8 is the cheapest room there is and small; ten nodes, or 580 vCPUs without much waste, are enough for all."""
    pods = [
        *b.pods("a", 400, b.spec(500, memory=GIB)),
        *b.pods("b", 200, b.spec(1000, memory=4 * GIB)),
        *b.pods("c", 50, b.spec(3000, memory=2 * GIB)),
    ]
    pool = b.pool("general", [b.requirement(b.ZONE, "In", b.A)], limits=limits)
    asked = options.Options(time_limit=2.0, deterministic=True, workers=1)
    plan = planner.plan(b.cluster(pool, pods), catalogue.embedded(), asked, planner.Run(clock=time.monotonic))

    assert plan.verification.ok
    assert not plan.unschedulable
