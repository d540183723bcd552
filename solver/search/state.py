"""
A solution that grows pod by pod: what is where, and how many more pods of a class each place takes.

Every hard block of `problem` is kept exactly after every step, so each state on the way is a valid solution. `State.reach` looks at the places
there are, `State.fresh` at one more node of each offer; both answer with a `Reach`. Soft blocks say in the same words what the next pod would cost.

Each block that looks across pods keeps *tallies*: an array per topology with one entry per domain and two more, FRESH (the host that a new node
will be, always empty) and NONE (places without the label, never counted).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNLIMITED = 1 << 40
FRESH, NONE = -2, -1


@dataclasses.dataclass(slots=True)
class Reach:
    """
    Where pods of one class can go: S `sites` (S,), places or, when `fresh`, offers for a new node.

    At most `limit` (S,) pods go to a site, at most `total` (S,) to all sites of its cell (the sites that are equal in every array of `cells`) together. A
    new node needs `least` (S,) pods at once. The next pod costs `unmet` (S,) preference weight; `crowd` (S,) pods of its spread groups are in the
    site's domains. `bounds` tell cells apart like `cells`; the class must settle for one of them, and when `alone` for one node.
    """

    sites: Ints
    limit: Ints
    total: Ints
    least: Ints
    unmet: Ints
    rank: Ints
    crowd: Ints
    fresh: bool
    cells: list[Ints] = dataclasses.field(default_factory=list)
    bounds: list[Ints] = dataclasses.field(default_factory=list)
    alone: bool = False

    def loss(self, *, rank_first: bool) -> Ints:
        """What the next pod gives up before money counts (2, S), what weighs most first."""
        return np.stack([self.rank, self.unmet] if rank_first else [self.unmet, self.rank])

    def restrict(self, limit: Ints, cell: Ints | None = None) -> None:
        """At most `limit` (S,) more pods, over each whole `cell` (S,) if it is given."""
        np.minimum(self.limit, limit, out=self.limit)
        if cell is not None:
            np.minimum(self.total, limit, out=self.total)
            self.cells.append(cell)

    def forbid(self, mask: Mask) -> None:
        """No pods at these sites."""
        self.limit[mask] = 0

    def settle(self, cell: Ints, *, host: bool) -> None:
        """All pods go to one cell."""
        self.bounds.append(cell)
        self.alone |= host


@dataclasses.dataclass(frozen=True, slots=True)
class Slots:
    """Entry in the tallies of a topology for each place (P,) and offer (O,); tallies have `size` entries."""

    place: Ints
    offer: Ints
    size: int
    host: bool

    def of(self, reach: Reach) -> Ints:
        """The entries of the sites (S,)."""
        return (self.offer if reach.fresh else self.place)[reach.sites]

    def tally(self, base: Ints, stays: Mask) -> Ints:
        """Running pods `base` (N,) on nodes that stay, per entry."""
        counts = np.zeros(self.size, dtype=np.int64)
        self.add(counts, np.flatnonzero(stays), base[stays])
        return counts

    def add(self, counts: Ints, places: Ints, pods: Ints) -> None:
        """Count pods on these places."""
        np.add.at(counts, self.place[places], pods)
        counts[NONE] = 0

    def cell(self, slots: Ints) -> Ints | None:
        """What tells the cells of sites apart when a rule limits whole domains; a host is a site by itself."""
        return None if self.host else slots


class Rule(Protocol):
    """One block of the problem that looks across pods."""

    concerns: Mask

    def look(self, pod_class: int, reach: Reach) -> None:
        """Narrow the reach of a class to what the rule allows, or add what it costs."""

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Count pods that were put."""

    def opened(self, offer: int, places: Ints) -> None:
        """Count new nodes that were opened, still empty."""


