"""Pod affinity and anti-affinity: worked examples, refusals, properties."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.spec import answer

WEB = {"app": "web"}
DB = {"app": "db"}


def pod_of(*, near: Any = (), away: Any = (), cpu: int = 500, **fields: Any) -> cluster.PodSpec:
    return b.spec(cpu, b.GIB // 4, affinity=tuple(near), anti_affinity=tuple(away), **fields)


def to(key: str, **labels: str) -> cluster.PodTerm:
    return b.near(key, b.selector(**labels))


# ------------------------------------------------------------------------------------------------------------- affinity


def test_the_first_of_a_group_may_go_anywhere_and_the_others_follow():
    """Four pods of one core with affinity to themselves over hosts: one b3-32 for 200, not two b3-16."""
    plan = answer.solved(b.pods("web", 4, pod_of(near=[to(b.HOSTNAME, app="web")], cpu=1000), labels=WEB))

    assert answer.flavors(plan) == {"b3-32": 1}
    assert plan.cost.create == answer.LARGE


def test_a_group_over_zones_stays_in_one_zone():
    """Eight pods of 1.5 cores need two b3-32 or more; all of them are in one zone."""
    plan = answer.solved(b.pods("web", 8, pod_of(near=[to(b.ZONE, app="web")], cpu=1500), labels=WEB))

    assert answer.left_out(plan) == set()
    assert len(set(answer.zones(plan))) == 1


def test_company_that_runs_decides_where():
    """A database runs on a full node in zone b: its clients get a node in that zone."""
    of = b.cluster(
        b.node("full", b.B, "b3-8"),
        b.pod("db", b.spec(1800), labels=DB, node="full"),
        b.pods("web", 2, pod_of(near=[to(b.ZONE, app="db")]), labels=WEB),
    )

    assert answer.zones(answer.solved(of)) == "b"


def test_a_node_without_the_label_is_no_company():
    """The only pod that matches runs on a node without a rack: the first pod of the group starts one."""
    racks = b.pool(requirements=[b.requirement("rack", "In", "r1", "r2")])
    of = b.cluster(
        racks,
        b.node("bare"),
        b.pod("run", labels=WEB, node="bare"),
        b.pods("web", 2, pod_of(near=[to("rack", app="web")]), labels=WEB),
    )

    plan = answer.solved(of)

    assert len({node.labels["rack"] for node in plan.create}) == 1
    assert answer.left_out(plan) == set()


def test_chains():
    """A needs b, b needs c over zones, and c may only be in zone c: all three are there, on one node."""
    c = pod_of(node_selector=((b.ZONE, b.C),))
    plan = answer.solved(
        b.pod("a", pod_of(near=[to(b.ZONE, app="b")]), labels={"app": "a"}),
        b.pod("b", pod_of(near=[to(b.ZONE, app="c")]), labels={"app": "b"}),
        b.pod("c", c, labels={"app": "c"}),
    )

    assert answer.zones(plan) == "c"
    assert answer.together(plan, "a", "b", "c")


def test_two_pods_that_wait_for_each_other_never_start():
    """A needs b and b needs a: kube-scheduler can place neither first."""
    plan = answer.solved(
        b.pod("a", pod_of(near=[to(b.ZONE, app="b")]), labels={"app": "a"}),
        b.pod("b", pod_of(near=[to(b.ZONE, app="a")]), labels={"app": "b"}),
    )

    assert answer.left_out(plan) == {"a", "b"}
    assert "pod affinity" in answer.why(plan, "a")


@pytest.mark.parametrize("term", [b.near(b.ZONE, None), b.near(b.ZONE, b.selector(app="nobody"))])
def test_terms_that_match_nothing(term: cluster.PodTerm):
    """Affinity to nobody cannot be met; anti-affinity to nobody keeps nobody away."""
    plan = answer.solved(b.pod("near", pod_of(near=[term])), b.pod("away", pod_of(away=[term])))

    assert answer.left_out(plan) == {"near"}
    assert "pod affinity" in answer.why(plan, "near")


def test_all_terms_are_met_by_the_same_pods():
    """One pod is a web, another is blue: neither is both, which is what two terms together ask for."""
    of = b.cluster(
        b.node("old"),
        b.pod("one", labels=WEB, node="old"),
        b.pod("two", labels={"color": "blue"}, node="old"),
        b.pod("web", pod_of(near=[to(b.ZONE, app="web"), to(b.ZONE, color="blue")])),
    )

    assert answer.left_out(answer.solved(of)) == {"web"}


@pytest.mark.parametrize(
    ("more", "placed"),
    [
        ({}, False),
        ({"namespaces": ("shop",)}, True),
        ({"namespace_selector": b.selector(team="x")}, True),
        ({"namespace_selector": b.selector(team="y")}, False),
        ({"namespace_selector": cluster.Selector()}, True),
        ({"namespaces": ("other",), "namespace_selector": b.selector(team="x")}, True),
    ],
)
def test_namespaces(more: dict[str, Any], placed: bool):
    """The company runs in namespace shop of team x; an empty selector is all namespaces, no words are the own one."""
    of = b.cluster(
        b.node("old"),
        b.pod("db", labels=DB, node="old", namespace="shop"),
        b.pod("web", pod_of(near=[b.near(b.ZONE, b.selector(app="db"), **more)])),
        namespaces={"shop": {"team": "x"}, "default": {}},
    )

    assert bool(answer.place(answer.solved(of), "web")) is placed


def test_match_label_keys():
    """Affinity with matchLabelKeys: a pod of the second revision has no company among those of the first."""
    term = b.near(b.ZONE, b.selector(app="web"), match_label_keys=("rev",))
    of = b.cluster(
        b.node("full", b.B, "b3-8"),
        b.pod("old", b.spec(1800), labels=WEB | {"rev": "1"}, node="full"),
        b.pod("same", pod_of(near=[term]), labels=WEB | {"rev": "1"}),
        b.pod("next", pod_of(near=[term], node_selector=((b.ZONE, b.A),)), labels=WEB | {"rev": "2"}),
    )

    plan = answer.solved(of)

    assert answer.zones(plan) == "ab"
    assert answer.left_out(plan) == set()


# -------------------------------------------------------------------------------------------------------- anti-affinity


def test_one_pod_a_node():
    """Four pods of half a core that keep off each other's node: four b3-8 for 200, where one b3-16 would do."""
    plan = answer.solved(b.pods("web", 4, pod_of(away=[to(b.HOSTNAME, app="web")]), labels=WEB))

    assert answer.flavors(plan) == {"b3-8": 4}
    assert plan.status == "optimal"


