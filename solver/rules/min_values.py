"""
minValues: a new node must leave at least so many different values of a label among the flavors that hold its pods.

Source: https://karpenter.sh/docs/concepts/nodepools/#min-values , `pkg/cloudprovider/types.go`. Values are those of
flavors. A zone counts for a flavor that can be bought there, although a plan fixes the zone of each node; a custom
label is no flavor's, so that asking for choice in one leaves nothing. Policy BestEffort asks for no more than there
is, which is no rule at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from catalog import labels
from solver import problem
from solver.rules import builder, context

name = "min_values"


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """One block per NodePool and key that flavors decide; offers that leave no or too few values are refused."""
    if about.options.min_values_policy == "BestEffort":
        return
    for template in about.templates.values():
        for key, minimum in _asked(template):
            refused = np.zeros(len(about.table), dtype=np.bool_)
            refused[len(about.places) :] = _lacking(about, template, key, minimum)
            into.refuse(name, np.arange(len(about.classes)), refused)
    into.min_values += blocks(about)


def blocks(about: context.Context) -> list[problem.MinValues]:
    """The minValues that depend on what a node holds, of all NodePools and whatever the policy."""
    found = []
    for template in about.templates.values():
        for key, minimum in _asked(template):
            if minimum > 1 and _by_flavor(key):
                codes = about.table.codes(key)[1][len(about.places) :]
                value_of = np.where(about.offers_of(template.name), codes, -1)
                block = problem.MinValues(f"minValues of {template.name}: {key}", template.name, value_of, minimum)
                found.append(block)
    return found


def explain(about: context.Context, pod_class: int, place: int) -> str:  # noqa: ARG001
    """Upstream's words."""
    template = about.templates[about.offers[place - len(about.places)].node_pool]
    keys = sorted(key for key, _ in _asked(template))
    return f"minValues requirement is not met for label(s) (label(s)=[{' '.join(keys)}])"


def _asked(template: context.Template) -> Iterator[tuple[str, int]]:
    for key, requirement in template.requirements.items():
        if requirement.minimum is not None:
            yield key, requirement.minimum


def _by_flavor(key: str) -> bool:
    return key in labels.WELL_KNOWN and labels.WELL_KNOWN[key].decided_by == "flavor"


def _lacking(about: context.Context, template: context.Template, key: str, minimum: int) -> problem.Mask:
    """Offers of the NodePool that by themselves leave too few values, whatever they hold (O,)."""
    own = about.offers_of(template.name)
    codes = about.table.codes(key)[1][len(about.places) :]
    if _by_flavor(key):
        return own & (codes < 0)
    values: dict[str, set[int]] = {}
    for flavor, code, mine in zip(about.offer_flavors, codes.tolist(), own, strict=True):
        if mine and code >= 0 and (key in labels.WELL_KNOWN or key in template.labels):
            values.setdefault(flavor.name, set()).add(code)
    few = [len(values.get(flavor.name, ())) < minimum for flavor in about.offer_flavors]
    return own & np.array(few, dtype=np.bool_)
