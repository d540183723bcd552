"""
Which nodes may go, and in which words they may not (Karpenter core: pkg/controllers/disruption, pkg/utils).

Each test is a cluster of one or two nodes and what the plan says of them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.disruption import worlds

NOW = worlds.NOW
KEEP = "karpenter.sh/do-not-disrupt"
WEB = b.selector(app="web")
TRUE = cluster.ClaimCondition("True", changed=NOW - 60)
FALSE = cluster.ClaimCondition("False")
REPLICA = cluster.Owner("ReplicaSet", "web", "web")
DAEMON = cluster.Owner("DaemonSet", "agent", "agent")


def busy(*more: Any, pod: dict[str, Any] | None = None, pool: cluster.NodePool | None = None, **node: Any) -> Any:
    """A node of 8 CPU with one pod of one CPU, which a node of 2 CPU would hold."""
    fields: dict[str, Any] = {"node": "n1", "labels": {"app": "web"}, "owner": REPLICA} | (pod or {})
    return worlds.world(b.owned("n1", of="b3-32", **node), b.pod("web", **fields), *more, pool=pool)


def idle(*more: Any, pool: cluster.NodePool | None = None, **node: Any) -> cluster.Cluster:
    """An empty node."""
    return worlds.world(b.owned("n1", **node), *more, pool=pool)


def budget(name: str = "web", allowed: int | None = 1, **fields: Any) -> cluster.Budget:
    return cluster.Budget("default", name, WEB, disruptions_allowed=allowed, **fields)


# ----------------------------------------------------------------------------------------------------------------- nodes


def test_an_underutilized_and_an_empty_node():
    """Both go, each for its reason."""
    assert worlds.removed(busy()) == {"n1": "Underutilized"}
    assert worlds.removed(idle()) == {"n1": "Empty"}


def test_nodes_of_nobody_stay_and_are_not_mentioned():
    """A node without a NodeClaim is in neither list."""
    done = worlds.plan_of(worlds.world(b.node("n1")))

    assert (done.delete, done.keep) == ((), ())


def test_not_initialized():
    """Neither condition nor label; the label alone is enough."""
    young = {"conditions": {"Initialized": FALSE}}

    assert worlds.kept(idle(claim=young)) == {"n1": "Node isn't initialized"}
    assert worlds.removed(idle(claim=young, labels={"karpenter.sh/initialized": "true"})) == {"n1": "Empty"}


@pytest.mark.parametrize("fields", [{"deleting": True}, {"claim": {"deleting": True}}])
def test_in_deletion(fields: dict[str, Any]):
    """Whether the Node or its claim."""
    assert worlds.kept(idle(**fields)) == {"n1": "Node is deleting or marked for deletion"}


def test_nominated():
    """A pending pod has been promised its room."""
    waits = b.pod("waits", nominated_node="n1")

    assert worlds.kept(idle(waits)) == {"n1": "Node is nominated for a pending pod"}


def test_do_not_disrupt_on_the_node():
    """Only "true" blocks."""
    blocked = f'Disruption is blocked through the "{KEEP}" annotation'

    assert worlds.kept(idle(annotations={KEEP: "true"})) == {"n1": blocked}
    for other in ("false", "1h", ""):
        assert worlds.removed(idle(annotations={KEEP: other})) == {"n1": "Empty"}


def test_no_nodepool():
    """The label is missing, or names a NodePool that is not there."""
    node = b.node("n1")
    of = worlds.world(node, dataclasses.replace(b.claim("claim-n1", node, ""), labels={}))
    assert worlds.kept(of) == {"n1": "Node doesn't have required label (label=karpenter.sh/nodepool)"}

    of = worlds.world(b.owned("n1", node_pool="lost"))
    assert worlds.kept(of) == {"n1": "NodePool not found (NodePool=lost)"}


# ------------------------------------------------------------------------------------------------------------------ pods


@pytest.mark.parametrize(
    ("value", "started", "free"),
    [
        ("true", NOW - 10**6, False),
        ("1h", NOW - 3599, False),
        ("1h", NOW - 3600, True),
        ("1h", None, False),
        ("0s", NOW, True),
        ("-1h", NOW, True),
        ("soon", NOW, True),
        ("false", NOW, True),
    ],
)
def test_do_not_disrupt_on_a_pod(value: str, started: int | None, free: bool):
    """The word true, or a duration from the pod's start, its end excluded; a pod that has not started is protected."""
    of = busy(pod={"annotations": {KEEP: value}, "started": started})
    words = f'Pod has "{KEEP}" annotation (Pod=default/web)'

    assert worlds.removed(of) == ({"n1": "Underutilized"} if free else {})
    assert worlds.kept(of) == ({} if free else {"n1": words})


