"""Pods of DaemonSets are neighbours too: kube-scheduler counts them for affinity and anti-affinity."""

from typing import Any

from solver import cluster
from solver.rules import daemon_peers
from tests.solver.rules import world
from tests.solver.rules.world import HOSTNAME, TYPE, ZONE, ZONES

AGENT = {"app": "agent"}


def agent(**fields: Any) -> cluster.DaemonSet:
    """A DaemonSet "agent" in the namespace of the pods."""
    return cluster.DaemonSet("default", "agent", world.spec(50, **fields), AGENT)


def near(key: str = HOSTNAME) -> cluster.PodSpec:
    return world.spec(affinity=(world.near(key, app="agent"),))


def away(key: str = HOSTNAME) -> cluster.PodSpec:
    return world.spec(anti_affinity=(world.near(key, app="agent"),))


def test_anti_affinity_keeps_off_nodes_that_the_daemonset_comes_to():
    """A pod that keeps away from the agent goes only where no agent will be."""
    everywhere = world.compiled(world.pod("web", away()), agent(), world.node("old"))
    on_large = world.compiled(world.pod("web", away()), agent(node_selector=((TYPE, "b3-16"),)))

    assert world.flavors_of(everywhere, "web") == set()
    assert world.nodes_of(everywhere, "web") == set()
    assert world.flavors_of(on_large, "web") == {"b3-8", "l4-32"}


def test_anti_affinity_by_zone_keeps_out_of_zones_that_the_daemonset_comes_to():
    """An agent that runs in one zone only leaves the others."""
    built = world.compiled(world.pod("web", away(ZONE)), agent(node_selector=((ZONE, ZONES[0]),)))

    assert world.zones_of(built, "web") == "bc"


def test_the_daemonsets_own_anti_affinity_keeps_pods_away():
    """Symmetry: what the agent's pods exclude does not join them."""
    excluding = agent(anti_affinity=(world.near(HOSTNAME, app="web"),), node_selector=((TYPE, "b3-16"),))
    built = world.compiled(world.pod("web", labels={"app": "web"}), world.pod("api"), excluding)

    assert world.flavors_of(built, "web") == {"b3-8", "l4-32"}
    assert world.flavors_of(built, "api") == {"b3-8", "b3-16", "l4-32"}


def test_affinity_is_met_by_the_daemonset():
    """A pod that wants an agent beside it goes where one comes, and waits for no other pod."""
    built = world.compiled(world.pod("web", near()), agent(node_selector=((TYPE, "b3-16"),)))

    assert world.flavors_of(built, "web") == {"b3-16"}
    assert built.problem.attractions == ()


def test_pods_of_daemonsets_that_run_are_running_pods():
    """An agent that runs already is not counted as one to come."""
    runs = world.pod("agent-x", world.spec(50), labels=AGENT, node="old", owner=cluster.Owner("DaemonSet", "agent"))
    built = world.compiled(world.pod("web", near()), agent(), runs, world.node("old"))

    assert [mask[0] for _, mask in daemon_peers.sets(built.context)] == [False]


def test_namespaces_of_daemonsets_are_known():
    """A term over all namespaces but one means DaemonSets of namespaces without other pods."""
    outside = cluster.Selector((world.within("kubernetes.io/metadata.name", "NotIn", "default"),))
    term = cluster.PodTerm(HOSTNAME, cluster.Selector(), namespace_selector=outside)
    built = world.compiled(
        world.pod("web", world.spec(anti_affinity=(term,))), cluster.DaemonSet("kube-system", "agent", world.spec(50))
    )

    assert world.flavors_of(built, "web") == set()
