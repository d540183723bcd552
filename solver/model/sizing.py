"""
How many new nodes the model may buy, and of which offers.

Everything here keeps an optimal solution: offers are left out only where another one can always stand in for them, and
slots only where an optimal solution cannot need them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from solver.model import relaxation, variables
from solver.model.cp_sat import cp_model
from solver.problem import HOST, Ints, Mask, Problem, Value

FEW = 2000
"""Classes x shapes up to which it pays to ask for a bound on each shape."""

SPLIT = 60
"""Slots up to which each offer of a group gets slots of its own."""


def useful_offers(problem: Problem) -> tuple[list[int], dict[int, int]]:
    """Offers that hold any pod, by price, without those that another stands in for; and who stands in for those."""
    demand = problem.counts + problem.residents.sum(axis=0)
    held = variables.capacity(problem)[1]
    useful = sorted(np.flatnonzero(held.any(axis=0)).tolist(), key=lambda o: (problem.offers[o].price, o))
    comparison = _Comparison(problem, useful, demand)
    kept: list[int] = []
    stand_in: dict[int, int] = {}
    for o in useful:
        other = comparison.stand_in(o, kept)
        if other is None:
            kept.append(o)
        else:
            stand_in[o] = other
    return kept, stand_in


class _Comparison:
    """Tables for asking whether offer b can stand in for offer a in every solution."""

    def __init__(self, problem: Problem, offers: list[int], demand: Ints) -> None:
        self.problem = problem
        self.kinds = kinds(problem)
        takes = problem.requests * demand[:, None]
        shared = np.zeros(len(problem.resources), dtype=np.int64)
        for amount in problem.shared_amounts:
            shared[amount.resource] += 1
        reach = np.array([takes[problem.offer_ok[:, o]].sum(axis=0) + shared for o in range(len(problem.offers))])
        self.room = np.minimum(np.maximum(problem.offer_room, 0), reach.reshape(problem.offer_room.shape))
        self.charge = np.where(problem.pools.exists, 0, problem.pools.charge)
        self.pool = np.array([offer.pool for offer in problem.offers], dtype=np.int64)
        self.ruled = np.zeros(len(problem.offers), dtype=np.bool_)
        for rule in problem.min_values:
            self.ruled |= rule.value_of >= 0
        self.pools_free = _pools_never_bind(problem, offers, int(demand.sum()))

    def stand_in(self, a: int, kept: list[int]) -> int | None:
        """One of `kept` that can stand in for `a`."""
        return next((b for b in kept if self._stands_in(b, a)), None)

    def _stands_in(self, b: int, a: int) -> bool:
        problem = self.problem
        if self.kinds[a] != self.kinds[b] or not self._pools_allow(b, a):
            return False
        if problem.offers[a].family != problem.offers[b].family and (self.ruled[a] or self.ruled[b]):
            return False
        if any((rule.value_of[a] >= 0) != (rule.value_of[b] >= 0) for rule in problem.min_values):
            return False
        allowed = problem.offer_ok[:, a]
        return bool(
            (self.room[a] <= self.room[b]).all()
            and (allowed <= problem.offer_ok[:, b]).all()
            and (problem.offer_penalty[allowed, a] >= problem.offer_penalty[allowed, b]).all()
            and (problem.offer_rank[allowed, a] >= problem.offer_rank[allowed, b]).all()
            and all(cap.per_offer[a] >= cap.per_offer[b] for cap in problem.caps)
        )

    def _pools_allow(self, b: int, a: int) -> bool:
        """Whether moving nodes from the OVH pools of `a` to those of `b` breaks no limit and costs nothing."""
        pool_a, pool_b = int(self.pool[a]), int(self.pool[b])
        if pool_a == pool_b:
            return True
        if not self.pools_free:
            return False
        alone = int((self.pool == pool_a).sum()) == 1
        saved = int(self.charge[pool_a]) if alone else 0
        gap = self.problem.offers[a].price - self.problem.offers[b].price
        return int(self.charge[pool_b]) <= gap + saved


def _pools_never_bind(problem: Problem, offers: list[int], nodes: int) -> bool:
    """Whether `nodes` nodes fit whatever their offers are: each opens one further pool at most."""
    pools = problem.pools
    return pools.new_pools >= nodes and all(pools.size[problem.offers[o].pool] >= 1 for o in offers)


def without_domains(problem: Problem) -> Problem | None:
    """The problem without rules on topologies other than hostname; None where these do not tell offers apart."""
    simpler = dataclasses.replace(
        problem,
        spreads=tuple(s for s in problem.spreads if s.topology == HOST),
        exclusions=tuple(e for e in problem.exclusions if e.topology == HOST),
        attractions=tuple(a for a in problem.attractions if set(a.topologies) == {HOST}),
        common_domains=tuple(c for c in problem.common_domains if c.topology == HOST),
    )
    return simpler if len(set(kinds(simpler))) < len(set(kinds(problem))) else None


def roomy(problem: Problem, groups: Sequence[Ints] | None = None) -> Problem:
    """
    The problem with a single offer of boundless room for each kind of offer, and no rule that looks at single nodes.

    What can be placed is placed there too, with no more unmet preferences and no lower rank. `groups` of offers that agree for
    all rules across nodes may stand in place of kinds.
    """
    simpler = dataclasses.replace(
        problem,
        spreads=tuple(s for s in problem.spreads if s.topology != HOST),
        exclusions=tuple(e for e in problem.exclusions if e.topology != HOST),
        attractions=tuple(a for a in problem.attractions if HOST not in a.topologies),
        common_domains=tuple(c for c in problem.common_domains if c.topology != HOST),
        shared_amounts=(),
        min_values=(),
        caps=(),
        pools=dataclasses.replace(problem.pools, size=problem.pools.size + 1, new_pools=len(problem.offers)),
    )
    holds = variables.capacity(problem)[1] > 0
    if groups is None:
        kind = kinds(simpler)
        groups = [np.flatnonzero([k == wanted for k in kind]) for wanted in dict.fromkeys(kind)]
    first = [int(offers[0]) for offers in groups]
    shape = len(groups), len(problem.classes)

    def best(table: Ints) -> Ints:
        """The smallest entry over offers that hold the class."""
        high = np.where(holds, table, np.iinfo(np.int64).max)
        low = [np.where(holds[:, offers].any(axis=1), high[:, offers].min(axis=1), 0) for offers in groups]
        return np.array(low, dtype=np.int64).reshape(shape).T

    room = problem.requests * (problem.counts + problem.residents.sum(axis=0))[:, None]
    return dataclasses.replace(
        simpler,
        offers=tuple(problem.offers[o] for o in first),
        offer_room=np.tile(room.sum(axis=0), (len(groups), 1)),
        offer_ok=np.array([holds[:, offers].any(axis=1) for offers in groups], dtype=np.bool_).reshape(shape).T,
        offer_penalty=best(problem.offer_penalty),
        offer_rank=best(problem.offer_rank),
        topologies=tuple(dataclasses.replace(t, of_offer=t.of_offer[first]) for t in problem.topologies),
        spreads=tuple(dataclasses.replace(s, offer_counted=s.offer_counted[first]) for s in simpler.spreads),
    )


def kinds(problem: Problem) -> list[tuple[int, ...]]:
    """For each offer what rules across nodes see of it: its domains where a block looks, and which spreads count it."""
    looked_at = {s.topology for s in problem.spreads} | {e.topology for e in problem.exclusions}
    looked_at |= {t for a in problem.attractions for t in a.topologies} | {c.topology for c in problem.common_domains}
    columns: list[Ints | Mask] = [problem.topologies[t].of_offer for t in sorted(looked_at - {HOST})]
    columns += [spread.offer_counted for spread in problem.spreads]
    return [tuple(int(column[o]) for column in columns) for o in range(len(problem.offers))]


@dataclasses.dataclass(frozen=True, slots=True)
class Slots:
    """
    The slots to model.

    `groups` are candidate offers, which agree for all rules across nodes, and a number of slots. `limits` are offers
    and how many nodes of them there may be together. `stand_in` is the offer that stands in for one left out.
    """

    groups: list[tuple[list[int], int]]
    limits: list[tuple[list[int], int]]
    stand_in: dict[int, int]


def given(wanted: Mapping[int, int]) -> Slots:
    """So many slots for each offer."""
    return Slots([([o], number) for o, number in sorted(wanted.items()) if number > 0], [], {})


def plain(problem: Problem, wanted: int | None) -> Slots:
    """As many slots as any solution could use, but no more than `wanted` in a group."""
    kept, stand_in = useful_offers(problem)
    found = []
    for offers in _grouped(problem, kept):
        number = _by_pods(problem, offers)
        found.append((offers, number if wanted is None else min(number, wanted)))
    return Slots([(offers, number) for offers, number in found if number > 0], [], stand_in)


class Sizing:
    """Slots for solutions that equal a known one in all numbers before the cost and cost no more than a given sum."""

    def __init__(self, problem: Problem, known: Value) -> None:
        self.problem = problem
        self.kept, self.stand_in = useful_offers(problem)
        self.shapes = _shapes(problem, self.kept)
        nodes, offers = variables.capacity(problem)
        self.linear = relaxation.Relaxation(
            problem, self.shapes, known, (nodes, offers[:, [s[0] for s in self.shapes]])
        )

    def least_cost(self) -> int | None:
        """A lower bound on the cost, micro-euro per hour; None when it is unknown."""
        self.linear.limit(None)
        return self.linear.least_cost()

    def slots(self, cost: int, wanted: int | None) -> Slots:
        """Slots for solutions of this cost at most, each group with no more than `wanted` of them."""
        self.linear.limit(cost)
        total = self.linear.most(range(len(self.shapes)))
        limits = [] if total is None else [(self.kept, total)]
        most = dict.fromkeys(self.kept, total)
        if len(self.shapes) * len(self.problem.classes) <= FEW:
            for number, offers in enumerate(self.shapes):
                single = self.linear.most([number])
                if single is not None and (total is None or single < total):
                    limits.append((offers, single))
                    most |= dict.fromkeys(offers, single)
        groups = []
        for offers in _grouped(self.problem, [o for o in self.kept if most[o] != 0]):
            bounds = [b for b in (_by_pods(self.problem, offers), wanted, total) if b is not None]
            groups += self._split(offers, min(bounds), most)
        return Slots([(offers, number) for offers, number in groups if number > 0], limits, self.stand_in)

    def _split(self, offers: list[int], number: int, most: Mapping[int, int | None]) -> list[tuple[list[int], int]]:
        """A group for each offer where that does not make the model much larger: it is solved faster then."""
        single = [
            ([o], min(b for b in (number, most[o], _by_pods(self.problem, [o])) if b is not None)) for o in offers
        ]
        if sum(slots for _, slots in single) <= SPLIT:
            return single
        return [(offers, number)]


def add(model: cp_model.CpModel, built: variables.Variables, slots: Slots) -> None:
    """Keep to the limits."""
    for offers, most in slots.limits:
        literals = [place.pick[o] for place in built.slots for o in offers if o in place.pick]
        if len(literals) > most:
            model.add(sum(literals) <= most)


def _grouped(problem: Problem, offers: list[int]) -> list[list[int]]:
    """Offers that agree for all rules across nodes, dearest first."""
    kind = kinds(problem)
    found: dict[tuple[int, ...], list[int]] = {}
    for o in sorted(offers, key=lambda o: (-problem.offers[o].price, o)):
        found.setdefault(kind[o], []).append(o)
    return list(found.values())


def _shapes(problem: Problem, offers: list[int]) -> list[list[int]]:
    """Offers of one price, room, mask and penalties."""
    found: dict[bytes, list[int]] = {}
    for o in offers:
        numbers = [
            [problem.offers[o].price],
            problem.offer_room[o],
            problem.offer_ok[:, o],
            problem.offer_penalty[:, o],
        ]
        found.setdefault(np.concatenate(numbers).astype(np.int64).tobytes(), []).append(o)
    return list(found.values())


def _by_pods(problem: Problem, offers: list[int]) -> int:
    """One node for each pod that fits on any of these offers, within caps that ask something of each of them."""
    moved = problem.residents.sum(axis=0)
    fits = variables.capacity(problem)[1][:, offers].max(axis=1) > 0
    moving = int(moved[fits].sum())
    if problem.max_evictions is not None:
        moving = min(moving, max(0, problem.max_evictions))
    bounds = [int(problem.counts[fits].sum()) + moving]
    for cap in problem.caps:
        least = min(int(cap.per_offer[o]) for o in offers)
        if least > 0:
            bounds.append(max(0, cap.room) // least)
    return min(bounds)
