"""
Tallies: what each rule across pods has counted so far, and what it therefore allows or costs next.

A tally is an array per topology with an entry for each domain and two more: FRESH, the host that a new node will be (always
empty), and NONE, the places without the label (never counted). Rules narrow a `Reach`, the sites where pods of one class
may go.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems

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
    spreads: list[SpreadRule] = dataclasses.field(default_factory=list)
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


class SpreadRule:
    """
    `problem.Spread`.

    `count` of the group per domain, domains with `owned` pods, domains that count (`exists`), `counted` places, and the
    `peak`: the largest count of a domain with owned pods. `growing`: some offer lies in a domain that does not count yet.
    A `cautious` host spread takes the smallest count for 0.
    """

    def __init__(self, spread: problems.Spread, slots: Slots, stays: Mask, offer: Ints) -> None:
        self.spread = spread
        self.slots = slots
        self.concerns = spread.owners | spread.group.members
        self.required = max(1, spread.min_domains or 1)
        self.cautious = False
        self.offer = offer
        self.seen = len(stays)
        self.counted = np.zeros(len(slots.place), dtype=np.bool_)
        self.counted[: self.seen] = spread.node_counted & stays
        self.count = slots.tally(spread.group.base, self.counted[: self.seen])
        self.owned = np.zeros(slots.size, dtype=np.bool_)
        self.exists = np.zeros(slots.size, dtype=np.bool_)
        self.exists[: 0 if slots.host else FRESH] = spread.always
        self.exists[slots.place[: self.seen][self.counted[: self.seen]]] = True
        self.exists[NONE] = False
        self.growing = self._grows()
        self.peak = 0
        self._lowest: tuple[int, int] | None = None

    def lowest(self) -> tuple[int, int]:
        """Smallest count over the counted domains and their number."""
        if self._lowest is None:
            counts = self.count[self.exists]
            self._lowest = int(counts.min(initial=UNLIMITED)), len(counts)
        return self._lowest

    def floor(self) -> int:
        """The smallest count as the rule takes it: 0 when too few domains count."""
        lowest, domains = self.lowest()
        return lowest if domains >= self.required else 0

    def opened(self, places: int) -> None:
        """Count new nodes up to this number of places."""
        if self.seen < places:
            new = slice(self.seen, places)
            self.seen = places
            self.counted[new] = self.spread.offer_counted[self.offer[new]]
            self.exists[self.slots.place[new][self.counted[new]]] = True
            self.exists[NONE] = False
            self.growing = self.growing and self._grows()
            self._lowest = None

    def _grows(self) -> bool:
        """Whether some offer lies in a domain that does not count yet."""
        offers = self.slots.offer[self.spread.offer_counted]
        return self.slots.host or bool((~self.exists[offers] & (offers != self.slots.none)).any())

    def idle(self, pod_class: int) -> bool:
        """Whether a new node with other classes alone changes nothing for the rule."""
        return not self.growing or self.peak <= self.spread.max_skew or bool(self.concerns[pod_class])

    def look(self, pod_class: int, reach: Reach) -> None:
        """Narrow or charge, by domain; a new node may begin a domain."""
        member, owner = bool(self.spread.group.members[pod_class]), bool(self.spread.owners[pod_class])
        slots = self.slots.of(reach)
        counted = (self.spread.offer_counted if reach.fresh else self.counted)[reach.sites] & (slots != self.slots.none)
        count = self.count[slots]
        adds = counted & member
        affected = self.owned[slots] | owner
        slack = self.floor() + self.spread.max_skew - count
        if self.spread.weight is None:
            limit = self._allowed(adds, affected, slack, owner=owner)
            if self.cautious and self.slots.host:
                limit[adds] = np.minimum(limit, np.maximum(self.spread.max_skew - count, 0))[adds]
            if reach.fresh:
                self._begin(reach, counted & ~self.exists[slots], limit, affected, member=member)
        else:
            over = np.maximum(-slack, 0)
            excess = np.where(affected, np.maximum(adds - slack, 0), 0) - np.where(self.owned[slots], over, 0)
            if reach.fresh:
                excess[counted & ~self.exists[slots]] = self._rise(member=member)
            reach.unmet += np.where(slots == self.slots.none, 0, self.spread.weight * excess)
            limit = np.where(adds & affected & (slack > 0), slack, UNLIMITED)
            limit[owner & ~self.owned[slots] & (over > 0)] = 1
        limit[slots == self.slots.none] = UNLIMITED
        if not (member or owner):
            reach.restrict(limit)
            return
        reach.crowd += count
        reach.restrict(limit, None if self.slots.host else 2 * slots + counted)
        if not self.slots.host:
            reach.parts = max(reach.parts, len(np.unique(slots)))
            if member and owner and counted.all():
                reach.spreads.append(self)

    def _allowed(self, adds: Mask, affected: Mask, slack: Ints, *, owner: bool) -> Ints:
        """What each site takes while the domains stay the same."""
        limit = np.where(adds & affected, np.maximum(slack, 0), UNLIMITED)
        if owner:
            limit[~adds & (slack < 0)] = 0
        return limit

    def _begin(self, reach: Reach, begins: Mask, limit: Ints, affected: Mask, *, member: bool) -> None:
        """The same (in place) for nodes that begin a domain, whose count then is the smallest, maybe."""
        lowest, domains = self.lowest()
        skew, enough = self.spread.max_skew, domains + 1 >= self.required
        if not member:
            limit[begins] = 0 if enough and self.peak > skew else UNLIMITED
            return
        most = skew if self.cautious and self.slots.host else skew + (lowest if enough else 0)
        limit[begins] = np.where(affected, min(UNLIMITED, most), UNLIMITED)[begins]
        if enough:
            reach.least[begins] = np.maximum(reach.least[begins], self.peak - skew)

    def _rise(self, *, member: bool) -> int:
        """How much the excess rises when a domain begins with one pod."""
        lowest, domains = self.lowest()
        after = min(lowest, int(member)) if domains + 1 >= self.required else 0
        owned, skew = self.count[self.owned], self.spread.max_skew
        rise = np.maximum(owned - after - skew, 0).sum() - np.maximum(owned - self.floor() - skew, 0).sum()
        return int(rise)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Count members where places count, and owners anywhere."""
        slots = self.slots.place[places]
        if self.spread.group.members[pod_class]:
            inside = self.counted[places]
            self.slots.add(self.count, places[inside], pods[inside])
            self._lowest = None
        if self.spread.owners[pod_class]:
            self.owned[slots] = True
            self.owned[NONE] = False
        self.peak = max(self.peak, int(self.count[slots][self.owned[slots]].max(initial=0)))

    def levels(self, room: Ints, most: int) -> Ints:
        """
        How many pods to add to each domain at once so that the rule holds when all are there (D + 2,).

        `room` (D + 2,) is what the domains take, `most` the number of pods. The smallest count can become that of the domain
        that takes least, and no other may be more than the skew above it; below that, domains rise to one level.
        """
        lowest, domains = self.lowest()
        enough = domains >= self.required
        lowest = int((self.count + room)[self.exists].min(initial=UNLIMITED)) if enough else 0
        room = np.minimum(room, np.maximum(lowest + self.spread.max_skew - self.count, 0))
        most = min(most, int(room.sum()))
        low, high = int(self.count.min()), int((self.count + room).max())
        while low < high:
            level = (low + high) // 2
            if int(np.clip(level - self.count, 0, room).sum()) >= most:
                high = level
            else:
                low = level + 1
        pods = np.clip(low - self.count, 0, room)
        spare = np.flatnonzero((pods > 0) & (self.count + pods == low))[: int(pods.sum()) - most]
        pods[spare] -= 1
        return pods


