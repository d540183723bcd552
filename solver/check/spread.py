"""
Topology spread constraints with DoNotSchedule.

Counted are pods of the pod's namespace that match selector and matchLabelKeys and are not being deleted, on places
that have every topology key of the pod's hard constraints and pass the constraint's node filter (nodeAffinityPolicy,
nodeTaintsPolicy). Domains are the values on these places; a value that only offers have which the pod could use is a
domain with no pods. The smallest count is 0 when fewer domains than minDomains are there. For hostnames only places
that exist count. In each domain where the plan puts a pod, the count of the final state less the smallest count is at
most maxSkew.

kube-scheduler: `pkg/scheduler/framework/plugins/podtopologyspread/filtering.go`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from catalog import labels as names
from solver import cluster, plan
from solver.check import fleet, market, state

RULE = "topology-spread"


class Tally:
    """Counts by domain, and the smallest of them at hand at any time; counts only grow."""

    def __init__(self, key: str, domains: int) -> None:
        self.key = key
        self.domains = domains
        self.lowest = 0
        self._counts: dict[str, int] = {}
        self._having = {0: domains}

    def __getitem__(self, domain: str) -> int:
        return self._counts.get(domain, 0)

    def add(self, domain: str, pods: int) -> None:
        """Count more pods in a domain."""
        before = self._counts.get(domain, 0)
        self._counts[domain] = before + pods
        having = self._having
        having[before] -= 1
        having[before + pods] = having.get(before + pods, 0) + 1
        while not having.get(self.lowest) and self.lowest < before + pods:
            self.lowest += 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What a constraint counts: pods by namespace and selector, on places by their kind."""

    key: str
    namespace: str
    selector: cluster.Selector | None
    kinds: frozenset[int]
    values: frozenset[str]
    hosts: int

    def domain(self, place: state.Place) -> str | None:
        """The place's domain, None when the place does not count."""
        return place.domain(self.key) if place.kind.index in self.kinds else None

    def tally(self) -> Tally:
        """An empty tally."""
        return Tally(self.key, self.hosts if self.key == names.HOSTNAME else len(self.values))

    def counted(self, now: state.State) -> list[state.PodClass]:
        """Classes whose pods count; a selector without expressions counts none, as kube-scheduler has it."""
        if self.selector is None or not self.selector.expressions:
            return []
        found = now.matching(frozenset((self.namespace,)), self.selector)
        return [each for each in found if not each.deleting]


@dataclasses.dataclass(frozen=True, slots=True)
class Constraint:
    """A hard constraint of a class. `floor_is_zero`: some domain has no pods for sure, or there are too few domains."""

    spread: cluster.Spread
    scope: Scope
    matches_self: bool
    floor_is_zero: bool

    def room(self, tally: Tally, domain: str) -> int:
        """How many more of its pods a domain may take; below 0 when none may, whether they count or not."""
        lowest = 0 if self.floor_is_zero else tally.lowest
        return self.spread.max_skew + lowest - tally[domain]


