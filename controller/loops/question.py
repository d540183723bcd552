"""What the planner is asked: the cluster as it is to be planned for, what there is to buy, and how to plan."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping

from catalog import catalogue as catalogues
from catalog import region
from controller import measure, metrics, names, world
from controller.kube import kinds
from solver import cluster, options, planner, warm
from solver import plan as plans

log = logging.getLogger(__name__)

LEARNED = ("cpu", "memory", "pods")
"""Resources whose real amounts are taken from nodes; others come and go with what is installed."""

_MIB = 2**20
_FREE_TAINTS = frozenset({names.RESERVED_TAINT})


def without(known: catalogues.Catalogue, refused: frozenset[tuple[str, str]]) -> catalogues.Catalogue:
    """The catalogue in which the refused (flavor, zone) pairs cannot be bought."""
    zones: dict[str, set[str]] = {}
    for flavor, zone in refused:
        zones.setdefault(flavor, set()).add(zone)
    flavors = {
        name: dataclasses.replace(each, unavailable_zones=each.unavailable_zones | zones[name])
        if name in zones
        else each
        for name, each in known.flavors.items()
    }
    return catalogues.Catalogue(flavors, known.version)


def unreserved(of: cluster.Cluster) -> cluster.Cluster:
    """The cluster without our own reservations: the plan decides anew who may use a node that is held."""
    for node in of.nodes.values():
        if any(taint.key in _FREE_TAINTS for taint in node.taints):
            node.taints = tuple(taint for taint in node.taints if taint.key not in _FREE_TAINTS)
    shared: dict[cluster.PodSpec, cluster.PodSpec] = {}
    for pod in of.pods.values():
        if any(each.key in _FREE_TAINTS for each in pod.spec.tolerations):
            if pod.spec not in shared:
                kept = tuple(each for each in pod.spec.tolerations if each.key not in _FREE_TAINTS)
                shared[pod.spec] = dataclasses.replace(pod.spec, tolerations=kept)
            pod.spec = shared[pod.spec]
    return of


def learn(of: cluster.Cluster, known: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """
    What nodes of each flavor really have for pods, with what was known before: the least that was seen.

    An estimate above the truth would buy nodes for pods that do not fit, again and again.
    """
    found = {flavor: dict(amounts) for flavor, amounts in known.items()}
    for node in of.nodes.values():
        flavor = node.labels.get(names.INSTANCE_TYPE_LABEL)
        if not flavor or node.labels.get(names.INITIALIZED_LABEL) != "true":
            continue
        seen = found.setdefault(flavor, {})
        for resource in LEARNED:
            amount = node.allocatable.get(resource)
            if amount:
                seen[resource] = min(amount, seen.get(resource, amount))
    return found


def quota_left(left: Mapping[str, int | None], waiting: Mapping[str, int]) -> dict[str, int]:
    """
    What the planner may still buy: OVH's answer less what claims without a machine will take.

    `left` is as `types.Quota.left` has it, `waiting` in vcpus, memory_mb and instances.
    """
    found = {}
    for ours, theirs, unit in (("vcpus", "vcpus", 1), ("memory", "memory_mb", _MIB), ("instances", "instances", 1)):
        room = left.get(theirs)
        if room is not None:
            found[ours] = max(0, room - waiting.get(theirs, 0)) * unit
    return found


def _broken(error: Exception) -> None:
    metrics.SEARCHES_BROKEN.inc()
    log.error("search ended in an error, the plain plan is taken", exc_info=error)


def leaving(of: cluster.Cluster) -> cluster.Cluster:
    """
    The cluster in which nodes that wait for their replacements count as in deletion.

    They take no pods, and theirs have their place on the replacements, which nobody else is then given.
    """
    for claim in of.node_claims.values():
        if claim.is_true("DisruptionReason"):
            claim.deleting = True
    return of


class Questions:
    """Puts questions together from what is known and asks them; remembers what nodes really have for pods."""

    def __init__(self, shared: world.World, stopping: Callable[[], bool] = lambda: False) -> None:
        self._world = shared
        self._stopping = stopping
        self._learned: dict[str, dict[str, int]] = {}

    def snapshot(self) -> cluster.Cluster:
        """The cluster now: pods that have their place keep it, and nodes that are to go are going."""
        of = leaving(unreserved(self._world.mirror.snapshot()))
        self._settle(of)
        return of

    def catalogue(self, of: cluster.Cluster) -> catalogues.Catalogue:
        """What can be bought now, with the amounts that nodes of the cluster have shown."""
        self._learned = learn(of, self._learned)
        return without(self._world.catalogue().with_learned(self._learned), self._world.refused())

    def ask(
        self, of: cluster.Cluster, who: str, mode: options.Mode = "provision", earlier: warm.Earlier | None = None
    ) -> plans.Plan | None:
        """
        The planner's answer, None when there is none that can be trusted or the controller is about to end.

        `who` asks, for metrics, which hear nothing of a question about pods that nobody has (an empty `who`); `earlier`
        is what the search may start from.
        """
        started = time.monotonic()
        run = planner.Run(clock=time.monotonic, stop=self._stopping, warm=earlier, broken=_broken)
        try:
            plan = planner.plan(of, self.catalogue(of), self.options(mode), run)
        except planner.RejectedPlanError as error:
            metrics.PLANS_REJECTED.inc()
            log.error("plan rejected by the checker", extra={"error": str(error)})
            return None
        except region.UnknownRegionError as error:
            log.error("no plan", extra={"error": str(error)})
            return None
        if who:
            measure.plan(plan, who, time.monotonic() - started)
        return None if self._stopping() else plan

    def _settle(self, of: cluster.Cluster) -> None:
        """Pods that have their place on a node that is there keep it; they are planned as if nominated to it."""
        shared = self._world
        # A Node may be there before its claim says so.
        nodes = shared.nodes_by_machine()
        by_claim = {
            claim["metadata"]["name"]: node["metadata"]["name"]
            for claim in shared.mirror.all(kinds.NODE_CLAIM)
            if not world.deleting(claim)
            and (node := nodes.get(str((claim.get("status") or {}).get("providerID") or ""))) is not None
        }
        for slot in shared.slots.all():
            pod = of.pods.get(slot.pod)
            node = by_claim.get(slot.claim, "")
            if pod is not None and pod.uid == slot.uid and not pod.node and node in of.nodes:
                pod.nominated_node = node

    def options(self, mode: options.Mode = "provision") -> options.Options:
        """How to plan, with what is left of the quota."""
        shared, given = self._world, self._world.settings
        return options.Options(
            mode=mode,
            now=int(shared.now()),
            time_limit=given.solve_time_limit,
            seed=given.seed,
            workers=given.workers,
            preference_policy=given.preference_policy,
            min_values_policy=given.min_values_policy,
            quota=self._quota(),
            feature_gates=given.feature_gates,
        )

    def _quota(self) -> dict[str, int]:
        shared = self._world
        known = shared.catalogue().flavors
        waiting = {"vcpus": 0, "memory_mb": 0, "instances": 0}
        with shared.lock:
            asked = min((place.quota_at for place in shared.places.values()), default=0.0)
            machines = dict(shared.machine_since)
        for claim in shared.mirror.all(kinds.NODE_CLAIM):
            flavor = known.get(world.label(claim, names.INSTANCE_TYPE_LABEL))
            has_machine = bool((claim.get("status") or {}).get("providerID"))
            answered = has_machine and machines.get(claim["metadata"]["name"], 0.0) < asked
            if flavor is None or world.deleting(claim) or answered:
                continue
            for key, amount in world.quota_of(flavor).items():
                waiting[key] += amount
        left: dict[str, int | None] = {}
        with shared.lock:
            for place in shared.places.values():
                for key, room in place.quota.items():
                    if room is not None:
                        before = left.get(key)
                        left[key] = room if before is None else min(before, room)
        return quota_left(left, waiting)
