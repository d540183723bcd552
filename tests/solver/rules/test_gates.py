"""Pods that take no part, and nodes that take no pods."""

from solver import cluster
from tests.solver.rules import world


def test_pods_with_resource_claims_go_nowhere():
    """Dynamic resource allocation is not planned: such pods are refused everywhere and listed, in upstream's words."""
    built = world.compiled(world.pod("web", world.spec(resource_claims=("gpu",))), world.node("old"))

    assert world.offers_of(built, "web") == set()
    assert world.nodes_of(built, "web") == set()
    words = "pod has Dynamic Resource Allocation requirements that are not yet supported by Karpenter"
    assert built.ignored == {"default/web": words}
    assert world.why_offer(built, "web") == ("gates", words)


def test_malformed_pods_go_nowhere():
    """A pod that Karpenter would ignore keeps the reason that reading it gave."""
    built = world.compiled(world.pod("web", world.spec(invalid="label x is restricted")))

    assert built.ignored == {"default/web": "label x is restricted"}
    assert world.why_offer(built, "web") == ("gates", "label x is restricted")


def test_deleting_nodes_take_no_pods():
    """A node in deletion and one whose claim is in deletion are no places."""
    claim = cluster.NodeClaim("c", node="claimed", deleting=True)
    nodes = [
        world.node("open"),
        world.node("leaving", deleting=True),
        world.node("claimed"),
    ]

    built = world.compiled(world.pod("web"), nodes, claim)

    assert world.nodes_of(built, "web") == {"open"}
    assert world.why_node(built, "web", "leaving") == ("gates", "node is being deleted")
    assert world.why_node(built, "web", "claimed") == ("gates", "node is being deleted")
