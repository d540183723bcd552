"""
An order of placement must exist.

kube-scheduler places one pod after the other and asks topology spread and pod affinity of the cluster as it is then.
The plan's pods are placed here in turn, each where the plan has it as soon as that is legal, starting from the pods
that run already. Pods that are left over when nobody can be placed are violations. Only pods with hard spread
constraints or required affinity can be kept waiting; the others are placed first. Where that leads nowhere, other
orders are tried. Anti-affinity and everything inside a node cannot make an order impossible: what holds in the end
holds all the way.

A pod's affinity is met in a domain where, for each of its terms, a pod is that matches all of them; the first pod of
such a group may open a domain when it matches its own terms and no matching pod is anywhere. kube-scheduler:
`pkg/scheduler/framework/plugins/interpodaffinity/filtering.go`.
"""

from __future__ import annotations

import collections
import dataclasses
import heapq
import math
import random
from collections.abc import Iterator

from solver import plan
from solver.check import peers, spread, state

AFFINITY, ORDER = "pod-affinity", "order"


@dataclasses.dataclass(slots=True, eq=False)
class Company:
    """
    The pods that match all terms of an affinity: `there[t]` counts them by the domain of term t's key, over `total`.

    A node without any of the keys holds no company.
    """

    keys: tuple[str, ...]
    members: list[state.PodClass]
    there: list[dict[str, int]]
    total: int = 0

    def domains(self, place: state.Place) -> tuple[str | None, ...]:
        """The place's domain for each term."""
        return tuple(place.domain(key) for key in self.keys)

    def add(self, domains: tuple[str | None, ...], pods: int) -> None:
        """Count more members on a place."""
        for counts, domain in zip(self.there, domains, strict=True):
            if domain is not None:
                counts[domain] = counts.get(domain, 0) + pods
                self.total += pods

    def found(self, domains: tuple[str | None, ...], *, besides: int = 0) -> bool:
        """Whether each domain has a member, `besides` members not counted."""
        return all(
            domain is not None and counts.get(domain, 0) > besides
            for counts, domain in zip(self.there, domains, strict=True)
        )


@dataclasses.dataclass(slots=True, eq=False)
class Item:
    """
    Planned pods of one class that no rule tells apart by their place, on `places`: `left` of them still to be placed.

    `tallies` and `companies` are those that they join, `limits` their spread constraints, each with their domain there.
    """

    owner: state.PodClass
    places: list[state.Place]
    left: int
    tallies: list[tuple[spread.Tally, str]]
    companies: list[tuple[Company, tuple[str | None, ...]]]
    limits: list[tuple[spread.Constraint, spread.Tally, str]]
    affinity: tuple[Company, tuple[str | None, ...]] | None
    opens: bool

    @property
    def place(self) -> state.Place:
        """The first of the places."""
        return self.places[0]

    def legal(self) -> int:
        """How many of the pods left may be placed now."""
        many = self.left
        for constraint, tally, domain in self.limits:
            room = constraint.room(tally, domain)
            if constraint.matches_self:
                many = min(many, room)
            elif room < 0:
                return 0
        if self.affinity is not None and many > 0:
            company, domains = self.affinity
            if not company.found(domains) and not (self.opens and company.total == 0 and None not in domains):
                return 0
        return many

    def level(self) -> int:
        """How many pods count already in the domain where most do of those that these pods would count in."""
        return max((tally[domain] for tally, domain in self.tallies), default=0)

    def put(self, many: int) -> None:
        """Place some of the pods."""
        self.left -= many
        for tally, domain in self.tallies:
            tally.add(domain, many)
        for company, domains in self.companies:
            company.add(domains, many)


def violations(now: state.State) -> Iterator[plan.Violation]:
    """Pods for which no turn comes, and pods whose affinity nobody can meet."""
    owners = [each for each in now.planned if each.spec.affinity or any(s.hard for s in each.spec.spread)]
    if not owners:
        return
    rest = _in_turns(Stage(now, owners))
    if not rest or not _evenly(Stage(now, owners)):
        return
    complete = Stage(now, owners)
    for item in complete.free + complete.items:
        item.put(item.left)
    hopeless = any(complete.is_skewed(item) or complete.is_lonely(item) for item in rest)
    if not hopeless and _random_order_exists(now, owners):
        return
    seen: set[state.PodClass] = set()
    for item in rest:
        if item.owner not in seen and not complete.is_skewed(item):
            seen.add(item.owner)
            yield _verdict(now, complete, item)


