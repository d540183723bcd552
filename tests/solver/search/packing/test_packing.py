"""Fills, covers and recombination: what is put onto a node fits it, and pods are neither lost nor made."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver import problem as problems
from solver.search import field as fields
from solver.search import quota
from solver.search.column_generation import columns, dive
from solver.search.improvement import recombine, topup
from solver.search.packing import fill, pack
from solver.search.relaxation import compact, merge
from solver.search.shares import cells
from tests.solver import tiny

COMMON = settings(max_examples=25, deadline=None)


def drawn(seed: int, *, apart: bool = False) -> problems.Problem:
    """A few dozen pods; with `apart` the first class keeps its pods on different nodes."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 20)), (int(random.integers(1, 9)), int(random.integers(1, 9))))
        for i in range(int(random.integers(2, 7)))
    ]
    offers = [tiny.offer(100, (10, 10)), tiny.offer(180, (20, 20)), tiny.offer(150, (20, 10))]
    problem = tiny.problem(classes, offers)
    if apart:
        size = len(classes)
        rule = problems.Exclusion(
            "apart", problems.HOST, tiny.mask(size, 0), np.zeros(0, dtype=np.int64), tiny.group(size, 0)
        )
        problem.exclusions = (rule,)
    return problem


def packed(problem: problems.Problem, seed: int) -> tuple[fields.Field, pack.Packer, pack.Packing]:
    """The problem's field, packed once."""
    field = fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)
    merged = merge.merge(field, problem.counts.astype(np.float64), up=True)
    volumes = compact.solve(merged.field, merged.counts, strong=False)
    assert volumes is not None
    packer = pack.Packer(
        field,
        compact.worths(field, volumes.prices),
        np.arange(len(field.cost)),
        np.random.default_rng(seed),
        lambda: False,
    )
    return field, packer, packer.construct(problem.counts, volumes, merged)


def assert_valid(problem: problems.Problem, field: fields.Field, kind, counts, left=0) -> None:
    """Every node holds its pods, and all pods are there once."""
    assert (counts @ field.requests <= field.room[kind]).all()
    assert (counts.sum(axis=0) + left == problem.counts).all()
    if problem.exclusions:
        assert counts[:, 0].max(initial=0) <= 1


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_fills_respect_room_supply_and_rules_of_the_host(seed, apart):
    """A fill and its polishing stay within room, within what is available, and keep pods apart that want it."""
    problem = drawn(seed, apart=apart)
    field = fields.make(problem, np.arange(3), problem.counts > 0)
    room = np.repeat(field.room, 8, axis=0)
    available = np.tile(problem.counts.astype(np.float64), (len(room), 1))
    bins = fill.Bins(room, field.requests[None], available, fill.shared(field.host))
    rng = np.random.default_rng(seed)

    found = fill.polish(bins, fill.fill(bins, rng), rng.random((1, len(problem.counts))), 10)

    assert (found @ field.requests <= room).all()
    assert (found <= available).all()
    assert (found >= 0).all()
    if apart:
        assert found[:, 0].max() <= 1


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_construction_places_each_pod_once(seed, apart):
    """And overfills no node."""
    problem = drawn(seed, apart=apart)
    field, _, packing = packed(problem, seed)

    assert_valid(problem, field, packing.kind, packing.counts, packing.left)