@pytest.mark.parametrize("fields", [{"owner": DAEMON}, {"mirror": True}])
def test_pods_that_stay_with_their_node_hold_it_too(fields: dict[str, Any]):
    """do-not-disrupt on a DaemonSet's or mirror pod; without it such pods leave a node empty."""
    held = b.pod("agent", node="n1", annotations={KEEP: "true"}, **fields)
    words = {"n1": f'Pod has "{KEEP}" annotation (Pod=default/agent)'}

    assert worlds.kept(idle(held)) == words
    assert worlds.removed(idle(b.pod("agent", node="n1", **fields))) == {"n1": "Empty"}


@pytest.mark.parametrize("fields", [{"terminal": True}, {"deleting": True}])
def test_pods_that_are_over_hold_nothing(fields: dict[str, Any]):
    """Finished and terminating pods neither block nor keep a node from being empty."""
    assert worlds.removed(idle(b.pod("done", node="n1", annotations={KEEP: "true"}, **fields))) == {"n1": "Empty"}


def test_a_terminating_pod_of_a_statefulset_comes_back():
    """It needs a place, so the node is not empty."""
    pod = {"deleting": True, "owner": cluster.Owner("StatefulSet", "web", "web")}

    assert worlds.removed(busy(pod=pod)) == {"n1": "Underutilized"}


def test_a_pod_that_gladly_goes_leaves_a_node_empty():
    """pod-deletion-cost of -2^27 or less: evicting it costs nothing. It still gets another place."""
    of = busy(pod={"annotations": {"controller.kubernetes.io/pod-deletion-cost": str(-(2**27))}})
    done = worlds.plan_of(of)

    assert {gone.node: gone.reason for gone in done.delete} == {"n1": "Empty"}
    assert "default/web" in done.placements


def test_a_pod_without_a_controller_is_moved():
    """As upstream does; nobody makes it anew, which is its owner's risk."""
    assert worlds.removed(busy(pod={"owner": None})) == {"n1": "Underutilized"}


def test_pods_that_fit_nowhere_else():
    """The pod wants a label that only this node has."""
    of = worlds.world(
        b.owned("n1", of="b3-32", labels={"disk": "local"}),
        b.pod("web", b.spec(node_selector=(("disk", "local"),)), node="n1"),
    )

    ((node, words),) = worlds.kept(of).items()
    assert node == "n1"
    assert words.startswith("Not all pods would schedule, default/web => ")


# -------------------------------------------------------------------------------------------------- PodDisruptionBudgets


def test_a_budget_that_allows_some():
    """One allowed eviction is enough to go, one at a time."""
    assert worlds.removed(busy(budget())) == {"n1": "Underutilized"}


def test_a_budget_that_allows_none():
    """By its status."""
    assert worlds.kept(busy(budget(allowed=0))) == {
        "n1": "Pdb prevents pod evictions (PodDisruptionBudget=[default/web])"
    }


def test_several_budgets_on_one_pod():
    """The eviction API refuses that even when both would allow it; names are sorted."""
    words = "Eviction does not support multiple PDBs (PodDisruptionBudget(s)=[default/a default/b])"

    assert worlds.kept(busy(budget("b", 5), budget("a", 5))) == {"n1": words}


def test_budgets_of_another_namespace_or_of_other_pods():
    """They do not count."""
    elsewhere = cluster.Budget("other", "web", WEB, disruptions_allowed=0)
    others = cluster.Budget("default", "others", b.selector(app="api"), disruptions_allowed=0)

    assert worlds.removed(busy(elsewhere, others)) == {"n1": "Underutilized"}


@pytest.mark.parametrize(
    ("fields", "pods", "ok"),
    [
        ({"max_unavailable": "1"}, 1, True),
        ({"max_unavailable": "0"}, 3, False),
        ({"max_unavailable": "0%"}, 3, False),
        ({"max_unavailable": "10%"}, 3, True),
        ({"min_available": "100%"}, 3, False),
        ({"min_available": "3"}, 3, False),
        ({"min_available": "2"}, 3, True),
        ({"min_available": "67%"}, 3, False),
        ({"min_available": "66%"}, 3, True),
    ],
)
def test_budgets_without_a_status(fields: dict[str, Any], pods: int, ok: bool):
    """Worked out from the pods: percentages rounded up, so 10 % of three may be away, and 67 % of three are all."""
    others = b.pods("other", pods - 1, node="far", labels={"app": "web"}, owner=REPLICA)
    far = b.node("far", of="b3-8")
    of = busy(far, others, cluster.Budget("default", "web", WEB, **fields))

    assert ("n1" in worlds.removed(of)) == ok


