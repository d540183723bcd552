"""Bounds are valid: nothing cheaper exists, as the exact model knows."""

import dataclasses
import itertools
import time
from collections.abc import Iterator

import numpy as np
import pytest

from solver import evaluate
from solver import problem as problems
from solver.model import solve as direct
from solver.search import engine, params, quota
from solver.search import field as fields
from solver.search.column_generation import columns, pricing
from solver.search.exact import small
from solver.search.packing import knapsack
from solver.search.relaxation import compact, fleet, merge
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
@pytest.mark.parametrize("classes", [0, fleet.CLASSES])
def test_the_bound_of_whole_nodes_is_between_the_relaxation_and_the_optimum(seed, classes, monkeypatch):
    """With classes as they are, and with pods split into directions."""
    monkeypatch.setattr(fleet, "CLASSES", classes)
    problem = random_field(seed)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    volumes = compact.solve(field, problem.counts.astype(np.float64), strong=False)

    bound = fleet.bound(field, problem.counts, time_limit=20, deterministic=True)

    assert volumes is not None
    assert bound is not None
    assert bound <= optimum(problem).cost + 1e-6
    if classes:
        assert bound >= volumes.bound * (1 - 2 * fleet.SAFE)


def test_whole_nodes_bound_a_plan_that_the_relaxation_does_not():
    """Two pods of 5 on nodes of 8 at 8: the relaxation takes 1.25 nodes, the bound two."""
    problem = tiny.problem([tiny.pods("a", 2, (5, 1))], [tiny.offer(8, (8, 8))])
    field = fields.make(problem, np.arange(1), problem.counts > 0)

    assert fleet.bound(field, problem.counts, time_limit=20, deterministic=True) == 16


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


def capped_field(seed: int) -> problems.Problem:
    """A random field whose cheapest plan takes more of the offers that a limit is on than the limit allows."""
    problem = random_field(seed)
    free = direct.solve_direct(problem, time_limit=20, deterministic=True)
    assert free.solution is not None
    amount = np.zeros(len(problem.offers), dtype=np.int64)
    liked = free.solution.new[0][0]
    amount[liked] = problem.offer_room[liked, 0]
    used = sum(int(amount[offer]) for offer, _ in free.solution.new)
    caps = (problems.Cap("cap", "general", "cpu", amount, used - 1), *room_to_spare(problem))
    return dataclasses.replace(problem, caps=caps)


def room_to_spare(problem: problems.Problem) -> tuple[problems.Cap]:
    """A limit on all offers that no sensible plan reaches."""
    return (problems.Cap("wide", "", "memory", problem.offer_room[:, 1], 12 * int(problem.counts.sum())),)


def generator(problem: problems.Problem) -> columns.Columns:
    """Columns that start from the relaxation, with a pattern for each class."""
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    limits = quota.limits_of(problem, field)
    volumes = compact.solve(field, problem.counts.astype(np.float64), limits=limits)
    assert volumes is not None
    table = columns.Columns(field, problem.counts, volumes.value, volumes.bound, problem.node_charge, limits)
    table.add_singles()
    return table


def effort(rounds: int) -> columns.Effort:
    """Stops when it has been asked so often."""
    asked = iter(range(rounds))
    return columns.Effort(lambda: next(asked, None) is None, lambda _: None, seed=0, workers=1)


def test_whole_nodes_hold_one_pod_above_half_of_them_each():
    """Sums of amounts would have two nodes for three such pods."""
    problem = tiny.problem([tiny.pods("c", 3, (6, 1))], [tiny.offer(10, (10, 10))])
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)

    assert fleet.bound(field, problem.counts, time_limit=20, deterministic=True) == 30


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("charge", [0, 5])
@pytest.mark.parametrize("make", [random_field, capped_field])
def test_the_column_bound_never_exceeds_the_optimum(make, seed, charge):
    """
    Neither when it ends by itself nor when it is stopped early, with and without limits; charges for nodes are not part
    of it.
    """
    problem = dataclasses.replace(make(seed), node_charge=charge)
    best = optimum(dataclasses.replace(problem, node_charge=0)).cost

    for rounds in (0, 1, 2, 5, 1000):
        table = generator(dataclasses.replace(problem, node_charge=0) if rounds == 0 else problem)
        rng = np.random.default_rng(seed)
        if rounds > 0:
            table.bound = 0.0
        table.generate(rng, effort(rounds))
        table.close(rng, effort(rounds))
        assert table.bound <= best + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [random_field, capped_field])
def test_exact_pricing_ends_at_the_value_of_the_master_over_all_patterns(make, seed):
    """Which listing all of them gives too."""
    problem = make(seed)
    table = generator(problem)
    table.bound = 0.0
    rng = np.random.default_rng(seed)
    table.generate(rng, effort(1000))
    closed = table.close(rng, effort(1000))
    every = generator(problem)
    for kind in range(len(every.field.cost)):
        rows = np.array([row for row in all_contents(every.field, kind, problem.counts) if any(row)], dtype=np.int32)
        if len(rows):
            every.add(np.full(len(rows), kind), rows)
    listed = every.master()

    assert closed is not None
    assert listed is not None
    assert table.bound <= listed.value + 1e-6
    assert closed.value == pytest.approx(listed.value, rel=2 * columns.CLOSE)
    assert table.bound == pytest.approx(listed.value, rel=2 * columns.CLOSE)


