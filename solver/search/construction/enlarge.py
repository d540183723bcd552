"""
Where limits leave no further node to pods that were left out: nodes are given up, and their pods placed anew with these.

Cheap nodes go first, one at a time and then more of them together: they hold little, so that larger ones in their place
gain most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from solver import evaluate
from solver import problem as problems
from solver.search.construction import greedy

ALONE = 8
"""How many of the cheapest nodes are given up by themselves."""
TOGETHER = (2, 4, 8, 16, 32)
"""How many of them are given up together."""
TURNS = 20
"""After how many of these that helped it ends."""


def enlarge(
    problem: problems.Problem, solution: problems.Solution, *, seed: int, stop: Callable[[], bool]
) -> problems.Solution:
    """A solution that leaves fewer pods out, or the one that was given; `seed` and `stop` as `greedy.complete` has them."""
    value = evaluate.value(problem, solution)
    for _ in range(TURNS):
        if not any(value.unplaced):
            break
        for start in _starts(problem, solution):
            if stop():
                return solution
            if evaluate.violations(problem, start):
                continue
            found = greedy.complete(problem, start, seed=seed, stop=stop)
            if (worth := evaluate.value(problem, found)) < value:
                solution, value = found, worth
                break
        else:
            break
    return solution


def _starts(problem: problems.Problem, solution: problems.Solution) -> Iterator[problems.Solution]:
    """The solution without some of its cheapest new nodes."""
    order = sorted(range(len(solution.new)), key=lambda node: (problem.offers[solution.new[node][0]].price, node))
    groups = [[node] for node in order[:ALONE]] + [order[:size] for size in TOGETHER if size <= len(order)]
    for going in map(frozenset, groups):
        left = tuple(each for node, each in enumerate(solution.new) if node not in going)
        yield dataclasses.replace(solution, new=left)
