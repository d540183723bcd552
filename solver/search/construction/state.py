"""
A solution that grows pod by pod: what is where, and how many more pods of a class each place takes.

Every hard block of `problem` is kept exactly after every step, so each state on the way is a valid solution.
`State.reach` looks at the places there are, `State.fresh` at one more node of each offer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search.construction import relations, spreading, tallies

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class State:
    """
    A growing solution.

    Its first N places are the existing nodes, then come up to `most_new` (M) new ones; `places` is how many there are now.
    `offer` (P,) of each place is -1 for existing nodes, `room` (R, P) what is free, `pods` (P, C) what is planned, `left`
    (C,) what waits. `may` (M, O) are the offers that all classes on a new node allow.
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
        self.choices = [_choices(rule, self.family) for rule in problem.min_values]
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
        self._openable: Mask | None = None

    def _make_shared(self, size: int) -> None:
        shared = self.problem.shared_amounts
        self.shared_of = [[s for s, rule in enumerate(shared) if rule.members[c]] for c in range(len(self.needs))]
        self.paid = np.zeros((len(shared), size), dtype=np.bool_)
        for index, rule in enumerate(shared):
            self.paid[index, : self.nodes] = rule.attached

    def _make_rules(self, size: int) -> None:
        problem, stays = self.problem, self.stays
        slots = {problems.HOST: self._slots(None, size)}
        slots |= {index: self._slots(keys, size) for index, keys in enumerate(problem.topologies)}
        self.slots = slots
        self.spreads = [spreading.SpreadRule(s, slots[s.topology], stays, self.offer) for s in problem.spreads]
        hard = [a for a in problem.attractions if a.weight is None]
        soft = [a for a in problem.attractions if a.weight is not None]
        self.attractions = [relations.AttractionRule(a, [slots[t] for t in a.topologies], stays) for a in hard]
        rules: list[tallies.Rule] = [*self.attractions]
        rules += [relations.ExclusionRule(e, slots[e.topology], stays) for e in problem.exclusions]
        rules += [relations.CompanyRule(a, slots[a.topologies[0]], stays) for a in soft]
        rules += [relations.CommonRule(c, slots[c.topology]) for c in problem.common_domains]
        classes = range(len(problem.classes))
        self.spreads_of = [[rule for rule in self.spreads if rule.concerns[c]] for c in classes]
        self.rules_of = [[rule for rule in rules if rule.concerns[c]] for c in classes]

    def _slots(self, keys: problems.Topology | None, size: int) -> tallies.Slots:
        if keys is None:
            place = np.arange(size, dtype=np.int64)
            place[: self.nodes][~self.stays] = size + 1
            offer = np.full(len(self.problem.offers), size, dtype=np.int64)
            return tallies.Slots(place, offer, size + 2, host=True)
        none = len(keys.domains) + 1
        place = np.full(size, none, dtype=np.int64)
        place[: self.nodes] = np.where(self.stays & (keys.of_node >= 0), keys.of_node, none)
        return tallies.Slots(place, np.where(keys.of_offer >= 0, keys.of_offer, none), none + 1, host=False)

    # -- looking --------------------------------------------------------------------------------------------------------

    def reach(self, pod_class: int) -> tallies.Reach:
        """Places that take a pod of the class."""
        problem = self.problem
        new = self.offer[self.nodes : self.places]
        fits = np.concatenate([self.node_ok[pod_class], problem.offer_ok[pod_class, new]])
        for r in self.needs[pod_class]:
            fits &= self.room[r, : self.places] >= problem.requests[pod_class, r]
        sites = np.flatnonzero(fits)
        unpaid = [~self.paid[s, sites] for s in self.shared_of[pod_class]]
        reach = tallies.Reach.over(sites, self._fit(pod_class, self.room[:, sites], unpaid), fresh=False)
        for rule, choices in zip(problem.min_values, self.choices, strict=True):
            self._keep_choice(pod_class, reach, rule, choices)
        old = sites < self.nodes
        offer = self.offer[sites[~old]]
        if self.penalised:
            reach.unmet[old] = problem.node_penalty[pod_class, sites[old]]
            reach.unmet[~old] = problem.offer_penalty[pod_class, offer]
        if self.ranked:
            reach.rank[~old] = problem.offer_rank[pod_class, offer]
        self._look(pod_class, reach, self.spreads_of[pod_class])
        return reach

    def fresh(self, pod_class: int) -> tallies.Reach:
        """Offers of which one more node could be opened for a pod of the class."""
        sites, room = self.single(pod_class)
        free = self.openable()[sites]
        sites, room = sites[free], room[free]
        reach = tallies.Reach.over(sites, room, fresh=True)
        if self.penalised:
            reach.unmet[:] = self.problem.offer_penalty[pod_class, sites]
        if self.ranked:
            reach.rank[:] = self.problem.offer_rank[pod_class, sites]
        hindered = [spread for spread in self.spreads if not spread.idle(pod_class)]
        self._look(pod_class, reach, self.spreads_of[pod_class] + hindered)
        reach.forbid(np.minimum(reach.limit, self.left[pod_class]) < reach.least)
        return reach

    def _look(self, pod_class: int, reach: tallies.Reach, spreads: list[spreading.SpreadRule]) -> None:
        for spread in spreads:
            spread.opened(self.places)
            spread.look(pod_class, reach)
        for rule in self.rules_of[pod_class]:
            rule.look(pod_class, reach)

    def single(self, pod_class: int) -> tuple[Ints, Ints]:
        """Offers that hold a pod of the class and how many an empty node of each holds, whatever else there is."""
        if pod_class not in self._single:
            sites = np.flatnonzero(self.problem.offer_ok[pod_class])
            unpaid = [np.ones(len(sites), dtype=np.bool_) for _ in self.shared_of[pod_class]]
            room = self._fit(pod_class, self.offer_room[sites].T, unpaid)
            number = np.zeros(len(self.family), dtype=np.int64)
            number[sites] = room
            for rule, choices in zip(self.problem.min_values, self.choices, strict=True):
                for family, offers in choices:
                    most = _values_left(number[offers][None], rule.value_of[offers], rule.minimum)
                    bound = (self.family[sites] == family) & (rule.value_of[sites] >= 0)
                    room[bound] = np.minimum(room[bound], most)
            self._single[pod_class] = sites[room > 0], room[room > 0]
        return self._single[pod_class]

    def _fit(self, pod_class: int, room: Ints, unpaid: list[Mask]) -> Ints:
        """How many pods of the class fit into `room` (R, S), when shared amounts `unpaid` (S,) come with the first."""
        requests = self.problem.requests[pod_class]
        if unpaid:
            room = room.copy()
            for index, first in zip(self.shared_of[pod_class], unpaid, strict=True):
                room[self.problem.shared_amounts[index].resource] -= first
        limit = np.full(room.shape[1], tallies.UNLIMITED)
        for r in self.needs[pod_class]:
            np.minimum(limit, room[r] // requests[r], out=limit)
        limit[(room < 0).any(axis=0)] = 0
        return limit

    def _keep_choice(
        self, pod_class: int, reach: tallies.Reach, rule: problems.MinValues, choices: list[tuple[int, Ints]]
    ) -> None:
        """New nodes keep their minimum values."""
        for family, offers in choices:
            new = np.flatnonzero((reach.sites >= self.nodes) & (reach.room > 0))
            offer = self.offer[reach.sites[new]]
            new = new[(self.family[offer] == family) & (rule.value_of[offer] >= 0)]
            places = reach.sites[new]
            room = (self.offer_room[offers][:, None] - self.used(places)).reshape(-1, len(self.problem.resources)).T
            unpaid = [np.tile(~self.paid[s, places], len(offers)) for s in self.shared_of[pod_class]]
            number = self._fit(pod_class, room, unpaid).reshape(len(offers), -1).T
            number *= self.may[places - self.nodes][:, offers] & self.problem.offer_ok[pod_class, offers]
            most = _values_left(number, rule.value_of[offers], rule.minimum)
            reach.room[new] = np.minimum(reach.room[new], most)

    def used(self, places: Ints) -> Ints:
        """What the pods on these new nodes take (len(places), R)."""
        return self.offer_room[self.offer[places]] - self.room[:, places].T

    # -- the fleet ------------------------------------------------------------------------------------------------------

    def openable(self) -> Mask:
        """Offers (O,) of which caps and OVH pools leave one more node."""
        if self._openable is None:
            by_caps = np.asarray((self.cap_of <= self.cap_left[:, None]).all(axis=0))
            self._openable = by_caps & (self._pool_room() > 0)[self.pool_of]
        return self._openable

    def most_nodes(self, offer: int) -> int:
        """How many more nodes of the offer caps and OVH pools leave."""
        bound = self.cap_of[:, offer] > 0
        by_caps = (self.cap_left[bound] // self.cap_of[bound, offer]).min(initial=tallies.UNLIMITED)
        return max(0, min(int(by_caps), int(self._pool_room()[self.pool_of[offer]])))

    def may_swap(self, old: int, new: int) -> bool:
        """Whether caps and OVH pools leave a node of the offer `new` in place of one of `old`."""
        if (self.cap_left + self.cap_of[:, old] < self.cap_of[:, new]).any():
            return False
        if self.pool_of[old] == self.pool_of[new]:
            return True
        self.pool_used[self.pool_of[old]] -= 1
        room = self._pool_room()[self.pool_of[new]]
        self.pool_used[self.pool_of[old]] += 1
        return bool(room > 0)

    def _pool_room(self) -> Ints:
        """How many more nodes of each kind (K,) OVH pools may hold."""
        over = np.maximum(self.pool_used - self.pool_free, 0)
        size = np.maximum(self.pool_size, 1)
        further = max(0, max(0, self.problem.pools.new_pools) - int((-(-over // size)).sum()))
        in_begun = (-over) % size
        beyond = np.where(self.pool_size > 0, in_begun + further * size, 0)
        room: Ints = np.maximum(self.pool_free - self.pool_used, 0) + beyond
        return room

    # -- changing -------------------------------------------------------------------------------------------------------

    def open(self, offer: int, number: int) -> Ints:
        """Open empty nodes of an offer; each should get a pod next. Returns their places."""
        places = np.arange(self.places, self.places + number)
        self.places += number
        self.offer[places] = offer
        self.room[:, places] = self.offer_room[offer][:, None]
        self.may[places - self.nodes] = True
        self.cap_left -= number * self.cap_of[:, offer]
        self.pool_used[self.pool_of[offer]] += number
        self._openable = None
        for slots in self.slots.values():
            if not slots.host:
                slots.place[places] = slots.offer[offer]
        return places

    def put(self, pod_class: int, places: Ints, pods: Ints) -> None:
        """Put `pods` (K,) pods of a class on `places` (K,), each place once."""
        self.room[:, places] -= self.problem.requests[pod_class][:, None] * pods
        for index in self.shared_of[pod_class]:
            self.room[self.problem.shared_amounts[index].resource, places] -= ~self.paid[index, places]
            self.paid[index, places] = True
        self.pods[places, pod_class] += pods.astype(np.int32)
        self.left[pod_class] -= int(pods.sum())
        self.may[places[places >= self.nodes] - self.nodes] &= self.problem.offer_ok[pod_class]
        for spread in self.spreads_of[pod_class]:
            spread.opened(self.places)
            spread.put(pod_class, places, pods)
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


def load(problem: problems.Problem, start: problems.Solution) -> State:
    """The state of a valid solution, with room for a new node for every pod that waits."""
    at: dict[int, list[tuple[int, int]]] = {}
    nodes = len(problem.nodes)
    contents = [*start.placed.items(), *((nodes + index, counts) for index, (_, counts) in enumerate(start.new))]
    for place, counts in contents:
        for pod_class, number in counts:
            at.setdefault(pod_class, []).append((place, number))
    waiting = int(problem.counts.sum())
    if start.removed:
        waiting += int(problem.residents[list(start.removed)].sum())
    waiting -= sum(number for entries in at.values() for _, number in entries)
    state = State(problem, start.removed, len(start.new) + max(0, waiting))
    for offer, _ in start.new:
        state.open(offer, 1)
    for pod_class, entries in at.items():
        places, pods = np.array(entries, dtype=np.int64).T
        state.put(pod_class, places, pods)
    return state


def _choices(rule: problems.MinValues, family: Ints) -> list[tuple[int, Ints]]:
    """Families of offers that a rule of minimum values binds, with these offers by value."""
    bound = np.flatnonzero(rule.value_of >= 0)
    bound = bound[np.argsort(rule.value_of[bound], kind="stable")]
    return [(int(f), bound[family[bound] == f]) for f in np.unique(family[bound])]


def _values_left(number: Ints, value: Ints, minimum: int) -> Ints:
    """
    The largest number of pods that leaves a choice of `minimum` values (X,).

    `number` (X, F) is how many pods each offer holds, `value` (F,) what it is, ascending.
    """
    starts = np.flatnonzero(np.diff(value, prepend=-1))
    if minimum <= 0:
        return np.full(len(number), tallies.UNLIMITED)
    if len(starts) < minimum:
        return np.zeros(len(number), dtype=np.int64)
    best = np.maximum.reduceat(number, starts, axis=1)
    most: Ints = np.sort(best, axis=1)[:, -minimum]
    return most
