"""Holding nodes on a cluster in memory: who holds, who comes in, and that nothing stays held."""

from __future__ import annotations

from typing import Any

import pytest

from controller import metrics, slots
from controller.kube import kinds
from controller.loops import placement
from tests.controller.loops import make, stage

TAINT = {"key": "karpenter.ovhcloud.sh/reserved", "value": "new", "effect": "NoSchedule"}


def starting(on: stage.Stage, *states: str, taints: tuple[make.Object, ...] = ()) -> None:
    """A node that has just appeared, of the claim `new`."""
    on.node_pool()
    on.machine("new", "b3-8")
    claim = on.get(kinds.NODE_CLAIM, "new")
    claim["status"]["conditions"] = [make.condition(state) for state in ("Launched", *states)]
    on.put(kinds.NODE_CLAIM, claim)
    node = on.get(kinds.NODE, "node-new")
    node["spec"]["taints"] = list(taints)
    on.put(kinds.NODE, node)


def plan(on: stage.Stage, pod: str) -> None:
    """A pod that waits, and the plan that it goes to the claim `new`."""
    comes(on, pod)
    give(on, pod)


def give(on: stage.Stage, pod: str, claim: str = "new", origin: str = "") -> None:
    """What a plan does that puts a pod onto a claim."""
    (kind,) = slots.classes([on.get(kinds.POD, pod, "default")]).values()
    on.world.slots.plan([slots.Slot(claim, kind, f"default/{pod}", f"uid-{pod}", origin=origin)], {f"uid-{pod}"})


def comes(on: stage.Stage, name: str, cpu: str = "1") -> None:
    """A pod that waits and that no plan knows."""
    made = make.pod(name)
    made["spec"]["containers"] = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]
    made["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]
    on.put(kinds.POD, made)


def goes(on: stage.Stage, name: str) -> None:
    on.delete(kinds.POD, name, namespace="default")


def held(on: stage.Stage) -> bool:
    return placement.holds(on.get(kinds.NODE, "node-new"))


def test_a_node_is_held_and_its_pods_are_let_in():
    """As soon as it appears, before it is ready."""
    on = stage.Stage()
    starting(on)
    plan(on, "web")
    placement.Placement(on.world, lambda: None).reconcile()

    assert held(on)
    assert placement.tolerates(on.get(kinds.POD, "web", "default"), "new")


@pytest.mark.parametrize("how", ["reserve", "nominate", "none"])
def test_what_a_dead_controller_has_held_is_let_go(how):
    """The next one knows no plan for a node that is ready, and may be told to place pods in another way."""
    on = stage.Stage(placement=how)
    starting(on, "Registered", "Initialized", taints=(TAINT,))
    placement.Placement(on.world, lambda: None).reconcile()

    assert not held(on)


def test_a_node_that_still_starts_stays_held_over_a_restart_until_it_is_ready():
    """The next batch says who goes there; when it says nobody, the node is free once it is ready."""
    on = stage.Stage()
    starting(on, "Registered", taints=(TAINT,))
    loop = placement.Placement(on.world, lambda: None)
    loop.reconcile()
    assert held(on)
    on.comes_up("new", "new")
    loop.reconcile()

    assert not held(on)


def test_a_node_that_never_gets_ready_is_not_held_for_ever():
    """A quarter of an hour after it has registered, planned pods or not."""
    on = stage.Stage()
    starting(on, "Registered")
    plan(on, "web")
    loop = placement.Placement(on.world, lambda: None)
    loop.reconcile()
    assert held(on)
    on.now += 901
    loop.reconcile()

    assert not held(on)


def test_a_pod_that_is_bound_or_gone_holds_nothing():
    """The last one lets the node go."""
    on = stage.Stage()
    starting(on, "Registered", "Initialized")
    plan(on, "web")
    loop = placement.Placement(on.world, lambda: None)
    loop.reconcile()
    assert held(on)
    on.pod("web", "node-new")
    loop.reconcile()

    assert not held(on)
    assert not on.world.slots.all()


def test_a_pod_that_comes_back_under_a_new_name_takes_the_place_that_is_kept():
    """It is let in without a new plan; one of another size is not."""
    on, plans = stage.Stage(), []
    starting(on)
    plan(on, "web-a")
    loop = placement.Placement(on.world, lambda: plans.append(1))
    loop.reconcile()
    goes(on, "web-a")
    loop.reconcile()
    assert held(on)
    comes(on, "large", "2")
    comes(on, "web-b")
    loop.reconcile()

    assert held(on)
    assert placement.tolerates(on.get(kinds.POD, "web-b", "default"), "new")
    assert not placement.tolerates(on.get(kinds.POD, "large", "default"), "new")
    assert ("web-b", "Nominated") in {(name, reason) for name, reason, _ in on.said.events}
    assert not plans


def test_a_pod_on_a_node_that_is_not_registered_yet_is_where_it_was_planned():
    """A node may be ready before its claim says so: the machine tells whose it is."""
    on = stage.Stage()
    starting(on)
    claim = on.get(kinds.NODE_CLAIM, "new")
    claim["status"]["nodeName"] = ""
    on.put(kinds.NODE_CLAIM, claim)
    plan(on, "web-a")
    plan(on, "web-b")
    on.pod("web-a", "node-new")
    on.pod("web-b", "node-other")
    before = [metrics.PLACED.labels(where)._value.get() for where in ("planned", "elsewhere")]
    placement.Placement(on.world, lambda: None).reconcile()
    after = [metrics.PLACED.labels(where)._value.get() for where in ("planned", "elsewhere")]

    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 1]


