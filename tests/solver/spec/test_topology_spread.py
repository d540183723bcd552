"""Topology spread constraints: worked examples, refusals, a property."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.spec import answer

WEB = {"app": "web"}


def web(*constraints: cluster.Spread, cpu: int = 500, **fields: Any) -> cluster.PodSpec:
    return b.spec(cpu, b.GIB // 4, spread=constraints, **fields)


def over(key: str, skew: int = 1, **more: Any) -> cluster.Spread:
    return b.spread(key, more.pop("of", b.selector(app="web")), skew, **more)


def test_zones_share_pods_evenly():
    """Six pods of half a core would fit one b3-16; over three zones with skew 1 they are two each: three b3-8."""
    plan = answer.solved(b.pods("web", 6, web(over(b.ZONE)), labels=WEB), only_flavors=answer.ONLY_B3)

    assert (answer.flavors(plan), answer.zones(plan)) == ({"b3-8": 3}, "abc")
    assert plan.cost.create == 3 * answer.SMALL
    assert plan.status == "optimal"


def test_a_larger_skew_needs_fewer_nodes():
    """With skew 3 three pods may share one zone while the others are empty."""
    plan = answer.solved(b.pods("web", 3, web(over(b.ZONE, 3)), labels=WEB), only_flavors=answer.ONLY_B3)

    assert answer.flavors(plan) == {"b3-8": 1}


def test_hosts_are_counted_as_they_are():
    """Four pods need two nodes. Over hosts with skew 1 they are two and two, since no third node counts as empty."""
    plan = answer.solved(b.pods("web", 4, web(over(b.HOSTNAME)), labels=WEB), only_flavors=("b3-8",))

    assert [len(node.pods) for node in plan.create] == [2, 2]
    assert plan.cost.create == 2 * answer.SMALL


def test_min_domains_counts_absent_nodes_as_empty():
    """With minDomains 3 over hosts: until three nodes exist the smallest count is zero, so one pod a node: three nodes."""
    plan = answer.solved(b.pods("web", 3, web(over(b.HOSTNAME, min_domains=3)), labels=WEB), only_flavors=("b3-8",))

    assert answer.flavors(plan) == {"b3-8": 3}


def test_min_domains_that_can_never_be_there():
    """Two zones are to be had and minDomains is 3: skew 1 above zero in each of them, the third pod has no place."""
    plan = answer.solved(b.pods("web", 3, web(over(b.ZONE, min_domains=3)), labels=WEB), without_zones=(b.C,))

    assert len(answer.left_out(plan)) == 1
    assert "topology spread" in answer.why(plan, min(answer.left_out(plan)))


def test_running_pods_count():
    """Two pods run in zone a; the two new ones go to b and c."""
    of = b.cluster(
        b.node("old", b.A),
        b.pods("run", 2, web(), labels=WEB, node="old"),
        b.pods("web", 2, web(over(b.ZONE)), labels=WEB),
    )

    assert answer.zones(answer.solved(of)) == "bc"


def test_pods_of_other_namespaces_and_terminating_ones_do_not_count():
    """One runs elsewhere and one is going: zone a is as empty as the others, and its free node is used."""
    of = b.cluster(
        b.node("old", b.A),
        b.pod("run", web(), labels=WEB, node="old", namespace="other"),
        b.pod("going", web(), labels=WEB, node="old", deleting=True),
        b.pod("web", web(over(b.ZONE)), labels=WEB),
    )

    assert answer.place(answer.solved(of), "web") == "old"


def test_a_constraint_about_other_pods():
    """The pod counts others and not itself: it may go where no more than maxSkew above the emptiest zone are."""
    of = b.cluster(
        b.node("old", b.A),
        b.pods("run", 2, web(), labels={"app": "db"}, node="old"),
        b.pod("web", web(over(b.ZONE, of=b.selector(app="db"))), labels=WEB),
    )
    loose = b.cluster(
        b.node("old", b.A),
        b.pod("run", web(), labels={"app": "db"}, node="old"),
        b.pod("web", web(over(b.ZONE, of=b.selector(app="db"))), labels=WEB),
    )

    assert answer.zones(answer.solved(of)) in ("b", "c")
    assert answer.place(answer.solved(loose), "web") == "old"


def test_revisions_are_spread_apart_from_each_other():
    """matchLabelKeys: each revision has its own counts, so two of each may share the three nodes of the zones."""
    constraint = over(b.ZONE, match_label_keys=("rev",))
    old = b.pods("old", 3, web(constraint), labels=WEB | {"rev": "1"})
    new = b.pods("new", 1, web(constraint), labels=WEB | {"rev": "2"})

    plan = answer.solved(old, new, only_flavors=answer.ONLY_B3)

    assert answer.zones(plan) == "abc"
    assert plan.cost.create == 3 * answer.SMALL


def test_several_constraints_hold_together():
    """Zones with skew 1 and hosts with skew 1 and minDomains 6: two nodes in each of three zones for six pods."""
    both = (over(b.ZONE), over(b.HOSTNAME, min_domains=6))

    plan = answer.solved(b.pods("web", 6, web(*both), labels=WEB), only_flavors=("b3-8",))

    assert answer.zones(plan) == "aabbcc"


def test_capacity_type_is_one_domain():
    """All that OVH sells is on-demand: one domain, so that any number of pods is evenly spread."""
    plan = answer.solved(b.pods("web", 3, web(over("karpenter.sh/capacity-type")), labels=WEB))

    assert plan.cost.create == answer.SMALL


def test_custom_labels_are_domains():
    """A NodePool offers two racks: two pods are on two nodes although one would hold both."""
    racks = b.pool(requirements=[b.requirement("rack", "In", "r1", "r2")])

    plan = answer.solved(racks, b.pods("web", 2, web(over("rack")), labels=WEB), only_flavors=answer.ONLY_B3)

    assert sorted(node.labels["rack"] for node in plan.create) == ["r1", "r2"]


def test_a_label_that_no_node_has():
    """Nobody offers a rack: the pod is left out and the key is named."""
    plan = answer.solved(b.pod("web", web(over("rack")), labels=WEB))

    assert "topology spread, key=rack" in answer.why(plan, "web")
    assert answer.constraints(plan, "web") == {"general": "spread"}


@pytest.mark.parametrize("hard", [True, False])
def test_a_label_that_no_node_has_beside_zones(hard: bool):
    """Some pods are spread over zones that may change places, others over racks that nobody has."""
    racks = over("rack", of=b.selector(app="api"), hard=hard)
    web_pods = b.pods("web", 3, web(over(b.ZONE)), labels=WEB)
    api_pods = b.pods("api", 3, web(racks), labels={"app": "api"})

    plan = answer.solved(web_pods, api_pods, only_flavors=answer.ONLY_B3)

    assert answer.zones(plan) == "abc"
    assert len(answer.left_out(plan)) == (3 if hard else 0)


def test_node_affinity_policy():
    """
    Honor: only zones a and b that the pod may go to count, and four pods are two and two. Ignore: zone c counts with
    none in it, so that one pod in each of a and b is all that skew 1 allows.
    """
    of_two: dict[str, Any] = {"node_terms": (b.node_term(b.expression(b.ZONE, "In", b.A, b.B)),)}
    honor = b.pods("web", 4, web(over(b.ZONE), **of_two), labels=WEB)
    ignore = b.pods("web", 4, web(over(b.ZONE, honor_affinity=False), **of_two), labels=WEB)
    empty = b.node("empty", b.C)

    assert answer.left_out(answer.solved(honor, empty)) == set()
    assert len(answer.left_out(answer.solved(ignore, empty))) == 2


def test_node_taints_policy():
    """A tainted node in zone c counts as an empty domain unless nodeTaintsPolicy is Honor."""
    tainted = b.node("tainted", b.C, taints=(b.taint("team"),))
    away = {"without_zones": (b.C,)}

    ignore = answer.solved(tainted, b.pods("web", 4, web(over(b.ZONE)), labels=WEB), **away)
    honor = answer.solved(tainted, b.pods("web", 4, web(over(b.ZONE, honor_taints=True)), labels=WEB), **away)

    assert len(answer.left_out(ignore)) == 2
    assert answer.left_out(honor) == set()


def test_a_zone_where_nothing_is_sold_holds_nobody_back():
    """Zone c is closed and has no node: it is no domain, and two zones share the pods."""
    plan = answer.solved(b.pods("web", 4, web(over(b.ZONE)), labels=WEB), without_zones=(b.C,))

    assert answer.left_out(plan) == set()
    assert answer.zones(plan) == "ab"


def test_schedule_anyway_gives_way_to_a_place_but_not_to_the_price():
    """Soft over zones: three nodes where three zones can be had, and all three on the one node that a limit allows."""
    soft = b.pods("web", 3, web(over(b.ZONE, hard=False)), labels=WEB)
    limited = b.pool(limits={"nodes": "1"})

    kept, given_up = answer.solved(soft), answer.solved(soft, limited)

    assert (answer.zones(kept), answer.preferences(kept)) == ("abc", 0)
    assert (len(given_up.create), answer.left_out(given_up)) == (1, set())
    assert answer.preferences(given_up) == 200


def test_the_policy_ignore_leaves_soft_constraints_out():
    """All on one node, at the price of one."""
    soft = b.pods("web", 3, web(over(b.ZONE, hard=False)), labels=WEB)

    assert answer.solved(soft, preference_policy="Ignore").cost.create == answer.SMALL


@pytest.mark.parametrize("seed", range(12))
def test_counts_never_differ_by_more_than_max_skew(seed: int):
    """Whatever runs already: after the plan no zone that got a pod is more than maxSkew above the emptiest."""
    dice = random.Random(seed)
    skew = dice.randint(1, 2)
    nodes = [b.node(f"n{zone[-1]}", zone) for zone in (b.A, b.B, b.C)]
    running = [b.pods(f"run-{n.name}", dice.randint(0, 4), web(), labels=WEB, node=n.name) for n in nodes]
    waiting = b.pods("web", dice.randint(1, 9), web(over(b.ZONE, skew)), labels=WEB)
    of = b.cluster(nodes, *running, waiting)

    plan = answer.solved(of)

    count = Counter({"a": 0, "b": 0, "c": 0})
    count.update(pod.node[-1] for pod in of.pods.values() if pod.node)
    new = Counter(answer.zone_of(plan, of, key.partition("/")[2]) for key in plan.placements)
    count.update(new)
    assert answer.left_out(plan) == set()
    assert all(count[zone] - min(count.values()) <= skew for zone in new)