def all_contents(field: fields.Field, kind: int, counts: problems.Ints) -> Iterator[tuple[int, ...]]:
    """Everything that a node of a kind may hold; of the classes of a host rule one pod at most."""
    for row in itertools.product(*(range(int(n) + 1) for n in counts)):
        if (np.array(row) @ field.requests <= field.room[kind]).all() and (np.array(row) @ field.host.owner <= 1).all():
            yield row


def apart(problem: problems.Problem, *groups: list[int]) -> problems.Problem:
    """The problem with anti-affinity over hostnames among the classes of each group."""
    none = np.zeros(0, dtype=np.int64)
    masks = [np.isin(np.arange(len(problem.classes)), group) for group in groups]
    rules = [problems.Exclusion("apart", problems.HOST, m, none, problems.Group(m, none)) for m in masks]
    return dataclasses.replace(problem, exclusions=tuple(rules))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("groups", [[], [[0]], [[0, 1]], [[0, 1], [1]]])
def test_worths_of_nodes_are_bounded_by_brute_force(seed, groups):
    """
    No content is worth more than the quick and the exact bound say, and the exact one is reached; contents from the
    table keep pods apart that must be.
    """
    problem = apart(random_field(seed), *groups)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    most = fields.capacity(field)
    random = np.random.default_rng(seed)
    worth = random.random(len(problem.counts)) * 5
    quick = knapsack.fractional_worth(field, most, worth, problem.counts)
    table = knapsack.Table(field, problem.counts, np.arange(len(field.cost)))
    table.fill(worth, problem.counts, random)
    kinds, found = table.trace(problem.counts, random, 4)

    for kind in range(len(field.cost)):
        best = max(float(np.array(row) @ worth) for row in all_contents(field, kind, problem.counts))
        least = best * 0.8
        exact = pricing.exact(field, kind, most, worth, problem.counts, least=least, seed=0)
        none = pricing.exact(field, kind, most, worth, problem.counts, least=best * 1.01, seed=0)

        assert quick[kind] >= best - 1e-9
        assert exact.worth >= best - 1e-9
        assert exact.worth == pytest.approx(best, rel=1e-4)
        assert (exact.rows @ worth).max() == pytest.approx(best)
        assert none.worth == pytest.approx(best * 1.01)
        assert not len(none.rows)
        here = found[kinds == kind]
        assert (here @ field.requests[table.classes] <= field.room[kind]).all()
        assert (here <= problem.counts[table.classes]).all()
        assert (here @ field.host.owner[table.classes] <= 1).all()
        assert (here @ worth[table.classes]).max() <= best + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_for_pods_apart_never_exceed_the_optimum(seed):
    """Pods of which a node takes one: the relaxation counts the nodes, patterns count them with what else they hold."""
    problem = apart(random_field(seed), [0, 1])
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    best = optimum(problem).cost
    relaxed = compact.solve(field, problem.counts.astype(np.float64))
    assert relaxed is not None
    table = columns.Columns(field, problem.counts, relaxed.value, 0.0, 0)
    table.add_singles()

    table.close(np.random.default_rng(seed), columns.Effort(lambda: False, lambda _: None, 0, 1))

    assert relaxed.bound <= best + 1e-6
    assert relaxed.bound * (1 - 2 * columns.CLOSE) <= table.bound <= best + 1e-6


def zoned(seed: int) -> problems.Problem:
    """Classes that spread over two zones, and a limit over both of them on what the cheapest plan buys."""
    capped = capped_field(seed)
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
    best = optimum(problem)

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


@pytest.mark.parametrize("seed", SEEDS)
def test_merging_is_conservative(seed):
    """Rounded up pods ask for no less than before, means for the same in all; no pod is lost; prices of both bound."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 9)), (int(random.integers(200, 260)), int(random.integers(500, 560))))
        for i in range(30)
    ]
    problem = tiny.problem(classes, [tiny.offer(100, (1000, 2000)), tiny.offer(190, (2000, 4000))])
    field = fields.make(problem, np.arange(2), problem.counts > 0)
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
    problem = random_field(seed)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
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
    problem = random_field(seed)
    settings = params.Params(clock=time.monotonic, time_limit=2.0, deterministic=True)

    alone, found = engine.search(problem, settings), engine.search(with_homeless(problem), settings)

    assert sum(found.value.unplaced) == 2
    assert alone.bound is not None
    assert found.bound == alone.bound
    assert found.bound <= found.value.cost


def test_a_table_that_no_pod_is_worth_anything_to_holds_nothing():
    """Pods that are left may go to nodes of other tables only."""
    problem = random_field(0)
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    random = np.random.default_rng(0)
    table = knapsack.Table(field, problem.counts, np.arange(len(field.cost)))
    table.fill(np.zeros(len(problem.counts)), problem.counts, random)

    kinds, found = table.trace(problem.counts, random, 4)

    assert len(found) == len(kinds) > 0
    assert not found.size


def test_places_for_pods_that_no_node_runs_out_of_are_not_scarce():
    """A node has 110 of them whatever its size; next to the memory of the largest one they look few."""
    large, tight = (16_000, 512, 110), (2_000, 16, 110)
    problem = tiny.problem([tiny.pods("c", 30, (300, 4, 1))], [tiny.offer(80, large), tiny.offer(10, tight)])
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)

    assert fields.scarcest(field, problem.counts).tolist() == [0, 1]
