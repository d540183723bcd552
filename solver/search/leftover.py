"""
Pods that no node of their cell took: placed in the same cell after all, where that upsets no rule across nodes.

Cells get numbers of pods that together keep every rule over domains. A pod that is missing in its cell breaks such a rule
for others, and taking those out in turn would undo much of the packing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import cell as cells
from solver.search.construction import greedy

Ints = NDArray[np.int64]


def place(
    problem: problems.Problem,
    work: Sequence[cells.Cell],
    solution: problems.Solution,
    *,
    seed: int,
    stop: Callable[[], bool],
) -> problems.Solution:
    """
    Place what cells left over, each in its own cell, under the rules inside nodes; the solution as it is when nothing is.

    Parameters
    ----------
    problem: the whole problem.
    work: its cells.
    solution: what these were assembled to.
    seed, stop: as `greedy.complete` has them.
    """
    of_offer = np.full(len(problem.offers), -1, dtype=np.int64)
    for index, cell in enumerate(work):
        for twins in cell.field.twins:
            of_offer[twins] = index
    held = np.zeros((len(work), len(problem.classes)), dtype=np.int64)
    for offer, counts in solution.new:
        for pod_class, number in counts:
            held[of_offer[offer], pod_class] += number
    bare = dataclasses.replace(
        problem,
        spreads=tuple(s for s in problem.spreads if s.topology == problems.HOST),
        exclusions=tuple(e for e in problem.exclusions if e.topology == problems.HOST),
        attractions=tuple(a for a in problem.attractions if problems.HOST in a.topologies),
        common_domains=tuple(c for c in problem.common_domains if c.topology == problems.HOST),
    )
    for index, cell in enumerate(work):
        missing = cell.pods - held[index]
        if missing.any():
            here = np.isin(np.arange(len(problem.nodes)), cell.nodes)
            local = dataclasses.replace(
                bare,
                classes=_first(problem, _placed(problem, solution) + missing),
                offer_ok=problem.offer_ok & (of_offer == index),
                node_ok=problem.node_ok & here,
            )
            solution = greedy.complete(local, solution, seed=seed, stop=stop)
    return solution


def _first(problem: problems.Problem, counts: Ints) -> tuple[problems.PodClass, ...]:
    """The classes with so many pods each (C,)."""
    return tuple(
        dataclasses.replace(each, pods=each.pods[: int(number)])
        for each, number in zip(problem.classes, counts, strict=True)
    )


def _placed(problem: problems.Problem, solution: problems.Solution) -> Ints:
    """Pods of each class that have a place (C,)."""
    counts = np.zeros(len(problem.classes), dtype=np.int64)
    for pairs in (*solution.placed.values(), *(each for _, each in solution.new)):
        for pod_class, number in pairs:
            counts[pod_class] += number
    return counts