def test_where_nodes_are_not_held_the_successor_is_nominated():
    """Again whenever a failed attempt has erased it; no node carries a taint and no pod a toleration."""
    on = stage.Stage(placement="nominate")
    starting(on)
    plan(on, "web-a")
    goes(on, "web-a")
    comes(on, "web-b")
    loop = placement.Placement(on.world, lambda: None)
    for _ in range(2):
        loop.reconcile()
        successor = on.get(kinds.POD, "web-b", "default")
        assert successor["status"]["nominatedNodeName"] == "node-new"
        on.patch(kinds.POD, "web-b", {"status": {"nominatedNodeName": None}}, namespace="default")

    assert not held(on)
    assert not placement.tolerates(successor, "new")


def test_one_place_is_for_one_pod():
    """The second one of the class has to be planned for."""
    on = stage.Stage()
    starting(on)
    plan(on, "web-a")
    goes(on, "web-a")
    comes(on, "web-b")
    comes(on, "web-c")
    loop = placement.Placement(on.world, lambda: None)
    loop.reconcile()

    assert [on.world.slots.has(f"uid-{name}") for name in ("web-b", "web-c")] == [True, False]


def test_a_pod_that_moves_keeps_its_place_until_it_is_evicted_and_its_successor_takes_it():
    """Its node waits for the other one and is then drained."""
    on = stage.Stage()
    on.machine("old", "b3-8", "DisruptionReason")
    starting(on, "Registered", "Initialized")
    comes(on, "web-a")
    on.pod("web-a", "node-old")
    give(on, "web-a", origin="node-old")
    loop = placement.Placement(on.world, lambda: None)
    loop.reconcile()
    assert held(on)
    goes(on, "web-a")
    on.pod("web-b", "")
    loop.reconcile()
    assert placement.tolerates(on.get(kinds.POD, "web-b", "default"), "new")
    on.pod("web-b", "node-new")
    loop.reconcile()

    assert not held(on)
    assert not on.world.slots.all()


def test_a_node_that_is_given_back_keeps_its_pods_and_no_place_elsewhere():
    """The disruption was called off."""
    on = stage.Stage()
    on.machine("old", "b3-8")
    starting(on)
    on.pod("web-a", "node-old")
    give(on, "web-a", origin="node-old")
    placement.Placement(on.world, lambda: None).reconcile()

    assert not on.world.slots.all()
    assert not held(on)


