"""
From waiting pods to NodeClaims: batch, snapshot, plan, check, write. OVH is not spoken to here.

Claims that have no node yet are places like any other to the planner, so that a later batch fills them instead of
buying again; that holds after a restart too.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from catalog import catalogue as catalogues
from catalog import region
from controller import measure, metrics, names, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import batch, lastplan, notices
from crds import nodepool
from solver import cluster, options, planner
from solver import plan as plans
from solver.render import manifests, money
from solver.snapshot import pending

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""How soon pods that a plan has left out are planned for again, when nothing else happens."""

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


def claim_manifest(node: plans.NewNode, plan: plans.Plan, pool: world.Object, workloads: Mapping[str, int]) -> Any:
    """The NodeClaim of a new node as it is written: owned by its NodePool, held by our finalizer, with its reasons."""
    made = manifests.node_claim(node)
    template = pool["spec"]["template"]["spec"]
    made["spec"]["expireAfter"] = template.get("expireAfter") or "720h"
    if template.get("terminationGracePeriod"):
        made["spec"]["terminationGracePeriod"] = template["terminationGracePeriod"]
    made["metadata"]["finalizers"] = [names.TERMINATION_FINALIZER]
    made["metadata"]["annotations"] = {
        **made["metadata"].get("annotations", {}),
        nodepool.HASH_VERSION_ANNOTATION: nodepool.HASH_VERSION,
        names.OVH_POOL: node.ovh_pool,
        names.HOURLY: money.text(node.hourly),
        names.MONTHLY: "true" if node.monthly_billed else "false",
        names.PLAN: notices.why(node, plan),
        names.PLANNED_PODS: json.dumps(dict(workloads), separators=(",", ":"))[:4000],
    }
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "name": node.node_pool,
            "uid": pool["metadata"].get("uid"),
            "blockOwnerDeletion": True,
        }
    ]
    return made


def workloads_of(node: plans.NewNode, of: cluster.Cluster) -> dict[str, int]:
    """How many pods of which owner go onto a new node."""
    found: collections.Counter[str] = collections.Counter()
    for key in node.pods:
        pod = of.pods.get(key)
        owner = pod.owner if pod else None
        found[f"{pod.namespace}/{owner.kind}/{owner.name}" if pod and owner else key] += 1
    return dict(sorted(found.items()))


