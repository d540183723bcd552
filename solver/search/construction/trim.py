"""Takes out of a solution what breaks rules, limits or budgets, so that the greedy can complete what is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver import evaluate
from solver import problem as problems
from solver.search.construction import state as states
from solver.search.construction import taking

Ints = NDArray[np.int64]


def trim(problem: problems.Problem, solution: problems.Solution) -> problems.Solution:
    """
    Take nodes and pods out of a solution until it breaks nothing; a valid one is returned as it is.

    Its nodes and pods are put in again as long as every rule allows: nodes with many pods of high priority first, classes by
    priority. Nodes stay after all when the pods that run there would have no place.
    """
    if not evaluate.violations(problem, solution):
        return solution
    removed = _allowed_removals(problem, solution.removed)
    while True:
        state = _replay(problem, solution, removed)
        nodes = sorted(removed)
        residents = problem.residents[nodes]
        short = residents.sum(axis=0) - state.pods[: state.places].sum(axis=0)
        if (short <= 0).all():
            return state.solution()
        removed -= {nodes[int(residents[:, c].argmax())] for c in np.flatnonzero(short > 0)}


def _allowed_removals(problem: problems.Problem, removed: frozenset[int]) -> frozenset[int]:
    """Those that save most, as far as nodes may go."""
    moves = problem.residents.sum(axis=1)
    room = [max(0, cap.room) for cap in problem.removal_caps]
    most = problem.max_removals if problem.max_removals is not None else len(removed)
    evictions = problem.max_evictions if problem.max_evictions is not None else int(moves.sum())
    kept: list[int] = []
    for node in sorted(removed, key=lambda n: (problem.nodes[n].removal_cost - problem.nodes[n].price, n)):
        caps = [i for i, cap in enumerate(problem.removal_caps) if cap.nodes[node]]
        fits = len(kept) < most and moves[node] <= evictions and all(room[i] > 0 for i in caps)
        if problem.nodes[node].removable and fits:
            kept.append(node)
            evictions -= int(moves[node])
            for i in caps:
                room[i] -= 1
    return frozenset(kept)


def _replay(problem: problems.Problem, solution: problems.Solution, removed: frozenset[int]) -> states.State:
    """A state with as much of the solution as the rules allow."""
    state = states.State(problem, removed, len(solution.new))
    levels = sorted({c.priority for c in problem.classes}, reverse=True)

    def importance(node: tuple[int, problems.Counts]) -> tuple[int, ...]:
        pods = dict.fromkeys(levels, 0)
        for pod_class, number in node[1]:
            pods[problem.classes[pod_class].priority] -= number
        return tuple(pods.values())

    wanted = np.zeros(state.pods.shape, dtype=np.int64)
    contents = list(solution.placed.items())
    for offer, counts in sorted(solution.new, key=importance):
        if state.openable()[offer]:
            contents.append((int(state.open(offer, 1)[0]), counts))
    for place, counts in contents:
        for pod_class, number in counts:
            wanted[place, pod_class] = max(0, number)
    order = sorted(range(len(problem.classes)), key=lambda c: -problem.classes[c].priority)
    placed = True
    while placed:
        placed = sum(_put_again(state, c, wanted[:, c]) for c in order) > 0
    return state


def _put_again(state: states.State, pod_class: int, wanted: Ints) -> int:
    """Put pods of a class where they are `wanted` (P,), and take that off; how many."""
    before = int(wanted.sum())
    while state.left[pod_class] and wanted.any():
        reach = state.reach(pod_class)
        reach.restrict(wanted[reach.sites])
        site = taking.best(state, reach)
        if site is None:
            break
        wanted -= taking.take(state, pod_class, reach, site, int(state.left[pod_class]))
    return before - int(wanted.sum())
