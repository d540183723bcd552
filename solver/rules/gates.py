"""
What takes no part: pods that Karpenter would ignore or the planner cannot honour, and nodes that take no pods.

Sources: Karpenter `pkg/controllers/provisioning/provisioner.go` (validation), `scheduler.go` (dynamic resource
allocation).
"""

from __future__ import annotations

import numpy as np

from solver import cluster
from solver.rules import builder, context

name = "gates"

RESOURCE_CLAIMS = "pod has Dynamic Resource Allocation requirements that are not yet supported by Karpenter"


def ignored(spec: cluster.PodSpec) -> str | None:
    """Why pods with this spec are ignored, or None when they are not."""
    return spec.invalid or (RESOURCE_CLAIMS if spec.resource_claims else None)


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Refuse everything to ignored pods, and closed nodes to everybody."""
    everywhere = np.ones(len(about.table), dtype=np.bool_)
    for reason, classes in about.parts(lambda each: ignored(each.spec)):
        if reason:
            into.refuse(name, classes, everywhere)
    closed = np.zeros(len(about.table), dtype=np.bool_)
    closed[: len(about.places)] = [bool(place.closed) for place in about.places]
    into.refuse(name, np.arange(len(about.classes)), closed)


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """The pod's own reason first, then the node's."""
    return ignored(about.classes[pod_class].spec) or about.places[place].closed
