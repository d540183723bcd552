"""
Every decision variable, built once.

A *place* is an existing node or a *slot*, a new node that may be bought. Slots come in groups whose candidate offers
agree on everything that a rule across nodes looks at (domains of topologies that are used, what spreads count), so for
those rules a slot is a node with constant labels that is there or not; only amounts, prices and limits look at the
offer.

| variable | index | meaning |
| --- | --- | --- |
| `places[p].pods[c]` | place, class | planned pods there; absent where none can be |
| `places[p].present` | place | slot: bought; removable node: stays; None: always there |
| `places[p].pick[o]` | slot, offer | the slot is a node of this offer; exactly one when bought |
| `left[c]` | class | pending pods left out |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from solver.model.cp_sat import cp_model
from solver.problem import HOST, Ints, Mask, Problem


@dataclasses.dataclass(slots=True)
class Sum:
    """constant + sum of coefficient x variable, with the bounds that follow from the variables' own."""

    variables: list[cp_model.IntVar] = dataclasses.field(default_factory=list)
    coefficients: list[int] = dataclasses.field(default_factory=list)
    constant: int = 0
    lower: int = 0
    upper: int = 0

    def add(self, variable: cp_model.IntVar, coefficient: int, most: int) -> None:
        """Add a term whose variable is between 0 and `most`."""
        if not coefficient or not most:
            return
        self.variables.append(variable)
        self.coefficients.append(coefficient)
        if coefficient > 0:
            self.upper += coefficient * most
        else:
            self.lower += coefficient * most

    def add_constant(self, amount: int) -> None:
        """Add a number."""
        self.constant += amount
        self.lower += amount
        self.upper += amount

    def add_sum(self, other: Sum, factor: int = 1) -> None:
        """Add another sum, `factor` >= 0 times."""
        self.variables += other.variables
        self.coefficients += [factor * c for c in other.coefficients]
        self.constant += factor * other.constant
        self.lower += factor * other.lower
        self.upper += factor * other.upper

    @property
    def expr(self) -> cp_model.LinearExpr:
        """The sum as the solver's expression."""
        return cp_model.LinearExpr.weighted_sum(self.variables, self.coefficients) + self.constant


@dataclasses.dataclass(slots=True)
class Place:
    """
    An existing node (`node` is its index) or a slot (`node` is None, `group` says which slots are interchangeable).

    `most` bounds `pods`; `representative` is an offer that shares domains with all candidates of the slot.
    """

    index: int
    name: str
    node: int | None
    group: int
    representative: int
    pods: dict[int, cp_model.IntVar]
    most: dict[int, int]
    present: cp_model.IntVar | None
    pick: dict[int, cp_model.IntVar]


