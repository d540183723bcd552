"""
What new nodes of a cell can hold at most: its full patterns, for small problems.

Places that no rule across nodes, preference or weight tells apart are one *cell*. What a new node can hold at most, with the
rules that look at one node (amounts, anti-affinity over hostnames, host ports, spread over hostnames), is a *full pattern*;
small problems have a few hundred. Taking a pod from a node never breaks a rule that looks at one node, so full patterns are
enough.

A spread over hostnames allows its skew on top of what the emptiest node holds, which is at most the number of pods that it
counts divided by the number of nodes: patterns are made case by case of what the emptiest node holds (`ranges`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.model import sizing
from solver.search import field as fields
from solver.search.exact import exhaust
from solver.search.packing import shapes

Ints = NDArray[np.int64]

RANGES = 60
"""Most cases of what the emptiest node holds; beyond, one for all of each number of nodes."""
ALL_SPLIT = 1 << 30
"""Rules over hostnames always make shapes of their own here."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """
    Offers of one cell as shapes and kinds, and its full patterns: kinds (P,), pods by shape (P, S). `large` are the kinds
    with too many patterns, `every` their full patterns, None where they were too many to be listed; `holds` (S, K) is how many
    pods of a shape a node holds alone.
    """

    shapes: shapes.Shapes
    company: exhaust.Company
    kind: Ints
    rows: Ints
    large: tuple[int, ...]
    every: tuple[Ints | None, ...]
    holds: Ints

    def patterns(self, kind: int) -> Ints | None:
        """Full patterns (P, S) of a kind; None where they were too many to be listed."""
        return self.every[self.large.index(kind)] if kind in self.large else self.rows[self.kind == kind]

    def holds_as(self, other: Cell) -> bool:
        """Whether nodes of each kind hold the same pods, by shape, as nodes of that kind in another cell."""
        if self is other:
            return True
        mine, theirs = (
            (c.shapes.field.requests, c.shapes.field.room, c.holds, *dataclasses.astuple(c.company))
            for c in (self, other)
        )
        return all(map(np.array_equal, mine, theirs))


Known = dict[tuple[bytes, ...], Ints | None]
"""Full patterns by rules and requests, classes that may come, and room: cells of alike zones share them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """Numbers of new nodes, and of each host-level spread (S,) what is allowed on top of its skew and needed then."""

    least: int
    most: int
    extra: Ints
    needed: Ints


def groups(problem: problems.Problem, kept: Sequence[int] | None = None) -> list[Ints]:
    """Offers of each cell, those `kept`: unless told, those for which no other one can always stand in."""
    if kept is None:
        kept, _ = sizing.useful_offers(problem)
    kind = sizing.kinds(problem)
    there = problem.counts > 0
    found: dict[tuple[object, ...], list[int]] = {}
    for o in kept:
        asked = there & problem.offer_ok[:, o]
        given_up = np.where(asked, problem.offer_penalty[:, o], 0), np.where(asked, problem.offer_rank[:, o], 0)
        found.setdefault((kind[o], *(g.tobytes() for g in given_up)), []).append(o)
    return [np.array(sorted(offers), dtype=np.int64) for offers in found.values()]


def ranges(problem: problems.Problem, spreads: Sequence[problems.Spread]) -> list[Range]:
    """Numbers of new nodes by what the emptiest node can hold of each spread then."""
    most = int(problem.counts.sum())
    if not spreads:
        return [Range(0, most, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))]
    for exact in (True, False):
        found: dict[tuple[tuple[int, int], ...], tuple[int, int]] = {}
        for nodes in range(most + 1):
            for levels in itertools.product(*(_levels(problem, spread, nodes, exact) for spread in spreads)):
                found[levels] = found.get(levels, (nodes, nodes))[0], nodes
            if len(found) > RANGES:
                break
        if len(found) <= RANGES:
            break
    ordered = sorted(found.items(), key=lambda each: each[1])
    return [
        Range(first, last, *(np.array(row, dtype=np.int64) for row in zip(*levels, strict=True)))
        for levels, (first, last) in ordered
    ]


def together(cases: Sequence[Range]) -> Range:
    """Whatever any of these cases allows."""
    return Range(
        min(case.least for case in cases),
        max(case.most for case in cases),
        np.max([case.extra for case in cases], axis=0),
        np.min([case.needed for case in cases], axis=0),
    )


