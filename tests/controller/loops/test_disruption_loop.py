"""The disruption loop against a cluster in memory: validation, replacements first, giving back, and death anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.kube import conditions, kinds
from controller.loops import disruption, question
from tests.controller.loops import stage


def loop(on: stage.Stage) -> disruption.Disruption:
    return disruption.Disruption(on.world, question.Questions(on.world), lambda: None)


def tainted(on: stage.Stage, node: str) -> bool:
    found = on.get(kinds.NODE, node)
    return any(each["key"] == "karpenter.sh/disrupted" for each in found["spec"]["taints"])


def deleted(on: stage.Stage) -> set[str]:
    return {name for name, claim in on.claims().items() if "deletionTimestamp" in claim["metadata"]}


def large_node(*, dry_run: bool = False, **disruption_spec: Any) -> stage.Stage:
    """A node of 32 GB with pods that fit on a cheaper one."""
    on = stage.Stage(dry_run=dry_run)
    on.node_pool(**disruption_spec)
    on.machine("large", "b3-32", pods=3)
    on.now += 60
    return on


def chosen(on: stage.Stage, running: disruption.Disruption) -> str:
    """Let the loop come to its decision; the name of the claim that replaces the large one."""
    running.tick()
    on.now += 16
    running.tick()
    return next(iter(set(on.claims()) - {"large"}), "")


def test_an_empty_node_goes_when_it_still_is_after_the_delay():
    """Not at once."""
    on = stage.Stage()
    on.node_pool()
    on.machine("idle", "b3-8")
    on.now += 60
    running = loop(on)
    running.tick()
    on.now += 14
    running.tick()
    assert not deleted(on)
    on.now += 2
    running.tick()

    assert deleted(on) == {"idle"}
    assert tainted(on, "node-idle")


def test_a_pod_that_comes_meanwhile_saves_the_node():
    """The second answer is about the cluster as it is then."""
    on = stage.Stage()
    on.node_pool(consolidationPolicy="WhenEmpty")
    on.machine("idle", "b3-8")
    on.now += 60
    running = loop(on)
    running.tick()
    on.pod("new", "node-idle")
    on.now += 16
    running.tick()

    assert not deleted(on)
    assert not tainted(on, "node-idle")


def test_the_replacement_comes_first():
    """The node is kept free of new pods, and goes when the other one is ready."""
    on = large_node()
    running = loop(on)
    new = chosen(on, running)
    assert new
    assert tainted(on, "node-large")
    assert conditions.is_true(on.claims()["large"], "DisruptionReason")
    running.tick()
    assert not deleted(on)
    on.comes_up(new)
    running.tick()

    assert deleted(on) == {"large"}


def test_while_it_waits_nobody_buys_for_its_pods_again():
    """For other plans the node is in deletion, and its pods have their place on the replacement."""
    on = large_node()
    running = loop(on)
    chosen(on, running)
    before = set(on.claims())
    for _ in range(3):
        on.now += 20
        running.tick()

    assert set(on.claims()) == before


def test_a_node_whose_replacement_does_not_come_is_given_back():
    """Taint and condition are gone; the next plan judges anew."""
    on = large_node()
    running = loop(on)
    new = chosen(on, running)
    on.delete(kinds.NODE_CLAIM, new)
    running.tick()

    assert not tainted(on, "node-large")
    assert not conditions.is_true(on.claims()["large"], "DisruptionReason")
    assert not deleted(on) - {new}


@pytest.mark.parametrize(
    ("spec", "states"),
    [
        ({"budgets": [{"nodes": "0"}]}, ()),
        ({"consolidateAfter": "Never"}, ()),
        ({"consolidationPolicy": "WhenEmpty"}, ()),
        ({"budgets": [{"nodes": "0", "reasons": ["Drifted"]}], "consolidateAfter": "Never"}, ("Drifted",)),
    ],
)
def test_what_keeps_a_node(spec, states):
    """Budgets of 0, no consolidation, only empty nodes, no drift."""
    on = stage.Stage()
    on.node_pool(**spec)
    on.machine("large", "b3-32", *states, pods=3)
    on.now += 60
    assert not chosen(on, loop(on))
    assert not tainted(on, "node-large")


def test_nothing_is_disrupted_while_ovh_cannot_be_asked():
    """A replacement could not be bought, and a removal not be made."""
    on = large_node()
    on.world.places["default"].ready = False

    assert not chosen(on, loop(on))


@pytest.mark.parametrize("writes", range(1, 9))
def test_killed_after_any_write_the_end_is_the_same(writes):
    """
    A node is replaced: whatever was written when the process died, the next one ends with one small node and no taint on
    a node that stays.
    """
    on = large_node()
    on.lives = writes
    try:
        new = chosen(on, loop(on))
        on.comes_up(new)
        loop(on).tick()
    except stage.Killed:
        pass
    on.restart()
    running = loop(on)
    for _ in range(12):
        for name in set(on.claims()) - {"large"}:
            if not conditions.is_true(on.claims()[name], "Initialized"):
                on.comes_up(name)
        on.now += 20
        running.tick()

    assert deleted(on) >= {"large"}
    assert len(set(on.claims()) - {"large"} - deleted(on)) == 1


def would(on: stage.Stage) -> list[tuple[str, str]]:
    """What a dry run says it would disrupt: object and words."""
    return [(name, note) for name, reason, note in on.said.events if reason == "DisruptionTerminating"]


def unwritten(on: stage.Stage, *nodes: str) -> bool:
    """Whether nothing was written, and these nodes are free for pods as the controller sees them."""
    seen = {node["metadata"]["name"]: node["spec"]["taints"] for node in on.mirror.all(kinds.NODE)}
    taints = [seen[node] for node in nodes]
    return not on.writes and not any(taints) and not deleted(on)


def test_a_dry_run_tells_what_it_would_replace_and_replaces_nothing():
    """Node and claim say what would come instead; the plan stands where people look for it; once, while nothing changes."""
    on = large_node(dry_run=True)
    running = loop(on)
    assert not chosen(on, running)

    said = "Would disrupt {}: Underutilized, replaced by {} in nova; not done, this is a dry run"
    kind_of = {"node-large": "Node", "large": "NodeClaim"}
    assert [name for name, _ in would(on)] == ["node-large", "large"]
    for name, note in would(on):
        instead = note.split("replaced by ")[1].split()[0]
        assert note == said.format(kind_of[name], instead)
        assert instead != "b3-32"
    assert on.world.last_plan["controller"] == "disruption"
    assert json.loads(on.world.last_plan["plan.json"])["delete"][0]["nodeClaim"] == "large"
    assert unwritten(on, "node-large")
    assert not conditions.is_true(on.claims()["large"], "DisruptionReason")

    for _ in range(5):
        on.now += 20
        running.tick()
    assert len(would(on)) == 2


def test_a_dry_run_tells_of_empty_and_of_expired_nodes():
    """Expiry needs no plan; an empty node has no replacement."""
    on = stage.Stage(dry_run=True)
    on.node_pool()
    on.machine("idle", "b3-8")
    on.machine("old", "b3-8")
    old = on.claims()["old"]
    old["spec"]["expireAfter"] = "30s"
    on.put(kinds.NODE_CLAIM, old)
    on.now += 60
    chosen(on, loop(on))

    expired = "Would disrupt {}: Expired; not done, this is a dry run"
    empty = "Would disrupt {}: Empty; not done, this is a dry run"
    assert set(would(on)) >= {
        ("node-old", expired.format("Node")),
        ("old", expired.format("NodeClaim")),
        ("node-idle", empty.format("Node")),
        ("idle", empty.format("NodeClaim")),
    }
    assert unwritten(on, "node-idle", "node-old")


def test_a_dry_run_leaves_what_is_under_way_and_static_pools_alone():
    """A disruption that a controller without dry run began is its to end; so is the size of a static pool."""
    on = stage.Stage(dry_run=True)
    on.node_pool(replicas=0)
    on.machine("marked", "b3-8", "DisruptionReason", pods=1)
    chosen(on, loop(on))

    assert not would(on)
    assert unwritten(on, "node-marked")
    assert conditions.is_true(on.claims()["marked"], "DisruptionReason")
