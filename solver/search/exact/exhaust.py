"""
Small packing problems to the end: every pattern that a better plan could use, and the best choice among them.

Let `duals` price pods so that no pattern is worth more than its node costs. What a plan costs beyond duals times pods is
then a sum of what each of its nodes costs beyond its pods' worth, and none of these terms is negative. So a plan that
beats the incumbent uses only patterns that cost less beyond their worth than the whole gap: these are enumerated
(Baldacci, Christofides, Mingozzi, "An exact algorithm for the vehicle routing problem based on the set partitioning
formulation with additional cuts", 2008). Among plans that cover all pods, full nodes are enough: only patterns that no
pod could join are kept. A set cover over them gives the optimum, or the proof that there is no better plan.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import linear

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

PARTIAL = 100_000
"""Most patterns under construction for one kind of node; beyond, the way is too long."""
PATTERNS = 2_000
"""Most patterns that the cover chooses from."""
ROUNDING = 0.1
"""Micro-euro by which a bound in floating point may be too high; costs are whole."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cover:
    """The best cover found, and a bound on what any plan for these pods costs, charges included."""

    solution: problems.Solution
    bound: int


def applies(problem: problems.Problem) -> bool:
    """Whether amounts, masks and caps are all that binds: no rule between pods, nothing to remove."""
    related = (problem.spreads, problem.exclusions, problem.attractions, problem.common_domains, problem.min_values)
    if any(related) or problem.shared_amounts or problem.removal_caps:
        return False
    return not any(node.removable for node in problem.nodes)


