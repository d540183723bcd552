"""Which nodes may be removed, and why."""

from typing import Any

import pytest

from solver import cluster, plan
from tests.solver import builders as b
from tests.solver.check import removals, verdict

OLD, WEB = {"old": "Underutilized"}, {"web": "other"}
HASHES = "karpenter.sh/nodepool-hash", "karpenter.sh/nodepool-hash-version"


def going(*objects: Any, reason: str = "Underutilized", pod: dict[str, Any] | None = None, **node: Any) -> set[str]:
    """Rules broken when node "old" with pod "web" goes for a reason and the pod moves to "other"."""
    about = node.pop("about", {})
    asked = node.pop("asked", {})
    pool = next((each for each in objects if isinstance(each, cluster.NodePool)), None)
    rest = [each for each in objects if each is not pool]
    web = [b.pod("web", node="old", **pod)] if pod is not None else []
    world = removals.world(b.owned("old", claim=about, **node), b.owned("other"), web, *rest, pool=pool)
    answer = removals.removal(world, {"old": reason}, WEB if pod is not None else {})
    return verdict.broken(world, answer, mode="consolidate", **asked)


def test_an_underutilized_node():
    """A node whose pods fit elsewhere."""
    assert going(pod={}) == set()


def test_an_empty_node():
    """Without pods that would have to move; it is not underutilized then, and a node with pods is not empty."""
    assert going(reason="Empty") == set()
    assert going(reason="Underutilized") == {"disruption"}
    assert going(reason="Empty", pod={}) == {"disruption"}


@pytest.mark.parametrize(
    ("pod", "empty"),
    [
        ({"owner": b.owner("DaemonSet", "log")}, True),
        ({"mirror": True}, True),
        ({"terminal": True}, True),
        ({"deleting": True}, True),
        ({"deleting": True, "owner": b.owner("StatefulSet", "db")}, False),
        ({"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-134217728"}}, True),
        ({"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-134217727"}}, False),
    ],
)
def test_what_empty_means(pod, empty):
    """Pods that do not come back elsewhere or cost nothing to evict leave a node empty."""
    world = removals.world(b.owned("old"), b.owned("other"), b.pod("web", node="old", **pod))
    moves = WEB if "annotations" in pod or not empty else {}
    answer = removals.removal(world, {"old": "Empty"}, moves)
    gone = b.changed(answer.delete[0], pods=("default/web",) if moves else ())

    broken = verdict.broken(world, b.changed(answer, delete=(gone,)), mode="consolidate")
    assert broken == (set() if empty else {"disruption"})


@pytest.mark.parametrize(
    ("about", "now", "ok"),
    [
        ({"conditions": {"Drifted": b.condition("True")}}, 0, True),
        ({"conditions": {"Drifted": b.condition("False")}}, 0, False),
        ({}, 0, False),
    ],
)
def test_a_drifted_node(about, now, ok):
    """Drift is what the claim's condition says."""
    assert going(reason="Drifted", pod={}, about=about, asked={"now": now}) == (set() if ok else {"disruption"})


@pytest.mark.parametrize(
    ("claim", "pool", "ok"),
    [
        (("1", "v"), ("2", "v"), True),
        (("1", "v"), ("1", "v"), False),
        (("1", "v"), ("2", "w"), False),
        (None, ("2", "v"), False),
    ],
)
def test_drift_by_hash(claim, pool, ok):
    """Stored hashes that differ under one version mean drift; another version or none means nothing."""
    owner = b.pool(disruption=removals.ALL)
    owner.annotations = dict(zip(HASHES, pool, strict=True))
    about = {"annotations": dict(zip(HASHES, claim, strict=True)) if claim else {}}

    assert going(owner, reason="Drifted", pod={}, about=about) == (set() if ok else {"disruption"})


@pytest.mark.parametrize(("now", "ok"), [(1099, False), (1100, True)])
def test_an_expired_node(now, ok):
    """At creation + expireAfter, and not a second before."""
    about = {"created": 1000, "expire_after": 100}
    assert going(reason="Expired", pod={}, about=about, asked={"now": now}) == (set() if ok else {"disruption"})


def test_never_expires():
    """A claim without expireAfter."""
    assert going(reason="Expired", pod={}, asked={"now": 10**9}) == {"disruption"}


def test_reasons_have_names():
    """A reason that nobody knows."""
    assert going(reason="Bored", pod={}) == {"disruption"}


@pytest.mark.parametrize(
    "node",
    [
        {"about": {"conditions": {"Initialized": b.condition("Unknown")}}},
        {"about": {"conditions": {"Consolidatable": b.condition("False")}}},
        {"annotations": {"karpenter.sh/do-not-disrupt": "true"}},
        {"deleting": True},
        {"about": {"deleting": True}},
    ],
    ids=["not initialized", "not consolidatable", "do not disrupt", "in deletion", "claim in deletion"],
)
def test_nodes_that_are_no_candidates(node):
    """Each of these forbids removing the node."""
    assert "disruption" in going(pod={}, **node)