@COMMON
@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(0, 2))
def test_construction_and_recombination_keep_limits(seed, most, limited_kind):
    """Of the kind that is limited no more nodes are taken than it may have; the rest goes to others or is left over."""
    problem = drawn(seed)
    field, packer, _ = packed(problem, seed)
    limits = quota.Limits(3.0 * (np.arange(3) == limited_kind)[None], np.array([3.0 * most + 1.0]))
    merged = merge.merge(field, problem.counts.astype(np.float64), up=True)
    volumes = compact.solve(merged.field, merged.counts, strong=False)
    assert volumes is not None

    limited = packer.construct(problem.counts, volumes, merged, limits)

    assert_valid(problem, field, limited.kind, limited.counts, limited.left)
    assert (limited.kind == limited_kind).sum() <= most
    assert not limited.left.any()
    mixed = recombine.recombine(packer, limited.kind, limited.counts, limits=limits, seconds=lambda: None)
    if mixed is not None:
        assert (mixed.kind == limited_kind).sum() <= most
        assert_valid(problem, field, mixed.kind, mixed.counts)


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_recombination_loses_no_pod_and_costs_less(seed, apart):
    """The mix holds exactly the pods of the nodes that were taken apart."""
    problem = drawn(seed, apart=apart)
    field, packer, packing = packed(problem, seed)
    nodes = recombine.choose(packer, packing, 6)
    old_kind, old = packing.kind[nodes], packing.counts[nodes]

    mix = recombine.recombine(packer, old_kind, old, seconds=lambda: None, copies=6)

    if mix is not None:
        assert (mix.counts.sum(axis=0) == old.sum(axis=0)).all()
        assert (mix.counts @ field.requests <= field.room[mix.kind]).all()
        assert mix.cost(field) < field.cost[old_kind].sum()
        after = packing.exchanged(nodes, mix)
        assert_valid(problem, field, after.kind, after.counts, after.left)
        if apart:
            assert mix.counts[:, 0].max() <= 1


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_whole_parts_of_the_master_and_a_dive_lose_no_pod(seed, apart):
    """What they do not put onto nodes is left, no node is overfilled, and pods that keep apart do."""
    problem = drawn(seed, apart=apart)
    field = fields.make(problem, np.arange(3), problem.counts > 0)
    table = columns.Columns(field, problem.counts, np.ones(len(problem.counts)), 0.0, 0)
    table.add_singles()
    rng = np.random.default_rng(seed)
    master = table.generate(rng, columns.Effort(lambda: False, lambda _: None, seed=0, workers=1))
    assert master is not None

    dived = [
        dive.dive(table, problem.counts, None, rng, lambda: False, ups=ups, first=first)
        for ups, first in ((0, master), (dive.UPS, master), (dive.UPS, None))
    ]
    for kind, counts, left in (table.whole(master, problem.counts), *((d.kind, d.counts, d.left) for d in dived)):
        assert (left >= 0).all()
        assert (counts.sum(axis=1) > 0).all()
        assert_valid(problem, field, kind, counts, left)


@COMMON
@given(st.integers(0, 10_000), st.integers(0, 4))
def test_a_dive_keeps_a_limit_and_places_what_can_be_placed(seed, big):
    """Of the kind of 20 by 20 only so many nodes are bought; the other kinds take all other pods."""
    problem = drawn(seed)
    field = fields.make(problem, np.arange(3), problem.counts > 0)
    limits = quota.Limits(np.array([[0.0, 20.0, 0.0]]), np.array([20.0 * big]))
    table = columns.Columns(field, problem.counts, np.ones(len(problem.counts)), 0.0, 0, limits)
    table.add_singles()
    small = fields.make(problem, np.array([0]), problem.counts > 0)
    table.add(np.zeros(len(problem.counts), dtype=np.int64), np.eye(len(problem.counts), dtype=np.int32))

    found = dive.dive(table, problem.counts, limits, np.random.default_rng(seed), lambda: False)

    assert (found.kind == 1).sum() <= big
    assert_valid(problem, field, found.kind, found.counts, found.left)
    assert not found.left[small.ok.any(axis=1)].any()


