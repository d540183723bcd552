"""
The best solution of a tiny problem by trying everything.

Nothing here knows a rule: `solver.evaluate` judges. All multisets of node contents are tried; the content of one node
is left out only when `evaluate` refuses it alone, asked about the blocks that look at a single node. As `Value` is
compared field by field, numbers of unplaced pods are tried from the best upwards and the first that works ends it.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from solver import evaluate
from solver import problem as p

Vector = tuple[int, ...]
"""Pods of each class."""


def best(problem: p.Problem) -> tuple[p.Solution, p.Value]:
    """The best feasible solution and its value; leaving everything out is always one."""
    counts = problem.counts.tolist()
    local = _alone(problem)
    everything = np.add(counts, problem.residents.sum(axis=0)).tolist()
    contents = _Contents(
        existing=[
            [v for v in _below(everything) if any(v) and _accepted(local, p.Solution(placed={n: _counts(v)}))]
            for n in range(len(problem.nodes))
        ],
        new=[
            (offer, v)
            for offer in range(len(problem.offers))
            for v in _below(everything)
            if any(v) and _accepted(local, p.Solution(new=((offer, _counts(v)),)))
        ],
    )
    leavings = sorted((_unplaced(problem, left), left) for left in _below(counts))
    for _, group in itertools.groupby(leavings, key=lambda pair: pair[0]):
        found: tuple[p.Value, p.Solution] | None = None
        for (unplaced, left), removed in itertools.product(list(group), _subsets(problem)):
            moved = problem.residents[list(removed)].sum(axis=0)
            demand = tuple(int(x) for x in np.add(counts, moved) - left)
            covers = sorted(
                ((_cost_floor(problem, solution), solution) for solution in contents.covers(demand, removed)),
                key=lambda pair: pair[0],
            )
            for cost, solution in covers:
                if found is not None and p.Value(unplaced, preferences=0, rank=0, cost=cost) >= found[0]:
                    break
                value = evaluate.value(problem, solution)
                if (found is None or value < found[0]) and not evaluate.violations(problem, solution):
                    found = value, solution
        if found is not None:
            return found[1], found[0]
    raise AssertionError("the empty solution breaks a rule")


@dataclasses.dataclass(frozen=True)
class _Contents:
    """What each existing node may get, and what a new node may be."""

    existing: list[list[Vector]]
    new: list[tuple[int, Vector]]

    def covers(self, demand: Vector, removed: tuple[int, ...]) -> Iterator[p.Solution]:
        """All solutions that place exactly `demand`."""
        kept = [n for n in range(len(self.existing)) if n not in removed]
        for placed, rest in self._onto_existing(kept, demand):
            for new in self._onto_new(0, rest):
                yield p.Solution(new=new, placed=placed, removed=frozenset(removed))

    def _onto_existing(self, nodes: list[int], demand: Vector) -> Iterator[tuple[dict[int, p.Counts], Vector]]:
        if not nodes:
            yield {}, demand
            return
        for placed, rest in self._onto_existing(nodes[1:], demand):
            yield placed, rest
            for content in self.existing[nodes[0]]:
                if _fits(content, rest):
                    yield {nodes[0]: _counts(content), **placed}, _minus(rest, content)

    def _onto_new(self, start: int, demand: Vector) -> Iterator[tuple[tuple[int, p.Counts], ...]]:
        if not any(demand):
            yield ()
            return
        for index in range(start, len(self.new)):
            offer, content = self.new[index]
            if _fits(content, demand):
                for others in self._onto_new(index, _minus(demand, content)):
                    yield ((offer, _counts(content)), *others)


def _alone(problem: p.Problem) -> p.Problem:
    """The problem with only those blocks that one node keeps or breaks by itself, and residents waiting."""
    waiting = tuple(
        dataclasses.replace(c, pods=c.pods + tuple(itertools.chain.from_iterable(c.residents.values())), residents={})
        for c in problem.classes
    )
    pools = dataclasses.replace(problem.pools, size=problem.pools.size + 1, new_pools=1)
    return dataclasses.replace(
        problem,
        classes=waiting,
        spreads=(),
        exclusions=(),
        attractions=(),
        common_domains=(),
        caps=(),
        removal_caps=(),
        pools=pools,
    )


def _accepted(problem: p.Problem, solution: p.Solution) -> bool:
    return not evaluate.violations(problem, solution)


def _unplaced(problem: p.Problem, left: Vector) -> tuple[int, ...]:
    by_priority = {c.priority: 0 for c in problem.classes}
    for c, number in zip(problem.classes, left, strict=True):
        by_priority[c.priority] += number
    return tuple(by_priority[priority] for priority in sorted(by_priority, reverse=True))


def _cost_floor(problem: p.Problem, solution: p.Solution) -> int:
    """The cost without what can only add to it."""
    bought = sum(problem.offers[offer].price + problem.node_charge for offer, _ in solution.new)
    return bought + sum(problem.nodes[n].removal_cost - problem.nodes[n].price for n in solution.removed)


def _subsets(problem: p.Problem) -> list[tuple[int, ...]]:
    removable = [n for n, node in enumerate(problem.nodes) if node.removable]
    return [s for size in range(len(removable) + 1) for s in itertools.combinations(removable, size)]


def _below(limit) -> Iterator[Vector]:
    return itertools.product(*(range(k + 1) for k in limit))


def _fits(content: Vector, demand: Vector) -> bool:
    return all(a <= b for a, b in zip(content, demand, strict=True))


def _minus(demand: Vector, content: Vector) -> Vector:
    return tuple(a - b for a, b in zip(demand, content, strict=True))


def _counts(content: Vector) -> p.Counts:
    return tuple((c, k) for c, k in enumerate(content) if k)
