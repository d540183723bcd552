"""Two pods of a node may not take the same host port."""

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict


def with_port(port: int = 80, ip: str = "0.0.0.0", protocol: str = "TCP") -> cluster.PodSpec:
    return b.spec(100, host_ports=(cluster.HostPort(ip, protocol, port),))


@pytest.mark.parametrize(
    ("other", "clash"),
    [
        (with_port(), True),
        (with_port(ip="10.0.0.1"), True),
        (with_port(81), False),
        (with_port(protocol="UDP"), False),
    ],
)
def test_protocol_port_and_address(other, clash):
    """0.0.0.0 collides with every address; other ports and protocols do not collide."""
    expected = {"host-ports"} if clash else set()
    world = b.cluster(b.node("old"), b.pod("web", with_port()), b.pod("api", other))
    running = b.cluster(b.node("old"), b.pod("web", with_port()), b.pod("api", other, node="old"))

    assert verdict.broken(world, b.plan(world, placed={"web": "old", "api": "old"})) == expected
    assert verdict.broken(running, b.plan(running, placed={"web": "old"})) == expected


def test_two_fixed_addresses_do_not_collide():
    """Different addresses may share a port."""
    world = b.cluster(b.node("old"), b.pod("web", with_port(ip="10.0.0.1")), b.pod("api", with_port(ip="10.0.0.2")))

    assert verdict.verdict(world, b.plan(world, placed={"web": "old", "api": "old"})).ok


def test_two_pods_of_one_kind():
    """Replicas with a host port need a node each."""
    world = b.cluster(b.pods("web", 2, with_port()))

    assert verdict.broken(world, b.plan(world, b.buy(world, "n", ["web-0", "web-1"]))) == {"host-ports"}
    assert verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web-0"]), b.buy(world, "m", ["web-1"]))).ok


def test_daemon_sets_take_ports_on_new_nodes():
    """The port of a DaemonSet that will come to the node is taken."""
    world = b.cluster(b.daemon_set("ingress", with_port()), b.pod("web", with_port()))

    assert verdict.broken(world, b.plan(world, b.buy(world, "n", ["web"]))) == {"host-ports"}
