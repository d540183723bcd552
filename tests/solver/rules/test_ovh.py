"""OVHcloud's limits: pools by content, their sizes and names, the guard on their number, project quota."""

import pytest

from catalog import labels
from solver import cluster
from solver.rules import context, ovh
from tests.solver.rules import world

SMALL = "karpenter-b3-8-eu-west-par-a"


def member(name, pool, **fields) -> cluster.Node:
    """A node that says which OVH pool it belongs to."""
    own = {labels.OVH_POOL: pool, "karpenter.sh/nodepool": "general", world.TYPE: "b3-8"} | fields.pop("labels", {})
    return world.node(name, labels=own, **fields)


def pool_of(built, name, flavor="b3-8", zone="eu-west-par-a") -> str:
    """The OVH pool that a NodePool's nodes of a flavor and zone go to."""
    (kind,) = {o.pool for o in built.problem.offers if (o.node_pool, o.flavor, o.zone) == (name, flavor, zone)}
    return str(built.problem.pools.names[kind])


def test_a_pool_for_each_flavor_and_zone():
    """Without further differences a pool is named after flavor and zone and holds 100 nodes."""
    pools = world.compiled(world.pod("web")).problem.pools

    assert SMALL in pools.names
    assert len(pools.names) == 9
    assert set(pools.size.tolist()) == {100}
    assert not pools.exists.any()
    assert pools.new_pools == 100
    assert 0 < pools.charge < 100


def test_anti_affinity_pools_hold_five():
    """A node class with anti-affinity has pools of five nodes."""
    pools = world.compiled(world.node_class(antiAffinity=True), world.pod("web")).problem.pools

    assert set(pools.size.tolist()) == {5}


@pytest.mark.parametrize(("replicas", "room"), [(300, 0), (650, 500)])
def test_what_pools_hold_is_a_cap_where_it_comes_near(replicas, room):
    """100 pools of five nodes are 500 nodes; one row for them is made where the cheapest nodes would be nearly as many."""
    pods = [world.pod(f"web-{n}", world.spec(cpu=1500)) for n in range(replicas)]
    built = world.compiled(world.node_class(antiAffinity=True), *pods)

    assert [(cap.resource, cap.room) for cap in built.problem.caps] == ([(ovh.POOLS, room)] if room else [])


def test_node_pools_with_equal_contents_share():
    """NodePools that differ in nothing that belongs to an OVH pool share its pools."""
    built = world.compiled(world.pool("one"), world.pool("two", weight=3), world.pod("web"))

    assert pool_of(built, "one") == pool_of(built, "two") == SMALL


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"team": "a"}},
        {"taints": [{"key": "x", "effect": "NoSchedule"}]},
        {"node_class": "other"},
    ],
)
def test_different_contents_have_different_pools(fields):
    """Labels, taints and node class make a pool of its own, with a hash behind the name of the later one."""
    built = world.compiled(
        world.pool("first", weight=9),
        world.pool("later", **fields),
        world.node_class(),
        world.node_class("other"),
        world.pod("web"),
    )

    assert pool_of(built, "first") == SMALL
    assert pool_of(built, "later").startswith(f"{SMALL}-")
    assert len(pool_of(built, "later")) == len(SMALL) + 9


def test_startup_taints_do_not_belong_to_pools():
    """Startup taints would come back on old nodes, so they are no content."""
    built = world.compiled(
        world.pool("first", weight=9),
        world.pool("later", startupTaints=[{"key": "x", "effect": "NoSchedule"}]),
        world.pod("web"),
    )

    assert pool_of(built, "later") == SMALL


def test_the_base_name_stays_with_those_who_have_it():
    """A pool whose nodes show one NodePool's content keeps its name for that NodePool, whoever is heavier now."""
    pools = [world.pool("heavy", weight=9, labels={"team": "a"}), world.pool("light", labels={"team": "b"})]
    node = member("n", SMALL, labels={"karpenter.sh/nodepool": "light", "team": "b"})

    built = world.compiled(pools, world.pod("web"), node)

    assert pool_of(built, "light") == SMALL
    assert pool_of(built, "heavy").startswith(f"{SMALL}-")


def test_a_pool_of_somebody_else_keeps_its_name():
    """When nodes of a pool with our base name are of another content, ours gets its hash."""
    built = world.compiled(world.pod("web"), member("n", SMALL, labels={"karpenter.sh/nodepool": "gone"}))

    assert pool_of(built, "general").startswith(f"{SMALL}-")


def test_a_content_keeps_the_pool_that_it_has():
    """A content whose nodes are in a pool with its hash stays there, also when the base name has become free."""
    pools = [world.pool("first", weight=9), world.pool("later", labels={"team": "a"})]
    hashed = pool_of(world.compiled(pools, world.pod("web")), "later")

    built = world.compiled(pools[1], world.pod("web"), member("n", hashed, labels={"karpenter.sh/nodepool": "later"}))

    assert pool_of(built, "later") == hashed


def test_pools_that_exist_are_filled_first():
    """Nodes that say their pool use up its size; what fits is free, further pools are guarded by their number."""
    nodes = [member(f"n{index}", SMALL) for index in range(3)]
    nodes += [member("m", f"{SMALL}-2"), member("x", "mine")]

    built = world.compiled(world.pod("web"), nodes)

    pools = built.problem.pools
    kind = pools.names.index(SMALL)
    assert (pools.free[kind], pools.exists[kind]) == (97 + 99, True)
    assert pools.new_pools == 97
    assert built.pool_names(kind, 98) == [SMALL] * 97 + [f"{SMALL}-2"]


def test_names_of_further_pools():
    """When all pools of a content are full the next one is numbered; a number that is taken is passed over."""
    kind = context.PoolKind("p", 2, (("p", 1), ("p-3", 0)))

    assert ovh.pool_names(kind, 6) == ["p", "p-2", "p-2", "p-4", "p-4", "p-5"]


def test_quota_is_a_limit_on_the_fleet():
    """vCPUs, memory (1000 MiB per nominal GiB) and instances of the project; a flavor beyond the rest is refused."""
    mib = 1 << 20
    built = world.compiled(world.pod("web"), quota={"vcpus": 4, "memory": 16_000 * mib, "instances": 7})

    caps = {cap.resource: cap for cap in built.problem.caps}
    assert {name: cap.room for name, cap in caps.items()} == {"vcpus": 4, "memory": 16_000 * mib, "instances": 7}
    per = {
        name: dict(zip([o.flavor for o in built.problem.offers], cap.per_offer.tolist(), strict=True))
        for name, cap in caps.items()
    }
    assert per["vcpus"] == {"b3-8": 2, "b3-16": 4, "l4-32": 8}
    assert per["memory"]["b3-16"] == 16_000 * mib
    assert set(per["instances"].values()) == {1}
    assert world.flavors_of(built, "web") == {"b3-8", "b3-16"}
    rule, words = world.why_offer(built, "web", flavor="l4-32")
    assert rule == "ovh"
    assert words == "project quota is too low for flavor l4-32: vcpus, memory"
