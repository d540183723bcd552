"""Topology spread with DoNotSchedule."""

from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict

WEB = {"app": "web"}
SELECTED = b.selector(app="web")


def web(*constraints: cluster.Spread, **fields: Any) -> cluster.PodSpec:
    return b.spec(100, b.MIB, spread=constraints or (b.spread(b.ZONE, SELECTED),), **fields)


def zones(
    of: cluster.PodSpec | None,
    *,
    in_a: int = 0,
    in_b: int = 0,
    in_c: int = 0,
    world: cluster.Cluster | None = None,
    **asked: Any,
) -> set[str]:
    """Rules broken when so many of the pods web-0 … go to new nodes in each zone."""
    count = in_a + in_b + in_c
    world = world or b.cluster(b.pods("web", count, of, labels=WEB))
    names = iter([f"web-{index}" for index in range(count)])
    create = [
        b.buy(world, f"n{zone[-1]}", [next(names) for _ in range(many)], zone=zone)
        for zone, many in ((b.A, in_a), (b.B, in_b), (b.C, in_c))
        if many
    ]
    return verdict.broken(world, b.plan(world, *create), **asked)


def test_skew_over_zones():
    """Counts of two zones may be maxSkew apart; a zone that could be bought counts although nothing is there."""
    assert zones(web(), in_a=1, in_b=1, in_c=1) == set()
    assert zones(web(), in_a=2, in_b=1, in_c=1) == set()
    assert zones(web(), in_a=2, in_b=1) == {"topology-spread"}
    assert zones(web(b.spread(b.ZONE, SELECTED, 2)), in_a=2) == set()


def test_zones_that_the_pod_cannot_use_do_not_count():
    """Excluded by its node selector, by the NodePool, or because no flavor there has room for it."""
    picky = web(node_terms=(b.node_term(b.expression(b.ZONE, "In", b.A, b.B)),))
    assert zones(picky, in_a=2, in_b=1) == set()
    assert zones(picky, in_a=2) == {"topology-spread"}

    narrow = b.pool(requirements=[b.requirement(b.ZONE, "In", b.A)])
    assert zones(web(), in_a=3, world=b.cluster(narrow, b.pods("web", 3, web(), labels=WEB))) == set()
    assert zones(web(), in_a=2, in_b=1, without_zones=(b.C,)) == set()


def test_nodes_that_exist_are_domains_although_nothing_can_be_bought_there():
    """A node in a zone outside the NodePool holds the minimum down."""
    narrow = b.pool(requirements=[b.requirement(b.ZONE, "In", b.A)])
    world = b.cluster(narrow, b.node("far", "elsewhere-a"), b.pods("web", 2, web(), labels=WEB))

    assert zones(web(), in_a=2, world=world) == {"topology-spread"}


def test_node_affinity_policy():
    """Honor, the default, leaves out nodes that the pod's node affinity excludes; Ignore counts them."""
    pinned = {"node_selector": ((b.ZONE, b.A),)}
    ignoring = b.spread(b.ZONE, SELECTED, honor_affinity=False)
    world = [b.node("far", b.B)]

    honored = b.cluster(*world, b.pods("web", 2, web(**pinned), labels=WEB))
    ignored = b.cluster(*world, b.pods("web", 2, web(ignoring, **pinned), labels=WEB))
    assert zones(None, in_a=2, world=honored) == set()
    assert zones(None, in_a=2, world=ignored) == {"topology-spread"}


def test_node_taints_policy():
    """Ignore, the default, counts tainted nodes; Honor leaves out those that the pod does not tolerate."""
    narrow = b.pool(requirements=[b.requirement(b.ZONE, "In", b.A)])
    tainted = b.node("far", b.B, taints=(b.taint("gpu"),))
    honoring = b.spread(b.ZONE, SELECTED, honor_taints=True)

    ignored = b.cluster(narrow, tainted, b.pods("web", 2, web(), labels=WEB))
    honored = b.cluster(narrow, tainted, b.pods("web", 2, web(honoring), labels=WEB))
    assert zones(None, in_a=2, world=ignored) == {"topology-spread"}
    assert zones(None, in_a=2, world=honored) == set()


def test_running_pods_count():
    """Matching pods that run and stay count; those in other namespaces, on their way out or finished do not."""
    for fields, expected in (
        ({}, {"topology-spread"}),
        ({"namespace": "other"}, set()),
        ({"deleting": True}, set()),
        ({"terminal": True}, set()),
        ({"labels": {"app": "api"}}, set()),
    ):
        old = b.pod("old", **({"node": "here", "labels": WEB} | fields))
        world = b.cluster(b.node("here", b.A), old, b.pods("web", 1, web(), labels=WEB))
        assert verdict.broken(world, b.plan(world, placed={"web-0": "here"})) == expected