def test_a_place_that_nobody_takes_is_given_up_half_a_minute_after_the_last_that_was_taken():
    """As long as planned pods arrive the node is held, and not for ever."""
    on = stage.Stage()
    starting(on, "Registered", "Initialized")
    plan(on, "web-a")
    plan(on, "web-b")
    goes(on, "web-b")
    loop = placement.Placement(on.world, lambda: None)
    on.now += 25
    on.pod("web-a", "node-new")
    loop.reconcile()
    on.now += 25
    loop.reconcile()
    assert held(on)
    on.now += 6
    loop.reconcile()

    assert not held(on)
    assert not on.world.slots.all()


def filled_before_another() -> tuple[stage.Stage, placement.Placement]:
    """The node has its pod, while the pod `late` of the same plan waits for another that has not joined yet."""
    on = stage.Stage()
    starting(on, "Registered", "Initialized")
    plan(on, "web")
    comes(on, "late")
    give(on, "late", "other")
    on.put(kinds.NODE_CLAIM, make.claim("other", make.condition("Launched")))
    loop = placement.Placement(on.world, lambda: None)
    loop.reconcile()
    on.pod("web", "node-new")
    loop.reconcile()
    return on, loop


def test_what_is_left_of_a_full_node_is_kept_from_pods_that_wait_for_others():
    """They would take it and leave their own places empty; half a minute after the last of its own pods it is free."""
    on, loop = filled_before_another()
    assert held(on)
    on.now += 31
    loop.reconcile()
    assert not held(on)
    assert [slot.pod for slot in on.world.slots.all()] == ["default/late"]


def test_a_full_node_is_let_go_when_nobody_waits_any_more():
    """With the last pod of the last node."""
    on, loop = filled_before_another()
    assert held(on)
    on.pod("late", "node-other")
    loop.reconcile()

    assert not held(on)


@pytest.mark.parametrize("lacks", ["a startup taint", "a device"])
def test_a_node_is_not_held_while_daemons_have_to_prepare_it(lacks):
    """They tolerate no taint of ours, so the node would never be ready; it is held as soon as they are done."""
    on = stage.Stage()
    taint = {"key": "example.com/agent", "effect": "NoSchedule"}
    starting(on, "Registered", taints=(taint,) if lacks == "a startup taint" else ())
    claim = on.get(kinds.NODE_CLAIM, "new")
    claim["spec"] |= {"startupTaints": [taint], "resources": {"requests": {"nvidia.com/gpu": "1", "cpu": "1"}}}
    on.put(kinds.NODE_CLAIM, claim)
    node = on.get(kinds.NODE, "node-new")
    node["status"]["allocatable"]["nvidia.com/gpu"] = "0" if lacks == "a device" else "1"
    on.put(kinds.NODE, node)
    plan(on, "web")
    loop = placement.Placement(on.world, lambda: None)
    loop.reconcile()
    assert not held(on)
    node = on.get(kinds.NODE, "node-new")
    node["spec"]["taints"], node["status"]["allocatable"]["nvidia.com/gpu"] = [], "1"
    on.put(kinds.NODE, node)
    loop.reconcile()

    assert held(on)


def test_a_node_that_appears_while_pods_are_written_to_is_held_soon():
    """With a slow API server one pass over many pods would take longer than the next node takes to be ready."""
    on = stage.Stage()
    starting(on)
    on.machine("second", "b3-8")
    for number in range(6):
        plan(on, f"web-{number}")
    plan(on, "other")
    give(on, "other", "second")
    patched = on.patch

    def slow(*arguments: Any, **more: Any) -> make.Object:
        on.now += 0.3
        return patched(*arguments, **more)

    on.patch = slow  # type: ignore[method-assign]
    loop = placement.Placement(on.world, lambda: None)
    assert not loop.reconcile()
    assert not placement.tolerates(on.get(kinds.POD, "other", "default"), "second")
    on.machine("third", "b3-8")
    plan(on, "last")
    give(on, "last", "third")
    loop.reconcile()
    assert placement.holds(on.get(kinds.NODE, "node-third"))
    while not loop.reconcile():
        continue
    for pod, claim in (("web-5", "new"), ("other", "second"), ("last", "third")):
        assert placement.tolerates(on.get(kinds.POD, pod, "default"), claim)
