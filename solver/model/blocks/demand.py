"""Every pod is placed once or left out; a removed node's residents are placed, or as many pods of their classes."""

from __future__ import annotations

from solver.model.cp_sat import cp_model
from solver.model.variables import Sum, Variables
from solver.problem import Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """
    For each class: placed + left = pending + residents of removed nodes.

    Slots hold at least one pod and take an offer when bought. Slots of one group are interchangeable: their offers come
    in falling order, or, where there is one offer only, their numbers of pods of the leading class.
    """
    for c in range(len(problem.classes)):
        balance = Sum()
        for place in variables.places:
            if c in place.pods:
                balance.add(place.pods[c], 1, place.most[c])
        balance.add(variables.left[c], 1, int(variables.demand[c]))
        for place in variables.existing:
            if place.present is not None and place.node is not None:
                balance.add(place.present, int(variables.residents[place.node, c]), 1)
        model.add(balance.expr == int(variables.most_demand[c]))

    previous = None
    for place in variables.slots:
        assert place.present is not None
        if len(place.pick) > 1:
            model.add_exactly_one([*place.pick.values(), ~place.present])
        model.add(sum(place.pods.values()) >= place.present)
        if previous is not None and previous.group == place.group:
            model.add(_position(previous.pick) >= _position(place.pick))
            leader = variables.leader(place)
            if leader is not None:
                model.add(previous.pods[leader] >= place.pods[leader])
        previous = place


def _position(pick: dict[int, cp_model.IntVar]) -> cp_model.LinearExpr:
    """0 for a slot that is not bought, otherwise the position of its offer."""
    return cp_model.LinearExpr.weighted_sum(list(pick.values()), list(range(len(pick), 0, -1)))
