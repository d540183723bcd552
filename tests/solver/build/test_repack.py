"""The cheapest fleet from zero, for clusters in every state that can be met: the checker accepts it."""

from __future__ import annotations

import dataclasses
import time

import pytest

from solver import planner
from tests.solver import builders as b
from tests.solver.build import random_clusters
from tests.solver.rules import world
from tests.solver.spec import answer


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_random_clusters(first: int):
    """Nodes in deletion, claims on their way, nominated pods, limits: no plan is rejected."""
    for seed in range(first, first + 40):
        of, asked = random_clusters.draw(seed)
        wish = dataclasses.replace(asked, mode="repack", time_limit=3.0)

        plan = planner.plan(of, world.shelf(), wish, planner.Run(clock=time.monotonic))

        assert plan.verification.ok, f"seed {seed}"
        assert not any("rejected by the checker" in note for note in plan.notes), f"seed {seed}: {plan.notes}"


def test_pods_that_were_promised_a_node_that_goes():
    """The pod is nominated to a b3-32 of ours, which a fleet from zero does not need: both pods are on a b3-16."""
    of = b.cluster(b.owned("old", of="b3-32"), b.pod("run", node="old"), b.pod("promised", nominated_node="old"))

    plan = answer.solved(of, mode="repack")

    assert set(plan.placements) == {"default/run", "default/promised"}
    assert plan.cost.after == answer.MEDIUM


def test_claims_on_their_way_stay():
    """A claim without a Node cannot be taken back by a plan: its room is used and its price is part of the fleet."""
    flying = b.claim("flying", labels={b.TYPE: "b3-16", b.ZONE: b.A})
    of = b.cluster(flying, b.owned("old", of="b3-32"), b.pod("run", node="old"))

    plan = answer.solved(of, mode="repack")

    assert plan.placements == {"default/run": "flying"}
    assert [node.node for node in plan.delete] == ["old"]
    assert plan.cost.after == plan.cost.optimum == answer.MEDIUM
