"""Shares from patterns, and choices of domains made with them."""

import dataclasses
import itertools

import numpy as np
import pytest

from solver import problem as problems
from solver.search.column_generation import columns
from solver.search.shares import blend as blends
from solver.search.shares import cells, places
from tests.solver import tiny

ZONES = ("a", "b", "c")
NONE = np.zeros(0, dtype=np.int64)


def groups(seed: int, number: int) -> problems.Problem:
    """Classes that stay in a zone each, pods of one class apart; c3-like and r3-like nodes in three zones."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(2, 9)), (int(random.integers(1, 5)), int(random.integers(1, 9))))
        for i in range(number)
    ]
    offers = [tiny.offer(price, room, zone=z) for z in ZONES for price, room in ((100, (8, 8)), (130, (8, 16)))]
    problem = tiny.problem(classes, offers)
    only = np.eye(number, dtype=bool)
    return dataclasses.replace(
        problem,
        attractions=tuple(
            problems.Attraction(f"with {i}", (tiny.ZONE,), only[i], problems.Group(only[i], NONE), only[i])
            for i in range(number)
        ),
        exclusions=tuple(
            problems.Exclusion(f"apart {i}", problems.HOST, only[i], NONE, problems.Group(only[i], NONE))
            for i in range(0, number, 2)
        ),
    )


def program(problem: problems.Problem) -> blends.Blend:
    return blends.Blend(places.Places.of(problem, cells.split(problem)))


def effort(rounds: int) -> columns.Effort:
    """Pricing for so many questions whether to stop."""
    left = iter(range(rounds))

    def spend(_: float) -> None:
        """Work is counted by the questions."""

    return columns.Effort(lambda: next(left, None) is None, spend, 0, 1)


@pytest.mark.parametrize("seed", range(8))
def test_dived_choices_are_near_the_best_of_all(seed):
    """All choices are tried over the same patterns."""
    problem = groups(seed, 4)
    blend = program(problem)
    random = np.random.default_rng(0)
    blend.run(random, effort(40))
    relaxed = blend.value

    assert blend.dive(blend.rules.groups, random, effort(100))
    blend.reconsider(random, effort(200))

    share_of = blend.share.copy()
    assert np.allclose(share_of.max(axis=1), 1.0)
    dived = blend.value
    assert dived >= relaxed * (1 - 1e-3)
    best = np.inf
    for zones in itertools.product(range(3), repeat=4):
        table = np.zeros((4, 3), dtype=np.int64)
        table[np.arange(4), zones] = problem.counts
        blend.settle(table)
        assert blend.solve() is not None
        best = min(best, blend.value)
    assert best <= dived * (1 + 1e-9)
    assert dived <= best * 1.02


def test_reconsidering_never_makes_choices_worse():
    problem = groups(11, 6)
    blend = program(problem)
    random = np.random.default_rng(1)
    blend.run(random, effort(5))
    assert blend.dive(blend.rules.groups, random, effort(20))
    before = blend.value

    blend.reconsider(random, effort(60))

    assert blend.value <= before * (1 + 1e-9)
    assert np.allclose(blend.share.max(axis=1), 1.0)


def test_choices_of_a_table_are_kept():
    problem = groups(5, 4)
    blend = program(problem)
    table = np.zeros((4, 3), dtype=np.int64)
    table[np.arange(4), [2, 0, 1, 2]] = problem.counts
    blend.settle(table)

    blend.run(np.random.default_rng(0), effort(20))

    assert (blend.share.argmax(axis=1) == [2, 0, 1, 2]).all()
    assert np.allclose(blend.share.max(axis=1), 1.0)
