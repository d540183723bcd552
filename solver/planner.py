"""
From a cluster to a checked plan: the one path that `solve` and the controller share.

snapshot -> build -> search -> assemble -> check. Pure apart from the clock that the caller hands in.
"""

from __future__ import annotations

import dataclasses

from catalog import catalogue
from solver import build as builds
from solver import cluster, consolidation, options
from solver import plan as plans
from solver.answer import RejectedPlanError as RejectedPlanError
from solver.answer import Run as Run
from solver.answer import assembled as assembled
from solver.answer import params_of, searched
from solver.answer import terms as terms
from solver.consolidation import with_frontier as with_frontier
from solver.search import engine
from solver.snapshot import pending


def plan(of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, run: Run) -> plans.Plan:
    """
    The best plan found for what is asked, accepted by the checker.

    Raises
    ------
    RejectedPlanError: when the checker refuses the plan found and the plain one to fall back on.
    """
    if asked.mode == "consolidate":
        return consolidation.consolidated(of, known, asked, run)
    waiting = pending.pending(of)
    build = builds.build_problem(of, known, asked)
    result = assembled(of, known, asked, *searched(of, known, asked, build, run), waiting, run)
    if result.verification.ok:
        return result
    plain = engine.plain(build.problem, params_of(asked, run))
    second = assembled(of, known, asked, build, plain, waiting, run)
    if second.verification.ok:
        note = f"a better plan was rejected by the checker: {result.verification.violations[0].message}"
        return dataclasses.replace(second, notes=(*second.notes, note))
    raise RejectedPlanError(result.verification)
