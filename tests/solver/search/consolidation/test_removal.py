"""The relaxation over nodes that may go, on problems that are solved by hand."""

from solver import problem as problems
from solver.search.consolidation import removal
from tests.solver import tiny

PLENTY = tiny.node((100,))
"""A node of nobody with room for everything."""


def three_nodes(most: int | None) -> problems.Problem:
    """Three pods at 60, two at 40, two at 45; at most so many pods may move."""
    own = {0: 3, 1: 2, 2: 2}
    nodes = [tiny.node((0,), price=price, removable=True) for price in (60, 40, 45)]
    return tiny.problem([tiny.pods("a", 0, 1, residents=own)], [], [*nodes, PLENTY], max_evictions=most)


def test_whole_nodes_under_a_limit_of_evictions():
    """Four evictions: fractions take 45 and two thirds of 60, 85; whole nodes are best at 40 and 45, which is as much."""
    found = removal.whole(three_nodes(4), time_limit=10.0, nodes=None, seed=0)

    assert found == frozenset({1, 2})


def test_whole_nodes_where_fractions_save_more():
    """Three evictions: fractions save 45 and a third of 60, 65; whole nodes are best at 60."""
    problem = three_nodes(3)
    relaxed = removal.relax(problem, costs=True)

    assert relaxed is not None
    assert round(relaxed[0].bound) == -65
    assert removal.whole(problem, time_limit=10.0, nodes=None, seed=0) == frozenset({0})
    assert removal.whole(problem, time_limit=0.0, nodes=100, seed=0) == frozenset({0})


def test_all_nodes_go_where_nothing_binds():
    """Without limits nobody stays."""
    assert removal.whole(three_nodes(None), time_limit=10.0, nodes=None, seed=0) == frozenset({0, 1, 2})


def test_a_pod_is_not_spread_over_the_room_of_two_nodes():
    """A pod of 6 and rooms of 4 and 4: it needs the new node, which costs what the old one saves."""
    own = tiny.pods("large", 0, 6, residents={0: 1})
    nodes = [tiny.node((0,), price=100, removable=True), tiny.node((4,)), tiny.node((4,))]
    problem = tiny.problem([own], [tiny.offer(100, 6)], nodes, node_charge=0)
    relaxed = removal.relax(problem, costs=True)

    assert relaxed is not None
    assert round(relaxed[0].bound) == 0


def test_as_many_large_pods_as_fit_beside_each_other():
    """
    Three pods of 4 and rooms of 7 and 7, which hold one each: a third of the old node's pods needs the new one.

    So two thirds of the node go without a new one; all of it would save 10.
    """
    own = tiny.pods("large", 0, 4, residents={0: 3})
    nodes = [tiny.node((0,), price=100, removable=True), tiny.node((7,)), tiny.node((7,))]
    problem = tiny.problem([own], [tiny.offer(90, 4)], nodes, node_charge=0)
    relaxed = removal.relax(problem, costs=True)

    assert relaxed is not None
    assert round(relaxed[0].bound) == -67
