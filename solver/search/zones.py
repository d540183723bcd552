"""
How many pods of each class each cell should get: the compact relaxation with the rules across nodes in it.

Cells (zones) compete for pods that must stay together and pods that must spread, and a node bought for one class serves
others. So volumes per cell, node numbers and yes-or-no decisions of affinity are one small mixed-integer program. Where
classes were not merged with loss its bound holds for the whole problem.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import cells as splits
from solver.search import compact, linear
from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

EXACT_CLASSES = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """
    `share` (C, cells) of each class's pods wanted in each cell, rows summing to 1 or 0; `bound` on prices, or None.
    """

    share: Floats
    bound: float | None


@dataclasses.dataclass(slots=True)
class _Program:
    """The program while it is built: `pods_at[d]` lists (variables, merged classes, cells) of pod volumes."""

    cost: list[Floats]
    high: list[Floats]
    integer: list[Mask]
    rows: list[tuple[Ints, Floats, float, float]]
    size: int = 0

    def add(
        self, number: int, cost: float | Floats = 0.0, high: float | Floats = np.inf, *, integer: bool = False
    ) -> Ints:
        first = self.size
        self.size += number
        self.cost.append(np.broadcast_to(np.asarray(cost, dtype=np.float64), (number,)).copy())
        self.high.append(np.broadcast_to(np.asarray(high, dtype=np.float64), (number,)).copy())
        self.integer.append(np.full(number, integer))
        return np.arange(first, self.size)

    def row(self, variables: Ints, weights: Floats | float, low: float, high: float) -> None:
        values = np.broadcast_to(np.asarray(weights, dtype=np.float64), (len(variables),))
        keep = values != 0
        self.rows.append((variables[keep], values[keep], low, high))


def wish(
    problem: problems.Problem,
    cells: splits.Cells,
    per_cell: list[fields.Field],
    rooms: list[compact.Room],
    counts: Ints,
    *,
    time_limit: float,
    seed: int,
) -> Wish | None:
    """
    Solve for the shares.

    Parameters
    ----------
    problem: the whole problem.
    cells: its cells, with a field and the room on existing nodes for each.
    counts: (C,) pods to place.
    time_limit: seconds.

    Returns
    -------
    None when nothing was found in time.
    """
    there = np.flatnonzero(counts > 0)
    signature = _signature(problem, per_cell, rooms)[there]
    exact = np.concatenate([signature, problem.requests[there].astype(np.float64)], axis=1)
    _, first, inverse = np.unique(exact, axis=0, return_index=True, return_inverse=True)
    lossless = len(first) <= EXACT_CLASSES
    if not lossless:
        _, first, inverse = np.unique(signature, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.ravel()
    total: Floats = np.bincount(inverse, weights=counts[there].astype(np.float64), minlength=len(first)).astype(
        np.float64
    )
    heads = there[first]
    program = _Program([], [], [], [])
    pods: list[list[Ints]] = [[] for _ in first]
    where: list[list[int]] = [[] for _ in first]
    for index, (field, room) in enumerate(zip(per_cell, rooms, strict=True)):
        resources = field.resources
        weighted = counts[there][:, None] * problem.requests[np.ix_(there, resources)].astype(np.float64)
        mean = np.zeros((len(first), len(resources)))
        np.add.at(mean, inverse, weighted)
        mean /= np.maximum(total, 1)[:, None]
        _add_cell(program, field, room, mean, heads, pods, where, index)
    for merged in range(len(first)):
        if not pods[merged]:
            continue
        program.row(np.concatenate(pods[merged]), 1.0, float(total[merged]), float(total[merged]))
    _add_rules(program, problem, cells, heads, total, pods, where)
    if any(not p for p in pods):
        lossless = False
    answer = _solve(program, time_limit, seed) if program.size else None
    if answer is None:
        return None
    volume = np.zeros((len(first), cells.count))
    for merged in range(len(first)):
        for variables, cell in zip(pods[merged], where[merged], strict=True):
            volume[merged, cell] += answer.x[variables].sum()
    share = volume / np.maximum(volume.sum(axis=1), 1e-9)[:, None]
    result = np.zeros((len(counts), cells.count))
    result[there] = share[inverse]
    return Wish(result, answer.bound if lossless else None)


def _signature(problem: problems.Problem, per_cell: list[fields.Field], rooms: list[compact.Room]) -> Floats:
    """(C, ...) everything but requests that tells classes apart for this program."""
    columns: list[NDArray[np.float64]] = [f.ok.astype(np.float64) for f in per_cell if f.ok.shape[1]]
    columns += [r.ok.astype(np.float64) for r in rooms if r.ok.shape[1]]
    host = per_cell[0].host
    columns.append((host.owner & host.member).astype(np.float64))
    for spread in problem.spreads:
        if spread.topology != problems.HOST:
            columns.append(np.stack([spread.owners, spread.group.members], axis=1).astype(np.float64))
    for exclusion in problem.exclusions:
        if exclusion.topology != problems.HOST:
            columns.append(np.stack([exclusion.owners, exclusion.targets.members], axis=1).astype(np.float64))
    for attraction in problem.attractions:
        columns.append(np.stack([attraction.owners, attraction.targets.members], axis=1).astype(np.float64))
    for common in problem.common_domains:
        columns.append(common.members[:, None].astype(np.float64))
    return np.concatenate(columns, axis=1)


def _add_cell(
    program: _Program,
    field: fields.Field,
    room: compact.Room,
    requests: Floats,
    heads: Ints,
    pods: list[list[Ints]],
    where: list[list[int]],
    cell: int,
) -> None:
    """Volumes and nodes of one cell."""
    share = compact.shares(requests, field.room)
    both = (field.host.owner & field.host.member)[heads] if len(field.cost) else np.zeros((len(heads), 0), dtype=bool)
    for kind in range(len(field.cost)):
        usable = np.flatnonzero(field.ok[heads, kind])
        if not len(usable):
            continue
        node = program.add(1, float(field.cost[kind]))
        volume = program.add(len(usable))
        for position, merged in enumerate(usable):
            pods[merged].append(volume[position : position + 1])
            where[merged].append(cell)
        for r in range(requests.shape[1]):
            program.row(np.append(volume, node), np.append(share[usable, kind, r], -1.0), -np.inf, 0.0)
        for rule in range(both.shape[1]):
            alone = both[usable, rule]
            if alone.any() and field.host.firm[rule]:
                program.row(np.append(volume[alone], node), np.append(np.ones(int(alone.sum())), -1.0), -np.inf, 0.0)
    for group in range(room.room.shape[0]):
        usable = np.flatnonzero(room.ok[heads, group])
        if not len(usable):
            continue
        volume = program.add(len(usable), 0.0, room.most[heads[usable], group])
        for position, merged in enumerate(usable):
            pods[merged].append(volume[position : position + 1])
            where[merged].append(cell)
        for r in range(requests.shape[1]):
            program.row(volume, requests[usable, r], -np.inf, float(room.room[group, r]))


def _add_rules(
    program: _Program,
    problem: problems.Problem,
    cells: splits.Cells,
    heads: Ints,
    total: Floats,
    pods: list[list[Ints]],
    where: list[list[int]],
) -> None:
    """Spread, affinity, anti-affinity and common domains over cells, where they are linear or a choice of domains."""
    rules = _Rules(program, problem, cells, heads, total, pods, where)
    for common in problem.common_domains:
        if common.members[heads].any():
            rules.choose_one(common.members, common.topology)
    for attraction in problem.attractions:
        rules.attract(attraction)
    for exclusion in problem.exclusions:
        if exclusion.topology != problems.HOST:
            rules.exclude(exclusion)
    for spread in problem.spreads:
        if spread.topology != problems.HOST and spread.weight is None and spread.owners[heads].any():
            rules.spread(spread)


@dataclasses.dataclass(frozen=True, slots=True)
class _Rules:
    """Rules across nodes as rows over pod volumes; `heads` are the classes that stand for the merged ones."""

    program: _Program
    problem: problems.Problem
    cells: splits.Cells
    heads: Ints
    total: Floats
    pods: list[list[Ints]]
    where: list[list[int]]

    def domains(self, topology: int) -> Ints:
        """Domain of each cell, -1 where the label is missing."""
        keys = self.problem.topologies[topology]
        result = np.full(self.cells.count, -1, dtype=np.int64)
        result[self.cells.of_node] = keys.of_node
        result[self.cells.of_offer] = keys.of_offer
        return result

    def volumes(self, members: Mask, domains: Ints, domain: int) -> Ints:
        """Variables of the pods of some classes in a domain."""
        found = [
            variables
            for merged in np.flatnonzero(members[self.heads])
            for variables, cell in zip(self.pods[merged], self.where[merged], strict=True)
            if domains[cell] == domain
        ]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def counted(self, rule: problems.Spread) -> Mask:
        """Cells whose pods count; all places of a cell agree."""
        result = np.zeros(self.cells.count, dtype=bool)
        result[self.cells.of_node[rule.node_counted]] = True
        result[self.cells.of_offer[rule.offer_counted]] = True
        return result

    def running(self, per_node: Ints, topology: int) -> Ints:
        """Sums of a number per existing node over domains."""
        keys = self.problem.topologies[topology]
        inside = keys.of_node >= 0
        sums: Ints = np.bincount(
            keys.of_node[inside], weights=per_node[inside].astype(np.float64), minlength=len(keys.domains)
        ).astype(np.int64)
        return sums

    def choose_one(self, members: Mask, topology: int) -> None:
        """All pods of these classes in one domain."""
        domains = self.domains(topology)
        size = len(self.problem.topologies[topology].domains)
        most = float(self.total[members[self.heads]].sum())
        chosen = self.program.add(size, 0.0, 1.0, integer=True)
        self.program.row(chosen, 1.0, 1.0, 1.0)
        for domain in range(size):
            inside = self.volumes(members, domains, domain)
            if len(inside):
                self.program.row(
                    np.append(inside, chosen[domain]), np.append(np.ones(len(inside)), -most), -np.inf, 0.0
                )

    def attract(self, rule: problems.Attraction) -> None:
        """Affinity to themselves over one topology with nothing running: one domain for all."""
        if len(rule.topologies) != 1 or rule.topologies[0] == problems.HOST or rule.weight is not None:
            return
        others = (rule.targets.members[self.heads] & ~rule.owners[self.heads]).any()
        if rule.owners[self.heads].any() and not others and not rule.targets.base.any():
            self.choose_one(rule.owners, rule.topologies[0])

    def exclude(self, rule: problems.Exclusion) -> None:
        """Pods that keep each other away: one per domain."""
        if rule.weight is not None:
            return
        both = rule.owners & rule.targets.members
        domains = self.domains(rule.topology)
        for domain in range(len(self.problem.topologies[rule.topology].domains)):
            inside = self.volumes(both, domains, domain)
            if len(inside):
                self.program.row(inside, 1.0, 0.0, 1.0)

    def spread(self, rule: problems.Spread) -> None:
        """Counts of two domains differ by at most the skew where owners are placed in the larger one."""
        domains = self.domains(rule.topology)
        size = len(self.problem.topologies[rule.topology].domains)
        running = self.running(rule.group.base * rule.node_counted, rule.topology)
        there = self.running(rule.node_counted.astype(np.int64), rule.topology) > 0
        counted = np.flatnonzero(rule.always | there)
        big = float(self.total.sum() + running.sum())
        visible = np.where(self.counted(rule), domains, -1)
        members = [self.volumes(rule.group.members, visible, d) for d in range(size)]
        for domain in range(size):
            owners = self.volumes(rule.owners, domains, domain)
            if not len(owners):
                continue
            used = self.program.add(1, 0.0, 1.0, integer=True)
            self.program.row(np.append(owners, used), np.append(np.ones(len(owners)), -big), -np.inf, 0.0)
            for other in counted[counted != domain]:
                variables = np.concatenate([members[domain], members[other], used])
                weights = np.concatenate([np.ones(len(members[domain])), -np.ones(len(members[other])), [big]])
                limit = rule.max_skew + big + float(running[other] - running[domain])
                self.program.row(variables, weights, -np.inf, limit)


def _solve(program: _Program, time_limit: float, seed: int) -> linear.MixedAnswer | None:
    whole = linear.Program(np.concatenate(program.cost), np.zeros(program.size), np.concatenate(program.high))
    low = np.array([row[2] for row in program.rows])
    high = np.array([row[3] for row in program.rows])
    rows = whole.add_rows(low, high)
    for index, (variables, weights, _, _) in zip(rows, program.rows, strict=True):
        if len(variables):
            whole.add_entries(np.full(len(variables), index), variables, weights)
    return linear.solve_mixed(whole, np.concatenate(program.integer), time_limit=time_limit, gap=0.004, seed=seed)
