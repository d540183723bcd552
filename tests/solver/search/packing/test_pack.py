"""Packing: every pod is on a node that holds it, or left over, and limits are kept."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search import quota
from solver.search.improvement import recombine
from solver.search.relaxation import compact, merge
from tests.solver.search import drawn

COMMON = settings(max_examples=25, deadline=None)


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_construction_places_each_pod_once(seed, apart):
    """And overfills no node."""
    problem = drawn.few_dozen_pods(seed, apart=apart)
    field, _, packing = drawn.packed(problem, seed)

    drawn.assert_valid(problem, field, packing.kind, packing.counts, packing.left)


@COMMON
@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(0, 2))
def test_construction_and_recombination_keep_limits(seed, most, limited_kind):
    """Of the kind that is limited no more nodes are taken than it may have; the rest goes to others or is left over."""
    problem = drawn.few_dozen_pods(seed)
    field, packer, _ = drawn.packed(problem, seed)
    limits = quota.Limits(3.0 * (np.arange(3) == limited_kind)[None], np.array([3.0 * most + 1.0]))
    merged = merge.merge(field, problem.counts.astype(np.float64), up=True)
    volumes = compact.solve(merged.field, merged.counts, strong=False)
    assert volumes is not None

    limited = packer.construct(problem.counts, volumes, merged, limits)

    drawn.assert_valid(problem, field, limited.kind, limited.counts, limited.left)
    assert (limited.kind == limited_kind).sum() <= most
    assert not limited.left.any()
    mixed = recombine.recombine(packer, limited.kind, limited.counts, limits=limits, seconds=lambda: None)
    if mixed is not None:
        assert (mixed.kind == limited_kind).sum() <= most
        drawn.assert_valid(problem, field, mixed.kind, mixed.counts)


@COMMON
@given(st.integers(0, 10_000), st.integers(0, 6))
def test_a_packing_that_is_given_up_says_which_pods_it_leaves(seed, looks):
    """Once the time is over, whenever that is: what is packed by then holds, and every pod is either packed or left over."""
    problem = drawn.few_dozen_pods(seed)
    field, packer, _ = drawn.packed(problem, seed)
    merged = merge.merge(field, problem.counts.astype(np.float64), up=True)
    volumes = compact.solve(merged.field, merged.counts, strong=False)
    assert volumes is not None
    calls = itertools.count()
    packer.over = lambda: next(calls) >= looks

    packing = packer.construct(problem.counts, volumes, merged)

    drawn.assert_valid(problem, field, packing.kind, packing.counts, packing.left)
    if not looks:
        assert (packing.left == problem.counts).all()
