"""Pods that share an unbound volume claim are in one domain."""

from __future__ import annotations

from solver.model.cp_sat import cp_model
from solver.model.variables import Variables
from solver.problem import Problem


def add(model: cp_model.CpModel, problem: Problem, variables: Variables) -> None:
    """At most one domain holds members; places without the label hold none."""
    for common in problem.common_domains:
        open_domains = []
        for domain, places in variables.domains(common.topology).items():
            literal = variables.some(common.members, places)
            if literal is None:
                continue
            if domain < 0:
                model.add(literal == 0)
            else:
                open_domains.append(literal)
        model.add_at_most_one(open_domains)
