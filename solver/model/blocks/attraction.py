"""
Pod affinity: a target in the domain of every owner, or a cost for each owner without one.

The hard form needs an order of placement. Classes of equal roles in equal domains form a *cell*: when one pod of a cell
can be placed, the others can follow. A cell of owners is supported in each topology by running targets, by another cell
of targets in the same domain that comes before it, or by being the *opener*: the one cell that comes before all targets
of an attraction for which none runs. Only cells that may wait for each other in a circle get a position in the order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from solver.model import graph
from solver.model.cp_sat import cp_model
from solver.model.variables import Place, Variables
from solver.problem import Attraction, Mask, Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """Soft attractions one by one, hard ones together: they share the order."""
    for attraction in problem.attractions:
        if attraction.weight is not None:
            _price(model, variables, attraction, attraction.weight)
    hard = [a for a in problem.attractions if a.weight is None]
    if hard:
        _Order(model, variables, hard).build()


def _price(model: cp_model.CpModel, variables: Variables, attraction: Attraction, weight: int) -> None:
    """Owners cost where no target is; owners that are targets themselves where no second one is."""
    owners, targets = attraction.owners, attraction.targets.members
    for domain, places in variables.domains(attraction.topologies[0]).items():
        if domain < 0:
            variables.unmet.add_sum(variables.planned(owners, places), weight)
            continue
        there = variables.planned(targets, places)
        there.add_sum(variables.running(attraction.targets.base, places))
        for members, needed in ((owners & ~targets, 1), (owners & targets, 2)):
            concerned = variables.planned(members, places)
            if not concerned.upper:
                continue
            if there.upper < needed:
                variables.unmet.add_sum(concerned, weight)
                continue
            if there.constant >= needed:
                continue
            company = model.new_bool_var(f"company[{attraction.name},{places[0].name},{needed}]")
            lonely = model.new_int_var(0, concerned.upper, f"lonely[{attraction.name},{places[0].name},{needed}]")
            model.add(there.expr >= needed * company)
            model.add(lonely >= concerned.expr - concerned.upper * company)
            variables.unmet.add(lonely, weight, concerned.upper)


@dataclasses.dataclass(slots=True)
class _Cell:
    """Classes of equal roles (`members` (C,)) on places of equal domains; `here` says whether one is planned."""

    members: Mask
    places: list[Place]
    needs: list[int]
    serves: list[int]
    opens: list[int]
    here: cp_model.IntVar


class _Order:
    """Adds all hard attractions of a problem."""

    def __init__(self, model: cp_model.CpModel, variables: Variables, attractions: Sequence[Attraction]) -> None:
        self.model, self.variables, self.attractions = model, variables, attractions
        self._refuse_unlabelled()
        self.cells = self._cells()
        self.opening: dict[int, dict[int, cp_model.IntVar]] = {a: self._openers(a) for a in range(len(attractions))}
        self.support = [self._supporters(i) for i in range(len(self.cells))]
        self.position = self._positions()

    def build(self) -> None:
        """Openers come first and are alone; every owner cell is supported in every topology."""
        for a, opening in self.opening.items():
            self.model.add_at_most_one(opening.values())
            for i, opens in opening.items():
                self._open(a, i, opens)
        for i, supporters in enumerate(self.support):
            for a, axis in supporters:
                self._ask_support(i, a, axis, supporters[a, axis])

    def _refuse_unlabelled(self) -> None:
        """Owners need all labels of their attraction."""
        for attraction in self.attractions:
            for place in self.variables.places:
                if min(self.variables.domain(place, t) for t in attraction.topologies) < 0:
                    planned = self.variables.planned(attraction.owners, [place])
                    if planned.upper:
                        self.model.add(planned.expr == 0)

    def _cells(self) -> list[_Cell]:
        columns = [
            column
            for a in self.attractions
            for column in (a.owners, a.targets.members, a.owners & a.targets.members & a.bootstrap)
        ]
        roles = np.stack(columns, axis=1)
        topologies = sorted({t for a in self.attractions for t in a.topologies})
        found: dict[tuple[tuple[bool, ...], tuple[int, ...]], list[tuple[int, Place]]] = {}
        for place in self.variables.places:
            domains = tuple(self.variables.domain(place, t) for t in topologies)
            for c in place.pods:
                if roles[c].any():
                    found.setdefault((tuple(roles[c].tolist()), domains), []).append((c, place))
        return [self._cell(key[0], pairs) for key, pairs in found.items()]

    def _cell(self, flags: Sequence[bool], pairs: Sequence[tuple[int, Place]]) -> _Cell:
        members = np.zeros(len(self.variables.problem.classes), dtype=np.bool_)
        members[[c for c, _ in pairs]] = True
        places = list({place.index: place for _, place in pairs}.values())
        here = self.variables.some(members, places, exact=True)
        assert here is not None
        return _Cell(
            members=members,
            places=places,
            needs=[a for a in range(len(self.attractions)) if flags[3 * a]],
            serves=[a for a in range(len(self.attractions)) if flags[3 * a + 1]],
            opens=[a for a in range(len(self.attractions)) if flags[3 * a + 2]],
            here=here,
        )

    def _domains(self, cell: _Cell, attraction: int) -> list[int]:
        return [self.variables.domain(cell.places[0], t) for t in self.attractions[attraction].topologies]

    def _exists(self, place: Place, attraction: int) -> bool:
        """Whether a target on this place exists for the attraction: the place has one of the labels."""
        return max(self.variables.domain(place, t) for t in self.attractions[attraction].topologies) >= 0

    def _running(self, attraction: int) -> list[Place]:
        """Nodes with running targets that exist for the attraction."""
        base = self.attractions[attraction].targets.base
        return [p for p in self.variables.existing if base[p.index] and self._exists(p, attraction)]

    def _openers(self, attraction: int) -> dict[int, cp_model.IntVar]:
        """A literal for each cell that may open the attraction."""
        if any(p.present is None for p in self._running(attraction)):
            return {}
        return {
            i: self.model.new_bool_var(f"opens[{self.attractions[attraction].name},{i}]")
            for i, cell in enumerate(self.cells)
            if attraction in cell.opens and min(self._domains(cell, attraction)) >= 0
        }

    def _supporters(self, index: int) -> dict[tuple[int, int], list[int]]:
        """For each attraction and topology that a cell needs: the other cells with targets in its domain."""
        cell = self.cells[index]
        return {
            (a, axis): [
                j
                for j, other in enumerate(self.cells)
                if j != index and a in other.serves and self._domains(other, a)[axis] == domain
            ]
            for a in cell.needs
            for axis, domain in enumerate(self._domains(cell, a))
            if domain >= 0
        }

    def _positions(self) -> dict[int, cp_model.IntVar]:
        """Positions in the order for cells that may wait for each other in a circle."""
        waits: list[set[int]] = [{j for found in s.values() for j in found} for s in self.support]
        for a, opening in self.opening.items():
            for j, cell in enumerate(self.cells):
                if opening and a in cell.serves and self._exists(cell.places[0], a):
                    waits[j] |= set(opening) - {j}
        self.circle = {}
        position = {}
        for number, component in enumerate(graph.strong_components(waits)):
            for i in component if len(component) > 1 else ():
                self.circle[i] = number
                position[i] = self.model.new_int_var(0, len(component) - 1, f"position[{i}]")
        return position

    def _after(self, later: int, earlier: int, *when: cp_model.IntVar) -> None:
        """`later` comes after `earlier` when all literals hold; nothing to say where they cannot be in a circle."""
        if later in self.circle and self.circle.get(earlier) == self.circle[later]:
            self.model.add(self.position[later] > self.position[earlier]).only_enforce_if(*when)

    def _open(self, attraction: int, index: int, opens: cp_model.IntVar) -> None:
        self.model.add_implication(opens, self.cells[index].here)
        for place in self._running(attraction):
            assert place.present is not None
            self.model.add_implication(opens, ~place.present)
        for j, other in enumerate(self.cells):
            if j != index and attraction in other.serves and self._exists(other.places[0], attraction):
                self._after(j, index, opens, other.here)

    def _ask_support(self, index: int, attraction: int, axis: int, supporters: Sequence[int]) -> None:
        cell = self.cells[index]
        domain = self._domains(cell, attraction)[axis]
        topology = self.attractions[attraction].topologies[axis]
        running = [p for p in self._running(attraction) if self.variables.domain(p, topology) == domain]
        if any(p.present is None for p in running):
            return
        support = [p.present for p in running if p.present is not None]
        if index in self.opening[attraction]:
            support.append(self.opening[attraction][index])
        for j in supporters:
            support.append(self._support_by(index, j))
        self.model.add_bool_or([~cell.here, *support])

    def _support_by(self, index: int, other: int) -> cp_model.IntVar:
        """A literal that is true only when the other cell is there and comes first."""
        if index not in self.circle or self.circle.get(other) != self.circle[index]:
            return self.cells[other].here
        literal = self.model.new_bool_var(f"support[{index},{other}]")
        self.model.add_implication(literal, self.cells[other].here)
        self._after(index, other, literal)
        return literal