def test_unhealthy_pods():
    """AlwaysAllow: a pod that is not ready does not hold its node; with IfHealthyBudget it does."""
    sick = {"ready": False}

    assert worlds.removed(busy(budget(allowed=0, always_allow_unhealthy=True), pod=sick)) == {"n1": "Underutilized"}
    assert worlds.removed(busy(budget(allowed=0), pod=sick)) == {}
    assert worlds.removed(busy(budget(allowed=0, always_allow_unhealthy=True))) == {}


def test_budgets_look_only_at_pods_that_are_evicted():
    """Mirror pods and pods that tolerate the taint of disrupted nodes are not, so that no budget speaks for them."""
    tolerant = b.spec(tolerations=(b.toleration("karpenter.sh/disrupted"),))
    mirror = b.pod("static", node="n1", mirror=True, labels={"app": "web"})

    assert worlds.removed(busy(budget(allowed=0), pod={"of": tolerant})) == {"n1": "Underutilized"}
    assert worlds.removed(idle(mirror, budget(allowed=0))) == {"n1": "Empty"}


# --------------------------------------------------------------------------------------------------- what NodePools allow


def settings(**fields: Any) -> cluster.NodePool:
    return worlds.pool(disruption={"budgets": [{"nodes": "100%"}], **fields})


def test_not_consolidatable_yet():
    """Whether consolidateAfter has run is what the claim says; nothing else is looked at."""
    young = {"conditions": {"Consolidatable": FALSE}}
    words = "Node is not consolidatable: pods came or went within consolidateAfter"

    for after in ("0s", "1h"):
        assert worlds.kept(idle(pool=settings(consolidateAfter=after), claim=young)) == {"n1": words}
        assert worlds.removed(idle(pool=settings(consolidateAfter=after))) == {"n1": "Empty"}


def test_never():
    """Neither empty nor busy nodes, whatever the claim says."""
    never = settings(consolidateAfter="Never")
    words = {"n1": 'NodePool "general" has consolidation disabled'}

    assert worlds.kept(idle(pool=never)) == words
    assert worlds.kept(busy(pool=never)) == words


def test_when_empty():
    """Empty nodes go, busy ones stay."""
    when_empty = settings(consolidateAfter="0s", consolidationPolicy="WhenEmpty")
    words = 'NodePool "general" has consolidation policy WhenEmpty, but node is not empty'

    assert worlds.removed(idle(pool=when_empty)) == {"n1": "Empty"}
    assert worlds.kept(busy(pool=when_empty)) == {"n1": words}


def test_static_nodepools():
    """Their nodes are kept at a number by themselves."""
    static = worlds.pool(replicas=1)

    assert worlds.kept(idle(pool=static)) == {"n1": 'NodePool "general" is static'}


@pytest.mark.parametrize("key", ["karpenter.sh/capacity-type", "topology.kubernetes.io/zone"])
def test_labels_that_consolidation_needs(key: str):
    """Without them a price is not known; empty nodes need none."""
    of, empty = busy(), idle()
    for each in (of, empty):
        node = each.nodes["n1"]
        node.labels = {name: value for name, value in node.labels.items() if name != key}

    assert worlds.kept(of) == {"n1": f'Node does not have label "{key}"'}
    assert worlds.removed(empty) == {"n1": "Empty"}


def test_a_flavor_that_nobody_knows():
    """No price, no consolidation."""
    assert worlds.kept(busy(labels={b.TYPE: "x9-1"})) == {"n1": 'Instance Type "x9-1" not found'}


# ----------------------------------------------------------------------------------------------------------- destinations


def test_pods_do_not_move_to_nodes_within_their_own_window():
    """n2 has room, but pods came to it within its consolidateAfter: a new node is bought for the pod instead."""
    young = {"conditions": {"Consolidatable": FALSE}}
    others = b.pods("other", 2, node="n2")
    target = b.owned("n2", claim=young)

    for after, targets in (("30s", {"general"}), ("0s", {"n2"})):
        done = worlds.plan_of(busy(target, others, pool=settings(consolidateAfter=after)))
        assert {done.placements["default/web"].split("-")[0]} == targets


def test_pods_do_not_move_to_nodes_that_are_not_initialized():
    """Nodes that are still starting take pods that wait, not pods that run."""
    starting = b.owned("n2", claim={"conditions": {"Initialized": FALSE}})

    done = worlds.plan_of(busy(starting))
    assert done.placements["default/web"] != "n2"


# ------------------------------------------------------------------------------------------------------ drift and expiry


def drifted(since: int = NOW - 60, **fields: Any) -> dict[str, Any]:
    return {"conditions": {"Drifted": cluster.ClaimCondition("True", changed=since)}, **fields}


def test_a_drifted_node_goes_at_any_price():
    """Its pod needs a node that costs as much."""
    of = worlds.world(b.owned("n1", of="b3-8", claim=drifted()), b.pod("web", node="n1"))

    assert worlds.removed(of) == {"n1": "Drifted"}


