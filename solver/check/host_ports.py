"""
Host ports: two pods of a node may not take the same port.

Protocol and port are equal, and the addresses are equal or one of them is 0.0.0.0. Ports of running pods and of
DaemonSets that come to the node count. kube-scheduler: NodePorts.
"""

from __future__ import annotations

from collections.abc import Iterator

from solver import cluster, plan
from solver.check import state

RULE = "host-ports"

ANY = "0.0.0.0"  # noqa: S104 (an address to compare with, nothing is bound)


def violations(now: state.State) -> Iterator[plan.Violation]:
    """Planned pods whose host ports somebody else on the node has."""
    for place in dict.fromkeys(place for of in now.planned if of.spec.host_ports for place in of.planned):
        taken = [port for each in now.daemons(place).sets for port in each.spec.host_ports]
        taken += [port for of in place.running for port in of.spec.host_ports]
        for of, many in place.planned.items():
            mine = of.spec.host_ports
            clash = next((port for port in mine if many > 1 or any(collide(port, other) for other in taken)), None)
            if clash is not None:
                words = f"host port {clash.ip}:{clash.port}/{clash.protocol} is taken on the node"
                yield now.violation(RULE, of, place, words, many)
            taken += mine


def collide(one: cluster.HostPort, other: cluster.HostPort) -> bool:
    """Whether two host ports cannot be taken on one node."""
    if (one.protocol, one.port) != (other.protocol, other.port):
        return False
    return one.ip == other.ip or ANY in (one.ip, other.ip)
