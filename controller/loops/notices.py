"""
What people are told on the objects that they look at: pods, NodePools and NodeClaims.

Reasons, and the words that a message begins with, are upstream's where upstream has them (karpenter core,
`pkg/controllers/provisioning/scheduling/events.go`), since alerts and runbooks search for them.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence

from controller import names, world
from controller.kube import conditions, kinds
from controller.loops import nodepools
from solver import cluster
from solver import plan as plans
from solver.render import money

LONG_SILENCE = 300.0
"""Seconds for which a pod that still waits for the same reason is not told again."""

USUAL_SECONDS = 240.0
GPU_SECONDS = 3600.0
"""How long MKS takes to make a node ready, as long as no node of this cluster has shown it (2 to 5 min, 40 to 80)."""

LAST_NODES = 10
RELAXATIONS = 2
REFUSALS = 3

OF_OFFERINGS = ("nodepool", "node_affinity", "resources")
"""Rules by which a pod is left out for want of an offering that suits it."""


def expected(claims: Iterable[world.Object], gpu: bool) -> float:
    """Seconds from a claim to its ready node: the median of the newest nodes with GPUs, or of those without."""
    known = []
    for claim in claims:
        has = any(resource.endswith("/gpu") for resource in (claim.get("status") or {}).get("capacity") or {})
        created = conditions.seconds(claim["metadata"].get("creationTimestamp"))
        if has == gpu and created is not None and conditions.is_true(claim, "Initialized"):
            known.append((created, max(0.0, conditions.since(claim, "Initialized") - created)))
    newest = [took for _, took in sorted(known)[-LAST_NODES:]]
    return statistics.median(newest) if newest else GPU_SECONDS if gpu else USUAL_SECONDS


def duration(seconds: float) -> str:
    """A wait in words, as exact as it is known: `about 40 s`, `about 4 min`."""
    if seconds < 90:
        return f"about {max(10, 10 * round(seconds / 10))} s"
    return f"about {round(seconds / 60)} min"


def why(node: plans.NewNode, plan: plans.Plan) -> str:
    """Why this flavor, at what cost, and how good the plan is that it belongs to."""
    return f"{why_flavor(node)}. {why_plan(plan)}."


def why_plan(plan: plans.Plan) -> str:
    """What a plan costs, and how far that is from the least that is possible."""
    count = f"{len(plan.create)} new node{'' if len(plan.create) == 1 else 's'}"
    return f"The plan has {count} for {money.text(plan.cost.create)} EUR/hour; {_proof(plan)}"


def why_flavor(node: plans.NewNode) -> str:
    """What a node costs, how full it gets, and what else would do."""
    pods = f"{len(node.pods)} pod{'' if len(node.pods) == 1 else 's'}"
    fill = ", ".join(
        f"{resource} {_share(node, resource)}" for resource in ("cpu", "memory") if node.allocatable.get(resource)
    )
    text = f"{node.flavor} in {node.zone} for {money.text(node.hourly)} EUR/hour, to hold {pods} ({fill})"
    others = [name for name in node.flavor_options if name != node.flavor][:3]
    if others:
        text += f"; {', '.join(others)} would hold them too"
    return text


def _share(node: plans.NewNode, resource: str) -> str:
    return f"{100 * node.requests.get(resource, 0) / node.allocatable[resource]:.0f}%"


def _proof(plan: plans.Plan) -> str:
    if plan.status == "optimal":
        return "no cheaper fleet holds these pods"
    if plan.cost.gap is None:
        return "how much cheaper another fleet could be is not known"
    return f"another fleet could be cheaper by at most {money.gap(plan.cost.gap)}"


def planned(shared: world.World, plan: plans.Plan, of: cluster.Cluster) -> None:
    """Events on pods (where they go, or why they cannot), on new claims, and on NodePools that keep pods waiting."""
    claims = {claim["metadata"]["name"]: claim for claim in shared.mirror.all(kinds.NODE_CLAIM)}
    new = {node.name: node for node in plan.create}
    waits = {gpu: expected(claims.values(), gpu) for gpu in (False, True)}
    for key, target in plan.placements.items():
        pod = shared.mirror.of(kinds.POD).get(key)
        if pod is None:
            continue
        if target in new:
            where = f"nodeclaim/{target} ({_coming(shared, new[target], waits)})"
        elif target in of.node_claims and target in claims:
            where = f"nodeclaim/{target} ({_on_its_way(shared, claims[target], waits)})"
        else:
            where = f"node/{target}"
        shared.recorder.event(pod, "Nominated", f"Pod should schedule on: {where}", dedupe=(target,))
    refused = _refused(shared)
    for left in plan.unschedulable:
        pod = shared.mirror.of(kinds.POD).get(left.pod)
        if pod is not None:
            note = f"Failed to schedule pod, {left.message}{_refusals(refused, left)}{_advice(left.relaxations)}"
            shared.recorder.event(pod, "FailedScheduling", note, warning=True, silence=LONG_SILENCE)
    for name, node in new.items():
        if name in claims:
            shared.recorder.event(claims[name], "Planned", why(node, plan))
    _pools(shared, plan, refused)


def nominated(shared: world.World, pod: world.Object, claim: world.Object) -> None:
    """Tell a pod that takes another's place on a claim where it goes."""
    waits = {gpu: expected(shared.mirror.all(kinds.NODE_CLAIM), gpu) for gpu in (False, True)}
    name = claim["metadata"]["name"]
    note = f"Pod should schedule on: nodeclaim/{name} ({_on_its_way(shared, claim, waits)})"
    shared.recorder.event(pod, "Nominated", note, dedupe=(name,))


