"""Which nodes may go together: disruption budgets, and the user's limits on nodes and evictions."""

from __future__ import annotations

from collections.abc import Sequence

from solver.model.cp_sat import cp_model
from solver.model.variables import Place, Variables
from solver.problem import Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """Weighted numbers of removed nodes stay within each limit."""
    going = [place for place in variables.existing if place.present is not None]
    if not going:
        return
    for cap in problem.removal_caps:
        _limit(model, going, [int(cap.nodes[place.index]) for place in going], cap.room)
    if problem.max_removals is not None:
        _limit(model, going, [1] * len(going), problem.max_removals)
    if problem.max_evictions is not None:
        _limit(model, going, [int(variables.residents[p.index].sum()) for p in going], problem.max_evictions)


def _limit(model: cp_model.CpModel, going: Sequence[Place], weights: Sequence[int], room: int) -> None:
    """Sum of weight x (1 - stays) <= room."""
    if sum(weights) > max(0, room):
        stays = cp_model.LinearExpr.weighted_sum([p.present for p in going], list(weights))
        model.add(stays >= sum(weights) - max(0, room))
