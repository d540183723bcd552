"""The compact relaxation bounds every plan, and so do prices, whatever program they come from."""

import numpy as np
import pytest

from solver.search import quota
from solver.search.relaxation import compact, merge
from tests.solver import tiny
from tests.solver.search import drawn

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strong", [False, True])
def test_the_relaxation_never_exceeds_the_optimum(seed, strong):
    """With and without dual feasible rows, on pods that are large against nodes."""
    problem = drawn.large_pods(seed)
    field = drawn.field_of(problem)

    volumes = compact.solve(field, problem.counts.astype(np.float64), strong=strong)

    assert volumes is not None
    assert volumes.bound <= drawn.optimum(problem).cost + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_merging_is_conservative(seed):
    """Rounded up pods ask for no less than before, means for the same in all; no pod is lost; prices of both bound."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 9)), (int(random.integers(200, 260)), int(random.integers(500, 560))))
        for i in range(30)
    ]
    problem = tiny.problem(classes, [tiny.offer(100, (1000, 2000)), tiny.offer(190, (2000, 4000))])
    field = drawn.field_of(problem)
    counts = problem.counts.astype(np.float64)
    fine = compact.solve(field, counts)
    mean = merge.merge(field, counts, up=False, most=4)
    up = merge.merge(field, counts, up=True, most=4)
    coarse = compact.solve(mean.field, mean.counts)
    rough = compact.solve(up.field, up.counts)

    assert len(mean.counts) < 30
    assert mean.counts.sum() == up.counts.sum() == counts.sum()
    assert mean.counts @ mean.field.requests == pytest.approx(counts @ field.requests)
    assert (up.field.requests[up.index] >= field.requests).all()
    assert fine is not None
    assert coarse is not None
    assert rough is not None
    assert rough.bound >= fine.bound - 1e-6
    assert compact.priced(field, counts, fine.prices) == pytest.approx(fine.bound)
    for prices in (coarse.prices, rough.prices):
        assert 0.9 * fine.bound <= compact.priced(field, counts, prices) <= fine.bound + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_any_prices_make_a_valid_bound(seed):
    """Also prices that are too high, with limits, existing room, and pods that may be left out."""
    random = np.random.default_rng(seed)
    problem = drawn.large_pods(seed)
    field = drawn.field_of(problem)
    counts = problem.counts.astype(np.float64)
    size = len(counts)
    room = compact.Room(
        random.random((size, 2)) < 0.7, random.integers(5, 15, (2, 2)).astype(np.float64), np.full((size, 2), 99.0)
    )
    limits = quota.Limits(np.array([field.room[:, 0]]), np.array([float((counts @ field.requests)[0] * 2)]))
    for options in ({}, {"room": room}, {"limits": limits}, {"room": room, "limits": limits, "spare": 2.0}):
        best = compact.solve(field, counts, **options)
        assert best is not None
        assert compact.priced(field, counts, best.prices, **options) == pytest.approx(best.bound, abs=1e-6)
        for _ in range(5):
            other = compact.Prices(
                {row: price * random.uniform(0, 3, price.shape) for row, price in best.prices.node.items()},
                best.prices.room * random.uniform(0, 3, best.prices.room.shape),
                best.prices.limits * random.uniform(0, 3, best.prices.limits.shape),
                best.prices.spare * random.uniform(0, 3),
            )
            assert compact.priced(field, counts, other, **options) <= best.bound + 1e-6
