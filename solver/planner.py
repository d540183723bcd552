"""
From a cluster to a checked plan: the one path that `solve` and the controller share.

snapshot -> build -> search -> assemble -> check. Pure apart from the clock that the caller hands in.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable

from catalog import catalogue
from solver import assemble, cluster, digest, explain, options
from solver import build as builds
from solver import check as oracle
from solver import plan as plans
from solver import problem as problems
from solver.explain import changes, relax
from solver.search import engine, params
from solver.snapshot import pending


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """
    How to run, apart from what is asked.

    `clock` gives monotonic seconds; `stop` is asked often and ends the search with the best plan so far; `progress` is
    told how it goes; `warm` is a plan to start from. With `relax` single changes that would place pods left out are
    looked for, for at most half the time limit more.
    """

    clock: Callable[[], float]
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[params.Progress], None] = lambda _: None
    warm: plans.Plan | None = None
    relax: bool = False


class RejectedPlanError(Exception):
    """The checker found no plan acceptable; `verification` says why. Nothing may be carried out."""

    def __init__(self, verification: plans.Verification) -> None:
        self.verification = verification
        first = verification.violations[0].message if verification.violations else "no reason given"
        super().__init__(
            f"the plan was rejected by the checker ({len(verification.violations)} violations, the first: {first}); "
            "nothing is shown or done; please report this with the output of 'karpenter-ovhcloud snapshot'"
        )


def plan(of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, run: Run) -> plans.Plan:
    """
    The best plan found for what is asked, accepted by the checker.

    Raises
    ------
    RejectedPlanError: when the checker refuses the plan found and the plain one to fall back on.
    """
    waiting = pending.pending(of)
    build = builds.build_problem(of, known, asked)
    found = engine.search(build.problem, _params(asked, run))
    result = assembled(of, known, asked, build, found, waiting, run)
    if result.verification.ok:
        return result
    plain = engine.plain(build.problem, _params(asked, run))
    second = assembled(of, known, asked, build, plain, waiting, run)
    if second.verification.ok:
        note = f"a better plan was rejected by the checker: {result.verification.violations[0].message}"
        return dataclasses.replace(second, notes=(*second.notes, note))
    raise RejectedPlanError(result.verification)


def _relaxations(
    build: builds.Build,
    known: catalogue.Catalogue,
    asked: options.Options,
    placed: assemble.Placed,
    after: int,
    run: Run,
) -> dict[int, tuple[plans.Relaxation, ...]]:
    """Single changes that would place pods left out, by solving the changed questions."""
    if not run.relax or not placed.left_out:
        return {}
    until = 0.0 if asked.deterministic else run.clock() + asked.time_limit / 2

    def over() -> bool:
        return run.stop() or (not asked.deterministic and run.clock() > until)

    def answer(question: changes.Question) -> relax.Answer | None:
        of, changed = question
        quick = dataclasses.replace(changed, time_limit=max(0.5, asked.time_limit / 5), gap=max(changed.gap, 0.001))
        again = builds.build_problem(of, known, quick)
        found = engine.search(again.problem, _params(quick, dataclasses.replace(run, progress=lambda _: None)))
        its = assemble.assemble(again, found.solution)
        cost = sum(n.price for n in again.problem.nodes) + sum(n.hourly for n in its.create)
        return cost - sum(n.hourly for n in its.delete), frozenset(its.placements)

    wanted = {index: pods for index, pods in placed.left_out.items() if pods[0] not in build.ignored}
    return relax.relaxations(build, known, wanted, after, answer, over)


def _params(asked: options.Options, run: Run) -> params.Params:
    return params.Params(
        clock=run.clock,
        time_limit=asked.time_limit,
        seed=asked.seed,
        deterministic=asked.deterministic,
        workers=asked.workers,
        gap=asked.gap,
        stop=run.stop,
        progress=run.progress,
    )


def assembled(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    build: builds.Build,
    found: params.Found,
    waiting: list[cluster.Pod],
    run: Run,
) -> plans.Plan:
    """The plan of a search's answer, with explanations and the checker's verdict."""
    placed = assemble.assemble(build, found.solution)
    before = sum(n.price for n in build.problem.nodes)
    create = sum(n.hourly for n in placed.create)
    delete = sum(n.hourly for n in placed.delete)
    after = before + create - delete
    bound = _price_bound(found, before, after)
    unschedulable = explain.left_out(
        build, found.solution, placed.left_out, _relaxations(build, known, asked, placed, after, run)
    )
    waiting_keys = {p.key for p in waiting}
    draft = plans.Plan(
        status=_status(found, placed, waiting_keys),
        inputs=plans.Inputs(
            hash=digest.digest(of, known, asked),
            pods=len(of.pods),
            pending_pods=len(waiting),
            nodes=len(of.nodes),
            seed=asked.seed,
            time_limit_seconds=asked.time_limit,
            version=importlib.metadata.version("karpenter-ovhcloud"),
            catalog=known.version,
        ),
        create=placed.create,
        delete=placed.delete,
        keep=(),
        steps=(),
        placements=placed.placements,
        unschedulable=unschedulable,
        cost=plans.Cost(before, after, create, delete, None, bound, build.unpriced),
        objective=terms(build.problem, found),
        verification=plans.Verification(ok=False),
        solve=plans.SolveInfo(
            wall_seconds=sum(p.seconds for p in found.phases),
            pod_classes=len(build.problem.classes),
            columns=found.columns,
            phases=found.phases,
        ),
        notes=(*of.notes, *build.notes),
    )
    return dataclasses.replace(draft, verification=oracle.check(of, known, draft, asked))


def _price_bound(found: params.Found, before: int, after: int) -> int | None:
    """The bound on what owned nodes cost afterwards; a plan that is proved optimal is its own bound."""
    if found.optimal:
        return after
    if found.bound is None:
        return None
    return max(0, min(after, before + found.bound))


def _status(found: params.Found, placed: assemble.Placed, waiting: set[str]) -> plans.Status:
    if waiting and not waiting & set(placed.placements):
        return "infeasible"
    if found.optimal:
        return "optimal"
    return "heuristic" if found.strategy in ("heuristic", "fill") else "feasible"


def terms(problem: problems.Problem, found: params.Found) -> tuple[plans.Term, ...]:
    """The named terms of the objective, most important first."""
    price = sum(problem.offers[o].price for o, _ in found.solution.new)
    price -= sum(problem.nodes[n].price for n in found.solution.removed)
    moves = sum(problem.nodes[n].removal_cost for n in found.solution.removed)
    return (
        plans.Term("unplaced", sum(found.value.unplaced), "pods"),
        plans.Term("preferences", found.value.preferences, "weight"),
        plans.Term("nodePoolWeights", found.value.rank, "levels"),
        plans.Term("price", price, "microEUR/h"),
        plans.Term("disruption", moves, "microEUR/h"),
        plans.Term("charges", found.value.cost - price - moves, "microEUR/h"),
    )
