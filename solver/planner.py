"""
From a cluster to a checked plan: the one path that `solve` and the controller share.

snapshot -> build -> search -> assemble -> check. Pure apart from the clock that the caller hands in.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

from catalog import catalogue
from solver import assemble, cluster, explain, options
from solver import build as builds
from solver import check as oracle
from solver import plan as plans
from solver import problem as problems
from solver.search import engine, params
from solver.snapshot import pending


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """
    How to run, apart from what is asked.

    `clock` gives monotonic seconds; `stop` is asked often and ends the search with the best plan so far; `progress` is told how it goes; `warm`
    is a plan to start from.
    """

    clock: Callable[[], float]
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[params.Progress], None] = lambda _: None
    warm: plans.Plan | None = None


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
    build = builds.build_problem(of, known, asked, waiting)
    found = engine.search(build.problem, _params(asked, run))
    result = assembled(of, known, asked, build, found, waiting)
    if result.verification.ok:
        return result
    raise RejectedPlanError(result.verification)


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
) -> plans.Plan:
    """The plan of a search's answer, with explanations and the checker's verdict."""
    placed = assemble.assemble(build, found.solution)
    before = sum(n.price for n in build.problem.nodes)
    create = sum(n.hourly for n in placed.create)
    delete = sum(n.hourly for n in placed.delete)
    after = before + create - delete
    bound = _price_bound(build.problem, found, before, after)
    unschedulable = explain.left_out(build, placed.left_out)
    waiting_keys = {p.key for p in waiting}
    draft = plans.Plan(
        status=_status(found, placed, waiting_keys),
        inputs=plans.Inputs(
            hash=digest(of, known, asked),
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


def _price_bound(problem: problems.Problem, found: params.Found, before: int, after: int) -> int | None:
    """
    The bound on what owned nodes cost afterwards.

    The search bounds prices and small charges together; charges of the solution found are taken off again, which keeps the bound valid as charges never
    fall below what the cheapest fleet needs by more than that.
    """
    if found.bound is None:
        return None
    if found.optimal and found.bound == found.value.cost:
        return after
    return max(0, min(after, before + found.bound - (found.value.cost - (after - before))))


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


def digest(of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options) -> str:
    """A fingerprint of everything that the plan depends on."""
    state = hashlib.sha256()
    for part in (of.pods, of.nodes, of.node_claims, of.node_pools, of.node_classes, of.daemon_sets, of.budgets):
        for key in sorted(part):
            state.update(repr(_plain(part[key])).encode())
    for other in (of.volume_claims, of.volumes, of.storage_classes, of.csi_limits, of.namespaces):
        for key in sorted(other):
            state.update(repr(_plain(other[key])).encode())
    state.update(repr((known.version, asked)).encode())
    return f"sha256:{state.hexdigest()}"


def _plain(value: Any) -> Any:
    return sorted(value.items()) if isinstance(value, Mapping) else value
