"""Spread: how many pods of a group each domain has, and how many more it may get."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search.construction import tallies

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class SpreadRule:
    """
    `problem.Spread`.

    `count` of the group per domain, domains with `owned` pods, domains that count (`exists`), `counted` places, and the
    `peak`: the largest count of a domain with owned pods. `growing`: some offer lies in a domain that does not count yet.
    A `cautious` host spread takes the smallest count for 0.
    """

    def __init__(self, spread: problems.Spread, slots: tallies.Slots, stays: Mask, offer: Ints) -> None:
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
        self.exists[: 0 if slots.host else tallies.FRESH] = spread.always
        self.exists[slots.place[: self.seen][self.counted[: self.seen]]] = True
        self.exists[tallies.NONE] = False
        self.growing = self._grows()
        self.peak = 0
        self._lowest: tuple[int, int] | None = None

    def lowest(self) -> tuple[int, int]:
        """Smallest count over the counted domains and their number."""
        if self._lowest is None:
            counts = self.count[self.exists]
            self._lowest = int(counts.min(initial=tallies.UNLIMITED)), len(counts)
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
            self.exists[tallies.NONE] = False
            self.growing = self.growing and self._grows()
            self._lowest = None

    def _grows(self) -> bool:
        """Whether some offer lies in a domain that does not count yet."""
        offers = self.slots.offer[self.spread.offer_counted]
        return self.slots.host or bool((~self.exists[offers] & (offers != self.slots.none)).any())

    def idle(self, pod_class: int) -> bool:
        """Whether a new node with other classes alone changes nothing for the rule."""
        return not self.growing or self.peak <= self.spread.max_skew or bool(self.concerns[pod_class])

    def look(self, pod_class: int, reach: tallies.Reach) -> None:
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
            limit = np.where(adds & affected & (slack > 0), slack, tallies.UNLIMITED)
            limit[owner & ~self.owned[slots] & (over > 0)] = 1
        limit[slots == self.slots.none] = tallies.UNLIMITED
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
        limit = np.where(adds & affected, np.maximum(slack, 0), tallies.UNLIMITED)
        if owner:
            limit[~adds & (slack < 0)] = 0
        return limit

    def _begin(self, reach: tallies.Reach, begins: Mask, limit: Ints, affected: Mask, *, member: bool) -> None:
        """The same (in place) for nodes that begin a domain, whose count then is the smallest, maybe."""
        lowest, domains = self.lowest()
        skew, enough = self.spread.max_skew, domains + 1 >= self.required
        if not member:
            limit[begins] = 0 if enough and self.peak > skew else tallies.UNLIMITED
            return
        most = skew if self.cautious and self.slots.host else skew + (lowest if enough else 0)
        limit[begins] = np.where(affected, min(tallies.UNLIMITED, most), tallies.UNLIMITED)[begins]
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
            self.owned[tallies.NONE] = False
        self.peak = max(self.peak, int(self.count[slots][self.owned[slots]].max(initial=0)))

    def levels(self, room: Ints, most: int) -> Ints:
        """
        How many pods to add to each domain at once so that the rule holds when all are there (D + 2,).

        `room` (D + 2,) is what the domains take, `most` the number of pods. The smallest count can become that of the domain
        that takes least, and no other may be more than the skew above it; below that, domains rise to one level.
        """
        lowest, domains = self.lowest()
        enough = domains >= self.required
        lowest = int((self.count + room)[self.exists].min(initial=tallies.UNLIMITED)) if enough else 0
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