def test_other_values_of_do_not_disrupt_do_not_hold_a_node():
    """On nodes only "true" counts."""
    assert going(pod={}, annotations={"karpenter.sh/do-not-disrupt": "1h"}) == set()


def test_a_node_promised_to_a_pending_pod():
    """Nominated nodes stay."""
    assert "disruption" in going(b.pod("late", nominated_node="old"), pod={})


def test_nodes_of_nobody_stay():
    """A node without a claim is never removed."""
    world = removals.world(b.node("old"), b.owned("other"), b.pod("web", node="old"))
    assert verdict.broken(world, removals.removal(world, OLD, WEB), mode="consolidate") == {"disruption"}


@pytest.mark.parametrize(
    ("disruption", "reason", "ok"),
    [
        ({"consolidateAfter": "Never"}, "Empty", False),
        ({"consolidateAfter": "Never"}, "Underutilized", False),
        ({"consolidationPolicy": "WhenEmpty"}, "Empty", True),
        ({"consolidationPolicy": "WhenEmpty"}, "Underutilized", False),
    ],
)
def test_what_the_nodepool_allows(disruption, reason, ok):
    """ConsolidateAfter Never switches both off, WhenEmpty allows empty nodes only."""
    pool = b.pool(disruption=removals.ALL | disruption)
    pod: dict[str, Any] | None = {} if reason == "Underutilized" else None

    assert going(pool, reason=reason, pod=pod) == (set() if ok else {"disruption"})


@pytest.mark.parametrize(
    ("pod", "ok"),
    [
        ({"annotations": {"karpenter.sh/do-not-disrupt": "true"}}, False),
        ({"annotations": {"karpenter.sh/do-not-disrupt": "1h"}, "started": 0}, True),
        ({"annotations": {"karpenter.sh/do-not-disrupt": "2h"}, "started": 0}, False),
    ],
)
def test_pods_that_must_not_be_disrupted(pod, ok):
    """Protection by annotation, for ever or for a while."""
    assert going(pod=pod, asked={"now": 3600}) == (set() if ok else {"disruption"})


def test_daemon_pods_that_must_not_be_disrupted_hold_the_node_too():
    """The annotation counts on pods of DaemonSets, and not on pods that are on their way out."""
    log = b.pod("log", node="old", owner=b.owner("DaemonSet", "log"))
    log.annotations = {"karpenter.sh/do-not-disrupt": "true"}

    assert going(log, pod={}) == {"disruption"}
    assert going(b.changed(log, deleting=True), pod={}) == set()


@pytest.mark.parametrize(
    ("budgets", "pod", "ok"),
    [
        ([{"max_unavailable": "1"}], {}, True),
        ([{"max_unavailable": "0"}], {}, False),
        ([{"min_available": "1"}], {}, False),
        ([{"min_available": "0"}], {}, True),
        ([{"min_available": "50%"}], {}, False),
        ([{"max_unavailable": "1", "disruptions_allowed": 0}], {}, False),
        ([{"min_available": "1", "disruptions_allowed": 1}], {}, True),
        ([{"max_unavailable": "1"}, {"max_unavailable": "1"}], {}, False),
        ([{"max_unavailable": "0", "always_allow_unhealthy": True}], {"ready": False}, True),
        ([{"max_unavailable": "0"}], {"ready": False}, False),
        ([{"max_unavailable": "0"}], {"namespace": "other"}, True),
        ([{"max_unavailable": "0"}], {"labels": {"app": "api"}}, True),
    ],
)
def test_pod_disruption_budgets(budgets, pod, ok):
    """What the status allows, or what follows from the pods; two budgets on a pod forbid its eviction."""
    objects = [cluster.Budget("default", f"p{i}", b.selector(app="web"), **each) for i, each in enumerate(budgets)]
    fields = {"labels": {"app": "web"}} | pod
    world = removals.world(b.owned("old"), b.owned("other"), b.pod("web", node="old", **fields), *objects)
    moves = {f"{fields.get('namespace', 'default')}/web": "other"}

    broken = verdict.broken(world, removals.removal(world, OLD, moves), mode="consolidate")
    assert broken - {"pod-disruption-budgets"} == (set() if ok else {"disruption"})


def test_a_grace_period_overrules_pods_when_a_node_has_drifted():
    """The pod that may not be evicted stays until the deadline: it stands with the node and nowhere else."""
    about = {"conditions": {"Drifted": b.condition("True")}, "termination_grace_period": 60}
    held = b.pod("web", node="old", annotations={"karpenter.sh/do-not-disrupt": "true"})
    world = removals.world(b.owned("old", claim=about), b.owned("other"), held)

    answer = removals.removal(world, {"old": "Drifted"})
    assert verdict.verdict(world, answer, mode="consolidate").ok
    moved = removals.removal(world, {"old": "Drifted"}, WEB)
    assert "pods" in verdict.broken(world, moved, mode="consolidate")

    without = b.owned("old", claim={**about, "termination_grace_period": None})
    world = removals.world(without, b.owned("other"), held)
    assert "disruption" in verdict.broken(world, removals.removal(world, {"old": "Drifted"}, WEB), mode="consolidate")


