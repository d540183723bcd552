"""
A search's answer as a plan: names, steps, reasons, explanations, cost and the checker's verdict.

The last part of the path from a cluster to a checked plan (`planner`), the same for all modes.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence

from catalog import catalogue
from solver import assemble, changed, cluster, digest, evaluate, explain, options, turns
from solver import build as builds
from solver import check as oracle
from solver import plan as plans
from solver import problem as problems
from solver import warm as warm_start
from solver.build import places
from solver.disruption import candidates, keep, pods, states, steps, worth
from solver.disruption import choice as choices
from solver.explain import relax
from solver.search import engine, params
from solver.snapshot import pending


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """
    How to run, apart from what is asked.

    `clock` gives monotonic seconds; `stop` is asked often and ends the search with the best plan so far; `progress` is
    told how it goes; `warm` is an earlier plan to start from, unless nodes are to be removed. With `relax` single changes
    that would place pods left out are looked for (`changed`). `broken` is told of an error that ends the search, and the plain
    one takes its place; without it the error goes on.
    """

    clock: Callable[[], float]
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[params.Progress], None] = lambda _: None
    warm: warm_start.Earlier | None = None
    relax: bool = False
    broken: Callable[[Exception], None] | None = None


class RejectedPlanError(Exception):
    """The checker found no plan acceptable; `verification` says why. Nothing may be carried out."""

    def __init__(self, verification: plans.Verification) -> None:
        self.verification = verification
        first = verification.violations[0].message if verification.violations else "no reason given"
        super().__init__(
            f"the plan was rejected by the checker ({len(verification.violations)} violations, the first: {first}); "
            "nothing is shown or done; please report this with the output of 'karpenter-ovhcloud snapshot'"
        )


class UnorderedError(Exception):
    """No order of steps was found in which these nodes could go."""

    def __init__(self, nodes: frozenset[str]) -> None:
        self.nodes = nodes


@dataclasses.dataclass(frozen=True, slots=True)
class Removing:
    """What belongs to a plan that removes nodes: who may go, and the price of the cheapest fleet and its pods left."""

    choice: choices.Choice
    best: tuple[int, int] | None


REFUSED = "a better plan was rejected by the checker"
BROKEN = "the search ended in an error and this is the plain plan"
"""How the notes of plans begin that stand in for others."""
FINISH = 4.0
"""
Naming and checking a plan take as long as reading the cluster did, for its pods (`planner.READ`), and so many times what the
search needs to put a solution together and judge it, for its nodes and rules.
"""


def assembled(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    build: builds.Build,
    found: params.Found,
    waiting: Sequence[cluster.Pod],
    run: Run,
    removing: Removing | None = None,
    fingerprint: str | None = None,
) -> plans.Plan:
    """The plan of a search's answer, with explanations and the checker's verdict; `fingerprint` is the question's."""
    away: list[plans.GoneNode] = []
    if removing is not None:
        away = gone(of, known, removing.choice.going, removing.choice.going_pods())
    elif asked.mode == "repack":
        away = _everything(of, known, build)
    placed = assemble.assemble(build, found.solution, away)
    before = sum(place.price for place in places.existing(of, known))
    create = sum(n.hourly for n in placed.create)
    delete = sum(n.hourly for n in placed.delete)
    after = before + create - delete
    forced = sum(n.hourly for n in placed.delete) - sum(build.problem.nodes[n].price for n in found.solution.removed)
    bound = _price_bound(found, before - forced, after)
    optimum = _optimum(asked, removing, create + build.launched, after, len(placed.left_out))
    said = relax.Answer(after, frozenset(placed.placements), found.value.unplaced, placed.create)
    unschedulable = explain.left_out(
        build, found.solution, placed.left_out, _relaxations(build, known, asked, placed, said, run, found.seconds)
    )
    ordered = steps.Ordered(turns.steps(build, placed))
    if removing:
        ordered = _steps(of, known, asked, build, removing.choice, placed)
    if ordered.blocked:
        raise UnorderedError(ordered.blocked)
    draft = plans.Plan(
        status=_status(found, placed, waiting),
        inputs=plans.Inputs(
            hash=fingerprint or digest.digest(of, known, asked),
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
        keep=keep.reasons(of, known, asked, removing.choice, build, found.solution) if removing else (),
        steps=ordered.steps,
        placements=placed.placements,
        unschedulable=unschedulable,
        cost=plans.Cost(before, after, create, delete, optimum, bound, build.unpriced),
        objective=terms(build.problem, found),
        verification=plans.Verification(ok=False),
        solve=plans.SolveInfo(
            wall_seconds=found.seconds,
            pod_classes=len(build.problem.classes),
            columns=found.columns,
            phases=found.phases,
        ),
        notes=(
            *of.notes,
            *build.notes,
            *([turns.note(ordered.steps)] if ordered.steps and not removing else []),
            *_by_the_month(known, placed.create),
        ),
    )
    return dataclasses.replace(draft, verification=oracle.check(of, known, draft, asked))


def searched(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, build: builds.Build, run: Run
) -> list[tuple[builds.Build, params.Found]]:
    """
    What the search finds, the best first: with later turns for pods that would be left out, where that places more, and
    without. Plans that remove nodes have no turns.
    """
    settings = dataclasses.replace(params_of(asked, run), finish=FINISH)
    until = 0.0 if asked.deterministic else run.clock() + asked.time_limit
    if run.warm is not None:
        settings = dataclasses.replace(settings, warm=warm_start.solution(build.problem, run.warm))
    found = engine.search(build.problem, settings)
    if asked.mode != "provision":
        return [(build, found)]

    def rebuild(later: Mapping[str, int]) -> builds.Build:
        return builds.build_problem(of, known, asked, turns=later)

    better = turns.search(build, found, rebuild, dataclasses.replace(settings, warm=None), until, insist=run.relax)
    return [(build, found)] if better is None else [better, (build, found)]


def params_of(asked: options.Options, run: Run) -> params.Params:
    """How the search is to run."""
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


def _relaxations(
    build: builds.Build,
    known: catalogue.Catalogue,
    asked: options.Options,
    placed: assemble.Placed,
    before: relax.Answer,
    run: Run,
    spent: float,
) -> dict[str, tuple[plans.Relaxation, ...]]:
    """Single changes that would place pods left out, by solving the changed questions."""
    if not run.relax or not placed.left_out:
        return {}
    # A change only allows more, so the plan itself is where to start.
    quiet = dataclasses.replace(
        run, progress=lambda _: None, warm=warm_start.of_nodes(placed.create, placed.placements)
    )
    until = 0.0 if asked.deterministic else run.clock() + changed.seconds(asked.time_limit, spent)

    def left() -> float:
        if run.stop():
            return 0.0
        return asked.time_limit if asked.deterministic else until - run.clock()

    def search(of: cluster.Cluster, edited: options.Options, again: builds.Build) -> tuple[builds.Build, params.Found]:
        return searched(of, known, edited, again, quiet)[0]

    asking = changed.Asking(known, search, len(placed.placements), len(placed.create), left, spent)
    wanted = {index: pods for index, pods in placed.left_out.items() if pods[0] not in build.ignored}
    return relax.relaxations(build, known, wanted, before, asking.ask, asking.stop)


def _by_the_month(known: catalogue.Catalogue, create: Sequence[plans.NewNode]) -> list[str]:
    """From how many hours on new nodes billed by the hour would be cheaper by the month, where that is on offer."""
    found = []
    for name in sorted({new.flavor for new in create if not new.monthly_billed}):
        flavor = known.flavors[name]
        if flavor.monthly_billable and flavor.monthly_micro_eur is not None:
            hours = worth.break_even(flavor.hourly_micro_eur or 0, flavor.monthly_micro_eur)
            if hours is not None:
                found.append(
                    f"{name} costs less by the month (monthlyBilled in the node class) for demand that lasts more than "
                    f"{hours} hours a month"
                )
    return found


def _optimum(asked: options.Options, removing: Removing | None, fresh: int, after: int, left: int) -> int | None:
    """The cheapest fleet known for all pods, `fresh` from zero; a plan that costs less is its own."""
    if asked.mode == "repack":
        return fresh
    if removing is None or removing.best is None:
        return None
    price, unplaced = removing.best
    return min(price, after) if unplaced <= left else after


def gone(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    reasons: Mapping[str, str],
    moving: Mapping[str, tuple[str, ...]],
) -> list[plans.GoneNode]:
    """Nodes that go for a reason each, with the pods that would need another place."""
    if not reasons:
        return []
    return [
        plans.GoneNode(
            place.name,
            place.claim.name if place.claim is not None else "",
            place.node_pool,
            place.flavor,
            place.zone,
            place.price,
            reasons[place.name],
            moving[place.name],
        )
        for place in places.existing(of, known)
        if place.name in reasons
    ]


def _everything(of: cluster.Cluster, known: catalogue.Catalogue, build: builds.Build) -> list[plans.GoneNode]:
    """All nodes that repacking takes away."""
    stay = {node.name for node in build.problem.nodes}
    there: dict[str, list[cluster.Pod]] = {name: [] for name in of.nodes if name not in stay}
    for pod in of.pods.values():
        if pod.node in there:
            there[pod.node].append(pod)
    empty = {True: candidates.EMPTY, False: candidates.UNDERUTILIZED}
    reasons = {name: empty[pods.is_empty(on)] for name, on in there.items()}
    moving = {name: tuple(sorted(p.key for p in on if pending.movable(p))) for name, on in there.items()}
    return gone(of, known, reasons, moving)


def _steps(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    build: builds.Build,
    choice: choices.Choice,
    placed: assemble.Placed,
) -> steps.Ordered:
    """The order in which the plan is carried out."""
    on_its_way = None
    if placed.delete:
        if choice.going:
            leave = choice.leave(of)
            going = {name: builds.Removal(reason) for name, reason in choice.going.items()}
            leave = dataclasses.replace(leave, removable={**leave.removable, **going}, going={}, moved={})
            build = builds.build_problem(of, known, asked, leave=leave)
        held = {each.name for each in choice.found if each.stuck and each.name in choice.going}
        on_its_way = states.States(build.problem, placed.create, held)
    return steps.order(of, placed.create, placed.delete, placed.placements, on_its_way)


def _price_bound(found: params.Found, before: int, after: int) -> int | None:
    """The bound on what owned nodes cost afterwards; a plan that is proved optimal is its own bound."""
    if found.optimal:
        return after
    if found.bound is None:
        return None
    return max(0, min(after, before + found.bound))


def _status(found: params.Found, placed: assemble.Placed, waiting: Sequence[cluster.Pod]) -> plans.Status:
    if waiting and not any(pod.key in placed.placements for pod in waiting):
        return "infeasible"
    if found.optimal:
        return "optimal"
    return "heuristic" if found.strategy in ("heuristic", "fill") else "feasible"


def terms(problem: problems.Problem, found: params.Found) -> tuple[plans.Term, ...]:
    """The named terms of the objective, most important first."""
    price = evaluate.price(problem, found.solution)
    moves = sum(problem.nodes[n].removal_cost for n in found.solution.removed)
    return (
        plans.Term("unplaced", sum(found.value.unplaced), "pods"),
        plans.Term("preferences", found.value.preferences, "weight"),
        plans.Term("nodePoolWeights", found.value.rank, "levels"),
        plans.Term("price", price, "microEUR/h"),
        plans.Term("disruption", moves, "microEUR/h"),
        plans.Term("charges", found.value.cost - price - moves, "microEUR/h"),
    )
