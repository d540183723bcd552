"""
The problem with cells as nodes: pods of each class per cell, as a question that the exact model can answer.

Classes that no rule over domains tells apart are one class there, and a cell is two huge nodes: on the first is room for the
pods that are wanted in the cell, on the second each pod is an unmet preference.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search.shares import cells as splits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNWANTED = 1000
"""Weight of a pod beyond what is wanted in a cell."""
SOFT = 10_000 * UNWANTED
"""Weight of an unmet preference of the problem, in times of its own."""


def aggregate(
    problem: problems.Problem, cells: splits.Cells, counts: Ints, share: Floats, allowed: Mask
) -> tuple[problems.Problem, Ints]:
    """
    The problem with cells as nodes; its best solution is as near to the wish as the rules allow.

    Parameters
    ----------
    problem: the whole problem.
    cells: its cells.
    counts: (C,) pods to place.
    share: (C, cells) of each class's pods that is wanted in each cell.
    allowed: (C, cells) where a class can go.

    Returns
    -------
    The aggregated problem, whose node i is of cell i modulo the number of cells, and for each class its class there
    (C,), -1 for classes without pods.
    """
    blocks = _Blocks.over_domains(problem)
    there = np.flatnonzero(counts > 0)
    _, first, inverse = np.unique(blocks.roles(allowed)[there], axis=0, return_index=True, return_inverse=True)
    heads, inverse = there[first], inverse.ravel()
    merged = np.full(len(counts), -1, dtype=np.int64)
    merged[there] = inverse
    size = len(heads)
    totals = np.bincount(inverse, weights=counts[there], minlength=size).astype(np.int64)
    wanted = np.zeros((size, cells.count))
    np.add.at(wanted, inverse, counts[there, None] * np.where(allowed, share, 0.0)[there])
    room = np.stack([splits.rounded(int(totals[i]), wanted[i]) for i in range(size)], axis=1)
    seen = _Seen(problem, cells, heads)
    aggregated = problems.Problem(
        resources=tuple(f"wanted-{i}" for i in range(size)),
        classes=tuple(
            problems.PodClass(
                name=problem.classes[head].name,
                pods=tuple(str(i) for i in range(int(total))),
                priority=problem.classes[head].priority,
            )
            for head, total in zip(heads, totals, strict=True)
        ),
        nodes=tuple(problems.ExistingNode(f"cell-{i}", "", "", "", "", 0) for i in range(2 * cells.count)),
        offers=(),
        requests=np.eye(size, dtype=np.int64),
        node_room=np.concatenate([room, np.tile(totals, (cells.count, 1))]),
        offer_room=np.zeros((0, size), dtype=np.int64),
        node_ok=np.tile(allowed[heads], 2),
        offer_ok=np.zeros((size, 0), dtype=bool),
        node_penalty=np.repeat(np.array([[0, UNWANTED]], dtype=np.int64), cells.count, axis=1).repeat(size, axis=0),
        offer_penalty=np.zeros((size, 0), dtype=np.int64),
        offer_rank=np.zeros((size, 0), dtype=np.int64),
        pools=problems.OvhPools((), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, dtype=bool), 0, 0),
        topologies=tuple(seen.topology(keys) for keys in problem.topologies),
        spreads=tuple(seen.spread(each) for each in blocks.spreads),
        exclusions=tuple(seen.exclusion(each) for each in blocks.exclusions),
        attractions=tuple(seen.attraction(each) for each in blocks.attractions),
        common_domains=tuple(dataclasses.replace(each, members=each.members[heads]) for each in problem.common_domains),
    )
    return aggregated, merged


@dataclasses.dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of a problem that hold over domains of several nodes."""

    problem: problems.Problem
    spreads: tuple[problems.Spread, ...]
    exclusions: tuple[problems.Exclusion, ...]
    attractions: tuple[problems.Attraction, ...]

    @classmethod
    def over_domains(cls, problem: problems.Problem) -> _Blocks:
        """Those of a problem."""
        return cls(
            problem,
            tuple(each for each in problem.spreads if each.topology != problems.HOST),
            tuple(each for each in problem.exclusions if each.topology != problems.HOST),
            tuple(each for each in problem.attractions if problems.HOST not in each.topologies),
        )

    def roles(self, allowed: Mask) -> Ints:
        """What a class (C,) is to the blocks, its priority, and where it is `allowed` (C, cells), a row for each class."""
        columns: list[Mask] = []
        for spread in self.spreads:
            columns += [spread.owners, spread.group.members]
        for exclusion in self.exclusions:
            columns += [exclusion.owners, exclusion.targets.members]
        for attraction in self.attractions:
            columns += [attraction.owners, attraction.targets.members, attraction.bootstrap]
        columns += [common.members for common in self.problem.common_domains]
        priority = np.array([each.priority for each in self.problem.classes], dtype=np.int64)
        return np.column_stack([allowed.astype(np.int64), *(each.astype(np.int64) for each in columns), priority])


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    """Blocks of a problem as cells see them: for one class of each merged one, `heads` (M,), and counted by cell."""

    problem: problems.Problem
    cells: splits.Cells
    heads: Ints

    def topology(self, keys: problems.Topology) -> problems.Topology:
        """Domains of cells."""
        of_cell = np.full(self.cells.count, -1, dtype=np.int64)
        of_cell[self.cells.of_node] = keys.of_node
        of_cell[self.cells.of_offer] = keys.of_offer
        return problems.Topology(keys.key, keys.domains, np.tile(of_cell, 2), np.zeros(0, dtype=np.int64))

    def spread(self, rule: problems.Spread) -> problems.Spread:
        """A spread whose domains count where a node counts, or could be bought in a domain that always counts."""
        on_nodes = self._per_cell(rule.node_counted)[: self.cells.count] > 0
        return dataclasses.replace(
            rule,
            owners=rule.owners[self.heads],
            group=self._group(rule.group, rule.node_counted),
            node_counted=np.tile(on_nodes | self._always(rule), 2),
            offer_counted=np.zeros(0, dtype=bool),
            weight=_weight(rule.weight),
        )

    def exclusion(self, rule: problems.Exclusion) -> problems.Exclusion:
        """An exclusion."""
        return dataclasses.replace(
            rule,
            owners=rule.owners[self.heads],
            owner_base=self._per_cell(rule.owner_base),
            targets=self._group(rule.targets),
            weight=_weight(rule.weight),
        )

    def attraction(self, rule: problems.Attraction) -> problems.Attraction:
        """An attraction."""
        return dataclasses.replace(
            rule,
            owners=rule.owners[self.heads],
            targets=self._group(rule.targets),
            bootstrap=rule.bootstrap[self.heads],
            weight=_weight(rule.weight),
        )

    def _group(self, value: problems.Group, counted: Mask | None = None) -> problems.Group:
        base = value.base if counted is None else value.base * counted
        return problems.Group(value.members[self.heads], self._per_cell(base))

    def _per_cell(self, values: Ints | Mask) -> Ints:
        """Sums over the nodes (N,) of each cell; the second node of each has none."""
        found = np.bincount(self.cells.of_node, weights=values.astype(np.float64), minlength=self.cells.count)
        return np.concatenate([found, np.zeros(self.cells.count)]).astype(np.int64)

    def _always(self, rule: problems.Spread) -> Mask:
        """Cells with counted offers in a domain that counts even without a node."""
        domain = self.problem.topologies[rule.topology].of_offer
        result = np.zeros(self.cells.count, dtype=bool)
        inside = rule.offer_counted & (domain >= 0)
        inside[inside] = rule.always[domain[inside]]
        result[self.cells.of_offer[inside]] = True
        return result


def _weight(weight: int | None) -> int | None:
    return None if weight is None else weight * SOFT