def patterns(
    field: fields.Field,
    counts: Ints,
    duals: Floats,
    gap: float | Floats,
    stop: Callable[[], bool],
    most: int = PATTERNS,
    loose: Mask | None = None,
    partial: int = PARTIAL,
) -> Rows | None:
    """
    All full patterns of all kinds that cost at most `gap`, one for all or (K,), beyond their worth by `duals`, (C,) or (K, C);
    None when there are more than `most`, or more than `partial` under construction. Pods of `loose` classes (K, C) may also be
    fewer than fit.
    """
    least = field.cost - gap
    kind_of = [np.zeros(0, dtype=np.int64)]
    rows = [np.zeros((0, len(counts)), dtype=np.int64)]
    total = 0
    worths = np.broadcast_to(duals, (len(field.cost), len(counts)))
    for kind in np.flatnonzero(promise(field, counts, worths) >= least - 1e-6).tolist():
        free = None if loose is None else loose[kind]
        found = full(
            field, field.ok[:, kind], field.room[kind], counts, worths[kind], float(least[kind]), None, free, partial
        )
        if found is None or stop():
            return None
        total += len(found)
        if total > most:
            return None
        kind_of.append(np.full(len(found), kind))
        rows.append(found)
    return Rows(np.concatenate(kind_of), np.concatenate(rows))


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Patterns: their kinds (P,) and pods (P, C)."""

    kind: Ints
    counts: Ints


def on_nodes(
    problem: problems.Problem, field: fields.Field, counts: Ints, loose: Mask | None = None
) -> list[Ints] | None:
    """
    All full patterns (P, C) of each existing node with what is free there, of `loose` classes (N, C) with fewer pods as well;
    None when there are too many.
    """
    result = []
    for node in range(len(problem.nodes)):
        ok, room = problem.node_ok[:, node], problem.node_room[node]
        free = room[field.resources].astype(np.float64)
        worth = np.zeros(len(counts))
        of = None if loose is None else loose[node]
        found = full(field, ok & bool((room >= 0).all()), free, counts, worth, 0.0, loose=of)
        if found is None or len(found) > PATTERNS:
            return None
        result.append(found)
    return result


@dataclasses.dataclass(frozen=True, slots=True)
class Company:
    """
    Rules between pods of one node: classes that do not meet (C, C), on the diagonal those that are alone of their kind,
    and spreads: of `member` (C, S) there are at most `most` (S,) where an `owner` (C, S) is.
    """

    apart: Mask
    owner: Mask
    member: Mask
    most: Ints

    def rules_on(self, c: int) -> Ints:
        """The spreads that look at a class."""
        return np.flatnonzero(self.owner[c] | self.member[c])

    def broken(self, made: Ints, c: int) -> Mask:
        """Which contents (P, C) are above a spread that looks at a class."""
        result = np.zeros(len(made), dtype=np.bool_)
        for rule in self.rules_on(c):
            owners, members = np.flatnonzero(self.owner[:, rule]), np.flatnonzero(self.member[:, rule])
            result |= made[:, owners].any(axis=1) & (made[:, members].sum(axis=1) > self.most[rule])
        return result

    def refuses(self, made: Ints, c: int) -> Mask:
        """Which contents (P, C) take no further pod of a class."""
        one_more = made
        if len(self.rules_on(c)):
            one_more = made.copy()
            one_more[:, c] += 1
        return np.asarray((made[:, self.apart[c]] > 0).any(axis=1) | self.broken(one_more, c))


def full(
    field: fields.Field,
    ok: Mask,
    room: Floats,
    counts: Ints,
    duals: Floats,
    least: float,
    company: Company | None = None,
    loose: Mask | None = None,
    partial: int = PARTIAL,
) -> Ints | None:
    """
    Full patterns (P, C) of this room that are worth at least `least`, class after class, the largest first; pods of `loose`
    classes (C,) may also be fewer than fit.
    """
    fits = (counts > 0) & ok & (field.requests <= room).all(axis=1)
    share = (field.requests / np.maximum(room, 1.0)).max(axis=1)
    order = [int(c) for c in np.argsort(-share, kind="stable") if fits[c]]
    made = np.zeros((1, len(counts)), dtype=np.int64)
    left, worth = room[None, :].copy(), np.zeros(1)
    for position, c in enumerate(order):
        need = field.requests[c]
        asked = need > 0
        most = np.full(len(made), counts[c])
        if asked.any():
            most = np.minimum(most, np.floor(left[:, asked] / need[asked]).min(axis=1)).astype(np.int64)
        if company is not None:
            if company.apart[c, c]:
                most = np.minimum(most, 1)
            most[(made[:, company.apart[c]] > 0).any(axis=1)] = 0
        if (most + 1).sum() > partial:
            return None
        parent = np.repeat(np.arange(len(made)), most + 1)
        number = np.arange(len(parent)) - np.repeat(np.cumsum(most + 1) - (most + 1), most + 1)
        left, worth = left[parent] - number[:, None] * need, worth[parent] + number * duals[c]
        made = made[parent]
        made[:, c] = number
        hopeful = worth >= least - 1e-6
        if not hopeful.all():
            hopeful = worth + _promise(field, counts, duals, order[position + 1 :], left) >= least - 1e-6
        if company is not None:
            hopeful &= ~company.broken(made, c)
        made, left, worth = made[hopeful], left[hopeful], worth[hopeful]
    whole = np.ones(len(made), dtype=np.bool_)
    for c in order if loose is None else [c for c in order if not loose[c]]:
        no_more = (made[:, c] >= counts[c]) | (field.requests[c] > left).any(axis=1)
        whole &= no_more if company is None else no_more | company.refuses(made, c)
    return made[whole]


def promise(field: fields.Field, counts: Ints, worths: Floats) -> Floats:
    """The most that a node of each kind (K,) can be worth where a pod there has these worths (K, C)."""
    result = np.zeros(len(field.cost))
    distinct, of = np.unique(worths, axis=0, return_inverse=True)
    for index, worth in enumerate(distinct):
        kinds = np.flatnonzero(of.ravel() == index)
        result[kinds] = _promise(field, counts, worth, np.flatnonzero(counts).tolist(), field.room[kinds])
    return result


def _promise(field: fields.Field, counts: Ints, duals: Floats, rest: list[int], left: Floats) -> Floats:
    """The most that pods of the `rest` of the classes can be worth in the room (F, R) left: a fractional knapsack each."""
    best = np.full(len(left), np.inf)
    for r in range(left.shape[1]):
        need = field.requests[:, r]
        room, worth = left[:, r].copy(), np.zeros(len(left))
        for c in sorted(rest, key=lambda c: -float(duals[c]) / max(float(need[c]), 1e-9)):
            taken = np.minimum(counts[c], room / need[c]) if need[c] > 0 else np.full(len(left), float(counts[c]))
            worth += taken * duals[c]
            room -= taken * need[c]
        best = np.minimum(best, worth)
    return best


def cover(
    problem: problems.Problem,
    field: fields.Field,
    rows: Rows,
    there: list[Ints],
    counts: Ints,
    *,
    seed: int,
    time_limit: float,
    node_limit: int | None = None,
) -> Cover | None:
    """
    The cheapest cover of `counts` (C,) pods, node and pool charges included, with one pattern of `there` on each existing
    node.

    Caps and the charge for new OVH pools are in the program as far as twins of a kind agree on them, so that the bound
    holds; whether the cover keeps them is for the caller to see. With a `node_limit` time plays no part. None when there
    is no answer within the limit.
    """
    asked = np.flatnonzero(counts)
    fees = [kinds for kinds in charged(problem, field.twins) if np.isin(rows.kind, kinds).any()]
    new, size, pools = len(rows.kind), len(rows.kind) + sum(map(len, there)), len(fees)
    contents = np.concatenate([rows.counts, *there])[:, asked]
    needed = -(-counts[asked] // np.maximum(contents, 1))
    most = np.where(contents > 0, needed, 0).max(axis=1)
    most[new:] = 1
    charge = np.full(pools, float(problem.pools.charge))
    program = linear.Program(
        cost=np.concatenate([field.cost[rows.kind], np.zeros(size - new), charge]),
        low=np.zeros(size + pools),
        high=np.concatenate([most, np.ones(pools)]).astype(np.float64),
    )
    held = program.add_rows(counts[asked].astype(np.float64), np.full(len(asked), np.inf))
    program.add_entries(held[:, None], np.arange(size)[None, :], contents.T.astype(np.float64))
    at = new + np.cumsum([0, *map(len, there)])
    for first, last in itertools.pairwise(at):
        row = program.add_rows(np.array([-np.inf]), np.array([1.0]))
        program.add_entries(row, np.arange(first, last), np.ones(last - first))
    for cap in problem.caps:
        row = program.add_rows(np.array([-np.inf]), np.array([float(cap.room)]))
        least = np.array([cap.per_offer[twins].min() for twins in field.twins])[rows.kind]
        program.add_entries(row[:, None], np.arange(new)[None, :], least[None, :].astype(np.float64))
    for index, kinds in enumerate(fees):
        members = np.flatnonzero(np.isin(rows.kind, kinds))
        row = program.add_rows(np.array([-np.inf]), np.array([0.0]))
        program.add_entries(row, members, np.ones(len(members)))
        program.add_entries(row, np.array([size + index]), np.array([-float(counts.sum())]))
    whole = np.ones(size + pools, dtype=np.bool_)
    found = linear.solve_mixed(program, whole, time_limit=time_limit, gap=0.0, seed=seed, node_limit=node_limit)
    if found.x is None:
        return None
    times = np.round(found.x[:size]).astype(np.int64)
    nothing = np.zeros_like(counts)
    on_node = [
        next(iter(rows_there[times[first : first + len(rows_there)] > 0]), nothing)
        for first, rows_there in zip(at[:-1], there, strict=True)
    ]
    chosen = np.repeat(np.arange(new), times[:new])
    bound = int(np.ceil(found.bound - ROUNDING)) if np.isfinite(found.bound) else 0
    return Cover(solution(problem, field, rows, on_node, chosen, counts), bound)


def solution(
    problem: problems.Problem, field: fields.Field, rows: Rows, on_node: Sequence[Ints], chosen: Ints, counts: Ints
) -> problems.Solution:
    """A cover as a solution: contents of each existing node (C,) and patterns chosen, each pod taken once."""
    left = counts.copy()
    placed = {}
    for node, pods in enumerate(dealt(on_node, left)):
        left -= pods
        if pods.any():
            placed[node] = row_counts(pods)
    kinds = [field.twins[k] for k in rows.kind[chosen]]
    return problems.Solution(
        new=bought(problem, zip(kinds, dealt(rows.counts[chosen], left), strict=True)), placed=placed
    )


def row_counts(row: Ints) -> problems.Counts:
    """Pods by class of one node."""
    return tuple((int(c), int(row[c])) for c in np.flatnonzero(row))


def charged(problem: problems.Problem, twins_of: Sequence[Ints]) -> list[list[int]]:
    """Groups of kinds that cannot be used without a new OVH pool; kinds that may share a pool are in one group."""
    pool_of = np.array([offer.pool for offer in problem.offers])
    groups: list[tuple[set[int], list[int]]] = []
    for kind, twins in enumerate(twins_of):
        pools = set(pool_of[twins].tolist())
        kinds = [kind]
        for group in [g for g in groups if g[0] & pools]:
            groups.remove(group)
            pools |= group[0]
            kinds += group[1]
        groups.append((pools, kinds))
    return [kinds for pools, kinds in groups if not problem.pools.exists[sorted(pools)].any()]


def bought(problem: problems.Problem, chosen: Iterable[tuple[Ints, Ints]]) -> tuple[tuple[int, problems.Counts], ...]:
    """Nodes with these pods (C,), each of one of these twins: one whose OVH pool exists and has room goes first."""
    free = problem.pools.free.copy()
    nodes = []
    for twins, pods in chosen:
        if pods.any():
            offer = next((int(o) for o in twins if free[problem.offers[o].pool] > 0), int(twins[0]))
            free[problem.offers[offer].pool] -= 1
            nodes.append((offer, row_counts(pods)))
    return tuple(nodes)


def dealt(rows: Iterable[Ints], left: Ints) -> Iterator[Ints]:
    """The pods of each row that are left: each pod is there once."""
    left = left.copy()
    for row in rows:
        pods = np.minimum(row, left)
        left -= pods
        yield pods
