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
class _Scope:
    """
    Where a constraint looks.

    `keys` are those of all constraints of its kind on the pod. Affinity and tolerations are those of the pod where its
    policy honours them; no tolerations (None) let every taint pass.
    """

    keys: tuple[str, ...]
    selector: tuple[tuple[str, str], ...]
    terms: tuple[cluster.NodeTerm, ...] | None
    tolerations: tuple[cluster.Toleration, ...] | None


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
    turn: int


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
    scopes: dict[_Scope, problem.Mask] = {}
    for part, classes in parts:
        for each in part.constraints:
            if each.hard or about.soft:
                scope = _scope(each, part)
                counted = scopes[scope] if scope in scopes else scopes.setdefault(scope, _counted(about, scope))
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


def _scope(constraint: cluster.Spread, owner: _Owner) -> _Scope:
    return _Scope(
        tuple(each.topology_key for each in owner.constraints if each.hard == constraint.hard),
        owner.selector if constraint.honor_affinity else (),
        owner.terms if constraint.honor_affinity else None,
        owner.tolerations if constraint.honor_taints else None,
    )


def _counted(about: context.Context, scope: _Scope) -> problem.Mask:
    """Places that count (P,): nodes that stay and offers, with all labels, that affinity and taint policies let in."""
    mask = node_affinity.allowed(about.table, scope.selector, scope.terms)
    mask[: len(about.places)] &= np.array([not place.gone for place in about.places], dtype=bool)
    for key in scope.keys:
        mask &= ~about.missing(key)
    if scope.tolerations is not None:
        for tainted, places in about.by_taints():
            if taints.untolerated(scope.tolerations, tainted):
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
        owner.turn if constraint.hard else 0,
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
    group = about.group(about.selectors.match(rule.target), leaving=False)
    if rule.hard:
        group = dataclasses.replace(group, members=group.members & about.by_turn(rule.turn))
    return problem.Spread(
        f"topology spread, key={rule.key}",
        into.topology(rule.key),
        into.class_mask(classes),
        group,
        rule.max_skew,
        rule.min_domains,
        counted[:nodes],
        counted[nodes:],
        np.frombuffer(rule.always, dtype=np.bool_),
        None if rule.hard else WEIGHT,
    )
