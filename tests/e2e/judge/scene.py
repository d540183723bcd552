"""
The cluster after a plan, as raw objects: what stands there, what the scheduler is to place, and where.

Which nodes and pods there are then is the checker's reading of the question; every object is written from the cluster
data. A pod is kept to its place by a taint that it alone tolerates. Where a taint cannot do that, a seat does: an
extended resource that only that place has. These are pods that tolerate every taint anyway, and pods whose topology
spread honours taints, for which a taint would change what is counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from catalog import catalogue
from solver import cluster, options, plan
from solver.check import build, daemons, facts, state
from tests.e2e.judge import manifests

Object = dict[str, Any]

TAINT = "judge.karpenter-ovhcloud.test/place"
SEAT = "judge.karpenter-ovhcloud.test/seat-"
CINDER = "cinder.csi.openstack.org"
CINDER_VOLUMES = 100
"""Cinder volumes that an MKS node takes; its CSINode says so once its driver runs."""

TOP_PRIORITY = 10**9
"""Highest value of a PriorityClass that users may make."""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """
    A pod that the scheduler is asked about, with `place` its node by plan ("" = none), its ephemeral claims and its turn.
    """

    key: str
    place: str
    manifest: Object
    ephemeral: tuple[cluster.EphemeralClaim, ...]
    turn: int = 0


@dataclasses.dataclass(slots=True)
class Scene:
    """
    Objects in the order in which they are made.

    `running` are pods with a node, `leaving` the keys of those among them that are being deleted, `ephemeral` their
    ephemeral claims by pod key. `priorities` are the values that pods have.
    """

    namespaces: list[Object] = dataclasses.field(default_factory=list)
    storage: list[Object] = dataclasses.field(default_factory=list)
    nodes: list[Object] = dataclasses.field(default_factory=list)
    running: list[Object] = dataclasses.field(default_factory=list)
    leaving: set[str] = dataclasses.field(default_factory=set)
    ephemeral: dict[str, tuple[cluster.EphemeralClaim, ...]] = dataclasses.field(default_factory=dict)
    planned: list[Asked] = dataclasses.field(default_factory=list)
    left_out: list[Asked] = dataclasses.field(default_factory=list)
    priorities: set[int] = dataclasses.field(default_factory=set)

    def pods(self) -> list[Object]:
        """All pods."""
        return [*self.running, *(each.manifest for each in (*self.planned, *self.left_out))]

    def turns(self) -> list[list[Asked]]:
        """The planned pods, those of each turn together."""
        turns = sorted({each.turn for each in self.planned})
        return [[each for each in self.planned if each.turn == turn] for turn in turns]


def of_plan(
    of: cluster.Cluster, known: catalogue.Catalogue, answer: plan.Plan, asked: options.Options, *, held: bool = True
) -> Scene:
    """The scene of a plan; without `held` no pod is kept to its place."""
    gathered = facts.gather(of, known, answer, asked)
    now = build.final(gathered, build.Builder.of(gathered))
    shown = _Stage(of, now, held).scene(answer)
    if held and asked.mode == "provision":
        turn_of = {key: number for number, step in enumerate(answer.steps) for key in step.move}
        shown.planned = [dataclasses.replace(each, turn=turn_of.get(each.key, 0)) for each in shown.planned]
    return shown


class _Stage:
    """Writes one scene."""

    def __init__(self, of: cluster.Cluster, now: state.State, held: bool) -> None:
        self._of = of
        self._now = now
        self._held = held
        self._number = {name: str(index) for index, name in enumerate(now.places)}
        self._made = Scene()

    def scene(self, answer: plan.Plan) -> Scene:
        made = self._made
        seats: dict[str, int] = {}
        for key, target in self._now.target.items():
            made.planned.append(self._asked(key, target))
            seats[target] = seats.get(target, 0) + self._needs_seat(self._of.pods[key].spec)
        for left in answer.unschedulable:
            made.left_out.append(self._asked(left.pod, ""))
        for pod, name in self._now.running:
            self._run(pod, name)
        for place in self._now.places.values():
            made.nodes.append(self._node(place, seats.get(place.name, 0)))
            for each in self._daemons(place):
                self._run(each, place.name)
        self._write_storage()
        used = dict.fromkeys((*self._of.namespaces, *(each["metadata"]["namespace"] for each in made.pods())))
        made.namespaces += [manifests.namespace(name, self._of.namespaces.get(name, {})) for name in used]
        return made

    def _node(self, place: state.Place, seats: int) -> Object:
        host = place.host
        taints, allocatable = host.taints, dict(host.allocatable)
        if place.name in self._now.known.leaving:
            # It waits for pods that may not be evicted, and takes no others.
            allocatable["pods"] = 0
        if self._held:
            taints = (*taints, cluster.Taint(TAINT, self._number[place.name], "NoSchedule"))
            if seats:
                allocatable[SEAT + self._number[place.name]] = seats
        node = cluster.Node(place.name, host.labels, {}, taints, allocatable, allocatable)
        node.unschedulable = host.node is not None and host.node.unschedulable
        return manifests.node(node)

    def _daemons(self, place: state.Place) -> Iterator[cluster.Pod]:
        """Pods of the DaemonSets that come to a place and are not there yet."""
        there = {
            f"{pod.namespace}/{pod.owner.name}"
            for pod, name in self._now.running
            if name == place.name and pod.owner is not None and pod.owner.kind == "DaemonSet"
        }
        load: daemons.Load = self._now.daemons(place)
        for each in load.sets:
            if f"{each.namespace}/{each.name}" not in there:
                name = f"{each.name}-{self._number[place.name]}"
                yield cluster.Pod(each.namespace, name, each.spec, each.labels)

    def _run(self, pod: cluster.Pod, place: str) -> None:
        manifest = self._pod(pod)
        manifest["spec"]["nodeName"] = place
        self._made.running.append(manifest)
        if pod.deleting:
            self._made.leaving.add(pod.key)
        if pod.spec.ephemeral_claims:
            self._made.ephemeral[pod.key] = pod.spec.ephemeral_claims

    def _asked(self, key: str, place: str) -> Asked:
        pod = self._of.pods[key]
        manifest = self._pod(pod)
        spec = manifest["spec"]
        if self._held:
            everywhere = not place or self._needs_seat(pod.spec)
            tolerated = {"operator": "Exists"} if everywhere else {"value": self._number[place]}
            spec.setdefault("tolerations", []).append({"key": TAINT, "effect": "NoSchedule", **tolerated})
            if place and everywhere:
                seat = {SEAT + self._number[place]: "1"}
                resources = spec["containers"][0]["resources"]
                for part in ("requests", "limits"):
                    resources[part] = {**resources.get(part, {}), **seat}
        return Asked(key, place, manifest, pod.spec.ephemeral_claims)

    def _pod(self, pod: cluster.Pod) -> Object:
        """A pod that nobody makes room for."""
        manifest = manifests.pod(dataclasses.replace(pod, node="", nominated_node="", deleting=False))
        priority = min(manifest["spec"].pop("priority"), TOP_PRIORITY)
        manifest["spec"]["priorityClassName"] = priority_class(priority)["metadata"]["name"]
        self._made.priorities.add(priority)
        return manifest

    @staticmethod
    def _needs_seat(spec: cluster.PodSpec) -> bool:
        """Whether a taint cannot keep a pod to its place."""
        tolerates = any(each.operator == "Exists" and not each.key for each in spec.tolerations)
        return tolerates or any(each.hard and each.honor_taints for each in spec.spread)

    def _write_storage(self) -> None:
        """Storage that the pods of the scene use, and what nodes say of their drivers."""
        made, of = self._made, self._of
        shown = {
            f"{pod['metadata']['namespace']}/{each['persistentVolumeClaim']['claimName']}"
            for pod in made.pods()
            for each in pod["spec"].get("volumes", ())
            if "persistentVolumeClaim" in each
        }
        claims = [of.volume_claims[key] for key in sorted(shown) if key in of.volume_claims]
        made.storage += [manifests.storage_class(each) for each in of.storage_classes.values()]
        for claim in claims:
            if claim.volume in of.volumes:
                made.storage.append(manifests.volume(of.volumes[claim.volume], claim))
            made.storage.append(manifests.volume_claim(claim))
        for name in self._now.places:
            made.storage.append(manifests.csi_node(name, {CINDER: CINDER_VOLUMES} | of.csi_limits.get(name, {})))


daemons_kind = "DaemonSet"


def priority_class(value: int) -> Object:
    """The PriorityClass of pods with this priority, which evict nobody."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": f"never-{value}" if value >= 0 else f"never-minus-{-value}"},
        "value": value,
        "preemptionPolicy": "Never",
    }
