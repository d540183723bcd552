"""
The exact greedy: places pods one class after the other under all rules at once.

`complete` starts from any valid solution and never moves what is there:

1. Classes go by priority; within one, those whose pods want a node each and big ones first, those that follow others last.
2. A class takes the places where it gives up least; among equals existing nodes, then new ones, the fullest first. Where a
   rule limits a whole domain its places are taken together up to that limit, and domains of a spread rise together.
3. Where none is left, or a new node gives up less, nodes are opened: of the offer with the least price per pod that the
   class can bring there.
4. What found no place is tried again after all others, until a whole turn places nothing.
5. Every node opened here becomes the cheapest offer that holds its pods.

When pods are left out that some place could hold, other ways are tried (see `Way`), and the best result counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from solver import evaluate
from solver import problem as problems
from solver.search.construction import shrink, taking, tallies
from solver.search.construction import state as states

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

SHAKE = 0.1
"""Standard deviation of the logarithm of the factor by which a seed changes the size of a class in the order."""
REORDERED = 64
"""Places per class that are tried when another order of placement might let it open an attraction."""


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """
    How the greedy goes about it.

    `cautious`: host spreads stay within their skew of empty nodes, so that they never keep a node from being opened.
    `thrifty`: nodes cost what they take of the tightest cap or of the OVH pools, not their price. Classes in `first` come
    before others of their priority, and what attracts them is put where they can follow.
    """

    cautious: bool = False
    thrifty: bool = False
    first: frozenset[int] = frozenset()


def complete(
    problem: problems.Problem, start: problems.Solution, *, seed: int, stop: Callable[[], bool]
) -> problems.Solution:
    """
    Place every pod that a valid solution leaves out, as far as rules and room allow.

    Parameters
    ----------
    problem : problems.Problem
        The whole problem.
    start : problems.Solution
        A valid solution, often empty or partial; its nodes and pods stay as they are.
    seed : int
        Shakes the order of classes a little; 0 does not.
    stop : Callable
        Asked between steps; once true, what is there is returned.

    Returns
    -------
    problems.Solution
        Unless stopped, none of the pods that it leaves out could be added to it.
    """
    work = _Greedy(problem, start, Way(), seed, stop)
    work.run()
    best = work.state.solution()
    if stop() or not work.hopeful():
        return best
    value = evaluate.value(problem, best)
    for way in _other_ways(work):
        work = _Greedy(problem, start, way, seed, stop)
        work.run()
        solution = work.state.solution()
        best, value = min((best, value), (solution, evaluate.value(problem, solution)), key=lambda pair: pair[1])
        if stop() or not work.hopeful():
            break
    return best


def _other_ways(work: _Greedy) -> Iterator[Way]:
    """What may help where the first way left pods out."""
    cautious, thrifty = work.hindered(), work.scarce()
    first = frozenset(np.flatnonzero(work.state.left).tolist())
    yield Way(first=first)
    if cautious:
        yield Way(cautious=True)
    if thrifty:
        yield Way(thrifty=True)
        yield Way(thrifty=True, first=first)
    if cautious and thrifty:
        yield Way(cautious=True, thrifty=True)


@dataclasses.dataclass(frozen=True, slots=True)
class _Choice:
    """Index into the sites of a fresh reach, how many nodes, pods on each, and the price per pod, preferences included."""

    site: int
    nodes: int
    pods: int
    price: float


@dataclasses.dataclass(frozen=True, slots=True)
class _Spot:
    """Where a class that follows may go: one `entry` of a topology, or any node that takes it."""

    follower: int
    slots: tallies.Slots
    entry: int

    def holds(self, state: states.State, reach: tallies.Reach) -> Mask:
        """Which sites are there (S,)."""
        if self.slots.host:
            return _takes(state, self.follower, reach)
        return np.asarray(self.slots.of(reach) == self.entry)


class _Greedy:
    """One run of the greedy."""

    def __init__(
        self, problem: problems.Problem, start: problems.Solution, way: Way, seed: int, stop: Callable[[], bool]
    ) -> None:
        self.problem = problem
        self.way = way
        self.stop = stop
        self.state = states.load(problem, start)
        self.first_own = self.state.places
        for spread in self.state.spreads:
            spread.cautious = way.cautious
        self.even = np.zeros(len(problem.classes), dtype=np.bool_)
        for rule in problem.spreads:
            if rule.topology == problems.HOST:
                self.even |= rule.owners
        self._weigh()
        self.order = self._order(seed)

    def _weigh(self) -> None:
        """What nodes cost (O,), and how big a pod of each class is (C,) at the cheapest price of each resource."""
        problem = self.problem
        self.price = np.maximum(problem.prices + problem.node_charge, 1).astype(np.float64)
        if self.way.thrifty:
            self.price = self._scarcity() + self.price / self.price.max(initial=1.0)
        with np.errstate(divide="ignore"):
            unit = (self.price[:, None] / self.state.offer_room).min(axis=0, initial=np.inf)
        self.size = problem.requests @ np.where(np.isfinite(unit), unit, 0.0)

    def _scarcity(self) -> Floats:
        """What a node of each offer takes of the tightest cap, or of all OVH pools, in millionths (O,)."""
        state, pools = self.state, self.problem.pools
        share = (state.cap_of / np.maximum(state.cap_left, 1)[:, None]).max(axis=0, initial=0.0)
        nodes = int(state.pool_free.sum()) + max(0, pools.new_pools) * int(state.pool_size.max(initial=0))
        scarcity: Floats = 1e6 * np.maximum(share, 1 / max(1, nodes))
        return scarcity

    def _order(self, seed: int) -> list[int]:
        problem = self.problem
        classes = np.arange(len(problem.classes))
        later = -np.array([c.priority for c in problem.classes], dtype=np.int64)
        first = np.isin(classes, list(self.way.first))
        apart = np.zeros(len(classes), dtype=np.bool_)
        for exclusion in problem.exclusions:
            if exclusion.topology == problems.HOST:
                apart |= exclusion.owners & exclusion.targets.members
        follows = np.zeros(len(classes), dtype=np.bool_)
        for attraction in problem.attractions:
            follows |= attraction.owners & ~attraction.targets.members
        size = self.size
        if seed:
            size = size * np.exp(SHAKE * np.random.default_rng(seed).standard_normal(len(size)))
        return [int(c) for c in np.lexsort((classes, -size, ~apart, self.even, follows, ~first, later))]

    # -- turns ----------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Turns until one places nothing, then smaller nodes, which may make room under a cap for another turn."""
        self._lure()
        self._turn_until_idle()
        for spread in self.state.spreads:
            spread.cautious = False
        while True:
            while self._turn_until_idle() or self._reorder():
                pass
            if not shrink.shrink(self.state, self.first_own) or self.stop():
                return

    def _turn_until_idle(self) -> bool:
        anything = False
        while not self.stop():
            placed = [self._place(c) for c in self.order if self.state.left[c]]
            if not any(placed):
                break
            anything = True
        return anything

    def hopeful(self) -> bool:
        """Whether a pod was left out that some place could hold if it were empty."""
        problem, state = self.problem, self.state
        for c in np.flatnonzero(state.left).tolist():
            if any(a.owners[c] and not a.opens[c] and not a.anywhere() for a in state.attractions):
                continue
            fits = (problem.requests[c] <= np.maximum(problem.node_room, 0)).all(axis=1)
            if len(state.single(c)[0]) or (state.node_ok[c] & fits).any():
                return True
        return False

    def hindered(self) -> bool:
        """Whether a host spread keeps nodes from being opened."""
        return any(s.slots.host and s.spread.weight is None and s.peak > s.spread.max_skew for s in self.state.spreads)

    def scarce(self) -> bool:
        """Whether caps or OVH pools keep nodes from being opened for pods that were left out."""
        full = ~self.state.openable()
        return any(full[self.state.single(c)[0]].any() for c in np.flatnonzero(self.state.left).tolist())

    def _place(self, pod_class: int) -> bool:
        """Place as many pods of a class as possible; whether any was."""
        placed = False
        while self.state.left[pod_class] and not self.stop() and self._step(pod_class):
            placed = True
        return placed

    def _step(self, pod_class: int, spot: _Spot | None = None) -> bool:
        """Place some pods of a class where they are best off now, or one of them on a spot; whether any was."""
        state = self.state
        left = int(state.left[pod_class]) if spot is None else 1
        reach = state.reach(pod_class)
        fresh = None
        if spot is not None:
            reach.forbid(~spot.holds(state, reach))
        if reach.bounds:
            fresh = self._fresh(pod_class, spot)
            taking.settle(reach, fresh, left)
        site = taking.best(state, reach)
        if site is not None and reach.unmet[site] <= 0 and reach.rank[site] <= 0:
            taking.take(state, pod_class, reach, site, left)
            return True
        fresh = fresh or self._fresh(pod_class, spot)
        choice = self._choose(pod_class, fresh, left)
        if site is not None and (choice is None or self._rather(reach, site, fresh, choice)):
            taking.take(state, pod_class, reach, site, left)
            return True
        if choice is None:
            return False
        places = state.open(int(fresh.sites[choice.site]), choice.nodes)
        state.put(pod_class, places, np.full(choice.nodes, choice.pods))
        return True

    def _fresh(self, pod_class: int, spot: _Spot | None) -> tallies.Reach:
        fresh = self.state.fresh(pod_class)
        if spot is not None:
            fresh.forbid((fresh.least > 1) | ~spot.holds(self.state, fresh))
        return fresh

    def _lure(self) -> None:
        """Put a target wherever classes in `first` may follow it: one in each domain, or on one node."""
        state = self.state
        for follower in sorted(self.way.first):
            for rule in state.attractions:
                if rule.owners[follower] and not rule.opens[follower]:
                    for spot in _spots(state, follower, rule.slots[0]):
                        targets = np.flatnonzero(rule.members & (state.left > 0)).tolist()
                        _ = any(self._step(target, spot) for target in targets)

    def _rather(self, reach: tallies.Reach, site: int, fresh: tallies.Reach, choice: _Choice) -> bool:
        """Whether a place is no worse than the node that would be opened, by what `problem.Value` counts."""
        price = self.problem.preference_price
        rank, fresh_rank = int(reach.rank[site]), int(fresh.rank[choice.site])
        unmet, fresh_unmet = int(reach.unmet[site]), int(fresh.unmet[choice.site])
        if price is None:
            return (unmet, rank) <= (fresh_unmet, fresh_rank)
        return (rank, unmet * price / 100) <= (fresh_rank, choice.price)

    # -- new nodes ------------------------------------------------------------------------------------------------------

    def _choose(self, pod_class: int, fresh: tallies.Reach, left: int) -> _Choice | None:
        """The offer to open for `left` pods of a class, how many nodes, and how many pods on each."""
        state, problem = self.state, self.problem
        limit = np.minimum(fresh.limit, left)
        sites = np.flatnonzero(limit > 0)
        if not len(sites):
            return None
        money = np.zeros(len(fresh.sites))
        if problem.preference_price is None:
            sites = sites[taking.lowest(fresh.loss(rank_first=False)[:, sites])]
        else:
            sites = sites[taking.lowest(fresh.rank[None, sites])]
            money = fresh.unmet * problem.preference_price / 100
        outlook = limit
        if fresh.parts:
            outlook = np.maximum(limit, np.minimum(fresh.room, -(-left // fresh.parts)))
        price = self._prices()[fresh.sites] / np.maximum(outlook, 1) + money
        site = int(sites[np.lexsort((fresh.crowd[sites], -outlook[sites], price[sites]))[0]])
        pods = int(limit[site])
        if self.even[pod_class]:
            pods = max(-(-left // -(-left // pods)), int(fresh.least[site]))
        nodes = 1
        if not fresh.alone:
            nodes = min(min(left, int(fresh.total[site])) // pods, state.most_nodes(int(fresh.sites[site])))
        return _Choice(site, nodes, pods, float(price[site]))

    def _prices(self) -> Floats:
        """What one more node of each offer costs (O,)."""
        pools = self.problem.pools
        if self.way.thrifty or not pools.charge:
            return self.price
        priced: Floats = self.price + (pools.charge * (~pools.exists & (self.state.pool_used == 0)))[self.state.pool_of]
        return priced

    # -- another order --------------------------------------------------------------------------------------------------

    def _reorder(self) -> bool:
        """
        Place a pod that only another order of placement allows; whether one was.

        A pod that matches its own terms may open an attraction although targets are planned: it then comes before them.
        """
        state = self.state
        for pod_class in self.order:
            opens = [a for a in state.attractions if a.bare and a.opens[pod_class]]
            if not state.left[pod_class] or not opens:
                continue
            for rule in opens:
                rule.lifted = True
            reaches = state.reach(pod_class), state.fresh(pod_class)
            for rule in opens:
                rule.lifted = False
            if any(self._try_cells(pod_class, reach) for reach in reaches):
                return True
        return False

    def _try_cells(self, pod_class: int, reach: tallies.Reach) -> bool:
        sites = np.flatnonzero(reach.limit > 0)
        _, first = np.unique(np.stack(reach.bounds, axis=1)[sites], axis=0, return_index=True)
        for site in sites[np.sort(first)][:REORDERED]:
            if self.stop():
                return False
            pods, where = int(reach.least[site]), int(reach.sites[site])
            if self._order_exists(pod_class, pods, where, fresh=reach.fresh):
                places = self.state.open(where, 1) if reach.fresh else reach.sites[[site]]
                self.state.put(pod_class, places, np.full(1, pods))
                return True
        return False

    def _order_exists(self, pod_class: int, pods: int, where: int, *, fresh: bool) -> bool:
        """Whether attractions still hold with more pods of the class there."""
        grown = self.state.solution()
        index = where - self.state.nodes
        more = ((pod_class, pods),)
        if fresh:
            grown = dataclasses.replace(grown, new=(*grown.new, (where, more)))
        elif index < 0:
            placed = {**grown.placed, where: _add(grown.placed.get(where, ()), pod_class, pods)}
            grown = dataclasses.replace(grown, placed=placed)
        else:
            offer, counts = grown.new[index]
            changed = (offer, _add(counts, pod_class, pods))
            grown = dataclasses.replace(grown, new=(*grown.new[:index], changed, *grown.new[index + 1 :]))
        bare = dataclasses.replace(
            self.problem, spreads=(), exclusions=(), common_domains=(), shared_amounts=(), min_values=(), caps=()
        )
        return not any(broken.startswith("attraction") for broken in evaluate.violations(bare, grown))


def _takes(state: states.State, pod_class: int, reach: tallies.Reach) -> Mask:
    """Which sites the class may go to by its masks (S,)."""
    if reach.fresh:
        return np.asarray(state.problem.offer_ok[pod_class, reach.sites])
    old = reach.sites < state.nodes
    takes = np.zeros(len(reach.sites), dtype=np.bool_)
    takes[old] = state.node_ok[pod_class, reach.sites[old]]
    takes[~old] = state.problem.offer_ok[pod_class, state.offer[reach.sites[~old]]]
    return takes


def _spots(state: states.State, follower: int, slots: tallies.Slots) -> list[_Spot]:
    """Where a class may go, domain by domain; hosts are one spot together."""
    if slots.host:
        return [_Spot(follower, slots, slots.none)]
    offers = state.single(follower)[0]
    entries = np.union1d(slots.place[: state.nodes][state.node_ok[follower]], slots.offer[offers])
    return [_Spot(follower, slots, int(entry)) for entry in entries if entry != slots.none]


def _add(counts: problems.Counts, pod_class: int, pods: int) -> problems.Counts:
    table = dict(counts)
    table[pod_class] = table.get(pod_class, 0) + pods
    return tuple(sorted(table.items()))
