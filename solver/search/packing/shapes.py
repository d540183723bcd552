"""
Shapes: classes that packing need not tell apart, and assigning their pods to nodes afterwards.

Pods of equal requests that may go to the same kinds of node are one shape, whatever their labels. Where labels matter
only for host-level spread, nodes are packed with shapes, and which pod takes which place is decided after that: a pod
that breaks a spread changes places with one of its shape on another node. Rules that bind what a node holds of a shape
(anti-affinity, host ports, spreads of pods that are alike anyway) split shapes instead and are kept while packing.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SPLITS = 4
"""A spread is kept while packing when it makes at most this many more shapes, unless told otherwise."""
ANY = 1 << 30
PARTNERS = 256
"""Places of the same shape that are tried for one exchange."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shapes:
    """
    `field` has S shapes for classes; `index` (C,) is the shape of each class, -1 without pods or places. `postponed` are
    the rules (C, D) that the field leaves out.
    """

    field: fields.Field
    index: Ints
    postponed: fields.HostRules

    def sums(self, counts: Ints) -> Ints:
        """Pods of each shape (S,) from pods of each class (C,)."""
        there = self.index >= 0
        found: Ints = np.bincount(self.index[there], weights=counts[there], minlength=len(self.field.requests)).astype(
            np.int64
        )
        return found

    def assign(self, counts: Ints, rows: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
        """
        Put pods of classes where rows hold their shapes.

        Parameters
        ----------
        counts: (C,) pods of each class; no shape has more pods in `rows` than there are.
        rows: (M, S) pods of each shape on each node.
        rng: breaks ties.

        Returns
        -------
        (M, C) pods of each class on each node; where a rule cannot be kept pods are left out.
        """
        table = np.zeros((len(rows), len(counts)), dtype=np.int32)
        there = np.flatnonzero((self.index >= 0) & (counts > 0))
        if not self.postponed.owner.shape[1] and len(np.unique(self.index[there])) == len(there):
            table[:, there] = rows[:, self.index[there]]
            return table
        node, shape = (np.repeat(axis, rows[np.nonzero(rows)]) for axis in np.nonzero(rows))
        if not len(node):
            return table
        order = rng.permutation(len(node))
        order = order[np.argsort(shape[order], kind="stable")]
        node, shape = node[order], shape[order]
        pod = np.repeat(np.arange(len(counts)), np.where(self.index >= 0, counts, 0))
        pod = rng.permutation(pod) if self.postponed.owner.shape[1] else pod
        pod = pod[np.argsort(self.index[pod], kind="stable")]
        place_first = np.searchsorted(shape, np.arange(len(self.field.requests)))
        pod_first = np.searchsorted(self.index[pod], np.arange(len(self.field.requests)))
        pod = pod[pod_first[shape] + np.arange(len(shape)) - place_first[shape]]
        if self.postponed.owner.shape[1]:
            draft = _Assignment(self.postponed, node, shape, pod, len(rows), rng)
            draft.repair()
            keep = draft.kept()
            node, pod = node[keep], draft.pod[keep]
        np.add.at(table, (node, pod), 1)
        return table


class _Assignment:
    """Places (P,) of pods by node and shape, ordered by shape; `pod` is the class that each holds."""

    def __init__(
        self, rules: fields.HostRules, node: Ints, shape: Ints, pod: Ints, nodes: int, rng: np.random.Generator
    ) -> None:
        self.owner = rules.owner.astype(np.int64)
        self.member = rules.member.astype(np.int64)
        self.most = rules.member_cap + 1
        self.node, self.pod, self.rng = node, pod.copy(), rng
        self.first = np.searchsorted(shape, shape, side="left")
        self.last = np.searchsorted(shape, shape, side="right")
        self.by_node = np.argsort(node, kind="stable")
        self.start = np.searchsorted(node[self.by_node], np.arange(nodes + 1))
        self.owners = np.zeros((nodes, len(self.most)), dtype=np.int64)
        self.members = np.zeros((nodes, len(self.most)), dtype=np.int64)
        np.add.at(self.owners, node, self.owner[pod])
        np.add.at(self.members, node, self.member[pod])

    def excess(self, owners: Ints, members: Ints) -> Ints:
        """Members above what owners bear, over all rules (last axis)."""
        over: Ints = np.where(owners > 0, np.maximum(members - self.most, 0), 0).sum(axis=-1)
        return over

    def repair(self) -> None:
        """Exchange pods of one shape between nodes while that lessens what is above the rules."""
        waiting = np.flatnonzero(self.excess(self.owners, self.members)).tolist()
        while waiting:
            node = waiting.pop()
            while self._exchange(node):
                pass

    def _exchange(self, node: int) -> bool:
        """The best exchange for a node above its rules; whether one was made."""
        over = (self.owners[node] > 0) & (self.members[node] > self.most)
        if not over.any():
            return False
        best = (0, -1, -1)
        for place in self.by_node[self.start[node] : self.start[node + 1]].tolist():
            mine = int(self.pod[place])
            if not (self.owner[mine, over] | self.member[mine, over]).any():
                continue
            other = np.arange(self.first[place], self.last[place])
            if len(other) > PARTNERS:
                other = self.first[place] + self.rng.choice(len(other), PARTNERS, replace=False)
            other = other[self.node[other] != node]
            if not len(other):
                continue
            theirs, there = self.pod[other], self.node[other]
            more_owners, more_members = (
                self.owner[mine] - self.owner[theirs],
                self.member[mine] - self.member[theirs],
            )
            before = self.excess(self.owners[node], self.members[node]) + self.excess(
                self.owners[there], self.members[there]
            )
            after = self.excess(self.owners[node] - more_owners, self.members[node] - more_members) + self.excess(
                self.owners[there] + more_owners, self.members[there] + more_members
            )
            gain = after - before
            chosen = int(gain.argmin())
            if gain[chosen] < best[0]:
                best = int(gain[chosen]), place, int(other[chosen])
        if best[1] < 0:
            return False
        self._swap(best[1], best[2])
        return True

    def _swap(self, place: int, other: int) -> None:
        for at, sign in ((place, -1), (other, -1), (place, 1), (other, 1)):
            if sign > 0 and at == place:
                self.pod[place], self.pod[other] = self.pod[other], self.pod[place]
            self.owners[self.node[at]] += sign * self.owner[self.pod[at]]
            self.members[self.node[at]] += sign * self.member[self.pod[at]]

    def kept(self) -> Mask:
        """Places (P,) whose pods stay: on nodes still above a rule its owners are left out."""
        over = (self.owners > 0) & (self.members > self.most)
        return np.asarray(~(over[self.node] & (self.owner[self.pod] > 0)).any(axis=1))


def reduce(field: fields.Field, counts: Ints, splits: int = SPLITS) -> Shapes:
    """
    Put the classes of a field into shapes.

    Parameters
    ----------
    field: classes, kinds of node and the rules inside one node.
    counts: (C,) pods; classes without any belong to no shape.
    splits: a spread that makes more new shapes than this is left to the assignment.
    """
    there = np.flatnonzero((counts > 0) & field.ok.any(axis=1))
    host = field.host
    alike = np.concatenate([field.requests, field.ok], axis=1)[there]
    columns = [
        np.stack([host.owner[there, r], host.member[there, r], host.owner_cap[there, r]], axis=1)
        for r in range(host.owner.shape[1])
    ]
    kept = host.exclusive.copy()
    table = np.concatenate([alike, *(c for c, k in zip(columns, kept, strict=True) if k)], axis=1)
    size = _distinct(table)
    for rule in np.flatnonzero(~kept):
        split = np.concatenate([table, columns[rule]], axis=1)
        if (more := _distinct(split)) <= size + splits:
            table, size, kept[rule] = split, more, True
    _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    index = np.full(len(counts), -1, dtype=np.int64)
    index[there] = inverse.ravel()
    chosen = there[first]
    smaller = dataclasses.replace(
        field,
        requests=field.requests[chosen],
        ok=field.ok[chosen],
        host=host.only(kept).of(chosen),
    )
    return Shapes(smaller, index, host.only(~kept))


def _distinct(table: Floats) -> int:
    return len(np.unique(table, axis=0)) if table.size else 0
