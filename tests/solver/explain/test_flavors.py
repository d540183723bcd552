"""Upstream's words for flavors that do not take a pod, and what is short on the nearest of them."""

from __future__ import annotations

from typing import Any

import pytest

from solver import cluster as clusters
from tests.solver import builders as b
from tests.solver.spec import answer

HUGE = 100_000
SMALL = [b.requirement(b.TYPE, "In", "b3-8", "b3-16")]


def said(of: Any, *objects: Any) -> str:
    """What is said of a pod with this spec, where b3-8 and b3-16 may be bought."""
    return answer.why(answer.solved(b.pool(requirements=SMALL), b.pod("web", of), *objects), "web")


def asking(cpu: int = 1000, **labels: str) -> Any:
    """A spec with a node selector, keys written as `zone` or `type`."""
    keys = {"zone": b.ZONE, "type": b.TYPE, "cpus": "karpenter.ovhcloud.sh/cpu"}
    return b.spec(cpu, node_selector=tuple((keys[key], value) for key, value in labels.items()))


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (asking(HUGE), "no instance type has enough resources"),
        (asking(zone="mars"), "no instance type has the required offering"),
        (asking(cpus="3"), "no instance type met all requirements"),
        (asking(HUGE, zone="mars"), "no instance type had enough resources or had a required offering"),
        (asking(HUGE, cpus="3"), "no instance type met the scheduling requirements or had enough resources"),
        (
            asking(zone="mars", cpus="3"),
            "no instance type met the scheduling requirements or had a required offering",
        ),
        (
            asking(HUGE, zone="mars", cpus="3"),
            "no instance type met the scheduling requirements or had enough resources or had a required offering",
        ),
        (
            asking(3000, type="b3-8"),
            "no instance type which had enough resources and the required offering met the scheduling requirements",
        ),
    ],
)
def test_which_of_the_three_questions_no_flavor_answers(of: Any, words: str) -> None:
    """Labels, room and offering, alone and together; a shortage follows the words."""
    assert said(of).split(":")[0] == words


def test_a_pod_for_one_flavor_that_only_larger_ones_could_hold() -> None:
    """It is the flavor asked for that is short, not the one that has room."""
    assert said(asking(3000, type="b3-8")).endswith(
        ": nearest is b3-8 in eu-west-par-a, short of cpu 1160m (asked 3, allocatable 1840m)"
    )


def test_daemon_sets_are_part_of_what_is_short() -> None:
    """A pod of 3800m would fit into 3830m but for a DaemonSet of 100m."""
    assert said(b.spec(3800), b.daemon_set("agent")).endswith(
        "short of cpu 70m (asked 3800m, DaemonSets 100m, allocatable 3830m)"
    )


def test_everything_that_is_short_is_named() -> None:
    """CPU, memory in whole Mi, and what no flavor has at all."""
    asked = b.spec(4000, 15 * b.GIB + 1, requests={"nvidia.com/gpu": 2})

    assert said(asked).split("short of ")[1] == (
        "cpu 170m (asked 4, allocatable 3830m) and memory 1573Mi (asked 15361Mi, allocatable 13788Mi) "
        "and nvidia.com/gpu 2 (asked 2, it has none)"
    )


def test_daemon_sets_that_fill_a_flavor_by_themselves() -> None:
    """The pod asks for nothing that is short."""
    assert said(b.spec(1), b.daemon_set("fat", b.spec(100, 20 * b.GIB))).endswith(
        "short of memory 7716Mi (asked 1Gi, DaemonSets 20Gi, allocatable 13788Mi)"
    )


def test_of_several_node_pools_the_nearest_speaks_for_the_pod() -> None:
    """Each reason names the nearest flavor of its NodePool, the message the nearest of all."""
    small = b.pool("small", [b.requirement(b.TYPE, "In", "b3-8")])
    medium = b.pool("medium", [b.requirement(b.TYPE, "In", "b3-16")])
    plan = answer.solved(small, medium, b.pod("web", b.spec(4000)))

    (left,) = plan.unschedulable
    assert {r.node_pool: r.message.split("nearest is ")[1].split(" ")[0] for r in left.reasons} == {
        "small": "b3-8",
        "medium": "b3-16",
    }
    assert left.message.count("no instance type has enough resources") == 1
    assert "nearest is b3-16" in left.message


def test_offers_that_got_furthest_say_what_is_wrong() -> None:
    """Half of the offers are too small, but the larger ones would do if they were where the volume is."""
    there = b.node_term(b.expression(b.ZONE, "In", "eu-west-par-d"))
    volume = clusters.Volume("pv", (there,), "cinder.csi.openstack.org")
    claim = clusters.VolumeClaim("default", "data", None, volume="pv", phase="Bound", bind_completed=True)
    pod = b.pod("web", b.spec(3000, claims=("data",)))

    plan = answer.solved(b.pool(requirements=SMALL), pod, claim, volume)

    assert answer.constraints(plan, "web") == {"general": "volumes"}
