"""
From a cluster to a checked plan: the one path that `solve` and the controller share.

snapshot -> build -> search -> assemble -> check. Pure apart from the clock that the caller hands in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from catalog import catalogue
from solver import build as builds
from solver import cluster, digest, options
from solver import plan as plans
from solver.answer import BROKEN, REFUSED, params_of, searched
from solver.answer import RejectedPlanError as RejectedPlanError
from solver.answer import Run as Run
from solver.answer import assembled as assembled
from solver.answer import terms as terms
from solver.search import engine, params
from solver.snapshot import pending

READ = 1.1
"""Naming and checking take this part of what building and fingerprint took, and `answer.FINISH` of what judging takes."""


def plan(of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, run: Run) -> plans.Plan:
    """
    The best plan found for what is asked, accepted by the checker, within the time limit.

    Building counts, and time is set aside for naming and checking: as much as these take for so many pods and nodes on this
    machine, by what building took and what judging a solution takes.

    Raises
    ------
    RejectedPlanError: when the checker refuses the plan found and the plain one to fall back on.
    """
    if asked.mode == "consolidate":
        from solver import consolidation

        return consolidation.consolidated(of, known, asked, run)
    started = 0.0 if asked.deterministic else run.clock()
    waiting = pending.pending(of)
    build = builds.build_problem(of, known, asked, [*waiting, *pending.reschedulable(of, asked.now)])
    fingerprint = digest.digest(of, known, asked)
    spent = 0.0 if asked.deterministic else run.clock() - started
    left = max(0.0, asked.time_limit - spent * (1 + READ))
    rejected: list[plans.Verification] = []
    failures: list[Exception] = []
    for built, found in _candidates(of, known, dataclasses.replace(asked, time_limit=left), build, run, failures):
        result = assembled(of, known, asked, built, found, waiting, run, fingerprint=fingerprint)
        if result.verification.ok:
            notes = [f"{REFUSED}: {rejected[0].violations[0].message}"] if rejected else []
            notes += [f"{BROKEN} ({type(error).__name__}: {error})" for error in failures]
            return dataclasses.replace(result, notes=(*result.notes, *notes))
        rejected.append(result.verification)
    raise RejectedPlanError(rejected[0])


def _candidates(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    build: builds.Build,
    run: Run,
    failures: list[Exception],
) -> Iterator[tuple[builds.Build, params.Found]]:
    """What the search finds, and when that is rejected or an error ends the search, what the plain one finds."""
    found: list[tuple[builds.Build, params.Found]] = []
    try:
        found = searched(of, known, asked, build, run)
    except Exception as error:
        if run.broken is None:
            raise
        run.broken(error)
        failures.append(error)
    yield from found
    yield build, engine.plain(build.problem, params_of(asked, run))
