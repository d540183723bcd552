"""
The exact model, and the search around it, find what trying everything finds.

Problems are drawn twice: block by block, so that every combination of building blocks comes up, and as clusters over
all scheduling rules together, compiled as any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest

from solver import build, evaluate, problem
from solver.model import solve
from solver.search import engine, params
from tests.solver import brute, random_problems
from tests.solver.build import random_clusters
from tests.solver.rules import world


def agree(problems: Iterable[tuple[str, problem.Problem]]) -> int:
    """How many of these problems have pods, all solved as well as can be."""
    found = 0
    for name, of in problems:
        if of.classes:
            answer = solve.solve_direct(of, time_limit=60, deterministic=True)

            assert answer.optimal, name
            assert answer.solution is not None, name
            assert evaluate.violations(of, answer.solution) == [], name
            assert answer.value == evaluate.value(of, answer.solution) == brute.best(of)[1], name
            found += 1
    return found


MOST = 30_000
"""Ways to put each pod on a node or an offer, beyond which trying everything takes too long."""


def clusters(seeds: range) -> Iterable[tuple[str, problem.Problem]]:
    """Random clusters that are tiny: pods of nodes in deletion may come on top of those that wait."""
    for seed in seeds:
        of, asked = random_clusters.draw_tiny(seed)
        found = build.build_problem(of, world.shelf(), asked).problem
        if (len(found.offers) + len(found.nodes)) ** int(found.counts.sum()) <= MOST:
            yield f"cluster {seed}", found


@pytest.mark.parametrize("first", range(0, 2_000, 250))
def test_blocks(first: int):
    """Random blocks, up to four pods."""
    assert agree((f"seed {seed}", random_problems.provisioning(seed)) for seed in range(first, first + 250)) == 250


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_clusters(first: int):
    """Random clusters over all rules together, up to four pods."""
    assert agree(clusters(range(first, first + 100))) > 90


def search(of: problem.Problem) -> params.Found:
    """The whole search, in rounds instead of seconds."""
    return engine.search(of, params.Params(clock=lambda: 0.0, time_limit=60, seed=1, deterministic=True))


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_the_search_finds_it_and_says_so(first: int):
    """Fills, patterns and the exact model together: what the search proves optimal costs what trying everything finds."""
    for seed in range(first, first + 100):
        of = random_problems.provisioning(seed)
        if of.classes:
            found = search(of)

            assert found.optimal, seed
            assert evaluate.violations(of, found.solution) == [], seed
            assert found.value == evaluate.value(of, found.solution) == brute.best(of)[1], seed


def test_nodes_that_cost_nothing():
    """Every other offer is free and nodes have no charge: a catalogue may say so of what is paid for already."""
    for seed in range(100):
        drawn = random_problems.provisioning(seed)
        offers = tuple(dataclasses.replace(o, price=o.price * (n % 2)) for n, o in enumerate(drawn.offers))
        of = dataclasses.replace(drawn, offers=offers, node_charge=0)
        if of.classes:
            found = search(of)

            assert found.optimal, seed
            assert found.value == evaluate.value(of, found.solution) == brute.best(of)[1], seed


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_clusters():
    """The same for two thousand."""
    assert agree(clusters(range(10_000, 12_000))) > 1_900
