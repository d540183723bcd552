"""
One state of the cluster: places, the pods that run there, and the pods that the plan puts there.

Pods that no rule tells apart are one class, and places whose labels and taints no pod tells apart are one kind, so that
each question is asked once per class and kind. All rules about placements read this and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from catalog import labels as names
from solver import cluster, plan
from solver.check import daemons, demand, facts, hosts, match

T = TypeVar("T")


@dataclasses.dataclass(slots=True, eq=False)
class Kind:
    """Places that no rule tells apart: equal labels (as far as anybody asks) and equal taints."""

    index: int
    labels: Mapping[str, str]
    taints: tuple[cluster.Taint, ...]
    taint_set: int
    name: str
    hosts: int = 0


@dataclasses.dataclass(slots=True, eq=False)
class PodClass:
    """
    Pods that no rule tells apart: one spec, one namespace, equal labels (as far as any selector asks).

    `affinity` and `tolerations` number the distinct node affinities and lists of tolerations. Pods being deleted do
    not count for topology spread, and pods of DaemonSets are told apart because they count against what DaemonSets
    still take. `planned` and `running` say how many of them the plan puts on a place and how many run there.
    """

    spec: cluster.PodSpec
    namespace: str
    labels: Mapping[str, str]
    deleting: bool
    daemon: bool
    affinity: int
    tolerations: int
    planned: dict[Place, int] = dataclasses.field(default_factory=dict)
    running: dict[Place, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True, eq=False)
class Place:
    """A place with its pods by class."""

    host: hosts.Host
    kind: Kind
    planned: dict[PodClass, int] = dataclasses.field(default_factory=dict)
    running: dict[PodClass, int] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the place, as placements write it."""
        return self.host.name

    def domain(self, key: str) -> str | None:
        """Value of a topology key, None when the label is missing."""
        return self.host.name if key == names.HOSTNAME else self.kind.labels.get(key)


@dataclasses.dataclass(slots=True)
class State:
    """
    A state of the cluster.

    `running` holds the pods that run there with the name of their place, `class_of` the planned ones, and `target` the
    places of these.
    """

    known: facts.Facts
    places: dict[str, Place] = dataclasses.field(default_factory=dict)
    kinds: list[Kind] = dataclasses.field(default_factory=list)
    classes: list[PodClass] = dataclasses.field(default_factory=list)
    running: list[tuple[cluster.Pod, str]] = dataclasses.field(default_factory=list)
    class_of: dict[str, PodClass] = dataclasses.field(default_factory=dict)
    target: Mapping[str, str] = dataclasses.field(default_factory=dict)
    _admits: dict[tuple[int, int], bool] = dataclasses.field(default_factory=dict)
    _tolerates: dict[tuple[int, int], cluster.Taint | None] = dataclasses.field(default_factory=dict)
    _matching: dict[tuple[frozenset[str] | None, cluster.Selector], list[PodClass]] = dataclasses.field(
        default_factory=dict
    )
    _by_label: dict[tuple[str, str], list[PodClass]] = dataclasses.field(default_factory=dict)
    _pods: dict[tuple[PodClass, str], list[str]] = dataclasses.field(default_factory=dict)

    @property
    def planned(self) -> list[PodClass]:
        """Classes of which the plan places pods."""
        return [each for each in self.classes if each.planned]

    def pods(self, of: PodClass, place: Place) -> list[str]:
        """Keys of the planned pods of a class on a place, in the plan's order."""
        if not self._pods:
            for key, found in self.class_of.items():
                self._pods.setdefault((found, self.target[key]), []).append(key)
        return self._pods.get((of, place.name), [])

    def violation(self, rule: str, of: PodClass, place: Place, message: str, many: int = 1) -> plan.Violation:
        """A violation by planned pods of a class on a place; the message goes on after the first pod's name."""
        found = self.pods(of, place)
        more = f" (and {many - 1} more like it)" if many > 1 else ""
        return plan.Violation(rule, found[0], place.name, f"pod {found[0]}{more} on {place.name}: {message}")

    def admits(self, of: PodClass, kind: Kind) -> bool:
        """Whether nodeSelector and required node affinity let a class onto places of a kind."""
        if not of.affinity:
            return True
        key = (of.affinity, kind.index)
        found = self._admits.get(key)
        if found is None:
            found = self._admits[key] = match.node_holds(of.spec, kind.labels, kind.name)
        return found

    def refused_by(self, of: PodClass, kind: Kind) -> cluster.Taint | None:
        """The taint that keeps a class away from places of a kind, None when there is none."""
        if not kind.taint_set:
            return None
        key = (of.tolerations, kind.taint_set)
        if key not in self._tolerates:
            self._tolerates[key] = match.untolerated(kind.taints, of.spec.tolerations)
        return self._tolerates[key]

    def matching(self, namespaces: frozenset[str] | None, selector: cluster.Selector | None) -> list[PodClass]:
        """Classes that a selector matches in these namespaces (None: in all), running ones included."""
        if selector is None:
            return []
        key = (namespaces, selector)
        found = self._matching.get(key)
        if found is None:
            found = self._matching[key] = [
                each
                for each in self._candidates(selector)
                if (namespaces is None or each.namespace in namespaces) and match.selects(selector, each.labels)
            ]
        return found

    def _candidates(self, selector: cluster.Selector) -> list[PodClass]:
        if not self._by_label:
            for each in self.classes:
                for label in each.labels.items():
                    self._by_label.setdefault(label, []).append(each)
        lists = [
            [each for value in dict.fromkeys(e.values) for each in self._by_label.get((e.key, value), ())]
            for e in selector.expressions
            if e.operator == "In"
        ]
        return min(lists, key=len, default=self.classes)


