"""
Greedy deletion as a peer: one node after the other goes when its pods fit into the room that other nodes have.

What a simple descheduler does. Nodes are tried by price per pod, the dearest first, again and again until none goes any
more; pods take the fullest node that holds them. Nothing is bought. Only amounts, masks and limits on removals are
looked at, so that it is for problems without rules across pods.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from solver import problem as problems


def missing(problem: problems.Problem) -> str | None:
    """Why this peer cannot answer, or None."""
    if problem.spreads or problem.exclusions or problem.attractions or problem.common_domains:
        return "greedy deletion knows no rules across pods"
    return "greedy deletion places no pods that wait" if problem.counts.any() else None


def solve(problem: problems.Problem) -> problems.Solution:
    """Nodes that go, and where their pods are put."""
    room = np.maximum(problem.node_room, 0)
    total = np.maximum(room.sum(axis=0), 1).astype(float)
    here = problem.residents.copy()
    own = problem.residents
    moved = np.zeros_like(own)
    removed: list[int] = []
    by_gain = sorted(
        (n for n, node in enumerate(problem.nodes) if node.removable and node.price > node.removal_cost),
        key=lambda n: -problem.nodes[n].price / (1 + int(own[n].sum())),
    )
    changed = True
    while changed:
        changed = False
        for node in by_gain:
            if node in removed or not _allowed(problem, [*removed, node]):
                continue
            stays = np.ones(len(problem.nodes), dtype=bool)
            stays[[*removed, node]] = False
            found = _fit(problem, here[node], room, stays, total)
            if found is None:
                continue
            for place, pod_class in found:
                room[place] -= problem.requests[pod_class]
                here[place, pod_class] += 1
                moved[place, pod_class] += 1
            moved[node] = 0
            removed.append(node)
            changed = True
    placed = {}
    for node in np.flatnonzero(moved.any(axis=1)).tolist():
        placed[node] = tuple((int(c), int(moved[node, c])) for c in np.flatnonzero(moved[node]))
    return problems.Solution(placed=placed, removed=frozenset(removed))


def _fit(
    problem: problems.Problem, pods: problems.Ints, room: problems.Ints, stays: problems.Mask, total: np.ndarray
) -> list[tuple[int, int]] | None:
    """A place for each pod, large ones first, in the fullest node that holds it; None when one finds none."""
    left = room.copy()
    found = []
    size = (problem.requests / total).max(axis=1)
    for pod_class in sorted(np.flatnonzero(pods).tolist(), key=lambda c: -size[c]):
        for _ in range(int(pods[pod_class])):
            fits = problem.node_ok[pod_class] & stays & (problem.requests[pod_class] <= left).all(axis=1)
            places = np.flatnonzero(fits)
            if not len(places):
                return None
            place = int(places[(left[places] / total).sum(axis=1).argmin()])
            left[place] -= problem.requests[pod_class]
            found.append((place, pod_class))
    return found


def _allowed(problem: problems.Problem, removed: list[int]) -> bool:
    names = Counter(int(n) for n in removed)
    caps = all(sum(int(cap.nodes[n]) for n in names) <= cap.room for cap in problem.removal_caps)
    pods = int(problem.residents[removed].sum())
    most = problem.max_evictions
    return (
        caps
        and (problem.max_removals is None or len(removed) <= problem.max_removals)
        and (most is None or pods <= most)
    )
