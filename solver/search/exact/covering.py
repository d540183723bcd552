"""
The cheapest cover by full patterns, node by node, for plans of few nodes.

Few nodes make covers easy to walk through and linear programs weak: their prices come in steps, so what must be covered costs
at least as much as the cheapest set of whole nodes that is worth it (`Steps`). A state is what is left to be covered, with what
limits and OVH pools have been used; equal states are one. Each state goes on with the patterns that hold its hardest class, and
ends where its cost and the steps of what is left are above the `upper` cost asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

GRID = 4096
"""Steps of worth that are told apart; worths of nodes are rounded up to them, so that bounds hold."""
STATES, BEAM, PAIRS, WORK, CHUNK = 150_000, 200, 6_000_000, 1_000_000_000, 1_000
"""
Most states of one layer, of one that only looks for a cover, most pairs of a state and a content of an existing node, most pairs
of a state and a pattern in all, and states at a time.
"""
PARTS = 96
"""Most parts of a limit that are told apart."""
BLOCK = 64
"""Most steps of worth that are found at once."""
FUZZ = 0.01
"""Micro-euro by which sums of worths may be off."""


class Steps:
    """
    The least price of whole nodes that together have at least some worth and keep within what is left of one limit, the
    `tight` one: kinds (K,) of a `price`, at most a `worth`, that take so much of it (`taken`, of `room`; None: no limit).
    """

    def __init__(
        self,
        price: Floats,
        worth: Floats,
        total: float,
        tight: int | None = None,
        taken: Ints | None = None,
        room: int = 0,
    ) -> None:
        self.tight = tight
        self.grid = GRID if tight is None else GRID // 2
        self.unit = max(total, 1.0) / self.grid
        units = np.maximum(np.ceil(worth / self.unit - 1e-9).astype(np.int64), 0)
        some = units > 0
        prices, units = price[some], units[some]
        # Whole numbers of parts of the limit: what nodes take is rounded down, and so may be what there is.
        taken = np.zeros(len(price), dtype=np.int64) if taken is None else taken
        self.part = max(int(np.gcd.reduce(taken)), -(-room // PARTS), 1)
        self.taken = taken // self.part
        self.parts = room // self.part
        of = np.arange(self.parts + 1)[None, :] - self.taken[some][:, None]
        over, of = of < 0, np.maximum(of, 0)
        added = np.where(over, np.inf, prices[:, None])
        self.least = np.zeros((self.grid + 2, self.parts + 1))
        # No step looks at others less than the smallest node's worth below it, so that many are found at once.
        width = int(units.min(initial=BLOCK))
        for first in range(1, self.grid + 2, width):
            need = np.arange(first, min(first + width, self.grid + 2))
            before = self.least[np.maximum(need[:, None] - units, 0)[:, :, None], of]
            self.least[need] = (added + before).min(axis=1, initial=np.inf)
        # One ascending row of all prices, those for more parts after those for less.
        self._high = float(self.least[np.isfinite(self.least)].max()) + 1.0
        above = np.where(np.isfinite(self.least), self.least, 1.5 * self._high)
        self._flat = (above + 2 * self._high * np.arange(self.parts + 1)).T.ravel()

    def left(self, room: Ints) -> Ints:
        """Parts that are left of the room of all limits (S, L)."""
        if self.tight is None:
            return np.zeros(len(room), dtype=np.int64)
        return np.asarray(np.clip(room[:, self.tight] // self.part, 0, self.parts))

    def taken_parts(self, taken: Ints) -> Ints:
        """Parts that nodes take for sure of what they take of all limits (K, L)."""
        return np.zeros(len(taken), dtype=np.int64) if self.tight is None else taken[:, self.tight] // self.part

    def others(self, limit: Floats) -> Floats:
        """Prices (L,) of limits without the tight one, which is not paid for here but kept."""
        return np.where(np.arange(len(limit)) == self.tight, 0.0, limit)

    def of(self, worth: Floats, left: Ints) -> Floats:
        """The least price of these worths (S,) with these parts of the limit left (S,)."""
        # Units are whole, so the need may be rounded up to the next one.
        need = np.clip(np.ceil((worth - FUZZ) / self.unit - 1e-9).astype(np.int64), 0, self.grid + 1)
        return np.asarray(self.least[need, left])

    def reach(self, price: Floats, left: Ints) -> Floats:
        """The most worth that nodes of these prices together have with these parts left; below 0 where one is negative."""
        at = np.searchsorted(self._flat, np.minimum(price + FUZZ, self._high) + left * 2 * self._high, side="right")
        found = (at - 1 - np.maximum(left, 0) * (self.grid + 2)) * self.unit
        return np.asarray(np.where((price < 0) | (left < 0), -1.0, found))


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """
    What a cover chooses from: patterns (P, C) of a `kind` (P,); one of `there`, contents (., C), on each existing node. Of
    kinds the `price` (K,), what they take (K, L) of limits with `room` (L,), the bit of the OVH pools that they need anew (K,)
    and what such a bit costs; they have `space` (K, R) and are `ok` (C, K) for pods of some `size` (C, R).
    """

    rows: Ints
    kind: Ints
    there: Sequence[Ints]
    price: Ints
    needs: Ints
    room: Ints
    bit: Ints
    charge: int
    size: Floats
    space: Floats
    ok: Mask

    def harder(self) -> list[tuple[int, int]]:
        """Classes and others that are harder to place: as large, on no kinds but theirs, and not the other way round."""
        larger = (self.size[None, :] >= self.size[:, None]).all(axis=2)
        larger &= (self.ok[None, :] <= self.ok[:, None]).all(axis=2)
        return [(int(x), int(y)) for x, y in np.argwhere(larger & ~larger.T)]


@dataclasses.dataclass(frozen=True, slots=True)
class Prices:
    """Worths (C,) of pods and prices (L,) of one unit of each limit; no pattern is worth more than cost and limits."""

    worth: Floats
    limit: Floats
    steps: Steps


@dataclasses.dataclass(slots=True)
class _States:
    """S states: `left` (S, C), `cost`, `used` (S, L), `bits`; `path` are contents chosen before, `last` the pattern
    chosen now.
    """

    left: Ints
    cost: Ints
    used: Ints
    bits: Ints
    path: Ints
    last: Ints

    def take(self, index: Ints) -> _States:
        return _States(*(getattr(self, field.name)[index] for field in dataclasses.fields(_States)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Holding:
    """
    Patterns (H,) that hold a class, their `kinds` (G,) and each one's number in these (H,), their worth (H,), what it is worth
    that they hold the first, second, ... pod of each class (H, T), and the classes for which they would better hold an easier
    one, a bit each (H,).
    """

    patterns: Ints
    kinds: Ints
    group: Ints
    worth: Floats
    levels: NDArray[np.float32]
    harder: Ints


class TooManyError(Exception):
    """More states than this can look at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cover:
    """Which of `there` is on each existing node, the patterns chosen, and the cost."""

    there: Ints
    chosen: Ints
    cost: int


