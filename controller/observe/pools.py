"""NodePools: use, limits, cost and budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import core

from controller import metrics, names, world
from controller.kube import conditions, kinds
from controller.loops import nodepools
from controller.observe import values
from crds import disruption as disruptions
from crds import validation

REASONS: tuple[disruptions.Reason, ...] = ("Empty", "Drifted", "Underutilized")


def families(shared: world.World) -> Iterator[core.Metric]:
    """All gauges about NodePools, and the cost of the whole fleet."""
    usage, limit = metrics.NODEPOOL_USAGE.family(), metrics.NODEPOOL_LIMIT.family()
    cost, fleet = metrics.NODEPOOL_COST.family(), metrics.COST.family()
    allowed, consuming = metrics.ALLOWED_DISRUPTIONS.family(), metrics.CONSUMING_BUDGETS.family()
    claims = shared.mirror.all(kinds.NODE_CLAIM)
    used = nodepools.usage(claims)
    going = _going(shared, claims)
    flavors = shared.catalogue().flavors
    total = 0
    for item in shared.mirror.all(kinds.NODE_POOL):
        name = item["metadata"]["name"]
        for resource, amount in used.get(name, {}).items():
            usage.add_metric([values.resource(resource), name], values.units(resource, amount))
        mine = [each for each in claims if world.label(each, names.NODEPOOL_LABEL) == name]
        known = [flavors.get(world.label(each, names.INSTANCE_TYPE_LABEL)) for each in mine]
        price = sum(each.hourly_micro_eur or 0 for each in known if each is not None)
        total += price
        cost.add_metric([name], price / 1e6)
        try:
            parsed = validation.parse_nodepool(item, admitted=True)
        except validation.InvalidObject:
            continue
        for resource, most in parsed.spec.limits.items():
            limit.add_metric([values.resource(resource), name], values.units(resource, most))
        count = used.get(name, {}).get("nodes", 0)
        for reason in REASONS:
            budget = parsed.spec.disruption.allowed(reason, count, int(shared.now()))
            allowed.add_metric([name, reason], budget)
            consuming.add_metric([name, reason], going.get(name, 0))
    fleet.add_metric([], total / 1e6)
    yield from (usage, limit, cost, allowed, consuming, fleet)


def _going(shared: world.World, claims: Sequence[world.Object]) -> dict[str, int]:
    """Initialized nodes by NodePool that are on their way out or not ready: all reasons share their budgets."""
    nodes = shared.nodes_by_machine()
    found: dict[str, int] = {}
    for claim in claims:
        node = nodes.get(str((claim.get("status") or {}).get("providerID") or ""))
        broken = node is not None and not conditions.is_true(node, "Ready")
        if conditions.is_true(claim, "Initialized") and (claim["metadata"].get("deletionTimestamp") or broken):
            pool = (claim["metadata"].get("labels") or {}).get(names.NODEPOOL_LABEL, "")
            found[pool] = found.get(pool, 0) + 1
    return found
