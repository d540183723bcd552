"""The same question answered by other policies, so that a plan can be held against what is usual."""

from __future__ import annotations

from collections.abc import Callable

from catalog import catalogue
from solver import build as builds
from solver import cluster, evaluate, options, planner
from solver import plan as plans
from solver import problem as problems
from solver.search import params
from solver.search.construction import first_fit
from solver.snapshot import pending

Policy = Callable[[problems.Problem, planner.Run], problems.Solution]

POLICIES: dict[str, Policy] = {
    "first-fit": lambda problem, run: first_fit.solve(problem, stop=run.stop),
}
"""Policies by the names that `--compare` takes."""


def plan(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, run: planner.Run, policy: str
) -> plans.Plan:
    """
    What a policy of `POLICIES` would do, as a plan that the checker has judged.

    Its verdict stands in the plan: a policy is shown as it is, also when it breaks a rule. No bound is known for it.
    """
    started = run.clock()
    build = builds.build_problem(of, known, asked)
    solution = POLICIES[policy](build.problem, run)
    phase = plans.Phase(policy, run.clock() - started)
    value = evaluate.value(build.problem, solution)
    found = params.Found(solution, value, None, False, (phase,), 0, "heuristic", phase.seconds)
    return planner.assembled(of, known, asked, build, found, pending.pending(of), run)
