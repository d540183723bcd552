"""
Packing a field: construct from the relaxation's volumes, cover what is left over, shrink nodes.

A packing is a matrix of pods per node and class. Rows 0 to N-1 are existing nodes (their room is free and they stay),
the rest new nodes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import quota
from solver.search.packing import fill as fills
from solver.search.packing import knapsack
from solver.search.relaxation import compact, merge

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SEEDS = 3
REPEAT, REPEAT_AGAIN = 0.7, 0.25
"""How much of what pods allow a pattern is repeated: the best one, and others near it."""
TAKEN = 24
BATCH, LEAST_BATCH = 128, 16
"""Nodes filled at once for the classes of one kind, and for a group of these at least."""
POLISH = 5
WIDTH = 64
TAIL_WORTH = 0.9
COVER_NODES = 8
ACCEPT = 0.998


@dataclasses.dataclass(slots=True)
class Packing:
    """`kind` (M,) bin kind of each new node, `counts` (M, C) its pods, `left` (C,) pods without a place."""

    kind: Ints
    counts: NDArray[np.int32]
    left: Ints

    def cost(self, field: fields.Field) -> float:
        """Micro-euro per hour, node charges included."""
        return float(field.cost[self.kind].sum())

    def joined(self, rest: Packing) -> Packing:
        """These nodes and those that hold pods that these leave over."""
        return Packing(np.concatenate([self.kind, rest.kind]), np.concatenate([self.counts, rest.counts]), rest.left)

    def exchanged(self, nodes: Ints, new: Packing) -> Packing:
        """Some nodes (m,) taken out and others, that hold their pods, put in."""
        stay = np.ones(len(self.kind), dtype=bool)
        stay[nodes] = False
        return Packing(
            np.concatenate([self.kind[stay], new.kind]), np.concatenate([self.counts[stay], new.counts]), self.left
        )


def nothing(left: Ints) -> Packing:
    """No nodes, and all pods (C,) without a place."""
    return Packing(np.zeros(0, dtype=np.int64), np.zeros((0, len(left)), dtype=np.int32), left.copy())


class Packer:
    """
    Packs one field; `kinds` are the bin kinds worth trying while packing (all are tried when a node is shrunk). `cost` (K,)
    is what kinds are chosen by: their price and what they pay for limits, `charge` (K,). A packing is given up, with pods
    left over, once the time is `over`; `stop` only ends the search for better patterns.
    """

    def __init__(
        self,
        field: fields.Field,
        value: Floats,
        kinds: Ints,
        rng: np.random.Generator,
        stop: Callable[[], bool],
        charge: Floats | float = 0.0,
    ) -> None:
        self.field = field
        self.value = np.maximum(value, 1e-6)
        self.cost = field.cost + charge
        self.kinds = kinds
        self.rng = rng
        self.stop = stop
        self.over: Callable[[], bool] = lambda: False
        self.host, self.alone = field.host.between(), field.host.alone().astype(np.float64)
        self.batch = BATCH
        self.accept = ACCEPT
        unlimited = np.full(len(value), 1 << 30)
        worth = knapsack.fractional_worth(field, fields.capacity(field), self.value, unlimited)
        self.tail_kinds = np.union1d(kinds, np.flatnonzero(worth >= TAIL_WORTH * self.cost))

    # -- construction ---------------------------------------------------------------------------

    def construct(
        self, counts: Ints, volumes: compact.Volumes, merged: merge.Merged, limits: quota.Limits | None = None
    ) -> Packing:
        """
        Fill each kind with the pods that the relaxation gives it, then cover what is left over, all within limits.
        """
        whole = limits
        chosen, portions = self._portions(counts.astype(np.float64), volumes, merged)
        left = counts.astype(np.float64).copy()
        kinds: list[Ints] = []
        rows: list[NDArray[np.int32]] = []
        for kind, (patterns, times) in zip(chosen, self._fill_kinds(chosen, portions), strict=True):
            if limits is not None:
                times = _clipped(times, _most(limits, kind))
                limits = limits.less(np.full(int(times.sum()), kind))
            if times.any():
                rows.append(np.repeat(patterns, times, axis=0).astype(np.int32))
                kinds.append(np.full(int(times.sum()), kind))
                left -= patterns.T @ times
        more_kinds, more_rows, left_over = self.cover(left, limits)
        kinds.append(more_kinds)
        rows.append(more_rows)
        result = Packing(np.concatenate(kinds), np.concatenate(rows), left_over.astype(np.int64))
        self.shrink(result.kind, result.counts, whole)
        return result

    def sketch(
        self, counts: Ints, volumes: compact.Volumes, merged: merge.Merged, part: float
    ) -> tuple[Ints, NDArray[np.int32]]:
        """Kinds (P,) and pods (P, C) of nodes as the relaxation would fill them if there were only this `part` of all pods."""
        chosen, portions = self._portions(np.ceil(part * counts), volumes, merged, part)
        rows = [patterns.astype(np.int32) for patterns, _ in self._fill_kinds(chosen, portions)]
        kinds = np.repeat(np.array(chosen, dtype=np.int64), [len(own) for own in rows])
        return kinds, np.concatenate([np.zeros((0, len(counts)), dtype=np.int32), *rows])

    def _portions(
        self, free: Floats, volumes: compact.Volumes, merged: merge.Merged, part: float = 1.0
    ) -> tuple[list[int], list[Floats]]:
        """Kinds of which the relaxation's `part` uses half a node at least, and the pods (C,) out of `free` that each gets."""
        free = free.copy()
        chosen: list[int] = []
        portions: list[Floats] = []
        for kind in np.argsort(-volumes.nodes * self.field.cost):
            portion = merged.portion(part * volumes.volume[:, kind], free) * self.field.ok[:, kind]
            if part * volumes.nodes[kind] >= 0.5 and portion.any():
                chosen.append(int(kind))
                portions.append(portion)
                free -= portion
        return chosen, portions

    def _fill_kinds(self, kinds: Sequence[int], portions: Sequence[Floats]) -> list[tuple[Floats, Ints]]:
        """
        For each kind of node patterns (P, C) and how often each, until less than about a node's worth of its pods (C,) is
        left. Classes are dealt into groups, and groups of all kinds fill nodes side by side.
        """
        rest = [portion.copy() for portion in portions]
        patterns: list[list[Floats]] = [[] for _ in kinds]
        times: list[list[int]] = [[] for _ in kinds]
        best_seen = [0.0] * len(kinds)
        going = list(range(len(kinds)))
        while going and not self.stop() and not self.over():
            tables = [self._groups(np.flatnonzero(rest[i])) for i in going]
            local = np.full((sum(map(len, tables)), max(table.shape[1] for table in tables)), -1)
            owner = np.repeat(going, [len(table) for table in tables])
            for i, table in zip(going, tables, strict=True):
                local[owner == i, : table.shape[1]] = table
            left = np.stack([np.where(row >= 0, rest[i][row], 0.0) for i, row in zip(owner, local, strict=True)])
            batch = max(self.batch // max(map(len, tables)), LEAST_BATCH)
            found, worth = self._candidates(np.take(kinds, owner), local, left, batch)
            more = []
            for i in going:
                mine = np.flatnonzero(owner == i)
                best_seen[i] = max(best_seen[i], float(worth[mine].max()))
                enough = 0.9 * min(best_seen[i], self.cost[kinds[i]]) if times[i] else 0.0
                good = mine[worth[mine].max(axis=1) >= enough]
                for group in good:
                    here = local[group] >= 0
                    for pattern, number in self._repeats(found[group], worth[group], left[group]):
                        row = np.zeros(len(rest[i]))
                        row[local[group][here]] = pattern[here]
                        patterns[i].append(row)
                        times[i].append(number)
                    rest[i][local[group][here]] = left[group][here]
                if len(good) and rest[i].any():
                    more.append(i)
            going = more
        return [
            (np.array(own).reshape(-1, len(portion)), np.array(often, dtype=np.int64))
            for own, often, portion in zip(patterns, times, portions, strict=True)
        ]

    def _candidates(self, kind: Ints, local: Ints, left: Floats, batch: int) -> tuple[Floats, Floats]:
        """
        Fill nodes of a kind (G,) for each group of classes (G, L), -1 in padding, from the pods that are left (G, L).

        Returns
        -------
        For each group the better half of a batch, exchanged, (G, batch // 2, L), and what these are worth.
        """
        field, groups = self.field, len(local)
        one = groups == 1
        at = np.repeat(np.arange(groups), batch)
        bins = fills.Bins(
            room=field.room[kind[at]],
            requests=field.requests[local if one else local[at]],
            available=np.minimum(left[at], self.alone[local if one else local[at]]),
            host=self._hosts(local if one else local[at]),
        )
        found = fills.fill(bins, self.rng, greedy=True)
        worth_of = np.where(local >= 0, self.value[local], 0.0)
        worth = np.einsum("gbl,gl->gb", found.reshape(groups, batch, -1), worth_of)
        top = (np.argsort(-worth, axis=1)[:, : batch // 2] + batch * np.arange(groups)[:, None]).ravel()
        worth_of = worth_of if one else worth_of[at[top]]
        found = fills.polish(bins.take(top), found[top], worth_of, POLISH)
        worth = (found * worth_of).sum(axis=1).reshape(groups, -1)
        return found.reshape(groups, -1, local.shape[1]), worth

    def _groups(self, classes: Ints) -> Ints:
        """Classes dealt at random into groups (G, L) of at most WIDTH, padded with -1."""
        number = -(-len(classes) // WIDTH)
        if number > 1:
            classes = self.rng.permutation(classes)
        size = -(-len(classes) // number)
        table = np.full(number * size, -1)
        table[: len(classes)] = classes
        return table.reshape(size, number).T

    def _repeats(self, found: Floats, worth: Floats, left: Floats) -> Iterator[tuple[Floats, int]]:
        """Patterns near the best and how often to use them while the pods `left` (changed in place) allow."""
        order = np.argsort(-worth)
        taken = 0
        for index in order:
            if worth[index] < self.accept * worth[order[0]] or taken >= TAKEN:
                return
            pattern = found[index]
            used = pattern > 0
            most = int((left[used] // pattern[used]).min()) if used.any() else 0
            if most == 0:
                continue
            number = max(1, int(most * (REPEAT if taken == 0 else REPEAT_AGAIN)))
            left -= number * pattern
            taken += 1
            yield pattern, number

    def _hosts(self, local: Ints) -> fills.Host | None:
        """Rules between pods of one node for bins of classes `local` (B or 1, L), -1 in padding."""
        host = self.host
        present = np.zeros(len(self.value), dtype=bool)
        present[local[local >= 0]] = True
        used = host.owner[present].any(axis=0)
        if not used.any():
            return None
        return fills.Host(
            host.owner[:, used][local],
            host.member[:, used][local],
            host.owner_cap[:, used][local],
            host.member_cap[used],
        )

    # -- covering pools of pods ---------------------------------------------------------------------------

    def cover(self, pool: Floats, limits: quota.Limits | None = None) -> tuple[Ints, NDArray[np.int32], Floats]:
        """
        Cover one pool of pods (C,) by new nodes; returns kinds, rows and what could not be placed. Large pools are
        dealt into smaller ones.
        """
        dearest = self.cost[self.kinds].max(initial=1.0)
        # Where a limit leaves pods out, their values are the price of that: volumes then say how many nodes they are.
        roomiest = np.maximum(self.field.room[self.kinds].max(axis=0, initial=1.0), 1.0)
        nodes = min(
            float(pool @ self.value) / dearest, 2 * float((pool @ self.field.requests / roomiest).max(initial=0))
        )
        groups = max(1, int(nodes / COVER_NODES))
        if groups == 1:
            _, kinds, rows, left = self.cover_groups(pool[None, :], limits)
            return kinds, rows, left[0]
        pods = self.rng.permutation(np.repeat(np.arange(len(pool)), pool.astype(np.int64)))
        pools = np.zeros((groups, len(pool)))
        np.add.at(pools, (np.arange(len(pods)) % groups, pods), 1.0)
        _, kinds, rows, left = self.cover_groups(pools, limits)
        return kinds, rows, left.sum(axis=0)

    def cover_groups(
        self, pools: Floats, limits: quota.Limits | None = None
    ) -> tuple[Ints, Ints, NDArray[np.int32], Floats]:
        """
        Cover each of G pools (G, C) by new nodes, all at once; where there are limits, all together within these.

        Returns
        -------
        For each new node its pool (M,), kind (M,) and pods (M, C); and what could not be placed (G, C).
        """
        n_groups, n_classes = pools.shape
        present = pools > 0
        widest = int(present.sum(axis=1).max(initial=0))
        nobody = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, n_classes), np.int32), pools.copy())
        if widest == 0:
            return nobody
        local = np.argsort(~present, axis=1, kind="stable")[:, :widest]
        pool = np.take_along_axis(pools, local, axis=1)
        dearest = self.cost[self.kinds].max()
        group_of: list[Ints] = []
        kind_of: list[Ints] = []
        counts: list[NDArray[np.int32]] = []
        live = np.arange(n_groups)
        while len(live) and not self.over():
            few, more = self._open(limits)
            if not len(few):
                break
            tail = (pool[live] * self.value[local[live]]).sum(axis=1) < 1.5 * dearest
            kind, chosen, worth = self._best(pool[live], local[live], [more if t else few for t in tail])
            kind, chosen, live = kind[worth > 0], chosen[worth > 0], live[worth > 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                times = np.where(chosen > 0, np.floor(pool[live] / np.maximum(chosen, 1)), np.inf).min(axis=1)
            times = np.maximum(1, np.floor(times * REPEAT)).astype(np.int64)
            if limits is not None:
                for index, chosen_kind in enumerate(kind):
                    times[index] = min(int(times[index]), _most(limits, int(chosen_kind)))
                    limits = limits.less(np.full(times[index], chosen_kind))
            pool[live] -= chosen * times[:, None]
            row = np.zeros((len(live), n_classes), dtype=np.int32)
            np.put_along_axis(row, local[live], chosen.astype(np.int32), axis=1)
            group_of.append(np.repeat(live, times))
            kind_of.append(np.repeat(kind, times))
            counts.append(np.repeat(row, times, axis=0))
            live = live[pool[live].sum(axis=1) > 0]
        rest = np.zeros_like(pools)
        np.put_along_axis(rest, local, pool, axis=1)
        if not counts:
            return nobody
        return np.concatenate(group_of), np.concatenate(kind_of), np.concatenate(counts), rest

    def _best(self, pool: Floats, local: Ints, kind_sets: Sequence[Ints]) -> tuple[Ints, Floats, Floats]:
        """
        The node worth most for its price for each pool (G, L) of classes `local` (G, L), of its set of kinds: kind (G,), pods
        (G, L) and worth (G,), with a little noise on what is best.
        """
        widths = np.array([len(kinds) * SEEDS for kinds in kind_sets])
        at = np.repeat(np.arange(len(pool)), widths)
        kind = np.concatenate([np.repeat(kinds, SEEDS) for kinds in kind_sets])
        worth_of = self.value[local[at]]
        bins = fills.Bins(
            room=self.field.room[kind],
            requests=self.field.requests[local[at]],
            available=np.minimum(pool[at] * self.field.ok[local[at], kind[:, None]], self.alone[local[at]]),
            host=self._hosts(local[at]),
        )
        found = fills.polish(bins, fills.fill(bins, self.rng), worth_of, POLISH)
        worth = (found * worth_of).sum(axis=1)
        ratio = worth / self.cost[kind] * np.exp(0.01 * self.rng.standard_normal(len(kind)))
        best = np.lexsort((-ratio, at))[np.cumsum(widths) - widths]
        return kind[best], found[best], worth[best]

    def _open(self, limits: quota.Limits | None) -> tuple[Ints, Ints]:
        """The kinds and those for the tail, of which limits leave a node; all such kinds when these are exhausted."""
        if limits is None:
            return self.kinds, self.tail_kinds
        open_kinds = np.asarray((limits.per_node <= limits.room[:, None]).all(axis=0))
        few, more = self.kinds[open_kinds[self.kinds]], self.tail_kinds[open_kinds[self.tail_kinds]]
        every = np.flatnonzero(open_kinds)
        return few if len(few) else every, more if len(more) else every

    def shrink(self, kind: Ints, counts: NDArray[np.int32], limits: quota.Limits | None = None) -> None:
        """Give every node the cheapest kind that holds its pods (in place), where limits bind one that takes no more."""
        if len(kind) == 0:
            return
        field = self.field
        amount = counts @ field.requests
        fits = (amount[:, None, :] <= field.room[None, :, :]).all(axis=2)
        forbidden = (counts > 0).astype(np.float32) @ (~field.ok).astype(np.float32)
        fits &= forbidden < 0.5
        price = np.where(fits, field.cost[None, :], np.inf)
        best = price.argmin(axis=1)
        better = price[np.arange(len(kind)), best] < field.cost[kind]
        if limits is not None and (limits.used(np.where(better, best, kind)) > limits.room).any():
            takes = limits.per_node.T
            price = np.where((takes[None] <= takes[kind][:, None]).all(axis=2), price, np.inf)
            best = price.argmin(axis=1)
            better = price[np.arange(len(kind)), best] < field.cost[kind]
        kind[better] = best[better]


def counts_of(rows: NDArray[np.integer]) -> list[problems.Counts]:
    """Pairs of class and number for each row (M, C)."""
    at, used = np.nonzero(rows)
    pairs = list(zip(used.tolist(), rows[at, used].tolist(), strict=True))
    ends = np.searchsorted(at, np.arange(len(rows) + 1)).tolist()
    return [tuple(pairs[first:last]) for first, last in itertools.pairwise(ends)]


def _most(limits: quota.Limits, kind: int) -> int:
    """How many nodes of a kind limits leave."""
    takes = limits.per_node[:, kind]
    bound = takes > 0
    return int(np.floor(limits.room[bound] / takes[bound] + 1e-9).min(initial=1 << 30))


def _clipped(times: Ints, most: int) -> Ints:
    """Uses of patterns, the first ones first, `most` in all."""
    return np.diff(np.minimum(np.cumsum(times), most), prepend=0)