def _random_order_exists(now: state.State, owners: list[state.PodClass]) -> bool:
    """Whether a random order works; few are tried with many pods: one attempt takes long, and it hardly ever comes to this."""
    tries = 100 if len(now.class_of) <= 100 else 10
    return any(not _at_random(Stage(now, owners), seed) for seed in range(tries))


def _verdict(now: state.State, complete: Stage, item: Item) -> plan.Violation:
    if item.affinity is not None and not complete.has_others(item):
        company, domains = item.affinity
        where = ", ".join(
            f"{key}={domain}" if domain is not None else f"{key} (a label that the node lacks)"
            for key, domain in zip(company.keys, domains, strict=True)
        )
        return now.violation(AFFINITY, item.owner, item.place, f"no pod that its affinity asks for is in {where}")
    words = "no order of placement satisfies its topology spread and pod affinity"
    return now.violation(ORDER, item.owner, item.place, words, item.left)


def _in_turns(stage: Stage) -> list[Item]:
    """Place the free pods, then as many of each kind as may be, until there is nobody left; those left over."""
    for item in stage.free:
        item.put(item.left)
    waiting = stage.items
    while True:
        progress = False
        for item in waiting:
            many = item.legal()
            if many > 0:
                item.put(many)
                progress = True
        waiting = [item for item in waiting if item.left]
        if not waiting or not progress:
            return waiting


def _evenly(stage: Stage) -> list[Item]:
    """
    Place one pod after the other, always where the fewest count: what is even in the end is even on the way. Pods that
    may not be placed yet are asked again when their level is full; those left over.
    """
    queues = _Queues(stage.free + stage.items)
    stuck: list[Item] = []
    progress = False
    while (item := queues.lowest()) is not None:
        level = item.level()
        if item.legal() <= 0:
            stuck.append(item)
        else:
            item.put(1)
            progress = True
            if item.left:
                queues.add(item)
        if stuck and progress and queues.level() > level:
            for each in stuck:
                queues.add(each)
            stuck, progress = [], False
    return stuck


class _Queues:
    """
    Items by the domain that gives them their level, the lowest domain first. A pod more in a domain raises all its items at
    once; counts only grow, so an item that another domain has raised since is found out when its turn comes.
    """

    def __init__(self, items: list[Item]) -> None:
        self._waiting: dict[tuple[spread.Tally, str] | None, collections.deque[Item]] = {}
        self._heap: list[tuple[int, int, tuple[spread.Tally, str] | None]] = []
        self._pushed = 0
        for item in items:
            self.add(item)

    def add(self, item: Item) -> None:
        """One more item, behind those of its domain."""
        at = max(item.tallies, key=lambda each: each[0][each[1]], default=None)
        waiting = self._waiting.setdefault(at, collections.deque())
        waiting.append(item)
        if len(waiting) == 1:
            self._push(at)

    def _push(self, at: tuple[spread.Tally, str] | None) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (0 if at is None else at[0][at[1]], self._pushed, at))

    def level(self) -> float:
        """The level of the next domain, infinite when no item waits."""
        while self._heap:
            level, _, at = self._heap[0]
            if at is None or at[0][at[1]] == level:
                return level
            heapq.heappop(self._heap)
            self._push(at)
        return math.inf

    def lowest(self) -> Item | None:
        """Take out an item whose level is the lowest; None when there is none."""
        while (level := self.level()) < math.inf:
            _, _, at = heapq.heappop(self._heap)
            waiting = self._waiting[at]
            item = waiting.popleft()
            if waiting:
                self._push(at)
            if item.level() <= level:
                return item
            self.add(item)
        return None


def _at_random(stage: Stage, seed: int) -> list[Item]:
    """Place one pod of a kind after the other in random order; those left over."""
    dice = random.Random(seed)
    waiting = stage.items + stage.free
    while True:
        progress = False
        dice.shuffle(waiting)
        for item in waiting:
            if item.legal() > 0:
                item.put(1)
                progress = True
        waiting = [item for item in waiting if item.left]
        if not waiting or not progress:
            return waiting