def cheapest(
    choice: Choice, counts: Ints, prices: Prices, upper: float, stop: Callable[[], bool]
) -> tuple[Cover | None, int]:
    """
    The cheapest cover of `counts` (C,) at most `upper` micro-euro per hour, None when no cover is that cheap; and how many states
    were looked at. Raises `TooManyError`.
    """
    walk = _Walk(choice, counts, prices, upper, stop)
    return walk.run(), walk.states


class _Walk:
    """One search, layer by layer."""

    def __init__(self, choice: Choice, counts: Ints, prices: Prices, upper: float, stop: Callable[[], bool]) -> None:
        self.choice, self.counts, self.prices, self.stop = choice, counts, prices, stop
        self.upper = upper
        self.slack = 1.0 + 1e-6 * float(prices.worth @ counts)
        self.work = self.states = 0
        self.best: tuple[Ints, int] | None = None
        self.worth = choice.rows @ prices.worth
        self.others = prices.steps.others(prices.limit)
        holders = (choice.rows > 0).sum(axis=0)
        self.order = [int(c) for c in np.argsort(holders, kind="stable") if counts[c]]
        # The n-th pod of class c, for all n and c.
        self.nth = np.concatenate([np.arange(1, counts[c] + 1) for c in self.order])
        self.of_class = np.repeat(self.order, counts[self.order])
        self.harder = [(x, y) for x, y in choice.harder() if counts[x] and counts[y]]
        self.holding = {c: self._holding(c) for c in self.order}
        self.radix = np.cumprod(np.concatenate([[1], counts[:-1] + 1]))

    def run(self) -> Cover | None:
        """
        Existing nodes first, then new ones until nothing is left: once with the most promising states alone, which mostly finds a
        cover, and then with all that may end in a cheaper one.
        """
        choice = self.choice
        zero = np.zeros(1, dtype=np.int64)
        states = _States(
            self.counts[None, :].copy(),
            zero,
            np.zeros((1, len(choice.room)), dtype=np.int64),
            zero,
            zero[:, None][:, :0],
            zero,
        )
        best = [float((each @ self.prices.worth).max(initial=0.0)) for each in choice.there]
        for node, rows in enumerate(choice.there):
            contents = np.concatenate([np.zeros((1, len(self.counts)), dtype=np.int64), rows])
            states = self._put(states, contents, sum(best[node + 1 :]))
        if not self._finish(states, BEAM):
            self._finish(states, STATES)
        if self.best is None:
            return None
        path, cost = self.best
        nodes = len(choice.there)
        return Cover(path[:nodes], path[nodes:], cost)

    def _finish(self, states: _States, most: int) -> bool:
        """New nodes for the `most` promising states of each layer; says whether these were all."""
        everything = True
        while len(states.left):
            self.states += len(states.left)
            done = ~states.left.any(axis=1)
            for s in np.flatnonzero(done):
                if states.cost[s] <= self.upper:
                    self.best = states.path[s], int(states.cost[s])
                    self.upper = float(states.cost[s] - 1)
            states = states.take(np.flatnonzero(~done))
            if len(states.left) > STATES:
                raise TooManyError
            if len(states.left) > most:
                everything = False
                states = states.take(np.argsort(-self._spare(states), kind="stable")[:most])
            states = self._next(states)
        return everything

    def _put(self, states: _States, contents: Ints, later: float) -> _States:
        """One content on an existing node; nodes that come `later` take worth of at most this."""
        pairs = len(states.left) * len(contents)
        if pairs > PAIRS or self.stop():
            raise TooManyError
        s, p = (
            np.repeat(np.arange(len(states.left)), len(contents)),
            np.tile(np.arange(len(contents)), len(states.left)),
        )
        made = states.take(s)
        made.left = np.maximum(made.left - contents[p], 0)
        made.path = np.concatenate([made.path, p[:, None]], axis=1)
        return self._distinct(self._hopeful(made, later))

    def _next(self, states: _States) -> _States:
        """All states with one node more."""
        if not len(states.left):
            return states
        there = states.left[:, self.order] > 0
        hardest = np.array(self.order)[there.argmax(axis=1)]
        found = []
        worth = states.left @ self.prices.worth
        order = np.lexsort((worth + states.cost, hardest))
        cuts = np.flatnonzero(np.diff(hardest[order])) + 1
        for some in np.split(order, cuts):
            c = int(hardest[some[0]])
            for members in np.array_split(some, -(-len(some) // CHUNK)):
                s, h = self._pairs(self.holding[c], states.take(members))
                found.append(self._bought(states, members[s], self.holding[c], h))
        made = self._distinct(_joined(found))
        made = made.take(self._filled(states.left[made.path] - made.left, made, hardest[made.path]))
        made.path = np.concatenate([states.path[made.path], made.last[:, None]], axis=1)
        return made

    def _holding(self, c: int) -> _Holding:
        patterns = np.flatnonzero(self.choice.rows[:, c])
        kinds, group = np.unique(self.choice.kind[patterns], return_inverse=True)
        levels = (self.choice.rows[patterns][:, self.of_class] >= self.nth) * self.prices.worth[self.of_class]
        rows, kind = self.choice.rows[patterns], self.choice.kind[patterns]
        room = self.choice.space[kind] - rows @ self.choice.size
        harder = np.zeros(len(patterns), dtype=np.int64)
        for x, y in self.harder:
            harder |= self._changes(x, y, rows, kind, room, c) * (1 << y)
        return _Holding(patterns, kinds, group, self.worth[patterns], levels.astype(np.float32), harder)

    def _changes(self, x: int, y: int, pods: Ints, kind: Ints, room: Floats, hardest: Ints | int) -> Mask:
        """On which nodes with these pods (S, C) and so much room left a pod of class x could give its place to one of y."""
        choice = self.choice
        takes = choice.ok[y, kind] & (choice.size[y] - choice.size[x] <= room).all(axis=1)
        return np.asarray(takes & (pods[:, x] > (x == hardest)))

    def _pairs(self, holding: _Holding, states: _States) -> tuple[Ints, Ints]:
        """
        States and patterns that may go together: what the pattern leaves is worth no more than nodes for what is left of the
        `upper` cost, whole ones and by worth. What it takes is worth a sum over pods: a product of matrices, in single
        precision with some slack.
        """
        needed = self._needed(holding.kinds, states) - self.slack
        some = np.flatnonzero(holding.worth >= needed.min(axis=0)[holding.group])
        self.work += len(needed) * len(some)
        if self.work > WORK or self.stop():
            raise TooManyError
        there = (states.left[:, self.of_class] >= self.nth).astype(np.float32)
        taken = there @ holding.levels[some].T
        s, p = np.nonzero(taken >= needed.astype(np.float32)[:, holding.group[some]])
        return s, some[p]

    def _needed(self, kinds: Ints, states: _States) -> Floats:
        """What a node of some kinds (G,) must be worth in states (S, G)."""
        choice, prices, steps = self.choice, self.prices, self.prices.steps
        worth = states.left @ prices.worth
        price = choice.price[kinds] + choice.needs[kinds] @ self.others
        left = steps.left(choice.room - states.used)[:, None] - steps.taken_parts(choice.needs[kinds])[None, :]
        ahead = self._ahead(states.cost, states.used, self.others)
        reach = steps.reach(ahead[:, None] - price[None, :], left)
        needed = np.where(reach < 0, np.inf, worth[:, None] - reach)
        ahead = self._ahead(states.cost, states.used, prices.limit)
        price = choice.price[kinds] + choice.needs[kinds] @ prices.limit
        return np.asarray(np.maximum(needed, worth[:, None] + price[None, :] - ahead[:, None]))

    def _bought(self, states: _States, s: Ints, holding: _Holding, h: Ints) -> _States:
        """
        States `s` with a node of pattern `h` more, those that may still end below the `upper` cost.

        Of the cheapest covers one has only nodes that take no further pod of those that are left, and no harder one for one
        that is there: a pod that changes places with a harder one fits wherever that was. So other nodes need not be looked
        at, but that a node keeps one pod of the class that it was chosen for.
        """
        choice, p = self.choice, holding.patterns[h]
        kind = choice.kind[p]
        used = states.used[s] + choice.needs[kind]
        rest = states.left[s] - choice.rows[p]
        whole = (rest >= 0).all(axis=1)
        rest = np.maximum(rest, 0)
        better = holding.harder[h] & ((rest > 0) @ (1 << np.arange(rest.shape[1])))
        good = np.flatnonzero((used <= choice.room).all(axis=1) & ~(whole & (better > 0)))
        s, p, kind, used, rest = (each[good] for each in (s, p, kind, used, rest))
        cost = states.cost[s] + choice.price[kind] + ((choice.bit[kind] & ~states.bits[s]) != 0) * choice.charge
        made = self._distinct(_States(rest, cost, used, states.bits[s] | choice.bit[kind], s, p))
        return self._hopeful(made, 0.0)

    def _filled(self, pods: Ints, states: _States, hardest: Ints) -> Ints:
        """States whose last node has these pods (S, C) and takes none of the rest, and no harder one in exchange."""
        choice = self.choice
        rest, kind = states.left, choice.kind[states.last]
        room = choice.space[kind] - pods @ choice.size
        takes = np.zeros(len(kind), dtype=np.bool_)
        for y in self.order:
            takes |= (rest[:, y] > 0) & choice.ok[y, kind] & (choice.size[y] <= room).all(axis=1)
        for x, y in self.harder:
            there = np.flatnonzero((rest[:, y] > 0) & ~takes)
            takes[there] = self._changes(x, y, pods[there], kind[there], room[there], hardest[there])
        return np.flatnonzero(~takes)

    def _ahead(self, cost: Ints, used: Ints, limit: Floats) -> Floats:
        """How far the `upper` cost is from what was paid, and from limits at these prices."""
        return np.asarray(self.upper - cost + (self.choice.room - used) @ limit)

    def _hopeful(self, states: _States, later: float) -> _States:
        """States that may end below the `upper` cost where nodes that come `later` take worth of at most this."""
        return states.take(np.flatnonzero(self._spare(states, later) >= -FUZZ))

    def _spare(self, states: _States, later: float = 0.0) -> Floats:
        """How far the `upper` cost is from what these states cost in the end at least, by worths and by whole nodes."""
        worth = np.maximum(states.left @ self.prices.worth - later, 0.0)
        steps = self.prices.steps
        whole = steps.of(worth, steps.left(self.choice.room - states.used))
        by_worth = self._ahead(states.cost, states.used, self.prices.limit) - worth
        return np.minimum(by_worth, self._ahead(states.cost, states.used, self.others) - whole)

    def _distinct(self, states: _States) -> _States:
        """The cheapest of equal states."""
        code = states.left @ self.radix
        order = np.lexsort((states.cost, *states.used.T, states.bits, code))
        made = states.take(order)
        code = code[order]
        same = (code[1:] == code[:-1]) & (made.bits[1:] == made.bits[:-1])
        same &= (made.used[1:] == made.used[:-1]).all(axis=1)
        return made.take(np.flatnonzero(np.concatenate([np.ones(min(1, len(code)), dtype=np.bool_), ~same])))


def _joined(parts: Sequence[_States]) -> _States:
    fields = dataclasses.fields(_States)
    return _States(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields))
