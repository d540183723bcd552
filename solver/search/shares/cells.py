"""
Cells: places that no rule across nodes tells apart (one zone, say), and how many pods of each class each cell gets.

Once these numbers satisfy every rule over domains, each cell is packed by itself: moving pods inside a cell changes
none of those counts.

The numbers come from a small exact model in which a cell is one huge node. Classes that no such rule tells apart are
one class there.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


UNWANTED = 1000
"""Weight of a pod beyond what is wanted in a cell; unmet preferences of the problem weigh 10,000 times as much."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """Cell of each node (N,) and of each offer (O,); `count` cells in all."""

    of_node: Ints
    of_offer: Ints
    count: int


def split(problem: problems.Problem) -> Cells:
    """
    Group places by their domains in every topology that a rule across nodes looks at, and by which rules count them.
    """
    n_nodes, n_offers = len(problem.nodes), len(problem.offers)
    columns: list[Ints] = []
    for topology in sorted(_topologies(problem)):
        keys = problem.topologies[topology]
        columns.append(np.concatenate([keys.of_node, keys.of_offer]))
    for spread in problem.spreads:
        if spread.topology != problems.HOST:
            columns.append(np.concatenate([spread.node_counted, spread.offer_counted]).astype(np.int64))
    if not columns:
        return Cells(np.zeros(n_nodes, np.int64), np.zeros(n_offers, np.int64), 1)
    _, cell = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    cell = cell.ravel()
    return Cells(cell[:n_nodes], cell[n_nodes:], int(cell.max()) + 1 if len(cell) else 1)


def _topologies(problem: problems.Problem) -> set[int]:
    used = {s.topology for s in problem.spreads} | {e.topology for e in problem.exclusions}
    used |= {t for a in problem.attractions for t in a.topologies} | {c.topology for c in problem.common_domains}
    used.discard(problems.HOST)
    return used


def touched(problem: problems.Problem) -> Mask:
    """(C,) classes that a rule over the domains of some topology looks at."""
    result = np.zeros(len(problem.classes), dtype=bool)
    for spread in problem.spreads:
        if spread.topology != problems.HOST:
            result |= spread.owners | spread.group.members
    for exclusion in problem.exclusions:
        if exclusion.topology != problems.HOST:
            result |= exclusion.owners | exclusion.targets.members
    for attraction in problem.attractions:
        result |= attraction.owners | attraction.targets.members
    for common in problem.common_domains:
        result |= common.members
    return result


def rounded(total: int, share: NDArray[np.float64]) -> Ints:
    """
    Whole numbers near `total` times `share` that add up to `total` (largest remainders); all 0 when every share is.
    """
    if share.sum() <= 0:
        return np.zeros(len(share), dtype=np.int64)
    ideal = total * share / share.sum()
    result: Ints = np.floor(ideal).astype(np.int64)
    order = np.argsort(-(ideal - result), kind="stable")
    result[order[: total - int(result.sum())]] += 1
    return result


def aggregate(
    problem: problems.Problem, cells: Cells, counts: Ints, share: NDArray[np.float64], allowed: Mask
) -> tuple[problems.Problem, Ints]:
    """
    The problem with cells as nodes, two for each: the first has room for the pods that are wanted there, on the second
    each pod is an unmet preference. So the best solution is as near to the wish as the rules allow.

    Parameters
    ----------
    problem: the whole problem.
    cells: its cells.
    counts: (C,) pods to place.
    share: (C, cells) of each class's pods that is wanted in each cell.
    allowed: (C, cells) where a class can go.

    Returns
    -------
    The aggregated problem, whose node i is of cell i modulo the number of cells, and for each class its class there
    (C,), -1 for classes without pods.
    """
    relevant = [s for s in problem.spreads if s.topology != problems.HOST]
    exclusions = [e for e in problem.exclusions if e.topology != problems.HOST]
    attractions = [a for a in problem.attractions if problems.HOST not in a.topologies]
    columns: list[NDArray[np.int64]] = [allowed.astype(np.int64)]
    for spread in relevant:
        columns.append(np.stack([spread.owners, spread.group.members], axis=1).astype(np.int64))
    for exclusion in exclusions:
        columns.append(np.stack([exclusion.owners, exclusion.targets.members], axis=1).astype(np.int64))
    for attraction in attractions:
        columns.append(
            np.stack([attraction.owners, attraction.targets.members, attraction.bootstrap], axis=1).astype(np.int64)
        )
    for common in problem.common_domains:
        columns.append(common.members[:, None].astype(np.int64))
    columns.append(np.array([[c.priority] for c in problem.classes], dtype=np.int64).reshape(-1, 1))
    table = np.concatenate(columns, axis=1)
    there = np.flatnonzero(counts > 0)
    unique, first, inverse = np.unique(table[there], axis=0, return_index=True, return_inverse=True)
    inverse = inverse.ravel()
    merged = np.full(len(counts), -1, dtype=np.int64)
    merged[there] = inverse
    chosen = there[first]
    totals = np.bincount(inverse, weights=counts[there], minlength=len(unique)).astype(np.int64)
    n = len(unique)
    wanted = np.zeros((n, cells.count))
    np.add.at(wanted, inverse, counts[there, None] * np.where(allowed, share, 0.0)[there])
    room = np.stack([rounded(int(totals[i]), wanted[i]) for i in range(n)], axis=1)

    def members(mask: Mask) -> Mask:
        return mask[chosen]

    def per_cell(values: NDArray[np.int64] | Mask) -> Ints:
        found = np.bincount(cells.of_node, weights=values.astype(np.float64), minlength=cells.count)
        return np.concatenate([found, np.zeros(cells.count)]).astype(np.int64)

    def group(value: problems.Group, counted: Mask | None = None) -> problems.Group:
        base = value.base if counted is None else value.base * counted
        return problems.Group(members(value.members), per_cell(base))

    def topology(index: int) -> problems.Topology:
        keys = problem.topologies[index]
        of_cell = np.full(cells.count, -1, dtype=np.int64)
        of_cell[cells.of_node] = keys.of_node
        of_cell[cells.of_offer] = keys.of_offer
        return problems.Topology(keys.key, keys.domains, np.tile(of_cell, 2), np.zeros(0, dtype=np.int64))

    none = np.zeros(0, dtype=bool)
    aggregated = problems.Problem(
        resources=tuple(f"wanted-{i}" for i in range(n)),
        classes=tuple(
            problems.PodClass(
                name=problem.classes[c].name,
                pods=tuple(str(i) for i in range(int(totals[i_class]))),
                priority=problem.classes[c].priority,
            )
            for i_class, c in enumerate(chosen)
        ),
        nodes=tuple(problems.ExistingNode(f"cell-{i}", "", "", "", "", 0) for i in range(2 * cells.count)),
        offers=(),
        requests=np.eye(n, dtype=np.int64),
        node_room=np.concatenate([room, np.tile(totals, (cells.count, 1))]),
        offer_room=np.zeros((0, n), dtype=np.int64),
        node_ok=np.tile(allowed[chosen], 2),
        offer_ok=np.zeros((n, 0), dtype=bool),
        node_penalty=np.repeat(np.array([[0, UNWANTED]], dtype=np.int64), cells.count, axis=1).repeat(n, axis=0),
        offer_penalty=np.zeros((n, 0), dtype=np.int64),
        offer_rank=np.zeros((n, 0), dtype=np.int64),
        pools=problems.OvhPools((), np.zeros(0, np.int64), np.zeros(0, np.int64), none, 0, 0),
        topologies=tuple(topology(i) for i in range(len(problem.topologies))),
        spreads=tuple(
            dataclasses.replace(
                s,
                owners=members(s.owners),
                group=group(s.group, s.node_counted),
                node_counted=np.tile(
                    (per_cell(s.node_counted)[: cells.count] > 0)
                    | _cells_in(problem.topologies[s.topology], s.always, s.offer_counted, cells),
                    2,
                ),
                offer_counted=none,
                weight=None if s.weight is None else s.weight * 10_000_000,
            )
            for s in relevant
        ),
        exclusions=tuple(
            dataclasses.replace(
                e,
                owners=members(e.owners),
                owner_base=per_cell(e.owner_base),
                targets=group(e.targets),
                weight=None if e.weight is None else e.weight * 10_000_000,
            )
            for e in exclusions
        ),
        attractions=tuple(
            dataclasses.replace(
                a,
                owners=members(a.owners),
                targets=group(a.targets),
                bootstrap=members(a.bootstrap),
                weight=None if a.weight is None else a.weight * 10_000_000,
            )
            for a in attractions
        ),
        common_domains=tuple(dataclasses.replace(c, members=members(c.members)) for c in problem.common_domains),
    )
    return aggregated, merged


def _cells_in(keys: problems.Topology, always: Mask, offer_counted: Mask, cells: Cells) -> Mask:
    """Cells with counted offers in a domain that counts even without a node."""
    result = np.zeros(cells.count, dtype=bool)
    inside = offer_counted & (keys.of_offer >= 0)
    inside[inside] = always[keys.of_offer[inside]]
    result[cells.of_offer[inside]] = True
    return result


def distribute(counts: Ints, merged: Ints, shares: Ints, allowed: Mask) -> Ints:
    """
    Deal the merged classes' numbers out to the classes behind them.

    Parameters
    ----------
    counts: (C,) pods of each class.
    merged: (C,) merged class of each class.
    shares: (merged, cells) pods of each merged class in each cell.
    allowed: (C, cells) where a class may go at all.

    Returns
    -------
    (C, cells) with each class's own share as even as the totals allow.
    """
    result = np.zeros((len(counts), shares.shape[1]), dtype=np.int64)
    for index in range(shares.shape[0]):
        behind = np.flatnonzero(merged == index)
        left = shares[index].astype(np.float64).copy()
        rest = counts[behind].astype(np.float64)
        order = behind[np.argsort(-counts[behind], kind="stable")]
        pods_left = float(rest.sum())
        for position in order:
            pods = int(counts[position])
            total = left.sum()
            if total <= 0 or pods == 0:
                continue
            ideal = left * min(1.0, pods / max(pods_left, 1.0))
            give = np.minimum(np.floor(ideal), left)
            missing = int(min(pods, total) - give.sum())
            for cell in np.argsort(-(ideal - give + 1e-9 * left), kind="stable"):
                if missing <= 0:
                    break
                extra = min(1.0, left[cell] - give[cell])
                give[cell] += extra
                missing -= int(extra)
            while missing > 0:
                cell = int((left - give).argmax())
                if left[cell] - give[cell] <= 0:
                    break
                extra = min(missing, left[cell] - give[cell])
                give[cell] += extra
                missing -= int(extra)
            give = give.astype(np.int64)
            result[position] = np.where(allowed[position], give, 0)
            left -= give
            pods_left -= pods
    return result
