"""Patterns under the exact model's blocks: bounds hold, and what is proved is what trying everything finds."""

from __future__ import annotations

import pytest

from solver import build, evaluate
from solver import problem as problems
from solver.search import selection, whole
from tests.solver import brute, random_problems
from tests.solver.build import random_clusters
from tests.solver.rules import world

CLOCK = selection.Clock(left=lambda: 60.0, spend=lambda _: None, seed=0, stop=lambda: False)
MOST = 30_000
"""Ways to put each pod on a node or an offer, beyond which trying everything takes too long."""


def judged(name: str, of: problems.Problem) -> bool:
    """Whether the optimum was found and proved; whatever is said must hold in any case."""
    nothing = problems.Solution()
    known = evaluate.value(of, nothing)
    answer = whole.solve(of, known, CLOCK)
    _, best = brute.best(of)
    numbers = (*best.unplaced, best.preferences, best.rank)
    if answer.numbers is not None:
        assert answer.numbers <= numbers, name
    if answer.numbers == numbers and answer.cost is not None:
        assert answer.cost <= best.cost, name
    if answer.solution is None or evaluate.violations(of, answer.solution):
        return False
    value = evaluate.value(of, answer.solution)
    assert value >= best, name
    return answer.numbers == numbers and answer.cost == best.cost and value == best


@pytest.mark.parametrize("first", range(0, 600, 200))
def test_blocks(first: int):
    """Random blocks, up to four pods: most optima are proved, and no bound is above one."""
    asked = [(f"seed {s}", random_problems.provisioning(s)) for s in range(first, first + 200)]
    proved = [judged(name, of) for name, of in asked if of.classes and whole.applies(of)]

    assert sum(proved) > len(proved) / 2


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_clusters(first: int):
    """The same for clusters over all rules together."""
    proved = []
    for seed in range(first, first + 100):
        of, asked = random_clusters.draw_tiny(seed)
        found = build.build_problem(of, world.shelf(), asked).problem
        ways = (len(found.offers) + len(found.nodes)) ** int(found.counts.sum())
        if found.classes and whole.applies(found) and ways <= MOST:
            proved.append(judged(f"cluster {seed}", found))

    assert sum(proved) > len(proved) / 3
