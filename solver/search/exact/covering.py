"""
The cheapest cover by full patterns, node by node, for plans of few nodes.

Few nodes make covers easy to walk through and linear programs weak: their prices come in steps, so what must be covered costs
at least as much as the cheapest set of whole nodes that is worth it (`steps`). A state is what is left to be covered, with what
limits and OVH pools have been used and what was given up; equal states are one. Each state goes on with the patterns that hold
its hardest class, and ends where its cost and the steps of what is left are above the `upper` cost asked for.

Nodes come tier by tier (`concession`), and in a tier by the hardest class that they take, so a state also has a `place` in this
order. Pods of a class may be left for later tiers, or left out: then no later node of the tier takes any of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from solver.search.exact import concession, steps, volumes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

STATES, BEAM, PAIRS, WORK, CHUNK = 150_000, 200, 6_000_000, 1_000_000_000, 1_000
"""
Most states of one layer, of one that only looks for a cover, most pairs of a state and a content of an existing node, most pairs
of a state and a pattern in all, and states at a time.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """
    What a cover chooses from: patterns (P, C) of a `kind` (P,); one of `there`, contents (., C), on each existing node. Of
    kinds the `price` (K,), what they take (K, L) of limits with `room` (L,), the bit of the OVH pools that they need anew (K,)
    and what such a bit costs; they have `space` (K, R) and are `ok` (C, K) for pods of some `size` (C, R). What pods give up
    where is `given`.
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
    given: concession.Concessions

    def harder(self) -> list[tuple[int, int]]:
        """Classes and others that are harder to place: as large, on no kinds but theirs, and not the other way round."""
        larger = (self.size[None, :] >= self.size[:, None]).all(axis=2)
        larger &= (self.ok[None, :] <= self.ok[:, None]).all(axis=2)
        return [(int(x), int(y)) for x, y in np.argwhere(larger & ~larger.T)]


@dataclasses.dataclass(slots=True)
class _States:
    """
    S states: `left` (S, C), `cost`, `used` (S, L), what was `given` up (S, G), `bits` of OVH pools, `place` in the order of
    nodes; `path` are contents chosen before, `last` the pattern chosen now.
    """

    left: Ints
    cost: Ints
    used: Ints
    given: Ints
    bits: Ints
    place: Ints
    path: Ints
    last: Ints

    def take(self, index: Ints) -> _States:
        return _States(*(getattr(self, field.name)[index] for field in dataclasses.fields(_States)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Holding:
    """
    Patterns (H,) of a tier that hold a class, their `kinds` (G,) and each one's number in these (H,), their worth (H,), what it
    is worth that they hold the first, second, ... pod of each class (H, T), and by a bit for each class (H,) those which they
    would better hold instead of an easier one, and those `before` this one in the order that they hold.
    """

    patterns: Ints
    kinds: Ints
    group: Ints
    worth: Floats
    levels: NDArray[np.float32]
    harder: Ints
    before: Ints


class TooManyError(Exception):
    """More states than this can look at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cover:
    """Which of `there` is on each existing node, the patterns chosen, and the cost."""

    there: Ints
    chosen: Ints
    cost: int


def cheapest(
    choice: Choice, counts: Ints, point: volumes.Point, table: steps.Steps, upper: float, stop: Callable[[], bool]
) -> tuple[Cover | None, int]:
    """
    The cheapest cover of `counts` (C,) at most `upper` micro-euro per hour, None when no cover is that cheap; and how many states
    were looked at. Raises `TooManyError`.
    """
    walk = _Walk(choice, counts, point, table, upper, stop)
    return walk.run(), walk.states