def _levels(problem: problems.Problem, spread: problems.Spread, nodes: int, exact: bool) -> list[tuple[int, int]]:
    """
    With so many new nodes: how many pods of a spread a node may hold on top of the skew and must hold at least. `exact` for all
    numbers that the emptiest node may hold one by one; otherwise one pair that allows for all of them.
    """
    total = pods_of(problem, spread.group)
    if not spread.offer_counted.all():
        return [(total, 0)]
    there = int(spread.node_counted.sum())
    if nodes + there < (spread.min_domains or 1):
        return [(0, 0)]
    mean = total // max(nodes + there, 1)
    if there or not exact or not mean:
        return [(mean, 0)]
    own = not (spread.group.members & ~spread.owners).any() and not spread.group.base.any()
    lowest = max(0, -(-total // nodes) - spread.max_skew) if own else 0
    return [(level, level) for level in range(lowest, mean + 1)]


def cell(
    problem: problems.Problem,
    offers: Ints,
    spreads: Sequence[problems.Spread],
    part: Range,
    few: int,
    *,
    soft: bool,
    met: bool,
    known: Known,
    dominated: bool = False,
) -> Cell:
    """
    Shapes, kinds and full patterns of some offers, at most `few` of each kind. With `soft` rules inside a node that may be broken
    are kept, when all preferences can be `met` those over domains too; spreads are those given. Patterns are kept in `known`.
    Those that a cheaper kind holds too are left out, unless `dominated` ones are wanted.
    """
    inside = dataclasses.replace(
        problem,
        exclusions=tuple(e for e in problem.exclusions if e.weight is None or soft),
        spreads=tuple(
            dataclasses.replace(s, max_skew=s.max_skew + int(more))
            for s, more in zip(spreads, part.extra, strict=True)
            if s.weight is None or soft
        ),
    )
    field = fields.make(inside, offers, problem.counts > 0)
    small = shapes.reduce(field, problem.counts, ALL_SPLIT)
    host, counts = small.field.host, small.sums(_most(problem, int(offers[0]), soft=soft and met))
    apart = (host.owner[:, host.exclusive].astype(np.int64) @ host.member[:, host.exclusive].T.astype(np.int64)) > 0
    spread = ~host.exclusive
    company = exhaust.Company(
        apart | apart.T, host.owner[:, spread], host.member[:, spread], host.member_cap[spread] + 1
    )
    same = tuple(
        table.tobytes()
        for table in (small.field.requests, counts, company.apart, company.owner, company.member, company.most)
    )
    large: list[int] = []
    every: list[Ints | None] = []
    kind_of: list[Ints] = [np.zeros(0, dtype=np.int64)]
    rows: list[Ints] = [np.zeros((0, len(counts)), dtype=np.int64)]
    for kind in range(len(small.field.cost)):
        ok, room = small.field.ok[:, kind], small.field.room[kind]
        key = *same, ok.tobytes(), room.tobytes()
        if key not in known:
            known[key] = exhaust.full(small.field, ok, room, counts, np.zeros(len(counts)), -1.0, company)
        found = known[key]
        if found is None or len(found) > few:
            large.append(kind)
            every.append(found)
            continue
        if part.needed.any():
            found = found[(found @ company.member >= part.needed).all(axis=1)]
        kind_of.append(np.full(len(found), kind))
        rows.append(found)
    kinds, table = np.concatenate(kind_of), np.concatenate(rows)
    keep = np.arange(len(kinds)) if dominated else _undominated(problem, small.field, kinds, table)
    holds = np.minimum(fields.capacity(small.field), counts[:, None]).astype(np.int64)
    holds[company.apart.diagonal()] = np.minimum(holds[company.apart.diagonal()], 1)
    return Cell(small, company, kinds[keep], table[keep], tuple(large), tuple(every), holds)


def _most(problem: problems.Problem, offer: int, *, soft: bool) -> Ints:
    """
    How many pods of each class (C,) may be in the domains of an offer at most, by spread and anti-affinity over its topologies.

    In D domains that count for sure, with T pods counted in all, none has more than the mean of T and D - 1 times the skew:
    the others have at most the skew less.
    """
    most = problem.counts
    for spread in problem.spreads:
        domains = int(spread.always.sum()) if spread.topology != problems.HOST else 0
        if not domains or not spread.offer_counted[offer] or (spread.weight is not None and not soft):
            continue
        total = pods_of(problem, spread.group)
        each = max(spread.max_skew, (total + (domains - 1) * spread.max_skew) // domains)
        most = np.where(spread.owners & spread.group.members, np.minimum(most, each), most)
    for exclusion in problem.exclusions:
        if exclusion.topology == problems.HOST or (exclusion.weight is not None and not soft):
            continue
        if problem.topologies[exclusion.topology].of_offer[offer] >= 0:
            most = np.where(exclusion.owners & exclusion.targets.members, np.minimum(most, 1), most)
    return np.asarray(most, dtype=np.int64)


def pods_of(problem: problems.Problem, group: problems.Group) -> int:
    """Pods of a group, those that run and those to be placed."""
    return int(problem.counts[group.members].sum() + group.base.sum())


def _undominated(problem: problems.Problem, field: fields.Field, kind: Ints, rows: Ints) -> Ints:
    """Indices of patterns that are not contained in one that costs no more and takes no more of any limit."""
    charge = problem.pools.charge
    pool = np.array([offer.pool for offer in problem.offers], dtype=np.int64)
    first = np.array([twins[0] for twins in field.twins], dtype=np.int64)
    single = np.array([len(set(pool[twins].tolist())) == 1 for twins in field.twins], dtype=np.bool_)
    taken = np.array([[int(cap.per_offer[o]) for cap in problem.caps] for o in first], dtype=np.int64)
    taken = taken.reshape(len(first), len(problem.caps))
    # Moving nodes to another kind may open one OVH pool.
    step = np.where(pool[first][:, None] == pool[first][None, :], 0, charge)
    step[~(single[:, None] & single[None, :])] = charge
    beats = field.cost[:, None] + step <= field.cost[None, :]
    beats &= (taken[:, None, :] <= taken[None, :, :]).all(axis=2)
    np.fill_diagonal(beats, True)
    order = np.lexsort((-rows.sum(axis=1), field.cost[kind]))
    kept: list[int] = []
    for index in order.tolist():
        before = np.array(kept, dtype=np.int64)
        if len(kept):
            before = before[beats[kind[before], kind[index]]]
            if (rows[before] >= rows[index]).all(axis=1).any():
                continue
        kept.append(index)
    return np.array(sorted(kept), dtype=np.int64)
