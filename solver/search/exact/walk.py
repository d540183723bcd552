"""
Covers by full patterns for a problem in which amounts, masks, limits and what pods give up (`concession`) are all that binds:
which patterns a cover of a certain cost can use at all, and the walk through these (`covering`).

No pattern is worth more than its node costs, limits and what its pods give up at their prices included. What else a plan buys for
a pattern must be worth what the pattern does not hold, in whole nodes; patterns that leave too much are left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import linear, quota
from solver.search.column_generation import columns as patterns
from solver.search.exact import concession, covering, exhaust, prices, steps, volumes
from solver.search.packing import knapsack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NODES, ROUNDING = 100, 1e-9
"""Nodes of the tree for the bound from whole nodes, and by how much of it that may be too high."""
BITS = 62
"""Most groups of OVH pools that a walk tells apart."""
PATTERNS = 20_000
"""Most patterns that a walk chooses from."""
LARGE, FINE = 24, 8
"""Pods from which on walks take long: whole nodes are looked at so many times finer, and the first walk asks for less."""
MANY, FINER = 1_000, 32
"""After how many states whole nodes are looked at finer still, and by the program over whole nodes."""
FIRST, LEAST_STEP = 0.004, 0.0005
"""The first share of a ladder, also its second step where the first one is easy, and its smallest step."""
RATE, SLOWEST = 1000.0, 1.0
"""By how much the logarithm of states may grow with the share, before anything is known, and at least."""
TIMES, SOME = 5.0, 10_000
"""Times as many states as before, and states that take little time, for the next walk."""
BEST, ROUNDS = 60, 100
"""Patterns that are added at a time while prices are looked for, and how often."""
SEED = 1
"""Of quick pricing, where prices are the same in the end."""
LISTED = 2000
"""Up to so many contents of a node listing them takes no longer than quick pricing does."""


def useful(
    problem: problems.Problem, field: fields.Field, counts: Ints, given: concession.Concessions | None = None
) -> fields.Field:
    """
    The field without kinds that another one can always stand in for: one that costs no more, also where its OVH pool is new,
    takes no more of any limit, has no less room for pods (C,) of no fewer classes, and on which no pod gives up more.
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
    if given is not None:
        more = given.weight(given.new)[None, :] > given.weight(given.new)[:, None]
        instead &= ~(more & field.ok.T[:, None]).any(axis=2)
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


def point(columns: patterns.Columns) -> volumes.Point:
    """The best point of some columns, for pods that give up nothing."""
    worth = columns.worths(columns.centre)
    return volumes.Point(worth, columns.centre[len(worth) :] / columns.caps.scale, np.zeros(0))


def conceding(problem: problems.Problem, counts: Ints, numbers: Sequence[int], stop: Callable[[], bool]) -> Walk | None:
    """
    Covers of `counts` (C,) pods with these numbers before the cost, the least that there are; None where there are too many
    patterns for prices, or nothing to buy.
    """
    table = concession.table(problem, counts, numbers)
    asked = _question(table, counts)
    if asked is None:
        return None
    found = prices.priced(asked, np.random.default_rng(SEED), stop)
    return None if found is None else Walk(table.problem, asked.field, counts, found, stop, asked.given)


def least(
    problem: problems.Problem,
    counts: Ints,
    reached: Sequence[int],
    *,
    time_limit: float,
    seed: int,
    deterministic: bool,
) -> tuple[int, ...] | None:
    """
    Bounds on all numbers before the cost, mostly reached, for `counts` (C,) pods, where some solution has `reached` these; None
    where they are too large.
    """
    table = concession.table(problem, counts)
    asked = _question(table, counts, settling=False)
    if asked is None:
        return None
    known = (np.array(reached, dtype=np.int64) - table.stuck)[table.numbers].tolist()
    found = volumes.least(asked, known, time_limit=time_limit, seed=seed, deterministic=deterministic)
    numbers = table.stuck.copy()
    numbers[table.numbers] += found
    return tuple(numbers.tolist())


def _question(table: concession.Table, counts: Ints, *, settling: bool = True) -> volumes.Question | None:
    """
    What is asked of prices, with contents of existing nodes that hold fewer pods where these do not settle; None where numbers
    are too large or there is nothing to buy.
    """
    problem, field = table.problem, table.field()
    given = table.of(field) if len(field.cost) else None
    if given is None:
        return None
    field = useful(problem, field, counts, given)
    given = table.of(field)
    if given is None:
        return None
    loose = given.loose_there(field.ok, problem.node_ok) if settling else None
    there = exhaust.on_nodes(problem, field, counts, loose)
    if there is None:
        return None
    return volumes.Question(
        field=dataclasses.replace(field, cost=field.cost + problem.node_charge),
        counts=counts,
        contents=there,
        node_ok=problem.node_ok & (problem.node_room >= 0).all(axis=1),
        node_room=problem.node_room[:, field.resources].astype(np.float64),
        caps=limits(problem, field),
        given=given,
        loose=given.loose(field.ok),
    )


