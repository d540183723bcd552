"""Shares of cells as whole pods under rules over domains."""

import dataclasses

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.search.shares import aggregate, rounding
from solver.search.shares import cells as splits
from tests.solver import tiny

ZONES = ("a", "b", "c")


def over_zones(counts: list[int], skew: int, owners: list[int], members: list[int]) -> problems.Problem:
    """Classes under one spread over three zones with one offer each."""
    classes = [tiny.pods(f"c{i}", number, (1, 1)) for i, number in enumerate(counts)]
    problem = tiny.problem(classes, [tiny.offer(100, (9, 9), zone=zone) for zone in ZONES])
    mask = np.zeros((2, len(counts)), dtype=bool)
    mask[0, owners] = mask[1, members] = True
    none = np.zeros(0, dtype=np.int64)
    rule = problems.Spread(
        name="zones",
        topology=tiny.ZONE,
        owners=mask[0],
        group=problems.Group(mask[1], none),
        max_skew=skew,
        min_domains=None,
        node_counted=none.astype(bool),
        offer_counted=np.ones(3, dtype=bool),
        always=np.ones(3, dtype=bool),
    )
    return dataclasses.replace(problem, spreads=(rule,))


@pytest.mark.parametrize("seed", range(20))
def test_rounded_shares_keep_the_spread_and_all_pods(seed):
    """Even shares of odd numbers of pods, of owners and counted pods of several classes."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 12, 6).tolist()
    problem = over_zones(counts, int(random.integers(1, 3)), [0, 1, 2], [1, 2, 3, 4])
    cells = splits.split(problem)
    share = np.full((6, 3), 1 / 3)
    possible = np.ones((6, 3), dtype=bool)
    aggregated, merged = aggregate.aggregate(problem, cells, problem.counts, share, possible)

    solution = rounding.near(problem, cells, aggregated, merged, share, possible, seed=0)

    assert solution is not None
    assert not evaluate.violations(aggregated, solution)
    value = evaluate.value(aggregated, solution)
    assert not any(value.unplaced)
    assert value.preferences <= aggregate.UNWANTED * 3 * len(aggregated.classes)


def test_shares_that_no_rounding_saves_have_no_answer():
    """All pods wanted in one zone, and a skew of one: that is no matter of rounding."""
    problem = over_zones([30], 1, [0], [0])
    cells = splits.split(problem)
    share = np.array([[1.0, 0.0, 0.0]])
    possible = np.ones((1, 3), dtype=bool)
    aggregated, merged = aggregate.aggregate(problem, cells, problem.counts, share, possible)

    assert rounding.near(problem, cells, aggregated, merged, share, possible, seed=0) is None