class Stage:
    """The cluster before the first planned pod is placed, with the pods to be placed."""

    def __init__(self, now: state.State, owners: list[state.PodClass]) -> None:
        self._now = now
        self._constraints = now.once(spread.Constraints)
        self._tallies: dict[spread.Scope, spread.Tally] = {}
        self._companies: dict[tuple[peers.Term, ...], Company] = {}
        self._joins: dict[state.PodClass, list[spread.Scope | Company]] = {}
        for owner in owners:
            for constraint in self._constraints.of(owner):
                self._tally(constraint.scope)
            if owner.spec.affinity:
                self._company(owner)
        self.items = _interleaved([item for owner in owners for item in self._items(owner)])
        known = set(owners)
        self.free = [item for of in self._joins if of not in known and of.planned for item in self._items(of)]

    def is_skewed(self, item: Item) -> bool:
        """Whether a spread constraint is broken once all pods are placed here, which its own rule says."""
        return any(
            constraint.room(self._tallies[constraint.scope], domain) < 0 for constraint, _, domain in item.limits
        )

    def is_lonely(self, item: Item) -> bool:
        """Whether a pod that cannot be the first of its kind has no company once all pods are placed here."""
        return item.affinity is not None and not item.opens and not self.has_others(item)

    def has_others(self, item: Item) -> bool:
        """Whether a pod has company besides itself once all pods are placed here."""
        assert item.affinity is not None
        return self._company(item.owner).found(item.affinity[1], besides=1 if item.opens else 0)

    def _tally(self, scope: spread.Scope) -> None:
        if scope in self._tallies:
            return
        tally = self._tallies[scope] = scope.tally()
        for each in scope.counted(self._now):
            self._joins.setdefault(each, []).append(scope)
            for place, count in each.running.items():
                if (domain := scope.domain(place)) is not None:
                    tally.add(domain, count)

    def _company(self, owner: state.PodClass) -> Company:
        terms = tuple(peers.term(each, owner, self._now) for each in owner.spec.affinity)
        company = self._companies.get(terms)
        if company is None:
            matched = [set(each.matched(self._now)) for each in terms]
            members = [each for each in terms[0].matched(self._now) if all(each in found for found in matched)]
            company = Company(tuple(each.key for each in terms), members, [{} for _ in terms])
            self._companies[terms] = company
            for each in members:
                self._joins.setdefault(each, []).append(company)
                for place, count in (*each.running.items(), *each.coming.items()):
                    company.add(company.domains(place), count)
        return company

    def _items(self, of: state.PodClass) -> Iterator[Item]:
        """Planned pods of a class, by what they count for and what they need on their places."""
        joins = self._joins.get(of, [])
        constraints = self._constraints.of(of) if any(s.hard for s in of.spec.spread) else []
        company = self._company(of) if of.spec.affinity else None
        found: dict[tuple[object, ...], Item] = {}
        for place, count in of.planned.items():
            tallies: list[tuple[spread.Tally, str]] = []
            companies: list[tuple[Company, tuple[str | None, ...]]] = []
            key: list[object] = []
            for each in joins:
                if isinstance(each, Company):
                    domains = each.domains(place)
                    companies.append((each, domains))
                    key.append(domains)
                else:
                    domain = each.domain(place)
                    key.append(domain)
                    if domain is not None:
                        tallies.append((self._tallies[each], domain))
            limits = [(c, self._tallies[c.scope], place.domain(c.spread.topology_key) or "") for c in constraints]
            affinity = (company, company.domains(place)) if company is not None else None
            exact = (*key, *(domain for _, _, domain in limits), affinity[1] if affinity is not None else None)
            if (item := found.get(exact)) is not None:
                item.left += count
                item.places.append(place)
            else:
                opens = company is not None and of in company.members
                found[exact] = Item(of, [place], count, tallies, companies, limits, affinity, opens)
        yield from found.values()


def _interleaved(items: list[Item]) -> list[Item]:
    """Items in an order that visits the domains of spread constraints in turn, so that few rounds are needed."""
    seen: dict[tuple[int, str], int] = {}
    ranks = []
    for item in items:
        rank = 0
        for _, tally, domain in item.limits:
            turn = seen.get((id(tally), domain), 0)
            seen[id(tally), domain] = turn + 1
            rank = max(rank, turn)
        ranks.append(rank)
    return [items[index] for index in sorted(range(len(items)), key=lambda index: ranks[index])]