def limits(problem: problems.Problem, field: fields.Field) -> quota.Limits:
    """The limits of a problem over the kinds of a field, none if it has none."""
    return quota.limits_of(problem, field) or quota.Limits(np.zeros((0, len(field.cost))), np.zeros(0))


def _most_worth(field: fields.Field, worth: Floats, counts: Ints) -> Floats:
    """What a node of each kind (K,) is worth at most where a pod there has these worths (K, C)."""
    most, result = fields.capacity(field), np.zeros(len(field.cost))
    distinct, of = np.unique(worth, axis=0, return_inverse=True)
    for index, each in enumerate(distinct):
        kinds = of.ravel() == index
        result[kinds] = knapsack.fractional_worth(field, most, each, counts)[kinds]
    return result


class Walk:
    """
    Covers of `counts` (C,) by kinds of `field`, node charges in its costs, at the prices of a point, where pods give up what is
    `given` and no more (None: nothing); `patterns` and `states` count those looked at.
    """

    def __init__(
        self,
        problem: problems.Problem,
        field: fields.Field,
        counts: Ints,
        point: volumes.Point,
        stop: Callable[[], bool],
        given: concession.Concessions | None = None,
    ) -> None:
        self.problem, self.field, self.counts, self.stop = problem, field, counts, stop
        self.given = concession.none(field, len(problem.nodes)) if given is None else given
        self.patterns = 0
        caps = limits(problem, field)
        limit = point.limit
        self.price = field.cost + limit @ caps.per_node
        self.loose = self.given.loose(field.ok)
        on_nodes = self.given.loose_there(field.ok, problem.node_ok)
        self.there = exhaust.on_nodes(problem, field, counts, on_nodes)
        # What a pod of each class is worth on each kind (K, C), and in all beyond what there is to give up.
        self.worth = point.net(self.given.new)
        self.whole = float(point.worth @ counts - point.given @ self.given.room)
        self.kinds = np.minimum(self.price, _most_worth(field, self.worth, counts))
        self.caps, self.point, self.finer, self.states = caps, point, False, 0
        self.large = int(counts.sum()) > LARGE
        table = self.steps = self._steps(FINE if self.large else 1)
        self.limits = float(limit @ caps.room)
        self.paid = field.cost + table.others(limit) @ caps.per_node
        self.free = float(table.others(limit) @ caps.room)
        net = point.net(self.given.there)
        self.on_node = [each @ worth for each, worth in zip(self.there or [], net, strict=self.there is not None)]
        self.best = [float(each.max(initial=0.0)) for each in self.on_node]
        self.new = self.whole - sum(self.best)
        self.fleet = 0

    def _steps(self, finer: int) -> steps.Steps:
        """What whole nodes cost, within the limit that costs most."""
        total, caps, limit = max(self.whole, 0.0), self.caps, self.point.limit
        dear = limit * caps.room
        if not dear.any():
            return steps.Steps(self.price, self.kinds, total, finer=finer)
        tight = int(dear.argmax())
        price = self.price - limit[tight] * caps.per_node[tight]
        taken = caps.per_node[tight].astype(np.int64)
        return steps.Steps(price, self.kinds, total, tight, taken, int(caps.room[tight]), finer)

    def _fleet(self) -> int:
        """
        What whole nodes cost at least that are worth all pods and have room for them, within all limits, charges for OVH pools
        included: one small program knows more than the tables, which are there for each state.
        """
        field, caps, problem = self.field, self.caps, self.problem
        fees = exhaust.charged(problem, field.twins)
        kinds, nodes = len(field.cost), float(self.counts.sum())
        cost = np.concatenate([field.cost, np.full(len(fees), float(problem.pools.charge))])
        high = np.concatenate([np.full(kinds, nodes), np.ones(len(fees))])
        # More nodes of a kind than hold everything are of no use.
        enough = np.ceil(self.new / np.maximum(self.kinds, 1e-6))
        program = linear.Program(cost, np.zeros(len(cost)), high)
        worth = program.add_rows(np.array([self.new - steps.FUZZ]), np.array([np.inf]))
        program.add_entries(worth, np.arange(kinds), self.kinds)
        if not self.given.may.any():
            there = np.maximum(problem.node_room[:, field.resources], 0).sum(axis=0)
            short = self.counts @ field.requests - there
            scale = np.maximum(short, 1.0)
            enough = np.maximum(enough, np.ceil(short / np.maximum(field.room, 1e-6)).max(axis=1, initial=0.0))
            room = program.add_rows(short / scale, np.full(len(short), np.inf))
            program.add_entries(room[:, None], np.arange(kinds)[None, :], field.room.T / scale[:, None])
        capped = program.add_rows(np.full(len(caps.room), -np.inf), caps.room / caps.scale)
        program.add_entries(capped[:, None], np.arange(kinds)[None, :], caps.per_node / caps.scale[:, None])
        for fee, members in enumerate(fees):
            rows = program.add_rows(np.full(len(members), -np.inf), np.zeros(len(members)))
            program.add_entries(rows, np.array(members), np.ones(len(members)))
            program.add_entries(rows, np.array([kinds + fee]), -np.clip(enough, 1.0, nodes)[members])
        whole = np.ones(len(cost), dtype=np.bool_)
        found = linear.solve_mixed(program, whole, time_limit=1.0, node_limit=NODES, gap=0.0, seed=SEED)
        return max(0, math.ceil(found.bound * (1 - ROUNDING))) if np.isfinite(found.bound) else 0

    def least(self) -> float:
        """A bound on the cost of all covers, infinite where limits leave none."""
        table, worth = self.steps, max(self.new, 0.0)
        whole = table.of(np.array([worth]), np.array([table.parts]))
        return max(0.0, worth - self.limits, float(whole[0]) - self.free, float(self.fleet))

    def above(self, share: float) -> float:
        """The bound and a share of what all pods are worth, or of what a node costs where room is left for all of them."""
        return self.least() + share * max(self.whole, float(self.price.max(initial=0.0)))

    def within(self, upper: float) -> Answer | None:
        """The cheapest cover that costs at most `upper`; None when that takes too long."""
        if self.states > MANY and not self.finer:
            self.finer, self.steps, self.fleet = True, self._steps(FINER), self._fleet()
        if upper < self.fleet:
            return Answer(None, self.fleet)
        table = self.steps
        reach = table.reach(upper + self.free - self.paid, table.parts - table.taken)
        # With it, other nodes must be worth what it does not hold, and the whole costs no more than asked for.
        held = np.where(reach < 0, np.inf, self.new - reach)
        held = np.maximum(held, self.price + self.new - upper - self.limits)
        rows = exhaust.patterns(
            self.field, self.counts, self.worth, self.field.cost - held, self.stop, PATTERNS, self.loose
        )
        if rows is None or self.there is None:
            return None
        self.patterns += len(rows.kind)
        spare = float(table.reach(np.array([upper + self.free]), np.array([table.parts]))[0]) - self.new
        there = [
            each[worth >= most - max(spare, 0.0) - steps.FUZZ]
            for each, worth, most in zip(self.there, self.on_node, self.best, strict=True)
        ]
        choice = _choice(self.problem, self.field, rows, there, self.given)
        try:
            if choice is None:
                return None
            found, states = covering.cheapest(choice, self.counts, self.point, self.steps, upper, self.stop)
        except covering.TooManyError:
            return None
        states += len(rows.kind)
        self.states += states
        if found is None:
            return Answer(None, int(np.floor(upper)) + 1, states)
        nothing = np.zeros_like(self.counts)
        contents = [np.concatenate([nothing[None, :], each])[i] for i, each in zip(found.there, there, strict=True)]
        solution = exhaust.solution(self.problem, self.field, rows, contents, found.chosen, self.counts)
        return Answer(solution, found.cost, states)


