"""The harness around the real Karpenter: upstream's decisions, priced as a provider would buy, and carried out."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from bench.peers import karpenter

ZONE = "topology.kubernetes.io/zone"
EXAMPLE = pathlib.Path(karpenter.__file__).with_name("example.json")

Json = dict[str, Any]


missing = karpenter.missing()
if missing:
    pytest.skip(missing, allow_module_level=True)


def offer(flavor: str, price: float, cores: int, zone: str = "a") -> Json:
    """A flavor of so many cores, all of them allocatable."""
    amounts = {"cpu": str(cores), "memory": f"{4 * cores}Gi", "pods": "110"}
    return {"flavor": flavor, "zone": zone, "price": price, "capacity": amounts, "allocatable": amounts, "labels": {}}


def pod(name: str, cpu: str = "1", node: str | None = None, **spec: Any) -> Json:
    if node:
        spec["nodeName"] = node
    containers = [{"name": "main", "image": "none", "resources": {"requests": {"cpu": cpu}}}]
    metadata = {"name": name, "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def node_pool(**disruption: Any) -> Json:
    reference = {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": "general"},
        "spec": {
            "template": {"spec": {"nodeClassRef": reference, "requirements": []}},
            "disruption": {"consolidateAfter": "0s", "consolidationPolicy": "WhenEmptyOrUnderutilized", **disruption},
        },
    }


def running(name: str, flavor: str, cores: int) -> tuple[Json, Json]:
    """A node of the pool `general` and its claim, ready to be consolidated."""
    labels = {
        "karpenter.sh/nodepool": "general",
        "karpenter.sh/capacity-type": "on-demand",
        "karpenter.sh/registered": "true",
        "karpenter.sh/initialized": "true",
        "node.kubernetes.io/instance-type": flavor,
        "kubernetes.io/hostname": name,
        ZONE: "a",
    }
    amounts = {"cpu": str(cores), "memory": f"{4 * cores}Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": f"test://{name}"},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }
    since = "2026-01-01T00:00:00Z"
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "lastTransitionTime": since, "message": ""}
        for kind in ("Launched", "Registered", "Initialized", "Consolidatable")
    ]
    claim = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {"name": f"claim-{name}", "labels": labels},
        "spec": {"nodeClassRef": node_pool()["spec"]["template"]["spec"]["nodeClassRef"], "requirements": []},
        "status": {"providerID": f"test://{name}", "nodeName": name, "conditions": conditions},
    }
    return node, claim


def fragmented(**changes: Any) -> Json:
    """Two nodes of 4 cores at 0.4 EUR/h, each with one pod of a core; 2 cores would cost 0.2 EUR/h."""
    nodes, claims = zip(*(running(name, "four", 4) for name in ("left", "right")), strict=True)
    return {
        "mode": "consolidate",
        "offers": [offer("two", 0.2, 2), offer("four", 0.4, 4)],
        "nodePools": [node_pool(budgets=[{"nodes": "100%"}])],
        "nodes": nodes,
        "nodeClaims": claims,
        "pods": [pod("x", node="left"), pod("y", node="right")],
        **changes,
    }


def provision(**problem: Any) -> Json:
    """The plan of one run with one worker."""
    answer = karpenter.run({"nodePools": [node_pool()], **problem})
    (result,) = answer["results"]
    plan: Json = result["plan"]
    return plan


def consolidate(problem: Json) -> Json:
    (result,) = karpenter.run(problem)["results"]
    assert isinstance(result, dict)
    return result


def test_the_example_is_answered_for_each_number_of_workers():
    """Per number of workers: the seconds of each run, a plan, and upstream's words for what has no place."""
    question = json.loads(EXAMPLE.read_text())

    answer = karpenter.run(question)

    assert answer["karpenter"] == "1.14.1"
    assert [result["workers"] for result in answer["results"]] == [1, 2]
    for result in answer["results"]:
        assert len(result["seconds"]) == len(result["hourlyEur"]) == question["runs"]
        (claim,) = result["plan"]["claims"]
        assert (claim["nodePool"], claim["flavor"], claim["zone"]) == ("general", "b3-16", "eu-west-par-b")
        assert claim["labels"]["example.com/family"] == "b3"
        assert claim["pods"] == ["default/in-b", "default/web-0", "default/web-1"]
        assert result["plan"]["hourlyEur"] == claim["hourlyEur"] == 0.1023
        (unplaced,) = result["plan"]["unplaced"]
        assert unplaced["pod"] == "default/huge"
        assert unplaced["error"].startswith("no instance type has enough resources")


def test_a_claim_is_bought_at_the_cheapest_offering_that_it_still_allows():
    """Any flavor of 2 cores or more would do: flavor and zone of the lowest price are taken."""
    offers = [offer("large", 0.4, 4), offer("small", 0.3, 2), offer("small", 0.2, 2, zone="b")]

    (claim,) = provision(offers=offers, pods=[pod("x")])["claims"]

    assert (claim["flavor"], claim["zone"], claim["hourlyEur"]) == ("small", "b", 0.2)
    assert claim["openFlavors"] == 2


