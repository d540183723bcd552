"""Host ports."""

import pytest

from solver import cluster, problem
from solver.rules import host_ports
from tests.solver.rules import world


def port(number=80, protocol="TCP", ip="0.0.0.0") -> cluster.HostPort:
    return cluster.HostPort(ip, protocol, number)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (port(), port(), True),
        (port(), port(81), False),
        (port(), port(protocol="UDP"), False),
        (port(), port(ip="10.0.0.1"), True),
        (port(ip="10.0.0.1"), port(ip="10.0.0.2"), False),
        (port(ip="10.0.0.1"), port(ip="10.0.0.1"), True),
        (port(ip="::"), port(ip="10.0.0.1"), True),
    ],
)
def test_collisions(one, other, together):
    """Same protocol and port, and the same address or an unspecified one on either side."""
    assert host_ports.collide(one, other) is together
    assert host_ports.collide(other, one) is together


def test_pods_with_one_port_exclude_each_other_on_a_host():
    """Planned pods that want the same port are kept apart, a fixed address against an unspecified one included."""
    built = world.compiled(
        world.pod("wild", world.spec(host_ports=(port(),))),
        world.pod("fixed", world.spec(host_ports=(port(ip="10.0.0.1"),))),
        world.pod("other", world.spec(host_ports=(port(81),))),
        world.pod("none"),
    )

    apart = {
        (frozenset(world.owners(built, e.owners)), frozenset(world.owners(built, e.targets.members)))
        for e in built.problem.exclusions
    }
    assert apart == {
        (frozenset({"wild"}), frozenset({"wild", "fixed"})),
        (frozenset({"fixed"}), frozenset({"wild", "fixed"})),
        (frozenset({"other"}), frozenset({"other"})),
    }
    assert {e.topology for e in built.problem.exclusions} == {problem.HOST}


def test_ports_of_running_pods_are_taken():
    """A node where a pod has the port is refused, in upstream's words."""
    web = world.spec(host_ports=(port(),))
    built = world.compiled(
        world.pod("new", web), world.pod("old", web, node="busy"), world.node("busy"), world.node("free")
    )

    assert world.nodes_of(built, "new") == {"free"}
    rule, words = world.why_node(built, "new", "busy")
    assert rule == "host_ports"
    assert words.startswith("checking host port usage, pod hostport conflicts with existing hostport configuration (")


def test_ports_of_daemons_are_taken_where_they_come():
    """DaemonSets hold their ports on the offers that they fit, and on nodes where their pod is still to come."""
    gpu = (("node.k8s.ovh/type", "gpu"),)
    agent = cluster.DaemonSet("kube-system", "agent", world.spec(host_ports=(port(),), node_selector=gpu))
    node = world.node("old", labels={"node.k8s.ovh/type": "gpu"})

    built = world.compiled(world.pod("web", world.spec(host_ports=(port(),))), agent, node)

    assert world.flavors_of(built, "web") == {"b3-8", "b3-16"}
    assert world.nodes_of(built, "web") == set()
