"""Walks through covers: the cheapest one is the optimum, and where there is said to be none there is none."""

import dataclasses

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.search import field as fields
from solver.search import quota
from solver.search.column_generation import columns
from solver.search.exact import steps, walk
from tests.solver import brute, tiny


def drawn(seed: int) -> problems.Problem:
    """A few pods, existing nodes now and then, limits on new nodes that mostly leave a way, new OVH pools at a charge."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 3)), (int(random.integers(1, 6)), int(random.integers(1, 6))))
        for i in range(int(random.integers(1, 4)))
    ]
    nodes = [tiny.node(tuple(random.integers(-1, 7, 2))) for _ in range(int(random.integers(0, 3)))]
    offers = [tiny.offer(50, (5, 5)), tiny.offer(80, (9, 8)), tiny.offer(75, (8, 6))]
    problem = tiny.problem(classes, offers, nodes)
    caps = tuple(
        problems.Cap(f"cap {i}", "general", "cpu", random.integers(0, 4, 3), int(random.integers(2, 12)))
        for i in range(int(random.integers(0, 3)))
    )
    pools = dataclasses.replace(problem.pools, charge=int(random.choice((0, 7, 30))))
    return dataclasses.replace(problem, caps=caps, pools=pools, node_charge=int(random.choice((0, 3))))


def walk_of(problem: problems.Problem) -> walk.Walk:
    """A walk at the prices of the master over all patterns."""
    counts = problem.counts
    bare = dataclasses.replace(problem, node_charge=0)
    field = walk.useful(problem, fields.make(bare, np.arange(len(problem.offers)), counts > 0), counts)
    caps = quota.limits_of(problem, field)
    found = columns.Columns(field, counts, np.ones(len(counts)), 0.0, 0, caps)
    found.add_singles()
    effort = columns.Effort(lambda: False, lambda _: None, 1, 1)
    assert walk.priced(found, np.random.default_rng(1), effort)
    charged = dataclasses.replace(field, cost=field.cost + problem.node_charge)
    return walk.Walk(problem, charged, counts, walk.point(found), lambda: False)


@pytest.mark.parametrize("seed", range(300))
def test_the_cheapest_cover_is_the_optimum(seed):
    """Asked for covers up to the optimum it finds that, below it none; the bound is never above it."""
    problem = drawn(seed)
    _best, value = brute.best(problem)
    walking = walk_of(problem)
    if any(value.unplaced):
        below = walking.within(10_000.0)
        assert below is None or below.solution is None or evaluate.violations(problem, below.solution)
        return
    found, below = walking.within(value.cost + 40.0), walking.within(value.cost - 1.0)
    assert found is not None
    assert below is not None
    assert below.solution is None
    assert below.bound == value.cost
    assert found.bound == value.cost
    assert found.solution is not None
    assert not evaluate.violations(problem, found.solution)
    assert evaluate.value(problem, found.solution) == value
    assert walking.least() <= value.cost


def test_steps_are_what_whole_nodes_cost():
    """Nodes worth 7 at 10 and worth 3 at 4: 8 worth costs 12 (three of the small ones), and 12 buys 9 at most."""
    table = steps.Steps(np.array([10.0, 4.0]), np.array([7.0, 3.0]), 20.0)
    none = np.zeros(5, dtype=np.int64)

    assert table.of(np.array([0.0, 3.0, 7.0, 8.0, 13.0]), none).tolist() == [0, 4, 10, 12, 18]
    reach = table.reach(np.array([12.0, -1.0, 4.0]), np.zeros(3, dtype=np.int64))
    assert 9.0 <= reach[0] < 9.05
    assert reach[1] < 0
    assert 3.0 <= reach[2] < 3.05


def test_steps_keep_a_limit():
    """Of the small ones, which take 2 of a limit of 5 each, there are two at most; then the large one is needed for 8."""
    table = steps.Steps(np.array([10.0, 4.0]), np.array([7.0, 3.0]), 20.0, 0, np.array([0, 2], dtype=np.int64), 5)
    room = np.array([[5], [3], [1]])

    assert table.left(room).tolist() == [2, 1, 0]
    assert table.of(np.array([8.0, 8.0, 8.0]), table.left(room)).tolist() == [14, 14, 20]
    assert table.others(np.array([3.0, 2.0])).tolist() == [0, 2]


def test_prices_without_anything_to_buy():
    """Without kinds of node there are no prices, and that is said."""
    problem = tiny.problem([tiny.pods("a", 1, (1, 1))], [tiny.offer(5, (0, 0))], [tiny.node((2, 2))])
    field = fields.make(problem, np.arange(1), problem.counts > 0)
    found = columns.Columns(field, problem.counts, np.ones(1), 0.0, 0)

    assert not walk.priced(found, np.random.default_rng(1), columns.Effort(lambda: False, lambda _: None, 1, 1))


def test_a_ladder_ends_where_pods_are_worth_nothing():
    """What is free on a node would hold all pods one by one but not together: their prices are 0, and shares still grow."""
    problem = tiny.problem([tiny.pods("a", 2, (3, 3))], [tiny.offer(50, (5, 5))], [tiny.node((6, 6))])
    walking = walk_of(problem)
    ladder = walk.Ladder()
    first = walking.above(ladder.share)
    for _ in range(40):
        ladder.climb(0)

    assert walking.above(ladder.share) > first + 50


def giving(seed: int) -> problems.Problem:
    """As `drawn`, with priorities, NodePools of less weight, preferences of new and existing nodes, and masks."""
    random = np.random.default_rng(seed + 10_000)
    problem = drawn(seed)
    size, nodes = len(problem.classes), len(problem.nodes)
    priority = random.integers(0, 2, size)
    weight = random.integers(0, 3, 3)
    ok = random.random((size, 3)) < 0.8
    heaviest = np.where(ok, weight, 9).min(axis=1, initial=9)
    return dataclasses.replace(
        problem,
        classes=tuple(
            dataclasses.replace(c, priority=100 * int(p)) for c, p in zip(problem.classes, priority, strict=True)
        ),
        offer_ok=ok,
        node_ok=random.random((size, nodes)) < 0.8,
        offer_rank=np.where(ok, weight[None, :] - heaviest[:, None], 0),
        offer_penalty=random.choice((0, 0, 0, 20), (size, 3)),
        node_penalty=random.choice((0, 0, 10), (size, nodes)),
        caps=tuple(
            dataclasses.replace(cap, room=int(random.integers(0, 12)), per_offer=random.integers(0, 4, 3))
            for cap in problem.caps
        ),
    )


@pytest.mark.parametrize("seed", range(400))
def test_the_cheapest_cover_that_gives_up_least_is_the_optimum(seed):
    """With the least numbers before the cost the walk finds the optimum, and below its cost nothing."""
    problem = giving(seed)
    best, value = brute.best(problem)
    numbers = (*value.unplaced, value.preferences, value.rank)
    fits = (problem.requests[:, None] <= np.concatenate([problem.offer_room, problem.node_room])[None]).all(axis=2)
    somewhere = (fits & np.concatenate([problem.offer_ok, problem.node_ok], axis=1)).any(axis=1)
    walking = walk.conceding(problem, np.where(somewhere, problem.counts, 0), numbers, lambda: False)
    if walking is None:
        assert not best.new
        return
    found, below = walking.within(value.cost + 40.0), walking.within(value.cost - 1.0)
    assert found is not None
    assert below is not None
    assert below.solution is None
    assert found.bound == value.cost
    assert found.solution is not None
    assert not evaluate.violations(problem, found.solution)
    assert evaluate.value(problem, found.solution) == value
    assert walking.least() <= value.cost + 1e-6
