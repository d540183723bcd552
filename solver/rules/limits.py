"""
NodePool limits: the capacity of a NodePool's nodes, old and new together, stays within `spec.limits`.

Exactly reaching a limit is allowed. Sources: https://karpenter.sh/docs/concepts/nodepools/#speclimits ,
`pkg/controllers/provisioning/scheduling/scheduler.go`, `pkg/apis/v1/nodepool.go`. Limits hold exactly within a plan,
`nodes` included, where upstream subtracts the largest flavor still open.
"""

from __future__ import annotations

import numpy as np

from solver import problem
from solver.rules import builder, context

name = "limits"

NODES = "nodes"
NO_NODES = "node limits have been exhausted for nodepool"
EXCEEDED = "all available instance types exceed limits for nodepool (NodePool=/{})"


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """One cap per NodePool and limited resource; offers that alone would break it are refused."""
    every_class = np.arange(len(about.classes))
    for template in about.templates.values():
        own = about.offers_of(template.name)
        for resource, limit in template.limits.items():
            room = limit - template.usage.get(resource, 0)
            capacity = [1 if resource == NODES else each.capacity.get(resource, 0) for each in about.offer_flavors]
            per_offer = np.where(own, np.array(capacity, dtype=np.int64), 0)
            refused = np.zeros(len(about.table), dtype=np.bool_)
            refused[len(about.places) :] = own & (per_offer > room)
            into.refuse(name, every_class, refused)
            if own.any():
                into.caps.append(
                    problem.Cap(
                        f"limits of {template.name}: {resource}", template.name, resource, per_offer, max(room, 0)
                    )
                )


def explain(about: context.Context, pod_class: int, place: int) -> str:  # noqa: ARG001
    """Upstream's words, which are others when the number of nodes is what is limited."""
    template = about.templates[about.offers[place - len(about.places)].node_pool]
    limit = template.limits.get(NODES)
    if limit is not None and template.usage.get(NODES, 0) >= limit:
        return NO_NODES
    return EXCEEDED.format(template.name)
