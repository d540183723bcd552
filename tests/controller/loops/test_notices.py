"""What pods and claims are told: when the node comes, why this flavor, what would help."""

from __future__ import annotations

from typing import Any

import pytest

from controller import settings, world
from controller.kube import conditions, events, kinds, mirror
from controller.loops import notices
from solver import plan as plans
from tests.controller.kube import memory
from tests.controller.loops import make
from tests.solver import builders


def started(name: str, created: str, initialized: str, **capacity: str):
    """A claim whose node came."""
    found = make.claim(name, make.condition("Initialized", since=initialized), creationTimestamp=created)
    found["status"]["capacity"] = {"cpu": "2", **capacity}
    return found


def test_nodes_that_came_say_how_long_the_next_takes():
    """The median of those of the same kind; GPUs are another kind, and what is still on its way tells nothing."""
    claims = [
        started("a", "2026-01-01T00:00:00Z", "2026-01-01T00:02:00Z"),
        started("b", "2026-01-01T01:00:00Z", "2026-01-01T01:03:00Z"),
        started("c", "2026-01-01T02:00:00Z", "2026-01-01T02:10:00Z"),
        started("g", "2026-01-01T02:00:00Z", "2026-01-01T03:00:00Z", **{"nvidia.com/gpu": "1"}),
        make.claim("d"),
    ]

    assert notices.expected(claims, gpu=False) == 180
    assert notices.expected(claims, gpu=True) == 3600
    assert notices.expected([], gpu=False) == notices.USUAL_SECONDS


@pytest.mark.parametrize(
    ("seconds", "text"), [(4, "about 10 s"), (42, "about 40 s"), (200, "about 3 min"), (3600, "about 60 min")]
)
def test_a_wait_is_as_exact_as_it_is_known(seconds, text):
    """Ten seconds, or minutes."""
    assert notices.duration(seconds) == text


def test_a_claim_says_why_this_flavor_at_what_cost_and_gap():
    """Flavor, price, how full, what else would do, and the proof."""
    of = builders.cluster(*builders.pods("web", 1))
    node = builders.buy(of, "general-a", ["web-0"], flavor_options=("b3-16", "b3-32"))
    near = builders.plan(of, node, cost=plans.Cost(0, 100000, 100000, 0, None, 99200))
    text = notices.why(node, near)

    assert text.startswith("b3-16 in ")
    assert "for 0.1000 EUR/hour, to hold 1 pod (cpu " in text
    assert "; b3-32 would hold them too. The plan has 1 new node for 0.1000 EUR/hour" in text
    assert text.endswith("another fleet could be cheaper by at most 0.81%.")
    assert notices.why(node, builders.changed(near, status="optimal")).endswith("no cheaper fleet holds these pods.")
    # As much as kubectl describe shows of an annotation.
    assert max(len(notices.why_flavor(node)), len(notices.why_plan(near))) <= 140


def told(*classes: dict[str, Any]) -> list[str]:
    """What a pod that waits is told while nothing can be bought."""
    api = memory.Memory()
    shared = world.World(api, mirror.Mirror(api), events.Recorder(api), settings.Settings())
    for kind, item in [(kinds.POD, make.pod()), *((kinds.NODE_CLASS, each) for each in classes)]:
        shared.mirror.observe(kind, {**item, "metadata": {**item["metadata"], "resourceVersion": "1"}})
    notices.unready(shared, ["default/web-0"])
    shared.recorder.close()
    return [each["note"] for each in api.created]


def test_pods_say_why_nothing_can_be_bought_once_that_is_known():
    """Without a node class, or with one that OVHcloud refuses; not before OVHcloud was asked."""
    refused = make.condition("CredentialsValid", "False", reason="CredentialsRefused") | {"message": "wrong keys"}
    ready = make.condition("Ready", "False", reason="UnhealthyDependents")
    fresh = {"kind": "OVHNodeClass", "metadata": {"name": "default", "uid": "c"}, "spec": {}, "status": {}}

    assert told() == ["Failed to schedule pod, no OVHNodeClass is ready: there is none"]
    assert told(fresh) == []
    assert told({**fresh, "status": {"conditions": [refused, ready]}}) == [
        "Failed to schedule pod, no OVHNodeClass is ready: wrong keys"
    ]


def test_a_refusal_of_ovhcloud_is_told_to_the_pods_that_it_keeps_waiting():
    """And to their NodePool, where it is the quota that is used up; pods that wait for something else hear nothing."""
    api = memory.Memory()
    shared = world.World(api, mirror.Mirror(api), events.Recorder(api), settings.Settings())
    pool: dict[str, Any] = {"kind": "NodePool", "metadata": {"name": "general", "uid": "p"}, "spec": {}}
    for kind, item in (
        (kinds.POD, make.pod("web-0")),
        (kinds.POD, make.pod("web-1")),
        (kinds.NODE_POOL, pool),
    ):
        shared.mirror.observe(kind, {**item, "metadata": {**item["metadata"], "resourceVersion": "1"}})
    shared.refuse("b2-15", "nova", world.OVER_QUOTA)
    shared.refuse("b2-7", "nova", world.POOL_LIMIT)
    of = builders.cluster(*builders.pods("web", 2))
    offering = plans.Reason("general", "no instance type has enough resources", "resources", 3)
    taint = plans.Reason("general", "did not tolerate taint", "taints", 3)
    left = (
        plans.Unschedulable("default/web-0", offering.message, (offering,)),
        plans.Unschedulable("default/web-1", taint.message, (taint,)),
    )
    notices.planned(shared, builders.plan(of, unschedulable=left), of)
    shared.recorder.close()

    refused = "OVHcloud has refused for now: b2-15 in nova (project quota), b2-7 in nova (pool limit of the cluster)"
    assert [(each["regarding"]["name"], each["reason"], each["note"]) for each in api.created] == [
        ("web-0", "FailedScheduling", f"Failed to schedule pod, no instance type has enough resources. {refused}"),
        ("web-1", "FailedScheduling", "Failed to schedule pod, did not tolerate taint"),
        ("general", "PoolLimitReached", "1 pod(s) wait: b2-7 would need one more node pool than the cluster may have"),
        ("general", "QuotaReached", "1 pod(s) wait: OVHcloud has refused b2-15: project quota"),
    ]


def test_a_condition_that_changes_is_an_event_of_its_name():
    """Also one that appears with its answer; what stays Unknown, and conditions that nobody asked for, say nothing."""
    api = memory.Memory()
    shared = world.World(api, mirror.Mirror(api), events.Recorder(api), settings.Settings())
    claim = make.claim("general-a", make.condition("Registered", "Unknown"))
    draft = conditions.Draft(claim, ("Launched", "Registered", "Initialized"), make.T0_SECONDS)
    draft.true("Launched")
    draft.set("Registered", "False", "MultipleNodesFound", "matched multiple nodes")
    draft.true("Consolidatable")
    draft.finish()
    notices.transitions(shared, claim, draft, ("Launched", "Registered", "Initialized"))
    shared.recorder.close()

    changed = "Status condition transitioned, Type"
    assert [each["note"] for each in api.created] == [
        f"{changed}: Registered, Status: Unknown -> False, Reason: MultipleNodesFound, Message: matched multiple nodes",
        f"{changed}: Launched, Status: Unknown -> True, Reason: Launched",
    ]
