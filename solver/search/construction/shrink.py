"""Smaller nodes: every new node becomes the cheapest offer in the same domains that holds its pods."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search.construction import state as states

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

TABLE = 500_000
"""Entries of a table of nodes and offers looked at together."""


def shrink(state: states.State, first: int) -> bool:
    """Change the offers of the places from `first` on, no preference or rank given up; whether any changed."""
    places = np.arange(first, state.places)
    if not len(places):
        return False
    alike = _alike(state.problem)
    changed = False
    for group in np.unique(alike[state.offer[places]]):
        offers = np.flatnonzero(alike == group)
        for some in _chunks(places[alike[state.offer[places]] == group], len(offers)):
            changed |= _shrink(state, some, offers)
    return changed


def _alike(problem: problems.Problem) -> Ints:
    """Offers (O,) with the same number lie in the same domains and count for the same spreads."""
    columns = [np.zeros(len(problem.offers), dtype=np.int64)]
    columns += [keys.of_offer for keys in problem.topologies]
    columns += [spread.offer_counted.astype(np.int64) for spread in problem.spreads]
    _, alike = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return alike.ravel()


def _chunks(places: Ints, width: int) -> Iterator[Ints]:
    size = max(1, TABLE // max(1, width))
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _shrink(state: states.State, places: Ints, offers: Ints) -> bool:
    """The same for some places and the offers in their domains."""
    fits = state.may[places - state.nodes][:, offers]
    used = state.used(places)
    for r in range(used.shape[1]):
        fits &= used[:, r, None] <= state.offer_room[offers, r]
    cost, now = _costs(state, places, offers)
    better = fits & (cost < now[:, None]) & _keeps(state, places, offers)
    changed = False
    for row in np.flatnonzero(better.any(axis=1)):
        place, old = int(places[row]), int(state.offer[places[row]])
        candidates = np.flatnonzero(better[row])
        for column in candidates[np.argsort(cost[row, candidates], kind="stable")]:
            new = int(offers[column])
            if cost[row, column] + _charge(state, old, new) >= now[row] or not state.may_swap(old, new):
                continue
            if _choice_left(state, new, offers[fits[row]]):
                state.swap(place, new)
                changed = True
                break
    return changed


def _costs(state: states.State, places: Ints, offers: Ints) -> tuple[Floats, Floats]:
    """What each place costs as each of the offers (places, offers), and as it is (places,); priced preferences included."""
    problem = state.problem
    price = problem.prices.astype(np.float64)
    cost, now = np.tile(price[offers], (len(places), 1)), price[state.offer[places]]
    if state.penalised and problem.preference_price is not None:
        unmet, before = _totals(state, problem.offer_penalty, places, offers)
        cost = cost + unmet * problem.preference_price / 100
        now = now + before * problem.preference_price / 100
    return cost, now


def _keeps(state: states.State, places: Ints, offers: Ints) -> Mask:
    """Whether each of the offers gives up no more weight levels and unpriced preferences (places, offers)."""
    problem = state.problem
    keeps = np.ones((len(places), len(offers)), dtype=np.bool_)
    tables = [problem.offer_rank] if state.ranked else []
    if state.penalised and problem.preference_price is None:
        tables.append(problem.offer_penalty)
    for table in tables:
        lost, before = _totals(state, table, places, offers)
        keeps &= lost <= before[:, None]
    return keeps


def _totals(state: states.State, table: Ints, places: Ints, offers: Ints) -> tuple[Floats, Floats]:
    """Sums of a table (C, O) over the pods of each place, as each of the offers and as it is."""
    pods = state.pods[places].astype(np.float64)
    return pods @ table[:, offers], (pods * table[:, state.offer[places]].T).sum(axis=1)


def _charge(state: states.State, old: int, new: int) -> int:
    """What the charges for new OVH pools change by when a node of one offer becomes one of another."""
    pools, ends, begins = state.problem.pools, int(state.pool_of[old]), int(state.pool_of[new])
    if ends == begins:
        return 0
    more = not pools.exists[begins] and state.pool_used[begins] == 0
    less = not pools.exists[ends] and state.pool_used[ends] == 1
    return pools.charge * (int(more) - int(less))


def _choice_left(state: states.State, offer: int, fitting: Ints) -> bool:
    """Whether a node that all `fitting` offers hold may be of this offer, by rules of minimum values."""
    for rule in state.problem.min_values:
        if rule.value_of[offer] >= 0:
            values = rule.value_of[fitting[state.family[fitting] == state.family[offer]]]
            if len(np.unique(values[values >= 0])) < rule.minimum:
                return False
    return True