def test_a_pod_that_does_not_match_its_own_selector():
    """It adds nothing to the count: it may join a domain that is maxSkew above the smallest, and its fellows too."""
    stranger = web()
    world = b.cluster(b.node("here", b.A), b.pod("old", node="here", labels=WEB), b.pods("web", 3, stranger))
    assert verdict.verdict(world, b.plan(world, placed={f"web-{i}": "here" for i in range(3)})).ok

    two = b.cluster(b.node("here", b.A), b.pods("old", 2, node="here", labels=WEB), b.pods("web", 1, stranger))
    assert verdict.broken(two, b.plan(two, placed={"web-0": "here"})) == {"topology-spread"}


def test_groups_that_spread_over_each_other():
    """
    Two groups, each with six different pods that no rule holds, all in one zone, and pods in the two other zones of which
    half follow the counts of either group. With the free ones in place first, or early in a random order, followers wait
    for each other; filled evenly, everybody may join.
    """
    homes, many = {"0": b.A, "1": b.B}, 6
    objects: list[Any] = [b.node(zone[-1], zone, "b3-32") for zone in (b.A, b.B, b.C)]
    placed: dict[str, str] = {}
    for group, home in homes.items():
        away = [zone[-1] for zone in (b.A, b.B, b.C) if zone != home]
        for number in range(many):
            objects.append(b.pod(f"free-{group}-{number}", b.spec(10 + number, b.MIB), labels={"group": group}))
            placed[f"free-{group}-{number}"] = home[-1]
        for other in homes:
            follow = b.spec(10, b.MIB, spread=(b.spread(b.ZONE, b.selector(group=other)),))
            objects.append(b.pods(f"of-{group}-{other}", many, follow, labels={"group": group}))
            placed |= {f"of-{group}-{other}-{number}": away[number % 2] for number in range(many)}
    world = b.cluster(*objects)
    assert verdict.broken(world, b.plan(world, placed=placed)) == set()

    del placed["of-0-1-0"], placed["of-0-1-2"]
    assert verdict.broken(world, b.plan(world, placed=placed)) >= {"topology-spread"}


def test_min_domains():
    """With fewer domains than minDomains the smallest count is zero."""
    narrow = b.pool(requirements=[b.requirement(b.ZONE, "In", b.A, b.B)])
    for least, expected in ((2, set()), (3, {"topology-spread"})):
        of = web(b.spread(b.ZONE, SELECTED, min_domains=least))
        world = b.cluster(narrow, b.pods("web", 4, of, labels=WEB))
        assert zones(None, in_a=2, in_b=2, world=world) == expected


def test_match_label_keys():
    """Only pods with the same value count: a new revision spreads by itself."""
    of = web(b.spread(b.ZONE, SELECTED, match_label_keys=("rev", "missing")))
    old = b.pods("old", 2, node="here", labels=WEB | {"rev": "1"})
    world = b.cluster(b.node("here", b.A), old, b.pod("web", of, labels=WEB | {"rev": "2"}))

    assert verdict.verdict(world, b.plan(world, placed={"web": "here"})).ok


def test_no_selector_counts_nothing():
    """Neither null nor {} counts any pods, so that the constraint is always met."""
    assert zones(web(b.spread(b.ZONE, None)), in_a=5) == set()
    assert zones(web(b.spread(b.ZONE, cluster.Selector())), in_a=5) == set()


def test_scheduling_anyway_is_no_rule():
    """A soft constraint is not judged."""
    assert zones(web(b.spread(b.ZONE, SELECTED, hard=False)), in_a=5) == set()


def test_hostname_domains_are_the_nodes_that_are_there():
    """Nodes that could be bought do not count; each existing or planned node that passes the filter does."""
    of = web(b.spread(b.HOSTNAME, SELECTED))
    world = b.cluster(b.pods("web", 4, of, labels=WEB))
    even = b.plan(world, b.buy(world, "n", ["web-0", "web-1"]), b.buy(world, "m", ["web-2", "web-3"]))
    uneven = b.plan(world, b.buy(world, "n", ["web-0", "web-1", "web-2"]), b.buy(world, "m", ["web-3"]))
    with_empty = b.cluster(b.node("old"), b.pods("web", 4, of, labels=WEB))

    assert verdict.verdict(world, even).ok
    assert verdict.broken(world, uneven) == {"topology-spread"}
    assert verdict.broken(with_empty, even) == {"topology-spread"}


