"""What all nodes together may be."""

from typing import Any

import pytest

from catalog import labels
from tests.solver import builders as b
from tests.solver.check import verdict

SPREAD_OUT = b.spec(3000)


def two_nodes(*objects: Any, asked: dict[str, Any] | None = None, **changes: Any) -> set[str]:
    """Rules broken by a plan that buys two b3-16 (4 vCPU, 16 GiB each)."""
    world = b.cluster(b.pods("web", 2, SPREAD_OUT), *objects)
    create = [b.buy(world, f"n{index}", [f"web-{index}"], **changes) for index in (0, 1)]
    return verdict.broken(world, b.plan(world, *create), **(asked or {}))


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"cpu": "8"}, True),
        ({"cpu": "7999m"}, False),
        ({"memory": "31Gi"}, True),
        ({"memory": "20Gi"}, False),
        ({"nodes": "2"}, True),
        ({"nodes": "1"}, False),
        ({"pods": "219"}, False),
        ({"nvidia.com/gpu": "0"}, True),
        ({"cpu": "0"}, False),
    ],
)
def test_limits_of_a_nodepool(limits, kept):
    """Capacity of all nodes counts; exactly reaching a limit is allowed."""
    assert two_nodes(b.pool(limits=limits)) == (set() if kept else {"limits"})


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        ([], True),
        (b.owned("old"), False),
        (b.owned("old", node_pool="other"), True),
        ([b.node("old")], True),
        (b.owned("old", deleting=True), True),
        ([b.claim("c", labels={b.TYPE: "b3-16"})], False),
        ([b.claim("c", labels={b.TYPE: "b3-16"}, deleting=True)], True),
    ],
    ids=["nothing", "owned", "of another pool", "of nobody", "in deletion", "in flight", "in flight, in deletion"],
)
def test_what_is_there_counts_against_the_limit(there, kept):
    """Nodes and claims of the pool that are not in deletion."""
    pools = [b.pool(limits={"cpu": "8"}), b.pool("other")]
    assert two_nodes(*pools, *there) == (set() if kept else {"limits"})


def test_a_pool_above_its_limit_may_keep_what_it_has():
    """A limit that was lowered forbids new nodes only."""
    world = b.cluster(b.pool(limits={"cpu": "1"}), b.owned("old"), b.pod("web"))

    assert verdict.verdict(world, b.plan(world, placed={"web": "old"})).ok


def test_static_pools_are_only_filled_up():
    """A pool with replicas gets no more nodes than these."""
    static = b.pool(replicas=3)

    assert two_nodes(static) == set()
    assert two_nodes(static, b.owned("old")) == set()
    assert two_nodes(static, b.owned("old"), b.owned("older")) == {"static-pools"}


@pytest.mark.parametrize(
    ("quota", "kept"),
    [
        ({"vcpus": 8}, True),
        ({"vcpus": 7}, False),
        ({"memory": 32_000 * b.MIB}, True),
        ({"memory": 32_000 * b.MIB - 1}, False),
        ({"instances": 2}, True),
        ({"instances": 1}, False),
    ],
)
def test_project_quota(quota, kept):
    """VCPUs, memory (1000 MiB for each GiB in the flavor's name) and instances that are left."""
    assert two_nodes(asked={"quota": quota}) == (set() if kept else {"quota"})


def test_an_anti_affinity_pool_takes_five_nodes():
    """The sixth goes to a further pool."""
    pool = f"karpenter-b3-16-{b.A}"
    there = [b.owned(f"old-{index}", labels={labels.OVH_POOL: pool}) for index in range(4)]
    together = b.node_class(antiAffinity=True)

    assert two_nodes(*there) == set()
    assert two_nodes(*there[:3], together) == set()
    assert two_nodes(*there, together) == {"ovh-pools"}


def test_a_pool_takes_a_hundred_nodes():
    """OVH's limit per pool."""
    pool = f"karpenter-b3-16-{b.A}"
    there = [b.node(f"old-{index}", labels={labels.OVH_POOL: pool}) for index in range(99)]

    assert two_nodes(*there[:98]) == set()
    assert two_nodes(*there) == {"ovh-pools"}


def test_a_cluster_takes_a_hundred_pools():
    """Pools that exist and new ones together."""
    there = [b.node(f"old-{index}", labels={labels.OVH_POOL: f"pool-{index}"}) for index in range(100)]

    assert two_nodes(*there[:99]) == set()
    assert two_nodes(*there) == {"ovh-pools"}


def test_one_pool_has_one_content():
    """Flavor, zone, billing and template of the nodes of an OVH pool are equal."""
    world = b.cluster(b.pods("web", 2, SPREAD_OUT), b.pool("one", labels={"team": "x"}), b.pool("two"), b.pool("three"))

    def plan(first: str, second: str, **changes: Any) -> set[str]:
        answer = b.plan(
            world,
            b.buy(world, "n0", ["web-0"], node_pool=first),
            b.buy(world, "n1", ["web-1"], node_pool=second, **changes),
        )
        return verdict.broken(world, answer)

    assert plan("two", "three") == set()
    assert plan("one", "two") == {"ovh-pools"}
    assert plan("one", "two", ovh_pool=f"karpenter-b3-16-{b.A}-1a2b3c4d") == set()


def test_custom_labels_belong_to_the_content():
    """Nodes of one NodePool with different values of a custom label are in different OVH pools."""
    racks = b.pool(requirements=[b.requirement("rack", "In", "x", "y")])
    world = b.cluster(racks, b.pods("web", 2, SPREAD_OUT))

    def plan(**changes: Any) -> set[str]:
        first = b.buy(world, "n0", ["web-0"], labels={"rack": "x"})
        return verdict.broken(world, b.plan(world, first, b.buy(world, "n1", ["web-1"], **changes)))

    assert plan(labels={"rack": "x"}) == set()
    assert plan(labels={"rack": "y"}) == {"ovh-pools"}
    assert plan(labels={"rack": "y"}, ovh_pool=f"karpenter-b3-16-{b.A}-1a2b3c4d") == set()


def test_a_pool_that_exists_keeps_its_flavor():
    """Nodes of another flavor cannot join it."""
    pool = f"karpenter-b3-16-{b.A}"
    assert two_nodes(b.node("old", of="b3-8", labels={labels.OVH_POOL: pool})) == {"ovh-pools"}
