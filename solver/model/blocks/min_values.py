"""Minimum values: a new node leaves enough different values among the offers of its family that would hold its pods."""

from __future__ import annotations

from solver.model.cp_sat import cp_model
from solver.model.variables import Place, Variables
from solver.problem import MinValues, Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """For each rule, slot and family: a slot that takes an offer of the family needs `minimum` values that fit."""
    fits: dict[tuple[int, int], cp_model.IntVar] = {}
    for rule in problem.min_values:
        for place in variables.slots:
            families = {problem.offers[o].family for o in place.pick if rule.value_of[o] >= 0}
            for family in sorted(families):
                _ask(model, problem, variables, rule, place, family, fits)


def _ask(
    model: cp_model.CpModel,
    problem: Problem,
    variables: Variables,
    rule: MinValues,
    place: Place,
    family: int,
    fits: dict[tuple[int, int], cp_model.IntVar],
) -> None:
    picked = [v for o, v in place.pick.items() if problem.offers[o].family == family and rule.value_of[o] >= 0]
    by_value: dict[int, list[cp_model.IntVar]] = {}
    for o, offer in enumerate(problem.offers):
        if offer.family == family and rule.value_of[o] >= 0:
            if (place.index, o) not in fits:
                fits[place.index, o] = _fits(model, problem, variables, place, o)
            by_value.setdefault(int(rule.value_of[o]), []).append(fits[place.index, o])
    left = []
    for value, literals in by_value.items():
        kept = model.new_bool_var(f"kept[{rule.name},{place.name},{value}]")
        model.add(sum(literals) >= kept)
        left.append(kept)
    model.add(sum(left) >= rule.minimum * sum(picked))


def _fits(model: cp_model.CpModel, problem: Problem, variables: Variables, place: Place, offer: int) -> cp_model.IntVar:
    """A literal that is true only when the offer would hold the slot's pods."""
    literal = model.new_bool_var(f"fits[{place.name},{offer}]")
    for c, variable in place.pods.items():
        model.add(variable <= place.most[c] + (int(variables.offer_holds[c, offer]) - place.most[c]) * literal)
    for resource in range(len(problem.resources)):
        taken = variables.taken(place, resource)
        room = max(0, int(problem.offer_room[offer, resource]))
        if taken.upper > room:
            model.add(taken.expr <= room).only_enforce_if(literal)
    return literal
