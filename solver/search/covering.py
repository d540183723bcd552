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

GRID = 4096
"""Steps of worth that are told apart; worths of nodes are rounded up to them, so that bounds hold."""
STATES, PAIRS, CHUNK = 150_000, 6_000_000, 2_000
"""Most states of one layer, most pairs of a state and a pattern that are looked at for the next one, and states at a time."""
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
    What a cover chooses from: patterns (P, C) of a `kind` (P,) at its `cost` (P,), what each takes of limits (P, L) with `room`
    (L,), the bit of the OVH pools that it needs anew (P,) and what such a bit costs; one of `there`, contents (., C), on each
    existing node.
    """

    rows: Ints
    kind: Ints
    cost: Ints
    taken: Ints
    room: Ints
    bit: Ints
    charge: int
    there: Sequence[Ints]


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
class _Lists:
    """Patterns in order, where each kind of them begins, and their ascending `key`: by kind, then by worth."""

    patterns: Ints
    first: Ints
    key: Floats


class TooManyError(Exception):
    """More states than this can look at."""


def cheapest(
    choice: Choice, counts: Ints, prices: Prices, upper: float, stop: Callable[[], bool]
) -> tuple[Ints, Ints, int] | None:
    """
    The cheapest cover of `counts` (C,) at most `upper` micro-euro per hour: which of `there` on each node, patterns, cost; None
    when no cover is that cheap. Raises `TooManyError`.
    """
    return _Walk(choice, counts, prices, upper, stop).run()


class _Walk:
    """One search, layer by layer."""

    def __init__(self, choice: Choice, counts: Ints, prices: Prices, upper: float, stop: Callable[[], bool]) -> None:
        self.choice, self.counts, self.prices, self.stop = choice, counts, prices, stop
        self.upper = upper
        self.span = 2.0 * float(choice.rows.max(initial=0) * prices.worth.sum() + prices.worth @ counts) + 1.0
        self.best: tuple[Ints, int] | None = None
        self.worth = choice.rows @ prices.worth
        self.others = prices.steps.others(prices.limit)
        holders = (choice.rows > 0).sum(axis=0)
        self.order = [int(c) for c in np.argsort(holders, kind="stable") if counts[c]]
        self.lists = {c: self._of_class(c) for c in self.order}
        self.radix = np.cumprod(np.concatenate([[1], counts[:-1] + 1]))

    def run(self) -> tuple[Ints, Ints, int] | None:
        """Existing nodes first, then new ones until nothing is left."""
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
        while len(states.left):
            done = ~states.left.any(axis=1)
            for s in np.flatnonzero(done):
                if states.cost[s] <= self.upper:
                    self.best = states.path[s], int(states.cost[s])
                    self.upper = float(states.cost[s] - 1)
            states = self._next(states.take(np.flatnonzero(~done)))
        if self.best is None:
            return None
        path, cost = self.best
        nodes = len(choice.there)
        return path[:nodes], path[nodes:], cost

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
        found = [states.take(np.zeros(0, dtype=np.int64))]
        pairs = 0
        for c in np.unique(hardest).tolist():
            some = np.flatnonzero(hardest == c)
            for members in np.array_split(some, -(-len(some) // CHUNK)):
                s, p = self._pairs(self.lists[c], states.take(members))
                pairs += len(s)
                if pairs > PAIRS or self.stop():
                    raise TooManyError
                found.append(self._bought(states, members[s], p))
        made = _joined(found)
        made.path = np.concatenate([made.path, made.last[:, None]], axis=1)
        return self._distinct(made)

    def _of_class(self, c: int) -> _Lists:
        """Patterns that hold a class, kind by kind, those worth most first."""
        holding = np.flatnonzero(self.choice.rows[:, c])
        holding = holding[np.lexsort((-self.worth[holding], self.choice.kind[holding]))]
        _, first, group = np.unique(self.choice.kind[holding], return_index=True, return_inverse=True)
        return _Lists(holding, first, group * 2 * self.span - self.worth[holding])

    def _pairs(self, lists: _Lists, states: _States) -> tuple[Ints, Ints]:
        """
        States and patterns that may go together: what the pattern does not hold is worth no more than nodes for what is left of
        the `upper` cost, whole ones and by worth.
        """
        choice, prices, steps = self.choice, self.prices, self.prices.steps
        kinds = lists.patterns[lists.first]
        worth = states.left @ prices.worth
        price = choice.cost[kinds] + choice.taken[kinds] @ self.others
        left = steps.left(choice.room - states.used)[:, None] - steps.taken_parts(choice.taken[kinds])[None, :]
        ahead = self._ahead(states.cost, states.used, self.others)
        reach = steps.reach(ahead[:, None] - price[None, :], left)
        needed = np.where(reach < 0, np.inf, worth[:, None] - reach)
        ahead = self._ahead(states.cost, states.used, prices.limit)
        price = choice.cost[kinds] + choice.taken[kinds] @ prices.limit
        needed = np.maximum(needed, worth[:, None] + price[None, :] - ahead[:, None]) - FUZZ
        key = np.arange(len(kinds)) * 2 * self.span - np.clip(needed, -self.span / 2, 1.2 * self.span)
        number = (np.searchsorted(lists.key, key, side="right") - lists.first).ravel()
        s = np.repeat(np.repeat(np.arange(len(worth)), len(kinds)), number)
        within = np.arange(len(s)) - np.repeat(np.cumsum(number) - number, number)
        return s, lists.patterns[np.repeat(np.tile(lists.first, len(worth)), number) + within]

    def _bought(self, states: _States, s: Ints, p: Ints) -> _States:
        """States `s` with a node of pattern `p` more, those that may still end below the `upper` cost."""
        choice = self.choice
        used = states.used[s] + choice.taken[p]
        within = (used <= choice.room).all(axis=1)
        s, p, used = s[within], p[within], used[within]
        rest = np.maximum(states.left[s] - choice.rows[p], 0)
        cost = states.cost[s] + choice.cost[p] + ((choice.bit[p] & ~states.bits[s]) != 0) * choice.charge
        made = _States(rest, cost, used, states.bits[s] | choice.bit[p], states.path[s], p)
        return self._distinct(self._hopeful(made, 0.0))

    def _ahead(self, cost: Ints, used: Ints, limit: Floats) -> Floats:
        """How far the `upper` cost is from what was paid, and from limits at these prices."""
        return np.asarray(self.upper - cost + (self.choice.room - used) @ limit)

    def _hopeful(self, states: _States, later: float) -> _States:
        """States that may end below the `upper` cost, by worths and by whole nodes."""
        worth = np.maximum(states.left @ self.prices.worth - later, 0.0)
        steps = self.prices.steps
        whole = steps.of(worth, steps.left(self.choice.room - states.used))
        hopeful = self._ahead(states.cost, states.used, self.prices.limit) - worth >= -FUZZ
        hopeful &= self._ahead(states.cost, states.used, self.others) - whole >= -FUZZ
        return states.take(np.flatnonzero(hopeful))

    def _distinct(self, states: _States) -> _States:
        """The cheapest of equal states."""
        code = states.left @ self.radix
        order = np.lexsort((states.cost, *states.used.T, states.bits, code))
        made = states.take(order)
        code = code[order]
        same = (code[1:] == code[:-1]) & (made.bits[1:] == made.bits[:-1])
        same &= (made.used[1:] == made.used[:-1]).all(axis=1)
        made = made.take(np.flatnonzero(np.concatenate([np.ones(min(1, len(code)), dtype=np.bool_), ~same])))
        if len(made.left) > STATES:
            raise TooManyError
        return made


def _joined(parts: Sequence[_States]) -> _States:
    fields = dataclasses.fields(_States)
    return _States(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields))
