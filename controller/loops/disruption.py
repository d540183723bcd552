"""
Nodes that go because they are no longer worth it, under budgets.

`METHODS` are asked in order; each proposes claims to delete. A proposal must stand for the validation delay before it
is carried out, so what happens meanwhile (a pod that comes, a budget that closes) still counts. Expiry knows no budget.
Texts and rules: karpenter core, `pkg/controllers/disruption`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from controller import metrics, names, settings, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import cloud, termination
from crds import duration, nodepool, validation

log = logging.getLogger(__name__)

DEPENDENTS = cloud.DEPENDENTS


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A claim with its node, its pool and the pods on the node, as they are now."""

    claim: Mapping[str, Any]
    node: Mapping[str, Any]
    pool: nodepool.NodePool
    pods: Sequence[Mapping[str, Any]]
    nominated: bool
    hourly: int = 0

    @property
    def name(self) -> str:
        """The claim's name."""
        return str(self.claim["metadata"]["name"])


@dataclasses.dataclass(frozen=True, slots=True)
class Proposal:
    """A claim that may go, and the reason that budgets know."""

    claim: str
    reason: nodepool.Reason


class Method(Protocol):
    """A way to find nodes to remove."""

    def __call__(self, candidates: Sequence[Candidate], now: float) -> list[Proposal]:
        """What may go, most worthwhile first; budgets are not its business."""
        ...


def movable(pod: Mapping[str, Any]) -> bool:
    """Whether the pod needs another place when its node goes."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    owners = {each.get("kind") for each in pod["metadata"].get("ownerReferences") or []}
    if owners & {"DaemonSet", "Node"}:
        return False
    return not pod["metadata"].get("deletionTimestamp") or "StatefulSet" in owners


def blocked(candidate: Candidate, now: float) -> str | None:
    """Why a node may not be disrupted at all, in upstream's words."""
    node = candidate.node
    if node["metadata"].get("deletionTimestamp") or candidate.claim["metadata"].get("deletionTimestamp"):
        return "Node is deleting or marked for deletion"
    if (node["metadata"].get("labels") or {}).get(names.INITIALIZED_LABEL) != "true":
        return "Node isn't initialized"
    if candidate.nominated:
        return "Node is nominated for a pending pod"
    if (node["metadata"].get("annotations") or {}).get(names.DO_NOT_DISRUPT) == "true":
        return f'Disruption is blocked through the "{names.DO_NOT_DISRUPT}" annotation'
    for pod in candidate.pods:
        live = (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        if live and not pod["metadata"].get("deletionTimestamp") and termination.protected(pod, now):
            where = f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}"
            return f'Pod has "{names.DO_NOT_DISRUPT}" annotation (Pod={where})'
    return None


def consolidatable(claim: Mapping[str, Any], pool: nodepool.NodePool, last_pod: float | None, now: float) -> bool:
    """Whether a node has been quiet for its pool's consolidateAfter."""
    after = pool.spec.disruption.consolidate_after
    if after is None or not conditions.is_true(claim, "Initialized") or pool.spec.replicas is not None:
        return False
    base = last_pod or conditions.since(claim, "Initialized")
    return now - base >= after


def emptiness(candidates: Sequence[Candidate], now: float) -> list[Proposal]:
    """Quiet nodes without pods of their own, the dearest first."""
    empty = [
        each
        for each in candidates
        if conditions.is_true(each.claim, "Consolidatable")
        and not any(movable(pod) for pod in each.pods)
        and blocked(each, now) is None
    ]
    return [Proposal(each.name, "Empty") for each in sorted(empty, key=lambda one: (-one.hourly, one.name))]


METHODS: tuple[Method, ...] = (emptiness,)
"""What `disrupt` asks, in upstream's order: emptiness first."""