class _Walk:
    """One search, layer by layer."""

    def __init__(
        self,
        choice: Choice,
        counts: Ints,
        point: volumes.Point,
        table: steps.Steps,
        upper: float,
        stop: Callable[[], bool],
    ) -> None:
        self.choice, self.counts, self.point, self.steps, self.stop = choice, counts, point, table, stop
        self.upper = upper
        self.slack = 1.0 + 1e-6 * float(point.worth @ counts)
        self.work = self.states = 0
        self.best: tuple[Ints, int] | None = None
        given = choice.given
        self.net = point.net(given.new)
        self.worth = (choice.rows * self.net[choice.kind]).sum(axis=1)
        self.others = table.others(point.limit)
        self.bit = 1 << np.arange(len(counts))
        self.settles = ~given.loose(choice.ok)
        tier = given.tier[choice.kind]
        self.order: list[tuple[int, int]] = []
        for each in np.unique(tier).tolist():
            holders = (choice.rows[tier == each] > 0).sum(axis=0)
            self.order += [(each, int(c)) for c in np.argsort(holders, kind="stable") if counts[c] and holders[c]]
        # The place after which no node takes a class; those that may be left out can wait for ever.
        self.latest = np.full(len(counts), -1)
        for place, (_, c) in enumerate(self.order):
            self.latest[c] = place
        self.latest[given.may] = len(self.order)
        self.classes = [int(c) for c in np.flatnonzero(counts)]
        # The n-th pod of class c, for all n and c.
        self.nth = np.concatenate([np.arange(1, counts[c] + 1) for c in self.classes])
        self.of_class = np.repeat(self.classes, counts[self.classes])
        self.harder = [(x, y, given.swaps(choice.ok, x, y)) for x, y in choice.harder() if counts[x] and counts[y]]
        self.holding = [self._holding(*each) for each in self.order]
        self.spared = np.stack([self._spared(place) for place in range(len(self.order) + 1)])
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
            np.zeros((1, choice.given.size), dtype=np.int64),
            zero,
            zero,
            zero[:, None][:, :0],
            zero,
        )
        net = self.point.net(choice.given.there)
        best = [float((each @ net[node]).max(initial=0.0)) for node, each in enumerate(choice.there)]
        for node, rows in enumerate(choice.there):
            contents = np.concatenate([np.zeros((1, len(self.counts)), dtype=np.int64), rows])
            states = self._put(states, contents, choice.given.there[node], sum(best[node + 1 :]))
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
            done = self._ended(states)
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

    def _ended(self, states: _States) -> Mask:
        """States in which nothing is left, or nothing but pods that may be left out."""
        given = self.choice.given
        if not given.may.any():
            return np.asarray(~states.left.any(axis=1))
        left_out = (states.given + states.left @ given.out <= given.room).all(axis=1)
        return np.asarray(left_out & ~states.left[:, ~given.may].any(axis=1))

    def _put(self, states: _States, contents: Ints, gives: Ints, later: float) -> _States:
        """
        One content on an existing node, where a pod gives up this much (C, G); nodes that come `later` take worth of at most
        this.
        """
        pairs = len(states.left) * len(contents)
        if pairs > PAIRS or self.stop():
            raise TooManyError
        s, p = (
            np.repeat(np.arange(len(states.left)), len(contents)),
            np.tile(np.arange(len(contents)), len(states.left)),
        )
        made = states.take(s)
        left = np.maximum(made.left - contents[p], 0)
        made.given = made.given + np.einsum("sc,cg->sg", made.left - left, gives)
        made.left = left
        made.path = np.concatenate([made.path, p[:, None]], axis=1)
        return self._distinct(self._hopeful(made, later))

    def _next(self, states: _States) -> _States:
        """All states with one node more."""
        if not len(states.left):
            return states
        found = []
        merit = self._open(states) + states.cost
        there = states.left > 0
        until = np.where(there, self.latest, len(self.order)).min(axis=1)
        for place, (_, c) in enumerate(self.order):
            some = np.flatnonzero(there[:, c] & (states.place <= place) & (place <= until))
            some = some[self._affordable(states.take(some), place)]
            some = some[np.argsort(merit[some], kind="stable")]
            for members in np.array_split(some, -(-len(some) // CHUNK)) if len(some) else []:
                s, h = self._pairs(place, states.take(members))
                found.append(self._bought(states, members[s], place, h))
        if not found:
            return states.take(np.zeros(0, dtype=np.int64))
        made = self._distinct(_joined(found))
        chosen_for = np.array([c for _, c in self.order])[made.place]
        made = made.take(self._filled(states.left[made.path] - made.left, made, chosen_for))
        made.path = np.concatenate([states.path[made.path], made.last[:, None]], axis=1)
        return made

    def _open(self, states: _States) -> Floats:
        """What nodes for what is left must be worth, where all that may still be given up is."""
        left = self.choice.given.room - states.given
        return np.asarray(states.left @ self.point.worth - left @ self.point.given)

    def _spared(self, place: int) -> Ints:
        """
        What pods (C, G) give up at the least on nodes from a place on, where those of classes before it are for later tiers.
        """
        given, order = self.choice.given, self.order
        result = np.where(given.may[:, None], given.out, concession.LARGEST >> 20)
        tier = order[place][0] if place < len(order) else concession.LARGEST
        done = np.zeros(len(self.counts), dtype=np.bool_)
        done[[c for t, c in order[:place] if t == tier]] = True
        for k in np.flatnonzero(given.tier >= tier):
            open_there = self.choice.ok[:, k] & ~(done & (given.tier[k] == tier))
            result = np.where(open_there[:, None], np.minimum(result, given.new[k]), result)
        return np.asarray(result)

    def _affordable(self, states: _States, place: Ints | int) -> Mask:
        """States in which what is left can go to nodes from a place on without giving up more than there may be."""
        given = self.choice.given
        if not given.size:
            return np.ones(len(states.cost), dtype=np.bool_)
        least = np.zeros_like(states.given)
        spared = self.spared[place]
        for number in range(given.size):
            least[:, number] = (states.left * spared[..., number]).sum(axis=1)
        return np.asarray((states.given + least <= given.room).all(axis=1))

    def _holding(self, tier: int, c: int) -> _Holding:
        choice = self.choice
        patterns = np.flatnonzero((choice.rows[:, c] > 0) & (choice.given.tier[choice.kind] == tier))
        kinds, group = np.unique(choice.kind[patterns], return_inverse=True)
        rows, kind = choice.rows[patterns], choice.kind[patterns]
        levels = (rows[:, self.of_class] >= self.nth) * self.net[kind][:, self.of_class]
        room = choice.space[kind] - rows @ choice.size
        harder = np.zeros(len(patterns), dtype=np.int64)
        for x, y, allowed in self.harder:
            harder |= self._changes(x, y, allowed, rows, kind, room, c) * self.bit[y]
        before = [each for t, each in self.order[: self.order.index((tier, c))] if t == tier]
        held = (rows[:, before] > 0) @ self.bit[before]
        return _Holding(patterns, kinds, group, self.worth[patterns], levels.astype(np.float32), harder, held)

    def _changes(
        self, x: int, y: int, allowed: Mask, pods: Ints, kind: Ints, room: Floats, hardest: Ints | int
    ) -> Mask:
        """
        On which nodes, of kinds on which that is `allowed` (K,), with these pods (S, C) and so much room left a pod of class x
        could give its place to one of y.
        """
        choice = self.choice
        takes = allowed[kind] & choice.ok[y, kind] & (choice.size[y] - choice.size[x] <= room).all(axis=1)
        return np.asarray(takes & (pods[:, x] > (x == hardest)))

    def _pairs(self, place: int, states: _States) -> tuple[Ints, Ints]:
        """
        States and patterns from a place in the order that may go together: what the pattern leaves is worth no more than nodes
        for what is left of the `upper` cost, whole ones and by worth. What it takes is worth a sum over pods: a product of
        matrices, in single precision with some slack.
        """
        holding = self.holding[place]
        needed = self._needed(holding.kinds, states) - self.slack
        some = np.flatnonzero(holding.worth >= needed.min(axis=0)[holding.group])
        self.work += len(needed) * len(some)
        if self.work > WORK or self.stop():
            raise TooManyError
        there = (states.left[:, self.of_class] >= self.nth).astype(np.float32)
        taken = there @ holding.levels[some].T
        s, p = np.nonzero(taken >= needed.astype(np.float32)[:, holding.group[some]])
        # Of classes before this one in the tier what is left is for later tiers.
        good = np.flatnonzero((((states.left > 0) @ self.bit)[s] & holding.before[some[p]]) == 0)
        return s[good], some[p[good]]

    def _needed(self, kinds: Ints, states: _States) -> Floats:
        """What a node of some kinds (G,) must be worth in states (S, G)."""
        choice, point, table = self.choice, self.point, self.steps
        worth = self._open(states)
        price = choice.price[kinds] + choice.needs[kinds] @ self.others
        left = table.left(choice.room - states.used)[:, None] - table.taken_parts(choice.needs[kinds])[None, :]
        ahead = self._ahead(states.cost, states.used, self.others)
        reach = table.reach(ahead[:, None] - price[None, :], left)
        needed = np.where(reach < 0, np.inf, worth[:, None] - reach)
        ahead = self._ahead(states.cost, states.used, point.limit)
        price = choice.price[kinds] + choice.needs[kinds] @ point.limit
        return np.asarray(np.maximum(needed, worth[:, None] + price[None, :] - ahead[:, None]))

    def _bought(self, states: _States, s: Ints, place: int, h: Ints) -> _States:
        """
        States `s` with a node of pattern `h`, of those from a place in the order, more, those that may still end below the
        `upper` cost.

        Of the cheapest covers one has only nodes that take no further pod of those that are left, and no harder one for one
        that is there: a pod that changes places with a harder one fits wherever that was. So other nodes need not be looked
        at, but that a node keeps one pod of the class that it was chosen for.
        """
        choice, holding = self.choice, self.holding[place]
        p = holding.patterns[h]
        kind = choice.kind[p]
        used = states.used[s] + choice.needs[kind]
        rest = states.left[s] - choice.rows[p]
        whole = (rest >= 0).all(axis=1)
        rest = np.maximum(rest, 0)
        better = holding.harder[h] & ((rest > 0) @ self.bit)
        good = np.flatnonzero((used <= choice.room).all(axis=1) & ~(whole & (better > 0)))
        s, p, kind, used, rest = (each[good] for each in (s, p, kind, used, rest))
        cost = states.cost[s] + choice.price[kind] + ((choice.bit[kind] & ~states.bits[s]) != 0) * choice.charge
        given = states.given[s]
        if choice.given.size:
            given = given + np.einsum("sc,scg->sg", states.left[s] - rest, choice.given.new[kind])
        places = np.full(len(s), place)
        made = _States(rest, cost, used, given, states.bits[s] | choice.bit[kind], places, s, p)
        return self._hopeful(self._distinct(made))

    def _filled(self, pods: Ints, states: _States, hardest: Ints) -> Ints:
        """States whose last node has these pods (S, C) and takes none of the rest, and no harder one in exchange."""
        choice = self.choice
        rest, kind = states.left, choice.kind[states.last]
        room = choice.space[kind] - pods @ choice.size
        takes = np.zeros(len(kind), dtype=np.bool_)
        for y in self.classes:
            here = choice.ok[y, kind] & self.settles[kind, y]
            takes |= (rest[:, y] > 0) & here & (choice.size[y] <= room).all(axis=1)
        for x, y, allowed in self.harder:
            there = np.flatnonzero((rest[:, y] > 0) & ~takes)
            takes[there] = self._changes(x, y, allowed, pods[there], kind[there], room[there], hardest[there])
        return np.flatnonzero(~takes)

    def _ahead(self, cost: Ints, used: Ints, limit: Floats) -> Floats:
        """How far the `upper` cost is from what was paid, and from limits at these prices."""
        return np.asarray(self.upper - cost + (self.choice.room - used) @ limit)

    def _hopeful(self, states: _States, later: float | None = None) -> _States:
        """
        States that may end below the `upper` cost, with no more given up than there may be, where existing nodes that come
        `later` take worth of at most this (None: there are none).
        """
        given = self.choice.given
        if given.size:
            kept = self._affordable(states, states.place) if later is None else (states.given <= given.room).all(axis=1)
            states = states.take(np.flatnonzero(kept))
        return states.take(np.flatnonzero(self._spare(states, later or 0.0) >= -steps.FUZZ))

    def _spare(self, states: _States, later: float = 0.0) -> Floats:
        """How far the `upper` cost is from what these states cost in the end at least, by worths and by whole nodes."""
        worth = np.maximum(self._open(states) - later, 0.0)
        whole = self.steps.of(worth, self.steps.left(self.choice.room - states.used))
        by_worth = self._ahead(states.cost, states.used, self.point.limit) - worth
        return np.minimum(by_worth, self._ahead(states.cost, states.used, self.others) - whole)

    def _distinct(self, states: _States) -> _States:
        """The cheapest of equal states."""
        code = states.left @ self.radix * (len(self.order) + 1) + states.place
        order = np.lexsort((states.cost, *states.used.T, *states.given.T, states.bits, code))
        made = states.take(order)
        code = code[order]
        same = (code[1:] == code[:-1]) & (made.bits[1:] == made.bits[:-1])
        same &= (made.used[1:] == made.used[:-1]).all(axis=1) & (made.given[1:] == made.given[:-1]).all(axis=1)
        return made.take(np.flatnonzero(np.concatenate([np.ones(min(1, len(code)), dtype=np.bool_), ~same])))


def _joined(parts: Sequence[_States]) -> _States:
    fields = dataclasses.fields(_States)
    return _States(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields))
