"""
Node selectors and node affinity: the node selector holds, and of the required terms any one.

Preferred terms cost their weight where unmet. Sources:
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity ; the words are Karpenter's
(`pkg/scheduling/requirements.go`, `pkg/controllers/provisioning/scheduling/nodeclaim.go`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from catalog import labels
from solver import cluster, problem
from solver.rules import builder, context, requirements, table

name = "node_affinity"

NO_EXPRESSIONS = "incompatible requirements, a node selector term without expressions matches no node"
NO_OFFERING = "no instance type has the required offering"


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Refuse places that the selector or every required term excludes; unmet preferred terms make places dearer."""
    for spec, classes in about.parts(lambda each: (each.spec.node_selector, each.spec.node_terms)):
        if spec != ((), None):
            into.refuse(name, classes, ~allowed(about.table, *spec))
    if not about.soft:
        return
    for preferred, classes in about.parts(lambda each: each.spec.preferred_node_terms):
        weights = np.zeros(len(about.table), dtype=np.int64)
        for each in preferred:
            if each.term.expressions or each.term.fields:
                weights += np.where(about.table.term(each.term), 0, each.weight)
        into.penalise(classes, weights)


def allowed(
    of: table.LabelTable, selector: tuple[tuple[str, str], ...], terms: tuple[cluster.NodeTerm, ...] | None
) -> problem.Mask:
    """Rows that fulfil a node selector and at least one of the required terms (None = there are none) (n,)."""
    mask = of.all_of(cluster.Expression(key, "In", (value,)) for key, value in selector)
    return mask if terms is None else mask & of.any_of(terms)


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """A clash with the NodePool or the node is named by key; else flavor or zone are to blame."""
    spec = about.classes[pod_class].spec
    existing = place < len(about.places)
    offered: requirements.Requirements
    if existing:
        own = about.places[place].labels
        offered = {key: requirements.of(key, "In", (value,)) for key, value in own.items()}
    else:
        offered = about.templates[about.offers[place - len(about.places)].node_pool].requirements
    free = () if existing else labels.WELL_KNOWN
    texts = [requirements.clash(asked, offered, free) for asked in alternatives(spec)]
    if not texts:
        return NO_EXPRESSIONS
    if all(text is not None for text in texts):
        return f"incompatible requirements, {texts[0]}"
    return "no instance type met all requirements" if suits(about, pod_class)[1][place] else NO_OFFERING


def suits(about: context.Context, pod_class: int) -> tuple[problem.Mask, problem.Mask]:
    """
    Places where all but zone, region and capacity type is as some alternative of a class has it, and places where these
    three are (P,), (P,).
    """
    own, offering = np.zeros(len(about.table), dtype=np.bool_), np.zeros(len(about.table), dtype=np.bool_)
    decided = {key for key, doc in labels.WELL_KNOWN.items() if doc.decided_by == "offering"}
    for asked in alternatives(about.classes[pod_class].spec):
        for mask, keys in ((own, asked.keys() - decided), (offering, asked.keys() & decided)):
            fulfilled = np.ones(len(about.table), dtype=np.bool_)
            for key in keys:
                fulfilled &= about.table.where(asked[key])
            mask |= fulfilled
    return own, offering


def alternatives(spec: cluster.PodSpec) -> Iterator[requirements.Requirements]:
    """
    What a pod asks of a node by label: its node selector together with each of its required terms in turn, but for those
    without expressions, which match no node.
    """
    selector = [requirements.of(labels.translate(key), "In", (value,)) for key, value in spec.node_selector]
    for term in (cluster.NodeTerm(),) if spec.node_terms is None else spec.node_terms:
        if spec.node_terms is not None and not term.expressions and not term.fields:
            continue
        asked = [requirements.of(labels.translate(each.key), each.operator, each.values) for each in term.expressions]
        yield requirements.combine([*selector, *asked])
