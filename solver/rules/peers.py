"""Pods as seen by selectors: which pods a term means, and how many of them run where."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from solver import cluster, problem
from solver.rules import requirements, table

NAMESPACE_FIELD = "metadata.namespace:"
"""Pseudo label that holds a pod's namespace; no label key can be spelt like this."""

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Label that the API server puts on every namespace."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """
    The pods that a term means: those in `namespaces` (None = all) that fulfil all `expressions` (None = no pod at all).

    Equal targets mean the same pods, whatever terms they come from.
    """

    namespaces: frozenset[str] | None
    expressions: frozenset[cluster.Expression] | None


Key = tuple[str, int]
"""A pod as selectors see it: its namespace and the identity of its labels."""


class Peers:
    """
    Kinds of pods: those that no selector of the cluster tells apart are one kind (K of them).

    `keys` are all label keys that selectors ask for. Pods are added with `kind_of` first; after the first `match`
    none may be added.
    """

    def __init__(self, keys: Iterable[str], namespaces: Mapping[str, cluster.Labels]) -> None:
        self._keys = tuple(sorted(set(keys)))
        self._namespaces = namespaces
        self._kinds: dict[tuple[str | None, ...], int] = {}
        self._known: dict[Key, int] = {}
        self._table: table.LabelTable | None = None
        self._matches: dict[Target, problem.Mask] = {}

    @property
    def kinds(self) -> int:
        """How many kinds there are."""
        return len(self._kinds)

    def kind_of(self, pod: cluster.Pod) -> int:
        """The number of the pod's kind."""
        known = (pod.namespace, id(pod.labels))
        kind = self._known.get(known)
        if kind is None:
            labels = pod.labels
            seen = (pod.namespace, *[labels.get(key) for key in self._keys])
            kind = self._known[known] = self._kinds.setdefault(seen, len(self._kinds))
        return kind

    def match(self, target: Target) -> problem.Mask:
        """Kinds that the target means (K,)."""
        if self._table is None:
            self._table = self._freeze()
        found = self._matches.get(target)
        if found is None:
            found = np.zeros(len(self._table), dtype=np.bool_)
            if target.expressions is not None:
                found = self._table.all_of(target.expressions)
                if target.namespaces is not None:
                    found &= self._table.where(requirements.Requirement(NAMESPACE_FIELD, frozenset(target.namespaces)))
            self._matches[target] = found
        return found

    def match_all(self, targets: Iterable[Target]) -> problem.Mask:
        """Kinds that every one of the targets means (K,)."""
        first, *rest = targets
        found = self.match(first)
        for target in rest:
            found = found & self.match(target)
        return found

    def means(self, target: Target, namespace: str, labels: cluster.Labels) -> bool:
        """Whether the target means a pod with this namespace and these labels, known or not."""
        if target.expressions is None or (target.namespaces is not None and namespace not in target.namespaces):
            return False
        asked = (requirements.of(each.key, each.operator, each.values) for each in target.expressions)
        return all(each.matches(labels.get(each.key)) for each in asked)

    def pods_of(self, term: cluster.PodTerm, namespace: str, labels: cluster.Labels) -> Target:
        """
        The pods that an affinity term of a pod with this namespace and these labels means.

        Match and mismatch label keys stand for an expression with the pod's own value; keys that it lacks are passed
        over. Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#matchlabelkeys
        """
        if term.selector is None:
            return Target(None, None)
        expressions = set(term.selector.expressions)
        expressions |= _own_values(term.match_label_keys, "In", labels)
        expressions |= _own_values(term.mismatch_label_keys, "NotIn", labels)
        return Target(self._namespaces_of(term, namespace), frozenset(expressions))

    def spread_pods_of(self, spread: cluster.Spread, namespace: str, labels: cluster.Labels) -> Target:
        """
        The pods that a spread constraint of a pod with this namespace and these labels counts.

        A selector without expressions counts none (kube-scheduler, plugin PodTopologySpread, `countPodsMatchSelector`).
        """
        if spread.selector is None:
            return Target(None, None)
        expressions = frozenset(spread.selector.expressions) | _own_values(spread.match_label_keys, "In", labels)
        return Target(frozenset({namespace}), expressions) if expressions else Target(None, None)

    def _namespaces_of(self, term: cluster.PodTerm, namespace: str) -> frozenset[str] | None:
        selector = term.namespace_selector
        if selector is None:
            return frozenset(term.namespaces or (namespace,))
        if not selector.expressions:
            return None
        asked = [requirements.of(each.key, each.operator, each.values) for each in selector.expressions]
        return frozenset(term.namespaces) | {
            name
            for name, labels in self._namespaces.items()
            if all(each.matches(labels.get(each.key)) for each in asked)
        }

    def _freeze(self) -> table.LabelTable:
        fields = (NAMESPACE_FIELD, *self._keys)
        rows = [
            {key: value for key, value in zip(fields, kind, strict=True) if value is not None} for kind in self._kinds
        ]
        return table.LabelTable(rows)


