"""
How many pods of each class each cell should get: the compact relaxation with the rules across nodes in it.

Cells (zones) compete for pods that must stay together and pods that must spread, and a node bought for one class serves
others. So volumes per cell, node numbers and yes-or-no decisions of affinity are one small mixed-integer program. Where
classes were not merged with loss its bound holds for the whole problem.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search import field as fields
from solver.search import linear
from solver.search.relaxation import compact
from solver.search.shares import cells as splits
from solver.search.shares import limit_rows, rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

EXACT_CLASSES = 300
EXACT_VOLUMES = 3000
"""Classes of different requests are told apart up to this many groups, and this many groups times kinds of node."""
GAP, PROOF_GAP = 0.001, 1e-5
"""How far from the best choices of domains a search for them may end, and one that has a core of its own."""
NODES = 200
"""Nodes of the search tree for the choices of domains, where time may not limit it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """
    `share` (C, cells) of each class's pods wanted in each cell, rows summing to 1 or 0; `bound` on prices, or None;
    `settled` when no choices of domains are known to be worth more search; `grouped` when each choice is one domain out of
    some for all pods of a group; `used` (cells, L) of each limit.
    """

    share: Floats
    bound: float | None
    settled: bool
    grouped: bool
    used: Floats


def wish(
    problem: problems.Problem,
    cells: splits.Cells,
    per_cell: list[fields.Field],
    rooms: list[compact.Room],
    counts: Ints,
    *,
    time_limit: float | None,
    seed: int,
    deterministic: bool = False,
    gap: float = GAP,
) -> Wish | None:
    """
    Solve for the shares.

    Parameters
    ----------
    problem: the whole problem.
    cells: its cells, with a field and the room on existing nodes for each.
    counts: (C,) pods to place.
    time_limit: seconds for a search over the choices of domains; without it they are made one after the other.
    deterministic: limit effort by work instead of time.
    gap: how far from the best choices the search may end.

    Returns
    -------
    None when there is no way to place all pods.
    """
    there = np.flatnonzero(counts > 0)
    signature = signatures(problem, per_cell, rooms)[there]
    exact = np.concatenate([signature, problem.requests[there].astype(np.float64)], axis=1)
    _, first, inverse = np.unique(exact, axis=0, return_index=True, return_inverse=True)
    kinds = sum(len(field.cost) for field in per_cell)
    lossless = len(first) <= EXACT_CLASSES and len(first) * kinds <= EXACT_VOLUMES
    if not lossless:
        _, first, inverse = np.unique(signature, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.ravel()
    total: Floats = np.bincount(inverse, weights=counts[there].astype(np.float64), minlength=len(first)).astype(
        np.float64
    )
    heads = there[first]
    program, volumes, capped = rows.Program(), rows.Volumes.of(heads), limit_rows.LimitRows(problem)
    for index, (field, room) in enumerate(zip(per_cell, rooms, strict=True)):
        resources = field.resources
        weighted = counts[there][:, None] * problem.requests[np.ix_(there, resources)].astype(np.float64)
        mean = np.zeros((len(first), len(resources)))
        np.add.at(mean, inverse, weighted)
        mean /= np.maximum(total, 1)[:, None]
        capped.add(*_add_kinds(program, field, mean, volumes, index, strong=time_limit is not None), field)
        volumes.add_room(program, room, mean, index)
    volumes.demand(program, total)
    capped.close(program)
    rows.add_rules(program, problem, cells, total, volumes)
    if any(not p for p in volumes.pods):
        lossless = False
    if not program.size:
        return None
    relaxed = linear.solve(program.whole())
    if relaxed is None:
        return None
    bound, dived = relaxed.objective, program.dive(relaxed)
    value, x = dived.objective, dived.x
    settled = not program.choices or value <= bound * (1 + gap)
    if time_limit is not None and not settled:
        answer = linear.solve_mixed(
            program.whole(),
            program.integers(),
            time_limit=time_limit,
            node_limit=NODES if deterministic else None,
            gap=gap,
            seed=seed,
            tree=True,
        )
        bound = max(bound, answer.bound) if np.isfinite(answer.bound) else bound
        if answer.x is not None and answer.objective < value:
            x = answer.x
    result = np.zeros((len(counts), cells.count))
    result[there] = volumes.shares(x, cells.count)[inverse]
    used = np.array([capped.used(x, cell) for cell in range(cells.count)])
    grouped = len(program.choices) == sum(len(group) for group in program.groups)
    return Wish(result, bound if lossless else None, settled, grouped, used)


def signatures(problem: problems.Problem, per_cell: list[fields.Field], rooms: list[compact.Room]) -> Floats:
    """(C, ...) everything but requests that tells classes apart for this program."""
    columns: list[NDArray[np.float64]] = [f.ok.astype(np.float64) for f in per_cell if f.ok.shape[1]]
    columns += [r.ok.astype(np.float64) for r in rooms if r.ok.shape[1]]
    host = per_cell[0].host
    columns.append((host.owner & host.member).astype(np.float64))
    for spread in problem.spreads:
        if spread.topology != problems.HOST:
            columns.append(np.stack([spread.owners, spread.group.members], axis=1).astype(np.float64))
    for exclusion in problem.exclusions:
        if exclusion.topology != problems.HOST:
            columns.append(np.stack([exclusion.owners, exclusion.targets.members], axis=1).astype(np.float64))
    for attraction in problem.attractions:
        columns.append(np.stack([attraction.owners, attraction.targets.members], axis=1).astype(np.float64))
    for common in problem.common_domains:
        columns.append(common.members[:, None].astype(np.float64))
    return np.concatenate(columns, axis=1)


def _add_kinds(
    program: rows.Program, field: fields.Field, requests: Floats, volumes: rows.Volumes, cell: int, *, strong: bool
) -> tuple[Ints, Ints]:
    """
    Volumes on kinds of new node in one cell, `strong` with dual feasible rows (`compact`); the fractional node numbers (M,)
    and their kinds (M,).
    """
    nodes: list[int] = []
    kinds: list[int] = []
    share = compact.shares(requests, field.room)
    heads = volumes.heads
    both = (field.host.owner & field.host.member)[heads] if len(field.cost) else np.zeros((len(heads), 0), dtype=bool)
    for kind in range(len(field.cost)):
        usable = np.flatnonzero(field.ok[heads, kind])
        if not len(usable):
            continue
        node = program.add(1, float(field.cost[kind]))
        nodes.append(int(node[0]))
        kinds.append(kind)
        volume = volumes.add(program, usable, np.inf, cell)
        for r in range(requests.shape[1]):
            taken = [share[usable, kind, r]]
            if strong and (taken[0] > compact.BIG_POD).any():
                taken += [compact.dual_feasible(taken[0], k) for k in (1, 2, 3)]
            for weight in taken:
                program.row(np.append(volume, node), np.append(weight, -1.0), -np.inf, 0.0)
        for rule in range(both.shape[1]):
            alone = both[usable, rule]
            if alone.any() and field.host.firm[rule]:
                program.row(np.append(volume[alone], node), np.append(np.ones(int(alone.sum())), -1.0), -np.inf, 0.0)
    return np.array(nodes, dtype=np.int64), np.array(kinds, dtype=np.int64)
