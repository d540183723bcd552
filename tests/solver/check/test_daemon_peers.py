"""Pods that DaemonSets bring to a node are neighbours for affinity and anti-affinity."""

from typing import Any

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict

AGENT = {"app": "agent"}


def agent(**fields: Any) -> cluster.DaemonSet:
    return cluster.DaemonSet("default", "agent", b.spec(50, b.MIB, **fields), AGENT)


def on_new_node(of: cluster.PodSpec, *objects: Any, **fields: Any) -> set[str]:
    """Rules broken by a plan that buys a node for a pod with this spec."""
    world = b.cluster(b.pod("web", of, **fields), *objects)
    return verdict.broken(world, b.plan(world, b.buy(world, "n", ["web"])))


def test_anti_affinity_to_a_daemonset():
    """A pod that keeps away from the agent does not fit on a node that gets one."""
    away = b.spec(100, b.MIB, anti_affinity=(b.near(b.HOSTNAME, b.selector(app="agent")),))

    assert on_new_node(away) == set()
    assert on_new_node(away, agent()) == {"pod-anti-affinity"}
    assert "pod-anti-affinity" not in on_new_node(away, agent(node_selector=(("no", "where"),)))


def test_anti_affinity_of_a_daemonset():
    """Symmetry: a pod that the agent's pods exclude does not join them."""
    excluding = agent(anti_affinity=(b.near(b.HOSTNAME, b.selector(app="web")),))

    assert on_new_node(b.spec(100, b.MIB), excluding, labels={"app": "web"}) == {"pod-anti-affinity"}
    assert on_new_node(b.spec(100, b.MIB), excluding, labels={"app": "api"}) == set()


def test_affinity_to_a_daemonset():
    """A pod that wants an agent beside it has one on a node that gets one."""
    near = b.spec(100, b.MIB, affinity=(b.near(b.HOSTNAME, b.selector(app="agent")),))

    assert on_new_node(near) == {"pod-affinity"}
    assert on_new_node(near, agent()) == set()