class _Relation:
    """Per domain planned owners that are no targets (`only`), those that are (`both`), and all `targets`."""

    def __init__(self, topology_slots: Slots, owners: Mask, targets: problems.Group, stays: Mask) -> None:
        self.slots = topology_slots
        self.owners = owners
        self.members = targets.members
        self.concerns = owners | targets.members
        self.only = np.zeros(topology_slots.size, dtype=np.int64)
        self.both = np.zeros(topology_slots.size, dtype=np.int64)
        self.targets = topology_slots.tally(targets.base, stays)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Count pods by their role."""
        if self.owners[pod_class]:
            self.slots.add(self.both if self.members[pod_class] else self.only, places, pods)
        if self.members[pod_class]:
            self.slots.add(self.targets, places, pods)

    def counts(self, slots: Ints, pod_class: int | None = None) -> tuple[Ints, Ints, Ints]:
        """The three numbers at these entries, with one more pod of a class if it is given."""
        owner = pod_class is not None and bool(self.owners[pod_class])
        target = pod_class is not None and bool(self.members[pod_class])
        return (
            self.only[slots] + (owner and not target),
            self.both[slots] + (owner and target),
            self.targets[slots] + target,
        )


class ExclusionRule(_Relation):
    """`problem.Exclusion`; domains are `guarded` where an owner runs."""

    def __init__(self, exclusion: problems.Exclusion, slots: Slots, stays: Mask) -> None:
        super().__init__(slots, exclusion.owners, exclusion.targets, stays)
        self.weight = exclusion.weight
        self.guarded = slots.tally(exclusion.owner_base, stays) > 0

    def look(self, pod_class: int, reach: Reach) -> None:
        """Keep owners and targets apart, or charge for owners that come to have another target around."""
        slots = self.slots.of(reach)
        target, owner = bool(self.members[pod_class]), bool(self.owners[pod_class])
        after = _excluded(*self.counts(slots, pod_class))
        if self.weight is None:
            free = (after == 0) & ~(self.guarded[slots] & target)
            limit = np.where(free, 1 if owner and target else UNLIMITED, 0)
        else:
            cost = self.weight * (after - _excluded(*self.counts(slots)))
            reach.unmet += np.where(slots == self.slots.none, 0, cost)
            limit = np.where((self.targets[slots] < 2) & target, 1, UNLIMITED)
        limit[slots == self.slots.none] = UNLIMITED
        reach.restrict(limit, None if self.slots.host else slots)


class CompanyRule(_Relation):
    """A soft `problem.Attraction`."""

    def __init__(self, attraction: problems.Attraction, slots: Slots, stays: Mask) -> None:
        super().__init__(slots, attraction.owners, attraction.targets, stays)
        assert attraction.weight is not None
        self.weight = attraction.weight

    def look(self, pod_class: int, reach: Reach) -> None:
        """Charge for owners without company; a target may end the loneliness of others."""
        slots = self.slots.of(reach)
        reach.unmet += self.weight * (_lonely(*self.counts(slots, pod_class)) - _lonely(*self.counts(slots)))
        if self.members[pod_class]:
            limit = np.where((self.targets[slots] >= 2) | (slots == self.slots.none), UNLIMITED, 1)
            reach.restrict(limit, None if self.slots.host else slots)


class AttractionRule:
    """
    A hard `problem.Attraction`: targets per domain of each topology.

    `bare`: no target runs, so an order of placement may be chosen in which an opener comes first. While `lifted` a class may
    open a domain although targets are planned.
    """

    def __init__(self, attraction: problems.Attraction, slots: Sequence[Slots], stays: Mask) -> None:
        self.owners = attraction.owners
        self.members = attraction.targets.members
        self.concerns = attraction.owners | self.members
        self.opens = attraction.owners & self.members & attraction.bootstrap
        self.slots = slots
        self.targets = [s.tally(attraction.targets.base, stays) for s in slots]
        self.bare = not self.anywhere()
        self.lifted = False

    def anywhere(self) -> bool:
        """Whether there is any target."""
        return any(bool(t.any()) for t in self.targets)

    def look(self, pod_class: int, reach: Reach) -> None:
        """Owners go where targets are; the first may open a domain, and all others then go there."""
        if not self.owners[pod_class]:
            return
        opening = self.lifted or (bool(self.opens[pod_class]) and not self.anywhere())
        for slots, targets in zip(self.slots, self.targets, strict=True):
            entry = slots.of(reach)
            reach.forbid((entry == slots.none) if opening else (targets[entry] == 0))
            if opening:
                reach.settle(entry, host=slots.host)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Count targets."""
        if self.members[pod_class]:
            for slots, targets in zip(self.slots, self.targets, strict=True):
                slots.add(targets, places, pods)


class CommonRule:
    """`problem.CommonDomain`: the `entry` where its pods are, once one is placed."""

    def __init__(self, common: problems.CommonDomain, slots: Slots) -> None:
        self.concerns = common.members
        self.slots = slots
        self.entry: int | None = None

    def look(self, pod_class: int, reach: Reach) -> None:
        """Pods follow the first, which needs the label."""
        slots = self.slots.of(reach)
        if self.entry is not None:
            reach.forbid(slots != self.entry)
        else:
            reach.forbid(slots == self.slots.none)
            reach.settle(slots, host=self.slots.host)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Remember where."""
        self.entry = int(self.slots.place[places[0]])


def _excluded(only: Ints, both: Ints, targets: Ints) -> Ints:
    """Owners with another target around."""
    return np.where(targets >= 1, only, 0) + np.where(targets >= 2, both, 0)


def _lonely(only: Ints, both: Ints, targets: Ints) -> Ints:
    """Owners without another target around."""
    return np.where(targets == 0, only, 0) + np.where(targets <= 1, both, 0)
