"""Enumeration of patterns: nothing that a better plan could use is missing, and what is proved is true."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.search import field as fields
from solver.search import linear
from solver.search.exact import exhaust
from tests.solver import brute, tiny


def drawn(seed: int) -> problems.Problem:
    """Up to four classes with a few pods of two amounts each, and three sizes of node."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 4)), (int(random.integers(1, 7)), int(random.integers(1, 7))))
        for i in range(int(random.integers(1, 5)))
    ]
    offers = [tiny.offer(100, (8, 8)), tiny.offer(190, (16, 14)), tiny.offer(150, (14, 8))]
    return tiny.problem(classes, offers)


def cheapest(problem: problems.Problem) -> int:
    """The least cost of all pods by a walk over what is left, pattern by pattern."""
    counts = tuple(int(n) for n in problem.counts)
    known = {tuple(0 for _ in counts): 0}

    def cost(left: tuple[int, ...]) -> int:
        if left not in known:
            first = next(i for i, n in enumerate(left) if n)
            options = []
            for row in itertools.product(*(range(n + 1) for n in left)):
                if row[first]:
                    fits = (np.array(row) @ problem.requests <= problem.offer_room).all(axis=1)
                    if fits.any():
                        price = int(problem.prices[fits].min()) + problem.node_charge
                        options.append(price + cost(tuple(n - x for n, x in zip(left, row, strict=True))))
            known[left] = min(options)
        return known[left]

    return cost(counts)


@pytest.mark.parametrize("seed", range(40))
def test_the_cover_of_all_patterns_is_the_optimum(seed):
    """With duals of zero and a gap beyond all prices every full pattern is there, and the best choice is the optimum."""
    problem = drawn(seed)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    rows = exhaust.patterns(field, problem.counts, np.zeros(len(problem.counts)), 1e9, lambda: False)
    assert rows is not None
    found = exhaust.cover(problem, field, rows, [], problem.counts, seed=0, time_limit=60.0)
    assert found is not None
    solution = found.solution

    assert not evaluate.violations(problem, solution)
    assert not any(evaluate.value(problem, solution).unplaced)
    assert evaluate.value(problem, solution).cost == found.bound == cheapest(problem)


@pytest.mark.parametrize("seed", range(40))
def test_patterns_are_full_and_worth_their_price(seed):
    """Each holds what fits, takes no further pod that there is, and costs at most the gap beyond its worth."""
    problem = drawn(seed)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    duals, gap = np.random.default_rng(seed).uniform(5, 30, len(problem.counts)), 60.0
    rows = exhaust.patterns(field, problem.counts, duals, gap, lambda: False)
    assert rows is not None

    left = field.room[rows.kind] - rows.counts @ field.requests
    assert (left >= 0).all()
    assert (field.cost[rows.kind] - rows.counts @ duals <= gap + 1e-6).all()
    for c in range(len(problem.counts)):
        assert ((rows.counts[:, c] == problem.counts[c]) | (left < field.requests[c]).any(axis=1)).all()


@pytest.mark.parametrize("seed", range(60))
def test_room_on_existing_nodes_is_used_as_brute_force_uses_it(seed):
    """One content for each node that exists, new nodes for the rest: as cheap as trying everything."""
    random = np.random.default_rng(seed)
    classes = [tiny.pods(f"c{i}", int(random.integers(1, 3)), tuple(random.integers(1, 5, 2))) for i in range(2)]
    nodes = [tiny.node(tuple(random.integers(-1, 7, 2))) for _ in range(int(random.integers(1, 3)))]
    problem = tiny.problem(classes, [tiny.offer(50, (5, 5)), tiny.offer(80, (9, 8))], nodes)
    field = fields.make(problem, np.arange(2), problem.counts > 0)
    nothing = np.zeros(2)
    there = exhaust.on_nodes(problem, field, problem.counts)
    rows = exhaust.patterns(field, problem.counts, nothing, 1e9, lambda: False)
    assert there is not None
    assert rows is not None
    found = exhaust.cover(problem, field, rows, there, problem.counts, seed=0, time_limit=60.0)
    assert found is not None

    assert not evaluate.violations(problem, found.solution)
    assert evaluate.value(problem, found.solution) == brute.best(problem)[1]
    assert evaluate.value(problem, found.solution).cost == found.bound


def test_it_is_for_amounts_alone():
    """A rule between pods is not its business."""
    problem = drawn(1)
    apart = problems.Exclusion(
        "apart",
        problems.HOST,
        tiny.mask(len(problem.classes), 0),
        np.zeros(0, dtype=np.int64),
        tiny.group(len(problem.classes), 0),
    )

    assert exhaust.applies(problem)
    assert not exhaust.applies(dataclasses.replace(problem, exclusions=(apart,)))


def test_too_many_patterns_are_not_counted():
    """It gives up rather than fill the memory."""
    classes = [tiny.pods(f"c{i}", 30, (1, 1)) for i in range(8)]
    problem = tiny.problem(classes, [tiny.offer(100, (200, 200))])
    field = fields.make(problem, np.arange(1), problem.counts > 0)

    assert exhaust.patterns(field, problem.counts, np.zeros(8), 1e9, lambda: False) is None


def test_a_cover_without_a_bound_in_time(monkeypatch: pytest.MonkeyPatch):
    """A solver that stops before it has a bound says minus infinity; the cover then costs at least nothing."""
    exact = linear.solve_mixed

    def in_a_hurry(*arguments: Any, **named: Any) -> linear.MixedAnswer:
        return dataclasses.replace(exact(*arguments, **named), bound=-np.inf)

    monkeypatch.setattr(linear, "solve_mixed", in_a_hurry)
    problem = drawn(0)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    rows = exhaust.patterns(field, problem.counts, np.zeros(len(problem.counts)), 1e9, lambda: False)
    assert rows is not None
    found = exhaust.cover(problem, field, rows, [], problem.counts, seed=0, time_limit=60.0)

    assert found is not None
    assert found.bound == 0
