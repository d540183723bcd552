"""The exact model beside the search: on one incumbent, and no longer than it has to."""

import dataclasses
import time

import numpy as np
import pytest

from solver import evaluate
from solver import problem as p
from solver.model import solve as direct
from solver.search import engine, params, race
from tests.solver import tiny

SETTINGS = params.Params(clock=time.monotonic, time_limit=5)
ALONE = dataclasses.replace(SETTINGS, deterministic=True)


def unsure(seed: int) -> p.Problem:
    """Some more pods than the exact model is asked about alone, on few nodes."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(8, 16)), (int(random.integers(2, 9)), int(random.integers(2, 9))))
        for i in range(7)
    ]
    return tiny.problem(classes, [tiny.offer(100, (60, 60)), tiny.offer(161, (100, 90)), tiny.offer(61, (30, 40))])


@pytest.mark.parametrize("settings", [SETTINGS, ALONE], ids=["two cores", "one after the other"])
@pytest.mark.parametrize("seed", range(3))
def test_neither_makes_the_other_worse(seed, settings, monkeypatch):
    """Plans break no rule and are no dearer than without the exact model, bounds hold, proofs are true."""
    problem = unsure(seed)
    best = direct.solve_direct(problem, time_limit=60, deterministic=True)
    assert best.cost_bound is not None
    assert best.value is not None

    found = engine.search(problem, settings)

    monkeypatch.setattr(race, "PODS", 0)
    without = engine.search(problem, ALONE)
    assert not evaluate.violations(problem, found.solution)
    assert found.value <= without.value or settings is SETTINGS
    assert found.value.cost >= best.cost_bound
    assert found.bound is not None
    assert found.bound <= min(best.value.cost, found.value.cost)
    if found.optimal:
        assert found.value <= best.value


def test_the_exact_model_comes_second_with_the_same_answer():
    """Where no clock is asked."""

    def never_asked() -> float:
        raise AssertionError("the clock is not asked when deterministic")

    settings = dataclasses.replace(ALONE, clock=never_asked, time_limit=1)

    first, second = engine.search(unsure(2), settings), engine.search(unsure(2), settings)

    assert first.solution == second.solution
    assert first.bound == second.bound


def test_whoever_stops_the_search_stops_both():
    """The caller's wish counts at once, also while the exact model is waited for."""
    asked = time.monotonic()

    found = engine.search(
        unsure(1), dataclasses.replace(SETTINGS, time_limit=600, stop=lambda: time.monotonic() > asked + 0.5)
    )

    assert not any(found.value.unplaced)
    assert time.monotonic() < asked + 300
