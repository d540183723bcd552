"""Pods that their cell left over find a place in it again."""

import dataclasses

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.search import cell as cells
from solver.search import leftover, params
from solver.search.shares import share
from tests.solver import tiny

NONE = np.zeros(0, dtype=np.int64)


def even(pods: int) -> problems.Problem:
    """Pods under a spread over two zones, four to a node."""
    problem = tiny.problem(
        [tiny.pods("web", pods, (1, 1))], [tiny.offer(100, (4, 9), zone="a"), tiny.offer(100, (4, 9), zone="b")]
    )
    rule = problems.Spread(
        name="zones",
        topology=tiny.ZONE,
        owners=np.ones(1, dtype=bool),
        group=problems.Group(np.ones(1, dtype=bool), NONE),
        max_skew=1,
        min_domains=None,
        node_counted=NONE.astype(bool),
        offer_counted=np.ones(2, dtype=bool),
        always=np.ones(2, dtype=bool),
    )
    return dataclasses.replace(problem, spreads=(rule,))


def packed(problem: problems.Problem) -> list[cells.Cell]:
    settings = params.Params(clock=lambda: 0.0, deterministic=True)
    budget = params.Budget(settings)
    sharing = share.Sharing(problem, settings, budget)
    packer = cells.CellPacker(problem, settings, budget, np.random.default_rng(0))
    return packer.pack_all(sharing.cells, sharing.table, sharing.limits)


@pytest.mark.parametrize("lost", [2, 3])
def test_pods_that_are_lost_come_back_in_their_zone(lost):
    """Without them the other zone would be above the skew; nothing is taken out there."""
    problem = even(16)
    work = packed(problem)
    whole = cells.assembled(problem, work, np.random.default_rng(0))
    offer, ((pod_class, number),) = whole.new[0]
    some = ((offer, ((pod_class, number - lost),)), *whole.new[1:])
    short = dataclasses.replace(whole, new=some)
    assert evaluate.violations(problem, short)

    found = leftover.place(problem, work, short, seed=0, stop=lambda: False)

    assert not evaluate.violations(problem, found)
    assert evaluate.value(problem, found) == evaluate.value(problem, whole)


def test_a_solution_without_leftovers_stays():
    problem = even(12)
    work = packed(problem)
    whole = cells.assembled(problem, work, np.random.default_rng(0))

    assert leftover.place(problem, work, whole, seed=0, stop=lambda: False) == whole
