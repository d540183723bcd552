"""
Knapsacks over several resources: the best contents of one node, and a proof of how good any contents could be.

Classes are decided one after the other, large pods first, for a beam of partial contents at once. With prices of room
from the knapsack's linear relaxation, what a partial content could still become worth is at most its worth, plus its
free room at these prices, plus what classes that earn more than their room could add. Contents that cannot beat what is
asked are dropped; when the beam overflows, the best of what was cut off stays in the bound. So the bound is always
valid, and exact when nothing was cut off.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver.search import linear

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIDTH = 400
BEST = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """`bound` on the worth of any contents, at least the `above` asked for; `contents` (P, C), best first."""

    bound: float
    contents: NDArray[np.int32]


def solve(room: Floats, need: Floats, worth: Floats, most: Ints, *, above: float, width: int = WIDTH) -> Answer:
    """
    Look for contents worth more than `above`.

    Parameters
    ----------
    room: (R,) of the node.
    need: (C, R) of one pod.
    worth: (C,) of one pod.
    most: (C,) pods of each class at most.
    above: contents that are worth no more are of no interest.
    width: partial contents kept.
    """
    nothing = np.zeros((0, len(worth)), dtype=np.int32)
    usable = np.flatnonzero((most > 0) & (worth > 0) & (need <= room).all(axis=1))
    if not len(usable):
        return Answer(above, nothing)
    share = need[usable] / np.maximum(room, 1e-9)
    order = usable[np.argsort(-share.max(axis=1), kind="stable")]
    price = _prices(room, need[order], worth[order], most[order])
    if price is None:
        return Answer(float((worth * most)[usable].sum()), nothing)
    surplus = np.maximum(worth[order] - need[order] @ price, 0.0) * most[order]
    later = np.append(np.cumsum(surplus[::-1])[::-1], 0.0)[1:]
    free = room[None, :].astype(np.float64)
    value = np.zeros(1)
    chosen = np.zeros((1, len(order)), dtype=np.int32)
    floor, cut = above, 0.0
    for position, index in enumerate(order):
        asked = need[index] > 0
        fit = np.full(len(value), most[index], dtype=np.int64)
        if asked.any():
            fit = np.minimum(fit, np.floor(free[:, asked] / need[index][asked]).min(axis=1).astype(np.int64))
        parent = np.repeat(np.arange(len(value)), fit + 1)
        number = np.arange(len(parent)) - np.repeat(np.cumsum(fit + 1) - fit - 1, fit + 1)
        new_value = value[parent] + number * worth[index]
        new_free = free[parent] - number[:, None] * need[index]
        upper = new_value + new_free @ price + later[position]
        floor = max(floor, float(new_value.max()))
        keep = np.flatnonzero((upper > floor * (1 + 1e-9)) | (new_value >= floor))
        if len(keep) > width:
            ranked = keep[np.argsort(-upper[keep], kind="stable")]
            cut = max(cut, float(upper[ranked[width]]))
            keep = ranked[:width]
        if not len(keep):
            return Answer(max(floor, cut), nothing)
        parent = parent[keep]
        free, value = new_free[keep], new_value[keep]
        chosen = chosen[parent]
        chosen[:, position] = number[keep]
    good = np.flatnonzero(value > above)
    good = good[np.argsort(-value[good], kind="stable")][:BEST]
    contents = np.zeros((len(good), len(worth)), dtype=np.int32)
    contents[:, order] = chosen[good]
    return Answer(max(floor, cut), contents)


def _prices(room: Floats, need: Floats, worth: Floats, most: Ints) -> Floats | None:
    """(R,) what room is worth in the linear relaxation."""
    scale = np.maximum(room, 1e-9)
    program = linear.Program(-worth, np.zeros(len(worth)), most.astype(np.float64))
    rows = program.add_rows(np.full(len(room), -np.inf), np.where(room > 0, 1.0, 0.0))
    share = need / scale
    columns, resources = np.nonzero(share)
    program.add_entries(rows[resources], columns, share[columns, resources])
    answer = linear.solve(program)
    return None if answer is None else np.maximum(-answer.duals, 0.0) / scale
