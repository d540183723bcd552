"""The search over removals against trying everything, and against itself."""

from __future__ import annotations

import time
from typing import Any

import pytest

from solver import evaluate
from solver.search import engine, params
from solver.search.consolidation import consolidate, removal
from solver.search.exact import small
from tests.solver import brute, random_problems


def settings(**more: Any) -> params.Params:
    """Enough time for a tiny problem."""
    return params.Params(clock=time.monotonic, time_limit=10.0, workers=1, **more)


@pytest.mark.parametrize("first", range(0, 500, 25))
def test_tiny_problems_are_solved_exactly(first: int):
    """Twenty-five problems with budgets and all rules: as good as the best of everything there is, and proved to be."""
    for seed in range(first, first + 25):
        problem = random_problems.consolidation(seed, pods=3)
        found = consolidate.search(problem, settings())

        assert not evaluate.violations(problem, found.solution), seed
        assert found.value == brute.best(problem)[1], seed
        assert found.optimal, seed


@pytest.mark.parametrize("seed", range(500, 530))
def test_without_the_exact_model_nothing_is_broken(seed: int, monkeypatch: pytest.MonkeyPatch):
    """What sets, neighbourhoods and single removals find is valid and no worse than removing nothing."""
    monkeypatch.setattr(consolidate, "SMALL_PODS", -1)
    monkeypatch.setattr(small, "SMALL_PODS", -1)
    problem = random_problems.consolidation(seed, pods=4)
    found = consolidate.search(problem, settings() if seed % 2 else settings(deterministic=True))
    best = brute.best(problem)[1]

    assert not evaluate.violations(problem, found.solution)
    assert found.value == evaluate.value(problem, found.solution)
    assert best <= found.value
    if found.bound is not None:
        solution = brute.best(problem)[0]
        net = sum(problem.offers[o].price for o, _ in solution.new)
        net -= sum(problem.nodes[n].price for n in solution.removed)
        assert any(best.unplaced) or found.bound <= net


def test_nothing_is_removed_at_a_loss():
    """Whatever is removed makes the solution worth more than with all nodes in place."""
    for seed in range(600, 640):
        problem = random_problems.consolidation(seed, pods=4)
        found = consolidate.search(problem, settings())
        kept = engine.search(removal.without(problem, frozenset()), settings())

        assert found.value <= kept.value
