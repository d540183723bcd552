"""Holding nodes on a cluster in memory: who holds, who comes in, and that nothing stays held."""

from __future__ import annotations

import pytest

from controller import world
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
    made = make.pod(pod)
    made["spec"]["containers"] = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]
    made["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]
    on.put(kinds.POD, made)
    on.world.assignments[f"default/{pod}"] = world.Assignment(f"default/{pod}", f"uid-{pod}", "new", on.now, False)


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
    assert not on.world.assignments
