"""Fills: what is put onto a node fits it and keeps its rules."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search.packing import fill
from tests.solver.search import drawn

COMMON = settings(max_examples=25, deadline=None)


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_fills_respect_room_supply_and_rules_of_the_host(seed, apart):
    """A fill and its polishing stay within room, within what is available, and keep pods apart that want it."""
    problem = drawn.few_dozen_pods(seed, apart=apart)
    field = drawn.field_of(problem)
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