class Provisioner:
    """The batch loop."""

    def __init__(self, shared: world.World, changed: Callable[[], None], stopping: Callable[[], bool]) -> None:
        self.batcher = batch.Batcher(shared.settings.batch_idle, shared.settings.batch_max)
        self._world = shared
        self._changed = changed
        self._stopping = stopping
        self._retry_at: float | None = None
        self._warm: plans.Plan | None = None
        self._learned: dict[str, dict[str, int]] = {}

    def trigger(self) -> None:
        """Something has happened that may let waiting pods be placed."""
        self.batcher.trigger(time.monotonic())

    def tick(self) -> float:
        """Plan when the window closes; seconds until it is worth looking again."""
        now = time.monotonic()
        if not self._world.mirror.synced():
            return 0.2
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self.trigger()
        wait = self.batcher.wait(now)
        if wait is None:
            return 1.0 if self._retry_at is None else max(0.05, min(1.0, self._retry_at - now))
        if wait > 0:
            return wait
        self.batcher.take()
        self._batch()
        return 0.05

    def _batch(self) -> None:
        shared = self._world
        of = unreserved(shared.mirror.snapshot())
        self._settle(of)
        waiting = pending.pending(of)
        if not waiting:
            metrics.UNSCHEDULABLE_PODS.labels("provisioner").set(0)
            return
        if not any(place.ready for place in shared.places.values()):
            self._retry_at = time.monotonic() + 2.0
            notices.unready(shared, (pod.key for pod in waiting))
            return
        log.info("found provisionable pod(s)", extra={"pods": len(waiting)})
        started = time.monotonic()
        self._learned = learn(of, self._learned)
        try:
            plan = planner.plan(
                of,
                without(shared.catalogue().with_learned(self._learned), shared.refused()),
                self._options(),
                planner.Run(clock=time.monotonic, stop=self._stopping, warm=self._warm),
            )
        except planner.RejectedPlanError as error:
            metrics.PLANS_REJECTED.inc()
            log.error("plan rejected by the checker", extra={"error": str(error)})
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return
        except region.UnknownRegionError as error:
            log.error("no plan", extra={"error": str(error)})
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return
        measure.plan(plan, "provisioner", time.monotonic() - started)
        if not self._stopping():
            self.carry_out(plan, of)

    def _settle(self, of: cluster.Cluster) -> None:
        """Pods that have their place on a node that is there keep it; they are planned as if nominated to it."""
        shared = self._world
        with shared.lock:
            assigned = list(shared.assignments.values())
        by_claim = {
            claim["metadata"]["name"]: str((claim.get("status") or {}).get("nodeName") or "")
            for claim in shared.mirror.all(kinds.NODE_CLAIM)
            if not world.deleting(claim)
        }
        for each in assigned:
            pod = of.pods.get(each.pod)
            node = by_claim.get(each.claim, "")
            if pod is not None and pod.uid == each.uid and not pod.node and node in of.nodes:
                pod.nominated_node = node

    def _options(self) -> options.Options:
        shared, given = self._world, self._world.settings
        return options.Options(
            mode="provision",
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
            waiting["vcpus"] += flavor.vcpus
            waiting["memory_mb"] += flavor.memory_gib * 1000
            waiting["instances"] += 1
        left: dict[str, int | None] = {}
        with shared.lock:
            for place in shared.places.values():
                for key, room in place.quota.items():
                    if room is not None:
                        before = left.get(key)
                        left[key] = room if before is None else min(before, room)
        return quota_left(left, waiting)

    def carry_out(self, plan: plans.Plan, of: cluster.Cluster) -> None:
        """Write the claims, then tell pods and people."""
        shared = self._world
        if plan.create:
            log.info(
                "computed new nodeclaim(s) to fit pod(s)",
                extra={
                    "nodeclaims": len(plan.create),
                    "pods": sum(len(each.pods) for each in plan.create),
                    "hourlyEur": money.text(plan.cost.create),
                    "gap": plan.cost.gap,
                },
            )
        pools = {item["metadata"]["name"]: item for item in shared.mirror.all(kinds.NODE_POOL)}
        failed = False
        written: set[str] = set()
        for node in plan.create:
            pool = pools.get(node.node_pool)
            if pool is None or world.deleting(pool):
                failed = True
                continue
            body = claim_manifest(node, plan, pool, workloads_of(node, of))
            try:
                made = shared.api.create(kinds.NODE_CLAIM, body)
            except apis.DryRunError:
                continue
            except apis.ApiError as error:
                failed = True
                log.error("claim refused", extra={"NodeClaim": node.name, "error": str(error)})
                continue
            shared.mirror.observe(kinds.NODE_CLAIM, made)
            written.add(node.name)
            relaxed = node.annotations.get("karpenter.sh/nodeclaim-min-values-relaxed", "false")
            metrics.NODECLAIMS_CREATED.labels("provisioned", node.node_pool, relaxed).inc()
            log.info(
                "created nodeclaim",
                extra={
                    "NodeClaim": node.name,
                    "NodePool": node.node_pool,
                    "flavor": node.flavor,
                    "zone": node.zone,
                    "pods": len(node.pods),
                },
            )
        self._assign(plan, of, written)
        notices.planned(shared, plan, of)
        lastplan.publish(shared, plan)
        self._retry_at = time.monotonic() + RETRY_SECONDS if failed or plan.unschedulable else None
        self._warm = plan
        self._changed()

    def _assign(self, plan: plans.Plan, of: cluster.Cluster, written: set[str]) -> None:
        """Remember which pods the plan puts onto nodes that are on their way or held."""
        shared, now = self._world, self._world.now()
        by_node = {
            str((claim.get("status") or {}).get("nodeName") or ""): claim["metadata"]["name"]
            for claim in shared.mirror.all(kinds.NODE_CLAIM)
            if not conditions.is_true(claim, "Initialized")
        }
        claims = {claim["metadata"]["name"] for claim in shared.mirror.all(kinds.NODE_CLAIM)} | written
        with shared.lock:
            for key, target in plan.placements.items():
                claim = target if target in claims else by_node.get(target, "")
                pod = of.pods.get(key)
                if not claim or pod is None:
                    continue
                direct = any(spread.honor_taints for spread in pod.spec.spread)
                shared.assignments[key] = world.Assignment(key, pod.uid, claim, now, direct)
