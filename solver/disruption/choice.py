"""
From candidates to one plan's leave: what goes by itself, what the search may take, and how many.

The order is upstream's: empty nodes have the first claim on budgets, then drifted ones (without pods first, then the
longest drifted), then whatever saves money. Expired nodes go whatever budgets say, but use them up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from catalog import catalogue
from solver import build as builds
from solver import cluster, options
from solver.disruption import budgets, candidates, worth
from solver.disruption import pods as pod_rules

BUDGET = "No allowed disruptions for disruption reason {} due to blocking budget"

Misfits = Callable[["Choice"], Mapping[str, str]]
"""Says which of the nodes that go by themselves have pods without a place, each with the reason in words."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """
    Leave for one plan.

    `going` maps nodes that go in any case to their reason, `removable` nodes that the search may take to reason and
    cost. `limits` are on removable nodes, `max_nodes` and `max_evictions` what the user's own limits leave. `kept` says
    of all others why they stay.
    """

    found: tuple[candidates.Candidate, ...]
    going: Mapping[str, str]
    removable: Mapping[str, builds.Removal]
    limits: tuple[budgets.Limit, ...]
    max_nodes: int | None
    max_evictions: int | None
    kept: Mapping[str, str]

    def going_pods(self) -> dict[str, tuple[str, ...]]:
        """The nodes that go in any case, with all pods on them that would need another place."""
        return {each.name: tuple(sorted(p.key for p in each.moving)) for each in self.found if each.name in self.going}

    def leave(self, of: cluster.Cluster) -> builds.Leave:
        """The same as `build.build_problem` wants it."""
        moved: dict[str, int] = {}
        going: dict[str, frozenset[str]] = {}
        for each in self.found:
            if each.name in self.going:
                going[each.name] = frozenset(pod.key for pod in each.moving if pod.key not in each.stuck)
                level = builds.ANYWHERE if self.going[each.name] == candidates.EXPIRED else builds.SETTLED
                moved |= dict.fromkeys(going[each.name], level)
        return builds.Leave(
            removable=self.removable,
            going=going,
            limits=tuple((each.name, each.nodes, each.room) for each in self.limits),
            max_nodes=self.max_nodes,
            max_evictions=self.max_evictions,
            moved=moved,
            unsettled=_unsettled(of),
            shielded=_shielded(of),
        )


def choose(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    misfits: Misfits,
    spared: Mapping[str, str] | None = None,
    held: Mapping[str, str] | None = None,
) -> Choice:
    """
    What may and what must go at `asked.now`.

    `misfits` is asked about drifted nodes, which go only when their pods have a place. `spared` are nodes that do
    not go for drift, `held` nodes that stay unless they have expired, each with the reason.
    """
    found = [_held(each, held or {}) for each in candidates.find(of, known, asked.now)]
    unfit: dict[str, str] = dict(spared or {})
    while True:
        choice = _choose(of, known, asked, found, unfit)
        drifted = {name for name, reason in choice.going.items() if reason == candidates.DRIFTED}
        wrong = {name: why for name, why in misfits(choice).items() if name in drifted} if drifted else {}
        if not wrong:
            return choice
        unfit |= wrong


def _choose(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    found: Sequence[candidates.Candidate],
    unfit: Mapping[str, str],
) -> Choice:
    kept = {each.name: each.blocked for each in found if each.blocked}
    going = {each.name: candidates.EXPIRED for each in found if candidates.EXPIRED in each.reasons}
    room = budgets.allowed(of, found, going, asked.now)
    free = [each for each in found if each.reasons and each.name not in going]
    empty = _counted(
        each.pool
        for each in free
        if _first(each, room) == candidates.EMPTY and (candidates.DRIFTED not in each.reasons or each.name in unfit)
    )
    nodes, evictions = asked.max_nodes, asked.max_evictions
    taken: dict[str, int] = {}
    for each in _by_drift(free):
        if each.name in unfit:
            continue
        first = min(empty.get(each.pool, 0), room[each.pool, candidates.EMPTY])
        drift = room[each.pool, candidates.DRIFTED]
        most = min(drift, max(drift, room[each.pool, candidates.EMPTY]) - first)
        moves = len(each.moving) - len(each.stuck)
        if taken.get(each.pool, 0) >= most or (nodes is not None and nodes < 1):
            continue
        if evictions is not None and moves > evictions:
            continue
        going[each.name] = candidates.DRIFTED
        taken[each.pool] = taken.get(each.pool, 0) + 1
        nodes = nodes - 1 if nodes is not None else None
        evictions = evictions - moves if evictions is not None else None
    chosen = {each.name: (each.pool, going[each.name]) for each in free if each.name in going}
    removable: dict[str, builds.Removal] = {}
    for each in free:
        if each.name in going:
            continue
        reason = next((why for why in each.reasons if why != candidates.DRIFTED and room[each.pool, why] > 0), None)
        if reason is not None:
            removable[each.name] = builds.Removal(reason, _cost(of, known, asked, each))
            chosen[each.name] = (each.pool, reason)
        elif each.name in unfit:
            kept[each.name] = unfit[each.name]
        else:
            kept[each.name] = BUDGET.format(each.reasons[0])
    for name, why in unfit.items():
        if name not in removable:
            kept.setdefault(name, why)
    limits = []
    for limit in budgets.limits(room, chosen):
        gone = sum(name in going for name in limit.nodes)
        limits.append(budgets.Limit(limit.name, limit.nodes - going.keys(), limit.room - gone))
    return Choice(tuple(found), going, removable, tuple(limits), nodes, evictions, kept)


def _held(each: candidates.Candidate, held: Mapping[str, str]) -> candidates.Candidate:
    if each.name not in held or candidates.EXPIRED in each.reasons:
        return each
    return dataclasses.replace(each, reasons=(), blocked=each.blocked or held[each.name])


def _first(each: candidates.Candidate, room: Mapping[tuple[str, str], int]) -> str | None:
    """The reason for which upstream would take a node first."""
    order = (candidates.EMPTY, candidates.DRIFTED, candidates.UNDERUTILIZED)
    return next((why for why in order if why in each.reasons and room[each.pool, why] > 0), None)


def _by_drift(found: Iterable[candidates.Candidate]) -> list[candidates.Candidate]:
    drifted = [each for each in found if candidates.DRIFTED in each.reasons]
    return sorted(drifted, key=lambda each: (bool(each.moving), each.drifted_since, each.name))


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def _cost(of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, each: candidates.Candidate) -> int:
    """What removing a node costs apart from its price, micro-euro per hour."""
    hourly, until = price(of, known, each, asked.now)
    paid = worth.sunk(hourly, until, asked.now, asked.horizon) if until is not None else 0
    weights = [pod_rules.eviction_cost(pod) for pod in each.moving]
    return worth.removal(hourly, weights, len(weights), asked.disruption_price, asked.horizon, already_paid=paid)


def price(
    of: cluster.Cluster, known: catalogue.Catalogue, each: candidates.Candidate, now: int
) -> tuple[int, int | None]:
    """Micro-euro per hour of a node, and until when it is paid for when it is billed by the month."""
    flavor = known.flavors.get(each.node.labels.get(builds.FLAVOR, ""))
    if flavor is None:
        return 0, None
    pool = of.node_pools[each.pool]
    node_class = of.node_classes.get(pool.manifest.spec.template.spec.node_class_ref.name)
    monthly = node_class is not None and node_class.manifest.spec.monthly_billed
    billing, hourly = catalogue.price_per_hour(flavor, monthly=monthly)
    created = each.claim.created or each.node.created
    return hourly or 0, worth.paid_until(created, now) if billing == "monthly" else None


def _unsettled(of: cluster.Cluster) -> frozenset[str]:
    """Places that are not ready: claims without a Node and nodes that are not initialized."""
    owners = candidates.owners(of)
    there = {claim.name for claim in owners.values()}
    found = {name for name in of.node_claims if name not in there}
    return frozenset(found | {n for n, claim in owners.items() if not candidates.is_initialized(of.nodes[n], claim)})


def _shielded(of: cluster.Cluster) -> frozenset[str]:
    """Nodes still within their own consolidateAfter, to which nothing is moved to save money."""
    found = set()
    for name, claim in candidates.owners(of).items():
        pool = of.node_pools.get(candidates.node_pool(of.nodes[name], claim))
        after = pool.manifest.spec.disruption.consolidate_after if pool is not None else None
        if after and not claim.is_true("Consolidatable"):
            found.add(name)
    return frozenset(found)
