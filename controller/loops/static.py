"""
Static NodePools: as many nodes as `spec.replicas` says, whatever pods there are.

Missing nodes are asked for as if each were a pod that bears no other beside it, so that requirements, limits, quota and
prices count as for any node. Rules: karpenter core, `pkg/controllers/static`.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controller import names, world
from controller.kube import conditions, kinds
from controller.loops import claims as claims_of
from controller.loops import commands, drain, question
from crds import nodepool
from solver import cluster
from solver import plan as plans

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""How soon nodes that could not be had are asked for again."""

GATE = "StaticCapacity"

_ALONE = cluster.HostPort("127.0.0.1", "TCP", 1)
_TAKEN = cluster.Taint(names.RESERVED_TAINT, "", "NoSchedule")


def counted(claims: Sequence[world.Object], pool: str) -> list[world.Object]:
    """The claims that make up a pool: those that stay."""
    return [
        claim
        for claim in claims
        if world.label(claim, names.NODEPOOL_LABEL) == pool
        and not world.deleting(claim)
        and not commands.waiting(claim)
    ]


def surplus(
    claims: Sequence[world.Object], replicas: int, pods: Mapping[str, Sequence[world.Object]], now: float
) -> list[world.Object]:
    """
    The claims that go when a pool is to be smaller: without a machine first, then without pods, then the fewest pods.

    `pods` are by provider id. Nodes whose pods must not be disrupted come last.
    """

    def order(claim: world.Object) -> tuple[Any, ...]:
        machine = str((claim.get("status") or {}).get("providerID") or "")
        there = [pod for pod in pods.get(machine, ()) if drain.movable(pod)]
        shielded = any(drain.protected(pod, now) for pod in pods.get(machine, ()))
        return bool(machine), shielded, len(there), claim["metadata"]["name"]

    return sorted(claims, key=order)[: max(0, len(claims) - replicas)]


def asking(of: cluster.Cluster, pool: str, count: int) -> cluster.Cluster:
    """The cluster in which that many pods want a new node of the pool each, and no other pod wants anything."""
    owner = of.node_pools[pool]
    spec = owner.manifest.spec
    owner.manifest = owner.manifest.model_copy(update={"spec": spec.model_copy(update={"replicas": None})})
    for node in of.nodes.values():
        node.taints = (*node.taints, _TAKEN)
    for claim in of.node_claims.values():
        claim.taints = (*claim.taints, _TAKEN)
    wants = cluster.PodSpec(
        node_selector=((names.NODEPOOL_LABEL, pool),),
        tolerations=tuple(cluster.Toleration(taint.key, "Exists", "", "") for taint in spec.template.spec.taints or ()),
        host_ports=(_ALONE,),
    )
    made = [cluster.Pod("", f"{pool}-{number}", wants) for number in range(count)]
    of.pods = {pod.key: pod for pod in made}
    return of


class Static:
    """Keeps static NodePools at their size; called by the disruption loop."""

    def __init__(
        self,
        shared: world.World,
        questions: question.Questions,
        running: commands.Commands,
        changed: Callable[[], None],
    ) -> None:
        self._world = shared
        self._questions = questions
        self._commands = running
        self._changed = changed
        self._retry_at: dict[str, float] = {}

    def reconcile(self, pools: Mapping[str, tuple[world.Object, nodepool.NodePool]]) -> None:
        """One pass over all pools."""
        if not self._world.settings.feature_gates.get(GATE, True):
            return
        for name, (item, parsed) in pools.items():
            ready = conditions.is_true(item, conditions.ROOT)
            if parsed.spec.replicas is not None and world.managed(item) and not world.deleting(item) and ready:
                self._pool(name, parsed, parsed.spec.replicas)

    def _pool(self, name: str, pool: nodepool.NodePool, replicas: int) -> None:
        shared, now = self._world, self._world.now()
        mine = counted(shared.mirror.all(kinds.NODE_CLAIM), name)
        if len(mine) < replicas:
            self._create(name, replicas - len(mine))
        elif len(mine) > replicas:
            by_node = shared.pods_by_node()
            pods = {
                machine: by_node.get(node["metadata"]["name"], [])
                for machine, node in shared.nodes_by_machine().items()
            }
            for claim in surplus(mine, replicas, pods, now):
                log.info("static pool is too large", extra={"NodePool": name, "NodeClaim": claim["metadata"]["name"]})
                shared.api.delete(kinds.NODE_CLAIM, claim["metadata"]["name"], uid=claim["metadata"].get("uid") or "")
                self._changed()
        else:
            self._drift(name, pool, mine)

    def _create(self, name: str, count: int, replaced: world.Object | None = None) -> None:
        """Buy nodes; `replaced` is a marked claim that goes when they are ready."""
        shared = self._world
        if time.monotonic() < self._retry_at.get(name, 0.0):
            return
        with shared.planning:
            of = asking(self._questions.snapshot(), name, count)
            plan = self._questions.ask(of, "")
            bare = [dataclasses.replace(node, pods=()) for node in plan.create] if plan is not None else []
            if plan is not None and bare:
                reason = "drifted" if replaced is not None else "provisioned"
                replaces = [str(replaced["metadata"]["uid"])] if replaced is not None else []
                written = claims_of.write(shared, bare, plan, of, reason, replaces)
            else:
                written = set()
        if len(written) < count:
            self._retry_at[name] = time.monotonic() + RETRY_SECONDS
            self._tell(name, count - len(written), plan)
        if written:
            self._changed()

    def _tell(self, name: str, count: int, plan: plans.Plan | None) -> None:
        item = self._world.mirror.get(kinds.NODE_POOL, name)
        if item is not None and plan is not None and plan.unschedulable:
            note = f"{count} node(s) of spec.replicas cannot be had: {plan.unschedulable[0].message}"
            self._world.recorder.event(item, "ReplicasMissing", note, warning=True, silence=300.0)

    def _drift(self, name: str, pool: nodepool.NodePool, mine: list[world.Object]) -> None:
        """Replace drifted nodes one for one, as many at once as budgets allow."""
        shared, now = self._world, self._world.now()
        drifted = sorted(
            (
                claim
                for claim in mine
                if conditions.is_true(claim, "Drifted") and conditions.is_true(claim, "Initialized")
            ),
            key=lambda claim: conditions.since(claim, "Drifted"),
        )
        if not drifted:
            return
        nodes = shared.nodes_by_machine()
        total = going = 0
        for claim in shared.mirror.all(kinds.NODE_CLAIM):
            if world.label(claim, names.NODEPOOL_LABEL) == name and conditions.is_true(claim, "Initialized"):
                node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
                total += 1
                unready = node is None or not conditions.is_true(node, "Ready")
                going += world.deleting(claim) or commands.waiting(claim) or unready
        room = pool.spec.disruption.allowed("Drifted", total, int(now)) - going
        for claim in drifted[: max(0, room)]:
            if time.monotonic() < self._retry_at.get(name, 0.0):
                # What cannot be had for one cannot be had for the next, which would be marked for nothing.
                return
            node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
            if node is not None and self._commands.mark(claim, node, "Drifted"):
                self._create(name, 1, claim)