class Numbers:
    """Gives equal values one number, from 0."""

    def __init__(self) -> None:
        self._known: dict[object, int] = {}

    def of(self, value: object) -> int:
        """The number of a value."""
        return self._known.setdefault(value, len(self._known))


@dataclasses.dataclass(slots=True)
class Builder:
    """
    Makes states of one cluster; what only depends on the specs of its pods is found out once.

    `node_keys` are the labels of nodes that anybody asks about, `pod_keys` those of pods.
    """

    known: facts.Facts
    node_keys: tuple[str, ...]
    pod_keys: tuple[str, ...]
    asks_names: bool
    _affinities: Numbers = dataclasses.field(default_factory=Numbers)
    _tolerations: Numbers = dataclasses.field(default_factory=Numbers)
    _taints: Numbers = dataclasses.field(default_factory=Numbers)
    _by_spec: dict[int, tuple[int, int]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, known: facts.Facts) -> Builder:
        """A builder for the cluster of a question."""
        specs = {id(pod.spec): pod.spec for pod in known.snapshot.pods.values()}
        due = {id(known.snapshot.pods[key].spec) for keys in (known.waiting, known.moving) for key in keys}
        node_keys = set(known.daemon_sets.keys)
        pod_keys: set[str] = set()
        asks_names = False
        for key, spec in specs.items():
            if key in due:
                asked = set(daemons.node_keys(spec))
                node_keys |= asked
                asks_names |= names.HOSTNAME in asked or any(term.fields for term in spec.node_terms or ())
            for topology_key, asked_labels in _peers(spec):
                node_keys.add(topology_key)
                pod_keys.update(asked_labels)
        builder = cls(known, tuple(sorted(node_keys)), tuple(sorted(pod_keys)), asks_names)
        builder._affinities.of(((), None))
        builder._taints.of(())
        return builder

    def build(
        self, present: Iterable[hosts.Host], running: Iterable[tuple[cluster.Pod, str]], target: Mapping[str, str]
    ) -> State:
        """
        The state in which pods run on the hosts named beside them and the planned pods are on their `target`.

        Pods on hosts that are not present are passed over.
        """
        state = State(self.known, target=target)
        kinds: dict[tuple[object, ...], Kind] = {}
        for host in present:
            state.places[host.name] = Place(host, self._kind(host, kinds, state))
        classes: dict[tuple[object, ...], PodClass] = {}
        for pod, name in running:
            if (place := state.places.get(name)) is not None:
                state.running.append((pod, name))
                found = self._class(pod, classes, state, running=True)
                found.running[place] = found.running.get(place, 0) + 1
                place.running[found] = place.running.get(found, 0) + 1
        pods = self.known.snapshot.pods
        for key, name in target.items():
            if (place := state.places.get(name)) is not None:
                found = self._class(pods[key], classes, state, running=False)
                state.class_of[key] = found
                found.planned[place] = found.planned.get(place, 0) + 1
                place.planned[found] = place.planned.get(found, 0) + 1
        return state

    def _kind(self, host: hosts.Host, known: dict[tuple[object, ...], Kind], state: State) -> Kind:
        taint_set = self._taints.of(host.taints)
        values = tuple(host.labels.get(key) for key in self.node_keys)
        key = (taint_set, values, host.name if self.asks_names else "")
        kind = known.get(key)
        if kind is None:
            labels = {k: v for k, v in zip(self.node_keys, values, strict=True) if v is not None}
            kind = known[key] = Kind(len(known), labels, host.taints, taint_set, host.real_name)
            state.kinds.append(kind)
        kind.hosts += 1
        return kind

    def _class(
        self, pod: cluster.Pod, known: dict[tuple[object, ...], PodClass], state: State, *, running: bool
    ) -> PodClass:
        flags = (pod.deleting, _is_daemon(pod)) if running else (False, False)
        quick = (id(pod.spec), pod.namespace, id(pod.labels), flags)
        found = known.get(quick)
        if found is not None:
            return found
        labels = {key: pod.labels[key] for key in self.pod_keys if key in pod.labels}
        exact = (id(pod.spec), pod.namespace, tuple(labels.items()), flags)
        found = known.get(exact)
        if found is None:
            affinity, tolerations = self._signature(pod.spec)
            found = known[exact] = PodClass(pod.spec, pod.namespace, labels, *flags, affinity, tolerations)
            state.classes.append(found)
        known[quick] = found
        return found

    def _signature(self, spec: cluster.PodSpec) -> tuple[int, int]:
        found = self._by_spec.get(id(spec))
        if found is None:
            affinity = self._affinities.of((spec.node_selector, spec.node_terms))
            found = self._by_spec[id(spec)] = (affinity, self._tolerations.of(spec.tolerations))
        return found