@dataclasses.dataclass(slots=True)
class Constraints:
    """The hard constraints of the classes of a state, each scope made once."""

    now: state.State
    _scopes: dict[tuple[object, ...], Scope] = dataclasses.field(default_factory=dict)
    _kinds: dict[tuple[object, ...], list[state.Kind]] = dataclasses.field(default_factory=dict)
    _offers: dict[tuple[int, int, str, tuple[str, ...]], dict[str, list[market.Offer]]] = dataclasses.field(
        default_factory=dict
    )
    _of: dict[state.PodClass, list[Constraint]] = dataclasses.field(default_factory=dict)

    def of(self, owner: state.PodClass) -> list[Constraint]:
        """Hard constraints of a class."""
        found = self._of.get(owner)
        if found is None:
            hard = [each for each in owner.spec.spread if each.hard]
            keys = tuple(sorted({each.topology_key for each in hard} - {names.HOSTNAME}))
            found = self._of[owner] = [self._constraint(owner, each, keys) for each in hard]
        return found

    def _constraint(self, owner: state.PodClass, spread: cluster.Spread, keys: tuple[str, ...]) -> Constraint:
        scope = self._scope(owner, spread, keys)
        possible = self._possible(owner, spread.topology_key)
        domains = scope.hosts if spread.topology_key == names.HOSTNAME else len(scope.values | possible)
        too_few = spread.min_domains is not None and domains < spread.min_domains
        matches = owner in self.now.matching(frozenset((owner.namespace,)), scope.selector)
        return Constraint(spread, scope, matches, too_few or not possible <= scope.values)

    def _scope(self, owner: state.PodClass, spread: cluster.Spread, keys: tuple[str, ...]) -> Scope:
        affinity = owner.affinity if spread.honor_affinity else 0
        tolerations = owner.tolerations if spread.honor_taints else -1
        selector = with_own_labels(spread.selector, owner, spread.match_label_keys)
        node_filter = (affinity, tolerations, keys)
        known = (owner.namespace, spread.topology_key, selector, *node_filter)
        found = self._scopes.get(known)
        if found is None:
            kinds = self._kinds.get(node_filter)
            if kinds is None:
                kinds = self._kinds[node_filter] = [
                    kind
                    for kind in self.now.kinds
                    if all(key in kind.labels for key in keys)
                    and (not spread.honor_affinity or self.now.admits(owner, kind))
                    and (not spread.honor_taints or self.now.refused_by(owner, kind) is None)
                ]
            found = self._scopes[known] = Scope(
                key=spread.topology_key,
                namespace=owner.namespace,
                selector=selector,
                kinds=frozenset(kind.index for kind in kinds),
                values=frozenset(v for kind in kinds if (v := kind.labels.get(spread.topology_key)) is not None),
                hosts=sum(kind.hosts for kind in kinds),
            )
        return found

    def _possible(self, owner: state.PodClass, key: str) -> frozenset[str]:
        """
        Values of a topology key on nodes that could be bought for a single pod of a class: on those without a label that
        its hard spreads and required affinities ask for it never goes.
        """
        if key == names.HOSTNAME:
            return frozenset()
        asked = {each.topology_key for each in owner.spec.spread if each.hard}
        asked |= {term.topology_key for term in owner.spec.affinity}
        needed = tuple(sorted(asked - {names.HOSTNAME}))
        signature = (owner.affinity, owner.tolerations, key, needed)
        by_value = self._offers.get(signature)
        if by_value is None:
            by_value = self._offers[signature] = {}
            for offer in fleet.affordable(self.now.known):
                if not all(each in offer.pool.open_keys or offer.values(each) for each in needed):
                    continue
                for value in offer.values(key):
                    if offer.admits(owner.spec, {key: value}):
                        by_value.setdefault(value, []).append(offer)
        storage = self.now.known.storage
        return frozenset(
            value
            for value, offers in by_value.items()
            if any(o.holds(owner.spec) and storage.reaches(owner.spec, owner.namespace, o.labels) for o in offers)
        )


def with_own_labels(
    selector: cluster.Selector | None,
    owner: state.PodClass,
    keys: tuple[str, ...],
    mismatched: tuple[str, ...] = (),
) -> cluster.Selector | None:
    """A selector narrowed to pods with the owner's values of some labels, and with other values of others."""
    if selector is None or not (keys or mismatched):
        return selector
    added = [
        cluster.Expression(key, operator, (owner.labels[key],))
        for operator, found in (("In", keys), ("NotIn", mismatched))
        for key in found
        if key in owner.labels
    ]
    return cluster.Selector((*selector.expressions, *added))


def violations(now: state.State) -> Iterator[plan.Violation]:
    """Domains in which the plan puts pods although the skew is then too large, and places that lack the key."""
    constraints = now.once(Constraints)
    tallies: dict[Scope, Tally] = {}
    for owner in now.planned:
        for constraint in constraints.of(owner):
            scope = constraint.scope
            tally = tallies.get(scope)
            if tally is None:
                tally = tallies[scope] = _filled(scope, now)
            yield from _judged(now, owner, constraint, tally)


def _filled(scope: Scope, now: state.State) -> Tally:
    tally = scope.tally()
    for each in scope.counted(now):
        for pods in (each.running, each.planned):
            for place, count in pods.items():
                if (domain := scope.domain(place)) is not None:
                    tally.add(domain, count)
    return tally


def _judged(now: state.State, owner: state.PodClass, constraint: Constraint, tally: Tally) -> Iterator[plan.Violation]:
    seen: set[str] = set()
    key = constraint.spread.topology_key
    for place in owner.planned:
        domain = place.domain(key)
        if domain is None:
            yield now.violation(RULE, owner, place, f"the node has no label {key}, which its topology spread needs")
        elif domain not in seen and constraint.room(tally, domain) < 0:
            lowest = 0 if constraint.floor_is_zero else tally.lowest
            words = (
                f"{tally[domain]} matching pods in {key}={domain}, the smallest domain has {lowest}: "
                f"more than maxSkew {constraint.spread.max_skew} apart"
            )
            yield now.violation(RULE, owner, place, words)
        if domain is not None:
            seen.add(domain)
