"""
Covers by full patterns for a problem in which amounts, masks and limits are all that binds: which patterns a cover of a certain
cost can use at all, and the walk through these (`covering`).

No pattern is worth more than its node costs, limits at their prices included. What else a plan buys for a pattern must be worth
what the pattern does not hold, in whole nodes; patterns that leave too much are left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import quota
from solver.search.column_generation import columns as patterns
from solver.search.exact import covering, exhaust
from solver.search.packing import knapsack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PATTERNS = 20_000
"""Most patterns that a walk chooses from."""
FIRST, LEAST_STEP = 0.004, 0.0005
"""The first share of a ladder, and its smallest step."""
RATE, SLOWEST = 1000.0, 1.0
"""By how much the logarithm of states may grow with the share, before anything is known, and at least."""
TIMES, SOME = 5.0, 5_000
"""Times as many states as before, and states that take little time, for the next walk."""
BEST, ROUNDS = 60, 100
"""Patterns that are added at a time while prices are looked for, and how often."""
LISTED = 2000
"""Up to so many contents of a node listing them takes no longer than quick pricing does."""


def useful(problem: problems.Problem, field: fields.Field, counts: Ints) -> fields.Field:
    """
    The field without kinds that another one can always stand in for: one that costs no more, also where its OVH pool is new,
    takes no more of any limit, and has no less room for pods (C,) of no fewer classes.
    """
    groups = exhaust.charged(problem, field.twins)
    group = np.full(len(field.cost), -1)
    for index, kinds in enumerate(groups):
        group[kinds] = index
    alone = np.array([g >= 0 and len(groups[g]) == 1 for g in group], dtype=np.bool_)
    taken = np.array([[cap.per_offer[twins].min() for cap in problem.caps] for twins in field.twins])
    taken = taken.reshape(len(field.cost), len(problem.caps))
    reach = field.ok.T @ (counts[:, None] * field.requests)
    cost = field.cost + np.where(group >= 0, problem.pools.charge, 0)

    # Each (k, j): whether j can stand in for k.
    instead = (field.room[None, :] >= np.minimum(field.room, reach)[:, None]).all(axis=2)
    instead &= (field.ok.T[None, :] >= field.ok.T[:, None]).all(axis=2)
    instead &= (taken[None, :] <= taken[:, None]).all(axis=2)
    same = alone[:, None] | (group[None, :] == group[:, None])
    instead &= np.where(same, field.cost[None, :], cost[None, :]) <= field.cost[:, None]
    number = np.arange(len(field.cost))
    left_out = instead & ~(instead.T & (number[None, :] >= number[:, None]))
    kept = np.flatnonzero(~left_out.any(axis=1))
    return dataclasses.replace(
        field,
        room=field.room[kept],
        ok=field.ok[:, kept],
        cost=field.cost[kept],
        twins=tuple(field.twins[k] for k in kept),
    )


def priced(columns: patterns.Columns, rng: np.random.Generator, effort: patterns.Effort) -> bool:
    """
    Generate columns to the end: by quick pricing unless contents are few, then by all full patterns that are worth more than they
    cost. Says whether the bound was reached in time; not so where there is nothing to buy.
    """
    field, counts = columns.field, columns.limits
    if not len(field.cost):
        return False
    contents = (np.minimum(columns.most.max(axis=1), counts) + 1.0).prod()
    master = columns.master() if contents <= LISTED else columns.generate(rng, effort)
    for _ in range(ROUNDS):
        if master is None or effort.stop():
            return False
        worth, price = columns.worths(master.duals), field.cost + columns.charge(master.duals)
        least = price * (1 + patterns.CLOSE)
        rows = exhaust.patterns(field, counts, worth, field.cost - least, effort.stop, PATTERNS)
        if rows is None:
            return columns.close(rng, effort) is not None
        columns.take(
            master.duals,
            1 + patterns.CLOSE if not len(rows.kind) else float((rows.counts @ worth / price[rows.kind]).max()),
        )
        effort.spend(patterns.QUICK_ROUND)
        if not len(rows.kind):
            return True
        good = np.argsort(-(rows.counts @ worth - price[rows.kind]) / price[rows.kind], kind="stable")[:BEST]
        columns.add(rows.kind[good], rows.counts[good].astype(np.int32))
        master = columns.master()
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """
    The cheapest cover, None when none is as cheap as was asked for, a bound on what any costs, charges included, and how many
    states and patterns were looked at.
    """

    solution: problems.Solution | None
    bound: int
    states: int = 0


class Walk:
    """
    Covers of `counts` (C,) by kinds of `field`, node charges in its costs, at the prices that `columns` found; `patterns` counts
    those looked at.
    """

    def __init__(
        self,
        problem: problems.Problem,
        field: fields.Field,
        counts: Ints,
        columns: patterns.Columns,
        stop: Callable[[], bool],
    ) -> None:
        self.problem, self.field, self.counts, self.stop = problem, field, counts, stop
        self.patterns = 0
        self.worth = columns.worths(columns.centre)
        self.price = field.cost + columns.charge(columns.centre)
        limit = columns.centre[len(counts) :] / columns.caps.scale
        self.there = exhaust.on_nodes(problem, field, counts, self.worth)
        kinds = np.minimum(self.price, knapsack.fractional_worth(field, columns.most, self.worth, counts))
        steps = self._steps(limit, columns.caps, kinds)
        self.prices = covering.Prices(self.worth, limit, steps)
        self.limits = float(limit @ columns.caps.room)
        self.paid = field.cost + steps.others(limit) @ columns.caps.per_node
        self.free = float(steps.others(limit) @ columns.caps.room)
        self.best = [float((each @ self.worth).max(initial=0.0)) for each in self.there or []]
        self.new = float(self.worth @ counts) - sum(self.best)

    def _steps(self, limit: Floats, caps: quota.Limits, worth: Floats) -> covering.Steps:
        """What whole nodes cost, within the limit that costs most."""
        total = float(self.worth @ self.counts)
        dear = limit * caps.room
        if not dear.any():
            return covering.Steps(self.price, worth, total)
        tight = int(dear.argmax())
        price = self.price - limit[tight] * caps.per_node[tight]
        taken = caps.per_node[tight].astype(np.int64)
        return covering.Steps(price, worth, total, tight, taken, int(caps.room[tight]))

    def least(self) -> float:
        """A bound on the cost of all covers, charges for OVH pools not included."""
        steps, worth = self.prices.steps, max(self.new, 0.0)
        whole = steps.of(np.array([worth]), np.array([steps.parts]))
        return max(0.0, worth - self.limits, float(whole[0]) - self.free)

    def above(self, share: float) -> float:
        """The bound and a share of what all pods are worth, or of what a node costs where room is left for all of them."""
        return self.least() + share * max(float(self.worth @ self.counts), float(self.price.max()))

    def within(self, upper: float) -> Answer | None:
        """The cheapest cover that costs at most `upper`; None when that takes too long."""
        steps = self.prices.steps
        reach = steps.reach(upper + self.free - self.paid, steps.parts - steps.taken)
        # With it, other nodes must be worth what it does not hold, and the whole costs no more than asked for.
        held = np.where(reach < 0, np.inf, self.new - reach)
        held = np.maximum(held, self.price + self.new - upper - self.limits)
        rows = exhaust.patterns(self.field, self.counts, self.worth, self.field.cost - held, self.stop, PATTERNS)
        if rows is None or self.there is None:
            return None
        self.patterns += len(rows.kind)
        spare = float(steps.reach(np.array([upper + self.free]), np.array([steps.parts]))[0]) - self.new
        there = [
            each[each @ self.worth >= most - max(spare, 0.0) - covering.FUZZ]
            for each, most in zip(self.there, self.best, strict=True)
        ]
        choice = exhaust.choice(self.problem, self.field, rows, there)
        try:
            if choice is None:
                return None
            found, states = covering.cheapest(choice, self.counts, self.prices, upper, self.stop)
        except covering.TooManyError:
            return None
        states += len(rows.kind)
        if found is None:
            return Answer(None, int(np.floor(upper)) + 1, states)
        nothing = np.zeros_like(self.counts)
        contents = [np.concatenate([nothing[None, :], each])[i] for i, each in zip(found.there, there, strict=True)]
        solution = exhaust.solution(self.problem, self.field, rows, contents, found.chosen, self.counts)
        return Answer(solution, found.cost, states)


class Ladder:
    """
    How far above the bound covers are looked for, as a share of what all pods are worth, step by step. Steps of one size multiply
    the states by some factor: each walk is to look at a few times as many as the one before, or at so many that it takes some
    20 ms.
    """

    def __init__(self) -> None:
        self.share, self.rate = FIRST, RATE
        self.before = 0.0, 1

    def climb(self, states: int) -> None:
        """The next step, after one at which so many states were looked at."""
        share, fewer = self.before
        grown = math.log(max(states, 1) / fewer) / (self.share - share)
        self.rate = max(grown, self.rate / 4, SLOWEST)
        self.before = self.share, max(states, 1)
        step = math.log(max(TIMES, SOME / max(states, 1))) / self.rate
        self.share += min(max(step, LEAST_STEP), max(FIRST, self.share / 2))
