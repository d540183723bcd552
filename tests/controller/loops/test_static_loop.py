"""Static NodePools on a cluster in memory: they grow, shrink and are replaced."""

from __future__ import annotations

from controller.kube import conditions, kinds
from controller.loops import disruption, question
from tests.controller.loops import stage


def passes(on: stage.Stage, count: int = 1) -> None:
    """Passes of the disruption loop; nodes that are new by then come up after each."""
    running = disruption.Disruption(on.world, question.Questions(on.world), lambda: None)
    for _ in range(count):
        on.now += 20
        running.tick()
        for name, claim in on.claims().items():
            if not conditions.find(claim, "Initialized"):
                on.machine(name, claim["metadata"]["labels"]["node.kubernetes.io/instance-type"])
                on.comes_up(name, name)


def staying(on: stage.Stage) -> set[str]:
    return {name for name, claim in on.claims().items() if "deletionTimestamp" not in claim["metadata"]}


def resize(on: stage.Stage, replicas: int) -> None:
    on.patch(kinds.NODE_POOL, "general", {"spec": {"replicas": replicas}})


def drift(on: stage.Stage) -> None:
    """All nodes were made from another node class than the one that is there."""
    for name in staying(on):
        claim = on.get(kinds.NODE_CLAIM, name)
        claim["metadata"]["annotations"] = {"karpenter.ovhcloud.sh/ovhnodeclass-hash": "other"}
        claim["metadata"]["annotations"]["karpenter.ovhcloud.sh/ovhnodeclass-hash-version"] = "v1"
        on.put(kinds.NODE_CLAIM, claim)


def test_a_static_pool_follows_its_replicas():
    """Without a single pod; what is there already counts."""
    on = stage.Stage()
    on.node_pool(replicas=2)
    passes(on, 3)
    first = staying(on)
    assert len(first) == 2
    resize(on, 5)
    passes(on, 3)
    assert first < staying(on)
    assert len(staying(on)) == 5
    resize(on, 1)
    passes(on, 2)

    assert len(staying(on)) == 1


def test_drifted_nodes_are_replaced_one_for_one_within_budgets():
    """One of three at a time, each only after its replacement is there."""
    on = stage.Stage()
    on.node_pool(replicas=3, budgets=[{"nodes": "1"}])
    passes(on, 2)
    old = {on.claims()[name]["metadata"]["uid"] for name in staying(on)}
    drift(on)
    seen = []
    for _ in range(12):
        passes(on)
        seen.append(len(staying(on)))
        for name in set(on.claims()) - staying(on):
            gone = on.get(kinds.NODE_CLAIM, name)
            on.put(kinds.NODE_CLAIM, {**gone, "metadata": {**gone["metadata"], "finalizers": []}})

    assert not old & {claim["metadata"]["uid"] for claim in on.claims().values()}
    assert len(staying(on)) == 3
    assert set(seen) <= {3, 4}


def test_a_static_pool_that_cannot_be_filled_says_so():
    """The quota has room for none."""
    on = stage.Stage()
    on.node_pool(replicas=1)
    on.world.places["default"].quota = {"vcpus": 0, "memory_mb": 0, "instances": 0}
    passes(on, 2)

    assert not on.claims()
    assert "ReplicasMissing" in {reason for _, reason, _ in on.said.events}


def test_drifted_nodes_whose_replacements_cannot_be_had_are_left_in_peace():
    """The first one shows that there is no quota: the others are not even marked."""
    on = stage.Stage()
    on.node_pool(replicas=3, budgets=[{"nodes": "100%"}])
    passes(on, 2)
    drift(on)
    on.world.places["default"].quota = {"vcpus": 0, "memory_mb": 0, "instances": 0}
    passes(on)

    chosen = [name for name, claim in on.claims().items() if conditions.is_true(claim, "DisruptionReason")]
    assert len(chosen) <= 1
    assert len(staying(on)) == 3