def test_drift_by_hash():
    """Other hash, same version; with another version nothing can be said."""
    keys = ("karpenter.sh/nodepool-hash", "karpenter.sh/nodepool-hash-version")
    pool = worlds.pool()
    pool.annotations = dict(zip(keys, ("new", "v3"), strict=True))
    pods = b.pod("web", node="n1")

    def goes(*values: str) -> dict[str, str]:
        claim = {"annotations": dict(zip(keys, values, strict=True))}
        return worlds.removed(worlds.world(b.owned("n1", of="b3-8", claim=claim), pods, pool=pool))

    assert goes("old", "v3") == {"n1": "Drifted"}
    assert goes("new", "v3") == {}
    assert goes("old", "v2") == {}


def test_drift_takes_empty_nodes_first_then_the_longest_drifted():
    """One at a time: a node without pods that cannot go as empty, then by the time of the condition."""
    pool = worlds.pool(disruption={"consolidateAfter": "Never", "budgets": [{"nodes": "1"}]})

    def first(*nodes: Any) -> str:
        (gone,) = worlds.removed(worlds.world(*nodes, pool=pool))
        return gone

    old = [b.owned("old", of="b3-8", claim=drifted(NOW - 900)), b.pod("a", node="old")]
    late = [b.owned("late", of="b3-8", claim=drifted(NOW - 90)), b.pod("b", node="late")]
    empty = [b.owned("void", of="b3-8", claim=drifted(NOW - 9))]
    assert first(*late, *old, *empty) == "void"
    assert first(*late, *old) == "old"


def test_a_drifted_node_whose_pods_fit_nowhere_stays():
    """Nothing in the NodePool holds the pod."""
    pods = b.pod("web", b.spec(node_selector=(("disk", "local"),)), node="n1")
    of = worlds.world(b.owned("n1", labels={"disk": "local"}, claim=drifted()), pods)

    assert worlds.kept(of)["n1"].startswith("Not all pods would schedule, default/web => ")


def test_a_grace_period_lets_drift_overrule_pods():
    """With terminationGracePeriod the node goes and the protected pod stays on it until the deadline."""
    pod = {"annotations": {KEEP: "true"}}
    done = worlds.plan_of(busy(pod=pod, claim=drifted(termination_grace_period=3600)))

    assert [(gone.node, gone.reason, gone.pods) for gone in done.delete] == [("n1", "Drifted", ("default/web",))]
    assert "default/web" not in done.placements
    assert worlds.removed(busy(pod=pod, claim=drifted())) == {}


def test_a_grace_period_lets_nothing_else_overrule_pods():
    """Consolidation is graceful whatever the period."""
    pod = {"annotations": {KEEP: "true"}}

    assert worlds.removed(busy(pod=pod, claim={"termination_grace_period": 3600})) == {}


@pytest.mark.parametrize(("age", "gone"), [(3599, False), (3600, True), (10**6, True)])
def test_expiry_to_the_second(age: int, gone: bool):
    """At creation plus expireAfter, whatever budgets, annotations and PodDisruptionBudgets say."""
    pool = worlds.pool(disruption={"consolidateAfter": "Never", "budgets": [{"nodes": "0"}]})
    claim = {"expire_after": 3600, "created": NOW - age}
    of = busy(budget(allowed=0), claim=claim, annotations={KEEP: "true"}, pool=pool)

    assert worlds.removed(of) == ({"n1": "Expired"} if gone else {})


def test_never_expires():
    """Never is never."""
    pool = worlds.pool(disruption={"consolidateAfter": "Never"})

    assert worlds.removed(idle(claim={"expire_after": None, "created": 0}, pool=pool)) == {}


# -------------------------------------------------------------------------------------------------- limits while replaced


def test_limits_hold_for_old_and_new_side_by_side():
    """Eight CPUs are there and a replacement of two would make ten."""
    assert worlds.removed(busy(pool=worlds.pool(limits={"cpu": "9"}))) == {}
    assert worlds.removed(busy(pool=worlds.pool(limits={"cpu": "10"}))) == {"n1": "Underutilized"}


def test_quota_holds_for_old_and_new_side_by_side():
    """What is left of the project quota is what a replacement may take."""
    assert worlds.removed(busy(), quota={"vcpus": 1}) == {}
    assert worlds.removed(busy(), quota={"instances": 0}) == {}
    assert worlds.removed(busy(), quota={"vcpus": 2, "instances": 1}) == {"n1": "Underutilized"}


def test_deleting_needs_no_quota():
    """An empty node goes without any."""
    assert worlds.removed(idle(), quota={"instances": 0, "vcpus": 0}) == {"n1": "Empty"}
