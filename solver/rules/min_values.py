"""
minValues: a new node must leave at least so many different values of a label among the flavors that hold its pods.

Source: https://karpenter.sh/docs/concepts/nodepools/#min-values , `pkg/cloudprovider/types.go`. A plan fixes the zone
and every custom label of a node, so of these keys one value is left. Policy BestEffort asks for no more than there
is, which is no rule at all.
"""

from __future__ import annotations

import numpy as np

from solver import problem
from solver.rules import builder, context

name = "min_values"


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """One block per NodePool and key; offers without the label are refused, since they leave no value."""
    if about.options.min_values_policy == "BestEffort":
        return
    for block in blocks(about):
        refused = np.zeros(len(about.table), dtype=np.bool_)
        refused[len(about.places) :] = about.offers_of(block.node_pool) & (block.value_of < 0)
        into.refuse(name, np.arange(len(about.classes)), refused)
        into.min_values.append(block)


def blocks(about: context.Context) -> list[problem.MinValues]:
    """The minValues of all NodePools, whatever the policy."""
    found = []
    for template in about.templates.values():
        own = about.offers_of(template.name)
        for key, requirement in template.requirements.items():
            minimum = requirement.minimum
            if minimum is not None and minimum > 1:
                _, codes = about.table.codes(key)
                value_of = np.where(own, codes[len(about.places) :], -1)
                found.append(
                    problem.MinValues(f"minValues of {template.name}: {key}", template.name, value_of, minimum)
                )
    return found


def explain(about: context.Context, pod_class: int, place: int) -> str:  # noqa: ARG001
    """Upstream's words."""
    template = about.templates[about.offers[place - len(about.places)].node_pool]
    keys = sorted(key for key, each in template.requirements.items() if each.minimum is not None)
    return f"minValues requirement is not met for label(s) (label(s)=[{' '.join(keys)}])"
