"""Who is placed: priority when not all can be, gates, nominations, deletion; pods that are reported, not guessed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.solver import builders as b
from tests.solver.spec import answer

ONE_NODE = b.pool(limits={"nodes": "1"})


def test_the_more_important_pod_when_only_one_has_a_place():
    """Both need a node of their own and one may be bought: the pod of higher priority gets it."""
    plan = answer.solved(
        b.pool(limits={"cpu": "2"}), b.pod("low", b.spec(1500)), b.pod("high", b.spec(1500, priority=10))
    )

    assert answer.left_out(plan) == {"low"}


def test_one_important_pod_before_many_others():
    """One pod of priority 10 that fills the only node, or three others: the one."""
    plan = answer.solved(
        b.pool(limits={"cpu": "2"}), b.pods("low", 3, b.spec(600)), b.pod("high", b.spec(1500, priority=10))
    )

    assert answer.left_out(plan) == {"low-0", "low-1", "low-2"}


def test_as_many_pods_as_possible_within_a_priority():
    """Equal priorities: three small ones rather than the large one."""
    plan = answer.solved(b.pool(limits={"cpu": "2"}), b.pods("small", 3, b.spec(600)), b.pod("large", b.spec(1500)))

    assert answer.left_out(plan) == {"large"}


def test_priority_decides_nothing_where_all_have_a_place():
    """One b3-16 for both."""
    plan = answer.solved(b.pod("low", b.spec(1800)), b.pod("high", b.spec(1800, priority=10)))

    assert plan.cost.create == answer.MEDIUM


@pytest.mark.parametrize(
    "fields",
    [
        {"gated": True},
        {"deleting": True},
        {"terminal": True},
        {"mirror": True},
        {"unscheduled_reason": "SchedulingGated"},
    ],
)
def test_pods_that_do_not_wait_for_a_node(fields: dict[str, Any]):
    """They are in no list of the plan."""
    plan = answer.solved(b.pod("web", **fields))

    assert not plan.create
    assert not plan.unschedulable


def test_nominated_pods_have_their_room():
    """A pod that was promised the node takes its room there: the other gets a new one."""
    of = b.cluster(b.node("old"), b.pod("promised", b.spec(3000), nominated_node="old"), b.pod("web", b.spec(3000)))

    plan = answer.solved(of)

    assert set(plan.placements) == {"default/web"}
    assert len(plan.create) == 1


def test_a_nomination_to_a_node_that_is_gone_is_none():
    """The pod waits like any other."""
    assert answer.place(answer.solved(b.pod("web", nominated_node="gone")), "web") != ""


def test_a_terminating_pod_keeps_its_room():
    """Until it is gone."""
    of = b.cluster(b.node("old"), b.pod("going", b.spec(3000), node="old", deleting=True), b.pod("web", b.spec(3000)))

    assert len(answer.solved(of).create) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"resource_claims": ("gpu",)},
            "pod has Dynamic Resource Allocation requirements that are not yet supported by Karpenter",
        ),
        (
            {"invalid": "node selector term with matchFields is not supported"},
            "node selector term with matchFields is not supported",
        ),
    ],
)
def test_what_cannot_be_honoured_is_reported(fields: dict[str, Any], words: str):
    """Neither placed nor counted on; the pod beside it is not affected."""
    plan = answer.solved(b.pod("web", b.spec(500, **fields)), b.pod("other"))

    assert answer.left_out(plan) == {"web"}
    assert answer.why(plan, "web") == words


@pytest.mark.parametrize("seed", range(8))
def test_no_placed_pod_is_less_important_than_an_equal_one_left_out(seed: int):
    """Equal pods of random priorities under a random limit: the most important ones are placed."""
    dice = random.Random(seed)
    pods = [b.pod(f"web-{n}", b.spec(1500, priority=dice.randint(0, 4))) for n in range(8)]

    plan = answer.solved(b.pool(limits={"cpu": str(2 * dice.randint(1, 7))}), pods, only_flavors=("b3-8",))

    placed = [pod.spec.priority for pod in pods if answer.place(plan, pod.name)]
    left = [pod.spec.priority for pod in pods if not answer.place(plan, pod.name)]
    assert left
    assert min(placed) >= max(left)
