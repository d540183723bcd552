"""Where pods of one class go next: the best site of a reach, and spreading pods over all sites that are as good."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver.search.construction import state as states
from solver.search.construction import tallies

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def lowest(loss: Ints) -> Ints:
    """Indices of the columns of (K, S) that are smallest, row by row."""
    keep = np.arange(loss.shape[1])
    for row in loss:
        keep = keep[row[keep] == row[keep].min()]
    return keep


def best(state: states.State, reach: tallies.Reach) -> int | None:
    """The site to take next: least loss, existing nodes before new ones, fewest pods of its spread groups, least room."""
    sites = np.flatnonzero(reach.limit > 0)
    if not len(sites):
        return None
    new = (reach.sites >= state.nodes).astype(np.int64)
    ranks = np.stack([*reach.loss(rank_first=state.problem.preference_price is not None), new, reach.crowd])
    sites = sites[lowest(ranks[:, sites])]
    return int(sites[_free(state, reach.sites[sites]).argmin()])


def _free(state: states.State, places: Ints) -> Floats:
    """How much is free on each place, in shares of the most that any place has free."""
    most = np.maximum(state.room[:, : state.places].max(axis=1), 1)
    free: Floats = (state.room[:, places] / most[:, None]).sum(axis=0)
    return free


def take(state: states.State, pod_class: int, reach: tallies.Reach, site: int, left: int) -> Ints:
    """Put up to `left` pods of a class on all places of the site's cell that lose as little; returns pods per place (P,)."""
    alike = (reach.room > 0) & (reach.unmet == reach.unmet[site]) & (reach.rank == reach.rank[site])
    same = alike.copy()
    for cell in (*reach.cells, *reach.bounds):
        same &= cell == cell[site]
    sites = _by_free(state, reach, np.flatnonzero(same))
    pods = _deal(reach.room[sites], min(left, int(reach.total[site])))
    if reach.spreads and len(reach.cells) == 1 and not reach.bounds:
        level_sites, level_pods = _level(state, reach, np.flatnonzero(alike), left)
        if level_pods.sum() > pods.sum():
            sites, pods = level_sites, level_pods
    state.put(pod_class, reach.sites[sites[pods > 0]], pods[pods > 0])
    taken = np.zeros(len(state.offer), dtype=np.int64)
    taken[reach.sites[sites]] = pods
    return taken


def _by_free(state: states.State, reach: tallies.Reach, sites: Ints) -> Ints:
    places = reach.sites[sites]
    return sites[np.lexsort((_free(state, places), places >= state.nodes))]


def _deal(room: Ints, pods: int) -> Ints:
    """Deal pods to sites with this much room each, one site after the other."""
    room = np.minimum(room, pods)
    assigned: Ints = np.clip(pods - (np.cumsum(room) - room), 0, room)
    return assigned


def _level(state: states.State, reach: tallies.Reach, sites: Ints, left: int) -> tuple[Ints, Ints]:
    """Sites and pods on each that raise all domains of the one spread together."""
    spread = reach.spreads[0]
    slots = spread.slots.of(reach)
    sites = sites[slots[sites] != spread.slots.none]
    room = np.bincount(slots[sites], weights=np.minimum(reach.room[sites], left), minlength=spread.slots.size)
    levels = spread.levels(room.astype(np.int64), left)
    parts = [_by_free(state, reach, sites[slots[sites] == entry]) for entry in np.flatnonzero(levels)]
    if not parts:
        return sites[:0], sites[:0]
    pods = [_deal(reach.room[part], int(levels[slots[part[0]]])) for part in parts]
    return np.concatenate(parts), np.concatenate(pods)


def settle(reach: tallies.Reach, fresh: tallies.Reach, left: int) -> None:
    """Pods that must stay together may only go to cells that hold as many of them as any."""
    keys = np.stack([np.concatenate(pair) for pair in zip(reach.bounds, fresh.bounds, strict=True)], axis=1)
    holds = fresh.limit
    if fresh.alone:
        offers = np.concatenate([np.full(len(reach.sites), -1), fresh.sites])
        keys = np.concatenate([keys, offers[:, None]], axis=1)
    else:
        holds = np.where(holds > 0, fresh.total, 0)
    _, cell = np.unique(keys, axis=0, return_inverse=True)
    cell = cell.ravel()
    holds = np.minimum(np.concatenate([reach.limit, holds]), left)
    room = np.minimum(np.bincount(cell, weights=holds), left)
    poor = (room < room.max(initial=0))[cell]
    reach.forbid(poor[: len(reach.sites)])
    fresh.forbid(poor[len(reach.sites) :])
