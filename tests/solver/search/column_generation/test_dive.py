"""Whole nodes out of a master's fractions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search import field as fields
from solver.search import quota
from solver.search.column_generation import columns, dive
from tests.solver.search import drawn

COMMON = settings(max_examples=25, deadline=None)


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_whole_parts_of_the_master_and_a_dive_lose_no_pod(seed, apart):
    """What they do not put onto nodes is left, no node is overfilled, and pods that keep apart do."""
    problem = drawn.few_dozen_pods(seed, apart=apart)
    field = drawn.field_of(problem)
    table = columns.Columns(field, problem.counts, np.ones(len(problem.counts)), 0.0, 0)
    table.add_singles()
    rng = np.random.default_rng(seed)
    master = table.generate(rng, drawn.ENDLESS)
    assert master is not None

    dived = [
        dive.dive(table, problem.counts, None, rng, lambda: False, ups=ups, first=first)
        for ups, first in ((0, master), (dive.UPS, master), (dive.UPS, None))
    ]
    for kind, counts, left in (table.whole(master, problem.counts), *((d.kind, d.counts, d.left) for d in dived)):
        assert (left >= 0).all()
        assert (counts.sum(axis=1) > 0).all()
        drawn.assert_valid(problem, field, kind, counts, left)


@COMMON
@given(st.integers(0, 10_000), st.integers(0, 4))
def test_a_dive_keeps_a_limit_and_places_what_can_be_placed(seed, big):
    """Of the kind of 20 by 20 only so many nodes are bought; the other kinds take all other pods."""
    problem = drawn.few_dozen_pods(seed)
    field = drawn.field_of(problem)
    limits = quota.Limits(np.array([[0.0, 20.0, 0.0]]), np.array([20.0 * big]))
    table = columns.Columns(field, problem.counts, np.ones(len(problem.counts)), 0.0, 0, limits)
    table.add_singles()
    small = fields.make(problem, np.array([0]), problem.counts > 0)
    table.add(np.zeros(len(problem.counts), dtype=np.int64), np.eye(len(problem.counts), dtype=np.int32))

    found = dive.dive(table, problem.counts, limits, np.random.default_rng(seed), lambda: False)

    assert (found.kind == 1).sum() <= big
    drawn.assert_valid(problem, field, found.kind, found.counts, found.left)
    assert not found.left[small.ok.any(axis=1)].any()
