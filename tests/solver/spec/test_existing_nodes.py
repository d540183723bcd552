"""Existing nodes as places: worked examples, nodes that are none, a property."""

from __future__ import annotations

import random
from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.spec import answer

UNREADY = (b.taint("node.kubernetes.io/not-ready"),)


def test_room_that_running_pods_leave_costs_nothing():
    """3.83 cores less 2 running: one of two pods of 1.5 cores stays, the other costs 50."""
    of = b.cluster(b.node("old"), b.pod("run", b.spec(2000), node="old"), b.pods("web", 2, b.spec(1500)))

    plan = answer.solved(of)

    assert plan.cost.create == answer.SMALL
    assert sorted(plan.placements.values()).count("old") == 1


def test_finished_pods_leave_their_room():
    """A pod that succeeded takes nothing."""
    of = b.cluster(b.node("old"), b.pod("done", b.spec(3000), node="old", terminal=True), b.pod("web", b.spec(3000)))

    assert answer.place(answer.solved(of), "web") == "old"


def test_nodes_that_no_pool_owns():
    """They are places like any other, and free."""
    plan = answer.solved(b.node("foreign"), b.pod("web"))

    assert answer.place(plan, "web") == "foreign"
    assert plan.cost.before == plan.cost.after == 0


def test_a_daemon_set_that_is_yet_to_come_has_its_room():
    """The node is new and its agent not there: 3.83 cores less the agent's are left."""
    of = b.cluster(b.node("old"), b.daemon_set("agent", b.spec(1000)), b.pod("web", b.spec(3000)))
    there = b.pod("agent-x", b.spec(1000), node="old", namespace="kube-system", owner=b.owner("DaemonSet", "agent"))

    assert answer.place(answer.solved(of), "web") not in ("old", "")
    of = b.cluster(b.node("old"), b.daemon_set("agent", b.spec(1000)), there, b.pod("web", b.spec(2800)))
    assert answer.place(answer.solved(of), "web") == "old"


def test_claims_that_boot_are_places():
    """A launched claim without a Node takes the pod: nothing is bought."""
    flying = b.claim("flying", labels={b.TYPE: "b3-16", b.ZONE: b.A})

    plan = answer.solved(flying, b.pod("web"))

    assert answer.place(plan, "web") == "flying"
    assert not plan.create


@pytest.mark.parametrize(("initialized", "place"), [(False, "old"), (True, "")])
def test_taints_of_booting_nodes_are_forgiven(initialized: bool, place: str):
    """Not ready yet, or not ready any more: only before initialization does the taint go by itself."""
    node, claim = b.owned("old", taints=UNREADY)
    claim.conditions = {"Registered": b.condition("True"), "Initialized": b.condition(str(initialized))}

    plan = answer.solved(b.pool(limits={"nodes": "0"}), node, claim, b.pod("web"))

    assert answer.place(plan, "web") == place


@pytest.mark.parametrize(
    "fields",
    [
        {"unschedulable": True},
        {"deleting": True},
        {"taints": UNREADY},
        {"taints": (b.taint("karpenter.sh/disrupted"),)},
    ],
    ids=["cordoned", "in deletion", "not ready", "marked for disruption"],
)
def test_nodes_that_take_no_pods(fields: dict[str, Any]):
    """The pod gets a new node."""
    assert len(answer.solved(b.node("old", **fields), b.pod("web")).create) == 1


def test_a_cordoned_node_takes_pods_that_tolerate_it():
    """As kube-scheduler does."""
    calm = b.spec(tolerations=(b.toleration("node.kubernetes.io/unschedulable"),))

    assert answer.place(answer.solved(b.node("old", unschedulable=True), b.pod("web", calm)), "web") == "old"


def test_pods_of_a_node_in_deletion_get_another_place():
    """Its pod is placed again, its DaemonSet's and a protected one are not."""
    of = b.cluster(
        b.node("going", deleting=True),
        b.pod("web", node="going"),
        b.pod("agent-x", node="going", owner=b.owner("DaemonSet", "agent")),
        b.pod("held", node="going", annotations={"karpenter.sh/do-not-disrupt": "true"}),
    )

    assert set(answer.solved(of).placements) == {"default/web"}


def test_labels_of_existing_nodes_are_exact():
    """A node without the label does not take the pod that selects it, although a pool could have given it."""
    pool = b.pool(requirements=[b.requirement("team", "Exists")])
    of = b.cluster(pool, b.owned("old"), b.pod("web", b.spec(node_selector=(("team", "a"),))))

    assert len(answer.solved(of).create) == 1


def test_why_an_existing_node_is_no_place_does_not_hide_the_pools_reason():
    """Neither the old node nor any that could be bought: what is said is about the NodePool."""
    plan = answer.solved(b.node("old"), b.pod("web", b.spec(100_000)))

    assert answer.constraints(plan, "web") == {"general": "resources"}
    assert answer.why(plan, "web").startswith("no instance type has enough resources: ")


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_bought_for_pods_that_fit(seed: int):
    """Pods that ran on nodes a moment ago fit them again: whatever is bought, nothing is bought for them."""
    dice = random.Random(seed)
    nodes = [b.node(f"n{n}", dice.choice([b.A, b.B, b.C]), dice.choice(["b3-8", "b3-16"])) for n in range(4)]
    pods: list[cluster.Pod] = []
    for node in nodes:
        room = node.allocatable["cpu"]
        while (cpu := dice.randint(200, 1500)) <= room:
            room -= cpu
            pods.append(b.pod(f"web-{len(pods)}", b.spec(cpu, b.GIB // 8)))

    plan = answer.solved(nodes, pods)

    assert not plan.create
    assert answer.left_out(plan) == set()
