"""What does not fit onto nodes, and the rows that say so, against every way to put the pods."""

from __future__ import annotations

import itertools

import numpy as np

from solver import problem as problems
from solver.search.exact import contents, fitting
from tests.solver import tiny

Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
SEEDS = 24


def drawn(seed: int) -> tuple[contents.Cell, problems.Problem]:
    """Three classes, some apart from each other or alone on their node, and three kinds, none with patterns of its own."""
    rng = np.random.default_rng(seed)
    pods = [
        tiny.pods(f"c{c}", int(rng.integers(1, 4)), (int(rng.integers(2, 8)), int(rng.integers(1, 8))))
        for c in range(3)
    ]
    offers = [tiny.offer(10 + k, (int(rng.integers(6, 14)), int(rng.integers(6, 14)))) for k in range(3)]
    of = tiny.problem(pods, offers)
    every = contents.ranges(of, [])[0]
    cell = contents.cell(of, np.arange(3), [], every, 0, soft=True, met=True, known={}, dominated=True)
    return cell, of


def fits(cell: contents.Cell, pods: Ints, nodes: Ints) -> bool:
    """Whether some full pattern for each node together holds the pods."""
    tables = []
    for kind in np.repeat(np.arange(len(nodes)), nodes):
        table = cell.patterns(int(kind))
        assert table is not None
        tables.append(table)
    ways = itertools.product(*tables)
    return any((np.sum(way, axis=0) >= pods).all() for way in ways) if tables else not pods.any()


def asked(cell: contents.Cell, of: problems.Problem) -> list[tuple[Ints, Ints, bool]]:
    """All pods on all sets of up to two nodes, and whether they fit."""
    counts = cell.shapes.sums(of.counts)
    pods = [np.array(row) for row in itertools.product(*(range(int(n) + 1) for n in counts))]
    kinds = len(cell.shapes.field.cost)
    nodes = [np.array(row) for row in itertools.product(range(3), repeat=kinds) if sum(row) <= 2]
    return [(p, n, fits(cell, p, n)) for p in pods for n in nodes]


def test_packed():
    """Pods are packed where and only where they fit."""
    answers = set()
    for seed in range(SEEDS // 3):
        cell, of = drawn(seed)
        for pods, nodes, possible in asked(cell, of)[:: 1 + seed % 3]:
            kind = np.repeat(np.arange(len(nodes)), nodes)
            found = fitting.packed(cell, kind, pods, np.zeros(0, dtype=np.int64))
            assert found is not None
            assert (found.sum(axis=0) == pods).all() and len(found) == len(kind) if possible else not len(found)
            answers.add(possible)

    assert answers == {True, False}


def test_worths():
    """Worths that rule pods out on some nodes rule out nothing that fits, whatever the numbers of both."""
    ruled_out = impossible = 0
    for seed in range(SEEDS):
        cell, of = drawn(seed)
        every = asked(cell, of)
        for pods, nodes, possible in every:
            worth = fitting.separated(cell, nodes, pods)
            impossible += not possible
            if worth is None:
                continue
            ruled_out += 1
            most = fitting.most(cell, worth)
            assert worth @ pods > most @ nodes
            assert all(worth @ p <= most @ n for p, n, fits_too in every if fits_too)

    assert ruled_out > impossible / 2


def test_worths_without_patterns():
    """Where patterns were too many to be listed, what a node can hold is bounded from above."""
    for seed in range(SEEDS):
        cell, _ = drawn(seed)
        unlisted = contents.Cell(
            cell.shapes, cell.company, cell.kind, cell.rows, cell.large, (None,) * len(cell.large), cell.holds
        )
        worth = np.random.default_rng(seed).integers(0, 5, len(cell.holds))

        assert (fitting.most(unlisted, worth) >= fitting.most(cell, worth)).all()
        assert fitting.separated(unlisted, np.ones(len(cell.large), dtype=np.int64), worth) is None


def test_chains():
    """Each kind stands in for those before it: what fits on fewer of the larger ones fits on more of them."""
    longest = 0
    for seed in range(SEEDS // 3):
        cell, of = drawn(seed)
        chains = fitting.chains(cell)
        assert sorted(itertools.chain.from_iterable(chains)) == list(range(len(cell.shapes.field.cost)))
        longest = max(longest, *map(len, chains))

        def covers(more: Ints, less: Ints, chains: list[list[int]] = chains) -> bool:
            return all(more[c[i:]].sum() >= less[c[i:]].sum() for c in chains for i in range(len(c)))

        possible = {(tuple(pods), tuple(nodes)): fit for pods, nodes, fit in asked(cell, of)}
        every, sets = ({key[side] for key in possible} for side in (0, 1))
        for less, more in itertools.product(sets, sets):
            if covers(np.array(more), np.array(less)):
                assert all(possible[pods, more] for pods in every if possible[pods, less])

    assert longest > 1
