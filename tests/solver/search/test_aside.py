"""Exact pricing beside the search finds what quick pricing did not."""

import dataclasses
from concurrent import futures

import numpy as np
import pytest

from solver.search import aside, cell, params, restrict
from solver.search.column_generation import columns
from solver.search.shares import share
from tests.solver.search import drawn


class Now(futures.Executor):
    """Answers at once, and counts questions."""

    def __init__(self) -> None:
        self.asked = 0

    def submit(self, fn, /, *args, **kwargs):
        self.asked += 1
        answer: futures.Future[object] = futures.Future()
        answer.set_result(fn(*args, **kwargs))
        return answer


def worked(seed: int) -> tuple[cell.Cell, columns.Columns]:
    """A cell whose first class keeps apart, with a pattern for each class and no pricing yet."""
    narrow = restrict.best_places(drawn.apart(drawn.large_pods(seed), [0]))
    settings = params.Params(clock=lambda: 0.0)
    budget = params.Budget(settings)
    sharing = share.Sharing(narrow, settings, budget)
    packer = cell.CellPacker(narrow, settings, budget, np.random.default_rng(seed))
    (of,) = packer.pack_all(sharing.cells, sharing.table, sharing.limits)
    table = columns.Columns(of.field, of.counts, np.zeros(len(of.counts)), 0.0, 0)
    table.add_singles()
    return of, table


@pytest.mark.parametrize("seed", range(12))
def test_patterns_from_aside_are_as_good_as_all_of_them(seed):
    of, table = worked(seed)
    executor = Now()
    beside = aside.Aside(executor, [(of, table)], drawn.effort(1000))
    while beside.waiting:
        beside.turn()
    every = columns.Columns(of.field, of.counts, np.zeros(len(of.counts)), 0.0, 0)
    for kind in range(len(of.field.cost)):
        rows = [row for row in drawn.all_contents(of.field, kind, of.counts) if any(row)]
        every.add(np.full(len(rows), kind), np.array(rows, dtype=np.int32).reshape(len(rows), len(of.counts)))
    found, listed = table.master(), every.master()

    assert found is not None
    assert listed is not None
    assert found.value == pytest.approx(listed.value, rel=2 * columns.CLOSE)
    assert executor.asked > 0


def test_cells_with_rules_that_exact_pricing_leaves_out_are_not_asked_for():
    """A spread over hostnames that every node could loosen is no reason for fewer pods there."""
    of, table = worked(0)
    loose = dataclasses.replace(of.field.host, firm=np.zeros(1, dtype=bool))
    of.field = dataclasses.replace(of.field, host=loose)
    executor = Now()
    beside = aside.Aside(executor, [(of, table)], drawn.effort(1000))
    beside.turn()

    assert executor.asked == 0
