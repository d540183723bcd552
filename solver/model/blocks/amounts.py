"""Amounts and masks: a place holds what it has room for, of classes that may go there; shared claims count once."""

from __future__ import annotations

import math

from solver.model.cp_sat import cp_model
from solver.model.variables import Place, Variables
from solver.problem import Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """Per place and resource: taken <= room of the node, if it stays, or of the offer, if the slot is bought."""
    for place in variables.places:
        if not place.pods:
            continue
        if place.node is None:
            _bound_pods(model, variables, place)
        elif place.present is not None:
            for c, variable in place.pods.items():
                model.add(variable <= place.most[c] * place.present)
        for resource in range(len(problem.resources)):
            _bound_amount(model, problem, variables, place, resource)


def _bound_pods(model: cp_model.CpModel, variables: Variables, place: Place) -> None:
    """Pods of a class are at most what the slot's offer holds of that class alone."""
    for c, variable in place.pods.items():
        limits = [int(variables.offer_holds[c, o]) for o in place.pick]
        model.add(variable <= cp_model.LinearExpr.weighted_sum(list(place.pick.values()), limits))


def _bound_amount(model: cp_model.CpModel, problem: Problem, variables: Variables, place: Place, resource: int) -> None:
    taken = variables.taken(place, resource)
    if not taken.variables:
        return
    unit = math.gcd(*taken.coefficients)
    left = cp_model.LinearExpr.weighted_sum(taken.variables, [k // unit for k in taken.coefficients])
    if place.node is not None:
        room = max(0, int(problem.node_room[place.node, resource])) // unit
        if taken.upper // unit > room or place.present is not None:
            model.add(left <= (room if place.present is None else room * place.present))
        return
    rooms = [min(taken.upper, max(0, int(problem.offer_room[o, resource]))) // unit for o in place.pick]
    model.add(left <= cp_model.LinearExpr.weighted_sum(list(place.pick.values()), rooms))
