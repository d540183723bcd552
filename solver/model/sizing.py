"""
How many new nodes the model may buy, and of which offers.

Everything here keeps an optimal solution: offers are left out only where another one can always stand in for them, and
slots only where an optimal solution cannot need them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from solver.model import variables
from solver.problem import HOST, Ints, Mask, Problem, Value

Groups = list[tuple[list[int], int]]
"""Candidate offers that agree for all rules across nodes, and a number of slots."""


def useful_offers(problem: Problem) -> list[int]:
    """Offers that hold any pod, best first by price, without those that another stands in for."""
    demand = problem.counts + problem.residents.sum(axis=0)
    held = variables.holds(problem.requests, problem.offer_room, problem.offer_ok, demand)
    useful = sorted(np.flatnonzero(held.any(axis=0)).tolist(), key=lambda o: (problem.offers[o].price, o))
    comparison = _Comparison(problem, useful, demand)
    kept: list[int] = []
    for o in useful:
        if not comparison.replaceable(o, kept):
            kept.append(o)
    return kept


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

    def replaceable(self, a: int, kept: list[int]) -> bool:
        """Whether one of `kept` can stand in for `a`."""
        return any(self._stands_in(b, a) for b in kept)

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


def kinds(problem: Problem) -> list[tuple[int, ...]]:
    """For each offer what rules across nodes see of it: its domains where a block looks, and which spreads count it."""
    looked_at = {s.topology for s in problem.spreads} | {e.topology for e in problem.exclusions}
    looked_at |= {t for a in problem.attractions for t in a.topologies} | {c.topology for c in problem.common_domains}
    columns: list[Ints | Mask] = [problem.topologies[t].of_offer for t in sorted(looked_at - {HOST})]
    columns += [spread.offer_counted for spread in problem.spreads]
    return [tuple(int(column[o]) for column in columns) for o in range(len(problem.offers))]


def groups(problem: Problem, wanted: Mapping[int, int] | int | None, known: Value | None) -> Groups:
    """
    The slots to model.

    With a mapping each offer has slots of its own. A number limits each group; None asks for as many as an optimal
    solution could use, given that a solution of value `known` exists.
    """
    if isinstance(wanted, Mapping):
        return [([o], number) for o, number in sorted(wanted.items()) if number > 0]
    found: dict[tuple[int, ...], list[int]] = {}
    kind = kinds(problem)
    for o in useful_offers(problem):
        found.setdefault(kind[o], []).append(o)
    result = []
    for offers in found.values():
        number = most_nodes(problem, offers, known)
        if wanted is not None:
            number = min(number, wanted)
        if number > 0:
            by_room = sorted(offers, key=lambda o: (-problem.offers[o].price, o))
            result.append((by_room, number))
    return result


def most_nodes(problem: Problem, offers: list[int], known: Value | None) -> int:
    """An upper bound on new nodes of these offers in some optimal solution."""
    going = problem.counts
    moved = problem.residents.sum(axis=0)
    fits = (
        variables.holds(problem.requests, problem.offer_room, problem.offer_ok, going + moved)[:, offers].max(axis=1)
        > 0
    )
    moving = int(moved[fits].sum())
    if problem.max_evictions is not None:
        moving = min(moving, max(0, problem.max_evictions))
    bounds = [int(going[fits].sum()) + moving]
    for cap in problem.caps:
        least = min(int(cap.per_offer[o]) for o in offers)
        if least > 0:
            bounds.append(max(0, cap.room) // least)
    if known is not None and not any(known.unplaced) and not known.preferences and not known.rank:
        saving = sum(max(0, n.price - n.removal_cost) for n in problem.nodes if n.removable)
        cheapest = min(problem.offers[o].price for o in offers) + problem.node_charge
        if cheapest > 0:
            bounds.append((known.cost + saving) // cheapest)
    return max(0, min(bounds))
