"""
Topology spread: no domain has more than maxSkew matching pods above the emptiest domain.

Sources: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/ and kube-scheduler's
plugin PodTopologySpread for what counts; Karpenter (`pkg/controllers/provisioning/scheduling/topology.go`) for
domains that have no node yet but could be bought.
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np

from catalog import labels
from solver import cluster, problem
from solver.rules import builder, context, node_affinity, peers, taints

name = "spread"

WEIGHT = 100
"""
What each pod too many costs under ScheduleAnyway: as much as the heaviest preference that can be written on a pod.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class _Owner:
    """The part of a spec that this rule looks at."""

    constraints: tuple[cluster.Spread, ...]
    selector: tuple[tuple[str, str], ...]
    terms: tuple[cluster.NodeTerm, ...] | None
    tolerations: tuple[cluster.Toleration, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    """
    What classes must have in common to stand in one block.

    A constraint, whom it counts, and where it looks (masks as bytes).
    """

    key: str
    max_skew: int
    min_domains: int | None
    hard: bool
    target: peers.Target
    counted: bytes
    always: bytes


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Refuse places without the label of a hard constraint; one block per distinct constraint."""
    parts = [(part, classes) for part, classes in about.parts(_owner) if part is not None]
    for part, classes in parts:
        for each in part.constraints:
            missing = about.missing(each.topology_key)
            if each.hard:
                into.refuse(name, classes, missing)
            elif about.soft:
                into.penalise(classes, np.where(missing, WEIGHT, 0))
    ok = into.ok
    owners: dict[_Rule, list[int]] = collections.defaultdict(list)
    for part, classes in parts:
        for each in part.constraints:
            if each.hard or about.soft:
                counted = _counted(about, each, part)
                for index in classes:
                    owners[_rule(about, into, each, about.classes[index], counted, ok[index])].append(int(index))
    into.spreads += [_block(about, into, rule, classes) for rule, classes in owners.items()]


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """The first key whose label is missing there."""
    constraints = about.classes[pod_class].spec.spread
    keys = [each.topology_key for each in constraints if each.hard]
    missing = next(key for key in keys if about.missing(key)[place])
    return f"unsatisfiable topology constraint for topology spread, key={missing} (counts = none: the label is missing"


def _owner(of: context.PodClass) -> _Owner | None:
    spec = of.spec
    return _Owner(spec.spread, spec.node_selector, spec.node_terms, spec.tolerations) if spec.spread else None


def _counted(about: context.Context, constraint: cluster.Spread, owner: _Owner) -> problem.Mask:
    """
    Places that count for a constraint (P,).

    They have the labels of all constraints of its kind on the pod, and its node affinity and taint policies let them
    in.
    """
    mask = np.ones(len(about.table), dtype=np.bool_)
    mask[: len(about.places)] = [not place.gone for place in about.places]
    for each in owner.constraints:
        if each.hard == constraint.hard:
            mask &= ~about.missing(each.topology_key)
    if constraint.honor_affinity:
        mask &= node_affinity.allowed(about.table, owner.selector, owner.terms)
    if constraint.honor_taints:
        for tainted, places in about.by_taints():
            if taints.untolerated(owner.tolerations, tainted):
                mask[places] = False
    return mask


def _rule(
    about: context.Context,
    into: builder.Builder,
    constraint: cluster.Spread,
    owner: context.PodClass,
    counted: problem.Mask,
    ok: problem.Mask,
) -> _Rule:
    target = about.selectors.spread_pods_of(constraint, owner.namespace, owner.labels)
    always = np.zeros(0, dtype=np.bool_)
    topology = into.topology(constraint.topology_key)
    if topology != problem.HOST:
        found = into.topologies[topology]
        offered = found.of_offer[(ok & counted)[len(about.places) :] & _listed(about, constraint.topology_key)]
        always = np.zeros(len(found.domains), dtype=np.bool_)
        always[offered[offered >= 0]] = True
    return _Rule(
        constraint.topology_key,
        constraint.max_skew,
        constraint.min_domains,
        constraint.hard,
        target,
        counted.tobytes(),
        always.tobytes(),
    )


def _listed(about: context.Context, key: str) -> problem.Mask:
    """Offers whose value of the key is listed by NodePool, flavor or place, not made up for want of a list (O,)."""
    made_up = {
        template.name
        for template in about.templates.values()
        if key not in labels.WELL_KNOWN and key in template.requirements and template.requirements[key].complement
    }
    return np.array([offer.node_pool not in made_up for offer in about.offers], dtype=np.bool_)


def _block(about: context.Context, into: builder.Builder, rule: _Rule, classes: list[int]) -> problem.Spread:
    counted = np.frombuffer(rule.counted, dtype=np.bool_)
    nodes = len(about.places)
    matched = about.selectors.match(rule.target)
    members = matched[[each.kind for each in about.classes]]
    return problem.Spread(
        f"topology spread, key={rule.key}",
        into.topology(rule.key),
        into.class_mask(classes),
        problem.Group(members, about.running.counts(matched, leaving=False)),
        rule.max_skew,
        rule.min_domains,
        counted[:nodes],
        counted[nodes:],
        np.frombuffer(rule.always, dtype=np.bool_),
        None if rule.hard else WEIGHT,
    )
