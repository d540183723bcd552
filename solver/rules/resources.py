"""
Resources: pods and DaemonSets together fit what a node can give, resource by resource, the number of pods included.

Extended resources, ephemeral storage and hugepages are resources like the others; one that a node does not have is
zero there. A node where some resource is overdrawn still takes pods that do not ask for it, as kube-scheduler's
NodeResourcesFit does. Sources: Karpenter `pkg/utils/resources/resources.go`,
`pkg/controllers/provisioning/scheduling/nodeclaim.go` for the words.
"""

from __future__ import annotations

import numpy as np

from catalog import allocatable
from solver.rules import builder, context

name = "resources"

PODS = allocatable.PODS
FIRST = (allocatable.CPU, allocatable.MEMORY, PODS)
"""These resources always come first in a problem, in this order."""

ABSURD_CPU = 1_000_000_000
"""A million cores, in milli-CPU."""


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """One amount per resource that a class asks for; offers that their own DaemonSets overfill take no pods."""
    asked = {resource for each in about.classes for resource, amount in each.spec.requests if amount > 0}
    overfilled = np.zeros(len(about.table), dtype=np.bool_)
    overfilled[len(about.places) :] = [
        any(amount > offer.allocatable.get(resource, 0) for resource, amount in offer.daemon_requests.items())
        for offer in about.offers
    ]
    into.refuse(name, np.arange(len(about.classes)), overfilled)
    for resource in (*FIRST, *sorted(asked - set(FIRST))):
        requests = np.array([_request(each, resource) for each in about.classes], dtype=np.int64)
        room = [place.room.get(resource, 0) for place in about.places]
        room += [offer.allocatable.get(resource, 0) - offer.daemon_requests.get(resource, 0) for offer in about.offers]
        into.amount(resource, requests, np.array(room, dtype=np.int64), name)


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """Upstream's words; a request for a million cores is taken for a slip of the pen."""
    if place < len(about.places):
        return "exceeds node resources"
    cpu = _request(about.classes[pod_class], allocatable.CPU)
    slip = " (CPU request >= 1 Million, m vs M typo?)" if cpu >= ABSURD_CPU else ""
    return f"no instance type has enough resources{slip}"


def _request(of: context.PodClass, resource: str) -> int:
    return 1 if resource == PODS else next((amount for key, amount in of.spec.requests if key == resource), 0)
