"""From a question and an answer to states of the cluster: who runs where, who is placed where."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping

from catalog import labels as names
from solver import cluster, plan
from solver.check import daemons, demand, facts, hosts, state


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

    `node_keys` are the labels of nodes that anybody asks about, `pod_keys` those of pods. `asks_neighbours`: some pod
    has affinity or anti-affinity.
    """

    known: facts.Facts
    node_keys: tuple[str, ...]
    pod_keys: tuple[str, ...]
    asks_names: bool
    asks_neighbours: bool
    _affinities: Numbers = dataclasses.field(default_factory=Numbers)
    _tolerations: Numbers = dataclasses.field(default_factory=Numbers)
    _taints: Numbers = dataclasses.field(default_factory=Numbers)
    _by_spec: dict[int, tuple[int, int]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, known: facts.Facts) -> Builder:
        """A builder for the cluster of a question."""
        pods = known.snapshot.pods
        specs = {id(pod.spec): pod.spec for pod in pods.values()}
        specs |= {id(each.spec): each.spec for each in known.daemon_sets}
        due = {id(pods[key].spec) for key in known.due}
        choosing = [*(each.spec for each in known.daemon_sets), *(specs[key] for key in due)]
        asked = {key for spec in choosing for key in daemons.node_keys(spec)}
        asks_names = any(daemons.asks_names(spec) for spec in choosing)
        topologies: set[str] = set()
        pod_keys: set[str] = set()
        for spec in specs.values():
            for topology_key, labels in _peers(spec):
                topologies.add(topology_key)
                pod_keys.update(labels)
        # Every host has a hostname of its own: as a mere topology key it must not tear places apart.
        node_keys = asked | (topologies - {names.HOSTNAME})
        asks_neighbours = any(spec.affinity or spec.anti_affinity for spec in specs.values())
        builder = cls(known, tuple(sorted(node_keys)), tuple(sorted(pod_keys)), asks_names, asks_neighbours)
        builder._affinities.of(((), None))
        builder._taints.of(())
        return builder

    def build(
        self, present: Iterable[hosts.Host], running: Iterable[tuple[cluster.Pod, str]], target: Mapping[str, str]
    ) -> state.State:
        """
        The state in which pods run on the hosts named beside them and the planned pods are on their `target`.

        Pods on hosts that are not present are passed over.
        """
        now = state.State(self.known, target=target)
        kinds: dict[tuple[object, ...], state.Kind] = {}
        for host in present:
            now.places[host.name] = state.Place(host, self._kind(host, kinds, now))
        known: dict[tuple[object, ...], state.PodClass] = {}
        for pod, name in running:
            if (place := now.places.get(name)) is not None:
                now.running.append((pod, name))
                key = (id(pod.spec), pod.namespace, id(pod.labels), pod.deleting, _is_daemon(pod))
                found = known.get(key) or self._class(pod, key, known, now)
                found.running[place] = found.running.get(place, 0) + 1
                place.running[found] = place.running.get(found, 0) + 1
        pods, places, class_of = self.known.snapshot.pods, now.places, now.class_of
        for pod_key, name in target.items():
            if (place := places.get(name)) is not None:
                pod = pods[pod_key]
                key = (id(pod.spec), pod.namespace, id(pod.labels), False, False)
                found = class_of[pod_key] = known.get(key) or self._class(pod, key, known, now)
                many = place.planned.get(found, 0) + 1
                found.planned[place] = place.planned[found] = many
        if self.asks_neighbours:
            self._bring_daemons(known, now)
        return now

    def _bring_daemons(self, known: dict[tuple[object, ...], state.PodClass], now: state.State) -> None:
        """Note the pods that DaemonSets still bring to the places."""
        there = {
            (name, pod.namespace, pod.owner.name)
            for pod, name in now.running
            if pod.owner is not None and pod.owner.kind == "DaemonSet"
        }
        classes = {}
        for each in self.known.daemon_sets:
            key = (id(each.spec), each.namespace, id(each.labels), False, True)
            pod = cluster.Pod(each.namespace, each.name, each.spec, each.labels)
            classes[each.namespace, each.name] = known.get(key) or self._class(pod, key, known, now)
        for place in now.places.values():
            for each in now.daemons(place).sets:
                if (place.name, each.namespace, each.name) not in there:
                    found = classes[each.namespace, each.name]
                    found.coming[place] = found.coming.get(place, 0) + 1

    def _kind(self, host: hosts.Host, known: dict[tuple[object, ...], state.Kind], now: state.State) -> state.Kind:
        taint_set = self._taints.of(host.taints)
        values = tuple(host.labels.get(key) for key in self.node_keys)
        key = (taint_set, values, host.name if self.asks_names else "")
        kind = known.get(key)
        if kind is None:
            labels = {k: v for k, v in zip(self.node_keys, values, strict=True) if v is not None}
            kind = known[key] = state.Kind(len(known), labels, host.taints, taint_set, host.real_name)
            now.kinds.append(kind)
        kind.hosts += 1
        return kind

    def _class(
        self,
        pod: cluster.Pod,
        key: tuple[int, str, int, bool, bool],
        known: dict[tuple[object, ...], state.PodClass],
        now: state.State,
    ) -> state.PodClass:
        """The class of a pod whose exact labels are met for the first time."""
        labels = {asked: pod.labels[asked] for asked in self.pod_keys if asked in pod.labels}
        exact = (key[0], key[1], tuple(labels.items()), *key[3:])
        found = known.get(exact)
        if found is None:
            found = state.PodClass(pod.spec, pod.namespace, labels, key[3], key[4], *self._signature(pod.spec))
            known[exact] = found
            now.classes.append(found)
        known[key] = found
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


def final(known: facts.Facts, builder: Builder) -> state.State:
    """The cluster after the plan: nodes that it removes are gone, its nodes are there, its pods are placed."""
    due, placements = known.due, known.answer.placements
    target = placements if placements.keys() <= due else {key: placements[key] for key in placements if key in due}
    return after(builder, known.deleted.keys(), known.answer.create, {}, target)


def after(
    builder: Builder,
    removed: Collection[str],
    created: Iterable[plan.NewNode],
    settled: Mapping[str, str],
    target: Mapping[str, str],
) -> state.State:
    """
    The cluster without some nodes and with others, when pods have been placed.

    `settled` are pods that were placed before and run by now, `target` those placed last. Pods that wait or leave a
    node in deletion run nowhere until they are placed; pods of nodes that stay for now run there.
    """
    known = builder.known
    gone = (set(removed) | known.leaving) - known.held()
    present = [host for host in hosts.existing(known) if host.name not in gone]
    present += [hosts.created(new) for new in created]
    return builder.build(present, _running(known, removed, settled, target), target)


def _running(
    known: facts.Facts, removed: Collection[str], settled: Mapping[str, str], target: Mapping[str, str]
) -> Iterator[tuple[cluster.Pod, str]]:
    for key, pod in known.snapshot.pods.items():
        if pod.terminal or key in target:
            continue
        if key in settled:
            yield pod, settled[key]
        elif pod.node:
            if key not in known.moving or not (pod.node in known.leaving or pod.node in removed):
                yield pod, pod.node
        elif key not in known.waiting and pod.nominated_node and demand.is_waiting(pod):
            yield pod, pod.nominated_node
