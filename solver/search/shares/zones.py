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

from solver.search import field as fields
from solver.search import linear
from solver.search.relaxation import compact
from solver.search.shares import limit_rows, rows
from solver.search.shares import places as sites

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
    places: sites.Places,
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
    places: what each cell of the problem has.
    time_limit: seconds for a search over the choices of domains; without it they are made one after the other.
    deterministic: limit effort by work instead of time.
    gap: how far from the best choices the search may end.

    Returns
    -------
    None when there is no way to place all pods.
    """
    asked = _Program(places, strong=time_limit is not None)
    program = asked.program
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
    grouped = len(program.choices) == sum(len(group) for group in program.groups)
    return Wish(asked.share(x), bound if asked.exact else None, settled, grouped, asked.used(x))


class _Program:
    """
    Volumes of groups of equal classes on kinds of nodes in cells, under all rules across nodes. Its value is a bound where it is
    `exact`: no classes of different requests are one group.
    """

    def __init__(self, places: sites.Places, *, strong: bool) -> None:
        problem = places.problem
        self.places = places
        self.counts = problem.counts
        kinds = sum(len(field.cost) for field in places.fields)
        self.groups = sites.Groups.like(
            self.counts,
            places.signatures(),
            problem.requests.astype(np.float64),
            lambda number: number <= EXACT_CLASSES and number * kinds <= EXACT_VOLUMES,
        )
        self.program = rows.Program()
        self.volumes = rows.Volumes.of(self.groups.heads)
        self.limits = limit_rows.LimitRows(problem)
        for index, (field, room) in enumerate(zip(places.fields, places.rooms, strict=True)):
            asks = problem.requests[np.ix_(self.groups.there, field.resources)].astype(np.float64)
            mean = self.groups.mean(asks)
            self.limits.add(*_add_kinds(self.program, field, mean, self.volumes, index, strong=strong), field)
            self.volumes.add_room(self.program, room, mean, index)
        self.volumes.demand(self.program, self.groups.total)
        self.limits.close(self.program)
        rows.add_rules(self.program, problem, places.cells, self.groups.total, self.volumes)
        self.exact = self.groups.exact and all(self.volumes.pods)

    def share(self, x: Floats) -> Floats:
        """(C, cells) of each class's pods in each cell."""
        result = np.zeros((len(self.counts), self.places.cells.count))
        result[self.groups.there] = self.volumes.shares(x, self.places.cells.count)[self.groups.of]
        return result

    def used(self, x: Floats) -> Floats:
        """(cells, L) what each cell takes of each limit."""
        return np.array([self.limits.used(x, cell) for cell in range(self.places.cells.count)])


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
