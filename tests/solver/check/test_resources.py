"""Requests fit into what running pods and DaemonSets leave."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.solver import builders as b
from tests.solver.check import verdict

FREE = {"cpu": 4000, "memory": 8 * b.GIB, "pods": 110}


def fits(*objects: Any, placed: Iterable[str] = ("web",), **allocatable: Any) -> set[str]:
    """Rules broken when pods go onto node "old" with this much allocatable."""
    world = b.cluster(b.node("old", allocatable=FREE | allocatable), *objects)
    return verdict.broken(world, b.plan(world, placed=dict.fromkeys(placed, "old")))


@pytest.mark.parametrize("cpu", [4000, 4001])
def test_exactly_full_is_full_and_no_more(cpu):
    """A pod may take all that is left, and not one unit more."""
    assert fits(b.pod("web", b.spec(cpu, b.GIB))) == (set() if cpu == 4000 else {"resources"})


def test_running_pods_take_room():
    """Running pods count, those on their way out too; finished ones do not."""
    big, small = b.spec(3000), b.spec(1500)
    assert fits(b.pod("db", big, node="old"), b.pod("web", small)) == {"resources"}
    assert fits(b.pod("db", big, node="old", deleting=True), b.pod("web", small)) == {"resources"}
    assert fits(b.pod("db", big, node="old", terminal=True), b.pod("web", small)) == set()
    assert fits(b.pod("db", big, nominated_node="old"), b.pod("web", small)) == {"resources"}


def test_the_number_of_pods_is_a_resource():
    """Each pod takes one of "pods"."""
    assert fits(b.pods("web", 2, b.spec(1)), placed=["web-0", "web-1"], pods=2) == set()
    assert fits(b.pods("web", 2, b.spec(1)), placed=["web-0", "web-1"], pods=1) == {"resources"}


def test_extended_resources():
    """A resource that a node does not have is zero; a request of zero always fits."""
    gpu = b.spec(requests={"nvidia.com/gpu": 1})
    assert fits(b.pod("web", gpu)) == {"resources"}
    with_gpu: dict[str, Any] = {"nvidia.com/gpu": 1}
    assert fits(b.pod("web", gpu), **with_gpu) == set()
    assert fits(b.pod("web", b.spec(requests={"nvidia.com/gpu": 0}))) == set()


def test_a_resource_that_nobody_asks_for_may_be_overdrawn():
    """kube-scheduler looks at what the pod requests only."""
    assert fits(b.pod("db", b.spec(100, 9 * b.GIB), node="old"), b.pod("web", b.spec(100, 0))) == set()


def test_daemons_to_come_keep_their_room():
    """A DaemonSet whose pod is not there yet takes room where its pods may go, and no room twice once it is there."""
    log = b.daemon_set("log", b.spec(1000, 0))
    there = b.pod("log-x", log.spec, node="old", owner=b.owner("DaemonSet", "log"))
    elsewhere = b.daemon_set("log", b.spec(1000, 0, node_selector=((b.ZONE, b.B),)))

    assert fits(log, b.pod("web", b.spec(3001))) == {"resources"}
    assert fits(log, b.pod("web", b.spec(3000))) == set()
    assert fits(log, there, b.pod("web", b.spec(3000))) == set()
    assert fits(elsewhere, b.pod("web", b.spec(4000))) == set()


def test_daemons_stay_away_from_taints_that_they_do_not_tolerate():
    """NoSchedule keeps a DaemonSet away, PreferNoSchedule does not."""
    log, web = b.daemon_set("log", b.spec(1000, 0)), b.pod("web", b.spec(4000, tolerations=(b.toleration(),)))

    for effect, expected in (("NoSchedule", set()), ("PreferNoSchedule", {"resources"})):
        world = b.cluster(b.node("old", allocatable=FREE, taints=(b.taint("x", effect=effect),)), log, web)
        assert verdict.broken(world, b.plan(world, placed={"web": "old"})) == expected


def test_what_the_kubelet_has_not_reported_yet_is_the_claims():
    """A figure that is zero on a node still booting is read from its claim."""
    gpu = b.pod("web", b.spec(requests={"nvidia.com/gpu": 1}))
    young = {"conditions": {"Initialized": b.condition("Unknown")}, "allocatable": {"nvidia.com/gpu": 1}}
    for about, expected in ((young, set()), ({"allocatable": {"nvidia.com/gpu": 1}}, {"resources"})):
        world = b.cluster(b.owned("old", allocatable={"nvidia.com/gpu": 0}, claim=about), gpu)
        assert verdict.broken(world, b.plan(world, placed={"web": "old"})) == expected


def test_new_nodes_hold_their_daemons_too():
    """On a new node pods and DaemonSets share what the flavor has: b3-8 leaves 1840m."""
    world = b.cluster(b.daemon_set("log", b.spec(840, 0)), b.pod("web", b.spec(1000)), b.pod("api", b.spec(1001)))

    assert verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web"], "b3-8"), left_out=["api"])).ok
    full = b.plan(world, b.buy(world, "n", ["api"], "b3-8"), left_out=["web"])
    assert verdict.broken(world, full) == {"resources", "flavor-options"}


def test_daemons_that_select_on_being_registered_come_to_new_nodes():
    """Labels that nodes get when they join are there for DaemonSets."""
    agent = b.daemon_set("agent", b.spec(100, 0, node_selector=(("karpenter.sh/registered", "true"),)))
    world = b.cluster(agent, b.pod("web"))

    assert verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web"]))).ok
