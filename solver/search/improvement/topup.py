"""
Topping up: many nodes are a little short of full; together that may be a node. Some nodes are emptied into a pool, the
others exchange pods with it for more valuable ones until they are full, and what the pool is left with needs less room.

An exchange takes up to two pods out of a node and puts up to two from the pool in. All nodes look for their best
exchange at once, and they are carried out in the order of what they gain, as far as the pool still holds the pods.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver.search.packing import pack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]

ROUNDS = 12
SINGLES_CHUNK, PAIRS_CHUNK = 512, 16
"""Nodes that look for exchanges of single pods, and of pairs, at once."""
PAIRS_IN, PAIRS_OUT = 256, 48
"""Pairs looked at, at random."""
FULL, LEAST = 1e-4, 1e-5
"""A node is full when its pods are worth all but this part of its cost; and what an exchange must gain of that."""


def top_up(packer: pack.Packer, kind: Ints, counts: Rows, pool: Ints, stop: Callable[[], bool]) -> tuple[Rows, Ints]:
    """
    Exchange pods between nodes and a pool.

    Parameters
    ----------
    packer: the field and what a pod is worth.
    kind: (M,) kinds of the nodes.
    counts: (M, C) their pods.
    pool: (C,) pods that wait.
    stop: is asked between rounds.

    Returns
    -------
    Pods of the nodes and of the pool afterwards, the same in sum; no node is worth less.
    """
    state = _State(packer, kind, counts.astype(np.int64), pool.copy())
    for pairs, chunk in ((False, SINGLES_CHUNK), (True, PAIRS_CHUNK)):
        wasteful = state.wasteful()
        for first in range(0, len(wasteful), chunk):
            for _ in range(ROUNDS):
                if stop() or not state.round(wasteful[first : first + chunk], pairs=pairs):
                    break
    return state.counts.astype(np.int32), state.pool


class _State:
    """Nodes and the pool while they exchange pods."""

    def __init__(self, packer: pack.Packer, kind: Ints, counts: Ints, pool: Ints) -> None:
        field = packer.field
        # One class more, of nothing: it stands for no pod.
        self.requests = np.append(field.requests, np.zeros((1, field.requests.shape[1])), axis=0)
        self.worth = np.append(packer.value, 0.0)
        self.ok = np.append(field.ok, np.ones((1, field.ok.shape[1]), dtype=bool), axis=0)
        self.rng = packer.rng
        self.kind = kind
        self.counts = counts
        self.pool = pool
        self.free = field.room[kind] - counts @ field.requests
        self.cost = packer.cost[kind]
        touched = (field.host.owner | field.host.member).any(axis=1)
        self.quiet = ~touched

    def wasteful(self) -> Ints:
        """Nodes that are not full, the emptiest first."""
        waste = self.cost - self.counts @ self.worth[:-1]
        order = np.argsort(-waste)
        return np.asarray(order[waste[order] > FULL * self.cost[order]])

    def round(self, nodes: Ints, *, pairs: bool) -> bool:
        """One exchange per node at most; whether there was any."""
        into = self._into(pairs)
        if not len(nodes) or not len(into):
            return False
        out = self._out(nodes, pairs)
        asked, given = self.requests[into].sum(axis=1), self.requests[out].sum(axis=2)
        # Millions of entries: what they are worth need not be exact, and multiplying by a mask is cheaper than choosing by it.
        gain = (
            self.worth[into].sum(axis=1, dtype=np.float32)[None, None, :]
            - self.worth[out].sum(axis=2, dtype=np.float32)[:, :, None]
        )
        allowed: Mask = np.asarray(self.ok[into].all(axis=1))[:, self.kind[nodes]].T
        if not allowed.all():
            gain *= allowed[:, None, :]
        room = self.free[nodes][:, None, :] + given
        for r in np.flatnonzero(asked.max(axis=0) > room.min(axis=(0, 1))):
            gain *= asked[None, None, :, r] <= room[:, :, None, r]
        gain = gain.reshape(len(nodes), -1)
        best = gain.argmax(axis=1)
        top = gain[np.arange(len(nodes)), best]
        moved = False
        for index in np.argsort(-top):
            if top[index] <= LEAST * self.cost[nodes[index]]:
                continue
            pods = [int(c) for c in into[best[index] % len(into)] if c < len(self.pool)]
            back = [int(c) for c in out[index, best[index] // len(into)] if c < len(self.pool)]
            if any(self.pool[c] < pods.count(c) for c in pods):
                continue
            node = nodes[index]
            for c in pods:
                self.pool[c] -= 1
                self.counts[node, c] += 1
                self.free[node] -= self.requests[c]
            for c in back:
                self.pool[c] += 1
                self.counts[node, c] -= 1
                self.free[node] += self.requests[c]
            moved = True
        return moved

    def _into(self, pairs: bool) -> Ints:
        """What may be put in (X, 2): single classes of the pool, and pairs; the number of classes stands for none."""
        none = len(self.pool)
        there = np.flatnonzero((self.pool > 0) & self.quiet)
        single = np.stack([there, np.full(len(there), none)], axis=1)
        if not pairs or not len(there):
            return single
        pods = np.repeat(there, np.minimum(self.pool[there], 2))
        drawn = np.sort(pods[self.rng.integers(0, len(pods), (PAIRS_IN, 2))], axis=1)
        drawn = drawn[(drawn[:, 0] != drawn[:, 1]) | (self.pool[drawn[:, 0]] > 1)]
        return np.concatenate([single, np.unique(drawn, axis=0)])

    def _out(self, nodes: Ints, pairs: bool) -> Ints:
        """What may be taken out of each node (N, Y, 2): nothing, single classes, and pairs."""
        none = len(self.pool)
        inside = (self.counts[nodes] > 0) & self.quiet
        width = max(1, int(inside.sum(axis=1).max()))
        order = np.argsort(~inside, axis=1, kind="stable")[:, :width]
        single = np.where(np.take_along_axis(inside, order, axis=1), order, none)
        single = np.concatenate([np.full((len(nodes), 1), none), single], axis=1)
        both = np.stack([single, np.full_like(single, none)], axis=2)
        if not pairs:
            return both
        drawn = self.rng.integers(1, width + 1, (PAIRS_OUT, 2))
        drawn = drawn[drawn[:, 0] != drawn[:, 1]]
        return np.concatenate([both, single[:, drawn]], axis=1)
