"""
Cells that may change places: whatever is planned in one could be planned in the other, and all else stays as it is. Of three
zones of equal prices that no pod names there are six orders for each plan; one of them is enough to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.search.exact import contents

Mask = NDArray[np.bool_]


def pairs(
    problem: problems.Problem, roomy: problems.Problem, cells: Sequence[contents.Cell]
) -> Iterator[tuple[int, int]]:
    """
    Cells that may change places, each with the next one of its like. Offer i of the `roomy` problem stands for all of cell i.
    """
    if problem.nodes or problem.pools.exists.any():
        return
    last: dict[int, int] = {}
    for cell in range(len(cells)):
        first = next((each for each in last if _alike(problem, roomy, cells, each, cell)), None)
        if first is not None:
            yield last[first], cell
        last[cell if first is None else first] = cell


def _alike(
    problem: problems.Problem, roomy: problems.Problem, cells: Sequence[contents.Cell], one: int, other: int
) -> bool:
    """Whether nothing tells two cells apart but the names of their domains."""
    here, there = _tables(problem, roomy, cells[one], one), _tables(problem, roomy, cells[other], other)
    if not all(a.shape == b.shape and (a == b).all() for a, b in zip(here, there, strict=True)):
        return False
    for topology in problem.topologies:
        domains = [int(topology.of_offer[_offers(cell)[0]]) for cell in cells]
        if domains[one] != domains[other] and (
            min(domains[one], domains[other]) < 0
            or domains.count(domains[one]) > 1
            or domains.count(domains[other]) > 1
        ):
            return False
    for spread in problem.spreads:
        if spread.topology != problems.HOST:
            of = problem.topologies[spread.topology].of_offer
            domains = [int(of[_offers(cells[each])[0]]) for each in (one, other)]
            always = [domain >= 0 and bool(spread.always[domain]) for domain in domains]
            if always[0] != always[1]:
                return False
    return _own_pools(problem, cells, one) and _own_pools(problem, cells, other)


def _tables(
    problem: problems.Problem, roomy: problems.Problem, cell: contents.Cell, index: int
) -> list[NDArray[np.generic]]:
    """All numbers of a cell that the model looks at, in the order of its kinds."""
    field = cell.shapes.field
    first = _offers(cell)
    counted = [spread.offer_counted[first] for spread in problem.spreads]
    taken = [cap.per_offer[twins].min() for twins in field.twins for cap in problem.caps]
    labelled = roomy.offer_ok[:, index], roomy.offer_penalty[:, index], roomy.offer_rank[:, index]
    fits = roomy.offer_room[index]
    patterns = cell.kind, cell.rows, np.array(cell.large), cell.holds
    return [
        *(field.cost, field.room, field.ok, field.requests, cell.shapes.index, *patterns, *labelled, fits),
        *counted,
        np.array(taken),
    ]


def _offers(cell: contents.Cell) -> NDArray[np.int64]:
    """One offer of each kind."""
    return np.array([twins[0] for twins in cell.shapes.field.twins], dtype=np.int64)


def _own_pools(problem: problems.Problem, cells: Sequence[contents.Cell], one: int) -> bool:
    """Whether no other kind of node, here or in another cell, shares an OVH pool with a kind of this cell."""
    pool = np.array([offer.pool for offer in problem.offers])
    mine = [set(pool[twins].tolist()) for twins in cells[one].shapes.field.twins]
    others = [
        set(pool[twins].tolist()) for i, cell in enumerate(cells) if i != one for twins in cell.shapes.field.twins
    ]
    union = set().union(*mine)
    return sum(map(len, mine)) == len(union) and not union & set().union(*others)
