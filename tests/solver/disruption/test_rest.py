"""Consolidation comes to rest: what it has made it leaves alone."""

from __future__ import annotations

import pytest

from tests.solver.disruption import worlds


@pytest.mark.parametrize("first", range(0, 200, 10))
def test_the_result_of_a_plan_is_left_alone(first: int):
    """Ten random clusters: at most two plans until nothing changes, and no pod moves in both of them."""
    for seed in range(first, first + 10):
        of = worlds.draw(seed)
        before: set[str] = set()
        for number in range(3):
            done = worlds.plan_of(of)
            moves = worlds.moved(of, done)
            if not done.delete and not done.create:
                break
            assert number < 2, f"seed {seed}: a third plan"
            assert not moves & before, f"seed {seed}: pods move twice"
            before = moves
            of = worlds.carried_out(of, done)
