"""What a plan takes away, in parts; what may go the second time; expiry."""

from __future__ import annotations

import dataclasses

from catalog import catalogue
from controller.loops import disruption
from solver import cluster, options, planner
from solver import plan as plans
from tests.controller.loops import make


def gone(node: str, *pods: str, reason: str = "Underutilized") -> plans.GoneNode:
    return plans.GoneNode(node, f"claim-{node}", "general", "b3-8", "nova", 51200, reason, pods)


def new(name: str) -> plans.NewNode:
    return plans.NewNode(
        name, "general", "default", "b3-8", "nova", 51200, "pool", (), {}, {}, (), (), {}, {}, ("b3-8",)
    )


def plan(
    deleted: tuple[plans.GoneNode, ...], created: tuple[plans.NewNode, ...], placements: dict[str, str]
) -> plans.Plan:
    empty = planner.plan(cluster.Cluster(), catalogue.embedded(), options.Options(), planner.Run(clock=lambda: 0.0))
    return dataclasses.replace(empty, delete=deleted, create=created, placements=placements)


def shape(found: list[disruption.Group]) -> list[tuple[list[str], list[str]]]:
    return [([each.node for each in group.gone], [each.name for each in group.new]) for group in found]


def test_nodes_whose_pods_share_a_new_node_go_together():
    """The pods of a and b go to x, those of c to a node that is there: two parts."""
    made = plan(
        (gone("a", "p1"), gone("b", "p2"), gone("c", "p3")), (new("x"),), {"p1": "x", "p2": "x", "p3": "node-d"}
    )

    assert shape(disruption.groups(made)) == [(["a", "b"], ["x"]), (["c"], [])]


def test_a_node_whose_pods_go_to_two_new_nodes_waits_for_both():
    """And so does whoever else waits for one of these."""
    made = plan((gone("a", "p1", "p2"), gone("b", "p3")), (new("x"), new("y")), {"p1": "x", "p2": "y", "p3": "y"})

    assert shape(disruption.groups(made)) == [(["a", "b"], ["x", "y"])]


def test_expired_nodes_and_nodes_for_waiting_pods_are_others_business():
    """Expiry has no replacements, and the batch loop buys for pods that wait."""
    made = plan((gone("a", "p1", reason="Expired"), gone("b")), (new("x"), new("y")), {"p1": "x", "waiting": "y"})

    assert shape(disruption.groups(made)) == [(["b"], [])]


def test_only_the_nodes_of_the_first_answer_may_go():
    """All others count as forbidden."""
    of = cluster.Cluster(
        nodes={name: cluster.Node(name) for name in ("a", "b")},
        node_claims={"claim-a": cluster.NodeClaim("claim-a", node="a")},
    )
    found = disruption.only(of, {"claim-a", "claim-gone"})

    assert {name: dict(node.annotations) for name, node in found.nodes.items()} == {
        "a": {},
        "b": {"karpenter.sh/do-not-disrupt": "true"},
    }


def test_a_claim_expires_after_its_time():
    """Never, or so long after its creation."""
    claim = make.claim()
    claim["spec"]["expireAfter"] = "1h"

    assert not disruption.expired(claim, make.T0_SECONDS + 3599)
    assert disruption.expired(claim, make.T0_SECONDS + 3600)
    claim["spec"]["expireAfter"] = "Never"
    assert not disruption.expired(claim, make.T0_SECONDS + 1e9)
