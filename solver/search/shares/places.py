"""What each cell has for all classes: kinds of new node, and room on existing ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search.packing import existing
from solver.search.relaxation import compact
from solver.search.shares import cells as splits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Cells of a problem, for each the `fields` of its new nodes and the `rooms` on its existing ones."""

    problem: problems.Problem
    cells: splits.Cells
    fields: tuple[fields.Field, ...]
    rooms: tuple[compact.Room, ...]

    @classmethod
    def of(cls, problem: problems.Problem, cells: splits.Cells) -> Places:
        """Those of all cells."""
        there = problem.counts > 0
        made = tuple(fields.make(problem, np.flatnonzero(cells.of_offer == i), there) for i in range(cells.count))
        rooms = tuple(
            existing.groups(problem, field, np.flatnonzero(cells.of_node == i), there) for i, field in enumerate(made)
        )
        return cls(problem, cells, made, rooms)

    def possible(self) -> Mask:
        """(C, cells) where a class fits at all."""
        both = zip(self.fields, self.rooms, strict=True)
        return np.stack([field.ok.any(axis=1) | room.ok.any(axis=1) for field, room in both], axis=1)

    def signatures(self) -> Floats:
        """(C, ...) everything but requests that tells classes apart for programs over cells."""
        problem, host = self.problem, self.fields[0].host
        masks = [field.ok for field in self.fields] + [room.ok for room in self.rooms]
        columns = [mask for mask in masks if mask.shape[1]]
        columns.append(host.owner & host.member)
        for spread in problem.spreads:
            if spread.topology != problems.HOST:
                columns.append(np.stack([spread.owners, spread.group.members], axis=1))
        for exclusion in problem.exclusions:
            if exclusion.topology != problems.HOST:
                columns.append(np.stack([exclusion.owners, exclusion.targets.members], axis=1))
        for attraction in problem.attractions:
            columns.append(np.stack([attraction.owners, attraction.targets.members], axis=1))
        for common in problem.common_domains:
            columns.append(common.members[:, None])
        return np.concatenate(columns, axis=1).astype(np.float64)


@dataclasses.dataclass(frozen=True, slots=True)
class Groups:
    """
    Classes that a program does not tell apart: `there` (P,) are the classes with pods, `pods` (P,) how many, `of` (P,) the
    group of each; `heads` (G,) is one class of each group, `total` (G,) its pods. `exact` when equal in the sizes as well.
    """

    there: Ints
    pods: Floats
    of: Ints
    heads: Ints
    total: Floats
    exact: bool

    @classmethod
    def like(cls, counts: Ints, signature: Floats, sizes: Floats, few: Callable[[int], bool]) -> Groups:
        """
        Group the classes with pods that are equal in `signature` and `sizes` (C, ...), or in the former alone where that many
        groups are not `few` enough.
        """
        there = np.flatnonzero(counts > 0)
        both = np.concatenate([signature[there], sizes[there]], axis=1)
        _, first, of = np.unique(both, axis=0, return_index=True, return_inverse=True)
        exact = few(len(first))
        if not exact:
            _, first, of = np.unique(signature[there], axis=0, return_index=True, return_inverse=True)
        of = of.ravel()
        pods = counts[there].astype(np.float64)
        total = np.bincount(of, weights=pods, minlength=len(first)).astype(np.float64)
        return cls(there, pods, of, there[first], total, exact)

    def mean(self, values: Floats) -> Floats:
        """Means over the pods of each group (G, X) of values of the classes with pods (P, X)."""
        result = np.zeros((len(self.heads), values.shape[1]))
        np.add.at(result, self.of, values * self.pods[:, None])
        return np.asarray(result / self.total[:, None])