def selector_keys(specs: Iterable[cluster.PodSpec]) -> set[str]:
    """Label keys of pods that the terms of these specs look at."""
    keys: set[str] = set()
    for spec in specs:
        terms = [*spec.affinity, *spec.anti_affinity]
        terms += [each.term for each in (*spec.preferred_affinity, *spec.preferred_anti_affinity)]
        for term in terms:
            keys.update(term.match_label_keys, term.mismatch_label_keys)
        selectors = [term.selector for term in terms]
        for constraint in spec.spread:
            keys.update(constraint.match_label_keys)
            selectors.append(constraint.selector)
        for selector in selectors:
            if selector is not None:
                keys.update(expression.key for expression in selector.expressions)
    return keys


def with_names(namespaces: Mapping[str, cluster.Labels], used: Iterable[str]) -> dict[str, cluster.Labels]:
    """Labels of namespaces, the ones in use included, each with the label that holds its name."""
    names = dict.fromkeys([*namespaces, *used])
    return {name: {NAMESPACE_NAME: name, **namespaces.get(name, {})} for name in names}


def _own_values(keys: Iterable[str], operator: str, labels: cluster.Labels) -> set[cluster.Expression]:
    return {cluster.Expression(key, operator, (labels[key],)) for key in keys if key in labels}


@dataclasses.dataclass(slots=True)
class Running:
    """
    Pods on the places, nominated ones and those that move only when their node goes included.

    `pods`, `place`, `kind` and `leaving` (terminating) are parallel (M,). `owners` says how many of them have each
    required anti-affinity term, by topology key and target, on each place (N,).
    """

    places: int
    pods: Sequence[cluster.Pod]
    place: problem.Ints
    kind: problem.Ints
    leaving: problem.Mask
    owners: Mapping[tuple[str, Target], problem.Ints]
    _by_kind: dict[int, problem.Ints] = dataclasses.field(init=False)
    _staying_by_kind: dict[int, problem.Ints] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._by_kind = _split(self.place, self.kind)
        self._staying_by_kind = _split(self.place[~self.leaving], self.kind[~self.leaving])

    def counts(self, kinds: problem.Mask, *, leaving: bool = True) -> problem.Ints:
        """How many pods of these kinds (K,) are on each place (N,); with `leaving` terminating pods count too."""
        table = self._by_kind if leaving else self._staying_by_kind
        chosen = [table[kind] for kind in np.flatnonzero(kinds).tolist() if kind in table]
        where = np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
        return np.bincount(where, minlength=self.places).astype(np.int64)


def _split(place: problem.Ints, kind: problem.Ints) -> dict[int, problem.Ints]:
    """Places of the pods of each kind."""
    order = np.argsort(kind, kind="stable")
    kinds, starts = np.unique(kind[order], return_index=True)
    return dict(zip(kinds.tolist(), np.split(place[order], starts[1:]), strict=True)) if len(kinds) else {}


def running(
    pods: Sequence[tuple[cluster.Pod, int]], places: int, known: Peers, coming: Iterable[cluster.DaemonSet] = ()
) -> Running:
    """
    Pods with the index of their place; all pods that `known` is to tell apart must be there already.

    The terms of DaemonSets whose pods are `coming` are among the owners' too, with nobody who has them.
    """
    owners: dict[tuple[str, Target], problem.Ints] = {}
    for each in coming:
        for guard in each.spec.anti_affinity:
            owned = (guard.topology_key, known.pods_of(guard, each.namespace, each.labels))
            owners[owned] = np.zeros(places, dtype=np.int64)
    terms: dict[tuple[int, str, int], tuple[tuple[str, Target], ...]] = {}
    for pod, place in pods:
        if not pod.spec.anti_affinity:
            continue
        key = (id(pod.spec), pod.namespace, id(pod.labels))
        if key not in terms:
            terms[key] = tuple(
                (term.topology_key, known.pods_of(term, pod.namespace, pod.labels)) for term in pod.spec.anti_affinity
            )
        for term in terms[key]:
            owners.setdefault(term, np.zeros(places, dtype=np.int64))[place] += 1
    return Running(
        places,
        [pod for pod, _ in pods],
        np.array([place for _, place in pods], dtype=np.int64),
        np.array([known.kind_of(pod) for pod, _ in pods], dtype=np.int64),
        np.array([pod.deleting for pod, _ in pods], dtype=np.bool_),
        owners,
    )
