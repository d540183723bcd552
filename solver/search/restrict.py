"""
Preferences and NodePool weights come before money: leave every class only the places where it gives up least.

Where that leaves some pods without a place, the full masks are used for what is left.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems


def best_places(problem: problems.Problem) -> problems.Problem:
    """
    The problem with masks narrowed to the least penalty, and among those to the heaviest NodePools, class by class.
    """
    far = np.int64(1) << 60
    penalty = problem.offer_penalty if problem.preference_price is None else np.zeros_like(problem.offer_penalty)
    node_penalty = problem.node_penalty if problem.preference_price is None else np.zeros_like(problem.node_penalty)
    least = np.where(problem.offer_ok, penalty, far).min(axis=1, initial=far)
    offer_ok = problem.offer_ok & (penalty == least[:, None])
    heaviest = np.where(offer_ok, problem.offer_rank, far).min(axis=1, initial=far)
    offer_ok &= problem.offer_rank == heaviest[:, None]
    return dataclasses.replace(problem, offer_ok=offer_ok, node_ok=problem.node_ok & (node_penalty <= least[:, None]))


def is_exact(problem: problems.Problem, narrow: problems.Problem, value: problems.Value) -> bool:
    """Whether solutions outside the narrowed masks are worse than one of this value: only then bounds on these hold."""
    if (problem.offer_ok == narrow.offer_ok).all() and (problem.node_ok == narrow.node_ok).all():
        return True
    return not any(value.unplaced) and value.rank == 0 and value.preferences <= least_penalty(problem)


def least_penalty(problem: problems.Problem, counts: NDArray[np.int64] | None = None) -> int:
    """The unmet preferences that no solution placing all pods, or these (C,), can avoid, by place alone."""
    far = np.int64(1) << 60
    least = np.minimum(
        np.where(problem.offer_ok, problem.offer_penalty, far).min(axis=1, initial=far),
        np.where(problem.node_ok, problem.node_penalty, far).min(axis=1, initial=far),
    )
    counts = problem.counts if counts is None else counts
    there = counts > 0
    return int((least * counts)[there].sum())