class SpreadRule:
    """`problem.Spread`; `summary` is the smallest count, the number of counted domains and the largest count with owners."""

    def __init__(self, spread: problems.Spread, slots: Slots, stays: Mask) -> None:
        self.spread = spread
        self.slots = slots
        self.concerns = spread.owners | spread.group.members
        self.cautious = False
        nodes = len(stays)
        self.counted = np.zeros(len(slots.place), dtype=np.bool_)
        self.counted[:nodes] = spread.node_counted & stays
        self.count = slots.tally(spread.group.base, spread.node_counted & stays)
        self.owned = np.zeros(slots.size, dtype=np.bool_)
        self.exists = np.zeros(slots.size, dtype=np.bool_)
        if not slots.host:
            self.exists[:FRESH] = spread.always
        self.exists[slots.place[: len(stays)][self.counted[:nodes]]] = True
        self.exists[NONE] = False
        self.required = max(1, spread.min_domains or 1)
        self._summary: tuple[int, int, int] | None = None

    def summary(self) -> tuple[int, int, int]:
        if self._summary is None:
            counts = self.count[self.exists]
            self._summary = (
                int(counts.min(initial=UNLIMITED)),
                len(counts),
                int(self.count[self.owned].max(initial=0)),
            )
        return self._summary

    def look(self, pod_class: int, reach: Reach) -> None:
        member, owner = bool(self.spread.group.members[pod_class]), bool(self.spread.owners[pod_class])
        lowest, domains, peak = self.summary()
        floor = lowest if domains >= self.required else 0
        if not (member or owner) and (floor == 0 or (peak <= self.spread.max_skew)):
            return
        slots = self.slots.of(reach)
        counted = (self.spread.offer_counted if reach.fresh else self.counted)[reach.sites] & (
            slots != self.slots.size - 1
        )
        adds = counted & member
        affected = self.owned[slots] | owner
        slack = floor + self.spread.max_skew - self.count[slots]
        begins = counted & ~self.exists[slots] if reach.fresh else None
        if self.spread.weight is None:
            self._keep(reach, slots, counted, adds, affected, slack, begins, owner, member)
        else:
            self._pay(reach, slots, counted, adds, affected, slack, begins, owner, member)
        if member or owner:
            reach.crowd += self.count[slots]

    def _keep(
        self,
        reach: Reach,
        slots: Ints,
        counted: Mask,
        adds: Mask,
        affected: Mask,
        slack: Ints,
        begins: Mask | None,
        owner: bool,
        member: bool,
    ) -> None:
        skew = self.spread.max_skew
        lowest, domains, peak = self.summary()
        limit = np.full(len(slots), UNLIMITED)
        limit[affected & adds] = np.maximum(slack, 0)[affected & adds]
        if owner:
            limit[~adds & (slack < 0)] = 0
        if begins is not None and begins.any():
            enough = domains + 1 >= self.required
            if member:
                limit[begins] = np.where(affected, min(UNLIMITED, (lowest if enough else 0) + skew), UNLIMITED)[begins]
                if enough:
                    reach.least[begins] = np.maximum(reach.least[begins], peak - skew)
            elif enough and peak > skew:
                limit[begins] = 0
        if self.cautious and self.slots.host and (owner or member):
            limit[adds] = np.minimum(limit, np.maximum(skew - self.count[slots], 0))[adds]
        limit[slots == self.slots.size - 1] = UNLIMITED
        reach.restrict(limit, None if self.slots.host or not (owner or member) else 2 * slots + counted)

    def _pay(
        self,
        reach: Reach,
        slots: Ints,
        counted: Mask,
        adds: Mask,
        affected: Mask,
        slack: Ints,
        begins: Mask | None,
        owner: bool,
        member: bool,
    ) -> None:
        assert self.spread.weight is not None
        skew = self.spread.max_skew
        over = np.maximum(-slack, 0)
        excess = np.where(affected, np.maximum(adds - slack, 0), 0) - np.where(self.owned[slots], over, 0)
        if begins is not None and begins.any():
            lowest, domains, _ = self.summary()
            before = lowest if domains >= self.required else 0
            after = min(lowest, int(member)) if domains + 1 >= self.required else 0
            owned = self.count[self.owned]
            rise = np.maximum(owned - after - skew, 0).sum() - np.maximum(owned - before - skew, 0).sum()
            excess[begins] = rise
        reach.unmet += np.where(slots == self.slots.size - 1, 0, self.spread.weight * excess)
        if member or owner:
            until = np.where(adds & affected & (slack > 0), slack, UNLIMITED)
            until[~self.owned[slots] & (over > 0)] = 1
            until[slots == self.slots.size - 1] = UNLIMITED
            reach.restrict(until, None if self.slots.host else 2 * slots + counted)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        if self.spread.group.members[pod_class]:
            inside = self.counted[places]
            self.slots.add(self.count, places[inside], pods[inside])
        if self.spread.owners[pod_class]:
            self.owned[self.slots.place[places]] = True
            self.owned[NONE] = False
        self._summary = None

    def opened(self, offer: int, places: Ints) -> None:
        self.counted[places] = self.spread.offer_counted[offer]
        slots = self.slots.place[places]
        begins = self.counted[places] & ~self.exists[slots] & (slots != self.slots.size - 1)
        if begins.any():
            _, domains, peak = self.summary()
            new = np.unique(slots[begins])
            self.exists[new] = True
            self._summary = (0, domains + len(new), peak)


