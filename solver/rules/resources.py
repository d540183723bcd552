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

LARGEST = 1 << 53
"""More of a resource than this does nobody any good: nine thousand terabytes, or as many thousandths of a core."""

ABSURD_CPU = 1_000_000_000
"""A million cores, in milli-CPU."""
SLIP = " (CPU request >= 1 Million, m vs M typo?)"


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
        room = [place.room.get(resource, 0) for place in about.places]
        room += [offer.allocatable.get(resource, 0) - offer.daemon_requests.get(resource, 0) for offer in about.offers]
        # What is more than any place has is as good as one more, and sums of it stay small enough for 64 bits.
        room = [min(max(0, each), LARGEST) for each in room]
        most = max(room, default=0) + 1
        requests = [min(_request(each, resource), most) for each in about.classes]
        into.amount(resource, np.array(requests, dtype=np.int64), np.array(room, dtype=np.int64), name)


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """Upstream's words; a request for a million cores is taken for a slip of the pen."""
    if place < len(about.places):
        return "exceeds node resources"
    return "no instance type has enough resources" + (SLIP if slip(about.classes[pod_class]) else "")


def slip(of: context.PodClass) -> bool:
    """Whether a request for CPU is so large that it must be a slip of the pen."""
    return _request(of, allocatable.CPU) >= ABSURD_CPU


def _request(of: context.PodClass, resource: str) -> int:
    return 1 if resource == PODS else next((amount for key, amount in of.spec.requests if key == resource), 0)
