"""Turns in which kube-scheduler could bind the pods of a plan that breaks topology spreads in the end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bench import turns
from solver import check, cluster, options, plan
from tests.solver import builders as b

WEB = {"app": "web"}
ASKED = options.Options()


def carrier(key: str = b.ZONE, **fields: object) -> cluster.PodSpec:
    """A pod whose spread counts pods of `web`."""
    return b.spec(100, b.MIB, spread=(b.spread(key, b.selector(**WEB)),), **fields)


def bought(of: cluster.Cluster, **nodes: list[str]) -> plan.Plan:
    """A plan with a node in zone a, b or c for each of these lists of pods."""
    zones = {"a": b.A, "b": b.B, "c": b.C}
    return b.plan(of, *(b.buy(of, name, pods, zone=zones[name[0]]) for name, pods in nodes.items()))


def ordered(of: cluster.Cluster, answer: plan.Plan) -> tuple[plan.Plan, list[str]]:
    """The plan in turns, which the checker accepts if nobody is left over, and who is."""
    assert not check.check(of, b.SHELF, answer, ASKED).ok
    found, left = turns.in_turns(of, b.SHELF, ASKED, answer)
    assert left or check.check(of, b.SHELF, found, ASKED).ok
    return found, left


def test_pods_that_are_merely_counted_come_after_those_that_count_them():
    """Two pods of `web` in a zone break the spread of a pod there in the end, not when it comes first."""
    of = b.cluster(b.pods("web", 2, labels=WEB), b.pod("carrier", carrier()))

    found, left = ordered(of, bought(of, a=["web-0", "web-1", "carrier"]))

    assert left == []
    assert [sorted(step.move) for step in found.steps] == [["default/carrier"], ["default/web-0", "default/web-1"]]
    assert [step.launch for step in found.steps] == [("a",), ()]


def test_the_same_on_a_host():
    """A host of two pods of `web` beside a host of none."""
    of = b.cluster(b.pods("web", 2, labels=WEB), b.pod("carrier", carrier(b.HOSTNAME)), b.pod("alone"))

    found, left = ordered(of, bought(of, a1=["web-0", "web-1", "carrier"], a2=["alone"]))

    assert left == []
    assert [sorted(step.move) for step in found.steps] == [["default/carrier"], ["default/web-0", "default/web-1"]]


def test_the_smallest_domain_grows_where_that_helps():
    """
    Two carriers that count themselves in one zone need a pod in each other zone between them; the rest of that zone's
    pods comes last.
    """
    of = b.cluster(b.pods("web", 4, labels=WEB), b.pods("carrier", 2, carrier(), labels=WEB))

    found, left = ordered(of, bought(of, a=["carrier-0", "carrier-1", "web-0", "web-1"], b=["web-2"], c=["web-3"]))

    assert left == []
    turn = {pod: number for number, step in enumerate(found.steps) for pod in step.move}
    assert max(turn["default/carrier-1"], turn["default/web-2"], turn["default/web-3"]) < turn["default/web-0"]


def test_pods_that_no_order_helps_are_left_over():
    """Two of a kind that have to be together stand in two zones: whoever comes second has no place."""
    near = b.spec(100, b.MIB, affinity=(b.near(b.ZONE, b.selector(app="db")),))
    of = b.cluster(b.pods("db", 2, near, labels={"app": "db"}))

    _, left = ordered(of, bought(of, a=["db-0"], b=["db-1"]))

    assert len(left) == 1


@pytest.mark.parametrize("seed", range(60))
def test_turns_that_leave_nobody_over_are_accepted(seed: int):
    """Random pods that count each other over zones and hosts, put anywhere: every pod has one turn or is left over."""
    dice = random.Random(seed)
    nodes = [b.node(f"n{index}", zone) for index, zone in enumerate(dice.sample([b.A, b.A, b.B, b.B, b.C], 4))]
    pods = []
    for index in range(6):
        rules: dict[str, Any] = {}
        if dice.random() < 0.6:
            apps = dice.choices("xy", k=dice.choice([1, 2]))
            rules["spread"] = tuple(b.spread(dice.choice([b.ZONE, b.HOSTNAME]), b.selector(app=app)) for app in apps)
        elif dice.random() < 0.3:
            rules["affinity"] = (b.near(b.ZONE, b.selector(app=dice.choice("xy"))),)
        pods.append(b.pod(f"p{index}", b.spec(100, b.MIB, **rules), labels={"app": dice.choice("xyz")}))
    of = b.cluster(pods, nodes)
    answer = b.plan(of, placed={pod.name: dice.choice(nodes).name for pod in pods})

    found, left = turns.in_turns(of, b.SHELF, ASKED, answer)

    moved = [key for step in found.steps for key in step.move]
    assert len(moved) == len(set(moved))
    assert not {*moved} & {*left}
    assert left or check.check(of, b.SHELF, found, ASKED).ok
