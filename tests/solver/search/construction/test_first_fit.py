"""First-fit-decreasing: under all rules, nothing lost, and as poor as the textbook says."""

import pytest

from solver import evaluate
from solver.search.construction import first_fit
from tests.solver import random_problems, tiny


@pytest.mark.parametrize("seed", range(200))
def test_it_breaks_no_rule(seed):
    """Whatever blocks there are: what it places is allowed, and never more pods than there are."""
    problem = random_problems.provisioning(seed, pods=10)

    assert not evaluate.violations(problem, first_fit.solve(problem))


def test_large_pods_go_first_whatever_comes_after():
    """6 + 6 share a node of 14 and leave four of 4 to two more, where 6 + 4 + 4 twice would do."""
    problem = tiny.problem([tiny.pods("small", 4, (4,)), tiny.pods("large", 2, (6,))], [tiny.offer(100, (14,))])

    assert sorted(first_fit.solve(problem).new) == [(0, ((0, 1),)), (0, ((0, 3),)), (0, ((1, 2),))]


def test_the_last_node_becomes_the_cheapest_that_holds_its_pods():
    """Seven pods of 3 on nodes of 9: two full ones, and one of 3 for the last pod."""
    problem = tiny.problem([tiny.pods("pods", 7, (3,))], [tiny.offer(90, (9,)), tiny.offer(40, (3,))])

    assert sorted(first_fit.solve(problem).new) == [(0, ((0, 3),)), (0, ((0, 3),)), (1, ((0, 1),))]


def test_existing_nodes_are_filled_first():
    """A node that exists costs nothing."""
    problem = tiny.problem([tiny.pods("pods", 3, (2,))], [tiny.offer(100, (8,))], [tiny.node((4,))])
    solution = first_fit.solve(problem)

    assert solution.placed == {0: ((0, 2),)}
    assert solution.new == ((0, ((0, 1),)),)


def test_it_stops_when_told():
    """Once `stop` is true, what is there is returned."""
    problem = tiny.problem([tiny.pods("pods", 3, (2,))], [tiny.offer(100, (8,))])

    assert first_fit.solve(problem, stop=lambda: True).new == ()
