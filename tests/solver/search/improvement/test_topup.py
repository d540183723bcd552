"""Topping up: nodes get fuller, pods are neither lost nor made."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search.improvement import topup
from solver.search.packing import pack
from tests.solver import tiny
from tests.solver.search import drawn

COMMON = settings(max_examples=25, deadline=None)


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_topping_up_fills_nodes_and_loses_no_pod(seed, apart):
    """No node is worth less than before, all hold their pods, and pods that keep apart stay where they are."""
    problem = drawn.few_dozen_pods(seed, apart=apart)
    field, packer, packing = drawn.packed(problem, seed)
    stay = np.arange(len(packing.kind)) % 2 == 0
    kind, before = packing.kind[stay], packing.counts[stay]

    counts, pool = topup.top_up(packer, kind, before, packing.counts[~stay].sum(axis=0).astype(np.int64), lambda: False)

    drawn.assert_valid(problem, field, kind, counts, pool)
    assert (counts @ packer.value >= before @ packer.value - 1e-6).all()
    if apart:
        assert (counts[:, 0] == before[:, 0]).all()


def test_topping_up_exchanges_two_pods_for_one():
    """A node of 10 with pods of 3, 3 and 2 gives a 3 and the 2 for a 7 of the pool: no single exchange fills it."""
    classes = [tiny.pods("three", 2, (3, 3)), tiny.pods("two", 1, (2, 2)), tiny.pods("seven", 1, (7, 7))]
    problem = tiny.problem(classes, [tiny.offer(100, (10, 10))])
    field = drawn.field_of(problem)
    packer = pack.Packer(field, np.array([30.0, 20.0, 70.0]), np.arange(1), np.random.default_rng(1), lambda: False)

    counts, pool = topup.top_up(
        packer, np.array([0]), np.array([[2, 1, 0]], dtype=np.int32), np.array([0, 0, 1]), lambda: False
    )

    assert counts.tolist() == [[1, 0, 1]]
    assert pool.tolist() == [1, 1, 0]
