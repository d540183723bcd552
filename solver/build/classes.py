"""Pods into classes: pods that no rule tells apart are one class."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from solver import cluster
from solver.rules import context, peers, storage


@dataclasses.dataclass(slots=True)
class _Alike:
    """Pods with the same spec, namespace and labels, or of the same class."""

    first: cluster.Pod
    volumes: storage.Storage
    pods: list[str] = dataclasses.field(default_factory=list)
    residents: dict[int, list[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))


def classes(
    waiting: Sequence[cluster.Pod],
    residents: Mapping[int, Sequence[cluster.Pod]],
    known: peers.Peers,
    claims: storage.Usage,
    running: peers.Running,
) -> tuple[context.PodClass, ...]:
    """
    The classes of waiting pods and of residents by place, highest priority first, then by the key of the first pod.

    Labels count only as far as a term of these pods, or a required anti-affinity term of a running pod, can see them.
    """
    alike = _alike(waiting, residents, claims)
    terms = {key: _own_targets(each.first, known) for key, each in alike.items()}
    kinds = {key: known.kind_of(each.first) for key, each in alike.items()}
    seen = _seen_by([*terms.values(), [target for _, target in running.owners]], known)
    specs: dict[cluster.PodSpec, int] = {}
    by_id: dict[int, int] = {}
    merged: dict[tuple[object, ...], _Alike] = {}
    for key, each in alike.items():
        spec = each.first.spec
        number = by_id.get(id(spec))
        if number is None:
            number = by_id[id(spec)] = specs.setdefault(_without_claims(spec), len(specs))
        same_class = (number, each.volumes, terms[key], seen[kinds[key]])
        same = merged.setdefault(same_class, _Alike(each.first, each.volumes))
        same.pods += each.pods
        for place, pods in each.residents.items():
            same.residents[place] += pods
    found = [
        context.PodClass(
            spec=each.first.spec,
            namespace=each.first.namespace,
            labels=each.first.labels,
            kind=known.kind_of(each.first),
            volumes=each.volumes,
            pods=tuple(sorted(each.pods)),
            residents={place: tuple(sorted(pods)) for place, pods in sorted(each.residents.items())},
        )
        for each in merged.values()
    ]
    return tuple(sorted(found, key=lambda each: (-each.spec.priority, each.name)))


def _alike(
    waiting: Sequence[cluster.Pod],
    residents: Mapping[int, Sequence[cluster.Pod]],
    claims: storage.Usage,
) -> dict[tuple[object, ...], _Alike]:
    """Pods by spec, namespace, labels and storage: the same objects, without a look into them."""
    found: dict[tuple[object, ...], _Alike] = {}
    for pod in waiting:
        _same_objects(found, pod, claims).pods.append(pod.key)
    for place, pods in residents.items():
        for pod in pods:
            _same_objects(found, pod, claims).residents[place].append(pod.key)
    return found


def _same_objects(found: dict[tuple[object, ...], _Alike], pod: cluster.Pod, claims: storage.Usage) -> _Alike:
    stored = claims.of_pod(pod)
    key = (id(pod.spec), pod.namespace, id(pod.labels), None if stored is storage.NOTHING else stored)
    same = found.get(key)
    if same is None:
        same = found[key] = _Alike(pod, stored)
    return same


def _own_targets(pod: cluster.Pod, known: peers.Peers) -> tuple[peers.Target, ...]:
    """The pods that each of the pod's own terms means, in the order of its spec."""
    spec = pod.spec
    terms = [*spec.affinity, *spec.anti_affinity]
    terms += [each.term for each in (*spec.preferred_affinity, *spec.preferred_anti_affinity)]
    spread = [known.spread_pods_of(each, pod.namespace, pod.labels) for each in spec.spread]
    return (*[known.pods_of(term, pod.namespace, pod.labels) for term in terms], *spread)


def _seen_by(terms: Iterable[Iterable[peers.Target]], known: peers.Peers) -> list[bytes]:
    """For each kind of pods, which of all targets mean it."""
    targets = dict.fromkeys(target for own in terms for target in own)
    if not targets:
        return [b""] * known.kinds
    matrix = np.stack([known.match(target) for target in targets], axis=1)
    return [row.tobytes() for row in np.packbits(matrix, axis=1)]


def _without_claims(spec: cluster.PodSpec) -> cluster.PodSpec:
    """The spec without the names of its claims: what they ask is in `Storage`."""
    if not (spec.claims or spec.ephemeral_claims):
        return spec
    return dataclasses.replace(spec, claims=(), ephemeral_claims=())
