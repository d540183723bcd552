"""
Nodes that go because they are empty, drifted, or worth less than they cost, under budgets.

The planner is asked in the mode `consolidate`, as `solve --mode consolidate` does. What it says must still be true after
the validation delay: it is asked again about the cluster as it is then, where only the nodes of the first answer may go.
The second answer is carried out: replacements first. Expiry knows neither budgets nor replacements.
A dry run asks both times too, and tells what it would disrupt instead of doing so.
Rules and texts: karpenter core, `pkg/controllers/disruption`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from controller import metrics, names, world
from controller.kube import conditions, kinds
from controller.loops import claims as claims_of
from controller.loops import commands, demands, lastplan, marks, placement, question, static
from crds import disruption as disruptions
from crds import duration, nodepool, validation
from solver import cluster
from solver import plan as plans
from solver.disruption import candidates, choice
from solver.snapshot import pending

log = logging.getLogger(__name__)

AGAIN_SECONDS = 300.0
"""How long an answer that takes nothing away is believed while the cluster does not change."""

UNCONSOLIDATABLE_SILENCE = 900.0
BUDGET_SILENCE = 60.0
WOULD_SILENCE = 900.0
"""For how long a dry run does not repeat what it would do about a node."""

_REASONS: tuple[disruptions.Reason, ...] = ("Empty", "Drifted", "Underutilized")
_BUDGET = choice.BUDGET.partition("{")[0]
_BLOCKED = (
    "Node isn't initialized",
    "Node is nominated",
    "Disruption is blocked",
    "Pod has",
    "Eviction does not",
    "Pdb prevents",
)
"""How reasons begin that upstream puts into the event DisruptionBlocked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Nodes that go together, and the nodes that all of them wait for."""

    gone: tuple[plans.GoneNode, ...]
    new: tuple[plans.NewNode, ...]


def groups(plan: plans.Plan) -> list[Group]:
    """
    What a plan takes away, in parts that do not need each other: linked are nodes and those that their pods move to.

    Expired nodes are left out, as they go by themselves.
    """
    gone = {each.node: each for each in plan.delete if each.reason != candidates.EXPIRED}
    new = {each.name: each for each in plan.create}
    part = {name: frozenset([name]) for name in (*gone, *new)}
    for each in gone.values():
        for pod in each.pods:
            target = plan.placements.get(pod, "")
            if target in new and part[target] is not part[each.node]:
                joined = part[target] | part[each.node]
                part |= dict.fromkeys(joined, joined)
    return [
        Group(
            tuple(each for name, each in gone.items() if name in names_),
            tuple(each for name, each in new.items() if name in names_),
        )
        for names_ in dict.fromkeys(part[name] for name in gone)
    ]


def command(group: Group) -> str:
    """What is done about a group, in a line."""
    decision = "replace" if group.new else "delete"
    saved = sum(each.hourly for each in group.gone) - sum(each.hourly for each in group.new)
    gone = ", ".join(each.node for each in group.gone)
    how = f"[{gone}] -> [{len(group.new)} replacement(s)]" if group.new else f"[{gone}]"
    pools = ", ".join(sorted({each.node_pool for each in group.gone}))
    return f"{group.gone[0].reason}: {decision}: nodepools=[{pools}]: {how} (savings: {saved / 1e6:.4f} EUR/h)"


def only(of: cluster.Cluster, claims: Collection[str]) -> cluster.Cluster:
    """The cluster in which no other node than those of these claims may be disrupted."""
    free = {of.node_claims[name].node for name in claims if name in of.node_claims}
    for node in of.nodes.values():
        if node.name not in free:
            node.annotations = {**node.annotations, pending.DO_NOT_DISRUPT: "true"}
    return of


def expired(claim: Mapping[str, Any], now: float) -> bool:
    """Whether a claim has lived as long as it may."""
    text = claim["spec"].get("expireAfter") or "720h"
    if text == "Never":
        return False
    created = conditions.seconds(claim["metadata"].get("creationTimestamp"))
    return created is not None and now >= created + duration.parse_duration(text)


class Disruption:
    """The disruption loop."""

    def __init__(self, shared: world.World, questions: question.Questions, changed: Callable[[], None]) -> None:
        self._world = shared
        self._questions = questions
        self._changed = changed
        self._marks = marks.Marks(shared)
        self._commands = commands.Commands(shared, changed)
        self._static = static.Static(shared, questions, self._commands, changed)
        self._proposed: tuple[frozenset[str], float] | None = None
        """Claims that the last plan takes away, and since when that stands to be validated."""
        self._fruitless: tuple[int, float] = (0, 0.0)
        """What the cluster looked like when the last plan took nothing away, and when that was."""

    def tick(self) -> float:
        """One pass."""
        shared, now = self._world, self._world.now()
        if not shared.mirror.synced():
            return 0.2
        claims = [claim for claim in shared.mirror.all(kinds.NODE_CLAIM) if world.managed(claim)]
        self._expire(claims, now)
        nodes = shared.nodes_by_machine()
        pools = self._pools()
        self._marks.reconcile(claims, nodes, pools)
        if not shared.settings.dry_run:
            self._commands.reconcile(claims, nodes)
            self._commands.release(claims, nodes)
            self._static.reconcile(pools)
        self._consider(pools, now)
        pause = shared.settings.disruption_interval
        if self._proposed is None:
            return pause
        return min(pause, max(0.5, self._proposed[1] + shared.settings.validation_delay - shared.now()))

    def _pools(self) -> dict[str, tuple[world.Object, nodepool.NodePool]]:
        """NodePools that are valid, as objects and as models."""
        found = {}
        for item in self._world.mirror.all(kinds.NODE_POOL):
            try:
                found[item["metadata"]["name"]] = item, validation.parse_nodepool(item, admitted=True)
            except validation.InvalidObject:
                continue
        return found

    def _expire(self, claims: Sequence[world.Object], now: float) -> None:
        for claim in claims:
            if world.deleting(claim) or not expired(claim, now):
                continue
            if self._world.settings.dry_run:
                self._would(claim, "Expired", "")
            else:
                log.info("expired", extra={"NodeClaim": claim["metadata"]["name"]})
                name = claim["metadata"]["name"]
                self._world.api.delete(kinds.NODE_CLAIM, name, uid=claim["metadata"].get("uid") or "")
                demands.disrupted(claim, "expired")
                self._changed()

    def _consider(self, pools: Mapping[str, tuple[world.Object, nodepool.NodePool]], now: float) -> None:
        """Ask what may go, or ask again whether it still may."""
        shared = self._world
        claims = [claim for claim in shared.mirror.all(kinds.NODE_CLAIM) if world.managed(claim)]
        may = [
            claim
            for claim in claims
            if not world.deleting(claim)
            and not commands.waiting(claim)
            and (conditions.is_true(claim, "Consolidatable") or conditions.is_true(claim, "Drifted"))
        ]
        with shared.lock:
            places = list(shared.places.values())
        if not may or not places or not all(place.ready for place in places):
            self._proposed = None
            return
        if self._proposed is not None:
            names_, since = self._proposed
            if now - since >= shared.settings.validation_delay:
                self._proposed = None
                with shared.planning:
                    self._validated(names_)
                if shared.settings.dry_run:
                    # Nothing has changed, and the same would be found.
                    self._fruitless = self._look(claims, pools, now), now
            return
        look = self._look(claims, pools, now)
        if look == self._fruitless[0] and now - self._fruitless[1] < AGAIN_SECONDS:
            return
        # Nothing is written upon this answer, so the batch loop need not wait for it.
        plan = self._plan(self._questions.snapshot())
        if plan is None:
            self._fruitless = look, now
            return
        chosen = frozenset(each.node_claim for group in groups(plan) for each in group.gone)
        self._tell(plan)
        if chosen:
            self._proposed = chosen, shared.now()
            return
        self._fruitless = look, now

    def _plan(self, of: cluster.Cluster) -> plans.Plan | None:
        """The planner's answer, None when there is none that can be trusted."""
        plan = self._questions.ask(of, "disruption", "consolidate")
        if plan is not None:
            for reason in _REASONS:
                metrics.ELIGIBLE_NODES.labels(reason.lower()).set(sum(each.reason == reason for each in plan.delete))
        return plan

    def _validated(self, names_: frozenset[str]) -> None:
        """Ask again on fresh state, and carry out what still holds."""
        of = only(self._questions.snapshot(), names_)
        plan = self._plan(of)
        found = groups(plan) if plan is not None else []
        if plan is not None and found:
            lastplan.publish(self._world, plan, "disruption")
        still = {each.node_claim for group in found for each in group.gone}
        for name in sorted(names_ - still):
            metrics.FAILED_VALIDATIONS.labels("multi").inc()
            log.info("not disrupted after all", extra={"NodeClaim": name})
        for group in found:
            if plan is not None and {each.node_claim for each in group.gone} <= names_:
                self._begin(group, plan, of)

    def _begin(self, group: Group, plan: plans.Plan, of: cluster.Cluster) -> None:
        """Mark the nodes of a group, and write the claims that replace them; without any, they go at once."""
        shared = self._world
        reason = group.gone[0].reason
        if shared.settings.dry_run:
            self._would_begin(group)
            return
        nodes = {node["metadata"]["name"]: node for node in shared.mirror.all(kinds.NODE)}
        marked = []
        for each in group.gone:
            claim, node = shared.mirror.get(kinds.NODE_CLAIM, each.node_claim), nodes.get(each.node)
            if claim is None or node is None or not self._commands.mark(claim, node, each.reason):
                # Those that are marked already wait for nothing, and are given back by the next pass.
                log.info("not disrupted: changed meanwhile", extra={"NodeClaim": each.node_claim})
                return
            marked.append(str(claim["metadata"]["uid"]))
        decision = "replace" if group.new else "delete"
        log.info("disrupting node(s)", extra={"command": command(group)})
        kind = {"Empty": "empty", "Underutilized": "single" if len(group.gone) == 1 else "multi"}.get(reason, "")
        metrics.DISRUPTION_DECISIONS.labels(decision, reason.lower(), kind).inc()
        if group.new:
            written = claims_of.write(shared, group.new, plan, of, reason.lower(), marked)
            moved = {pod: plan.placements.get(pod, "") for each in group.gone for pod in each.pods}
            # Whoever goes where there is room already is the scheduler's business.
            placement.keep(shared, {pod: to for pod, to in moved.items() if to in written}, of, written)
            for name in written:
                made = shared.mirror.get(kinds.NODE_CLAIM, name)
                if made is not None:
                    shared.recorder.event(made, "DisruptionLaunching", f"Launching NodeClaim: {reason}")
        else:
            for each in group.gone:
                claim = shared.mirror.get(kinds.NODE_CLAIM, each.node_claim)
                if claim is not None:
                    machine = str((claim.get("status") or {}).get("providerID") or "")
                    self._commands.delete(claim, shared.nodes_by_machine().get(machine))
        self._changed()

    def _would_begin(self, group: Group) -> None:
        """Tell of the nodes of a group that they would go, and what would replace them."""
        log.info("would disrupt node(s)", extra={"command": command(group)})
        new = ", ".join(f"{each.flavor} in {each.zone}" for each in group.new)
        for each in group.gone:
            claim = self._world.mirror.get(kinds.NODE_CLAIM, each.node_claim)
            if claim is not None:
                self._would(claim, each.reason, f", replaced by {new}" if new else "")

    def _would(self, claim: world.Object, reason: str, how: str) -> None:
        """Tell of a claim and its Node that a dry run leaves in peace."""
        for item in (self._world.node_of(claim), claim):
            if item is not None:
                note = f"Would disrupt {item['kind']}: {reason}{how}; not done, this is a dry run"
                self._world.recorder.event(item, "DisruptionTerminating", note, silence=WOULD_SILENCE)

    def _tell(self, plan: plans.Plan) -> None:
        """Say of nodes that stay why they do."""
        shared = self._world
        by_node = {
            str((claim.get("status") or {}).get("nodeName") or ""): claim
            for claim in shared.mirror.all(kinds.NODE_CLAIM)
        }
        for kept in plan.keep:
            if kept.reason.startswith(_BUDGET):
                pool = shared.mirror.get(kinds.NODE_POOL, kept.node_pool)
                if pool is not None:
                    shared.recorder.event(pool, "DisruptionBlocked", kept.reason, silence=BUDGET_SILENCE)
                continue
            if kept.reason.startswith(("Node is deleting", "Node is not consolidatable")):
                continue
            blocked = kept.reason.startswith(_BLOCKED)
            for item in (shared.mirror.get(kinds.NODE, kept.node), by_node.get(kept.node)):
                if item is not None and blocked:
                    shared.recorder.event(item, "DisruptionBlocked", kept.reason, dedupe=())
                elif item is not None:
                    shared.recorder.event(
                        item, "Unconsolidatable", kept.reason, dedupe=(), silence=UNCONSOLIDATABLE_SILENCE
                    )

    def _look(
        self,
        claims: Sequence[world.Object],
        pools: Mapping[str, tuple[world.Object, nodepool.NodePool]],
        now: float,
    ) -> int:
        """A number that changes with everything that could let another node go."""
        shared = self._world
        states = ("Consolidatable", "Drifted", "Initialized", "DisruptionReason")
        seen: set[object] = {
            (each["metadata"].get("uid"), world.deleting(each), *(conditions.is_true(each, state) for state in states))
            for each in claims
        }
        for pod in shared.mirror.all(kinds.POD):
            spec = pod.get("spec") or {}
            seen.add((pod["metadata"].get("uid"), spec.get("nodeName"), world.deleting(pod), _annotated(pod)))
        for node in shared.mirror.all(kinds.NODE):
            seen.add((node["metadata"].get("uid"), conditions.is_true(node, "Ready"), _annotated(node)))
        for budget in shared.mirror.all(kinds.BUDGET):
            seen.add((budget["metadata"].get("uid"), (budget.get("status") or {}).get("disruptionsAllowed")))
        for name, (item, parsed) in pools.items():
            count = sum(world.label(claim, names.NODEPOOL_LABEL) == name for claim in claims)
            room = tuple(parsed.spec.disruption.allowed(reason, count, int(now)) for reason in _REASONS)
            seen.add((name, item["metadata"].get("generation"), room))
        seen.add(shared.refused())
        seen.add(shared.catalogue().version)
        return hash(frozenset(seen))


def _annotated(item: world.Object) -> str:
    return world.annotation(item, names.DO_NOT_DISRUPT)
