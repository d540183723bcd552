"""
Pods that are placed after others.

kube-scheduler asks a topology spread constraint only of pods that carry it, when it places them. Pods that the
constraint counts and that do not carry it may come later and go where they like. A plan keeps the constraint to the
end all the same, so that its pods could be placed again, as long as that leaves nobody out. Where it does, pods get a
turn of their own: those of turn 0 are placed first, as if there were no others, then those of turn 1, and so on.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from solver import assemble
from solver import build as builds
from solver import plan as plans
from solver import problem as problems
from solver.disruption import worth
from solver.search import engine, params

SHARE = 0.2
"""Of the time limit for a try, at most; less time than this is not worth one."""

Turns = Mapping[str, int]
Rebuild = Callable[[Turns], builds.Build]


def search(
    build: builds.Build, found: params.Found, rebuild: Rebuild, settings: params.Params, until: float, *, insist: bool
) -> tuple[builds.Build, params.Found] | None:
    """
    What places more pods by giving some of them a later turn, None where nothing does.

    `rebuild` makes the problem with turns (`build.build_problem`). `until` is when the time is over, by the clock; with
    `insist` one try may go beyond it. How good a plan with turns is, is not proved.
    """
    best = build, found
    limit = settings.time_limit * SHARE
    for choose in (_left_out, _yielding, _left_out):
        over = not settings.deterministic and settings.clock() + limit > until
        if settings.stop() or (over and not insist):
            break
        turns = choose(*best)
        if not turns:
            continue
        insist = False
        again = rebuild(turns)
        start = _carried_over(best[0].problem, best[1].solution, again.problem)
        trial = engine.search(again.problem, dataclasses.replace(settings, time_limit=limit, warm=start))
        if trial.value.unplaced < best[1].value.unplaced:
            phases = (*best[1].phases, *trial.phases)
            seconds = best[1].seconds + trial.seconds
            best = again, dataclasses.replace(trial, bound=None, optimal=False, phases=phases, seconds=seconds)
    return None if best[0] is build else best


def steps(build: builds.Build, placed: assemble.Placed) -> tuple[plans.Step, ...]:
    """All nodes and the pods of turn 0, then the pods of each later turn; nothing when no pod has a later turn."""
    turns = _turns(build)
    later: dict[int, dict[str, str]] = defaultdict(dict)
    for pod, place in placed.placements.items():
        if pod in turns:
            later[turns[pod]][pod] = place
    if not later:
        return ()
    launch = tuple(new.name for new in placed.create)
    first = plans.Step(launch, (), {}, worth.STARTS_IN * bool(launch))
    return (first, *(plans.Step((), (), moves, 0) for _, moves in sorted(later.items())))


def first(plan: plans.Plan) -> dict[str, str]:
    """Where pods go that no step names: those of turn 0, in a plan that removes nothing."""
    later = {pod for step in plan.steps for pod in step.move}
    return {pod: place for pod, place in plan.placements.items() if pod not in later}


def note(ordered: Sequence[plans.Step]) -> str:
    """The pods that come after others, in a sentence."""
    pods = sorted(pod for step in ordered[1:] for pod in step.move)
    shown = ", ".join(pods[:3]) + (f" and {len(pods) - 3} more" if len(pods) > 3 else "")
    return f"after all others: {shown}; earlier they would break a topology spread that counts them"


def _turns(build: builds.Build) -> dict[str, int]:
    return {pod: each.turn for each in build.context.classes if each.turn for pod in each.pods}


def _left_out(build: builds.Build, found: params.Found) -> Turns:
    """Pods left out come last, where a spread that counts them but is none of theirs may keep some of them out."""
    problem = build.problem
    placed = _placed(problem, found.solution)
    left = placed < problem.counts
    if not any((passive & left).any() and (spread.owners & (placed > 0)).any() for spread, passive in _hard(problem)):
        return {}
    turns = _turns(build)
    last = max(turns.values(), default=0) + 1
    keys = itertools.chain.from_iterable(assemble.assemble(build, found.solution).left_out.values())
    return turns | {key: last for key in keys if key not in build.ignored}


def _yielding(build: builds.Build, found: params.Found) -> Turns:
    """Pods of no spread come after the pods of a spread that counts them, where some of these are left out."""
    problem = build.problem
    left = _placed(problem, found.solution) < problem.counts
    yielding = np.zeros(len(problem.classes), dtype=np.bool_)
    for spread, passive in _hard(problem):
        if (spread.owners & left).any():
            yielding |= passive
    last = max((each.turn for each in build.context.classes), default=0) + 1
    if not yielding.any():
        return {}
    return _turns(build) | {pod: last for index in np.flatnonzero(yielding) for pod in problem.classes[index].pods}


def _hard(problem: problems.Problem) -> list[tuple[problems.Spread, problems.Mask]]:
    """Hard spreads, each with the classes (C,) that it counts and that carry none which counts the same pods."""
    hard = [spread for spread in problem.spreads if spread.weight is None]
    carry: dict[tuple[int, bytes], problems.Mask] = {}
    for spread in hard:
        same = (spread.topology, spread.group.members.tobytes())
        carry[same] = carry.get(same, spread.owners) | spread.owners
    return [(s, s.group.members & ~carry[s.topology, s.group.members.tobytes()]) for s in hard]


def _placed(problem: problems.Problem, solution: problems.Solution) -> problems.Ints:
    """Pods of each class that have a place (C,)."""
    placed = np.zeros(len(problem.classes), dtype=np.int64)
    for counts in (*solution.placed.values(), *(counts for _, counts in solution.new)):
        for index, pods in counts:
            placed[index] += pods
    return placed


def _carried_over(
    old: problems.Problem, solution: problems.Solution, new: problems.Problem
) -> problems.Solution | None:
    """The solution in a problem whose classes are parts of the old ones; None where its offers are others."""
    if len(old.offers) != len(new.offers) or len(old.nodes) != len(new.nodes):
        return None
    index_of = {pod: index for index, each in enumerate(new.classes) for pod in each.pods}
    # A class's pods are dealt out in their order, so that those left out are its last.
    queues = [iter([index_of[pod] for pod in each.pods]) for each in old.classes]

    def moved(counts: problems.Counts) -> problems.Counts:
        return tuple(sorted(Counter(next(queues[index]) for index, pods in counts for _ in range(pods)).items()))

    placed = {node: moved(solution.placed[node]) for node in sorted(solution.placed)}
    return problems.Solution(tuple((offer, moved(counts)) for offer, counts in solution.new), placed)