def within_budgets(
    proposals: Sequence[Proposal],
    candidates: Mapping[str, Candidate],
    all_claims: Sequence[Mapping[str, Any]],
    unready: Collection[str],
    now: int,
) -> list[Proposal]:
    """
    The proposals that the budgets of their pools allow now.

    All reasons share one count of nodes on their way out: claims in deletion, and those whose Node is not ready
    (`unready`, by name of the claim).
    """
    total: dict[str, int] = {}
    going: dict[str, int] = {}
    for claim in all_claims:
        pool = (claim["metadata"].get("labels") or {}).get(names.NODEPOOL_LABEL, "")
        if conditions.is_true(claim, "Initialized") and not conditions.is_true(claim, "InstanceTerminating"):
            total[pool] = total.get(pool, 0) + 1
            if claim["metadata"].get("deletionTimestamp") or claim["metadata"]["name"] in unready:
                going[pool] = going.get(pool, 0) + 1
    kept = []
    for each in proposals:
        pool_model = candidates[each.claim].pool
        pool = pool_model.name
        allowed = pool_model.spec.disruption.allowed(each.reason, total.get(pool, 0), now)
        if going.get(pool, 0) < allowed:
            going[pool] = going.get(pool, 0) + 1
            kept.append(each)
    return kept


def expired(claim: Mapping[str, Any], now: float) -> bool:
    """Whether a claim has lived as long as it may."""
    text = claim["spec"].get("expireAfter") or "720h"
    if text == "Never":
        return False
    created = conditions.seconds(claim["metadata"].get("creationTimestamp"))
    return created is not None and now >= created + duration.parse_duration(text)


def standing(
    proposals: Sequence[Proposal], since: dict[tuple[str, str], float], given: settings.Settings, now: float
) -> list[Proposal]:
    """Those that have been proposed in every pass for the validation delay; `since` is the memory of that."""
    fresh = {(each.claim, each.reason) for each in proposals}
    for key in set(since) - fresh:
        del since[key]
    for key in fresh:
        since.setdefault(key, now)
    return [each for each in proposals if now - since[each.claim, each.reason] >= given.validation_delay]