@COMMON
@given(st.integers(0, 500), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_rounded_shares_add_up(total, shares):
    """Whole numbers near the shares, none of a share of nothing."""
    share = np.array(shares)

    result = cells.rounded(total, share)

    assert result.sum() == (total if share.sum() > 0 else 0)
    assert (result >= 0).all()
    if share.sum() > 0:
        assert (np.abs(result - total * share / share.sum()) <= 1 + 1e-6).all()


@COMMON
@given(st.integers(0, 10_000))
def test_dealing_out_keeps_totals(seed):
    """Each class gets its number, each merged class its numbers per cell."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 12, size=7)
    merged = random.integers(0, 3, size=7)
    shares = np.zeros((3, 4), dtype=np.int64)
    for index in range(3):
        shares[index] = random.multinomial(counts[merged == index].sum(), random.dirichlet(np.ones(4)))

    result = cells.distribute(counts, merged, shares, np.ones((7, 4), dtype=bool))

    assert (result.sum(axis=1) == counts).all()
    for index in range(3):
        assert (result[merged == index].sum(axis=0) == shares[index]).all()


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_topping_up_fills_nodes_and_loses_no_pod(seed, apart):
    """No node is worth less than before, all hold their pods, and pods that keep apart stay where they are."""
    problem = drawn(seed, apart=apart)
    field, packer, packing = packed(problem, seed)
    stay = np.arange(len(packing.kind)) % 2 == 0
    kind, before = packing.kind[stay], packing.counts[stay]

    counts, pool = topup.top_up(packer, kind, before, packing.counts[~stay].sum(axis=0).astype(np.int64), lambda: False)

    assert_valid(problem, field, kind, counts, pool)
    assert (counts @ packer.value >= before @ packer.value - 1e-6).all()
    if apart:
        assert (counts[:, 0] == before[:, 0]).all()


@COMMON
@given(st.integers(0, 10_000), st.integers(0, 6))
def test_a_packing_that_is_given_up_says_which_pods_it_leaves(seed, looks):
    """Once the time is over, whenever that is: what is packed by then holds, and every pod is either packed or left over."""
    problem = drawn(seed)
    field, packer, _ = packed(problem, seed)
    merged = merge.merge(field, problem.counts.astype(np.float64), up=True)
    volumes = compact.solve(merged.field, merged.counts, strong=False)
    assert volumes is not None
    calls = itertools.count()
    packer.over = lambda: next(calls) >= looks

    packing = packer.construct(problem.counts, volumes, merged)

    assert_valid(problem, field, packing.kind, packing.counts, packing.left)
    if not looks:
        assert (packing.left == problem.counts).all()


def test_topping_up_exchanges_two_pods_for_one():
    """A node of 10 with pods of 3, 3 and 2 gives a 3 and the 2 for a 7 of the pool: no single exchange fills it."""
    classes = [tiny.pods("three", 2, (3, 3)), tiny.pods("two", 1, (2, 2)), tiny.pods("seven", 1, (7, 7))]
    problem = tiny.problem(classes, [tiny.offer(100, (10, 10))])
    field = fields.make(problem, np.arange(1), problem.counts > 0)
    packer = pack.Packer(field, np.array([30.0, 20.0, 70.0]), np.arange(1), np.random.default_rng(1), lambda: False)

    counts, pool = topup.top_up(
        packer, np.array([0]), np.array([[2, 1, 0]], dtype=np.int32), np.array([0, 0, 1]), lambda: False
    )

    assert counts.tolist() == [[1, 0, 1]]
    assert pool.tolist() == [1, 1, 0]


@COMMON
@given(st.integers(0, 10_000))
def test_few_nodes_decided_pod_by_pod_cost_less_and_hold_the_same(seed):
    """Or nothing is answered."""
    problem = drawn(seed)
    field, packer, packing = packed(problem, seed)
    some = slice(0, 3)

    found = recombine.again(packer, packing.kind[some], packing.counts[some], time_limit=None)

    if found is not None:
        stay = slice(3, None)
        assert found.cost(field) < field.cost[packing.kind[some]].sum()
        assert_valid(
            problem,
            field,
            np.concatenate([packing.kind[stay], found.kind]),
            np.concatenate([packing.counts[stay], found.counts]),
            packing.left,
        )


def test_two_nodes_decided_pod_by_pod_become_one_within_a_limit():
    """Two nodes of 10 with three pods of 3 each are one of 20 for less, unless a limit leaves none of these."""
    problem = tiny.problem([tiny.pods("a", 6, (3, 3))], [tiny.offer(100, (10, 10)), tiny.offer(150, (20, 20))])
    field = fields.make(problem, np.arange(2), problem.counts > 0)
    packer = pack.Packer(field, np.array([30.0]), np.arange(2), np.random.default_rng(1), lambda: False)
    kind, counts = np.array([0, 0]), np.array([[3], [3]], dtype=np.int32)

    free = recombine.again(packer, kind, counts, time_limit=None)
    none_left = quota.Limits(np.array([[0.0, 1.0]]), np.zeros(1))

    assert free is not None
    assert free.kind.tolist() == [1]
    assert free.counts.tolist() == [[6]]
    assert recombine.again(packer, kind, counts, none_left, time_limit=None) is None
