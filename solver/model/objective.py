"""
The objective as named terms, in their order of magnitude.

`Value` is compared field by field; its numbers are minimised one
after the other. Neighbours are minimised in one go, weighted so that the sum orders solutions as they do, while it
stays below 2^50.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from solver.model.variables import Sum, Variables, capacity
from solver.problem import Problem, Value

LIMIT = 2**50
"""Sums above this would lose exactness in the solver's floating-point parts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """A number of `Value` as a sum of variables; the number is the sum divided by `scale`, rounded down."""

    name: str
    total: Sum
    scale: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """Terms that are minimised together: their weighted `total` orders solutions as they do, the first one first."""

    terms: tuple[Term, ...]
    weights: tuple[int, ...]
    total: Sum

    def floor(self, numbers: Sequence[int]) -> int:
        """The smallest total of solutions with these numbers."""
        return sum(w * n * t.scale for w, n, t in zip(self.weights, numbers, self.terms, strict=True))

    def ceiling(self, numbers: Sequence[int]) -> int:
        """The largest total of solutions with these numbers."""
        return self.floor([*numbers[:-1], numbers[-1] + 1]) - 1

    def bound(self, total: int) -> int:
        """What the number of a stage of one term is at least when its total is."""
        return total // self.terms[0].scale


def _stage(terms: Sequence[Term]) -> Stage:
    weights = [1]
    for term in reversed(terms[1:]):
        weights.insert(0, weights[0] * (term.total.upper - term.total.lower + 1))
    total = Sum()
    for weight, term in zip(weights, terms, strict=True):
        total.add_sum(term.total, weight)
    return Stage(terms=tuple(terms), weights=tuple(weights), total=total)


def terms(problem: Problem, variables: Variables) -> list[Term]:
    """All terms: unplaced pods by priority, preferences, rank, cost. To be asked for after all blocks are added."""
    unplaced = [
        Term(f"unplaced {priority}", _unplaced(problem, variables, priority))
        for priority in sorted({c.priority for c in problem.classes}, reverse=True)
    ]
    unmet = _unmet(problem, variables)
    cost = _cost(problem, variables)
    rank = Term("rank", _rank(problem, variables))
    if problem.preference_price is None:
        return [*unplaced, Term("preferences", unmet), rank, Term("cost", cost)]
    priced = Sum()
    priced.add_sum(cost, 100)
    priced.add_sum(unmet, problem.preference_price)
    return [*unplaced, Term("preferences", Sum()), rank, Term("cost", priced, scale=100)]


def stages(terms: Sequence[Term]) -> list[Stage]:
    """Terms put together where that is exact."""
    together: list[list[Term]] = []
    size = LIMIT
    for term in terms:
        width = term.total.upper - term.total.lower + 1
        if size * width < LIMIT:
            together[-1].append(term)
            size *= width
        else:
            together.append([term])
            size = width
    return [_stage(group) for group in together]


def least(problem: Problem) -> list[int]:
    """
    Bounds on all numbers of a value but the cost, in their order.

    Pods that fit nowhere are left out; the bounds on preferences and rank hold for solutions that leave out only those.
    """
    places = np.concatenate(capacity(problem), axis=1) > 0
    counts = problem.counts
    stuck = np.where(places.any(axis=1), 0, counts)
    rank = np.concatenate([np.zeros_like(problem.node_penalty), problem.offer_rank], axis=1)
    penalty = np.concatenate([problem.node_penalty, problem.offer_penalty], axis=1)
    priority = np.array([c.priority for c in problem.classes])
    unplaced = [int(stuck[priority == p].sum()) for p in sorted(set(priority.tolist()), reverse=True)]
    high = np.iinfo(np.int64).max
    smallest = [np.where(places, table, high).min(axis=1, initial=high) for table in (penalty, rank)]
    unmet, given_up = (int(np.where(counts > stuck, counts * s, 0).sum()) for s in smallest)
    return [*unplaced, 0 if problem.preference_price is not None else unmet, given_up]


def numbers(value: Value) -> list[int]:
    """The numbers of a value in the order of `terms`."""
    return [*value.unplaced, value.preferences, value.rank, value.cost]


def _unplaced(problem: Problem, variables: Variables, priority: int) -> Sum:
    total = Sum()
    for c, pod_class in enumerate(problem.classes):
        if pod_class.priority == priority:
            total.add(variables.left[c], 1, int(variables.demand[c]))
    return total


def _unmet(problem: Problem, variables: Variables) -> Sum:
    """Unmet preferences of pods at their places, and what soft blocks have added."""
    total = Sum()
    total.add_sum(variables.unmet)
    for place in variables.existing:
        for c, variable in place.pods.items():
            total.add(variable, int(problem.node_penalty[c, place.index]), place.most[c])
    for place in variables.slots:
        for c in place.pods:
            total.add_sum(_by_offer(variables, place.index, c, problem.offer_penalty[c].tolist(), "penalty"))
    return total


def _rank(problem: Problem, variables: Variables) -> Sum:
    total = Sum()
    for place in variables.slots:
        for c in place.pods:
            total.add_sum(_by_offer(variables, place.index, c, problem.offer_rank[c].tolist(), "rank"))
    return total


def _by_offer(variables: Variables, index: int, c: int, amounts: list[int], name: str) -> Sum:
    """Pods of a class in a slot x an amount of the slot's offer."""
    place = variables.places[index]
    total = Sum()
    levels = sorted({amounts[o] for o in place.pick})
    total.add(place.pods[c], levels[0], place.most[c])
    for below, level in itertools.pairwise(levels):
        # Pods on offers of this level or above pay the step up to it.
        above = [literal for o, literal in place.pick.items() if amounts[o] >= level]
        paying = variables.model.new_int_var(0, place.most[c], f"{name}[{c},{place.name},{level}]")
        most = place.most[c]
        variables.model.add(paying >= place.pods[c] + most * sum(above) - most)
        total.add(paying, level - below, most)
    return total


def _cost(problem: Problem, variables: Variables) -> Sum:
    """Micro-euro per hour; see `Value.cost`."""
    total = Sum()
    for place in variables.slots:
        for o, literal in place.pick.items():
            total.add(literal, problem.offers[o].price + problem.node_charge, 1)
    for place in variables.existing:
        node = problem.nodes[place.index]
        if place.present is not None:
            saving = node.removal_cost - node.price
            total.add_constant(saving)
            total.add(place.present, -saving, 1)
    total.add_sum(variables.pool_charges)
    return total
