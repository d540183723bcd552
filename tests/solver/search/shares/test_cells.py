"""Whole numbers near shares."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search.shares import cells

COMMON = settings(max_examples=25, deadline=None)


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
