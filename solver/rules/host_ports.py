"""
Host ports: no two pods on a node want the same port and protocol at the same address.

An unspecified address is every address. Sources: kube-scheduler's plugin NodePorts; Karpenter
`pkg/scheduling/hostportusage.go` for the words. Ports of DaemonSets count, those of DaemonSet pods still to come
included.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from solver import cluster, problem
from solver.rules import builder, context

name = "host_ports"

UNSPECIFIED = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


def collide(one: cluster.HostPort, other: cluster.HostPort) -> bool:
    """Whether two host ports cannot be on one node."""
    if (one.protocol, one.port) != (other.protocol, other.port):
        return False
    return one.ip == other.ip or one.ip in UNSPECIFIED or other.ip in UNSPECIFIED


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Refuse places whose own pods hold a port, and keep pods of this plan that want the same port apart."""
    wanted = sorted(
        {port for each in about.classes for port in each.spec.host_ports}, key=lambda p: (p.port, p.protocol, p.ip)
    )
    none = np.zeros(len(about.places), dtype=np.int64)
    for port in wanted:
        owners = np.array([port in each.spec.host_ports for each in about.classes], dtype=np.bool_)
        targets = np.array([_any(port, each.spec.host_ports) for each in about.classes], dtype=np.bool_)
        into.refuse(name, np.flatnonzero(owners), _held(about, port))
        into.exclusions.append(
            problem.Exclusion(
                f"host port {port.port}/{port.protocol}", problem.HOST, owners, none, problem.Group(targets, none)
            )
        )


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """The first port that is held there."""
    ports = about.classes[pod_class].spec.host_ports
    port = next(port for port in ports if _held(about, port)[place])
    address = "0.0.0.0" if port.ip in UNSPECIFIED else port.ip  # noqa: S104
    held = f"IP={address}, Port={port.port}, Protocol={port.protocol}"
    return f"checking host port usage, pod hostport conflicts with existing hostport configuration ({held})"


def _any(port: cluster.HostPort, ports: Iterable[cluster.HostPort]) -> bool:
    return any(collide(port, other) for other in ports)


def _held(about: context.Context, port: cluster.HostPort) -> problem.Mask:
    """Places where a running pod, or a DaemonSet pod still to come, holds the port (P,)."""
    daemons = {index for index, spec in enumerate(about.daemons) if _any(port, spec.host_ports)}
    held = [not daemons.isdisjoint(place.daemons) for place in about.places]
    held += [not daemons.isdisjoint(indices) for indices in about.offer_daemons]
    mask = np.array(held, dtype=np.bool_)
    for pod, index in zip(about.running.pods, about.running.place, strict=True):
        if pod.spec.host_ports and _any(port, pod.spec.host_ports):
            mask[index] = True
    return mask
