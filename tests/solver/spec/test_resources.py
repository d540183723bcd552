"""Resources: worked examples, refusals, a property. What a pod requests is worked out from its manifest here, too."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from solver import snapshot
from tests.solver import builders as b
from tests.solver.spec import answer

MI = b.MIB


def test_the_cheapest_mix():
    """Nine pods of 1.8 cores: a b3-8 holds one for 50, a b3-16 two for 100, a b3-32 four for 200: nine times 50 at best."""
    plan = answer.solved(b.pods("web", 9, b.spec(1800, b.GIB)))

    assert plan.cost.create == 9 * answer.SMALL
    assert plan.status == "optimal"


def test_larger_nodes_where_they_hold_more_for_their_price():
    """Pods of 0.95 cores: one on a b3-8, four on a b3-16: four pods cost 100, not 200."""
    plan = answer.solved(b.pods("web", 4, b.spec(950, b.GIB)))

    assert answer.flavors(plan) == {"b3-16": 1}


def test_memory_decides_as_well_as_cpu():
    """20 GiB and a tenth of a core: a b3-32."""
    assert answer.flavors(answer.solved(b.pod("web", b.spec(100, 20 * b.GIB)))) == {"b3-32": 1}


def test_more_than_the_largest_flavor():
    """The pod is left out in upstream's words, and a request in cores that meant milli-cores is suspected."""
    plan = answer.solved(b.pod("web", b.spec(100_000)), b.pod("typo", b.spec(2_000_000_000)))

    assert answer.why(plan, "web").startswith("no instance type has enough resources: nearest is l4-90 in ")
    assert answer.why(plan, "typo") == "no instance type has enough resources (CPU request >= 1 Million, m vs M typo?)"


def test_requests_beyond_64_bits_leave_the_other_pods_alone():
    """The API server takes up to 2**63 - 1 for each container; the sum of two is more than an integer of numpy holds."""
    absurd = b.spec(2**64, 2**64, requests={"example.com/dongle": 2**63})
    plan = answer.solved(
        b.pods("absurd", 3, absurd), b.pods("web", 2), b.pod("there", absurd, node="old"), b.node("old")
    )

    assert answer.left_out(plan) == {"absurd-0", "absurd-1", "absurd-2"}
    assert answer.flavors(plan) == {"b3-16": 1}


def test_a_node_takes_110_pods():
    """221 tiny pods need three nodes, 220 two."""
    tiny = b.spec(1, MI)

    assert len(answer.solved(b.pods("web", 220, tiny), only_flavors=("b3-8",)).create) == 2
    assert len(answer.solved(b.pods("web", 221, tiny), only_flavors=("b3-8",)).create) == 3


def test_daemon_sets_take_their_share_of_every_node():
    """With 100m and one pod of each node taken, 1.8 cores no longer fit a b3-8, and 109 pods are the most."""
    agent = b.daemon_set("agent")

    assert answer.flavors(answer.solved(agent, b.pod("web", b.spec(1800)))) == {"b3-16": 1}
    assert len(answer.solved(agent, b.pods("web", 110, b.spec(1, MI)), only_flavors=("b3-8",)).create) == 2


def test_daemon_sets_take_it_only_where_they_run():
    """An agent of 1.9 cores for nodes of 4 cores: a pod of 1.8 gets a b3-8, on which there is no agent."""
    large = (b.node_term(b.expression("karpenter.ovhcloud.sh/cpu", "Gt", "3")),)
    agent = b.daemon_set("agent", b.spec(1900, MI, node_terms=large))

    plan = answer.solved(agent, b.pods("web", 2, b.spec(1800)))

    assert answer.flavors(plan) == {"b3-8": 2}


def test_gpus_are_counted():
    """Two pods with a GPU each need two nodes with one; a pod without does not pay for it."""
    gpu = b.spec(500, requests={"nvidia.com/gpu": 1})

    assert answer.flavors(answer.solved(b.pods("train", 2, gpu), b.pod("web", b.spec(500)))) == {"l4-90": 2}


