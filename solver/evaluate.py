"""
What a solution is worth and what it breaks: pure functions on (`problem.Problem`, `problem.Solution`).

They say what each block of `problem` means, without variables and without search: the model and the heuristics are
tested against them. *Places* are the existing nodes (0 … N-1) and then the new nodes in the order of `Solution.new`; P
of them. Pods that run on a node, residents included, are in the bases of the blocks; a removed node takes its bases,
its domains and its residents away.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from solver import support
from solver.problem import HOST, Attraction, Exclusion, Ints, Mask, Problem, Solution, Spread, Value


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """
    A solution as arrays.

    E entries (`place`, `pod_class`, `pods`), place ascending; `offer` (M,) of each new node; `stays` (P,) is false for
    removed nodes; `room` (P, R) is what a place has for planned pods, never below 0.
    """

    problem: Problem
    place: Ints
    pod_class: Ints
    pods: Ints
    offer: Ints
    stays: Mask
    room: Ints

    @property
    def places(self) -> int:
        """Number of places P."""
        return len(self.stays)

    def name(self, index: int | np.integer) -> str:
        """The place in words."""
        place = int(index)
        nodes = len(self.problem.nodes)
        if place < nodes:
            return f"node {self.problem.nodes[place].name}"
        offer = self.problem.offers[self.offer[place - nodes]]
        return f"new node {place - nodes} ({offer.flavor}, {offer.zone})"

    def both(self, per_node: Ints | Mask, per_offer: Ints | Mask) -> Ints:
        """An attribute of nodes (N,) and offers (O,) for each place (P,)."""
        return np.concatenate([per_node, per_offer[self.offer]]).astype(np.int64)

    def running(self, base: Ints) -> Ints:
        """`base` (N,) on nodes that stay, 0 elsewhere (P,)."""
        counts = np.zeros(self.places, dtype=np.int64)
        counts[: len(base)] = base
        counts[~self.stays] = 0
        return counts

    def planned(self, members: Mask) -> Ints:
        """How many pods of these classes (C,) the plan puts on each place (P,)."""
        chosen = members[self.pod_class]
        return np.bincount(self.place[chosen], weights=self.pods[chosen], minlength=self.places).astype(np.int64)

    def domains(self, topology: int) -> tuple[Ints, int]:
        """Domain of each place (P,), -1 where there is none, and the number of domains."""
        if topology == HOST:
            domain, size = np.arange(self.places, dtype=np.int64), self.places
        else:
            keys = self.problem.topologies[topology]
            domain, size = self.both(keys.of_node, keys.of_offer), len(keys.domains)
        return np.where(self.stays, domain, -1), size


def _per_domain(domain: Ints, size: int, amounts: Ints) -> Ints:
    """Sums of `amounts` (P,) over the places of each domain."""
    known = domain >= 0
    return np.bincount(domain[known], weights=amounts[known], minlength=size).astype(np.int64)


def layout(problem: Problem, solution: Solution) -> Layout:
    """Lay a solution out as arrays; its indices must be in range."""
    nodes = len(problem.nodes)
    placed = sorted((node, counts) for node, counts in solution.placed.items() if counts)
    contents = [counts for _, counts in placed] + [counts for _, counts in solution.new]
    at = [node for node, _ in placed] + list(range(nodes, nodes + len(solution.new)))
    flat = np.fromiter(itertools.chain.from_iterable(itertools.chain.from_iterable(contents)), dtype=np.int64)
    offer = np.array([offer for offer, _ in solution.new], dtype=np.int64)
    stays = np.ones(nodes + len(offer), dtype=np.bool_)
    stays[list(solution.removed)] = False
    room = np.maximum(np.concatenate([problem.node_room, problem.offer_room[offer]]), 0)
    return Layout(
        problem=problem,
        place=np.repeat(np.array(at, dtype=np.int64), [len(counts) for counts in contents]),
        pod_class=flat[0::2],
        pods=flat[1::2],
        offer=offer,
        stays=stays,
        room=room,
    )


# ---------------------------------------------------------------------------------------------------------------- value


def price(problem: Problem, solution: Solution) -> int:
    """Micro-euro per hour: what new nodes cost, without charges, minus what removed nodes save."""
    bought = sum(problem.offers[offer].price for offer, _ in solution.new)
    return bought - sum(problem.nodes[node].price for node in solution.removed)


def value(problem: Problem, solution: Solution) -> Value:
    """
    The exact objective.

    `unplaced` has one number for each priority that a class has, highest first. Node charges are paid for new nodes
    only; priced preferences are rounded down as a sum.
    """
    laid = layout(problem, solution)
    demand = problem.counts
    if solution.removed:
        demand = demand + problem.residents[list(solution.removed)].sum(axis=0)
    left = demand - np.bincount(laid.pod_class, weights=laid.pods, minlength=len(demand)).astype(np.int64)
    priority = np.array([c.priority for c in problem.classes], dtype=np.int64)
    unplaced = tuple(int(left[priority == level].sum()) for level in sorted(set(priority.tolist()), reverse=True))

    new = laid.place >= len(problem.nodes)
    offer = laid.offer[laid.place[new] - len(problem.nodes)]
    rank = int((problem.offer_rank[laid.pod_class[new], offer] * laid.pods[new]).sum())
    unmet = int((problem.offer_penalty[laid.pod_class[new], offer] * laid.pods[new]).sum())
    unmet += int((problem.node_penalty[laid.pod_class[~new], laid.place[~new]] * laid.pods[~new]).sum())
    unmet += sum(s.weight * int(spread_excess(laid, s).sum()) for s in problem.spreads if s.weight is not None)
    unmet += sum(e.weight * int(excluded_pods(laid, e).sum()) for e in problem.exclusions if e.weight is not None)
    unmet += sum(a.weight * int(lonely_pods(laid, a).sum()) for a in problem.attractions if a.weight is not None)

    cost = int(problem.prices[laid.offer].sum()) + problem.node_charge * len(laid.offer)
    cost += sum(problem.nodes[node].removal_cost - problem.nodes[node].price for node in solution.removed)
    pool = np.array([o.pool for o in problem.offers], dtype=np.int64)
    cost += problem.pools.charge * int((~problem.pools.exists[np.unique(pool[laid.offer])]).sum())
    if problem.preference_price is None:
        return Value(unplaced=unplaced, preferences=unmet, rank=rank, cost=cost)
    return Value(unplaced=unplaced, preferences=0, rank=rank, cost=cost + unmet * problem.preference_price // 100)


def spread_excess(laid: Layout, spread: Spread) -> Ints:
    """By how much each domain that holds planned owners is above smallest count + max skew (D,)."""
    domain, size = laid.domains(spread.topology)
    counted = (laid.both(spread.node_counted, spread.offer_counted) > 0) & (domain >= 0)
    here = laid.planned(spread.group.members) + laid.running(spread.group.base)
    count = _per_domain(domain, size, np.where(counted, here, 0))
    counts = np.zeros(size, dtype=np.bool_)
    counts[domain[counted]] = True
    if spread.topology != HOST:
        counts |= spread.always
    enough = int(counts.sum()) >= max(1, spread.min_domains or 1)
    smallest = int(count[counts].min()) if enough else 0
    owned = _per_domain(domain, size, laid.planned(spread.owners)) > 0
    return np.where(owned, np.maximum(count - smallest - spread.max_skew, 0), 0)


def _relations(laid: Layout, topology: int, owners: Mask, targets: Mask, base: Ints) -> tuple[Ints, Ints, Ints]:
    """Per domain: planned owners that are no targets, those that are targets too, and all targets."""
    domain, size = laid.domains(topology)
    only = _per_domain(domain, size, laid.planned(owners & ~targets))
    both = _per_domain(domain, size, laid.planned(owners & targets))
    return only, both, _per_domain(domain, size, laid.planned(targets) + laid.running(base))


def excluded_pods(laid: Layout, exclusion: Exclusion) -> Ints:
    """Planned owner pods with another target in their domain (D,)."""
    only, both, targets = _relations(
        laid, exclusion.topology, exclusion.owners, exclusion.targets.members, exclusion.targets.base
    )
    return np.where(targets >= 1, only, 0) + np.where(targets >= 2, both, 0)


def lonely_pods(laid: Layout, attraction: Attraction) -> Ints:
    """Planned owner pods without another target in their domain (D + 1,); the last entry is of those with no domain."""
    topology = attraction.topologies[0]
    only, both, targets = _relations(
        laid, topology, attraction.owners, attraction.targets.members, attraction.targets.base
    )
    lonely = np.where(targets == 0, only, 0) + np.where(targets <= 1, both, 0)
    outside = laid.planned(attraction.owners)[laid.domains(topology)[0] < 0].sum()
    return np.append(lonely, outside)


# ----------------------------------------------------------------------------------------------------------- violations


def violations(problem: Problem, solution: Solution) -> list[str]:
    """One sentence for each hard rule that the solution breaks; empty when it may be carried out."""
    laid = layout(problem, solution)
    broken = list(_demand(laid, solution))
    return broken + [sentence for rule in _RULES for sentence in rule(laid)]


def _demand(laid: Layout, solution: Solution) -> Iterator[str]:
    """Counts are right, residents of removed nodes are placed, and only what may go goes."""
    problem = laid.problem
    if (laid.pods < 1).any():
        yield "demand: a number of pods is below 1"
    removed = np.array(sorted(solution.removed), dtype=np.int64)
    moved = problem.residents[removed]
    placed = np.bincount(laid.pod_class, weights=laid.pods, minlength=len(problem.classes)).astype(np.int64)
    for c in np.flatnonzero(placed > problem.counts + moved.sum(axis=0)):
        yield f"demand: more pods of {problem.classes[c].name} are placed than there are"
    for c in np.flatnonzero(placed < moved.sum(axis=0)):
        yield f"demand: pods of {problem.classes[c].name} lose their node and get no other"
    for node in removed:
        if not problem.nodes[node].removable:
            yield f"removal: node {problem.nodes[node].name} may not go"
        if solution.placed.get(int(node)):
            yield f"removal: node {problem.nodes[node].name} goes and gets pods"
    for cap in problem.removal_caps:
        if int(cap.nodes[removed].sum()) > max(0, cap.room):
            yield f"removal: {cap.name} allows {max(0, cap.room)}"
    if problem.max_removals is not None and len(removed) > max(0, problem.max_removals):
        yield f"removal: {len(removed)} nodes go, at most {problem.max_removals} may"
    if problem.max_evictions is not None and int(moved.sum()) > max(0, problem.max_evictions):
        yield f"removal: {int(moved.sum())} pods move, at most {problem.max_evictions} may"


def used(laid: Layout) -> Ints:
    """What planned pods take on each place (P, R), shared amounts included."""
    problem = laid.problem
    amounts = np.zeros((laid.places, len(problem.resources)), dtype=np.int64)
    np.add.at(amounts, laid.place, problem.requests[laid.pod_class] * laid.pods[:, None])
    for shared in problem.shared_amounts:
        held = laid.planned(shared.members) > 0
        held[: len(shared.attached)] &= ~shared.attached
        amounts[:, shared.resource] += held
    return amounts


def _amounts(laid: Layout) -> Iterator[str]:
    """Nothing holds more than it has room for; what takes nothing of a resource fits even where it is overdrawn."""
    amounts = used(laid)
    for place, resource in zip(*np.nonzero(amounts > laid.room), strict=True):
        taken, room = amounts[place, resource], laid.room[place, resource]
        yield f"amounts: {laid.name(place)}: {taken} of {room} {laid.problem.resources[resource]}"


def _masks(laid: Layout) -> Iterator[str]:
    """Classes are only where they may be, and no new node is empty."""
    problem = laid.problem
    nodes = len(problem.nodes)
    new = laid.place >= nodes
    allowed = np.empty(len(laid.place), dtype=np.bool_)
    allowed[new] = problem.offer_ok[laid.pod_class[new], laid.offer[laid.place[new] - nodes]]
    allowed[~new] = problem.node_ok[laid.pod_class[~new], laid.place[~new]]
    for entry in np.flatnonzero(~allowed):
        yield f"masks: {problem.classes[laid.pod_class[entry]].name} may not go to {laid.name(laid.place[entry])}"
    filled = np.bincount(laid.place, minlength=laid.places) > 0
    for place in np.flatnonzero(~filled[nodes:]):
        yield f"masks: {laid.name(nodes + place)} is empty"


def _spreads(laid: Layout) -> Iterator[str]:
    for spread in laid.problem.spreads:
        if spread.weight is None and (excess := spread_excess(laid, spread)).any():
            yield f"spread: {spread.name}: above the allowed skew by up to {int(excess.max())}"


def _exclusions(laid: Layout) -> Iterator[str]:
    for exclusion in laid.problem.exclusions:
        if exclusion.weight is not None:
            continue
        if excluded_pods(laid, exclusion).any():
            yield f"exclusion: {exclusion.name}: an owner shares a domain with another target"
        domain, size = laid.domains(exclusion.topology)
        guarded = _per_domain(domain, size, laid.running(exclusion.owner_base)) > 0
        if (guarded & (_per_domain(domain, size, laid.planned(exclusion.targets.members)) > 0)).any():
            yield f"exclusion: {exclusion.name}: a target joins a domain with a running owner"


def _attractions(laid: Layout) -> Iterator[str]:
    """Pods of attractions can be placed one after the other (`support` looks for an order)."""
    hard = [a for a in laid.problem.attractions if a.weight is None]
    for attraction in hard:
        owners = laid.planned(attraction.owners) > 0
        if any((owners & (laid.domains(t)[0] < 0)).any() for t in attraction.topologies):
            yield f"attraction: {attraction.name}: an owner is on a node without the label"
    for component in support.components(hard):
        cells = _cells(laid, component)
        if cells and not support.order_exists(cells, _opened(laid, component)):
            yield f"attraction: {', '.join(a.name for a in component)}: no order of placement supports all pods"


def _cells(laid: Layout, component: list[Attraction]) -> list[support.Cell]:
    """What the component's attractions can tell apart: pods of the same roles in the same domains."""
    axes = support.axes(component)
    domains = np.stack([laid.domains(t)[0] for t in axes])
    roles = support.roles(component)[laid.pod_class]
    concerned = roles.any(axis=1)
    if not concerned.any():
        return []
    rows = np.concatenate([roles[concerned], domains.T[laid.place[concerned]]], axis=1)
    unique = np.unique(rows, axis=0).tolist()
    return [support.cell(row[: roles.shape[1]], row[roles.shape[1] :], component) for row in unique]


