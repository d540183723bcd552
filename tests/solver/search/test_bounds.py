"""Bounds are valid: nothing cheaper exists, as the exact model knows."""

import dataclasses
import time

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.model import solve as direct
from solver.search import columns, compact, engine, merge, params
from solver.search import field as fields
from tests.solver import random_problems, tiny

SEEDS = range(12)


def random_field(seed: int) -> problems.Problem:
    """A few classes, some pods half as large as a node, and no rules."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 5)), (int(random.integers(1, 7)), int(random.integers(1, 7))))
        for i in range(int(random.integers(2, 5)))
    ]
    offers = [
        tiny.offer(int(10 * size + random.integers(0, 5)), (size, int(random.integers(6, 13)))) for size in (6, 8, 12)
    ]
    return tiny.problem(classes, offers)


def optimum(problem: problems.Problem) -> problems.Value:
    """The value of the proved best solution."""
    answer = direct.solve_direct(problem, time_limit=20, deterministic=True)
    assert answer.optimal
    assert answer.value is not None
    return answer.value


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strong", [False, True])
def test_the_relaxation_never_exceeds_the_optimum(seed, strong):
    """With and without dual feasible rows, on pods that are large against nodes."""
    problem = random_field(seed)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)

    volumes = compact.solve(field, problem.counts.astype(np.float64), strong=strong)

    assert volumes is not None
    assert volumes.bound <= optimum(problem).cost + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_column_bound_never_exceeds_the_optimum(seed):
    """Neither when all patterns are listed, nor from duals after few rounds of pricing."""
    problem = random_field(seed)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    counts = problem.counts.astype(np.float64)
    best = optimum(problem).cost

    for listed in (True, False):
        table = columns.Columns(field, problem.counts)
        if listed:
            table.enumerate()
        table.add_singles()
        for rounds in (1, 3, 50):
            answer = table.generate(
                counts, np.random.default_rng(seed), np.arange(len(field.cost)), lambda: False, rounds
            )
            assert answer is not None
            bound = table.bound(counts, answer[1], lambda: False, deterministic=True, seed=0)
            assert bound <= best + 1e-6


@pytest.mark.parametrize("seed", range(40))
def test_a_search_never_claims_a_bound_above_what_exists(seed):
    """Random problems over all blocks: the cost of the optimum, charges included."""
    problem = random_problems.provisioning(seed)
    answer = direct.solve_direct(problem, time_limit=20, deterministic=True)
    assert answer.optimal
    assert answer.solution is not None
    assert answer.value is not None

    found = engine.search(problem, params.Params(clock=time.monotonic, time_limit=0.5, deterministic=True))

    assert not evaluate.violations(problem, found.solution)
    assert found.value >= answer.value
    same = dataclasses.replace(found.value, cost=0) == dataclasses.replace(answer.value, cost=0)
    if found.bound is not None and same:
        assert found.bound <= answer.value.cost


@pytest.mark.parametrize("seed", SEEDS)
def test_merging_is_conservative(seed):
    """Requests rounded down bound from below; rounded up they ask for no less than before; no pod is lost."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 9)), (int(random.integers(200, 260)), int(random.integers(500, 560))))
        for i in range(30)
    ]
    problem = tiny.problem(classes, [tiny.offer(100, (1000, 2000)), tiny.offer(190, (2000, 4000))])
    field = fields.make(problem, np.arange(2), problem.counts > 0)
    counts = problem.counts.astype(np.float64)
    fine = compact.solve(field, counts)
    down = merge.merge(field, counts, up=False, most=4)
    up = merge.merge(field, counts, up=True, most=4)
    coarse = compact.solve(down.field, down.counts)

    assert len(down.counts) < 30
    assert down.counts.sum() == up.counts.sum() == counts.sum()
    assert (down.field.requests[down.index] <= field.requests).all()
    assert (up.field.requests[up.index] >= field.requests).all()
    assert coarse is not None
    assert fine is not None
    assert coarse.bound <= fine.bound + 1e-6
