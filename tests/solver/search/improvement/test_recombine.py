"""Recombination: a mix of nodes holds the pods of those that were taken apart, and costs less."""

from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search.improvement import recombine
from tests.solver.search import drawn

COMMON = settings(max_examples=25, deadline=None)


@COMMON
@given(st.integers(0, 10_000), st.booleans())
def test_recombination_loses_no_pod_and_costs_less(seed, apart):
    """The mix holds exactly the pods of the nodes that were taken apart."""
    problem = drawn.few_dozen_pods(seed, apart=apart)
    field, packer, packing = drawn.packed(problem, seed)
    nodes = recombine.choose(packer, packing, 6)
    old_kind, old = packing.kind[nodes], packing.counts[nodes]

    mix = recombine.recombine(packer, old_kind, old, seconds=lambda: None, copies=6)

    if mix is not None:
        assert (mix.counts.sum(axis=0) == old.sum(axis=0)).all()
        assert (mix.counts @ field.requests <= field.room[mix.kind]).all()
        assert mix.cost(field) < field.cost[old_kind].sum()
        after = packing.exchanged(nodes, mix)
        drawn.assert_valid(problem, field, after.kind, after.counts, after.left)
        if apart:
            assert mix.counts[:, 0].max() <= 1
