"""
Whether pods that attract each other can be placed one after the other.

A pod of an attraction's owners needs a target in its domain of every topology *when it is placed*. While no target
exists anywhere a pod that matches its own terms may open a domain (kube-scheduler, interpodaffinity filter,
`satisfyPodAffinity`). A target on a node that has none of the topology labels does not exist for the attraction. Pods
of equal roles in equal domains form one *cell*: as soon as one of them is placed the others can follow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from solver.problem import Attraction, Ints

Domains = list[set[int]]
"""For one attraction, per topology the domains where a target is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """
    Planned pods of equal roles in equal domains.

    `needs`, `serves` and `opens` are indices of attractions: those it is an owner of, a target of, and may open.
    `domains` has for each attraction the domain in each of its topologies, -1 without the label.
    """

    needs: tuple[int, ...]
    serves: tuple[int, ...]
    opens: tuple[int, ...]
    domains: tuple[tuple[int, ...], ...]

    def labelled(self, attraction: int) -> bool:
        """Whether its pods exist for the attraction."""
        return any(domain >= 0 for domain in self.domains[attraction])


def components(attractions: Sequence[Attraction]) -> list[list[Attraction]]:
    """Attractions that share classes, directly or through others, grouped."""
    groups: list[tuple[np.ndarray, list[Attraction]]] = []
    for attraction in attractions:
        touched = attraction.owners | attraction.targets.members
        joined = [group for group in groups if (group[0] & touched).any()]
        groups = [group for group in groups if not (group[0] & touched).any()]
        mask = np.logical_or.reduce([touched, *(group[0] for group in joined)])
        groups.append((mask, [a for group in joined for a in group[1]] + [attraction]))
    return [group[1] for group in groups]


def axes(component: Sequence[Attraction]) -> list[int]:
    """The topologies of a component, each once."""
    return list(dict.fromkeys(t for attraction in component for t in attraction.topologies))


def roles(component: Sequence[Attraction]) -> Ints:
    """Three flags per class and attraction: needs, serves, opens (C, 3 · attractions)."""
    columns = []
    for attraction in component:
        owners, targets = attraction.owners, attraction.targets.members
        columns += [owners, targets, owners & targets & attraction.bootstrap]
    return np.stack(columns, axis=1).astype(np.int64)


def cell(flags: Sequence[int], domains: Sequence[int], component: Sequence[Attraction]) -> Cell:
    """The cell of these roles (a row of `roles`) in these domains (in the order of `axes`)."""
    column = {topology: index for index, topology in enumerate(axes(component))}
    return Cell(
        needs=tuple(a for a in range(len(component)) if flags[3 * a]),
        serves=tuple(a for a in range(len(component)) if flags[3 * a + 1]),
        opens=tuple(a for a in range(len(component)) if flags[3 * a + 2]),
        domains=tuple(tuple(domains[column[t]] for t in a.topologies) for a in component),
    )


def order_exists(cells: Sequence[Cell], running: Sequence[Domains], tries: int = 1000) -> bool:
    """
    Whether all cells can be placed in some order, given where targets of each attraction run already.

    1. Place every cell that needs nothing more, until nothing changes. Targets of an attraction wait for its opener,
       if it has one.
    2. When cells remain, one of them must open an attraction that has no opener yet: try each. After `tries` rounds of
       this the answer is no.
    """
    if any(_torn(cells, running[a], a) for a in range(len(running))):
        return False
    search = _Search(cells, running, tries)
    return search.succeeds({})


def _torn(cells: Sequence[Cell], running: Domains, attraction: int) -> bool:
    """Whether owners are in two domains of a topology that only an opener could have opened: there is one at most."""
    for axis, known in enumerate(running):
        needed = {cell.domains[attraction][axis] for cell in cells if attraction in cell.needs}
        served = {
            cell.domains[attraction][axis]
            for cell in cells
            if attraction in cell.serves and attraction not in cell.needs
        }
        if len(needed - served - known) > 1:
            return True
    return False


@dataclasses.dataclass(slots=True)
class _Search:
    """Depth-first over openers; `tries` are left."""

    cells: Sequence[Cell]
    running: Sequence[Domains]
    tries: int

    def succeeds(self, opener: dict[int, int]) -> bool:
        self.tries -= 1
        remaining, here = _close(self.cells, self.running, opener)
        if not remaining:
            return True
        for index in remaining:
            for attraction in self.cells[index].opens:
                if self.tries <= 0:
                    return False
                if attraction in opener or any(self.running[attraction]):
                    continue
                if _supported(self.cells[index], attraction, here):
                    continue
                if self.succeeds({**opener, attraction: index}):
                    return True
        return False


def _supported(cell: Cell, attraction: int, here: Sequence[Domains]) -> bool:
    return all(domain in known for domain, known in zip(cell.domains[attraction], here[attraction], strict=True))


def _close(
    cells: Sequence[Cell], running: Sequence[Domains], opener: dict[int, int]
) -> tuple[list[int], list[Domains]]:
    """The cells that cannot be placed, and where targets are then."""
    here: list[Domains] = [[set(domains) for domains in attraction] for attraction in running]
    remaining = list(range(len(cells)))
    while True:
        stuck = []
        for index in remaining:
            cell = cells[index]
            waits = any(
                a in opener and opener[a] != index and cell.labelled(a) and not any(here[a]) for a in cell.serves
            )
            ready = all(
                _supported(cell, a, here) or (opener.get(a) == index and not any(here[a]) and min(cell.domains[a]) >= 0)
                for a in cell.needs
            )
            if waits or not ready:
                stuck.append(index)
                continue
            for a in cell.serves:
                for domain, known in zip(cell.domains[a], here[a], strict=True):
                    if domain >= 0:
                        known.add(domain)
        if len(stuck) == len(remaining):
            return remaining, here
        remaining = stuck
