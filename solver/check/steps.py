"""
The steps of a plan: one after the other, each feasible by itself.

In a step nodes are launched, then pods move, then nodes are deleted. While it lasts old and new nodes stand side by
side: limits and quota hold for both. No more pods of a PodDisruptionBudget move in a step than it allows at a time.
After each step all rules about placements hold for the pods that it has moved. Pods that wait are placed as soon as
their node is there.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from solver import cluster, plan
from solver.check import build, demand, disruption, facts, fleet, state

RULE, BUDGETS = "steps", "pod-disruption-budgets"

Judge = Callable[[state.State], Iterator[plan.Violation]]


def violations(known: facts.Facts, builder: build.Builder, judges: Iterable[Judge]) -> Iterator[plan.Violation]:
    """Steps that do not add up to the plan, or cannot be carried out in their order."""
    wrong = [*_account(known)]
    yield from wrong
    if not wrong:
        yield from _replay(known, builder, judges)


def _account(known: facts.Facts) -> Iterator[plan.Violation]:
    """Each launch and deletion once, and each pod leaves its node before that goes, for a place that is there."""
    steps = known.answer.steps
    launched = Counter(name for step in steps for name in step.launch)
    deleted = Counter(name for step in steps for name in step.delete)
    for what, stated, right in (("launch", launched, known.created), ("delete", deleted, known.deleted)):
        for name in dict.fromkeys((*stated, *right)):
            if stated[name] != (name in right):
                yield _violation(f"the steps {what} node {name} {stated[name]} times", node=name)
    there = known.snapshot.nodes.keys() | known.in_flight.keys()
    due = known.due
    moved: dict[str, int] = {}
    for number, step in enumerate(steps, 1):
        there |= set(step.launch)
        for key, name in step.move.items():
            if known.answer.placements.get(key) != name or key not in due:
                yield _violation(f"step {number} moves pod {key} to {name}, the placements do not", key, name)
            elif key in moved:
                yield _violation(f"step {number} moves pod {key}, which has moved in step {moved[key]}", key, name)
            elif name not in there:
                yield _violation(f"step {number} moves pod {key} to {name}, which is not there then", key, name)
            moved[key] = number
        for key, name in known.moving.items():
            if name in step.delete and key in known.answer.placements and key not in moved:
                yield _violation(f"step {number} deletes node {name} before pod {key} has moved", key, name)
        there -= set(step.delete)


def _violation(words: str, pod: str = "", node: str = "") -> plan.Violation:
    return plan.Violation(RULE, pod, node, words)


@dataclasses.dataclass(slots=True)
class _Progress:
    """How far the plan is carried out."""

    removed: set[str] = dataclasses.field(default_factory=set)
    launched: list[plan.NewNode] = dataclasses.field(default_factory=list)
    settled: dict[str, str] = dataclasses.field(default_factory=dict)


def _replay(known: facts.Facts, builder: build.Builder, judges: Iterable[Judge]) -> Iterator[plan.Violation]:
    named = {key for step in known.answer.steps for key in step.move}
    done = _Progress()
    for number, step in enumerate(known.answer.steps, 1):
        done.launched += [known.created[name] for name in step.launch]
        standing = fleet.everything(known) - done.removed
        yield from _in_step(number, fleet.violations(known, standing, done.launched))
        yield from _in_step(number, _evictions(known, step))
        done.removed |= set(step.delete)
        target = dict(step.move) | _arriving(known, done, named)
        after = build.after(builder, done.removed, done.launched, done.settled, target)
        for judge in judges:
            yield from _in_step(number, judge(after))
        done.settled |= target


def _arriving(known: facts.Facts, done: _Progress, named: set[str]) -> dict[str, str]:
    """Pods that no step names and that have a place from now on: those that wait or leave a node in deletion."""
    there = known.snapshot.nodes.keys() | known.in_flight.keys() | {new.name for new in done.launched}
    due = known.due - named - done.settled.keys()
    return {key: name for key, name in known.answer.placements.items() if key in due and name in there}


def _in_step(number: int, found: Iterator[plan.Violation]) -> Iterator[plan.Violation]:
    for each in found:
        yield dataclasses.replace(each, message=f"after step {number}: {each.message}")


def _evictions(known: facts.Facts, step: plan.Step) -> Iterator[plan.Violation]:
    """Budgets of which more pods leave their nodes in the step than may be disrupted at a time."""
    evicted: dict[str, list[cluster.Pod]] = {}
    budgets: dict[str, cluster.Budget] = {}
    for key in step.move:
        node = known.moving.get(key)
        if node is None or node in known.leaving or known.ends_by_deadline(node):
            continue
        pod = known.snapshot.pods[key]
        if not demand.is_active(pod) or not pod.ready or not disruption.is_evicted(pod):
            continue
        for budget in known.budgets.covering(pod):
            name = f"{budget.namespace}/{budget.name}"
            budgets[name] = budget
            evicted.setdefault(name, []).append(pod)
    for name, pods in evicted.items():
        allowed = known.budgets.allowed(budgets[name])
        if len(pods) > allowed:
            words = f"{len(pods)} pods of PodDisruptionBudget {name} move at once, it allows {allowed}"
            yield plan.Violation(BUDGETS, pods[0].key, known.moving[pods[0].key], words)
