"""Filling the room that is free on existing nodes: it costs nothing, so it goes first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search.packing import fill as fills
from solver.search.relaxation import compact

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHUNK = 256
PASSES = 12


def groups(problem: problems.Problem, field: fields.Field, nodes: Ints, classes: NDArray[np.bool_]) -> compact.Room:
    """Existing nodes by the classes that they take, as room for the relaxation."""
    ok = problem.node_ok[:, nodes] & classes[:, None]
    room = problem.node_room[np.ix_(nodes, field.resources)].astype(np.float64)
    useful = ok.any(axis=0) & (room >= 0).all(axis=1)
    ok, room = ok[:, useful], room[useful]
    if ok.shape[1] == 0:
        return compact.Room(
            np.zeros((ok.shape[0], 0), dtype=bool), np.zeros((0, len(field.resources))), np.zeros((ok.shape[0], 0))
        )
    _, inverse = np.unique(np.packbits(ok, axis=0), axis=1, return_inverse=True)
    inverse = inverse.ravel()
    size = int(inverse.max()) + 1
    total = np.zeros((size, room.shape[1]))
    np.add.at(total, inverse, room)
    mask = np.zeros((ok.shape[0], size), dtype=bool)
    mask[:, inverse] = ok
    most = np.zeros((ok.shape[0], size))
    for index in range(room.shape[0]):
        fit = np.full(ok.shape[0], np.inf)
        for r in range(room.shape[1]):
            need = field.requests[:, r]
            fit = np.where(need > 0, np.minimum(fit, np.floor(room[index, r] / np.maximum(need, 1e-12))), fit)
        most[:, inverse[index]] += np.where(ok[:, index], fit, 0)
    return compact.Room(mask, total, np.where(np.isfinite(most), most, 1e9))


def fill_nodes(
    problem: problems.Problem,
    field: fields.Field,
    nodes: Ints,
    counts: Ints,
    value: Floats,
    rng: np.random.Generator,
) -> Ints:
    """
    Put pods on existing nodes.

    Parameters
    ----------
    problem: the whole problem.
    field: gives requests and the rules between pods of one node.
    nodes: indices of the nodes.
    counts: (C,) pods to place.
    value: (C,) worth of a pod.

    Returns
    -------
    (len(nodes), C) pods put on each node.
    """
    placed = np.zeros((len(nodes), len(counts)), dtype=np.int64)
    room = problem.node_room[np.ix_(nodes, field.resources)].astype(np.float64)
    owners, members = running(problem, field.host, nodes)
    left = counts.astype(np.float64).copy()
    for start in range(0, len(nodes), CHUNK):
        part = np.arange(start, min(start + CHUNK, len(nodes)))
        for _ in range(PASSES):
            classes = np.flatnonzero((left > 0) & problem.node_ok[:, nodes[part]].any(axis=1))
            if len(classes) == 0:
                break
            host = field.host.take(classes)
            used = field.host.owner[classes].any(axis=0)
            bins = fills.Bins(
                room=room[part],
                requests=field.requests[None, classes],
                available=np.where(problem.node_ok[np.ix_(classes, nodes[part])].T, left[classes], 0.0),
                host=fills.shared(host, owners[part][:, used], members[part][:, used]),
            )
            found = fills.fill(bins, rng, greedy=True)
            found = fills.polish(bins, found, value[None, classes], 8)
            order = np.argsort(-(found @ value[classes]))
            before = np.cumsum(found[order], axis=0) - found[order]
            allowed = np.clip(left[classes] - before, 0, found[order])
            take = np.zeros_like(found)
            take[order] = allowed
            if take.sum() == 0:
                break
            placed[np.ix_(part, classes)] += take.astype(np.int64)
            room[part] -= take @ field.requests[classes]
            owners[part] += take.astype(np.int64) @ field.host.owner[classes]
            members[part] += take.astype(np.int64) @ field.host.member[classes]
            left[classes] -= take.sum(axis=0)
    return placed


def running(problem: problems.Problem, host: fields.HostRules, nodes: Ints) -> tuple[Ints, Ints]:
    """(nodes, S) owners and members of each rule between pods of one node that run there already."""
    owners: list[Ints] = []
    members: list[Ints] = []
    for exclusion in problem.exclusions:
        if exclusion.topology == problems.HOST and exclusion.owners.any():
            owners.append(exclusion.owner_base[nodes])
            members.append(exclusion.targets.base[nodes])
    for spread in problem.spreads:
        if spread.topology == problems.HOST and spread.owners.any():
            owners.append(np.zeros(len(nodes), dtype=np.int64))
            members.append(spread.group.base[nodes])
    if not owners:
        none = np.zeros((len(nodes), host.owner.shape[1]), dtype=np.int64)
        return none, none.copy()
    return np.stack(owners, axis=1).astype(np.int64), np.stack(members, axis=1).astype(np.int64)