def _opened(laid: Layout, component: list[Attraction]) -> list[support.Domains]:
    """For each attraction, per topology the domains where a target runs already."""
    opened = []
    for attraction in component:
        running = laid.running(attraction.targets.base) > 0
        domains = (laid.domains(t)[0] for t in attraction.topologies)
        opened.append([set(domain[running & (domain >= 0)].tolist()) for domain in domains])
    return opened


def _common_domains(laid: Layout) -> Iterator[str]:
    for common in laid.problem.common_domains:
        domain, _ = laid.domains(common.topology)
        met = np.unique(domain[laid.planned(common.members) > 0])
        if len(met) > 1 or (met < 0).any():
            yield f"common domain: {common.name}: pods are not in one domain"


def fitting_offers(laid: Layout, new: Ints, offers: Ints) -> Mask:
    """Which of these `offers` hold all pods of each of these `new` nodes (len(new), len(offers))."""
    problem = laid.problem
    places = new + len(problem.nodes)
    room = np.maximum(problem.offer_room[offers], 0)
    fits: Mask = np.all(used(laid)[places][:, None, :] <= room[None, :, :], axis=2)
    row = np.full(laid.places, -1, dtype=np.int64)
    row[places] = np.arange(len(places))
    mine = row[laid.place] >= 0
    allowed = problem.offer_ok[laid.pod_class[mine]][:, offers]
    np.logical_and.at(fits, row[laid.place[mine]], allowed)
    return fits