def _choice(
    problem: problems.Problem,
    field: fields.Field,
    rows: exhaust.Rows,
    there: list[Ints],
    given: concession.Concessions,
) -> covering.Choice | None:
    """What a walk chooses from; None when too many OVH pools are new."""
    fees = exhaust.charged(problem, field.twins)
    if len(fees) > BITS:
        return None
    bit = np.zeros(len(field.cost), dtype=np.int64)
    for index, kinds in enumerate(fees):
        bit[kinds] = 1 << index
    taken = np.array([[int(cap.per_offer[twins].min()) for cap in problem.caps] for twins in field.twins])
    return covering.Choice(
        rows=rows.counts,
        kind=rows.kind,
        there=there,
        price=field.cost.astype(np.int64),
        needs=taken.reshape(len(field.cost), len(problem.caps)).astype(np.int64),
        room=np.array([max(0, cap.room) for cap in problem.caps], dtype=np.int64),
        bit=bit if problem.pools.charge else np.zeros_like(bit),
        charge=problem.pools.charge,
        size=field.requests,
        space=field.room,
        ok=field.ok,
        given=given,
    )


class Ladder:
    """
    How far above the bound covers are looked for, as a share of what all pods are worth, step by step. Steps of one size multiply
    the states by some factor: each walk is to look at a few times as many as the one before, or at so many that it takes some
    20 ms.
    """

    def __init__(self, *, large: bool = False) -> None:
        self.share, self.rate = LEAST_STEP if large else FIRST, RATE
        self.before = 0.0, 1

    def climb(self, states: int) -> None:
        """The next step, after one at which so many states were looked at."""
        share, fewer = self.before
        if share:
            grown = math.log(max(states, 1) / fewer) / (self.share - share)
            self.rate = max(grown, self.rate / 4, SLOWEST)
        step = math.log(max(TIMES, SOME / max(states, 1))) / self.rate
        self.before = self.share, max(states, 1)
        self.share += min(max(step, LEAST_STEP), max(FIRST, self.share))