class Disruption:
    """The disruption loop."""

    def __init__(self, shared: world.World, changed: Callable[[], None], methods: Sequence[Method] = METHODS) -> None:
        self._world = shared
        self._changed = changed
        self._methods = methods
        self._since: dict[tuple[str, str], float] = {}

    def tick(self) -> float:
        """One pass."""
        shared, now = self._world, self._world.now()
        pause = min(shared.settings.disruption_interval, max(0.5, shared.settings.validation_delay))
        if not shared.mirror.synced():
            return 0.2
        claims = [claim for claim in shared.mirror.all(kinds.NODE_CLAIM) if world.managed(claim)]
        self._expire(claims, now)
        candidates = self._candidates(claims)
        self._mark_quiet(candidates, now)
        proposals: list[Proposal] = []
        for method in self._methods:
            proposals += [
                each for each in method(candidates, now) if each.claim not in {one.claim for one in proposals}
            ]
        metrics.ELIGIBLE_NODES.labels("empty").set(sum(each.reason == "Empty" for each in proposals))
        by_name = {each.name: each for each in candidates}
        unready = {each.name for each in candidates if not conditions.is_true(each.node, "Ready")}
        lasting = standing(proposals, self._since, shared.settings, now)
        for each in within_budgets(lasting, by_name, claims, unready, int(now)):
            self._carry_out(by_name[each.claim], each)
        return pause

    def _expire(self, claims: Sequence[world.Object], now: float) -> None:
        for claim in claims:
            if not world.deleting(claim) and expired(claim, now):
                log.info("expired", extra={"NodeClaim": claim["metadata"]["name"]})
                name = claim["metadata"]["name"]
                self._world.api.delete(kinds.NODE_CLAIM, name, uid=claim["metadata"].get("uid") or "")
                cloud.disrupted(claim, "expired")
                self._changed()

    def _candidates(self, claims: Sequence[world.Object]) -> list[Candidate]:
        shared = self._world
        nodes = shared.nodes_by_machine()
        by_node = shared.pods_by_node()
        pools: dict[str, nodepool.NodePool] = {}
        for item in shared.mirror.all(kinds.NODE_POOL):
            try:
                pools[item["metadata"]["name"]] = validation.parse_nodepool(item, admitted=True)
            except validation.InvalidObject:
                continue
        with shared.lock:
            awaited = {each.claim for each in shared.assignments.values()}
        nominated = {
            (pod.get("status") or {}).get("nominatedNodeName") for pod in by_node.get("", []) if not world.deleting(pod)
        }
        for old, claim in termination.left_behind(nodes.values(), claims):
            # The pods of an exchanged machine come to the one that took its place.
            if any(movable(pod) for pod in by_node.get(old["metadata"]["name"], [])):
                awaited.add(claim["metadata"]["name"])
        found = []
        prices = shared.catalogue().flavors
        for claim in claims:
            node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
            pool = pools.get(world.label(claim, names.NODEPOOL_LABEL))
            if node is None or pool is None or world.deleting(claim):
                continue
            flavor = prices.get(world.label(claim, names.INSTANCE_TYPE_LABEL))
            name = node["metadata"]["name"]
            found.append(
                Candidate(
                    claim=claim,
                    node=node,
                    pool=pool,
                    pods=by_node.get(name, []),
                    nominated=claim["metadata"]["name"] in awaited or name in nominated,
                    hourly=(flavor.hourly_micro_eur or 0) if flavor else 0,
                )
            )
        return found

    def _mark_quiet(self, candidates: Sequence[Candidate], now: float) -> None:
        """Write down when pods last came or went, and whether the node has been quiet for long enough."""
        shared = self._world
        for each in candidates:
            claim = dict(each.claim)
            stored = conditions.seconds((claim.get("status") or {}).get("lastPodEventTime"))
            with shared.lock:
                seen = shared.pod_events.get(str(each.node["metadata"]["name"]))
            last = max(filter(None, (stored, seen)), default=None)
            status: dict[str, Any] = {}
            if seen is not None and (stored is None or seen - stored >= 10):
                status["lastPodEventTime"] = conditions.stamp(seen)
            draft = conditions.Draft(claim, DEPENDENTS, now)
            if consolidatable(claim, each.pool, last, now):
                if not draft.is_true("Consolidatable"):
                    draft.true("Consolidatable")
            else:
                draft.remove("Consolidatable")
            after = draft.finish()
            if after is not None:
                status["conditions"] = after
            if status:
                try:
                    shared.patch(kinds.NODE_CLAIM, claim, {"status": status}, subresource="status")
                except (apis.NotFoundError, apis.ConflictError):
                    continue

    def _carry_out(self, candidate: Candidate, proposal: Proposal) -> None:
        """Taint the node, say why, and delete the claim; draining is the termination's business."""
        shared, claim, node = self._world, dict(candidate.claim), dict(candidate.node)
        draft = conditions.Draft(claim, DEPENDENTS, shared.now())
        draft.set("DisruptionReason", "True", proposal.reason, proposal.reason)
        taints = [t for t in node["spec"].get("taints") or [] if t["key"] != names.DISRUPTED_TAINT]
        body = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "spec": {"taints": [*taints, {"key": names.DISRUPTED_TAINT, "effect": "NoSchedule"}]},
        }
        try:
            shared.patch(kinds.NODE, node, body)
            status = {"status": {"conditions": draft.finish()}}
            shared.patch(kinds.NODE_CLAIM, claim, status, subresource="status")
            shared.api.delete(kinds.NODE_CLAIM, candidate.name, uid=str(claim["metadata"].get("uid") or ""))
        except (apis.ConflictError, apis.NotFoundError):
            # Something has changed since the candidate was read: the next pass judges anew.
            return
        log.info(
            "disrupting node(s)",
            extra={
                "command": f"{proposal.reason}: delete: nodepools=[{candidate.pool.name}]: "
                f"[{node['metadata']['name']}] (savings: {candidate.hourly / 1e6:.4f} EUR/h)",
            },
        )
        shared.recorder.event(node, "DisruptionTerminating", f"Disrupting Node: {proposal.reason}")
        shared.recorder.event(claim, "DisruptionTerminating", f"Disrupting NodeClaim: {proposal.reason}")
        metrics.DISRUPTION_DECISIONS.labels("delete", proposal.reason.lower(), proposal.reason.lower()).inc()
        cloud.disrupted(claim, proposal.reason.lower(), _snake(candidate.pool.spec.disruption.consolidation_policy))
        self._changed()


def _snake(text: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in text).lstrip("_")
