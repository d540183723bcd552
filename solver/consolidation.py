"""
Plans that remove nodes: what may go and what must, the search, and the same again without what the checker refuses.

`solver.disruption` says what may happen, `solver.search.consolidation` finds what is best; docs/consolidation.md tells it all.
"""

from __future__ import annotations

import dataclasses

from catalog import catalogue
from solver import answer, assemble, cluster, explain, options
from solver import build as builds
from solver import plan as plans
from solver.disruption import candidates
from solver.disruption import choice as choices
from solver.search import engine
from solver.search.consolidation import consolidate
from solver.snapshot import pending

SEARCH, OPTIMUM = 0.8, 0.15
"""Shares of the time for the search itself and for the cheapest fleet from zero."""
ATTEMPTS = 3
HELD = "Node is kept because no order of steps was found in which it could go"


def consolidated(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, run: answer.Run
) -> plans.Plan:
    """
    The best plan that may also remove nodes.

    Drifted nodes whose pods find no place are spared. Nodes because of which the checker refuses a plan are held in the
    next one, in the last one all of them.
    """
    waiting = pending.pending(of)
    best = _cheapest(of, known, asked, run)
    spared: dict[str, str] = {}
    held: dict[str, str] = {}
    refused: plans.Plan | None = None
    for attempt in range(ATTEMPTS + 1):
        choice = choices.choose(of, known, asked, lambda c: _misfits(of, known, asked, c, run), spared, held)
        build = builds.build_problem(of, known, asked, leave=choice.leave(of))
        settings = dataclasses.replace(
            answer.params_of(asked, run), time_limit=asked.time_limit * SEARCH / (attempt + 1)
        )
        search = engine.plain if attempt == ATTEMPTS else consolidate.search
        found = search(build.problem, settings)
        try:
            result = answer.assembled(of, known, asked, build, found, waiting, run, answer.Removing(choice, best))
        except answer.UnorderedError as error:
            if attempt == ATTEMPTS:
                words = tuple(plans.Violation("steps", "", name, f"{name}: {HELD}") for name in sorted(error.nodes))
                raise answer.RejectedPlanError(plans.Verification(ok=False, violations=words)) from None
            blamed = error.nodes if attempt < ATTEMPTS - 1 else choice.removable.keys() | choice.going.keys()
            held |= dict.fromkeys(sorted(blamed), HELD)
            continue
        stranded = _stranded(result)
        if stranded and attempt < ATTEMPTS:
            spared |= stranded
            continue
        if result.verification.ok:
            if refused is None:
                return result
            note = f"{answer.REFUSED}: {refused.verification.violations[0].message}"
            return dataclasses.replace(result, notes=(*result.notes, note))
        refused = refused or result
        wrong = _blamed(of, result) if attempt < ATTEMPTS - 1 else {gone.node for gone in result.delete}
        held |= dict.fromkeys(sorted(wrong), HELD)
    assert refused is not None
    raise answer.RejectedPlanError(refused.verification)


def _stranded(result: plans.Plan) -> dict[str, str]:
    """Drifted nodes that the plan removes although some of their pods have no place, with the reason to keep them."""
    left = {pod.pod: pod.message for pod in result.unschedulable}
    return {
        gone.node: f"Not all pods would schedule, {pod} => {left[pod]} "
        for gone in result.delete
        if gone.reason == candidates.DRIFTED
        for pod in gone.pods
        if pod in left
    }


def _blamed(of: cluster.Cluster, result: plans.Plan) -> set[str]:
    """Nodes that the plan removes and that its violations are about; all that it removes when none is."""
    gone = {each.node for each in result.delete}
    replaced = {new.name: set(new.replaces) for new in result.create}
    found: set[str] = set()
    for broken in result.verification.violations:
        home = of.pods[broken.pod].node if broken.pod in of.pods else ""
        found |= {home, broken.node} & gone or replaced.get(broken.node, set())
    return found or gone


def _misfits(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, choice: choices.Choice, run: answer.Run
) -> dict[str, str]:
    """Nodes that go by themselves and have pods without a place, even when nothing else is removed."""
    build = builds.build_problem(of, known, asked, leave=choice.leave(of))
    found = engine.plain(build.problem, answer.params_of(asked, run))
    placed = assemble.assemble(build, found.solution, answer.gone(of, known, choice.going, choice.going_pods()))
    words = {each.pod: each.message for each in explain.left_out(build, found.solution, placed.left_out, {})}
    return {
        name: f"Not all pods would schedule, {pod} => {words[pod]} "
        for name, keys in choice.going_pods().items()
        for pod in reversed(keys)
        if pod in words
    }


def _cheapest(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, run: answer.Run
) -> tuple[int, int] | None:
    """Price of the cheapest fleet found for all pods, from zero, and how many pods it leaves out."""
    wish = dataclasses.replace(asked, mode="repack", max_nodes=None, max_evictions=None)
    build = builds.build_problem(of, known, wish)
    quiet = dataclasses.replace(run, progress=lambda _: None)
    settings = dataclasses.replace(answer.params_of(asked, quiet), time_limit=asked.time_limit * OPTIMUM)
    found = engine.search(build.problem, settings)
    price = build.launched + sum(build.problem.offers[offer].price for offer, _ in found.solution.new)
    return price, sum(found.value.unplaced)


def with_frontier(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, run: answer.Run, best: plans.Plan
) -> plans.Plan:
    """
    The plan with others worth choosing from, the fewest moved pods first: each saves more than those before it.

    They are found with half as many evictions again and again, in a quarter of the time each.
    """
    most = _trade(best).moved
    found = [_trade(best)]
    quiet = dataclasses.replace(run, progress=lambda _: None, relax=False)
    for cap in dict.fromkeys((0, most // 8, most // 4, most // 2, 3 * most // 4)):
        if cap < most and not run.stop():
            wish = dataclasses.replace(asked, max_evictions=cap, time_limit=asked.time_limit / 4)
            found.append(_trade(consolidated(of, known, wish, quiet)))
    chosen: list[plans.Trade] = []
    for each in sorted(found, key=lambda trade: (trade.moved, -trade.saved)):
        if each.saved > (chosen[-1].saved if chosen else 0):
            chosen.append(each)
    return dataclasses.replace(best, frontier=tuple(chosen))


def _trade(of: plans.Plan) -> plans.Trade:
    gone = [each for each in of.delete if each.reason != candidates.EXPIRED]
    moved = sum(pod in of.placements for each in gone for pod in each.pods)
    return plans.Trade(of.cost.before - of.cost.after, moved, len(gone))