def test_every_pod_needs_a_place():
    """No node goes for money while a pod of it would be left over; an expired one goes all the same."""
    world = removals.world(b.owned("old", claim={"expire_after": 1}), b.owned("other"), b.pod("web", node="old"))

    def leaving(reason: str) -> set[str]:
        answer = removals.removal(world, {"old": reason}, unschedulable=(plan.Unschedulable("default/web", "full"),))
        return verdict.broken(world, answer, mode="consolidate", now=1)

    assert leaving("Underutilized") == {"disruption"}
    assert leaving("Expired") == set()


def test_nothing_is_removed_when_nodes_are_provisioned():
    """Mode provision adds only; repack asks no node whether it may go."""
    held = b.pod("web", node="old", annotations={"karpenter.sh/do-not-disrupt": "true"})
    world = removals.world(b.owned("old"), b.owned("other"), held)
    answer = removals.removal(world, OLD, WEB)

    assert "mode" in verdict.broken(world, answer)
    assert verdict.broken(world, answer, mode="repack") == set()


@pytest.mark.parametrize(
    "change",
    [
        {"node_claim": "other"},
        {"node_pool": "other"},
        {"flavor": "b3-8"},
        {"zone": b.B},
        {"hourly": 1},
        {"pods": ()},
    ],
)
def test_removed_nodes_are_described_as_they_are(change):
    """Claim, pool, flavor, zone, catalogue price and the pods that move."""
    world = removals.world(b.owned("old"), b.owned("other"), b.pod("web", node="old"))
    answer = removals.removal(world, OLD, WEB)
    wrong = b.changed(answer, delete=(b.changed(answer.delete[0], **change),))

    assert verdict.broken(world, wrong, mode="consolidate") - {"cost"} == {"kept-and-removed"}


def test_every_node_with_a_claim_is_kept_or_removed():
    """Those in deletion too; each once, and kept ones with a reason."""
    world = removals.world(b.owned("old"), b.owned("other"), b.node("stranger"), b.pod("web", node="old"))
    answer = removals.removal(world, OLD, WEB)
    kept = plan.KeptNode("other", "general", "it is needed")

    for keep in ((), (kept, kept), (kept, b.changed(kept, node="old")), (kept, b.changed(kept, node="stranger"))):
        assert verdict.broken(world, b.changed(answer, keep=keep), mode="consolidate") == {"kept-and-removed"}
    silent = b.changed(answer, keep=(b.changed(kept, reason=""),))
    assert verdict.broken(world, silent, mode="consolidate") == {"kept-and-removed"}


def test_replacements_save_money():
    """A node is not replaced by one that costs as much, nor do its flavor options say so."""
    world = removals.world(b.owned("old", of="b3-16"), b.pod("web", node="old"))

    def replaced(flavor: str, *options: str) -> set[str]:
        new = b.buy(world, "n", ["web"], flavor, replaces=("old",), flavor_options=options or (flavor,))
        return verdict.broken(world, removals.removal(world, OLD, create=[new]), mode="consolidate")

    assert replaced("b3-8") == set()
    assert replaced("b3-16") == {"net-loss"}
    assert replaced("b3-8", "b3-8", "b3-16") == {"net-loss"}


def test_pods_move_to_nodes_that_are_ready():
    """Not to nodes that boot, nor, to save money, to nodes whose consolidateAfter still runs."""
    waiting = {"conditions": {"Consolidatable": b.condition("Unknown")}}
    young = {"conditions": {"Initialized": b.condition("Unknown")}}
    slow = b.pool(disruption=removals.ALL | {"consolidateAfter": "5m"})
    drifted = {"conditions": {"Drifted": b.condition("True")}}

    def moved(other: dict[str, Any], reason: str, pool: cluster.NodePool | None = None) -> set[str]:
        about = drifted if reason == "Drifted" else {}
        objects = (b.owned("old", claim=about), b.owned("other", claim=other), b.pod("web", node="old"))
        world = removals.world(*objects, pool=pool)
        return verdict.broken(world, removals.removal(world, {"old": reason}, WEB), mode="consolidate")

    assert moved(young, "Underutilized") == {"destination"}
    assert moved(young, "Drifted") == {"destination"}
    assert moved(waiting, "Underutilized") == set()
    assert moved(waiting, "Underutilized", slow) == {"destination"}
    assert moved(waiting, "Drifted", slow) == set()
