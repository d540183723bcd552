"""Whole numbers of nodes: a bound between the relaxation and the optimum."""

import numpy as np
import pytest

from solver.search.relaxation import compact, fleet
from tests.solver import tiny
from tests.solver.search import drawn

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [0, fleet.CLASSES])
def test_the_bound_of_whole_nodes_is_between_the_relaxation_and_the_optimum(seed, classes, monkeypatch):
    """With classes as they are, and with pods split into directions."""
    monkeypatch.setattr(fleet, "CLASSES", classes)
    problem = drawn.large_pods(seed)
    field = drawn.field_of(problem)
    volumes = compact.solve(field, problem.counts.astype(np.float64), strong=False)

    bound = fleet.bound(field, problem.counts, time_limit=20, deterministic=True)

    assert volumes is not None
    assert bound is not None
    assert bound <= drawn.optimum(problem).cost + 1e-6
    if classes:
        assert bound >= volumes.bound * (1 - 2 * fleet.SAFE)


def test_whole_nodes_bound_a_plan_that_the_relaxation_does_not():
    """Two pods of 5 on nodes of 8 at 8: the relaxation takes 1.25 nodes, the bound two."""
    problem = tiny.problem([tiny.pods("a", 2, (5, 1))], [tiny.offer(8, (8, 8))])
    field = drawn.field_of(problem)

    assert fleet.bound(field, problem.counts, time_limit=20, deterministic=True) == 16


def test_whole_nodes_hold_one_pod_above_half_of_them_each():
    """Sums of amounts would have two nodes for three such pods."""
    problem = tiny.problem([tiny.pods("c", 3, (6, 1))], [tiny.offer(10, (10, 10))])
    field = drawn.field_of(problem)

    assert fleet.bound(field, problem.counts, time_limit=20, deterministic=True) == 30


@pytest.mark.parametrize("seed", SEEDS)
def test_pods_split_into_directions_ask_for_what_they_asked_for(seed):
    """In sum, and nowhere may they go less."""
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 80))
    demand = fleet.Demand(
        random.uniform(0, 1, (size, 2)) * random.integers(0, 2, (size, 2)) + [1e-3, 0],
        random.integers(1, 9, size).astype(np.float64),
        random.random((size, 3)) < 0.8,
    )

    parts = fleet.split(demand)

    assert parts.volume @ parts.request == pytest.approx(demand.volume @ demand.request)
    for kind in range(3):
        held = demand.volume[demand.ok[:, kind]] @ demand.request[demand.ok[:, kind]]
        assert (held <= parts.volume[parts.ok[:, kind]] @ parts.request[parts.ok[:, kind]] + 1e-9).all()