class ExclusionRule:
    """`problem.Exclusion`: per domain planned owners that are no targets, those that are, all targets, and whether an owner runs there."""

    def __init__(self, exclusion: problems.Exclusion, slots: Slots, stays: Mask) -> None:
        self.exclusion = exclusion
        self.slots = slots
        self.concerns = exclusion.owners | exclusion.targets.members
        self.only = np.zeros(slots.size, dtype=np.int64)
        self.both = np.zeros(slots.size, dtype=np.int64)
        self.targets = slots.tally(exclusion.targets.base, stays)
        self.guarded = slots.tally(exclusion.owner_base, stays) > 0

    def look(self, pod_class: int, reach: Reach) -> None:
        owner, target = bool(self.exclusion.owners[pod_class]), bool(self.exclusion.targets.members[pod_class])
        slots = self.slots.of(reach)
        only, both, targets = self.only[slots], self.both[slots], self.targets[slots]
        after = _hit(only + (owner and not target), both + (owner and target), targets + target)
        if self.exclusion.weight is None:
            free = after == 0
            if target:
                free &= ~self.guarded[slots]
            limit = np.where(free, 1 if owner and target else UNLIMITED, 0)
        else:
            cost = self.exclusion.weight * (after - _hit(only, both, targets))
            reach.unmet += np.where(slots == self.slots.size - 1, 0, cost)
            limit = np.where(targets >= 2, UNLIMITED, 1) if target else np.full(len(slots), UNLIMITED)
        limit[slots == self.slots.size - 1] = UNLIMITED
        reach.restrict(limit, self.slots.cell(slots))

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        target = self.exclusion.targets.members[pod_class]
        if self.exclusion.owners[pod_class]:
            self.slots.add(self.both if target else self.only, places, pods)
        if target:
            self.slots.add(self.targets, places, pods)

    def opened(self, offer: int, places: Ints) -> None:
        pass


class AttractionRule:
    """A hard `problem.Attraction`: targets per domain of each topology."""

    def __init__(self, attraction: problems.Attraction, slots: Sequence[Slots], stays: Mask) -> None:
        self.attraction = attraction
        self.slots = slots
        self.concerns = attraction.owners | attraction.targets.members
        self.targets = [s.tally(attraction.targets.base, stays) for s in slots]
        self.opens = attraction.owners & attraction.targets.members & attraction.bootstrap
        self.bare = not any(t.any() for t in self.targets)
        """No target runs: an order of placement may still be chosen in which an opener comes first."""
        self.lifted = False

    def look(self, pod_class: int, reach: Reach) -> None:
        if not self.attraction.owners[pod_class]:
            return
        opening = self.lifted or bool(self.opens[pod_class] and not any(t.any() for t in self.targets))
        for slots, targets in zip(self.slots, self.targets, strict=True):
            entry = slots.of(reach)
            reach.forbid((entry == slots.size - 1) if opening else (targets[entry] == 0))
            if opening:
                reach.settle(entry, host=slots.host)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        if self.attraction.targets.members[pod_class]:
            for slots, targets in zip(self.slots, self.targets, strict=True):
                slots.add(targets, places, pods)

    def opened(self, offer: int, places: Ints) -> None:
        pass


