"""Every pod once, names that exist, lists and sums that agree."""

import pytest

from tests.solver import builders as b
from tests.solver.check import verdict


@pytest.fixture
def two():
    """Two waiting pods."""
    return b.cluster(b.pods("web", 2))


def test_a_plan_for_all_pods_is_accepted(two):
    """Two pods on a new node, and the same with one of them left out."""
    assert verdict.verdict(two, b.plan(two, b.buy(two, "n", ["web-0", "web-1"]))).ok
    assert verdict.verdict(two, b.plan(two, b.buy(two, "n", ["web-0"]), left_out=["web-1"])).ok


def test_a_pod_may_not_be_forgotten(two):
    """A waiting pod that the plan does not mention."""
    found = verdict.verdict(two, b.plan(two, b.buy(two, "n", ["web-0"])))

    assert [(each.rule, each.pod) for each in found.violations] == [("pods", "default/web-1")]
    assert found.violations[0].message == "pod default/web-1 is neither placed nor unschedulable"


def test_a_pod_is_placed_or_left_out_but_not_both(two):
    """A pod in both lists, and one that is left out twice."""
    both = b.plan(two, b.buy(two, "n", ["web-0", "web-1"]), left_out=["web-1"])
    twice = b.plan(two, b.buy(two, "n", ["web-0"]), left_out=["web-1", "web-1"])

    assert verdict.broken(two, both) == {"pods"}
    assert verdict.broken(two, twice) == {"pods"}


def test_pods_that_do_not_exist_have_no_place(two):
    """A name that no pod has, placed or left out."""
    assert verdict.broken(two, b.plan(two, b.buy(two, "n", ["web-0", "web-1", "web-2"]))) == {"pods"}
    assert verdict.broken(two, b.plan(two, b.buy(two, "n", ["web-0", "web-1"]), left_out=["api-0"])) == {"pods"}


@pytest.mark.parametrize(
    "state",
    [
        {"node": "old"},
        {"gated": True},
        {"terminal": True},
        {"deleting": True},
        {"mirror": True},
        {"unscheduled_reason": "SchedulingGated"},
        {"nominated_node": "old"},
    ],
)
def test_pods_that_do_not_wait_have_no_place(state):
    """Running, gated, finished, going, static pods, and pods that the scheduler has promised room."""
    world = b.cluster(b.node("old"), b.pod("web", **state))

    assert verdict.verdict(world, b.plan(world)).ok
    assert verdict.broken(world, b.plan(world, placed={"web": "old"})) == {"pods"}


def test_pods_of_nodes_wait_for_nobody():
    """Pods of DaemonSets are not placed."""
    world = b.cluster(b.node("old"), b.pod("log", owner=b.owner("DaemonSet", "log")))

    assert verdict.verdict(world, b.plan(world)).ok
    assert verdict.broken(world, b.plan(world, placed={"log": "old"})) == {"pods"}


def test_a_nomination_for_a_node_that_is_not_there_counts_for_nothing():
    """The pod waits like any other."""
    world = b.cluster(b.pod("web", nominated_node="old"))

    assert verdict.broken(world, b.plan(world)) == {"pods"}
    assert verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web"]))).ok


def test_places_must_exist(two):
    """A pod on a node that neither exists nor is created."""
    assert verdict.broken(two, b.plan(two, b.buy(two, "n", ["web-0"]), placed={"web-1": "m"})) == {"names"}


def test_a_claim_with_a_node_is_called_by_its_node():
    """A placement names the Node where there is one."""
    world = b.cluster(b.owned("old"), b.pod("web"))

    assert verdict.verdict(world, b.plan(world, placed={"web": "old"})).ok
    assert verdict.broken(world, b.plan(world, placed={"web": "claim-old"})) == {"names"}


def test_new_names_must_be_new(two):
    """A new node with the name of another one."""
    world = b.cluster(b.node("old"), b.pods("web", 2))
    twice = b.plan(two, b.buy(two, "n", ["web-0"]), b.buy(two, "n", ["web-1"]))

    assert verdict.broken(world, b.plan(world, b.buy(world, "old", ["web-0", "web-1"]))) == {"names"}
    assert "names" in verdict.broken(two, twice)


def test_lists_of_pods_agree_with_the_placements(two):
    """A new node that does not list a pod placed on it."""
    answer = b.plan(two, b.buy(two, "n", ["web-0", "web-1"]))
    shorter = b.changed(answer, create=(b.changed(answer.create[0], pods=("default/web-0",)),))

    assert verdict.broken(two, shorter) == {"names"}


def test_replaced_nodes_are_removed(two):
    """A new node that says it replaces a node which stays."""
    assert verdict.broken(two, b.plan(two, b.buy(two, "n", ["web-0", "web-1"], replaces=("old",)))) == {"names"}


@pytest.mark.parametrize("figure", ["before", "after", "create", "delete"])
def test_sums_of_money(figure):
    """Each figure is what the nodes cost: owned nodes before, new ones, removed ones, and what follows from these."""
    world = b.cluster(b.owned("mine"), b.node("yours"), b.pods("web", 2))
    answer = b.plan(world, b.buy(world, "n", ["web-0", "web-1"]))
    wrong = b.changed(answer, cost=b.changed(answer.cost, **{figure: getattr(answer.cost, figure) + 1}))

    assert (answer.cost.before, answer.cost.create, answer.cost.after) == (100_000, 100_000, 200_000)
    assert verdict.verdict(world, answer).ok
    assert verdict.broken(world, wrong) == {"cost"}


def test_what_is_paid_for_before():
    """Claims without a node are paid for too; what their labels or requirements say decides the flavor."""
    in_flight = b.claim("c1", requirements=(b.expression(b.TYPE, "In", "b3-16"),))
    world = b.cluster(in_flight, b.owned("going", of="b3-8", deleting=True))
    answer = b.plan(world)
    right = b.changed(answer, cost=b.changed(answer.cost, before=150_000, after=150_000))

    assert verdict.verdict(world, right).ok
