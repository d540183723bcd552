"""NodePool limits."""

from typing import Any

from solver import cluster
from tests.solver.rules import world


def caps(built) -> dict[tuple[str, str], Any]:
    return {(cap.node_pool, cap.resource): cap for cap in built.problem.caps}


def test_limits_leave_what_nodes_do_not_use():
    """Room is the limit less the capacity of nodes and launched claims; each offer counts by its own capacity."""
    pool = world.pool(limits={"cpu": "20", "nodes": "3"})
    node = world.node("old", labels={"karpenter.sh/nodepool": "general"})
    claim = cluster.NodeClaim(
        "c", "general", labels={world.TYPE: "b3-8"}, capacity={"cpu": 2000}, provider_id="openstack:///1"
    )

    built = world.compiled(pool, world.pod("web"), node, claim)

    found = caps(built)
    assert (found["general", "cpu"].room, found["general", "nodes"].room) == (20_000 - 4_000 - 2_000, 1)
    sizes = dict(zip([o.flavor for o in built.problem.offers], found["general", "cpu"].per_offer.tolist(), strict=True))
    assert sizes == {"b3-8": 2000, "b3-16": 4000, "l4-32": 8000}
    assert set(found["general", "nodes"].per_offer.tolist()) == {1}


def test_other_pools_and_leaving_nodes_do_not_count():
    """Nodes of other NodePools, and nodes in deletion, use nothing of a limit."""
    pool = world.pool(limits={"cpu": "8"})
    nodes = [
        world.node("other", labels={"karpenter.sh/nodepool": "other"}),
        world.node("leaving", labels={"karpenter.sh/nodepool": "general"}, deleting=True),
        world.node("nobody"),
    ]

    built = world.compiled(pool, world.pool("other"), world.pod("web"), nodes)

    cap = caps(built)["general", "cpu"]
    assert cap.room == 8_000
    owners = {offer.node_pool for offer, size in zip(built.problem.offers, cap.per_offer, strict=True) if size}
    assert owners == {"general"}


def test_a_limit_may_be_reached_exactly_but_not_passed():
    """A flavor whose capacity is the rest of the limit may come, a larger one may not."""
    built = world.compiled(world.pool(limits={"cpu": "4"}), world.pod("web"))

    assert world.flavors_of(built, "web") == {"b3-8", "b3-16"}
    assert world.why_offer(built, "web", flavor="l4-32") == (
        "limits",
        "all available instance types exceed limits for nodepool (NodePool=/general)",
    )


def test_any_resource_can_be_limited():
    """A limit on GPUs stops GPU flavors only."""
    built = world.compiled(world.pool(limits={"nvidia.com/gpu": "0"}), world.pod("web"))

    assert world.flavors_of(built, "web") == {"b3-8", "b3-16"}


def test_exhausted_numbers_of_nodes_have_their_own_words():
    """limits.nodes counts nodes; when none is left, upstream says so."""
    node = world.node("old", labels={"karpenter.sh/nodepool": "general"})

    built = world.compiled(world.pool(limits={"nodes": "1"}), world.pod("web"), node)

    assert world.offers_of(built, "web") == set()
    assert world.why_offer(built, "web") == ("limits", "node limits have been exhausted for nodepool")


def test_a_limit_that_is_passed_already_stops_everything():
    """When nodes use more than the limit, not even flavors without that resource may come."""
    node = world.node("old", labels={"karpenter.sh/nodepool": "general"}, amounts={"nvidia.com/gpu": 2})

    built = world.compiled(world.pool(limits={"nvidia.com/gpu": "1"}), world.pod("web"), node)

    assert world.offers_of(built, "web") == set()
    assert caps(built)["general", "nvidia.com/gpu"].room == 0


def test_repacking_starts_with_unused_limits():
    """In mode repack owned nodes vanish, and so does what they use."""
    node = world.node("old", labels={"karpenter.sh/nodepool": "general"})

    built = world.compiled(world.pool(limits={"nodes": "1"}), world.pod("web", node="old"), node, mode="repack")

    assert caps(built)["general", "nodes"].room == 1
    assert built.problem.nodes == ()
    assert world.flavors_of(built, "web") == {"b3-8", "b3-16", "l4-32"}