class Variables:
    """All variables of one problem, and the sums and literals that several blocks need."""

    def __init__(self, model: cp_model.CpModel, problem: Problem, groups: Sequence[tuple[Sequence[int], int]]) -> None:
        """`groups` are candidate offers and a number of slots; see `sizing.Slots`."""
        self.model = model
        self.problem = problem
        self.demand: Ints = problem.counts
        self.residents: Ints = problem.residents
        self.most_demand = self.demand + self.residents.sum(axis=0)
        self.node_holds, self.offer_holds = capacity(problem)
        self.places: list[Place] = []
        self.unmet = Sum()
        """Weights of preferences that are not met; soft blocks add to it."""
        self.pool_charges = Sum()
        """Charges for OVH pools that do not exist yet; the pools block adds to it."""
        self._some: dict[tuple[object, ...], cp_model.IntVar] = {}
        self._taken: dict[tuple[int, int], Sum] = {}
        for node in range(len(problem.nodes)):
            self._existing(node)
        for number, (offers, slots) in enumerate(groups):
            for _ in range(slots):
                self._slot(number, offers)
        self.left = [
            model.new_int_var(0, int(d), f"left[{c.name}]") for c, d in zip(problem.classes, self.demand, strict=True)
        ]

    def _existing(self, node: int) -> None:
        problem = self.problem
        name = problem.nodes[node].name
        capacity = self.node_holds[:, node]
        present = self.model.new_bool_var(f"stays[{name}]") if problem.nodes[node].removable else None
        self._place(name, node, -1, -1, capacity, present, {})

    def _slot(self, group: int, offers: Sequence[int]) -> None:
        problem = self.problem
        name = f"slot-{group}-{len(self.places)}"
        capacity = self.offer_holds[:, list(offers)].max(axis=1, initial=0)
        pick = {o: self.model.new_bool_var(f"pick[{name},{o}:{problem.offers[o].flavor}]") for o in offers}
        present = next(iter(pick.values())) if len(pick) == 1 else self.model.new_bool_var(f"bought[{name}]")
        self._place(name, None, group, offers[0], capacity, present, pick)

    def _place(
        self,
        name: str,
        node: int | None,
        group: int,
        representative: int,
        capacity: Ints,
        present: cp_model.IntVar | None,
        pick: dict[int, cp_model.IntVar],
    ) -> None:
        most = {int(c): int(capacity[c]) for c in np.flatnonzero(capacity)}
        pods = {
            c: self.model.new_int_var(0, k, f"pods[{self.problem.classes[c].name},{name}]") for c, k in most.items()
        }
        self.places.append(Place(len(self.places), name, node, group, representative, pods, most, present, pick))

    @property
    def slots(self) -> list[Place]:
        """Places that may be bought."""
        return [place for place in self.places if place.node is None]

    @property
    def existing(self) -> list[Place]:
        """Places that are there; `existing[n]` is node n."""
        return self.places[: len(self.problem.nodes)]

    def leader(self, place: Place) -> int | None:
        """The class that puts slots of one offer in order: the one whose pods take the largest share of them."""
        if len(place.pick) != 1 or not place.pods:
            return None
        share = self.problem.requests / np.maximum(self.problem.offer_room[place.representative], 1)
        return max(place.pods, key=lambda c: (float(share[c].max()), -c))

    def attribute(self, place: Place, per_node: Ints | Mask, per_offer: Ints | Mask) -> int:
        """An attribute of nodes (N,) and offers (O,) on which all candidates of a slot agree."""
        return int(per_node[place.node] if place.node is not None else per_offer[place.representative])

    def domain(self, place: Place, topology: int) -> int:
        """The place's domain, -1 without the label."""
        if topology == HOST:
            return place.index
        keys = self.problem.topologies[topology]
        return self.attribute(place, keys.of_node, keys.of_offer)

    def domains(self, topology: int) -> dict[int, list[Place]]:
        """The places of each domain that has any; those without the label under -1."""
        found: dict[int, list[Place]] = {}
        for place in self.places:
            found.setdefault(self.domain(place, topology), []).append(place)
        return found

    def planned(self, members: Mask, places: Iterable[Place]) -> Sum:
        """How many pods of these classes (C,) the plan puts on these places."""
        total = Sum()
        for place in places:
            for c, variable in place.pods.items():
                if members[c]:
                    total.add(variable, 1, place.most[c])
        return total

    def running(self, base: Ints, places: Iterable[Place]) -> Sum:
        """How many running pods these places keep (`base` (N,))."""
        total = Sum()
        for place in places:
            if place.node is None or not base[place.node]:
                continue
            if place.present is None:
                total.add_constant(int(base[place.node]))
            else:
                total.add(place.present, int(base[place.node]), 1)
        return total

    def some(self, members: Mask, places: Sequence[Place], exact: bool = False) -> cp_model.IntVar | None:
        """
        A literal that must be true when pods of these classes (C,) are planned onto these places; None if none can.

        Only when `exact` it must be false otherwise.
        """
        chosen = [(p, c) for p in places for c in p.pods if members[c]]
        key = (exact, *((p.index, c) for p, c in chosen))
        if not chosen:
            return None
        if key not in self._some:
            literal = self.model.new_bool_var(f"some[{len(self._some)}]")
            for p, c in chosen:
                self.model.add(p.pods[c] <= p.most[c] * literal)
            if exact:
                self.model.add(self.planned(members, places).expr >= literal)
            self._some[key] = literal
        return self._some[key]

    def taken(self, place: Place, resource: int) -> Sum:
        """What planned pods take of a resource on a place, shared amounts included."""
        key = place.index, resource
        if key not in self._taken:
            total = Sum()
            for c, variable in place.pods.items():
                total.add(variable, int(self.problem.requests[c, resource]), place.most[c])
            for shared in self.problem.shared_amounts:
                paid = place.node is not None and bool(shared.attached[place.node])
                if shared.resource != resource or paid:
                    continue
                literal = self.some(shared.members, [place])
                if literal is not None:
                    total.add(literal, 1, 1)
            self._taken[key] = total
        return self._taken[key]


def capacity(problem: Problem) -> tuple[Ints, Ints]:
    """How many pods of a class each node (C, N) and a node of each offer (C, O) hold at most when alone there."""
    most = problem.counts + problem.residents.sum(axis=0)
    nodes = _alone(problem.requests, problem.node_room, problem.node_ok, most)
    offers = _alone(problem.requests, problem.offer_room, problem.offer_ok, most)
    for exclusion in problem.exclusions:
        if exclusion.topology != HOST or exclusion.weight is not None:
            continue
        owners, targets = exclusion.owners, exclusion.targets.members
        for table in nodes, offers:
            table[owners & targets] = np.minimum(table[owners & targets], 1)
        nodes[np.ix_(owners, exclusion.targets.base > 0)] = 0
        nodes[np.ix_(targets, exclusion.owner_base > 0)] = 0
    return nodes, offers


def _alone(requests: Ints, rooms: Ints, allowed: Mask, most: Ints) -> Ints:
    """How many pods of a class fit alone into each room (P, R), at most `most` (C,), where `allowed` (C, P): (C, P)."""
    table = np.where(allowed, most[:, None], 0)
    for resource in range(requests.shape[1]):
        need, room = requests[:, resource], np.maximum(rooms[:, resource], 0)
        fits = room[None, :] // np.maximum(need, 1)[:, None]
        table = np.where(need[:, None] > 0, np.minimum(table, fits), table)
    return table.astype(np.int64)
