"""The search from end to end, on random problems over all building blocks."""

import time

import numpy as np
import pytest

from solver import evaluate
from solver.search import engine, params
from tests.solver import random_problems, tiny


def never_asked() -> float:
    raise AssertionError("the clock is not asked when deterministic")


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
    random = np.random.default_rng(5)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(5, 40)), (int(random.integers(1, 9)), int(random.integers(1, 9))))
        for i in range(8)
    ]
    problem = tiny.problem(classes, [tiny.offer(100, (10, 10)), tiny.offer(205, (21, 20)), tiny.offer(150, (20, 9))])
    told: list[params.Progress] = []

    def ask(limit: float) -> params.Found:
        settings = params.Params(clock=never_asked, time_limit=limit, deterministic=True, progress=told.append, seed=1)
        return engine.search(problem, settings)

    short = ask(0.01)
    told.clear()
    long = ask(1.5)

    assert long.value <= short.value
    costs = [report.cost for report in told if report.cost is not None]
    assert costs == sorted(costs, reverse=True)
    assert long.bound is not None
    assert long.bound <= long.value.cost