def _is_daemon(pod: cluster.Pod) -> bool:
    return pod.owner is not None and pod.owner.kind == "DaemonSet"


def _peers(spec: cluster.PodSpec) -> Iterator[tuple[str, list[str]]]:
    """Topology keys of hard rules about other pods, each with the labels of pods that it asks about."""
    for spread in spec.spread:
        if spread.hard:
            yield spread.topology_key, _asked(spread.selector, spread.match_label_keys)
    for term in (*spec.affinity, *spec.anti_affinity):
        yield term.topology_key, _asked(term.selector, (*term.match_label_keys, *term.mismatch_label_keys))


def _asked(selector: cluster.Selector | None, keys: tuple[str, ...]) -> list[str]:
    return [*keys, *(e.key for e in selector.expressions)] if selector is not None else []


def final(known: facts.Facts, builder: Builder) -> State:
    """The cluster after the plan: nodes that it removes are gone, its nodes are there, its pods are placed."""
    held = {known.snapshot.pods[key].node for key in known.stuck}
    gone = (known.deleted.keys() | known.leaving) - held
    present = [host for host in hosts.existing(known) if host.name not in gone]
    for host in present:
        if host.name in known.deleted:
            host.closed = "the plan removes it"
    present += [hosts.created(new) for new in known.answer.create]
    return builder.build(present, running(known), placements(known))


def running(known: facts.Facts) -> Iterator[tuple[cluster.Pod, str]]:
    """Pods that stay where they are, or where the scheduler has promised them room."""
    for key, pod in known.snapshot.pods.items():
        if pod.terminal or key in known.moving or key in known.waiting:
            continue
        if pod.node:
            yield pod, pod.node
        elif pod.nominated_node and demand.is_waiting(pod):
            yield pod, pod.nominated_node


def placements(known: facts.Facts) -> dict[str, str]:
    """The plan's placements, without pods that are none of its business."""
    return {key: name for key, name in known.answer.placements.items() if known.must_account(key)}
