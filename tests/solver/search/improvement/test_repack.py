"""A few nodes decided pod by pod."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search import quota
from solver.search.improvement import repack
from solver.search.packing import pack
from tests.solver import tiny
from tests.solver.search import drawn

COMMON = settings(max_examples=25, deadline=None)


@COMMON
@given(st.integers(0, 10_000))
def test_few_nodes_decided_pod_by_pod_cost_less_and_hold_the_same(seed):
    """Or nothing is answered."""
    problem = drawn.few_dozen_pods(seed)
    field, packer, packing = drawn.packed(problem, seed)
    some = slice(0, 3)

    found = repack.repack(packer, packing.kind[some], packing.counts[some], time_limit=None)

    if found is not None:
        stay = slice(3, None)
        assert found.cost(field) < field.cost[packing.kind[some]].sum()
        drawn.assert_valid(
            problem,
            field,
            np.concatenate([packing.kind[stay], found.kind]),
            np.concatenate([packing.counts[stay], found.counts]),
            packing.left,
        )


def test_two_nodes_decided_pod_by_pod_become_one_within_a_limit():
    """Two nodes of 10 with three pods of 3 each are one of 20 for less, unless a limit leaves none of these."""
    problem = tiny.problem([tiny.pods("a", 6, (3, 3))], [tiny.offer(100, (10, 10)), tiny.offer(150, (20, 20))])
    field = drawn.field_of(problem)
    packer = pack.Packer(field, np.array([30.0]), np.arange(2), np.random.default_rng(1), lambda: False)
    kind, counts = np.array([0, 0]), np.array([[3], [3]], dtype=np.int32)

    free = repack.repack(packer, kind, counts, time_limit=None)
    none_left = quota.Limits(np.array([[0.0, 1.0]]), np.zeros(1))

    assert free is not None
    assert free.kind.tolist() == [1]
    assert free.counts.tolist() == [[6]]
    assert repack.repack(packer, kind, counts, none_left, time_limit=None) is None
