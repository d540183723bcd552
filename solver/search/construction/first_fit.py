"""
First-fit-decreasing under all rules: what the textbook, and about what Karpenter, would do with the same question.

Classes by size, largest first; each pod goes to the first place with room, existing nodes before new ones, else a node is
opened of the offer on which such pods cost least apiece; in the end each new node becomes the cheapest offer that holds its
pods. Nothing is ever taken back. It serves comparisons, never a plan that is carried out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search.construction import shrink, tallies
from solver.search.construction import state as states

Ints = NDArray[np.int64]


def solve(problem: problems.Problem, *, stop: Callable[[], bool] = lambda: False) -> problems.Solution:
    """
    Place pods until a whole turn over the classes places none; what fits nowhere is left out.

    `stop` is asked between steps; once true, what is there is returned.
    """
    state = states.load(problem, problems.Solution())
    first_new = state.places
    order = _largest_first(problem)
    placed = True
    while placed and not stop():
        placed = False
        for pod_class in order:
            while state.left[pod_class] and not stop() and (_join(state, pod_class) or _open(state, pod_class)):
                placed = True
    shrink.shrink(state, first_new)
    return state.solution()


def _largest_first(problem: problems.Problem) -> list[int]:
    """Classes by the largest share that a pod takes of the roomiest offer or node."""
    most = np.concatenate([problem.offer_room, problem.node_room]).max(axis=0, initial=1)
    share = (problem.requests / np.maximum(most, 1)).max(axis=1, initial=0.0)
    return [int(c) for c in np.argsort(-share, kind="stable")]


def _join(state: states.State, pod_class: int) -> bool:
    """Put pods on the first places with room among those that give up least; whether there was one."""
    reach = state.reach(pod_class)
    sites = _open_sites(state, reach)
    if not len(sites):
        return False
    left = int(state.left[pod_class])
    if reach.cells or reach.bounds or reach.spreads:
        sites, left = sites[:1], 1
    room = np.minimum(reach.limit[sites], left)
    pods = np.clip(left - (np.cumsum(room) - room), 0, room)
    state.put(pod_class, reach.sites[sites[pods > 0]], pods[pods > 0])
    return True


def _open(state: states.State, pod_class: int) -> bool:
    """Open the node, or the nodes, on which such pods cost least apiece, and fill them; whether one could be."""
    fresh = state.fresh(pod_class)
    sites = _open_sites(state, fresh)
    if not len(sites):
        return False
    left = int(state.left[pod_class])
    limit = np.minimum(fresh.limit[sites], left)
    site = int(sites[(state.problem.prices[fresh.sites[sites]] / limit).argmin()])
    offer, pods = int(fresh.sites[site]), int(min(fresh.limit[site], left))
    alike = not (fresh.cells or fresh.bounds or fresh.spreads)
    nodes = min(left // pods, state.most_nodes(offer)) if alike else 1
    state.put(pod_class, state.open(offer, nodes), np.full(nodes, pods))
    return True


def _open_sites(state: states.State, reach: tallies.Reach) -> Ints:
    """Sites that take a pod and give up least before money counts, in their order."""
    sites = np.flatnonzero(reach.limit > 0)
    for row in reach.loss(rank_first=state.problem.preference_price is not None):
        sites = sites[row[sites] == row[sites].min(initial=np.iinfo(np.int64).max)]
    return sites
