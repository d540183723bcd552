"""
Cells: places that no rule across nodes tells apart (one zone, say), and how many pods of each class each cell gets.

Once these numbers satisfy every rule over domains, each cell is packed by itself: moving pods inside a cell changes
none of those counts.

The numbers come from a program over all cells (`zones`, `blend`); where rounding keeps no valid ones, from a small exact model
in which cells are nodes (`aggregate`).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """Cell of each node (N,) and of each offer (O,); `count` cells in all."""

    of_node: Ints
    of_offer: Ints
    count: int


def split(problem: problems.Problem) -> Cells:
    """
    Group places by their domains in every topology that a rule across nodes looks at, and by which rules count them.
    """
    n_nodes, n_offers = len(problem.nodes), len(problem.offers)
    columns: list[Ints] = []
    for topology in sorted(_topologies(problem)):
        keys = problem.topologies[topology]
        columns.append(np.concatenate([keys.of_node, keys.of_offer]))
    for spread in problem.spreads:
        if spread.topology != problems.HOST:
            columns.append(np.concatenate([spread.node_counted, spread.offer_counted]).astype(np.int64))
    if not columns:
        return Cells(np.zeros(n_nodes, np.int64), np.zeros(n_offers, np.int64), 1)
    _, cell = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    cell = cell.ravel()
    return Cells(cell[:n_nodes], cell[n_nodes:], int(cell.max()) + 1 if len(cell) else 1)


def _topologies(problem: problems.Problem) -> set[int]:
    used = {s.topology for s in problem.spreads} | {e.topology for e in problem.exclusions}
    used |= {t for a in problem.attractions for t in a.topologies} | {c.topology for c in problem.common_domains}
    used.discard(problems.HOST)
    return used


def touched(problem: problems.Problem) -> Mask:
    """(C,) classes that a rule over the domains of some topology looks at."""
    result = np.zeros(len(problem.classes), dtype=bool)
    for spread in problem.spreads:
        if spread.topology != problems.HOST:
            result |= spread.owners | spread.group.members
    for exclusion in problem.exclusions:
        if exclusion.topology != problems.HOST:
            result |= exclusion.owners | exclusion.targets.members
    for attraction in problem.attractions:
        result |= attraction.owners | attraction.targets.members
    for common in problem.common_domains:
        result |= common.members
    return result


def rounded(total: int, share: NDArray[np.float64]) -> Ints:
    """
    Whole numbers near `total` times `share` that add up to `total` (largest remainders); all 0 when every share is.
    """
    if share.sum() <= 0:
        return np.zeros(len(share), dtype=np.int64)
    ideal = total * share / share.sum()
    result: Ints = np.floor(ideal).astype(np.int64)
    order = np.argsort(-(ideal - result), kind="stable")
    result[order[: total - int(result.sum())]] += 1
    return result


def distribute(counts: Ints, merged: Ints, shares: Ints, allowed: Mask) -> Ints:
    """
    Deal the merged classes' numbers out to the classes behind them.

    Parameters
    ----------
    counts: (C,) pods of each class.
    merged: (C,) merged class of each class.
    shares: (merged, cells) pods of each merged class in each cell.
    allowed: (C, cells) where a class may go at all.

    Returns
    -------
    (C, cells) with each class's own share as even as the totals allow.
    """
    result = np.zeros((len(counts), shares.shape[1]), dtype=np.int64)
    for index in range(shares.shape[0]):
        behind = np.flatnonzero(merged == index)
        left = shares[index].astype(np.float64)
        pods_left = float(counts[behind].sum())
        for position in behind[np.argsort(-counts[behind], kind="stable")]:
            pods = int(counts[position])
            if left.sum() <= 0 or pods == 0:
                continue
            given = _near(left * min(1.0, pods / max(pods_left, 1.0)), left, pods)
            result[position] = np.where(allowed[position], given, 0)
            left -= given
            pods_left -= pods
    return result


def _near(ideal: NDArray[np.float64], most: NDArray[np.float64], total: int) -> Ints:
    """Whole numbers near `ideal`, each at most `most`, that add up to `total` as far as that goes."""
    given = np.minimum(np.floor(ideal), most)
    missing = int(min(total, most.sum()) - given.sum())
    largest = np.argsort(-(ideal - given + 1e-9 * most), kind="stable")
    largest = largest[most[largest] > given[largest]][: max(missing, 0)]
    given[largest] += 1
    missing -= len(largest)
    while missing > 0 and (most > given).any():
        roomiest = int((most - given).argmax())
        extra = min(missing, int(most[roomiest] - given[roomiest]))
        given[roomiest] += extra
        missing -= extra
    return given.astype(np.int64)
