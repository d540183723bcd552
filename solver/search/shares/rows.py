"""
Rules across nodes as rows over pod volumes per cell: what the programs that share pods out among cells have in common.

A volume is how many pods of some equal classes a cell gets, on one kind of place there. Spread, affinity,
anti-affinity and common domains are rows over sums of volumes, with yes-or-no choices of domains where a rule is not
linear.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import linear
from solver.search.relaxation import compact
from solver.search.shares import cells as splits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


SURE = 0.99
"""A choice with this fraction in a linear solution is made."""
AT_ONCE = 1e-3
"""Choices that together cost no more than this share are made at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A binary variable: 1 where pods of `members` (C,) may be in the `cells` (cells,) of a domain, else 0."""

    variable: int
    members: Mask
    cells: Mask


@dataclasses.dataclass(slots=True)
class Program:
    """
    A mixed-integer program while it is built; variables are 0 at least, the integral ones are the `choices` of domains.
    Of each of the `groups` of choices one is taken.
    """

    cost: list[Floats] = dataclasses.field(default_factory=list)
    high: list[Floats] = dataclasses.field(default_factory=list)
    integer: list[Mask] = dataclasses.field(default_factory=list)
    rows: list[tuple[Ints, Floats, float, float]] = dataclasses.field(default_factory=list)
    choices: list[Choice] = dataclasses.field(default_factory=list)
    groups: list[Ints] = dataclasses.field(default_factory=list)
    size: int = 0

    def add(self, number: int, cost: float | Floats = 0.0, high: float | Floats = np.inf) -> Ints:
        """Add variables; returns their indices."""
        first = self.size
        self.size += number
        self.cost.append(np.broadcast_to(np.asarray(cost, dtype=np.float64), (number,)).copy())
        self.high.append(np.broadcast_to(np.asarray(high, dtype=np.float64), (number,)).copy())
        return np.arange(first, self.size)

    def choose(self, members: Mask, cells: Mask) -> int:
        """Add the choice whether pods of these classes (C,) may be in these cells."""
        (variable,) = self.add(1, 0.0, 1.0)
        self.choices.append(Choice(int(variable), members, cells))
        return int(variable)

    def row(self, variables: Ints, weights: Floats | float, low: float, high: float) -> int:
        """Add a row; returns its index. Variables stand in it once."""
        values = np.broadcast_to(np.asarray(weights, dtype=np.float64), (len(variables),))
        keep = values != 0
        self.rows.append((variables[keep], values[keep], low, high))
        return len(self.rows) - 1

    def integers(self) -> Mask:
        """Which variables are whole."""
        result = np.zeros(self.size, dtype=bool)
        result[[choice.variable for choice in self.choices]] = True
        return result

    def dive(self, relaxed: linear.Answer) -> linear.Answer:
        """
        Make the choices of groups one after the other, from the fractions of a linear solution and again from what
        follows, then all others at once; where that leads nowhere the last solution is returned.
        """
        program = self.whole()
        for group in self.groups:
            _take_largest(program, group, relaxed.x)
        at_once = linear.solve(program, start=relaxed.basis) if self.groups else None
        open_groups = list(self.groups)
        if at_once is not None and at_once.objective <= relaxed.objective * (1 + AT_ONCE):
            relaxed, open_groups = at_once, []
        else:
            program = self.whole()
        while open_groups:
            decided = np.array([relaxed.x[group].max() for group in open_groups])
            order = np.argsort(-decided, kind="stable")
            number = max(int((decided > SURE).sum()), -(-len(open_groups) // 4))
            for index in order[:number]:
                _take_largest(program, open_groups[index], relaxed.x)
            open_groups = [open_groups[index] for index in np.sort(order[number:])]
            answer = linear.solve(program, start=relaxed.basis)
            if answer is None:
                return relaxed
            relaxed = answer
        alone = np.setdiff1d([choice.variable for choice in self.choices], np.concatenate([[], *self.groups]))
        if not len(alone):
            return relaxed
        alone = alone.astype(np.int64)
        program.low[alone] = program.high[alone] = relaxed.x[alone] > 1e-6
        return linear.solve(program, start=relaxed.basis) or relaxed

    def whole(self, table: Ints | None = None) -> linear.Program:
        """The program for a solver; with a `table` (C, cells) of pods the choices are as it has them."""
        low, high = np.zeros(self.size), np.concatenate(self.high)
        if table is not None:
            for choice in self.choices:
                taken = float(table[np.ix_(choice.members, choice.cells)].any())
                low[choice.variable] = high[choice.variable] = taken
        whole = linear.Program(np.concatenate(self.cost), low, high)
        rows = whole.add_rows(np.array([row[2] for row in self.rows]), np.array([row[3] for row in self.rows]))
        lengths = [len(row[0]) for row in self.rows]
        whole.add_entries(
            np.repeat(rows, lengths),
            np.concatenate([row[0] for row in self.rows]),
            np.concatenate([row[1] for row in self.rows]),
        )
        return whole


def _take_largest(program: linear.Program, group: Ints, x: Floats) -> None:
    """Of a group of choices the one with the largest fraction is made."""
    taken = group[x[group].argmax()]
    program.low[group] = program.high[group] = 0.0
    program.low[taken] = program.high[taken] = 1.0


@dataclasses.dataclass(slots=True)
class Volumes:
    """For each of G groups of equal classes its variables and their cells; `heads` (G,) are classes that stand for them."""

    heads: Ints
    pods: list[list[Ints]]
    where: list[list[int]]

    @staticmethod
    def of(heads: Ints) -> Volumes:
        """No volumes yet."""
        return Volumes(heads, [[] for _ in heads], [[] for _ in heads])

    def add(self, program: Program, groups: Ints, most: float | Floats, cell: int) -> Ints:
        """A volume of each of these groups in a cell."""
        volume = program.add(len(groups), 0.0, most)
        for variable, group in zip(volume, groups, strict=True):
            self.pods[group].append(variable[None])
            self.where[group].append(cell)
        return volume

    def add_room(self, program: Program, room: compact.Room, requests: Floats, cell: int) -> None:
        """Volumes on existing nodes of one cell; `requests` (G, R) of a pod."""
        for index in range(room.room.shape[0]):
            usable = np.flatnonzero(room.ok[self.heads, index])
            if not len(usable):
                continue
            volume = self.add(program, usable, room.most[self.heads[usable], index], cell)
            for r in range(requests.shape[1]):
                program.row(volume, requests[usable, r], -np.inf, float(room.room[index, r]))

    def demand(self, program: Program, total: Floats) -> None:
        """All pods (G,) are somewhere."""
        for group, variables in enumerate(self.pods):
            if variables:
                program.row(np.concatenate(variables), 1.0, float(total[group]), float(total[group]))

    def shares(self, x: Floats, cells: int) -> Floats:
        """(G, cells) of each group's pods in each cell, by the values of all variables; rows sum to 1 or 0."""
        volume = np.zeros((len(self.heads), cells))
        for group, (variables, where) in enumerate(zip(self.pods, self.where, strict=True)):
            for variable, cell in zip(variables, where, strict=True):
                volume[group, cell] += x[variable].sum()
        volume /= np.maximum(volume.sum(axis=1), 1e-9)[:, None]
        return volume


