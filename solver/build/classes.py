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
    """Pods of the same spec, kind and storage, or of the same class; `first` is one of them."""

    first: cluster.Pod
    kind: int
    volumes: storage.Storage
    level: int = 0
    turn: int = 0
    pods: list[str] = dataclasses.field(default_factory=list)
    residents: dict[int, list[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))


Together = Sequence[Sequence[cluster.Pod]]


def together(pods: Iterable[cluster.Pod]) -> list[list[cluster.Pod]]:
    """Pods that share namespace, spec and labels, each with the others, in the order of the input."""
    found: dict[tuple[int, int, str], list[cluster.Pod]] = collections.defaultdict(list)
    for pod in pods:
        found[id(pod.spec), id(pod.labels), pod.namespace].append(pod)
    return list(found.values())


def classes(
    waiting: Together,
    residents: Mapping[int, Sequence[cluster.Pod]],
    known: peers.Peers,
    claims: storage.Usage,
    running: peers.Running,
    levels: Mapping[str, int] | None = None,
    turns: Mapping[str, int] | None = None,
) -> tuple[context.PodClass, ...]:
    """
    The classes of waiting pods and of residents by place, highest priority first, then by the key of the first pod.

    Pods that may move in other ways (`levels` by key, 0 for all others) or are placed later (`turns` likewise) are classes
    of their own. Labels count only as far as a term of these pods, or a required anti-affinity term of a running pod, can
    see them.
    """
    alike = _alike(waiting, residents, known, claims, levels or {}, turns or {})
    terms = [_own_targets(each.first, known) for each in alike]
    seen = _seen_by([*terms, [target for _, target in running.owners]], known)
    specs: dict[cluster.PodSpec, int] = {}
    merged: dict[tuple[object, ...], _Alike] = {}
    for each, own in zip(alike, terms, strict=True):
        spec = specs.setdefault(_without_claims(each.first.spec), len(specs))
        same = merged.setdefault((spec, each.level, each.turn, each.volumes, own, seen[each.kind]), each)
        if same is not each:
            same.pods += each.pods
            for place, pods in each.residents.items():
                same.residents[place] += pods
    found = [
        context.PodClass(
            spec=each.first.spec,
            namespace=each.first.namespace,
            labels=each.first.labels,
            kind=each.kind,
            volumes=each.volumes,
            pods=_in_order(each.pods),
            residents={place: _in_order(pods) for place, pods in sorted(each.residents.items())},
            level=each.level,
            turn=each.turn,
        )
        for each in merged.values()
    ]
    return tuple(sorted(found, key=lambda each: (-each.spec.priority, each.name)))


def _in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """Pods by name, web-2 before web-10: where not all find a place, the last replicas are left out."""
    return tuple(sorted(sorted(keys), key=len))


def _alike(
    waiting: Together,
    residents: Mapping[int, Sequence[cluster.Pod]],
    known: peers.Peers,
    claims: storage.Usage,
    levels: Mapping[str, int],
    turns: Mapping[str, int],
) -> list[_Alike]:
    """Pods by spec (the object), kind, storage, the way they may move and their turn."""
    found: dict[tuple[object, ...], _Alike] = {}

    def same(pod: cluster.Pod) -> _Alike:
        spec, kind = pod.spec, known.kind_of(pod)
        volumes = claims.of_pod(pod) if spec.claims or spec.ephemeral_claims else storage.NOTHING
        level = levels.get(pod.key, 0) if levels else 0
        turn = turns.get(pod.key, 0) if turns else 0
        key = (id(spec), kind, level, turn, None if volumes is storage.NOTHING else volumes)
        alike = found.get(key)
        if alike is None:
            alike = found[key] = _Alike(pod, kind, volumes, level, turn)
        return alike

    for pods in waiting:
        spec = pods[0].spec
        if levels or turns or spec.claims or spec.ephemeral_claims:
            for pod in pods:
                same(pod).pods.append(pod.key)
        else:
            same(pods[0]).pods += [pod.key for pod in pods]
    for place, there in residents.items():
        for pod in there:
            same(pod).residents[place].append(pod.key)
    return list(found.values())


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