def test_one_pod_a_zone():
    """Three zones take three of four pods; the fourth is told why."""
    plan = answer.solved(b.pods("web", 4, pod_of(away=[to(b.ZONE, app="web")]), labels=WEB))

    assert answer.zones(plan) == "abc"
    (left,) = answer.left_out(plan)
    assert answer.why(plan, left) == (f"unsatisfiable topology constraint for pod anti-affinity, key={b.ZONE}")


def test_a_running_pod_keeps_ours_away():
    """Symmetry: the running pod's own anti-affinity means web, so web gets a node in another zone."""
    of = b.cluster(
        b.node("old", b.A),
        b.pod("proud", pod_of(away=[to(b.ZONE, app="web")]), labels=DB, node="old"),
        b.pod("web", pod_of(), labels=WEB),
    )

    assert answer.zones(answer.solved(of)) in ("b", "c")


def test_planned_pods_keep_each_other_away_in_both_directions():
    """Only one of two has the term: they are on two nodes all the same."""
    plan = answer.solved(b.pod("proud", pod_of(away=[to(b.HOSTNAME, app="web")])), b.pod("web", pod_of(), labels=WEB))

    assert not answer.together(plan, "proud", "web")


def test_any_key():
    """Anti-affinity over a custom label that a NodePool lists with two values: two pods have a place, the third none."""
    racks = b.pool(requirements=[b.requirement("rack", "In", "r1", "r2")])

    plan = answer.solved(racks, b.pods("web", 3, pod_of(away=[to("rack", app="web")]), labels=WEB))

    assert sorted(node.labels["rack"] for node in plan.create) == ["r1", "r2"]
    assert len(answer.left_out(plan)) == 1


def test_mismatch_label_keys():
    """Away from pods of other tenants, next to one's own: two tenants with two pods each are on two nodes."""
    away = b.near(b.HOSTNAME, cluster.Selector((b.expression("tenant", "Exists"),)), mismatch_label_keys=("tenant",))
    pods = [b.pods(name, 2, pod_of(away=[away]), labels={"tenant": name}) for name in ("red", "blue")]

    plan = answer.solved(*pods)

    assert answer.flavors(plan) == {"b3-8": 2}
    assert answer.together(plan, "red-0", "red-1")


def test_pods_of_daemon_sets_are_pods():
    """An agent comes to every node: a pod that must not meet it has no place, one that needs it any."""
    agent = cluster.DaemonSet("default", "agent", b.spec(100, b.MIB), {"app": "agent"})
    plan = answer.solved(
        agent,
        b.pod("away", pod_of(away=[to(b.HOSTNAME, app="agent")])),
        b.pod("near", pod_of(near=[to(b.HOSTNAME, app="agent")])),
    )

    assert answer.left_out(plan) == {"away"}
    assert "pod anti-affinity" in answer.why(plan, "away")


def test_a_daemon_sets_pod_that_runs_is_company_like_the_one_to_come():
    """The agent runs on a node with room: the pod that needs it goes there, and no node is bought for a new one."""
    agent = cluster.DaemonSet("default", "agent", b.spec(100, b.MIB), {"app": "agent"})
    of = b.cluster(
        agent,
        b.node("old"),
        b.pod("agent-x", b.spec(100, b.MIB), labels={"app": "agent"}, node="old", owner=b.owner("DaemonSet", "agent")),
        b.pod("near", pod_of(near=[to(b.HOSTNAME, app="agent")])),
    )

    assert answer.place(answer.solved(of), "near") == "old"


@pytest.mark.parametrize("seed", range(10))
def test_zonal_relations_of_one_round_hold_in_the_end(seed: int):
    """Random groups that attract themselves and repel others over zones: one zone each, no two in one."""
    dice = random.Random(seed)
    groups = [f"g{n}" for n in range(dice.randint(2, 4))]
    pods = []
    for name in groups:
        others = b.near(b.ZONE, cluster.Selector((b.expression("g", "Exists"), b.expression("g", "NotIn", name))))
        spec = pod_of(near=[to(b.ZONE, g=name)], away=[others], cpu=dice.choice([300, 900]))
        pods.append(b.pods(name, dice.randint(1, 3), spec, labels={"g": name}))

    of = b.cluster(*pods)

    plan = answer.solved(of)

    found = [{answer.zone_of(plan, of, pod.name) for pod in mine} - {""} for mine in pods]
    placed = [zones for zones in found if zones]
    assert len(placed) == min(3, len(groups))
    assert all(len(zones) == 1 for zones in placed)
    assert all(one.isdisjoint(other) for one, other in itertools.combinations(placed, 2))
