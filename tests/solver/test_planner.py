"""The whole path on random clusters over all rules: what the planner plans, the independent checker accepts."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from solver import planner
from solver.search import engine
from tests.solver.build import random_clusters
from tests.solver.rules import world

RUN = planner.Run(clock=time.monotonic)


def outcomes(seeds: range, draw: Callable[[int], Any] = random_clusters.draw) -> Counter[str]:
    """Plan each random cluster; a rejected plan raises."""
    found: Counter[str] = Counter()
    for seed in seeds:
        of, asked = draw(seed)
        plan = planner.plan(of, world.shelf(), dataclasses.replace(asked, mode="provision", time_limit=10.0), RUN)
        assert plan.verification.ok, f"seed {seed}"
        assert not any("rejected by the checker" in note for note in plan.notes), f"seed {seed}: {plan.notes}"
        found[plan.status] += 1
        found["placed"] += len(plan.placements)
        found["in turns"] += bool(plan.steps)
        found["left out"] += len(plan.unschedulable)
    return found


@pytest.mark.parametrize("first", range(0, 1000, 50))
def test_checker_accepts_every_plan(first: int):
    """Fifty random clusters: no plan is rejected, and some pods are placed."""
    found = outcomes(range(first, first + 50))

    assert found["placed"] > 0
    assert found["left out"] > 0


@pytest.mark.parametrize("first", range(0, 150, 50))
def test_checker_accepts_plans_for_workloads_that_count_each_other(first: int):
    """Fifty clusters where most pods look alike to the spreads of some: some plans go in turns."""
    assert outcomes(range(first, first + 50), random_clusters.draw_alike)["in turns"] > 0


def test_a_search_that_breaks(monkeypatch: pytest.MonkeyPatch):
    """Who asks to be told gets the plain plan, checked as any other, and a note; for everybody else the error goes on."""
    of, asked = random_clusters.draw(3)
    asked = dataclasses.replace(asked, mode="provision")

    def fail(*_: Any) -> None:
        raise IndexError("index -1 is out of bounds")

    monkeypatch.setattr(engine, "search", fail)
    told: list[Exception] = []
    plan = planner.plan(of, world.shelf(), asked, dataclasses.replace(RUN, broken=told.append))

    assert (plan.verification.ok, plan.status, len(told)) == (True, "heuristic", 1)
    assert plan.placements
    assert plan.notes[-1].endswith("this is the plain plan (IndexError: index -1 is out of bounds)")
    with pytest.raises(IndexError):
        planner.plan(of, world.shelf(), asked, RUN)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_checker_accepts_ten_thousand_plans():
    """The same for ten thousand, in the nightly run."""
    assert outcomes(range(1000, 11_000))["placed"] > 0
