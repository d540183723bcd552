"""Linear limits on the new nodes: NodePool limits and the project quota."""

from __future__ import annotations

from solver.model.cp_sat import cp_model
from solver.model.variables import Sum, Variables
from solver.problem import Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """Sum of `per_offer` over bought slots <= room, for each cap that could bind."""
    for cap in problem.caps:
        total = Sum()
        for place in variables.slots:
            for o, literal in place.pick.items():
                total.add(literal, int(cap.per_offer[o]), 1)
        if total.upper > max(0, cap.room):
            model.add(total.expr <= max(0, cap.room))
