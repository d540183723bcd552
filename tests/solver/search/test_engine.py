"""The search from end to end, on random problems over all building blocks."""

import itertools
import time

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.search import engine, params
from tests.solver import random_problems, tiny


def never_asked() -> float:
    raise AssertionError("the clock is not asked when deterministic")


def plain() -> problems.Problem:
    """Eight classes and three kinds of node, no rules."""
    random = np.random.default_rng(5)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(5, 40)), (int(random.integers(1, 9)), int(random.integers(1, 9))))
        for i in range(8)
    ]
    return tiny.problem(classes, [tiny.offer(100, (10, 10)), tiny.offer(205, (21, 20)), tiny.offer(150, (20, 9))])


@pytest.mark.parametrize(("size", "priced"), [(range(51, 100), True), (range(1, 20), False)])
def test_many_classes_are_priced_where_volumes_say_little(size, priced):
    """
    Of pods larger than half a node each takes a node, which sums of room do not know: there patterns are looked at however many
    classes there are; not where volumes say nearly all.
    """
    random = np.random.default_rng(0)
    classes = [tiny.pods(f"c{i}", 2, tuple(map(int, random.choice(size, 2)))) for i in range(200)]
    problem = tiny.problem(classes, [tiny.offer(100, (100, 100)), tiny.offer(390, (400, 400))])

    found = engine.search(problem, params.Params(clock=never_asked, time_limit=2.0, deterministic=True))

    assert bool(found.columns) == priced


@pytest.mark.parametrize("seed", range(40, 70))
def test_answers_break_no_rule(seed):
    """Whatever blocks there are; the value told is the solution's own."""
    problem = random_problems.provisioning(seed, pods=12)

    found = engine.search(problem, params.Params(clock=time.monotonic, time_limit=0.3, deterministic=True))

    assert not evaluate.violations(problem, found.solution)
    assert found.value == evaluate.value(problem, found.solution)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_question_has_the_same_answer(seed):
    """With `deterministic` the clock plays no part."""
    problem = random_problems.provisioning(seed, pods=20)
    settings = params.Params(clock=never_asked, time_limit=0.5, deterministic=True, seed=3)

    first, second = engine.search(problem, settings), engine.search(problem, settings)

    assert first.solution == second.solution
    assert first.bound == second.bound


def test_more_time_is_never_worse_than_none():
    """The incumbent only improves; progress tells of it."""
    problem = plain()
    told: list[params.Progress] = []

    def ask(*, stop: bool) -> params.Found:
        settings = params.Params(
            clock=never_asked, time_limit=1.5, deterministic=True, progress=told.append, seed=1, stop=lambda: stop
        )
        return engine.search(problem, settings)

    first = ask(stop=True)
    told.clear()
    best = ask(stop=False)

    assert not any(first.value.unplaced)
    assert best.value <= first.value
    costs = [report.cost for report in told if report.cost is not None]
    assert costs == sorted(costs, reverse=True)
    assert best.bound is not None
    assert best.bound <= best.value.cost


def test_time_is_set_aside_for_what_comes_after_the_search():
    """By what judging a solution takes here: with a clock of 1 ms per look, and naming as long as many of these."""
    problem = plain()

    def seconds(finish: float) -> float:
        ticks = itertools.count()
        settings = params.Params(clock=lambda: next(ticks) / 1000, time_limit=1.0, workers=1, finish=finish)
        engine.search(problem, settings)
        return next(ticks) / 1000

    assert seconds(0.0) == pytest.approx(1.0, abs=0.05)
    assert seconds(400.0) == pytest.approx(0.6, abs=0.05)


def test_what_is_set_aside_last_counts():
    """It is not summed up, and a limit does not become negative."""
    budget = params.Budget(params.Params(clock=lambda: 0.0, time_limit=1.0))

    budget.set_aside(0.1)
    budget.set_aside(0.3)
    budget.set_aside(0.2)
    assert budget.left() == pytest.approx(0.8)

    budget.set_aside(5.0)
    assert budget.left() == 0.0


def test_seconds_are_those_of_the_clock():
    """Phases side by side count once: no search takes longer than the clock says."""
    clock = itertools.count()
    settings = params.Params(clock=lambda: next(clock) / 1000, time_limit=0.5)

    found = engine.search(random_problems.provisioning(3, pods=20), settings)

    assert 0 < found.seconds <= next(clock) / 1000
