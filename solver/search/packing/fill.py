"""
Filling nodes: many randomised fills at once in numpy.

One fill starts with an empty bin and adds pods until none fits; the next pod is large and aligned with the room that is
left: size ** a times cos ** b of the angle between request and room, times noise; a and the noise differ from fill to
fill, b (2, 4 or 8) from batch to batch.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """
    Rules between pods of one node for B bins with L classes: the arrays of `field.HostRules` with a leading axis that
    is 1 where all bins share their classes. `owners` and `members` (B, S) are in the bins already; None is none.
    """

    owner: Mask
    member: Mask
    owner_cap: Ints
    member_cap: Ints
    owners: Ints | None = None
    members: Ints | None = None

    def take(self, bins: Ints) -> Host:
        """The rules for some of the bins."""
        rows = slice(None) if len(self.owner) == 1 else bins
        return Host(
            self.owner[rows],
            self.member[rows],
            self.owner_cap[rows],
            self.member_cap,
            None if self.owners is None else self.owners[bins],
            None if self.members is None else self.members[bins],
        )

    @property
    def touched(self) -> Mask:
        """(B or 1, L) classes that some rule looks at."""
        return np.asarray((self.owner | self.member).any(axis=2))


@dataclasses.dataclass(frozen=True, slots=True)
class Bins:
    """
    B bins with up to L classes each, padded.

    `room` (B, R), `requests` (B or 1, L, R), `available` (B, L) pods of each class that may be used (0 in padding).
    """

    room: Floats
    requests: Floats
    available: Floats
    host: Host | None = None

    def take(self, bins: Ints) -> Bins:
        """Some of the bins."""
        return Bins(
            self.room[bins],
            self.requests if len(self.requests) == 1 else self.requests[bins],
            self.available[bins],
            None if self.host is None else self.host.take(bins),
        )


def fill(bins: Bins, rng: np.random.Generator, *, greedy: bool = False, bias: Floats | None = None) -> Floats:
    """
    Fill every bin.

    Parameters
    ----------
    bins: what to fill.
    rng: the source of noise.
    greedy: the first fill of the batch, at least, without noise.
    bias: (B or 1, L) factor on the attraction of each class, such as its worth over its size.

    Returns
    -------
    (B, L) pods of each class put into each bin.
    """
    n_bins, n_classes = int(bins.room.shape[0]), int(bins.available.shape[1])
    result = np.zeros((n_bins, n_classes))
    if n_bins == 0 or n_classes == 0:
        return result
    full = np.maximum(bins.room.T, 1e-9)
    need = np.ascontiguousarray(bins.requests.transpose(2, 0, 1))
    share = need / full[:, :, None]
    size: Floats = np.sqrt((share * share).sum(axis=0)) + 1e-12
    size_power: Floats = rng.uniform(0.6, 1.8, size=n_bins)
    squarings = int(rng.integers(1, 4))
    noise: Floats = rng.uniform(0.0, 0.5, size=n_bins)
    chunk: Floats = rng.uniform(0.15, 0.6, size=n_bins)
    if greedy:
        size_power[0], noise[0], chunk[0] = 1.0, 0.0, 0.2
    base: Floats = size ** (size_power - 2.0**squarings)[:, None] * np.exp(
        noise[:, None] * rng.standard_normal((n_bins, n_classes))
    )
    if bias is not None:
        base = base * bias
    hosts = None if bins.host is None else _Hosts.make(bins.host, n_bins)
    room = np.ascontiguousarray(bins.room.T)
    state = _State(np.arange(n_bins), room.copy(), full, bins.available.copy(), base, chunk, need, share, hosts)
    while len(state.index):
        possible = state.left > 0
        for need_of, room_of in zip(state.need, state.room, strict=True):
            possible &= need_of <= room_of[:, None]
        if state.hosts is not None:
            possible &= state.hosts.allows()
        going: Mask = np.asarray(possible.any(axis=1))
        alive = int(np.count_nonzero(going))
        if alive == 0:
            break
        if alive < 0.8 * len(going):
            state = state.take(going)
            possible, going = possible[going], going[going]
        fraction = state.room / state.full
        fraction /= np.sqrt((fraction * fraction).sum(axis=0) + 1e-24)
        aligned = state.share * fraction[:, :, None]
        dot = aligned.sum(axis=0)
        for _ in range(squarings):
            dot *= dot
        # Above 0 exactly where possible: multiplying by a mask is much cheaper than choosing by one.
        dot += 1e-300
        dot *= state.base
        dot *= possible
        pick = dot.argmax(axis=1)
        rows = np.arange(len(pick))
        amounts = state.need[:, rows if state.need.shape[1] > 1 else 0, pick]
        most = np.minimum(state.left[rows, pick], np.floor(state.room / np.maximum(amounts, 1e-9)).min(axis=0))
        number = np.maximum(1.0, np.floor(most * state.chunk))
        if state.hosts is not None:
            number = np.where(state.hosts.touched[rows % len(state.hosts.touched), pick], 1.0, number)
        number *= going
        result[state.index, pick] += number
        state.left[rows, pick] -= number
        state.room -= number * amounts
        if state.hosts is not None:
            state.hosts.join(rows, pick, going)
    return result


@dataclasses.dataclass(slots=True)
class _Hosts:
    """Rules between pods of one node while bins are filled; leading axes are 1 where all bins share the classes."""

    owner: NDArray[np.bool_]
    member: NDArray[np.bool_]
    owner_cap: Ints
    member_cap: Ints
    touched: NDArray[np.bool_]
    owners: Ints
    members: Ints

    @staticmethod
    def make(host: Host, n_bins: int) -> _Hosts:
        none = np.zeros((n_bins, host.owner.shape[2]), dtype=np.int64)
        owners = none if host.owners is None else host.owners
        members = none if host.members is None else host.members
        return _Hosts(
            host.owner, host.member, host.owner_cap, host.member_cap, host.touched, owners.copy(), members.copy()
        )

    def take(self, going: NDArray[np.bool_]) -> _Hosts:
        shared = self.owner.shape[0] == 1
        rows: slice | NDArray[np.bool_] = slice(None) if shared else going
        return _Hosts(
            self.owner[rows],
            self.member[rows],
            self.owner_cap[rows],
            self.member_cap,
            self.touched[rows],
            self.owners[going],
            self.members[going],
        )

    def allows(self) -> NDArray[np.bool_]:
        """(B, L) whether one more pod of each class may join."""
        full = (self.owners > 0) & (self.members > self.member_cap[None, :])
        blocked = self.owner & (self.members[:, None, :] > self.owner_cap)
        blocked |= self.member & full[:, None, :]
        return np.asarray(~blocked.any(axis=2))

    def join(self, rows: Ints, pick: Ints, going: NDArray[np.bool_]) -> None:
        at = rows % len(self.owner)
        self.owners += self.owner[at, pick] * going[:, None]
        self.members += self.member[at, pick] * going[:, None]


@dataclasses.dataclass(slots=True)
class _State:
    """
    Bins still being filled; finished ones are dropped now and then. `room` and `full` are (R, B), `share` (R, B, L) and
    `need` (R, B or 1, L).
    """

    index: Ints
    room: Floats
    full: Floats
    left: Floats
    base: Floats
    chunk: Floats
    need: Floats
    share: Floats
    hosts: _Hosts | None

    def take(self, going: Mask) -> _State:
        """Some of the bins."""
        return _State(
            self.index[going],
            self.room[:, going],
            self.full[:, going],
            self.left[going],
            self.base[going],
            self.chunk[going],
            self.need[:, going] if self.need.shape[1] > 1 else self.need,
            self.share[:, going],
            self.hosts.take(going) if self.hosts is not None else None,
        )


def shared(host: fields.HostRules, owners: Ints | None = None, members: Ints | None = None) -> Host | None:
    """The rules for bins that all have the same classes; None when there are none."""
    if host.empty:
        return None
    return Host(host.owner[None], host.member[None], host.owner_cap[None], host.member_cap, owners, members)


def polish(bins: Bins, counts: Floats, value: Floats, rounds: int) -> Floats:
    """
    Improve fills by exchanging one pod for another, or adding one, while that raises the worth of the bin.

    Bins with rules between pods of one node are exchanged only within classes that no such rule touches.

    Parameters
    ----------
    bins: what was filled.
    counts: (B, L) the fills; changed in place.
    value: (B, L) or (1, L) worth of a pod.
    rounds: exchanges per bin at most.
    """
    n_bins, n_classes = counts.shape
    if n_bins == 0 or n_classes == 0:
        return counts
    need = np.ascontiguousarray(bins.requests.transpose(2, 0, 1))
    free = bins.room.T - (counts * need).sum(axis=2)
    quiet = np.ones((1, 1), dtype=bool) if bins.host is None else ~bins.host.touched
    live = np.arange(n_bins)
    for _ in range(rounds):
        rows = np.arange(len(live))
        own = live if need.shape[1] > 1 else rows * 0
        have = counts[live]
        calm = quiet if len(quiet) == 1 else quiet[live]
        worth = value if len(value) == 1 else value[live]
        inside = (have > 0) & calm
        into = (bins.available[live] > have) & calm
        order = np.argsort(~inside, axis=1, kind="stable")[:, : max(1, int(inside.sum(axis=1).max()))]
        at = rows[:, None]
        fits = into[:, None, :] & inside[at, order][:, :, None]
        add = into.copy()
        for amount, room in zip(need, free, strict=True):
            here = amount if len(amount) == 1 else amount[live]
            left = room[live]
            bound = left[:, None] + amount[own[:, None], order]
            fits &= here[:, None, :] <= bound[:, :, None]
            add &= here <= left[:, None]
        gain = worth[:, None, :] - worth[at if len(worth) > 1 else 0, order][:, :, None]
        gain = (gain * fits).reshape(len(live), -1)
        swap = gain.argmax(axis=1)
        swap_gain = gain[rows, swap]
        added = worth * add
        extra = added.argmax(axis=1)
        add_gain = added[rows, extra]
        going = np.maximum(swap_gain, add_gain) > 1e-9
        if not going.any():
            break
        adding = (add_gain >= swap_gain)[going]
        put = np.where(adding, extra[going], swap[going] % n_classes)
        take = order[rows[going], swap[going] // n_classes]
        live, own = live[going], own[going]
        counts[live, put] += 1
        free[:, live] -= need[:, own, put]
        swapped, take = live[~adding], take[~adding]
        counts[swapped, take] -= 1
        free[:, swapped] += need[:, own[~adding], take]
    return counts
