"""
What pods give up before money counts: a place at all, preferences, NodePools of more weight. A cover may give up no more than
the least that is possible, so these are limits of it.

Places come in an order, existing nodes first and kinds of new nodes *tier* by tier. A class *settles* where no later place is
better for it: a pod that fits there may as well be there, so only full patterns are looked at. Of the others a pattern holds as
many as its plan wants, so all numbers of them are patterns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

ANYTHING = 1 << 40
"""More than all pods can give up."""
LARGEST = 1 << 60
"""Orders of vectors are told by one number each, which must not be larger."""


@dataclasses.dataclass(frozen=True, slots=True)
class Concessions:
    """
    What a pod gives up, G numbers, the first one before the second: on a new node of some kind (K, C, G), on a node that is
    `there` (N, C, G), or left `out` (C, G), which only those that `may` (C,) can be; all pods together at most `room` (G,).
    `tier` (K,) of each kind; `base` (G,) weighs vectors so that sums of two are ordered as they are.
    """

    new: Ints
    there: Ints
    out: Ints
    may: Mask
    room: Ints
    tier: Ints
    base: Ints

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.room)

    def weight(self, vectors: Ints) -> Ints:
        """Vectors (..., G) as numbers of the same order."""
        return np.asarray(vectors @ self.base)

    def later(self, ok: Mask, tier: int) -> tuple[Ints, Mask]:
        """Vectors (J, C, G) of the kinds from a tier on, and which classes may be there (J, C)."""
        some = self.tier >= tier
        return self.new[some], ok.T[some]

    def loose(self, ok: Mask) -> Mask:
        """Which classes (K, C) do not settle on which kinds."""
        result = np.zeros(self.new.shape[:2], dtype=np.bool_)
        for k, tier in enumerate(self.tier.tolist()):
            vectors, there = self.later(ok, tier)
            better = there & (self.weight(vectors) < self.weight(self.new[k]))
            result[k] = better.any(axis=0) | (self.may & (self.weight(self.out) < self.weight(self.new[k])))
        return result

    def loose_there(self, ok: Mask, node_ok: Mask) -> Mask:
        """Which classes (N, C) do not settle on which existing nodes."""
        result = np.zeros(self.there.shape[:2], dtype=np.bool_)
        vectors, new = self.later(ok, -1)
        for n, mine in enumerate(self.weight(self.there)):
            better = (new & (self.weight(vectors) < mine)).any(axis=0)
            better |= (node_ok.T[n + 1 :] & (self.weight(self.there[n + 1 :]) < mine)).any(axis=0)
            result[n] = better | (self.may & (self.weight(self.out) < mine))
        return result

    def swaps(self, ok: Mask, x: int, y: int) -> Mask:
        """
        (K,) kinds on which nothing is lost when a pod of x changes places with one of y that is on a later node or left out.
        """
        new, out = self.weight(self.new), self.weight(self.out)
        result = np.ones(len(self.tier), dtype=np.bool_)
        for k, tier in enumerate(self.tier.tolist()):
            some = (self.tier >= tier) & ok[y]
            result[k] = (new[k, y] + new[some, x] <= new[k, x] + new[some, y]).all()
            if self.may[y]:
                result[k] &= bool(self.may[x]) and new[k, y] + out[x] <= new[k, x] + out[y]
        return result


def none(field: fields.Field, nodes: int) -> Concessions:
    """No pod gives up anything anywhere."""
    classes, kinds = field.ok.shape
    return Concessions(
        new=np.zeros((kinds, classes, 0), dtype=np.int64),
        there=np.zeros((nodes, classes, 0), dtype=np.int64),
        out=np.zeros((classes, 0), dtype=np.int64),
        may=np.zeros(classes, dtype=np.bool_),
        room=np.zeros(0, dtype=np.int64),
        tier=np.zeros(kinds, dtype=np.int64),
        base=np.zeros(0, dtype=np.int64),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """
    What a pod gives up as in `Concessions`, by offer (O, C, G) and node, the problem with masks that allow for it, and which of
    its numbers before the cost the G ones are; `stuck` of each are pods that have no place.
    """

    problem: problems.Problem
    offers: Ints
    there: Ints
    out: Ints
    may: Mask
    room: Ints
    numbers: Ints
    stuck: Ints

    def field(self) -> fields.Field:
        """Kinds that also give up the same, at bare prices."""
        classes, numbers = self.out.shape
        table = self.offers.reshape(len(self.offers), classes * numbers)
        _, group = np.unique(table, axis=0, return_inverse=True)
        told_apart = problems.Cap("what is given up", "", "", group.ravel().astype(np.int64), 0)
        bare = dataclasses.replace(self.problem, caps=(*self.problem.caps, told_apart), node_charge=0)
        return fields.make(bare, np.arange(len(self.problem.offers)), self.problem.counts > 0)

    def of(self, field: fields.Field) -> Concessions | None:
        """The same over the kinds of a field; None where numbers are too large."""
        first = np.array([twins[0] for twins in field.twins], dtype=np.int64)
        new = self.offers[first]
        largest = np.concatenate([new, self.there, self.out[None]]).max(axis=(0, 1), initial=1)
        base: list[int] = []
        weight = 1
        for most in largest[::-1].tolist():
            base.insert(0, weight)
            weight *= 4 * most + 1
        if weight > LARGEST:
            return None
        weights = np.array(base, dtype=np.int64)
        asked = field.ok.T & (self.problem.counts > 0)
        tier = np.where(asked, new @ weights, 0).max(axis=1, initial=0)
        return Concessions(new, self.there, self.out, self.may, self.room, tier, weights)


def table(problem: problems.Problem, counts: Ints, numbers: Sequence[int] | None = None) -> Table:
    """
    What a solution may give up whose numbers before the cost are these (None: anything); of `counts` (C,) pods, others have no
    place. Places where a pod alone would give up more are forbidden.
    """
    priority = np.array([c.priority for c in problem.classes], dtype=np.int64)
    levels = np.array(sorted(set(priority.tolist()), reverse=True), dtype=np.int64)
    size = len(levels) + 2
    stuck = np.zeros(size, dtype=np.int64)
    stuck[:-2] = ((priority == levels[:, None]) * (problem.counts - counts)).sum(axis=1)
    room = np.full(size, ANYTHING) if numbers is None else np.array(numbers, dtype=np.int64) - stuck
    new = np.zeros((len(problem.offers), len(problem.classes), size), dtype=np.int64)
    new[:, :, -2], new[:, :, -1] = problem.offer_penalty.T, problem.offer_rank.T
    there = np.zeros((len(problem.nodes), len(problem.classes), size), dtype=np.int64)
    there[:, :, -2] = problem.node_penalty.T
    out = np.zeros((len(problem.classes), size), dtype=np.int64)
    out[:, :-2] = priority[:, None] == levels
    may = (out <= room).all(axis=1) & (counts > 0)
    offer_ok = problem.offer_ok & (new <= room).all(axis=2).T
    node_ok = problem.node_ok & (there <= room).all(axis=2).T
    new, there = new * offer_ok.T[:, :, None], there * node_ok.T[:, :, None]
    asked = counts > 0
    some = np.flatnonzero(new[:, asked].any(axis=(0, 1)) | there[:, asked].any(axis=(0, 1)) | out[may].any(axis=0))
    return Table(
        problem=dataclasses.replace(problem, offer_ok=offer_ok, node_ok=node_ok),
        offers=new[:, :, some],
        there=there[:, :, some],
        out=out[:, some],
        may=may,
        room=room[some],
        numbers=some,
        stuck=stuck,
    )