class CompanyRule:
    """A soft `problem.Attraction`: per domain planned owners that are no targets, those that are, and all targets."""

    def __init__(self, attraction: problems.Attraction, slots: Slots, stays: Mask) -> None:
        self.attraction = attraction
        self.slots = slots
        self.concerns = attraction.owners | attraction.targets.members
        self.only = np.zeros(slots.size, dtype=np.int64)
        self.both = np.zeros(slots.size, dtype=np.int64)
        self.targets = slots.tally(attraction.targets.base, stays)

    def look(self, pod_class: int, reach: Reach) -> None:
        assert self.attraction.weight is not None
        owner, target = bool(self.attraction.owners[pod_class]), bool(self.attraction.targets.members[pod_class])
        slots = self.slots.of(reach)
        only, both, targets = self.only[slots], self.both[slots], self.targets[slots]
        after = _lonely(only + (owner and not target), both + (owner and target), targets + target)
        reach.unmet += self.attraction.weight * (after - _lonely(only, both, targets))
        if target:
            limit = np.where((targets >= 2) | (slots == self.slots.size - 1), UNLIMITED, 1)
            reach.restrict(limit, self.slots.cell(slots))

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        target = self.attraction.targets.members[pod_class]
        if self.attraction.owners[pod_class]:
            self.slots.add(self.both if target else self.only, places, pods)
        if target:
            self.slots.add(self.targets, places, pods)

    def opened(self, offer: int, places: Ints) -> None:
        pass


class CommonRule:
    """`problem.CommonDomain`: the entry where its pods are, once one is placed."""

    def __init__(self, common: problems.CommonDomain, slots: Slots) -> None:
        self.concerns = common.members
        self.slots = slots
        self.entry: int | None = None

    def look(self, pod_class: int, reach: Reach) -> None:
        slots = self.slots.of(reach)
        if self.entry is not None:
            reach.forbid(slots != self.entry)
            return
        reach.forbid(slots == self.slots.size - 1)
        reach.settle(slots, host=self.slots.host)

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        self.entry = int(self.slots.place[places[0]])

    def opened(self, offer: int, places: Ints) -> None:
        pass


