"""Bounds of a whole search are valid: nothing cheaper exists, as the exact model knows."""

import dataclasses
import time

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.model import solve as direct
from solver.search import engine, params
from solver.search.exact import small
from tests.solver import random_problems, tiny
from tests.solver.search import drawn

SEEDS = range(12)


def zoned(seed: int) -> problems.Problem:
    """Classes that spread over two zones, and a limit over both of them on what the cheapest plan buys."""
    capped = drawn.capped(seed)
    offers = [
        tiny.offer(int(capped.prices[i]), tuple(int(x) for x in capped.offer_room[i]), zone)
        for zone in "ab"
        for i in range(len(capped.offers))
    ]
    classes = [tiny.pods(c.name, len(c.pods), tuple(capped.requests[i])) for i, c in enumerate(capped.classes)]
    caps = tuple(dataclasses.replace(cap, per_offer=np.tile(cap.per_offer, 2)) for cap in capped.caps)
    problem = tiny.problem(classes, offers, caps=caps)
    none = np.zeros(0, dtype=np.int64)
    first = np.arange(len(classes)) == 0
    spread = problems.Spread(
        name="spread",
        topology=tiny.ZONE,
        max_skew=1,
        min_domains=None,
        owners=first,
        group=problems.Group(first, none),
        node_counted=none.astype(np.bool_),
        offer_counted=np.ones(len(offers), dtype=np.bool_),
        always=np.ones(2, dtype=np.bool_),
    )
    return dataclasses.replace(problem, spreads=(spread,))


@pytest.mark.parametrize("seed", SEEDS)
def test_limits_over_cells_are_kept_and_bounded(seed, monkeypatch):
    """A limit that binds over two zones: plans keep it and place all pods, bounds hold under it."""
    monkeypatch.setattr(small, "SMALL_PODS", 0)
    problem = zoned(seed)
    best = drawn.optimum(problem)

    found = engine.search(problem, params.Params(clock=time.monotonic, time_limit=3, deterministic=True))

    assert not evaluate.violations(problem, found.solution)
    assert not any(best.unplaced)
    assert not any(found.value.unplaced)
    assert found.bound is not None
    assert found.bound <= best.cost <= found.value.cost


@pytest.mark.parametrize("seed", range(60))
def test_bounds_over_cells_hold_without_the_exact_model(seed, monkeypatch):
    """Shares of cells, choices of domains and patterns: what they prove on problems over all blocks."""
    monkeypatch.setattr(small, "SMALL_PODS", 0)
    problem = random_problems.provisioning(seed, pods=9)
    answer = direct.solve_direct(problem, time_limit=20, deterministic=True)
    assert answer.optimal
    assert answer.value is not None

    found = engine.search(problem, params.Params(clock=time.monotonic, time_limit=3, deterministic=True))

    assert not evaluate.violations(problem, found.solution)
    assert found.value >= answer.value
    same = dataclasses.replace(found.value, cost=0) == dataclasses.replace(answer.value, cost=0)
    if found.bound is not None and same:
        assert found.bound <= answer.value.cost


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


def with_homeless(problem: problems.Problem) -> problems.Problem:
    """The same problem and two pods that are too large for every place."""
    huge = tiny.problem([tiny.pods("huge", 2, (99, 99))], [tiny.offer(1, (1, 1))])
    size = (1, len(problem.offers))
    return dataclasses.replace(
        problem,
        classes=(*problem.classes, huge.classes[0]),
        requests=np.concatenate([problem.requests, huge.requests]),
        offer_ok=np.concatenate([problem.offer_ok, np.ones(size, dtype=bool)]),
        node_ok=np.concatenate([problem.node_ok, np.ones((1, len(problem.nodes)), dtype=bool)]),
        offer_penalty=np.concatenate([problem.offer_penalty, np.zeros(size, dtype=np.int64)]),
        node_penalty=np.concatenate([problem.node_penalty, np.zeros((1, len(problem.nodes)), dtype=np.int64)]),
        offer_rank=np.concatenate([problem.offer_rank, np.zeros(size, dtype=np.int64)]),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_pods_without_any_place_leave_the_bound_of_the_others_as_it_is(seed, monkeypatch):
    """It is neither lost nor too high: trying everything, with those pods, finds nothing below it."""
    monkeypatch.setattr("solver.search.exact.small.SMALL_PODS", 0)
    problem = drawn.large_pods(seed)
    settings = params.Params(clock=time.monotonic, time_limit=2.0, deterministic=True)

    alone, found = engine.search(problem, settings), engine.search(with_homeless(problem), settings)

    assert sum(found.value.unplaced) == 2
    assert alone.bound is not None
    assert found.bound == alone.bound
    assert found.bound <= found.value.cost
