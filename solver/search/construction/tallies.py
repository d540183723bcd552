"""
Tallies: what each rule across pods has counted so far, and what it therefore allows or costs next.

A tally is an array per topology with an entry for each domain and two more: FRESH, the host that a new node will be (always
empty), and NONE, the places without the label (never counted). Rules (`spreading`, `relations`) narrow a `Reach`, the sites
where pods of one class may go.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from solver.search.construction import spreading

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNLIMITED = 1 << 40
FRESH, NONE = -2, -1


@dataclasses.dataclass(slots=True)
class Reach:
    """
    Where pods of one class can go: S `sites` (S,), places or, when `fresh`, offers of which a node could be opened.

    A site has `room` (S,) for pods, its cell for `total` (S,): sites are in one cell when they are equal in every array of
    `cells` and `bounds`. A new node needs `least` (S,) pods at once. The next pod costs `unmet` (S,) preference weight and
    `rank` (S,) weight levels; `crowd` (S,) pods of its spread groups are around. `bounds` are of rules that make all pods
    settle for one cell, `alone` for one node. `spreads` hold over whole domains; `parts` is the most such domains.
    """

    sites: Ints
    room: Ints
    total: Ints
    least: Ints
    unmet: Ints
    rank: Ints
    crowd: Ints
    fresh: bool
    cells: list[Ints] = dataclasses.field(default_factory=list)
    bounds: list[Ints] = dataclasses.field(default_factory=list)
    spreads: list[spreading.SpreadRule] = dataclasses.field(default_factory=list)
    alone: bool = False
    parts: int = 0

    @classmethod
    def over(cls, sites: Ints, room: Ints, *, fresh: bool) -> Reach:
        """Sites without any rule."""
        zeros = np.zeros((4, len(sites)), dtype=np.int64)
        total, least = np.full(len(sites), UNLIMITED), np.ones(len(sites), dtype=np.int64)
        return cls(sites, room, total, least, zeros[0], zeros[1], zeros[2], fresh)

    @property
    def limit(self) -> Ints:
        """How many pods may go to each site now (S,)."""
        return np.minimum(self.room, self.total)

    def loss(self, *, rank_first: bool) -> Ints:
        """What the next pod gives up before money counts (2, S), what weighs most first."""
        return np.stack([self.rank, self.unmet] if rank_first else [self.unmet, self.rank])

    def restrict(self, limit: Ints, cell: Ints | None = None) -> None:
        """At most `limit` (S,) more pods on each site, or on each whole cell when `cell` (S,) is given."""
        if cell is None:
            self.room = np.minimum(self.room, limit)
        else:
            self.total = np.minimum(self.total, limit)
            self.cells.append(cell)

    def forbid(self, mask: Mask) -> None:
        """No pods at these sites."""
        self.room[mask] = 0

    def settle(self, cell: Ints, *, host: bool) -> None:
        """All pods go to one cell."""
        self.bounds.append(cell)
        self.alone |= host


@dataclasses.dataclass(frozen=True, slots=True)
class Slots:
    """Entry in the tallies of a topology for each place (P,) and offer (O,); a tally has `size` entries."""

    place: Ints
    offer: Ints
    size: int
    host: bool

    def of(self, reach: Reach) -> Ints:
        """The entries of the sites (S,)."""
        return (self.offer if reach.fresh else self.place)[reach.sites]

    @property
    def none(self) -> int:
        """The entry of places without the label."""
        return self.size + NONE

    def tally(self, base: Ints, stays: Mask) -> Ints:
        """Running pods `base` (N,) on nodes that stay, per entry."""
        counts = np.zeros(self.size, dtype=np.int64)
        self.add(counts, np.flatnonzero(stays), base[stays])
        return counts

    def add(self, counts: Ints, places: Ints, pods: Ints) -> None:
        """Count pods on these places."""
        np.add.at(counts, self.place[places], pods)
        counts[NONE] = 0


class Rule(Protocol):
    """One block of the problem that looks across pods; it `concerns` classes (C,)."""

    concerns: Mask

    def look(self, pod_class: int, reach: Reach) -> None:
        """Narrow the reach of a class to what the rule allows, or add what it costs."""

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Count pods that were put on places."""
