"""
Classes that the relaxation need not tell apart, as one.

Labels that only rules across nodes look at play no part inside a cell, and requests that differ by a few millis hardly
do. Requests of a merged class are rounded up for guidance, and means where prices are all that is wanted.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields
from solver.search.relaxation import compact

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST = 400
"""Beyond this many classes the relaxation takes too long."""

GRIDS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Relative steps on which requests are taken as equal, tried in this order."""


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """
    A smaller field; `index` (C,) is the merged class of each class (-1 without pods), `counts` (merged,) their pods
    together.
    """

    field: fields.Field
    index: Ints
    counts: Floats

    def portion(self, merged: Floats, left: Floats) -> Floats:
        """
        Whole pods of each class (C,) so that merged classes get no more than these volumes (merged,), from what is
        `left` (C,).
        """
        want = np.floor(merged + 1e-6)
        result = np.zeros_like(left)
        order = np.flatnonzero((self.index >= 0) & (left > 0))
        order = order[np.argsort(self.index[order], kind="stable")]
        owner = self.index[order]
        before = np.cumsum(left[order]) - left[order]
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        start = np.repeat(before[first], np.diff(np.append(first, len(owner))))
        result[order] = np.clip(want[owner] - (before - start), 0, left[order])
        return result


def merge(field: fields.Field, counts: Floats, *, up: bool, most: int = MOST) -> Merged:
    """
    Merge until at most `most` classes remain, or the coarsest grid is reached.

    Parameters
    ----------
    field: what to merge.
    counts: (C,) pods.
    up: round requests up, so that guidance promises too little rather than too much; else take means, which give the
        truest prices (`compact.priced` makes a bound of them).
    """
    there = np.flatnonzero((counts > 0) & field.ok.any(axis=1))
    both = field.host.owner & field.host.member
    fixed = np.concatenate([field.ok, both], axis=1)[there].astype(np.float64)
    for grid in GRIDS:
        requests = field.requests[there]
        if grid > 0:
            with np.errstate(divide="ignore"):
                requests = np.where(requests > 0, np.floor(np.log(np.maximum(requests, 1e-9)) / np.log1p(grid)), -1.0)
        table = np.concatenate([requests, fixed], axis=1)
        _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
        if len(first) <= most:
            break
    inverse = inverse.ravel()
    index = np.full(len(counts), -1, dtype=np.int64)
    index[there] = inverse
    total: Floats = np.bincount(inverse, weights=counts[there], minlength=len(first)).astype(np.float64)
    requests = np.zeros((len(first), field.requests.shape[1]))
    if up:
        np.maximum.at(requests, inverse, field.requests[there])
    else:
        np.add.at(requests, inverse, field.requests[there] * (counts[there] / total[inverse])[:, None])
    representative = there[first]
    smaller = dataclasses.replace(
        field, requests=requests, ok=field.ok[representative], host=field.host.of(representative)
    )
    if up:
        fits = (requests[:, None, :] <= field.room[None]).all(axis=2)
        smaller = dataclasses.replace(smaller, ok=smaller.ok & fits)
    return Merged(smaller, index, total)


def room_of(merged: Merged, room: compact.Room) -> compact.Room:
    """Existing room for merged classes; a merged class may go where any of its classes may."""
    size = len(merged.counts)
    ok = np.zeros((size, room.ok.shape[1]), dtype=bool)
    most = np.zeros((size, room.ok.shape[1]))
    there = np.flatnonzero(merged.index >= 0)
    np.logical_or.at(ok, merged.index[there], room.ok[there])
    np.maximum.at(most, merged.index[there], room.most[there])
    return compact.Room(ok, room.room, most)