def test_an_extended_resource_that_no_flavor_has():
    """Nobody sells it; an existing node that advertises it takes the pod."""
    rare = b.pod("web", b.spec(500, requests={"example.com/dongle": 1}))

    assert answer.why(answer.solved(rare), "web").endswith("short of example.com/dongle 1 (asked 1, it has none)")
    assert answer.place(answer.solved(rare, b.node("old", allocatable={"example.com/dongle": 1})), "web") == "old"


def test_ephemeral_storage():
    """A b3-8 has 27 GiB of it, a b3-16 68: a pod of 40 GiB costs 100."""
    plan = answer.solved(b.pod("web", b.spec(500, requests={"ephemeral-storage": 40 * b.GIB})))

    assert answer.flavors(plan) == {"b3-16": 1}


def test_hugepages():
    """A node gives them only when it says so: no flavor does."""
    pod = b.pod("web", b.spec(500, requests={"hugepages-2Mi": 64 * MI}))

    assert answer.left_out(answer.solved(pod)) == {"web"}
    assert answer.place(answer.solved(pod, b.node("old", allocatable={"hugepages-2Mi": 128 * MI})), "web") == "old"


def test_what_is_overdrawn_keeps_only_those_away_that_ask_for_it():
    """A node with more storage in use than it has still takes a pod that wants none."""
    of = b.cluster(
        b.node("old", allocatable={"ephemeral-storage": b.GIB}),
        b.pod("run", b.spec(100, requests={"ephemeral-storage": 2 * b.GIB}), node="old"),
        b.pod("web"),
        b.pod("disk", b.spec(100, requests={"ephemeral-storage": MI})),
    )

    plan = answer.solved(of)

    assert answer.place(plan, "web") == "old"
    assert answer.place(plan, "disk") != "old"


def container(cpu: str, **more: Any) -> dict[str, Any]:
    return {"name": more.pop("name", "c"), "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}, **more}


@pytest.mark.parametrize(
    ("spec", "flavor"),
    [
        ({"containers": [container("900m"), container("900m", name="d")]}, "b3-8"),
        ({"containers": [container("1")], "initContainers": [container("3", name="i")]}, "b3-16"),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("1", name="s", restartPolicy="Always"), container("500m", name="i")],
            },
            "b3-16",
        ),
        (
            {
                "containers": [container("100m")],
                "initContainers": [container("2", name="i"), container("1", name="s", restartPolicy="Always")],
            },
            "b3-16",
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "1"}}, "b3-16"),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "6"}}}, "b3-32"),
        ({"containers": [{"name": "c", "resources": {"limits": {"cpu": "3"}}}]}, "b3-16"),
    ],
    ids=["containers", "init container", "sidecar first", "init first", "overhead", "pod level", "limits only"],
)
def test_what_a_pod_requests(spec: dict[str, Any], flavor: str):
    """Containers and sidecars together, init containers one after the other, overhead on top, pod level instead."""
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    read = snapshot.from_objects([manifest])

    assert answer.flavors(answer.solved(b.cluster(list(read.pods.values())))) == {flavor: 1}


@pytest.mark.parametrize("seed", range(8))
def test_no_node_holds_more_than_it_has(seed: int):
    """Random pods with a DaemonSet: everything is placed, and sums stay within allocatable, resource by resource."""
    dice = random.Random(seed)
    agent = b.daemon_set("agent")
    pods = [b.pod(f"web-{n}", b.spec(dice.randint(50, 1700), dice.randint(1, 40) * b.GIB // 8)) for n in range(14)]

    plan = answer.solved(agent, pods, time_limit=5.0)

    assert answer.left_out(plan) == set()
    by_key = {pod.key: pod for pod in pods}
    for node in plan.create:
        total = Counter({"cpu": 100, "memory": 100 * MI, "pods": 1 + len(node.pods)})
        for key in node.pods:
            total.update(dict(by_key[key].spec.requests))
        assert all(amount <= b.SHELF.flavors[node.flavor].allocatable[resource] for resource, amount in total.items())
        assert node.requests == dict(total)
