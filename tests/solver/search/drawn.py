"""Small random problems for methods of the search, their fields, packings and optima."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from solver import problem as problems
from solver.model import solve as direct
from solver.search import field as fields
from solver.search import quota
from solver.search.column_generation import columns
from solver.search.packing import pack
from solver.search.relaxation import compact, merge
from tests.solver import tiny

ENDLESS = columns.Effort(lambda: False, lambda _: None, seed=0, workers=1)
"""Pricing that nobody stops."""


def field_of(problem: problems.Problem) -> fields.Field:
    """All offers and classes."""
    return fields.make(problem, np.arange(len(problem.offers)), problem.counts > 0)


def large_pods(seed: int) -> problems.Problem:
    """A few classes, some pods half as large as a node, and no rules."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 5)), (int(random.integers(1, 7)), int(random.integers(1, 7))))
        for i in range(int(random.integers(2, 5)))
    ]
    offers = [
        tiny.offer(int(10 * size + random.integers(0, 5)), (size, int(random.integers(6, 13)))) for size in (6, 8, 12)
    ]
    return tiny.problem(classes, offers)


def optimum(problem: problems.Problem) -> problems.Value:
    """The value of the proved best solution."""
    answer = direct.solve_direct(problem, time_limit=20, deterministic=True)
    assert answer.optimal
    assert answer.value is not None
    return answer.value


def capped(seed: int) -> problems.Problem:
    """A random field whose cheapest plan takes more of the offers that a limit is on than the limit allows."""
    problem = large_pods(seed)
    free = direct.solve_direct(problem, time_limit=20, deterministic=True)
    assert free.solution is not None
    amount = np.zeros(len(problem.offers), dtype=np.int64)
    liked = free.solution.new[0][0]
    amount[liked] = problem.offer_room[liked, 0]
    used = sum(int(amount[offer]) for offer, _ in free.solution.new)
    caps = (problems.Cap("cap", "general", "cpu", amount, used - 1), *room_to_spare(problem))
    return dataclasses.replace(problem, caps=caps)


def room_to_spare(problem: problems.Problem) -> tuple[problems.Cap]:
    """A limit on all offers that no sensible plan reaches."""
    return (problems.Cap("wide", "", "memory", problem.offer_room[:, 1], 12 * int(problem.counts.sum())),)


def generator(problem: problems.Problem) -> columns.Columns:
    """Columns that start from the relaxation, with a pattern for each class."""
    field = field_of(problem)
    limits = quota.limits_of(problem, field)
    volumes = compact.solve(field, problem.counts.astype(np.float64), limits=limits)
    assert volumes is not None
    table = columns.Columns(field, problem.counts, volumes.value, volumes.bound, problem.node_charge, limits)
    table.add_singles()
    return table


def effort(rounds: int) -> columns.Effort:
    """Stops when it has been asked so often."""
    asked = iter(range(rounds))
    return columns.Effort(lambda: next(asked, None) is None, lambda _: None, seed=0, workers=1)


def all_contents(field: fields.Field, kind: int, counts: problems.Ints) -> Iterator[tuple[int, ...]]:
    """Everything that a node of a kind may hold; of the classes of a host rule one pod at most."""
    for row in itertools.product(*(range(int(n) + 1) for n in counts)):
        if (np.array(row) @ field.requests <= field.room[kind]).all() and (np.array(row) @ field.host.owner <= 1).all():
            yield row


def apart(problem: problems.Problem, *groups: list[int]) -> problems.Problem:
    """The problem with anti-affinity over hostnames among the classes of each group."""
    none = np.zeros(0, dtype=np.int64)
    masks = [np.isin(np.arange(len(problem.classes)), group) for group in groups]
    rules = [problems.Exclusion("apart", problems.HOST, m, none, problems.Group(m, none)) for m in masks]
    return dataclasses.replace(problem, exclusions=tuple(rules))


def few_dozen_pods(seed: int, *, apart: bool = False) -> problems.Problem:
    """A few dozen pods; with `apart` the first class keeps its pods on different nodes."""
    random = np.random.default_rng(seed)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, 20)), (int(random.integers(1, 9)), int(random.integers(1, 9))))
        for i in range(int(random.integers(2, 7)))
    ]
    offers = [tiny.offer(100, (10, 10)), tiny.offer(180, (20, 20)), tiny.offer(150, (20, 10))]
    problem = tiny.problem(classes, offers)
    if apart:
        size = len(classes)
        rule = problems.Exclusion(
            "apart", problems.HOST, tiny.mask(size, 0), np.zeros(0, dtype=np.int64), tiny.group(size, 0)
        )
        problem.exclusions = (rule,)
    return problem


def packed(problem: problems.Problem, seed: int) -> tuple[fields.Field, pack.Packer, pack.Packing]:
    """The problem's field, packed once."""
    field = field_of(problem)
    merged = merge.merge(field, problem.counts.astype(np.float64), up=True)
    volumes = compact.solve(merged.field, merged.counts, strong=False)
    assert volumes is not None
    packer = pack.Packer(
        field,
        compact.worths(field, volumes.prices),
        np.arange(len(field.cost)),
        np.random.default_rng(seed),
        lambda: False,
    )
    return field, packer, packer.construct(problem.counts, volumes, merged)


def assert_valid(problem: problems.Problem, field: fields.Field, kind, counts, left=0) -> None:
    """Every node holds its pods, and all pods are there once."""
    assert (counts @ field.requests <= field.room[kind]).all()
    assert (counts.sum(axis=0) + left == problem.counts).all()
    if problem.exclusions:
        assert counts[:, 0].max(initial=0) <= 1
