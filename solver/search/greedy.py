"""
The exact greedy: places pods one class after the other under all rules at once, and takes out what breaks them.

`complete` starts from any valid solution and never moves what is there:

1. Classes go by priority; within one, those that want a node of their own and big ones first, those that follow others later.
2. A class takes the places with the least unmet preference and rank; among equals existing nodes, then new ones, the fullest first. Where a rule
   limits a whole domain its places are taken together, up to that limit.
3. Where none is left (or a new node keeps more preferences) a node is opened: the offer with the least price per pod when the class fills it, else the least price
   per share of all waiting pods that it could hold.
4. What found no place is tried again after all others, until a whole turn places nothing.
5. Every opened node becomes the cheapest offer that holds its pods.

When pods are left out that some place could hold, other ways are tried (see `Way`), and the best result counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from solver import evaluate
from solver import problem as problems
from solver.search import state as states

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

REORDERED = 64
"""Places per class that are tried when another order of placement might let it open an attraction."""


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """
    How the greedy goes about it.

    `cautious`: host spreads stay within their skew of empty nodes, so that they never keep a node from being opened. `thrifty`: nodes
    cost what they take of the tightest cap or of the OVH pools, not their price.
    """

    cautious: bool = False
    thrifty: bool = False


def complete(
    problem: problems.Problem, start: problems.Solution, *, seed: int, stop: Callable[[], bool]
) -> problems.Solution:
    """
    Place every pod that a valid solution leaves out, as far as rules and room allow.

    Parameters
    ----------
    problem: the whole problem.
    start: a valid solution, often empty or partial; its nodes and pods stay as they are.
    seed: shakes the order of classes a little; 0 does not.
    stop: asked between steps; when true, what is there is returned.

    Returns
    -------
    A valid solution. Unless stopped, none of the pods it leaves out could be added to it.
    """
    work = _Greedy(problem, start, Way(), seed, stop)
    work.run()
    best = work.state.solution()
    if not work.hopeful():
        return best
    value = evaluate.value(problem, best)
    cautious, thrifty = work.hindered(), work.scarce()
    for way in (Way(cautious=True), Way(thrifty=True), Way(cautious=True, thrifty=True)):
        if stop() or not work.hopeful():
            break
        if way.cautious <= cautious and way.thrifty <= thrifty:
            work = _Greedy(problem, start, way, seed, stop)
            work.run()
            solution = work.state.solution()
            best, value = min((best, value), (solution, evaluate.value(problem, solution)), key=lambda pair: pair[1])
    return best


@dataclasses.dataclass(frozen=True, slots=True)
class _Choice:
    """Index into the sites of a fresh reach, how many nodes, pods of the class on each, and the price per pod."""

    site: int
    nodes: int
    pods: int
    price: float


class _Greedy:
    """One run of the greedy."""

    def __init__(
        self, problem: problems.Problem, start: problems.Solution, way: Way, seed: int, stop: Callable[[], bool]
    ) -> None:
        self.problem = problem
        self.way = way
        self.stop = stop
        self.state = _load(problem, start)
        self.first_own = self.state.places
        for spread in self.state.spreads:
            spread.cautious = way.cautious
        self._make_worth()
        self.order = self._order(seed)

    def _make_worth(self) -> None:
        """What a unit of each resource costs at the cheapest (R,), and so a pod of each class (C,); demand by equal masks of offers."""
        problem = self.problem
        self.price = np.maximum(problem.prices + problem.node_charge, 1).astype(np.float64)
        if self.way.thrifty:
            self.price = self._scarcity()
        room = self.state.offer_room
        with np.errstate(divide="ignore"):
            unit = np.where(room > 0, self.price[:, None] / room, np.inf).min(axis=0, initial=np.inf)
        self.unit = np.where(np.isfinite(unit), unit, 0.0)
        self.worth = problem.requests @ self.unit + 1e-9
        packed = np.packbits(problem.offer_ok, axis=0).T
        _, first, kind = np.unique(packed, axis=0, return_index=True, return_inverse=True)
        self.kind = kind.ravel()
        self.kind_ok = problem.offer_ok[:, first].T.astype(np.float64)
        self.amounts = problem.requests.astype(np.float64)

    def _scarcity(self) -> Floats:
        """What a node of each offer takes of the tightest cap, or of all OVH pools; its price decides among equals."""
        state = self.state
        room = np.maximum(state.cap_left, 1)
        share = (state.cap_of / room[:, None]).max(axis=0, initial=0.0)
        pools = self.problem.pools
        nodes = state.pool_free.sum() + max(0, pools.new_pools) * state.pool_size.max(initial=0)
        share = np.maximum(share, 1.0 / max(1, int(nodes)))
        return 1e6 * share + self.price / self.price.max(initial=1.0)

    def _order(self, seed: int) -> list[int]:
        problem = self.problem
        classes = np.arange(len(problem.classes))
        priority = np.array([c.priority for c in problem.classes], dtype=np.int64)
        alone = np.zeros(len(classes), dtype=np.bool_)
        follows = np.zeros(len(classes), dtype=np.bool_)
        even = np.zeros(len(classes), dtype=np.bool_)
        for exclusion in problem.exclusions:
            if exclusion.topology == problems.HOST:
                alone |= exclusion.owners & exclusion.targets.members
        for attraction in problem.attractions:
            follows |= attraction.owners & ~attraction.targets.members
        for spread in problem.spreads:
            if spread.topology == problems.HOST:
                even |= spread.owners
        size = self.worth.copy()
        if seed:
            size *= np.exp(0.1 * np.random.default_rng(seed).standard_normal(len(size)))
        self.even = even
        return [int(c) for c in np.lexsort((classes, -size, ~alone, even, follows, -priority))]

    # -- the turns ----------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Turns until one places nothing, then smaller nodes, which may make room under a cap for another turn."""
        self._turns()
        for spread in self.state.spreads:
            spread.cautious = False
        while True:
            while not self.stop() and (self._turns() or self._reordered()):
                pass
            if not self.shrink() or self.stop():
                return

    def hopeful(self) -> bool:
        """Whether a pod was left out that some place could hold if it were empty."""
        problem = self.problem
        room = np.maximum(problem.node_room, 0)
        for c in np.flatnonzero(self.state.left):
            if len(self.state.single(int(c))[0]):
                return True
            if (self.state.node_ok[c] & (problem.requests[c] <= room).all(axis=1)).any():
                return True
        return False

    def hindered(self) -> bool:
        """Whether a host spread keeps nodes from being opened."""
        return any(
            s.slots.host and s.spread.weight is None and s.summary()[2] > s.spread.max_skew for s in self.state.spreads
        )

    def scarce(self) -> bool:
        """Whether caps or OVH pools keep a node from being opened for a pod that was left out."""
        full = ~self.state.openable()
        return any(full[self.state.single(int(c))[0]].any() for c in np.flatnonzero(self.state.left))

    def _turns(self) -> bool:
        anything = False
        while not self.stop():
            placed = [self._place(c) for c in self.order if self.state.left[c]]
            if not any(placed):
                return anything
            anything = True
        return anything

    def _place(self, pod_class: int) -> bool:
        """Place as many pods of a class as possible; whether any was."""
        placed = False
        while self.state.left[pod_class] and not self.stop():
            if not self._step(pod_class):
                break
            placed = True
        return placed

    def _step(self, pod_class: int) -> bool:
        """Place some pods of a class where they are best off now; whether any was."""
        state = self.state
        reach = state.reach(pod_class)
        fresh: states.Reach | None = None
        if reach.bounds:
            fresh = state.fresh(pod_class)
            self._settle(pod_class, reach, fresh)
        site = _best(self.problem, state, reach)
        if site is not None and reach.unmet[site] <= 0 and reach.rank[site] <= 0:
            _spread_over(state, pod_class, reach, site, state.left[pod_class])
            return True
        fresh = fresh if fresh is not None else state.fresh(pod_class)
        choice = self._choose(pod_class, fresh)
        if choice is None and site is None:
            return False
        if choice is None or (site is not None and self._prefer_place(reach, site, fresh, choice)):
            assert site is not None
            _spread_over(state, pod_class, reach, site, state.left[pod_class])
            return True
        places = state.open(int(fresh.sites[choice.site]), choice.nodes)
        state.put(pod_class, places, np.full(choice.nodes, choice.pods))
        return True

    def _prefer_place(self, reach: states.Reach, site: int, fresh: states.Reach, choice: _Choice) -> bool:
        """Whether a place is no worse than the node that would be opened, by what `problem.Value` counts."""
        here, there = (
            (int(reach.rank[site]), int(reach.unmet[site])),
            (int(fresh.rank[choice.site]), int(fresh.unmet[choice.site])),
        )
        price = self.problem.preference_price
        if price is None:
            return here[::-1] <= there[::-1]
        return (here[0], here[1] * price / 100) <= (there[0], there[1] * price / 100 + choice.price)

    def _settle(self, pod_class: int, reach: states.Reach, fresh: states.Reach) -> None:
        """A class that must stay together may only go to cells that hold as many of its pods as any."""
        left = int(self.state.left[pod_class])
        keys = np.stack([np.concatenate(pair) for pair in zip(reach.bounds, fresh.bounds, strict=True)], axis=1)
        if reach.alone:
            offers = np.concatenate([np.full(len(reach.sites), -1), fresh.sites])
            keys = np.concatenate([keys, offers[:, None]], axis=1)
        _, cell = np.unique(keys, axis=0, return_inverse=True)
        cell = cell.ravel()
        one_more = np.minimum(fresh.limit, left)
        if not reach.alone:
            one_more = np.where(one_more > 0, np.minimum(fresh.total, left), 0)
        holds = np.concatenate([np.minimum(reach.limit, left), one_more])
        room = np.minimum(np.bincount(cell, weights=holds), left)
        poor = (room < room.max(initial=0))[cell]
        reach.forbid(poor[: len(reach.sites)])
        fresh.forbid(poor[len(reach.sites) :])

    # -- new nodes ----------------------------------------------------------------------------------------------------------------

    def _choose(self, pod_class: int, fresh: states.Reach) -> _Choice | None:
        """The offer to open for a class, how many nodes, and how many of its pods on each."""
        state, problem = self.state, self.problem
        sites = np.flatnonzero(fresh.limit > 0)
        if not len(sites):
            return None
        left = int(state.left[pod_class])
        if problem.preference_price is None:
            sites = sites[_lowest(fresh.loss(rank_first=False)[:, sites])]
            money = np.zeros(len(sites))
        else:
            sites = sites[_lowest(fresh.rank[None, sites])]
            money = fresh.unmet[sites] * problem.preference_price / 100
        offers, limit = fresh.sites[sites], np.minimum(fresh.limit[sites], left)
        price = self._prices()[offers]
        own = price / limit + money
        site = int(np.lexsort((fresh.crowd[sites], price, own))[0])
        nodes = 1
        if self._by_room(pod_class, int(offers[site])) == limit[site]:
            nodes = min(int(left // limit[site]), int(fresh.total[sites[site]] // limit[site]))
        else:
            shared = price * self.worth[pod_class] / self._mixed(pod_class, offers, limit) + money
            site = int(np.lexsort((fresh.crowd[sites], price, shared))[0])
        pods = int(limit[site])
        if self.even[pod_class]:
            pods = max(-(-left // -(-left // pods)), int(fresh.least[sites[site]]))
            nodes = min(nodes, left // pods)
        nodes = 1 if fresh.alone else min(nodes, state.most_nodes(int(offers[site])))
        return _Choice(int(sites[site]), max(1, nodes), pods, float(price[site] / pods))

    def _by_room(self, pod_class: int, offer: int) -> int:
        sites, limit = self.state.single(pod_class)
        return int(limit[np.searchsorted(sites, offer)])

    def _prices(self) -> Floats:
        """What one more node of each offer costs (O,)."""
        pools = self.problem.pools
        if self.way.thrifty or not pools.charge:
            return self.price
        first = ~pools.exists & (self.state.pool_used == 0)
        return self.price + pools.charge * first[self.state.pool_of]

    def _mixed(self, pod_class: int, offers: Ints, pods: Ints) -> Floats:
        """The worth of what a node of each of these offers would hold of all waiting pods (len(offers),)."""
        state = self.state
        waiting = self.kind_ok @ (self.amounts * state.left[:, None])
        waiting -= state.room[:, self.first_own : state.places].sum(axis=1)
        own = pods[:, None] * self.amounts[pod_class]
        net = np.maximum(waiting[self.kind[offers]], own)
        room = state.offer_room[offers]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(net > 0, room / net, np.inf).min(axis=1)
        return np.maximum(np.minimum(share, 1.0) * (net @ self.unit), pods * self.worth[pod_class])

    # -- smaller nodes ------------------------------------------------------------------------------------------------------------

    def shrink(self) -> bool:
        """Make every node opened here the cheapest offer in the same domains that holds its pods; whether any changed."""
        state, problem = self.state, self.problem
        places = np.arange(self.first_own, state.places)
        if not len(places):
            return False
        alike = self._alike()
        price = problem.prices.astype(np.float64) + problem.node_charge
        changed = False
        for group in np.unique(alike[state.offer[places]]):
            offers = np.flatnonzero(alike == group)
            offers = offers[np.argsort(price[offers], kind="stable")]
            for some in _chunks(places[alike[state.offer[places]] == group], len(offers)):
                changed |= self._shrink(some, offers, price)
        return changed

    def _shrink(self, places: Ints, offers: Ints, price: Floats) -> bool:
        """The same for `places` of which every offer lies in the same domains; `offers` are the cheapest first."""
        state, problem = self.state, self.problem
        fits = (state.used(places)[:, None] <= state.offer_room[offers][None]).all(axis=2)
        fits &= state.may[places - state.nodes][:, offers]
        cost = np.broadcast_to(price[offers], fits.shape)
        now = price[state.offer[places]][:, None]
        pods = state.pods[places].astype(np.float64)
        better = fits.copy()
        if state.penalised:
            unmet = pods @ problem.offer_penalty[:, offers]
            before = (pods * problem.offer_penalty[:, state.offer[places]].T).sum(axis=1)[:, None]
            if problem.preference_price is None:
                better &= unmet <= before
            else:
                cost = cost + unmet * problem.preference_price / 100
                now = now + before * problem.preference_price / 100
        if state.ranked:
            before = (pods * problem.offer_rank[:, state.offer[places]].T).sum(axis=1)[:, None]
            better &= pods @ problem.offer_rank[:, offers] <= before
        better &= cost < now
        changed = False
        for row in np.flatnonzero(better.any(axis=1)):
            candidates = np.flatnonzero(better[row])
            for column in candidates[np.argsort(cost[row, candidates], kind="stable")]:
                if cost[row, column] + self._pool_change(int(places[row]), int(offers[column])) >= now[row, 0]:
                    continue
                if self._may_swap(int(places[row]), int(offers[column]), offers[fits[row]]):
                    state.swap(int(places[row]), int(offers[column]))
                    changed = True
                    break
        return changed

    def _pool_change(self, place: int, offer: int) -> int:
        """What the charges for new OVH pools change by when a place becomes another offer."""
        state, pools = self.state, self.problem.pools
        old, new = state.pool_of[state.offer[place]], state.pool_of[offer]
        if old == new or not pools.charge:
            return 0
        begins = not pools.exists[new] and state.pool_used[new] == 0
        ends = not pools.exists[old] and state.pool_used[old] == 1
        return pools.charge * (int(begins) - int(ends))

    def _may_swap(self, place: int, offer: int, fitting: Ints) -> bool:
        """Whether caps, OVH pools and minimum values allow another offer; `fitting` offers hold the pods of the place."""
        state = self.state
        old = int(state.offer[place])
        if (state.cap_left + state.cap_of[:, old] < state.cap_of[:, offer]).any():
            return False
        if state.pool_of[old] != state.pool_of[offer] and not state.pools_allow(old, offer):
            return False
        for rule in self.problem.min_values:
            if rule.value_of[offer] >= 0:
                among = fitting[state.family[fitting] == state.family[offer]]
                values = rule.value_of[among]
                if len(np.unique(values[values >= 0])) < rule.minimum:
                    return False
        return True

    def _alike(self) -> Ints:
        """Offers (O,) with the same number lie in the same domains and count for the same spreads."""
        columns = [keys.of_offer for keys in self.problem.topologies]
        columns += [s.offer_counted.astype(np.int64) for s in self.problem.spreads]
        columns.append(np.zeros(len(self.problem.offers), dtype=np.int64))
        _, alike = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        return alike.ravel()

    # -- another order --------------------------------------------------------------------------------------------------------------

    def _reordered(self) -> bool:
        """
        Place a pod that another order of placement allows; whether one was.

        A pod that matches its own terms may open an attraction even though targets are planned elsewhere: it then comes before them.
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
            for reach in reaches:
                if self._try_cells(pod_class, reach):
                    return True
        return False

    def _try_cells(self, pod_class: int, reach: states.Reach) -> bool:
        sites = np.flatnonzero(reach.limit > 0)
        cells = np.stack(reach.bounds, axis=1)[sites]
        _, first = np.unique(cells, axis=0, return_index=True)
        for site in sites[np.sort(first)][:REORDERED]:
            if self.stop():
                return False
            if self._order_exists(pod_class, int(reach.sites[site]), reach.fresh):
                where = reach.sites[[site]]
                places = self.state.open(int(where[0]), 1) if reach.fresh else where
                self.state.put(pod_class, places, np.full(1, max(1, int(reach.least[site]))))
                return True
        return False

    def _order_exists(self, pod_class: int, site: int, fresh: bool) -> bool:
        """Whether the attractions still hold with one more pod of the class there."""
        bare = dataclasses.replace(
            self.problem, spreads=(), exclusions=(), common_domains=(), shared_amounts=(), min_values=(), caps=()
        )
        grown = self.state.solution()
        more = ((pod_class, 1),)
        if fresh:
            grown = dataclasses.replace(grown, new=(*grown.new, (site, more)))
        elif site < self.state.nodes:
            grown = dataclasses.replace(grown, placed={**grown.placed, site: _add(grown.placed.get(site, ()), more)})
        else:
            new = list(grown.new)
            offer, counts = new[site - self.state.nodes]
            new[site - self.state.nodes] = offer, _add(counts, more)
            grown = dataclasses.replace(grown, new=tuple(new))
        return not any(sentence.startswith("attraction") for sentence in evaluate.violations(bare, grown))


def trim(problem: problems.Problem, solution: problems.Solution) -> problems.Solution:
    """
    Take nodes and pods out of a solution until nothing is broken.

    Its nodes and pods are put in again one by one as long as every rule allows: nodes with pods of high priority and many pods first, classes
    by priority. Nodes whose pods find no other place are not removed after all.
    """
    if not evaluate.violations(problem, solution):
        return solution
    removed = _allowed_removals(problem, solution.removed)
    while True:
        state = _replay(problem, solution, removed)
        if not removed:
            return state.solution()
        residents = problem.residents
        short = residents[list(removed)].sum(axis=0) - state.pods[: state.places].sum(axis=0)
        if (short <= 0).all():
            return state.solution()
        nodes = sorted(removed)
        removed -= {nodes[int(residents[nodes, c].argmax())] for c in np.flatnonzero(short > 0)}


def _allowed_removals(problem: problems.Problem, removed: frozenset[int]) -> frozenset[int]:
    """Those that save most, as far as nodes may go."""
    residents = problem.residents.sum(axis=1) if removed else np.zeros(0, dtype=np.int64)
    room = [max(0, cap.room) for cap in problem.removal_caps]
    most = problem.max_removals if problem.max_removals is not None else len(removed)
    evictions = problem.max_evictions if problem.max_evictions is not None else int(residents.sum())
    kept: list[int] = []
    for node in sorted(removed, key=lambda n: (problem.nodes[n].removal_cost - problem.nodes[n].price, n)):
        caps = [i for i, cap in enumerate(problem.removal_caps) if cap.nodes[node]]
        fits = len(kept) < most and residents[node] <= evictions and all(room[i] > 0 for i in caps)
        if problem.nodes[node].removable and fits:
            kept.append(node)
            evictions -= int(residents[node])
            for i in caps:
                room[i] -= 1
    return frozenset(kept)


def _replay(problem: problems.Problem, solution: problems.Solution, removed: frozenset[int]) -> states.State:
    """A state with as much of the solution as the rules allow."""
    state = states.State(problem, removed, len(solution.new))
    levels = sorted({c.priority for c in problem.classes}, reverse=True)

    def importance(node: tuple[int, problems.Counts]) -> tuple[int, ...]:
        pods = dict.fromkeys(levels, 0)
        for pod_class, number in node[1]:
            pods[problem.classes[pod_class].priority] -= number
        return tuple(pods.values())

    wanted = np.zeros((len(state.offer), len(problem.classes)), dtype=np.int64)
    for node, counts in solution.placed.items():
        for pod_class, number in counts:
            wanted[node, pod_class] = number
    for offer, counts in sorted(solution.new, key=importance):
        if state.openable()[offer]:
            place = int(state.open(offer, 1)[0])
            for pod_class, number in counts:
                wanted[place, pod_class] = number
    order = sorted(range(len(problem.classes)), key=lambda c: -problem.classes[c].priority)
    while any([_put_again(problem, state, c, wanted[:, c]) for c in order]):
        pass
    return state


def _put_again(problem: problems.Problem, state: states.State, pod_class: int, wanted: Ints) -> bool:
    """Put pods of a class where they are `wanted` (P,); whether any was put."""
    placed = False
    while state.left[pod_class] and (wanted > 0).any():
        reach = state.reach(pod_class)
        np.minimum(reach.limit, np.maximum(wanted[reach.sites], 0), out=reach.limit)
        site = _best(problem, state, reach)
        if site is None:
            break
        wanted -= _spread_over(state, pod_class, reach, site, state.left[pod_class])
        placed = True
    return placed


# ---------------------------------------------------------------------------------------------------------------- places


def _load(problem: problems.Problem, start: problems.Solution) -> states.State:
    """The state of a valid solution, with room for a new node for every pod that waits."""
    placed = sum(number for _, counts in start.new for _, number in counts)
    placed += sum(number for counts in start.placed.values() for _, number in counts)
    waiting = int(problem.counts.sum())
    if start.removed:
        waiting += int(problem.residents[list(start.removed)].sum())
    state = states.State(problem, start.removed, len(start.new) + max(0, waiting - placed))
    at: dict[int, list[tuple[int, int]]] = {}
    for offer, counts in start.new:
        place = int(state.open(offer, 1)[0])
        for pod_class, number in counts:
            at.setdefault(pod_class, []).append((place, number))
    for node, counts in start.placed.items():
        for pod_class, number in counts:
            at.setdefault(pod_class, []).append((node, number))
    for pod_class, entries in at.items():
        places, pods = np.array(entries, dtype=np.int64).T
        state.put(pod_class, places, pods)
    return state


def _lowest(loss: Ints) -> Ints:
    """Indices of the columns of (K, S) that are smallest, row by row."""
    keep = np.arange(loss.shape[1])
    for row in loss:
        keep = keep[row[keep] == row[keep].min()]
    return keep


def _best(problem: problems.Problem, state: states.State, reach: states.Reach) -> int | None:
    """The site to take next: least loss, existing nodes before new ones, fewest pods of its spread groups, least room."""
    sites = np.flatnonzero(reach.limit > 0)
    if not len(sites):
        return None
    sites = sites[_lowest(reach.loss(rank_first=problem.preference_price is not None)[:, sites])]
    new = (reach.sites[sites] >= state.nodes).astype(np.int64)
    sites = sites[_lowest(np.stack([new, reach.crowd[sites]]))]
    return int(sites[_room(state, reach.sites[sites]).argmin()])


def _room(state: states.State, places: Ints) -> Floats:
    """How much is free on each place, resources weighed by what there is in all."""
    total = np.maximum(state.room[:, : state.places].max(axis=1), 1)
    free: Floats = (state.room[:, places] / total[:, None]).sum(axis=0)
    return free


def _spread_over(state: states.State, pod_class: int, reach: states.Reach, site: int, most: int) -> Ints:
    """Put up to `most` pods of a class on all places of the site's cell that lose as little; returns pods per place (P,)."""
    together = reach.limit > 0
    for cell in (*reach.cells, *reach.bounds):
        together &= cell == cell[site]
    together &= (reach.unmet == reach.unmet[site]) & (reach.rank == reach.rank[site])
    sites = np.flatnonzero(together)
    places = reach.sites[sites]
    sites = sites[np.lexsort((_room(state, places), places >= state.nodes))]
    before = np.cumsum(reach.limit[sites]) - reach.limit[sites]
    pods = np.clip(min(int(most), int(reach.total[site])) - before, 0, reach.limit[sites])
    used = pods > 0
    state.put(pod_class, reach.sites[sites[used]], pods[used])
    taken = np.zeros(len(state.offer), dtype=np.int64)
    taken[reach.sites[sites]] = pods
    return taken


def _add(counts: problems.Counts, more: problems.Counts) -> problems.Counts:
    table = dict(counts)
    for pod_class, number in more:
        table[pod_class] = table.get(pod_class, 0) + number
    return tuple(sorted(table.items()))


def _chunks(places: Ints, width: int) -> Iterator[Ints]:
    """Parts of `places` whose tables of `width` columns stay small."""
    size = max(1, 500_000 // max(1, width))
    for start in range(0, len(places), size):
        yield places[start : start + size]
