"""Nodes in deletion: their pods move, as far as they may."""

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict


def leaving(pod: cluster.Pod, *objects: object) -> cluster.Cluster:
    """A pod on a node in deletion, and room elsewhere."""
    return b.cluster(b.owned("old", claim={"deleting": True}), b.node("other"), pod, *objects)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"owner": b.owner("StatefulSet", "db"), "deleting": True},
        {"annotations": {"karpenter.sh/do-not-disrupt": "1h"}, "started": 0},
        {"annotations": {"karpenter.sh/do-not-disrupt": "false"}},
        {"annotations": {"karpenter.sh/do-not-disrupt": "-1h"}},
    ],
)
def test_pods_that_move(fields):
    """Running pods, pods of a StatefulSet that are on their way out, and pods whose protection is over."""
    world = leaving(b.pod("web", node="old", **fields))

    assert verdict.verdict(world, b.plan(world, placed={"web": "other"}), now=3600).ok
    assert verdict.verdict(world, b.plan(world, left_out=["web"]), now=3600).ok
    assert verdict.broken(world, b.plan(world), now=3600) == {"pods"}


@pytest.mark.parametrize(
    "fields",
    [
        {"deleting": True},
        {"terminal": True},
        {"owner": b.owner("DaemonSet", "log")},
        {"mirror": True},
        {"annotations": {"karpenter.sh/do-not-disrupt": "true"}},
        {"annotations": {"karpenter.sh/do-not-disrupt": "1h"}, "started": 1},
        {"annotations": {"karpenter.sh/do-not-disrupt": "1h"}},
    ],
)
def test_pods_that_do_not(fields):
    """Pods that end, pods of the node, and pods that may not be disrupted."""
    world = leaving(b.pod("web", node="old", **fields))

    assert verdict.verdict(world, b.plan(world), now=3600).ok
    assert verdict.broken(world, b.plan(world, placed={"web": "other"}), now=3600) == {"pods"}


@pytest.mark.parametrize(
    ("budgets", "moves"),
    [
        ([{"max_unavailable": "1"}], True),
        ([{"max_unavailable": "0"}], False),
        ([{"max_unavailable": "0%"}], False),
        ([{"min_available": "100%"}], False),
        ([{"min_available": "1", "disruptions_allowed": 0}], True),
        ([{"max_unavailable": "1"}, {"max_unavailable": "1"}], False),
        ([{"max_unavailable": "0", "always_allow_unhealthy": True}], False),
    ],
)
def test_budgets_that_never_allow_an_eviction(budgets, moves):
    """Budgets that are closed as written hold a pod, and so do two of them; one that is merely used up does not."""
    objects = [
        cluster.Budget("default", f"pdb-{index}", b.selector(app="web"), **each) for index, each in enumerate(budgets)
    ]
    world = leaving(b.pod("web", node="old", labels={"app": "web"}), *objects)

    assert verdict.broken(world, b.plan(world, placed={"web": "other"})) == (set() if moves else {"pods"})
    assert verdict.broken(world, b.plan(world)) == ({"pods"} if moves else set())


def test_unready_pods_may_be_let_go():
    """A budget with AlwaysAllow does not hold a pod that is not ready."""
    budget = cluster.Budget("default", "pdb", b.selector(app="web"), max_unavailable="0", always_allow_unhealthy=True)
    world = leaving(b.pod("web", node="old", labels={"app": "web"}, ready=False), budget)

    assert verdict.verdict(world, b.plan(world, placed={"web": "other"})).ok
