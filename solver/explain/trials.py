"""
One more pod where a plan leaves it out: which rules forbid it there, each rule asked by itself.

Every rule is compiled alone and asked about the plan with that pod in a place more: an existing node, a node that the
plan buys, or another new node of some offer. What the plan does with all other pods stands.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from solver import build as builds
from solver import evaluate, problem, rules
from solver.rules import rule

_BOUNDLESS = int(np.iinfo(np.int32).max)

THOROUGH = 20_000
"""
Places times nodes of a plan up to which every rule is asked about every place. Beyond, only new nodes are tried, and
what a single pod may not is not asked what it would do to others.
"""

Spot = tuple[str, int]
"""Where a pod is tried: ("node", index), ("bought", number in the solution) or ("offer", index)."""


class Trials:
    """Tries pods in the places of one plan; rules are compiled when they are first asked."""

    def __init__(self, build: builds.Build, solution: problem.Solution) -> None:
        of = build.problem
        self._build = build
        self._solution = solution
        self._problems: dict[str, problem.Problem] = {}
        self._known: dict[tuple[int, Spot], frozenset[str]] = {}
        places = len(of.nodes) + len(solution.new)
        self._thorough = (places + len(of.offers)) * places <= THOROUGH

    def spots(self, pod_class: int) -> list[Spot]:
        """Every place there is; in a large plan the offers, of those that take the pod one for each kind of place."""
        of = self._build.problem
        offers = [("offer", index) for index in range(len(of.offers))]
        if not self._thorough:
            return [*offers_of_a_kind(of, pod_class), *[o for o in offers if not of.offer_ok[pod_class, o[1]]]]
        nodes = [("node", index) for index in range(len(of.nodes)) if index not in self._solution.removed]
        return [*nodes, *[("bought", number) for number in range(len(self._solution.new))], *offers]

    def forbidding(self, pod_class: int, spot: Spot) -> frozenset[str]:
        """The rules that forbid one more pod of a class in a place."""
        known = self._known.get((pod_class, spot))
        if known is None:
            known = self._known[pod_class, spot] = frozenset(self._forbidding(pod_class, spot))
        return known

    def alone(self, name: str) -> problem.Problem:
        """The problem with nothing in it but one rule."""
        known = self._problems.get(name)
        if known is None:
            each = next(each for each in rules.RULES if each.name == name)
            known = self._problems[name] = _alone(self._build, each)
        return known

    def together(self, pod_class: int) -> tuple[str, ...]:
        """The smallest set of rules of which at least one forbids each place; () when some place is open."""
        found = {self.forbidding(pod_class, spot) for spot in self.spots(pod_class)}
        return smallest([each.name for each in rules.RULES], found)

    def _forbidding(self, pod_class: int, spot: Spot) -> list[str]:
        alone = {each.name: self.alone(each.name) for each in rules.RULES}
        kind, index = spot
        refused = [name for name, of in alone.items() if kind == "offer" and not of.offer_ok[pod_class, index]]
        if refused and not self._thorough:
            return refused
        tried = _with(self._solution, pod_class, spot)
        asked = {name: of for name, of in alone.items() if name not in refused and (kind != "offer" or _relates(of))}
        found = refused + [name for name, of in asked.items() if evaluate.violations(of, tried)]
        return found or [name for name, of in alone.items() if of.min_values and self._narrows(of.min_values, tried)]

    def _narrows(self, minima: tuple[problem.MinValues, ...], tried: problem.Solution) -> bool:
        """Whether too few flavors are left to choose from, of those that all other rules leave."""
        return bool(evaluate.violations(dataclasses.replace(self._build.problem, min_values=minima), tried))


def offers_of_a_kind(of: problem.Problem, pod_class: int, node_pool: str | None = None) -> list[Spot]:
    """Of the offers that take a class (of one NodePool) the cheapest of each NodePool and place."""
    found: dict[int, int] = {}
    for index in np.flatnonzero(of.offer_ok[pod_class]).tolist():
        offer = of.offers[index]
        best = found.get(offer.family)
        if node_pool in (None, offer.node_pool) and (best is None or offer.price < of.offers[best].price):
            found[offer.family] = index
    return [("offer", index) for index in found.values()]


def smallest(names: Sequence[str], forbidding: Iterable[frozenset[str]]) -> tuple[str, ...]:
    """
    The fewest of the names of which each set has at least one, the first such in their order.

    Returns () when there is no set, or one that nothing is in.
    """
    sets = list(forbidding)
    if not all(sets):
        return ()
    known = [name for name in names if any(name in each for each in sets)]
    for size in range(len(known) + 1):
        for chosen in itertools.combinations(known, size):
            if all(not each.isdisjoint(chosen) for each in sets):
                return chosen
    raise AssertionError("every set has a name")


def _with(solution: problem.Solution, pod_class: int, spot: Spot) -> problem.Solution:
    """The solution with one more pod."""
    kind, index = spot
    if kind == "node":
        placed = {**solution.placed, index: _more(solution.placed.get(index, ()), pod_class)}
        return dataclasses.replace(solution, placed=placed)
    if kind == "offer":
        return dataclasses.replace(solution, new=(*solution.new, (index, ((pod_class, 1),))))
    new = list(solution.new)
    new[index] = (new[index][0], _more(new[index][1], pod_class))
    return dataclasses.replace(solution, new=tuple(new))


def _more(counts: problem.Counts, pod_class: int) -> problem.Counts:
    found = dict(counts)
    found[pod_class] = found.get(pod_class, 0) + 1
    return tuple(sorted(found.items()))


def _alone(build: builds.Build, each: rule.Rule) -> problem.Problem:
    """The problem with nothing in it but one rule."""
    of = build.problem
    built = rules.compile_alone(build.context, build.built, each)
    pools = built.pools if built.pools is not None else _boundless(of.pools)
    return built.as_problem(of.classes, of.nodes, of.offers, built.refused == 0, pools)


def _boundless(pools: problem.OvhPools) -> problem.OvhPools:
    """OVH pools that hold as many nodes as anybody wants."""
    return dataclasses.replace(pools, free=np.full_like(pools.free, _BOUNDLESS), new_pools=_BOUNDLESS)


def _relates(of: problem.Problem) -> bool:
    """Whether there is more to a rule than what a single pod may do and takes."""
    blocks = (of.spreads, of.exclusions, of.attractions, of.common_domains, of.shared_amounts, of.min_values, of.caps)
    return any(blocks) or of.pools.new_pools < _BOUNDLESS
