"""The planner against trying everything: as cheap as the best set of removals and places, evictions priced in."""

from __future__ import annotations

import time

import pytest

from solver import planner
from tests.solver import builders as b
from tests.solver.disruption import everything

CHARGES = 80
"""Micro-euro per hour: what new OVH pools may count, which the planner minimises with the rest; an eviction costs 500."""


@pytest.mark.parametrize("first", range(0, 600, 30))
def test_no_other_plan_is_cheaper(first: int):
    """Thirty tiny clusters with budgets of NodePools and of pods."""
    saving = 0
    for seed in range(first, first + 30):
        question = everything.draw(seed)
        best = everything.cheapest(question)
        done = planner.plan(question.of, b.SHELF, everything.asked_of(question), planner.Run(clock=time.monotonic))

        assert done.verification.ok, seed
        assert not done.notes, seed
        assert best <= everything.worth(done) <= best + CHARGES, seed
        saving += best < 0
    assert saving > 5