class State:
    """
    A growing solution of a problem.

    The first N places are the existing nodes, then come up to `most_new` new ones; `places` is how many there are. `room` (R, P) is free, `pods` (P, C)
    planned, `offer` (P,) of each place (-1 for existing nodes), `left` (C,) wait. `may` (M, O) says which offers all classes on a new node allow.
    """

    def __init__(self, problem: problems.Problem, removed: frozenset[int], most_new: int) -> None:
        nodes, offers, classes = len(problem.nodes), len(problem.offers), len(problem.classes)
        size = nodes + most_new
        self.problem = problem
        self.removed = removed
        self.nodes = nodes
        self.places = nodes
        self.stays = np.ones(nodes, dtype=np.bool_)
        self.stays[list(removed)] = False
        self.node_ok = problem.node_ok & self.stays
        self.offer = np.full(size, -1, dtype=np.int64)
        self.offer_room = np.maximum(problem.offer_room, 0)
        self.room = np.zeros((len(problem.resources), size), dtype=np.int64)
        self.room[:, :nodes] = np.maximum(problem.node_room, 0).T
        self.pods = np.zeros((size, classes), dtype=np.int32)
        self.may = np.zeros((most_new, offers), dtype=np.bool_)
        self.left = problem.counts
        if removed:
            self.left = self.left + problem.residents[list(removed)].sum(axis=0)
        self.needs = [np.flatnonzero(row) for row in problem.requests]
        self.penalised = bool(problem.node_penalty.any() or problem.offer_penalty.any())
        self.ranked = bool(problem.offer_rank.any())
        self.family = np.array([o.family for o in problem.offers], dtype=np.int64)
        self._make_fleet()
        self._make_shared(size)
        self._make_rules(size)
        self._single: dict[int, tuple[Ints, Ints]] = {}

    def _make_fleet(self) -> None:
        problem = self.problem
        self.cap_of = np.array([c.per_offer for c in problem.caps], dtype=np.int64).reshape(
            len(problem.caps), len(problem.offers)
        )
        self.cap_left = np.array([max(0, c.room) for c in problem.caps], dtype=np.int64)
        self.pool_of = np.array([o.pool for o in problem.offers], dtype=np.int64)
        self.pool_free = np.maximum(problem.pools.free, 0)
        self.pool_size = np.maximum(problem.pools.size, 0)
        self.pool_used = np.zeros(len(problem.pools.size), dtype=np.int64)

    def _make_shared(self, size: int) -> None:
        shared = self.problem.shared_amounts
        self.shared_of = [[s for s, rule in enumerate(shared) if rule.members[c]] for c in range(len(self.needs))]
        self.paid = np.zeros((len(shared), size), dtype=np.bool_)
        for index, rule in enumerate(shared):
            self.paid[index, : self.nodes] = rule.attached

    def _make_rules(self, size: int) -> None:
        problem = self.problem
        self.slots = {problems.HOST: self._slots(None, size)}
        self.slots |= {index: self._slots(keys, size) for index, keys in enumerate(problem.topologies)}
        self.spreads = [SpreadRule(s, self.slots[s.topology], self.stays) for s in problem.spreads]
        self.attractions = [
            AttractionRule(a, [self.slots[t] for t in a.topologies], self.stays)
            for a in problem.attractions
            if a.weight is None
        ]
        rules: list[Rule] = [*self.spreads, *self.attractions]
        rules += [ExclusionRule(e, self.slots[e.topology], self.stays) for e in problem.exclusions]
        rules += [
            CompanyRule(a, self.slots[a.topologies[0]], self.stays) for a in problem.attractions if a.weight is not None
        ]
        rules += [CommonRule(c, self.slots[c.topology]) for c in problem.common_domains]
        self.rules_of = [[rule for rule in rules if rule.concerns[c]] for c in range(len(problem.classes))]

    def _slots(self, keys: problems.Topology | None, size: int) -> Slots:
        offers = len(self.problem.offers)
        if keys is None:
            place = np.arange(size, dtype=np.int64)
            place[: self.nodes][~self.stays] = size + 1
            return Slots(place, np.full(offers, size, dtype=np.int64), size + 2, host=True)
        none = len(keys.domains) + 1
        place = np.full(size, none, dtype=np.int64)
        place[: self.nodes] = np.where(self.stays & (keys.of_node >= 0), keys.of_node, none)
        return Slots(place, np.where(keys.of_offer >= 0, keys.of_offer, none), none + 1, host=False)

    # -- looking ------------------------------------------------------------------------------------------------------------------

    def reach(self, pod_class: int) -> Reach:
        """Places that take a pod of the class."""
        problem = self.problem
        new = self.offer[self.nodes : self.places]
        fits = np.concatenate([self.node_ok[pod_class], problem.offer_ok[pod_class, new]])
        for r in self.needs[pod_class]:
            fits &= self.room[r, : self.places] >= problem.requests[pod_class, r]
        sites = np.flatnonzero(fits)
        limit = self._fit(pod_class, self.room[:, sites], [~self.paid[s, sites] for s in self.shared_of[pod_class]])
        reach = _reach(sites, limit, fresh=False)
        if problem.min_values:
            self._keep_choice(pod_class, reach)
        old = sites < self.nodes
        if self.penalised:
            reach.unmet[old] = problem.node_penalty[pod_class, sites[old]]
            reach.unmet[~old] = problem.offer_penalty[pod_class, self.offer[sites[~old]]]
        if self.ranked:
            reach.rank[~old] = problem.offer_rank[pod_class, self.offer[sites[~old]]]
        for rule in self.rules_of[pod_class]:
            rule.look(pod_class, reach)
        return reach

    def fresh(self, pod_class: int) -> Reach:
        """Offers of which one more node could be opened for a pod of the class."""
        sites, limit = self.single(pod_class)
        open_ = self.openable()[sites]
        sites, limit = sites[open_], limit[open_].copy()
        reach = _reach(sites, limit, fresh=True)
        if self.penalised:
            reach.unmet[:] = self.problem.offer_penalty[pod_class, sites]
        if self.ranked:
            reach.rank[:] = self.problem.offer_rank[pod_class, sites]
        for rule in self.rules_of[pod_class]:
            rule.look(pod_class, reach)
        for spread in self.spreads:
            if not spread.concerns[pod_class]:
                spread.look(pod_class, reach)
        reach.forbid(np.minimum(reach.limit, self.left[pod_class]) < reach.least)
        return reach

    def single(self, pod_class: int) -> tuple[Ints, Ints]:
        """Offers that hold a pod of the class and how many a node of each holds, by its own room and choice of offers."""
        if pod_class not in self._single:
            sites = np.flatnonzero(self.problem.offer_ok[pod_class])
            paid = [np.ones(len(sites), dtype=np.bool_) for _ in self.shared_of[pod_class]]
            limit = self._fit(pod_class, self.offer_room[sites].T, paid)
            for rule in self.problem.min_values:
                for family, offers in self._choices(rule):
                    number = np.zeros(len(self.family), dtype=np.int64)
                    number[sites] = limit
                    most = _values_left(number[offers][None], rule.value_of[offers], rule.minimum)
                    bound = (self.family[sites] == family) & (rule.value_of[sites] >= 0)
                    limit[bound] = np.minimum(limit[bound], most)
            keep = limit > 0
            self._single[pod_class] = sites[keep], limit[keep]
        return self._single[pod_class]

    def openable(self) -> Mask:
        """Offers (O,) of which caps and OVH pools leave one more node."""
        if self._openable is None:
            mask = np.asarray((self.cap_of <= self.cap_left[:, None]).all(axis=0))
            self._openable = mask & (self._pool_room() > 0)[self.pool_of]
        return self._openable

    _openable: Mask | None = None

    def _pool_room(self) -> Ints:
        """How many more nodes of each kind (K,) OVH pools may hold."""
        over = np.maximum(self.pool_used - self.pool_free, 0)
        size = np.maximum(self.pool_size, 1)
        further = max(0, self.problem.pools.new_pools) - int((-(-over // size)).sum())
        begun = (-over) % size
        room = np.maximum(self.pool_free - self.pool_used, 0) + begun + max(0, further) * size
        return np.where(self.pool_size > 0, room, np.maximum(self.pool_free - self.pool_used, 0))

    def pools_allow(self, old: int, new: int) -> bool:
        """Whether OVH pools allow a node of the offer `new` in place of one of `old`."""
        self.pool_used[self.pool_of[old]] -= 1
        allowed = bool(self._pool_room()[self.pool_of[new]] > 0)
        self.pool_used[self.pool_of[old]] += 1
        return allowed

    def most_nodes(self, offer: int) -> int:
        """How many more nodes of the offer caps and OVH pools leave."""
        bound = self.cap_of[:, offer] > 0
        by_caps = (self.cap_left[bound] // self.cap_of[bound, offer]).min(initial=UNLIMITED)
        return max(0, min(int(by_caps), int(self._pool_room()[self.pool_of[offer]])))

    def _fit(self, pod_class: int, room: Ints, unpaid: list[Mask]) -> Ints:
        """How many pods of the class fit into `room` (R, S), when shared amounts `unpaid` (S,) come with the first."""
        requests = self.problem.requests[pod_class]
        if unpaid:
            room = room.copy()
            for index, first in zip(self.shared_of[pod_class], unpaid, strict=True):
                room[self.problem.shared_amounts[index].resource] -= first
        limit = np.full(room.shape[1], UNLIMITED)
        for r in self.needs[pod_class]:
            np.minimum(limit, room[r] // requests[r], out=limit)
        if unpaid:
            limit[(room < 0).any(axis=0)] = 0
        np.maximum(limit, 0, out=limit)
        return limit

    def _choices(self, rule: problems.MinValues) -> list[tuple[int, Ints]]:
        """Families of offers that a rule of minimum values binds, with these offers by value."""
        bound = np.flatnonzero(rule.value_of >= 0)
        bound = bound[np.argsort(rule.value_of[bound], kind="stable")]
        return [(int(f), bound[self.family[bound] == f]) for f in np.unique(self.family[bound])]

    def _keep_choice(self, pod_class: int, reach: Reach) -> None:
        """New nodes keep their minimum values."""
        requests = self.problem.requests[pod_class]
        for rule in self.problem.min_values:
            for family, offers in self._choices(rule):
                new = np.flatnonzero((reach.sites >= self.nodes) & (reach.limit > 0))
                offer = self.offer[reach.sites[new]]
                new = new[(self.family[offer] == family) & (rule.value_of[offer] >= 0)]
                if not len(new):
                    continue
                places = reach.sites[new]
                used = self.used(places)
                for index in self.shared_of[pod_class]:
                    used[:, self.problem.shared_amounts[index].resource] += ~self.paid[index, places]
                room = self.offer_room[offers][None] - used[:, None]
                number = np.full(room.shape[:2], UNLIMITED)
                for r in self.needs[pod_class]:
                    np.minimum(number, room[:, :, r] // requests[r], out=number)
                number[(room < 0).any(axis=2)] = 0
                number *= self.may[places - self.nodes][:, offers] & self.problem.offer_ok[pod_class, offers]
                most = _values_left(number, rule.value_of[offers], rule.minimum)
                reach.limit[new] = np.minimum(reach.limit[new], most)

    def used(self, places: Ints) -> Ints:
        """What the pods on these new nodes take (len(places), R)."""
        return self.offer_room[self.offer[places]] - self.room[:, places].T

    # -- changing -----------------------------------------------------------------------------------------------------------------

    def open(self, offer: int, number: int) -> Ints:
        """Open empty nodes of an offer; each must get a pod next. Returns their places."""
        places = np.arange(self.places, self.places + number)
        self.places += number
        self.offer[places] = offer
        self.room[:, places] = self.offer_room[offer][:, None]
        self.may[places - self.nodes] = True
        self.cap_left -= number * self.cap_of[:, offer]
        self.pool_used[self.pool_of[offer]] += number
        self._openable = None
        for topology, slots in self.slots.items():
            if topology != problems.HOST:
                slots.place[places] = slots.offer[offer]
        for rule in self.spreads:
            rule.opened(offer, places)
        return places

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Put `pods` (K,) pods of a class on `places` (K,), each place once."""
        self.room[:, places] -= self.problem.requests[pod_class][:, None] * pods
        for index in self.shared_of[pod_class]:
            self.room[self.problem.shared_amounts[index].resource, places] -= ~self.paid[index, places]
            self.paid[index, places] = True
        self.pods[places, pod_class] += pods.astype(np.int32)
        self.left[pod_class] -= int(pods.sum())
        new = places[places >= self.nodes] - self.nodes
        self.may[new] &= self.problem.offer_ok[pod_class]
        for rule in self.rules_of[pod_class]:
            rule.put(pod_class, places, pods)

    def swap(self, place: int, offer: int) -> None:
        """Make a new node one of another offer in the same domains."""
        old = int(self.offer[place])
        self.offer[place] = offer
        self.room[:, place] += self.offer_room[offer] - self.offer_room[old]
        self.cap_left += self.cap_of[:, old] - self.cap_of[:, offer]
        self.pool_used[self.pool_of[old]] -= 1
        self.pool_used[self.pool_of[offer]] += 1
        self._openable = None

    def solution(self) -> problems.Solution:
        """The solution as it stands; new nodes without a pod are not bought."""
        counts: dict[int, list[tuple[int, int]]] = {}
        table = self.pods[: self.places]
        for place, pod_class in zip(*(axis.tolist() for axis in np.nonzero(table)), strict=True):
            counts.setdefault(place, []).append((pod_class, int(table[place, pod_class])))
        return problems.Solution(
            new=tuple((int(self.offer[p]), tuple(pairs)) for p, pairs in counts.items() if p >= self.nodes),
            placed={p: tuple(pairs) for p, pairs in counts.items() if p < self.nodes},
            removed=self.removed,
        )


def _reach(sites: Ints, limit: Ints, *, fresh: bool) -> Reach:
    size = len(sites)
    return Reach(
        sites=sites,
        limit=limit,
        total=np.full(size, UNLIMITED),
        least=np.ones(size, dtype=np.int64),
        unmet=np.zeros(size, dtype=np.int64),
        rank=np.zeros(size, dtype=np.int64),
        crowd=np.zeros(size, dtype=np.int64),
        fresh=fresh,
    )


def _hit(only: Ints, both: Ints, targets: Ints) -> Ints:
    """Owners with another target around."""
    return np.where(targets >= 1, only, 0) + np.where(targets >= 2, both, 0)


def _lonely(only: Ints, both: Ints, targets: Ints) -> Ints:
    """Owners without another target around."""
    return np.where(targets == 0, only, 0) + np.where(targets <= 1, both, 0)


def _values_left(number: Ints, value: Ints, minimum: int) -> Ints:
    """Largest number of pods for which `minimum` values are left: `number` (X, F) of pods that each offer holds, `value` (F,) ascending."""
    starts = np.flatnonzero(np.diff(value, prepend=-1))
    if minimum <= 0:
        return np.full(len(number), UNLIMITED)
    if len(starts) < minimum:
        return np.zeros(len(number), dtype=np.int64)
    best = np.maximum.reduceat(number, starts, axis=1)
    return np.sort(best, axis=1)[:, -minimum]