def _coming(shared: world.World, node: plans.NewNode, waits: dict[bool, float]) -> str:
    what = f"{node.flavor} in {node.zone}"
    if shared.settings.dry_run:
        return f"{what}; not bought, this is a dry run"
    gpu = any(resource.endswith("/gpu") for resource in node.allocatable)
    return f"{what}, ready in {duration(waits[gpu])}"


def _on_its_way(shared: world.World, claim: world.Object, waits: dict[bool, float]) -> str:
    what = f"{world.label(claim, names.INSTANCE_TYPE_LABEL)} in {world.label(claim, names.ZONE_LABEL)}"
    gpu = any(resource.endswith("/gpu") for resource in (claim.get("status") or {}).get("capacity") or {})
    created = conditions.seconds(claim["metadata"].get("creationTimestamp"))
    left = waits[gpu] - (shared.now() - created if created is not None else 0.0)
    return f"{what}, ready in {duration(left)}" if left > 0 else f"{what}, later than usual"


def _advice(relaxations: Sequence[plans.Relaxation]) -> str:
    """What would place the pod, and what that costs."""
    shown = [f"{each.change} (+{money.text(each.extra_hourly)} EUR/hour)" for each in relaxations[:RELAXATIONS]]
    return f". It would fit with this change: {', or '.join(shown)}" if shown else ""


def _refused(shared: world.World) -> dict[tuple[str, str], str]:
    """Offerings that OVHcloud refused a while ago and that this plan had to do without: flavor and zone, and why."""
    found = {}
    for flavor, zone in sorted(shared.refused()):
        with shared.lock:
            found[flavor, zone] = shared.unavailable.reason(flavor, zone, shared.now()) or "refused"
    return found


def _refusals(refused: Mapping[tuple[str, str], str], left: plans.Unschedulable) -> str:
    """What OVHcloud refused, where more offerings could have placed the pod."""
    if not any(reason.constraint in OF_OFFERINGS for reason in left.reasons):
        return ""
    shown = [f"{flavor} in {zone} ({reason})" for (flavor, zone), reason in list(refused.items())[:REFUSALS]]
    more = f" and {len(refused) - REFUSALS} more" if len(refused) > REFUSALS else ""
    return f". OVHcloud has refused for now: {', '.join(shown)}{more}" if shown else ""


def _pools(shared: world.World, plan: plans.Plan, refused: Mapping[tuple[str, str], str]) -> None:
    """Events on the NodePools whose limits, or the project's quota, keep pods waiting."""
    full: dict[tuple[str, str, str], int] = {}
    over = []
    for about, why, words in (
        ("QuotaReached", world.OVER_QUOTA, f"OVHcloud has refused {{}}: {world.OVER_QUOTA}"),
        ("PoolLimitReached", world.POOL_LIMIT, "{} would need one more node pool than the cluster may have"),
    ):
        if flavors := sorted({flavor for (flavor, _), reason in refused.items() if reason == why}):
            over.append((about, words.format(", ".join(flavors))))
    for left in plan.unschedulable:
        for reason in left.reasons:
            found = []
            if reason.constraint == "limits":
                found = [("LimitsReached", reason.message)]
            elif reason.constraint == "ovh" and "quota" in reason.message:
                found = [("QuotaReached", reason.message)]
            elif reason.constraint in OF_OFFERINGS:
                found = over
            for about, message in found:
                mark = (reason.node_pool, about, message)
                full[mark] = full.get(mark, 0) + 1
    for (name, about, message), pods in sorted(full.items()):
        item = shared.mirror.get(kinds.NODE_POOL, name)
        if item is not None:
            note = f"{pods} pod(s) wait: {message}"
            shared.recorder.event(item, about, note, warning=True, dedupe=(message,), silence=LONG_SILENCE)


def transitions(shared: world.World, item: world.Object, draft: conditions.Draft, kinds_of: Collection[str]) -> None:
    """An event for each of these conditions that changes, named like it; a condition that was not there was Unknown."""
    for before, each in draft.transitions():
        old = before["status"] if before is not None else "Unknown"
        if each["type"] not in kinds_of or old == each["status"]:
            continue
        note = f"Status condition transitioned, Type: {each['type']}, Status: {old} -> {each['status']}"
        note += f", Reason: {each['reason']}" + (f", Message: {each['message']}" if each["message"] else "")
        shared.recorder.event(item, each["type"], note)


def unready(shared: world.World, waiting: Iterable[str]) -> None:
    """Events on the pods while nothing can be bought at all; nothing is said before OVH has been asked."""
    states = [nodepools.class_state(item) for item in shared.mirror.all(kinds.NODE_CLASS)]
    text = "; ".join(message for _, reason, message in states if reason != "NodeClassReadinessUnknown")
    if states and not text:
        return
    text = text or "there is none"
    for key in waiting:
        pod = shared.mirror.of(kinds.POD).get(key)
        if pod is not None:
            note = f"Failed to schedule pod, no OVHNodeClass is ready: {text}"
            shared.recorder.event(
                pod, "FailedScheduling", note, warning=True, dedupe=("unready",), silence=LONG_SILENCE
            )
