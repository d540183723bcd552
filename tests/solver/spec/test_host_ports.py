"""Host ports: worked examples, a refusal, a property."""

from __future__ import annotations

import itertools
import random

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.spec import answer


def with_ports(*ports: tuple[str, str, int], cpu: int = 100) -> cluster.PodSpec:
    return b.spec(cpu, b.GIB // 8, host_ports=tuple(cluster.HostPort(*port) for port in ports))


WEB = ("0.0.0.0", "TCP", 80)


@pytest.mark.parametrize(
    ("other", "nodes"),
    [
        (WEB, 2),
        (("0.0.0.0", "UDP", 80), 1),
        (("0.0.0.0", "TCP", 81), 1),
        (("10.0.0.1", "TCP", 80), 2),
        (("10.0.0.1", "UDP", 80), 1),
    ],
)
def test_who_may_share_a_node(other: tuple[str, str, int], nodes: int):
    """The same port and protocol collide on every address when one of the two has none."""
    plan = answer.solved(b.pod("one", with_ports(WEB)), b.pod("two", with_ports(other)))

    assert len(plan.create) == nodes


def test_two_addresses_share_a_port():
    """10.0.0.1:80 and 10.0.0.2:80 are on one node, a third pod on all addresses is not."""
    plan = answer.solved(
        b.pod("one", with_ports(("10.0.0.1", "TCP", 80))),
        b.pod("two", with_ports(("10.0.0.2", "TCP", 80))),
        b.pod("all", with_ports(WEB)),
    )

    assert answer.together(plan, "one", "two")
    assert len(plan.create) == 2


def test_three_pods_of_one_port_need_three_nodes():
    """A tenth of a core each, and still 150."""
    assert answer.solved(b.pods("web", 3, with_ports(WEB))).cost.create == 3 * answer.SMALL


def test_ports_of_running_pods_are_taken():
    """The free node has the port in use: a new one is bought."""
    of = b.cluster(b.node("old"), b.pod("run", with_ports(WEB), node="old"), b.pod("web", with_ports(WEB)))

    assert len(answer.solved(of).create) == 1


def test_a_port_that_a_daemon_set_holds_everywhere():
    """No node is without the agent: the pod is left out, and the port is named."""
    agent = b.daemon_set("agent", with_ports(WEB))

    plan = answer.solved(agent, b.pod("web", with_ports(WEB)))

    assert answer.constraints(plan, "web") == {"general": "host_ports"}
    assert answer.why(plan, "web") == (
        "checking host port usage, pod hostport conflicts with existing hostport configuration "
        "(IP=0.0.0.0, Port=80, Protocol=TCP)"
    )


def test_a_port_that_a_daemon_set_holds_on_some_flavors():
    """The agent runs on nodes without a GPU only: the pod gets the GPU node for 750."""
    selector = (b.node_term(b.expression("node.k8s.ovh/type", "NotIn", "gpu")),)
    agent = b.daemon_set("agent", b.changed(with_ports(WEB), node_terms=selector))

    assert answer.flavors(answer.solved(agent, b.pod("web", with_ports(WEB)))) == {"l4-90": 1}


@pytest.mark.parametrize("seed", range(8))
def test_no_two_pods_of_a_node_collide(seed: int):
    """Random ports, protocols and addresses: nobody is left out, and on no node two entries meet."""
    dice = random.Random(seed)
    draw = [
        (dice.choice(["0.0.0.0", "10.0.0.1", "10.0.0.2"]), dice.choice(["TCP", "UDP"]), dice.choice([80, 81]))
        for _ in range(8)
    ]
    pods = [b.pod(f"web-{n}", with_ports(port)) for n, port in enumerate(draw)]

    plan = answer.solved(*pods)

    assert answer.left_out(plan) == set()
    for (n, one), (m, other) in itertools.combinations(enumerate(draw), 2):
        meet = one[1:] == other[1:] and (one[0] == other[0] or "0.0.0.0" in (one[0], other[0]))
        assert not (meet and answer.together(plan, f"web-{n}", f"web-{m}"))