def test_room_for_daemon_sets_is_kept():
    """A pod of a core beside a DaemonSet's half core needs the larger flavor."""
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": pod("agent", "500m")["spec"]}
    agent = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template},
    }
    offers = [offer("one", 0.1, 1), offer("two", 0.2, 2)]

    (claim,) = provision(offers=offers, pods=[pod("x")], daemonSets=[agent])["claims"]

    assert claim["flavor"] == "two"


def test_room_on_existing_nodes_is_used_first():
    """A node with 3 free cores takes three of four pods."""
    node, claim = running("old", "four", 4)
    pods = [pod("there", node="old"), *(pod(f"new-{number}") for number in range(4))]

    plan = provision(offers=[offer("one", 0.1, 1)], nodes=[node], nodeClaims=[claim], pods=pods)

    assert len(plan["existing"]["old"]) == 3
    assert [len(claim["pods"]) for claim in plan["claims"]] == [1]


def test_a_volume_of_a_zone_decides_the_zone():
    """The zone in a Cinder volume's node affinity is the node's zone."""
    term = {"matchExpressions": [{"key": "topology.cinder.csi.openstack.org/zone", "operator": "In", "values": ["b"]}]}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "volume"},
        "spec": {
            "csi": {"driver": "cinder.csi.openstack.org", "volumeHandle": "v"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"volumeName": "volume", "storageClassName": "csi"},
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    offers = [offer("one", 0.1, 1), offer("one", 0.3, 1, zone="b")]

    plan = provision(offers=offers, pods=[pod("x", volumes=volumes)], objects=[volume, claim])

    assert [claim["zone"] for claim in plan["claims"]] == ["b"]


def test_manifests_become_a_question_over_the_catalogue():
    """Manifests are sorted by kind; offers are the flavors of the node class's region with known prices."""
    node_class = {"kind": "OVHNodeClass", "metadata": {"name": "default"}, "spec": {"region": "EU-WEST-PAR"}}

    question = karpenter.problem([node_class, node_pool(), pod("x")], runs=2)
    (result,) = karpenter.run(question)["results"]

    assert {each["zone"] for each in question["offers"]} == {"eu-west-par-a", "eu-west-par-b", "eu-west-par-c"}
    assert len(result["seconds"]) == 2
    (claim,) = result["plan"]["claims"]
    cheapest = min(
        each["price"]
        for each in question["offers"]
        if not each["allocatable"]["cpu"].endswith("m") or int(each["allocatable"]["cpu"][:-1]) >= 1000
    )
    assert claim["hourlyEur"] >= cheapest
    assert claim["labels"]["topology.kubernetes.io/region"] == "EU-WEST-PAR"
    with pytest.raises(ValueError, match="Deployment web: the peer reads no Deployment"):
        karpenter.problem([node_class, {"kind": "Deployment", "metadata": {"name": "web"}}])


def test_consolidation_goes_on_until_nothing_is_left_to_do():
    """Two large nodes with a core each in use end as one small node with both pods."""
    result = consolidate(fragmented())

    assert result["hourlyBefore"] == pytest.approx(0.8)
    assert result["hourlyAfter"] == pytest.approx(0.2)
    (node,) = result["fleet"]
    assert (node["flavor"], node["hourlyEur"], node["pods"]) == ("two", 0.2, ["default/x", "default/y"])
    assert {name for command in result["commands"] for name in command["deleted"]} >= {"left", "right"}
    assert result["evictions"] == sum(len(command["moves"]) for command in result["commands"]) >= 2
    assert result["commands"][-1]["hourlyAfter"] == result["hourlyAfter"]


def test_empty_nodes_go_first():
    """A node without pods is deleted without an eviction."""
    result = consolidate(fragmented(pods=[pod(name, "2", node="left") for name in ("x", "y")]))

    assert [(command["method"], command["deleted"]) for command in result["commands"]] == [("empty", ["right"])]
    assert result["evictions"] == 0


def test_a_budget_of_pods_that_allows_nothing_holds_all_nodes():
    """Allowed disruptions are summed up from the running pods where the budget comes without a status."""
    pdb = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    }
    assert consolidate(fragmented(pdbs=[pdb]))["commands"] == []

    pdb = {**pdb, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    assert consolidate(fragmented(pdbs=[pdb]))["commands"] != []


def test_nodes_that_have_gone_may_use_their_budget_up():
    """A budget of one lets empty nodes go one after the other, and only one of them at once."""
    problem = fragmented(nodePools=[node_pool(budgets=[{"nodes": "1"}])], pods=[])

    assert len(consolidate(problem)["commands"]) == 2
    assert len(consolidate({**problem, "atOnce": True})["commands"]) == 1


def test_a_budget_of_nodes_holds_at_its_hours():
    """`now` is the instant at which schedules are looked at."""
    closed = {"nodes": "0", "schedule": "0 9 * * *", "duration": "1h"}
    problem = fragmented(nodePools=[node_pool(budgets=[{"nodes": "100%"}, closed])])

    assert consolidate({**problem, "now": "2026-03-02T09:30:00Z"})["commands"] == []
    assert consolidate({**problem, "now": "2026-03-02T10:30:00Z"})["commands"] != []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "repack"}, 'mode is "repack": write provision or consolidate'),
        ({"offers": []}, "offers is empty"),
        ({"objects": [{"kind": "Secret"}]}, 'objects\\[0\\]: kind "Secret" is not used here'),
        ({"offers": [offer("one", 0.1, 1), offer("one", 0.1, 2, zone="b")]}, "offers of one differ between zones"),
        ({"pods": [{"metadata": {"name": 1}}]}, "reading the problem"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(change: Json, message: str):
    """What is wrong and where, on standard error."""
    with pytest.raises(RuntimeError, match=f"^karpenter-peer: .*{message}"):
        karpenter.run({**fragmented(), **change})


WEB = {"matchLabels": {"app": "web"}}
TWO_ZONES = [offer("four", 0.4, 4, zone) for zone in ("a", "b")]


def spread(key: str) -> Json:
    """Fields of a pod that counts the pods of `web`."""
    constraint = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": WEB}
    return {"topologySpreadConstraints": [constraint]}


def labelled(manifest: Json, **labels: str) -> Json:
    manifest["metadata"]["labels"] = labels
    return manifest


def test_pods_of_a_claim_whose_zone_is_open_are_not_counted():
    """
    Two pods of `web` are on a claim before a pod settles its zone that counts them. Upstream has counted none of them by
    then, so the pod may stay, and in the end two are there and none in the other zone. Where their zone was settled before
    they came, upstream counts them and takes the other zone.
    """
    counts = labelled(pod("counts", "500m", **spread(ZONE)))

    (claim,) = provision(offers=TWO_ZONES, pods=[pod("web-0"), pod("web-1"), counts])["claims"]
    assert claim["pods"] == ["default/counts", "default/web-0", "default/web-1"]
    assert len(claim["openZones"]) == 1

    fixed = [pod(f"web-{i}", nodeSelector={ZONE: "a"}) for i in range(2)]
    claims = provision(offers=TWO_ZONES, pods=[*fixed, counts])["claims"]
    assert {claim["zone"]: claim["pods"] for claim in claims}["b"] == ["default/counts"]


def test_pods_that_come_later_are_counted_and_go_where_they_like():
    """Two pods of `web` join a host on which a pod spreads them over hosts, while another host has none: as kube-scheduler."""
    pods = [labelled(pod("counts", "2", **spread("kubernetes.io/hostname"))), labelled(pod("alone", "4"))]
    pods += [pod("web-0", "500m"), pod("web-1", "500m")]

    claims = provision(offers=TWO_ZONES, pods=pods)["claims"]

    assert sorted(claim["pods"] for claim in claims) == [
        ["default/alone"],
        ["default/counts", "default/web-0", "default/web-1"],
    ]


def test_the_first_pod_of_a_kind_may_leave_two_zones_open_and_lose_the_others():
    """
    Pairs of pods that have to be in one zone. The first one draws a zone twice; when two are drawn both stay open, so
    nothing is counted and the other one draws for itself. Small pods settle the zones then. It happens to one pair in ten.
    """
    kinds = [f"pair-{i}" for i in range(200)]
    pods = [labelled(pod(f"settles-{zone}-{i}", nodeSelector={ZONE: zone})) for i in range(200) for zone in "ab"]
    for pair in (f"pair-{i}" for i in range(200)):
        term = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": pair}}}
        affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        pods += [labelled(pod(f"{pair}-{i}", "3", affinity=affinity), app=pair) for i in range(2)]

    claims = provision(offers=TWO_ZONES, pods=pods)["claims"]

    zones = {name: claim["zone"] for claim in claims for name in claim["pods"] if len(claim["openZones"]) == 1}
    assert any({zones.get(f"default/{pair}-{i}") for i in range(2)} == {"a", "b"} for pair in kinds)


def test_pods_that_wait_are_placed_in_another_round():
    """What was decided is there by then: one of two pods that wait finds room on it, the other one gets a new node."""
    asked = {
        "nodePools": [node_pool()],
        "offers": [offer("one", 0.1, 1), offer("four", 0.4, 4)],
        "nodes": [],
        "pods": [pod("x", "2"), pod("y", "2"), pod("z")],
    }
    there = {"name": "n", "nodePool": "general", "flavor": "four", "zone": "a", "hourlyEur": 0.4}
    there["labels"] = {ZONE: "a", "node.kubernetes.io/instance-type": "four"}
    there["pods"] = ["default/x", "default/z"]

    plan = karpenter.another_round(asked, [there], waiting=["default/y", "default/z"])

    assert [(claim["flavor"], claim["pods"]) for claim in plan["claims"]] == [
        ("four", ["default/x", "default/y"]),
        ("one", ["default/z"]),
    ]
    assert plan["hourlyEur"] == pytest.approx(0.5)
