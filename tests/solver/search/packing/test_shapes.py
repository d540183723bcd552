"""Shapes: what packing need not tell apart, and pods dealt out under the rules that were left aside."""

import dataclasses

import numpy as np
import pytest

from solver import problem as problems
from solver.search import field as fields
from solver.search.packing import shapes
from tests.solver import tiny


def spread(count: int, owners: list[int], members: list[int], skew: int = 1) -> problems.Spread:
    """At most `skew` members on a node that holds an owner, over all places of a problem with one offer."""
    mask = np.zeros((2, count), dtype=bool)
    mask[0, owners] = mask[1, members] = True
    none = np.zeros(0, dtype=np.int64)
    return problems.Spread(
        name="spread",
        topology=problems.HOST,
        owners=mask[0],
        group=problems.Group(mask[1], none),
        max_skew=skew,
        min_domains=None,
        node_counted=none.astype(bool),
        offer_counted=np.ones(1, dtype=bool),
        always=none.astype(bool),
    )


def reduced(problem: problems.Problem) -> shapes.Shapes:
    return shapes.reduce(fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0), problem.counts)


def test_labels_alone_make_no_shape():
    """Six sizes under a spread that looks at half of them each: six shapes, and the spread is left to the assignment."""
    classes = [tiny.pods(f"c{i}", 3, (1 + i // 2, 2)) for i in range(12)]
    problem = tiny.problem(classes, [tiny.offer(100, (10, 10))])
    problem = dataclasses.replace(problem, spreads=(spread(12, list(range(0, 12, 2)), list(range(1, 12, 2))),))

    small = reduced(problem)

    assert small.sums(problem.counts).tolist() == [6] * 6
    assert small.field.host.empty
    assert small.postponed.owner.shape == (12, 1)


def test_a_spread_over_pods_that_are_alike_is_kept_while_packing():
    """One deployment that spreads over nodes: how many fit on a node is known to packing."""
    problem = tiny.problem([tiny.pods("a", 4, (1, 1)), tiny.pods("b", 4, (2, 1))], [tiny.offer(100, (10, 10))])
    problem = dataclasses.replace(problem, spreads=(spread(2, [0], [0]),))

    small = reduced(problem)

    assert small.field.host.owner.any()
    assert small.postponed.empty


@pytest.mark.parametrize("seed", range(20))
def test_dealt_pods_keep_the_rules_that_were_left_aside(seed):
    """All slots are filled with pods of their shape but those of owners that no exchange could save."""
    random = np.random.default_rng(seed)
    classes = [tiny.pods(f"c{i}", int(random.integers(1, 9)), (1 + i % 3, 1)) for i in range(18)]
    problem = tiny.problem(classes, [tiny.offer(100, (12, 12))])
    rules = [
        spread(
            18,
            np.flatnonzero(random.random(18) < 0.3).tolist(),
            np.flatnonzero(random.random(18) < 0.3).tolist(),
            skew=int(random.integers(1, 3)),
        )
        for _ in range(4)
    ]
    problem = dataclasses.replace(problem, spreads=tuple(rules))
    small = reduced(problem)
    counts = small.sums(problem.counts)
    nodes = 12
    rows = np.stack([random.multinomial(number, np.ones(nodes) / nodes) for number in counts], axis=1).astype(np.int32)

    table = small.assign(problem.counts, rows, random)

    assert (table.sum(axis=0) <= problem.counts).all()
    assert (np.stack([small.sums(row) for row in table]) <= rows).all()
    assert table.sum() > 0
    for rule in range(small.postponed.owner.shape[1]):
        owned = (table @ small.postponed.owner[:, rule]) > 0
        members = table @ small.postponed.member[:, rule]
        assert (members[owned] <= small.postponed.member_cap[rule] + 1).all()


def test_nothing_is_left_out_where_an_exchange_helps():
    """Two nodes of two pods each: an owner and members of one label must be parted."""
    classes = [tiny.pods("owner", 1, (1, 1)), tiny.pods("member", 2, (1, 1)), tiny.pods("other", 3, (1, 1))]
    problem = tiny.problem(classes, [tiny.offer(100, (3, 3))])
    small = shapes.Shapes(
        field=reduced(problem).field,
        index=np.zeros(3, dtype=np.int64),
        postponed=fields.host_rules(dataclasses.replace(problem, spreads=(spread(3, [0], [1]),))),
    )

    for seed in range(10):
        table = small.assign(problem.counts, np.array([[3], [3]], dtype=np.int32), np.random.default_rng(seed))

        assert table.sum() == 6
        assert (table[table[:, 0] > 0, 1] <= 1).all()
