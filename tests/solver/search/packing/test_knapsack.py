"""The pricing problem: tables, bounds and exact answers against all contents of a node."""

import numpy as np
import pytest

from solver.search import field as fields
from solver.search.column_generation import pricing
from solver.search.packing import knapsack
from tests.solver import tiny
from tests.solver.search import drawn

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("groups", [[], [[0]], [[0, 1]], [[0, 1], [1]]])
def test_worths_of_nodes_are_bounded_by_brute_force(seed, groups):
    """
    No content is worth more than the quick and the exact bound say, and the exact one is reached; contents from the
    table keep pods apart that must be.
    """
    problem = drawn.apart(drawn.large_pods(seed), *groups)
    field = drawn.field_of(problem)
    most = fields.capacity(field)
    random = np.random.default_rng(seed)
    worth = random.random(len(problem.counts)) * 5
    quick = knapsack.fractional_worth(field, most, worth, problem.counts)
    table = knapsack.Table(field, problem.counts, np.arange(len(field.cost)))
    table.fill(worth, problem.counts, random)
    kinds, found = table.trace(problem.counts, random, 4)

    for kind in range(len(field.cost)):
        best = max(float(np.array(row) @ worth) for row in drawn.all_contents(field, kind, problem.counts))
        least = best * 0.8
        exact = pricing.exact(field, kind, most, worth, problem.counts, least=least, seed=0)
        none = pricing.exact(field, kind, most, worth, problem.counts, least=best * 1.01, seed=0)

        assert quick[kind] >= best - 1e-9
        assert exact.worth >= best - 1e-9
        assert exact.worth == pytest.approx(best, rel=1e-4)
        assert (exact.rows @ worth).max() == pytest.approx(best)
        assert none.worth == pytest.approx(best * 1.01)
        assert not len(none.rows)
        here = found[kinds == kind]
        assert (here @ field.requests[table.classes] <= field.room[kind]).all()
        assert (here <= problem.counts[table.classes]).all()
        assert (here @ field.host.owner[table.classes] <= 1).all()
        assert (here @ worth[table.classes]).max() <= best + 1e-9


def test_a_table_that_no_pod_is_worth_anything_to_holds_nothing():
    """Pods that are left may go to nodes of other tables only."""
    problem = drawn.large_pods(0)
    field = drawn.field_of(problem)
    random = np.random.default_rng(0)
    table = knapsack.Table(field, problem.counts, np.arange(len(field.cost)))
    table.fill(np.zeros(len(problem.counts)), problem.counts, random)

    kinds, found = table.trace(problem.counts, random, 4)

    assert len(found) == len(kinds) > 0
    assert not found.size


def test_nodes_much_smaller_than_the_largest_are_looked_at_on_a_grid_of_their_own():
    """In a table with nodes a hundred times as large a small node is two steps wide, and its best pair of pods is not seen."""
    classes = [tiny.pods(f"c{size}", 9, (size, size)) for size in (17, 19, 23)]
    problem = tiny.problem(classes, [tiny.offer(1, (40, 40)), tiny.offer(100, (4000, 4000))])
    field = drawn.field_of(problem)
    small = int(field.room[:, 0].argmin())
    worth = field.requests[:, 0].astype(np.float64)

    tables = knapsack.tables(field, problem.counts)

    def best(table: knapsack.Table) -> float:
        table.fill(worth, problem.counts, np.random.default_rng(0))
        kinds, found = table.trace(problem.counts, np.random.default_rng(0), 4)
        return float((found[kinds == small] @ worth[table.classes]).max())

    assert sorted(kind for table in tables for kind in table.kinds.tolist()) == [0, 1]
    assert best(next(table for table in tables if small in table.kinds)) == 17 + 23
    assert best(knapsack.Table(field, problem.counts, np.arange(2))) < 17 + 23