def test_nodes_without_the_key():
    """They take no pod with the constraint; without any of a pod's keys they count for none of its constraints."""
    world = b.cluster(b.pod("web", web(b.spread("rack", SELECTED)), labels=WEB))
    assert verdict.broken(world, b.plan(world, b.buy(world, "n", ["web"]))) == {"topology-spread"}

    both = web(b.spread("rack", SELECTED), b.spread(b.HOSTNAME, SELECTED))
    racks = [b.node(f"r{index}", labels={"rack": str(index)}) for index in (1, 2)]
    world = b.cluster(*racks, b.node("rackless"), b.pods("web", 4, both, labels=WEB))
    assert verdict.verdict(world, b.plan(world, placed={f"web-{i}": f"r{i % 2 + 1}" for i in range(4)})).ok


def test_custom_keys_of_a_nodepool_are_domains():
    """Values that a NodePool lists for a key of its own could be bought."""
    racks = b.pool(requirements=[b.requirement("rack", "In", "x", "y")])
    world = b.cluster(racks, b.pods("web", 2, web(b.spread("rack", SELECTED)), labels=WEB))
    x, y, other = {"rack": "x"}, {"rack": "y"}, f"karpenter-b3-16-{b.A}-1a2b3c4d"
    apart = b.plan(
        world, b.buy(world, "n", ["web-0"], labels=x), b.buy(world, "m", ["web-1"], labels=y, ovh_pool=other)
    )
    together = b.plan(world, b.buy(world, "n", ["web-0", "web-1"], labels=x))
    assert verdict.verdict(world, apart).ok
    assert verdict.broken(world, together) == {"topology-spread"}


def test_exhausted_nodepools_offer_no_domains():
    """What limits or quota forbid could not be bought."""
    only_a = b.pool("near", requirements=[b.requirement(b.ZONE, "In", b.A)])
    only_b = b.pool("far", requirements=[b.requirement(b.ZONE, "In", b.B)], limits={"nodes": "0"})
    world = b.cluster(only_a, only_b, b.pods("web", 2, web(), labels=WEB))
    here = b.plan(world, b.buy(world, "n", ["web-0", "web-1"], node_pool="near"))

    assert verdict.verdict(world, here).ok
    world.node_pools["far"] = b.pool("far", requirements=[b.requirement(b.ZONE, "In", b.B)])
    assert verdict.broken(world, here) == {"topology-spread"}


def test_nodes_without_a_label_that_affinity_asks_for_offer_no_domains():
    """A pod whose required affinity looks at racks never goes to a node without a rack, in whatever zone that is."""
    racks = b.pool("near", requirements=[b.requirement(b.ZONE, "In", b.A), b.requirement("rack", "In", "x")])
    bare = b.pool("far", requirements=[b.requirement(b.ZONE, "In", b.B)])
    drawn = web(affinity=(b.near("rack", SELECTED),))
    world = b.cluster(racks, bare, b.pods("web", 2, drawn, labels=WEB))
    here = b.plan(world, b.buy(world, "n", ["web-0", "web-1"], node_pool="near", labels={"rack": "x"}))

    assert verdict.verdict(world, here).ok
    world.pods |= {pod.key: pod for pod in b.pods("web", 2, web(), labels=WEB)}
    assert verdict.broken(world, here) == {"topology-spread"}


@pytest.mark.parametrize("pods", [6, 7])
def test_two_constraints_on_one_pod(pods):
    """Zone and host at once: six pods on two hosts in each of three zones are even, the seventh has its place too."""
    of = web(b.spread(b.ZONE, SELECTED), b.spread(b.HOSTNAME, SELECTED))
    world = b.cluster(b.pods("web", pods, of, labels=WEB))
    create = [
        b.buy(world, f"n{index}", [f"web-{i}" for i in range(index, pods, 6)], zone=(b.A, b.B, b.C)[index % 3])
        for index in range(6)
    ]
    assert verdict.verdict(world, b.plan(world, *create)).ok


def test_pods_of_a_node_in_deletion_that_may_not_be_evicted_still_count():
    """They hold their node, which the scheduler goes on counting."""
    stays = b.pod("old", node="here", labels=WEB, annotations={"karpenter.sh/do-not-disrupt": "true"})
    world = b.cluster(b.node("here", b.A, deleting=True), b.node("there", b.A), stays)
    world.pods["default/web"] = b.pod("web", web(), labels=WEB)

    assert verdict.broken(world, b.plan(world, placed={"web": "there"})) == {"topology-spread"}