def _min_values(laid: Layout) -> Iterator[str]:
    family = np.array([o.family for o in laid.problem.offers], dtype=np.int64)
    for rule in laid.problem.min_values:
        bound = np.flatnonzero(rule.value_of[laid.offer] >= 0)
        for kind in np.unique(family[laid.offer[bound]]):
            new = bound[family[laid.offer[bound]] == kind]
            offers = np.flatnonzero((family == kind) & (rule.value_of >= 0))
            fits = fitting_offers(laid, new, offers)
            values = rule.value_of[offers]
            different = np.stack([fits[:, values == v].any(axis=1) for v in np.unique(values)]).sum(axis=0)
            for index in new[different < rule.minimum]:
                yield f"minimum values: {rule.name}: {laid.name(len(laid.problem.nodes) + index)} leaves too few"


def _caps(laid: Layout) -> Iterator[str]:
    for cap in laid.problem.caps:
        total = int(cap.per_offer[laid.offer].sum())
        if total > max(0, cap.room):
            yield f"cap: {cap.name}: {total} of {max(0, cap.room)}"


def _pools(laid: Layout) -> Iterator[str]:
    """OVH pools: what does not fit into pools that exist needs further pools, and those are limited."""
    pools = laid.problem.pools
    kind = np.array([o.pool for o in laid.problem.offers], dtype=np.int64)
    over = np.maximum(np.bincount(kind[laid.offer], minlength=len(pools.size)) - np.maximum(pools.free, 0), 0)
    for index in np.flatnonzero((over > 0) & (pools.size < 1)):
        yield f"pools: {pools.names[index]}: no room"
    further = int((-(-over // np.maximum(pools.size, 1))).sum())
    if further > max(0, pools.new_pools):
        yield f"pools: {further} further pools are needed, at most {max(0, pools.new_pools)} may be made"


_RULES: tuple[Callable[[Layout], Iterator[str]], ...] = (
    _amounts,
    _masks,
    _spreads,
    _exclusions,
    _attractions,
    _common_domains,
    _min_values,
    _caps,
    _pools,
)