def add_rules(
    program: Program, problem: problems.Problem, cells: splits.Cells, total: Floats, volumes: Volumes
) -> None:
    """Spread, affinity, anti-affinity and common domains over cells, where they are linear or a choice of domains."""
    rules = _Rules(program, problem, cells, total, volumes)
    heads = volumes.heads
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
    """Rules across nodes as rows over pod volumes; `total` (G,) pods of each group."""

    program: Program
    problem: problems.Problem
    cells: splits.Cells
    total: Floats
    of: Volumes

    @property
    def heads(self) -> Ints:
        """Classes that stand for the groups."""
        return self.of.heads

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
            for variables, cell in zip(self.of.pods[merged], self.of.where[merged], strict=True)
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
        chosen = np.array([self.program.choose(members, domains == domain) for domain in range(size)])
        self.program.groups.append(chosen)
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
        most = float(self.total[rule.group.members[self.heads]].sum() + running.sum())
        owned = float(self.total[rule.owners[self.heads]].sum())
        alone = not running.any() and not (rule.group.members & ~rule.owners)[self.heads].any()
        visible = np.where(self.counted(rule), domains, -1)
        members = [self.volumes(rule.group.members, visible, d) for d in range(size)]
        for domain in range(size):
            owners = self.volumes(rule.owners, domains, domain)
            if not len(owners):
                continue
            # Where only owners are counted a domain without owners is empty, and the rule holds there by itself.
            used = [] if alone else [self.program.choose(rule.owners, domains == domain)]
            if used:
                self.program.row(np.append(owners, used), np.append(np.ones(len(owners)), -owned), -np.inf, 0.0)
            for other in counted[counted != domain]:
                variables = np.concatenate([members[domain], members[other], used]).astype(np.int64)
                weights = np.concatenate(
                    [np.ones(len(members[domain])), -np.ones(len(members[other])), [most] * len(used)]
                )
                limit = rule.max_skew + most * len(used) + float(running[other] - running[domain])
                self.program.row(variables, weights, -np.inf, limit)
