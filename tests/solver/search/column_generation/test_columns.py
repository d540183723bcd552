"""Column generation: its bound holds, and exact pricing ends where listing all patterns does."""

import dataclasses

import numpy as np
import pytest

from solver.search.column_generation import columns
from solver.search.relaxation import compact
from tests.solver.search import drawn

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("charge", [0, 5])
@pytest.mark.parametrize("make", [drawn.large_pods, drawn.capped])
def test_the_column_bound_never_exceeds_the_optimum(make, seed, charge):
    """
    Neither when it ends by itself nor when it is stopped early, with and without limits; charges for nodes are not part
    of it.
    """
    problem = dataclasses.replace(make(seed), node_charge=charge)
    best = drawn.optimum(dataclasses.replace(problem, node_charge=0)).cost

    for rounds in (0, 1, 2, 5, 1000):
        table = drawn.generator(dataclasses.replace(problem, node_charge=0) if rounds == 0 else problem)
        rng = np.random.default_rng(seed)
        if rounds > 0:
            table.bound = 0.0
        table.generate(rng, drawn.effort(rounds))
        table.close(rng, drawn.effort(rounds))
        assert table.bound <= best + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [drawn.large_pods, drawn.capped])
def test_exact_pricing_ends_at_the_value_of_the_master_over_all_patterns(make, seed):
    """Which listing all of them gives too."""
    problem = make(seed)
    table = drawn.generator(problem)
    table.bound = 0.0
    rng = np.random.default_rng(seed)
    table.generate(rng, drawn.effort(1000))
    closed = table.close(rng, drawn.effort(1000))
    every = drawn.generator(problem)
    for kind in range(len(every.field.cost)):
        rows = np.array(
            [row for row in drawn.all_contents(every.field, kind, problem.counts) if any(row)], dtype=np.int32
        )
        if len(rows):
            every.add(np.full(len(rows), kind), rows)
    listed = every.master()

    assert closed is not None
    assert listed is not None
    assert table.bound <= listed.value + 1e-6
    assert closed.value == pytest.approx(listed.value, rel=2 * columns.CLOSE)
    assert table.bound == pytest.approx(listed.value, rel=2 * columns.CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_for_pods_apart_never_exceed_the_optimum(seed):
    """Pods of which a node takes one: the relaxation counts the nodes, patterns count them with what else they hold."""
    problem = drawn.apart(drawn.large_pods(seed), [0, 1])
    field = drawn.field_of(problem)
    best = drawn.optimum(problem).cost
    relaxed = compact.solve(field, problem.counts.astype(np.float64))
    assert relaxed is not None
    table = columns.Columns(field, problem.counts, relaxed.value, 0.0, 0)
    table.add_singles()

    table.close(np.random.default_rng(seed), drawn.ENDLESS)

    assert relaxed.bound <= best + 1e-6
    assert relaxed.bound * (1 - 2 * columns.CLOSE) <= table.bound <= best + 1e-6
