"""
First-fit-decreasing as a peer: the textbook's heuristic over the same offers, allocatable and DaemonSets.

Pods by size, largest first; each goes to the first open node with room, else a node is opened of the offer on which
such pods cost least apiece; in the end each node becomes the cheapest offer that holds its pods. It knows amounts and
masks and no rule between pods or over the fleet.
"""

from __future__ import annotations

import numpy as np

from solver import problem as problems


def missing(problem: problems.Problem) -> str | None:
    """Why this peer cannot answer, in one line, or None."""
    related = (problem.spreads, problem.exclusions, problem.attractions, problem.common_domains)
    if any(related) or problem.shared_amounts or problem.caps or problem.nodes:
        return "first-fit knows no rules between pods, no limits and no existing nodes"
    return None


def solve(problem: problems.Problem) -> problems.Solution:
    """Pack all pods; what fits nowhere is left out."""
    prices = problem.prices.astype(np.float64)
    share = problem.requests / np.maximum(problem.offer_room.max(axis=0), 1)
    kinds: list[int] = []
    free = np.zeros((0, problem.requests.shape[1]), dtype=np.int64)
    pods = np.zeros((0, len(problem.classes)), dtype=np.int64)
    size = 0
    for index in np.argsort(-share.max(axis=1), kind="stable"):
        need = problem.requests[index]
        asked = need > 0
        left = int(problem.counts[index])
        allowed = problem.offer_ok[index]
        open_kinds = np.array(kinds, dtype=np.int64)
        if size and left:
            room = (free[:size, asked] // need[asked]).min(axis=1)
            room = np.where(allowed[open_kinds], np.maximum(room, 0), 0)
            take = np.clip(left - (np.cumsum(room) - room), 0, room)
            pods[:size, index] += take
            free[:size] -= take[:, None] * need
            left -= int(take.sum())
        fit = np.where(allowed, (problem.offer_room[:, asked] // need[asked]).min(axis=1), 0)
        if left == 0 or fit.max() <= 0:
            continue
        kind = int(np.where(fit > 0, prices / np.maximum(fit, 1), np.inf).argmin())
        while left > 0:
            if size == len(free):
                free = np.concatenate([free, np.zeros((max(64, size), free.shape[1]), dtype=np.int64)])
                pods = np.concatenate([pods, np.zeros((max(64, size), pods.shape[1]), dtype=np.int64)])
            number = min(left, int(fit[kind]))
            kinds.append(kind)
            pods[size, index] = number
            free[size] = problem.offer_room[kind] - number * need
            left -= number
            size += 1
    return problems.Solution(
        new=tuple((cheapest(problem, row), _counts(row)) for row in pods[:size]),
    )


def cheapest(problem: problems.Problem, row: problems.Ints) -> int:
    """The cheapest offer that holds these pods (C,)."""
    fits = (row @ problem.requests <= problem.offer_room).all(axis=1) & problem.offer_ok[row > 0].all(axis=0)
    return int(np.where(fits, problem.prices, np.iinfo(np.int64).max).argmin())


def _counts(row: problems.Ints) -> problems.Counts:
    return tuple((int(c), int(row[c])) for c in np.flatnonzero(row))
