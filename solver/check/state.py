"""
One state of the cluster: places, the pods that run there, and the pods that the plan puts there.

Pods that no rule tells apart are one class, and places whose labels and taints no pod tells apart are one kind, so that
each question is asked once per class and kind. All rules about placements read this and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from catalog import allocatable
from catalog import labels as names
from solver import cluster, plan
from solver.check import daemons, facts, hosts, match

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
    still take. `planned` and `running` say how many of them the plan puts on a place and how many run there, `coming`
    how many DaemonSets still bring there; these count as neighbours only, their requests see `State.daemons`.
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
    coming: dict[Place, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True, eq=False)
class Place:
    """A place with its pods by class."""

    host: hosts.Host
    kind: Kind
    planned: dict[PodClass, int] = dataclasses.field(default_factory=dict)
    running: dict[PodClass, int] = dataclasses.field(default_factory=dict)
    _requests: dict[str, int] | None = None

    @property
    def name(self) -> str:
        """Name of the place, as placements write it."""
        return self.host.name

    @property
    def requests(self) -> Mapping[str, int]:
        """What the planned pods request together, each taking one of "pods"."""
        if self._requests is None:
            self._requests = requests(self.planned)
        return self._requests

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
    _made: dict[Callable[[State], Any], Any] = dataclasses.field(default_factory=dict)
    _daemons: dict[int, daemons.Load] = dataclasses.field(default_factory=dict)

    def once(self, make: Callable[[State], T]) -> T:
        """What is worked out of this state for several rules, made by whoever asks first."""
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found

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

    def daemons(self, place: Place) -> daemons.Load:
        """DaemonSets that come to a place."""
        found = self._daemons.get(place.kind.index)
        if found is None:
            kind = place.kind
            found = daemons.load(self.known.daemon_sets, kind.labels, kind.taints, kind.name)
            self._daemons[kind.index] = found
        return found

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


def requests(pods: Mapping[PodClass, int]) -> dict[str, int]:
    """What pods by class request together, each taking one of "pods"."""
    found: dict[str, int] = {}
    for each, count in pods.items():
        for resource, amount in each.spec.requests:
            found[resource] = found.get(resource, 0) + amount * count
    number = sum(pods.values())
    if number:
        found[allocatable.PODS] = found.get(allocatable.PODS, 0) + number
    return found
