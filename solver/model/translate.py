"""A known solution in the model's variables, and the model's answer as a solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from solver.model.cp_sat import cp_model
from solver.model.variables import Place, Variables
from solver.problem import Counts, Solution


def hint(model: cp_model.CpModel, variables: Variables, known: Solution, stand_in: Mapping[int, int]) -> None:
    """
    Hint the variables of places and `left`.

    `stand_in` maps offers that the model leaves out; new nodes that find no free slot are passed over.
    """
    new = [(stand_in.get(offer, offer), counts) for offer, counts in known.new]
    placed = {place.index: known.placed.get(place.index, ()) for place in variables.existing}
    free: dict[int, list[Place]] = {}
    for place in variables.slots:
        free.setdefault(place.group, []).append(place)
    offered = {o: place.group for place in variables.slots for o in place.pick}
    order = {(place.group, o): n for place in variables.slots for n, o in enumerate(place.pick)}
    taken: dict[int, int] = {}
    leader = {o: variables.leader(place) for place in variables.slots for o in place.pick}

    def position(one: tuple[int, Counts]) -> tuple[int, int]:
        """Slots of a group are in this order."""
        return order.get((offered.get(one[0], -1), one[0]), 0), -dict(one[1]).get(leader.get(one[0], -1) or 0, 0)

    for offer, counts in sorted(new, key=position):
        if free.get(offered.get(offer, -1)):
            place = free[offered[offer]].pop(0)
            placed[place.index] = counts
            taken[place.index] = offer
    left = variables.demand + variables.residents[list(known.removed)].sum(axis=0)
    for place in variables.places:
        pods = dict(placed.get(place.index, ()))
        for c, variable in place.pods.items():
            model.add_hint(variable, min(pods.get(c, 0), place.most[c]))
            left[c] -= pods.get(c, 0)
        for o, literal in place.pick.items():
            model.add_hint(literal, taken.get(place.index) == o)
        if place.node is not None and place.present is not None:
            model.add_hint(place.present, place.node not in known.removed)
        elif len(place.pick) > 1 and place.present is not None:
            model.add_hint(place.present, place.index in taken)
    for c, variable in enumerate(variables.left):
        model.add_hint(variable, max(0, min(int(left[c]), int(variables.demand[c]))))


def solution(variables: Variables, value: Callable[[cp_model.IntVar], int]) -> Solution:
    """The solution that the variables' values say."""
    new: list[tuple[int, Counts]] = []
    placed: dict[int, Counts] = {}
    removed = set()
    for place in variables.places:
        counts = tuple((c, value(variable)) for c, variable in place.pods.items() if value(variable))
        if place.node is None:
            new += [(o, counts) for o, literal in place.pick.items() if value(literal)]
            continue
        if counts:
            placed[place.node] = counts
        if place.present is not None and not value(place.present):
            removed.add(place.node)
    return Solution(new=tuple(sorted(new)), placed=placed, removed=frozenset(removed))


def repeat(model: cp_model.CpModel, solver: cp_model.CpSolver) -> None:
    """Hint every variable with its value in the solver's solution."""
    values = solver.response_proto.solution
    model.proto.clear_solution_hint()
    model.proto.solution_hint.vars.extend(range(len(values)))
    model.proto.solution_hint.values.extend(values)
