"""
Small problems as a whole, whatever rules they carry: patterns in place of nodes, under the exact model's own blocks.

Places that no rule across nodes, preference or weight tells apart are one *cell*. What a new node can hold at most, with the
rules that look at one node (amounts, anti-affinity over hostnames, host ports, spread over hostnames), is a *full pattern*;
small problems have a few hundred. A model decides how many pods of each class each cell gets, under all blocks over domains,
and how often each pattern is bought there: pods of a cell are at most what its patterns hold. Taking a pod from a node never
breaks a rule that looks at one node, so full patterns are enough, and who is where on them is decided last.

A spread over hostnames allows its skew on top of what the emptiest node holds, which is at most the number of pods that it
counts divided by the number of nodes. So the model is solved case by case of what the emptiest node holds, each with its own
patterns.

Rules that look at one node in another way (affinity over hostnames, shared volumes, minimum values) are left out: the answer
is then a bound, and whether the solution holds is for the caller to see.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from solver import evaluate
from solver import problem as problems
from solver.model import blocks, objective, sizing, stopping, variables
from solver.model.blocks import exclusion as exclusions
from solver.search import exhaust, knapsack, shapes
from solver.search import field as fields

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

FEW = (60, 600)
"""Most patterns of one kind of node that the model chooses from, first and then; other kinds are taken as sums of room."""
PACK_SECONDS = 0.2
"""Deterministic seconds for putting pods of one cell onto the nodes that the model bought there."""
RANGES = 60
"""Most cases of what the emptiest node holds; beyond, one for all of each number of nodes."""
GLANCE = 0.08
"""Share of the work left for the problem without spreads over hostnames, before these are looked at case by case."""
NEVER = 1 << 60
"""The cost of what cannot be had."""
ALL_SPLIT = 1 << 30
"""Rules over hostnames always make shapes of their own here."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """
    `solution` is the best one found (None: none). `numbers` bounds all numbers of `Value` before the cost, `cost` the cost of
    solutions that reach these, micro-euro per hour, charges included; None: not known.
    """

    solution: problems.Solution | None
    numbers: tuple[int, ...] | None
    cost: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """How much work is left, in the solver's deterministic seconds; `spend` is told of work done, `stop` is asked often."""

    left: Callable[[], float]
    spend: Callable[[float], None]
    seed: int
    stop: Callable[[], bool]


def applies(problem: problems.Problem) -> bool:
    """Whether there is nothing to remove, and preferences have no price."""
    removal = problem.removal_caps or any(node.removable for node in problem.nodes)
    return not removal and problem.preference_price is None


@dataclasses.dataclass(frozen=True, slots=True)
class _Cell:
    """
    Offers of one cell as shapes and kinds, and its full patterns: kinds (P,), pods by shape (P, S). `large` are the kinds
    with too many patterns; `holds` (S, K) is how many pods of a shape a node holds alone.
    """

    shapes: shapes.Shapes
    company: exhaust.Company
    kind: Ints
    rows: Ints
    large: tuple[int, ...]
    holds: Ints


@dataclasses.dataclass(frozen=True, slots=True)
class _Range:
    """Numbers of new nodes, and of each host-level spread (S,) what is allowed on top of its skew and needed then."""

    least: int
    most: int
    extra: Ints
    needed: Ints


def solve(problem: problems.Problem, known: problems.Value, clock: Clock) -> Answer:
    """The best solution of a problem for which `applies` says yes, with bounds."""
    return _Whole(problem, known, clock).run()


class _Whole:
    """One run."""

    def __init__(self, problem: problems.Problem, known: problems.Value, clock: Clock) -> None:
        self.problem, self.known, self.clock = problem, known, clock
        self.groups = _groups(problem)
        roomy = sizing.roomy(problem, self.groups)
        self.ceiling: int | None = None
        self.best: problems.Solution | None = None
        self.met = False
        self.floor = 0
        self.roomy = dataclasses.replace(roomy, pools=dataclasses.replace(roomy.pools, charge=0))

    def run(self) -> Answer:
        """
        First the numbers before the cost, where they are not known to be least, then the cost: without spreads over hostnames,
        then case by case.
        """
        numbers = tuple(objective.numbers(self.known)[:-1])
        least = tuple(objective.least(self.problem))
        if numbers != least:
            first = self._first()
            if first is None:
                return Answer(None, None, None)
            least = first
        self.met = least[-2] <= objective.least(self.problem)[-2]
        self.ceiling = self.known.cost if numbers == least else None
        spreads = [s for s in self.problem.spreads if s.topology == problems.HOST and s.owners.any()]
        if spreads:
            total = np.array([_pods_of(self.problem, s.group) for s in spreads], dtype=np.int64)
            every = _Range(0, int(self.problem.counts.sum()), total, np.zeros_like(total))
            glance = dataclasses.replace(self.clock, left=lambda: self.clock.left() * GLANCE)
            self.floor = self._cost(least, spreads, every, glance) or 0
            if self.ceiling is not None and self.floor >= self.ceiling:
                return Answer(self.best, least, self.ceiling)
        low: int | None = None
        for part in _ranges(self.problem, spreads):
            if part.least and self.ceiling is not None and part.least * self._cheapest() >= self.ceiling:
                break
            found = self._cost(least, spreads, part, self.clock)
            if found is None:
                return Answer(self.best, least, self.floor or None)
            low = found if low is None else min(low, found)
        known = [each for each in (low, self.ceiling) if each is not None]
        return Answer(self.best, least, min(known, default=None))

    def _cost(
        self, numbers: tuple[int, ...], spreads: Sequence[problems.Spread], part: _Range, clock: Clock
    ) -> int | None:
        """
        A bound on the cost in a range of numbers of nodes, None without one; a valid solution that is found becomes `best`. First
        with few patterns, then, where their sums of room promise too much, with more.
        """
        low = self.floor
        for few in FEW:
            if clock.stop():
                return low or None
            model = _Model(self.problem, self.roomy, self._cells(spreads, part, few, soft=True))
            model.fix(numbers)
            model.between(part)
            status, cost, bound = model.cheapest(self.ceiling, low, clock)
            if status == cp_model.INFEASIBLE:
                return self.ceiling if self.ceiling is not None else NEVER
            low = max(low, bound)
            solution = None if cost is None else model.solution()
            if solution is not None and self._holds(solution, numbers):
                self.ceiling, self.best = cost, solution
            if status != cp_model.OPTIMAL or solution is not None or not model.guessed:
                break
        return low or None

    def _holds(self, solution: problems.Solution, numbers: tuple[int, ...]) -> bool:
        """Whether a solution keeps all rules, and those that may be broken as well as these numbers say."""
        reached = tuple(objective.numbers(evaluate.value(self.problem, solution))[:-1])
        return reached == numbers and not evaluate.violations(self.problem, solution)

    def _first(self) -> tuple[int, ...] | None:
        """The least numbers before the cost, with what is hard of the rules inside nodes."""
        cells = self._cells([], _ranges(self.problem, [])[0], FEW[-1], soft=False)
        return _Model(self.problem, self.roomy, cells).first(self.clock)

    def _cheapest(self) -> int:
        least = int(self.problem.prices.min(initial=1 << 40))
        return least + self.problem.node_charge

    def _cells(self, spreads: Sequence[problems.Spread], part: _Range, few: int, *, soft: bool) -> list[_Cell]:
        """All cells with their patterns."""
        return [_cell(self.problem, each, spreads, part, few, soft=soft, met=self.met) for each in self.groups]


def _groups(problem: problems.Problem) -> list[Ints]:
    """Offers of each cell, those left out for which another one can always stand in."""
    kept, _ = sizing.useful_offers(problem)
    kind = sizing.kinds(problem)
    there = problem.counts > 0
    found: dict[tuple[object, ...], list[int]] = {}
    for o in kept:
        asked = there & problem.offer_ok[:, o]
        given_up = np.where(asked, problem.offer_penalty[:, o], 0), np.where(asked, problem.offer_rank[:, o], 0)
        found.setdefault((kind[o], *(g.tobytes() for g in given_up)), []).append(o)
    return [np.array(sorted(offers), dtype=np.int64) for offers in found.values()]


def _ranges(problem: problems.Problem, spreads: Sequence[problems.Spread]) -> list[_Range]:
    """Numbers of new nodes by what the emptiest node can hold of each spread then."""
    most = int(problem.counts.sum())
    if not spreads:
        return [_Range(0, most, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))]
    for exact in (True, False):
        found: dict[tuple[tuple[int, int], ...], tuple[int, int]] = {}
        for nodes in range(most + 1):
            for levels in itertools.product(*(_levels(problem, spread, nodes, exact) for spread in spreads)):
                found[levels] = found.get(levels, (nodes, nodes))[0], nodes
            if len(found) > RANGES:
                break
        if len(found) <= RANGES:
            break
    ordered = sorted(found.items(), key=lambda each: each[1])
    return [
        _Range(first, last, *(np.array(row, dtype=np.int64) for row in zip(*levels, strict=True)))
        for levels, (first, last) in ordered
    ]


def _levels(problem: problems.Problem, spread: problems.Spread, nodes: int, exact: bool) -> list[tuple[int, int]]:
    """
    With so many new nodes: how many pods of a spread a node may hold on top of the skew and must hold at least. `exact` for all
    numbers that the emptiest node may hold one by one; otherwise one pair that allows for all of them.
    """
    total = _pods_of(problem, spread.group)
    if not spread.offer_counted.all():
        return [(total, 0)]
    there = int(spread.node_counted.sum())
    if nodes + there < (spread.min_domains or 1):
        return [(0, 0)]
    mean = total // max(nodes + there, 1)
    if there or not exact or not mean:
        return [(mean, 0)]
    own = not (spread.group.members & ~spread.owners).any() and not spread.group.base.any()
    lowest = max(0, -(-total // nodes) - spread.max_skew) if own else 0
    return [(level, level) for level in range(lowest, mean + 1)]


def _cell(
    problem: problems.Problem,
    offers: Ints,
    spreads: Sequence[problems.Spread],
    part: _Range,
    few: int,
    *,
    soft: bool,
    met: bool,
) -> _Cell:
    """
    Shapes, kinds and full patterns of some offers, at most `few` of each kind. With `soft` rules inside a node that may be broken
    are kept, when all preferences can be `met` those over domains too; spreads are those given.
    """
    inside = dataclasses.replace(
        problem,
        exclusions=tuple(e for e in problem.exclusions if e.weight is None or soft),
        spreads=tuple(
            dataclasses.replace(s, max_skew=s.max_skew + int(more))
            for s, more in zip(spreads, part.extra, strict=True)
            if s.weight is None or soft
        ),
    )
    field = fields.make(inside, offers, problem.counts > 0)
    small = shapes.reduce(field, problem.counts, ALL_SPLIT)
    host, counts = small.field.host, small.sums(_most(problem, int(offers[0]), soft=soft and met))
    apart = (host.owner[:, host.exclusive].astype(np.int64) @ host.member[:, host.exclusive].T.astype(np.int64)) > 0
    spread = ~host.exclusive
    company = exhaust.Company(
        apart | apart.T, host.owner[:, spread], host.member[:, spread], host.member_cap[spread] + 1
    )
    large: list[int] = []
    kind_of: list[Ints] = [np.zeros(0, dtype=np.int64)]
    rows: list[Ints] = [np.zeros((0, len(counts)), dtype=np.int64)]
    for kind in range(len(small.field.cost)):
        ok, room = small.field.ok[:, kind], small.field.room[kind]
        found = exhaust.full(small.field, ok, room, counts, np.zeros(len(counts)), -1.0, company)
        if found is None or len(found) > few:
            large.append(kind)
            continue
        if part.needed.any():
            found = found[(found @ company.member >= part.needed).all(axis=1)]
        kind_of.append(np.full(len(found), kind))
        rows.append(found)
    kinds, table = np.concatenate(kind_of), np.concatenate(rows)
    keep = _undominated(problem, small.field, kinds, table)
    holds = np.minimum(knapsack.capacity(small.field), counts[:, None]).astype(np.int64)
    holds[company.apart.diagonal()] = np.minimum(holds[company.apart.diagonal()], 1)
    return _Cell(small, company, kinds[keep], table[keep], tuple(large), holds)


def _most(problem: problems.Problem, offer: int, *, soft: bool) -> Ints:
    """
    How many pods of each class (C,) may be in the domains of an offer at most, by spread and anti-affinity over its topologies.

    In D domains that count for sure, with T pods counted in all, none has more than the mean of T and D - 1 times the skew:
    the others have at most the skew less.
    """
    most = problem.counts
    for spread in problem.spreads:
        domains = int(spread.always.sum()) if spread.topology != problems.HOST else 0
        if not domains or not spread.offer_counted[offer] or (spread.weight is not None and not soft):
            continue
        total = _pods_of(problem, spread.group)
        each = max(spread.max_skew, (total + (domains - 1) * spread.max_skew) // domains)
        most = np.where(spread.owners & spread.group.members, np.minimum(most, each), most)
    for exclusion in problem.exclusions:
        if exclusion.topology == problems.HOST or (exclusion.weight is not None and not soft):
            continue
        if problem.topologies[exclusion.topology].of_offer[offer] >= 0:
            most = np.where(exclusion.owners & exclusion.targets.members, np.minimum(most, 1), most)
    return np.asarray(most, dtype=np.int64)


def _pods_of(problem: problems.Problem, group: problems.Group) -> int:
    """Pods of a group, those that run and those to be placed."""
    return int(problem.counts[group.members].sum() + group.base.sum())


def _undominated(problem: problems.Problem, field: fields.Field, kind: Ints, rows: Ints) -> Ints:
    """Indices of patterns that are not contained in one that costs no more and takes no more of any limit."""
    charge = problem.pools.charge
    pool = np.array([offer.pool for offer in problem.offers], dtype=np.int64)
    first = np.array([twins[0] for twins in field.twins], dtype=np.int64)
    single = np.array([len(set(pool[twins].tolist())) == 1 for twins in field.twins], dtype=np.bool_)
    taken = np.array([[int(cap.per_offer[o]) for cap in problem.caps] for o in first], dtype=np.int64)
    taken = taken.reshape(len(first), len(problem.caps))
    # Moving nodes to another kind may open one OVH pool.
    step = np.where(pool[first][:, None] == pool[first][None, :], 0, charge)
    step[~(single[:, None] & single[None, :])] = charge
    beats = field.cost[:, None] + step <= field.cost[None, :]
    beats &= (taken[:, None, :] <= taken[None, :, :]).all(axis=2)
    np.fill_diagonal(beats, True)
    order = np.lexsort((-rows.sum(axis=1), field.cost[kind]))
    kept: list[int] = []
    for index in order.tolist():
        before = np.array(kept, dtype=np.int64)
        if len(kept):
            before = before[beats[kind[before], kind[index]]]
            if (rows[before] >= rows[index]).all(axis=1).any():
                continue
        kept.append(index)
    return np.array(sorted(kept), dtype=np.int64)


class _Model:
    """The model over cells and patterns."""

    def __init__(self, problem: problems.Problem, roomy: problems.Problem, cells: Sequence[_Cell]) -> None:
        self.problem, self.cells = problem, cells
        self.model = cp_model.CpModel()
        self.variables = variables.Variables(self.model, roomy, [([i], 1) for i in range(len(cells))])
        for add in blocks.BLOCKS.values():
            add(self.model, roomy, self.variables)
        self.terms = objective.terms(roomy, self.variables)[:-1]
        for exclusion in problem.exclusions:
            if exclusion.topology == problems.HOST and exclusion.weight is None:
                for place in self.variables.existing:
                    exclusions.forbid(self.model, self.variables, exclusion, [place])
        self.used: list[list[cp_model.IntVar]] = []
        self.bought: list[list[tuple[cp_model.IntVar, int]]] = []
        for cell, place in zip(cells, self.variables.slots, strict=True):
            self._buy(cell, place)
        self.cost = [
            (u, int(cell.shapes.field.cost[k]))
            for cell, bought in zip(cells, self.bought, strict=True)
            for u, k in bought
        ]
        self._limit()
        self._charge()
        self.guessed = any(cell.large for cell in cells)
        self.solver = cp_model.CpSolver()

    def _buy(self, cell: _Cell, place: variables.Place) -> None:
        """Pods of a cell are at most what its nodes hold: patterns, and sums of room where there are too many of these."""
        model, counts = self.model, cell.shapes.sums(self.problem.counts)
        needed = np.where(cell.rows > 0, -(-counts // np.maximum(cell.rows, 1)), 0).max(axis=1, initial=0)
        used = [model.new_int_var(0, int(n), "") for n in needed]
        bought = [(u, int(k)) for u, k in zip(used, cell.kind, strict=True)]
        inside: list[list[cp_model.IntVar]] = [[] for _ in counts]
        for kind in cell.large:
            nodes = model.new_int_var(0, int(counts[cell.holds[:, kind] > 0].sum()), "")
            self._fill(cell, kind, nodes, inside, counts)
            bought.append((nodes, kind))
        for shape in range(len(counts)):
            pods = [v for c, v in place.pods.items() if cell.shapes.index[c] == shape]
            holding = np.flatnonzero(cell.rows[:, shape])
            if pods:
                held = cp_model.LinearExpr.weighted_sum([used[p] for p in holding], cell.rows[holding, shape].tolist())
                model.add(sum(pods) <= held + sum(inside[shape]))
        for c, pods_of in place.pods.items():
            if cell.shapes.index[c] < 0:
                model.add(pods_of == 0)
        assert place.present is not None
        total = sum(u for u, _ in bought)
        model.add(total >= place.present)
        model.add(total <= int(counts.sum()) * place.present)
        self.used.append(used)
        self.bought.append(bought)

    def _fill(
        self, cell: _Cell, kind: int, nodes: cp_model.IntVar, inside: list[list[cp_model.IntVar]], counts: Ints
    ) -> None:
        """Pods of each shape on all nodes of a large kind together."""
        model, field, company = self.model, cell.shapes.field, cell.company
        pods = {}
        for shape in np.flatnonzero(cell.holds[:, kind]).tolist():
            pods[shape] = model.new_int_var(0, int(counts[shape]), "")
            model.add(pods[shape] <= int(cell.holds[shape, kind]) * nodes)
            inside[shape].append(pods[shape])
        for r in range(field.requests.shape[1]):
            sizes = {shape: int(field.requests[shape, r]) for shape in pods if field.requests[shape, r]}
            if sizes:
                unit = math.gcd(*sizes.values())
                room = min(int(field.room[kind, r]), int(sum(sizes[s] * counts[s] for s in sizes))) // unit
                model.add(sum(size // unit * pods[s] for s, size in sizes.items()) <= room * nodes)
        for one, other in itertools.combinations(pods, 2):
            if company.apart[one, other]:
                holds = int(cell.holds[one, kind]), int(cell.holds[other, kind])
                model.add(holds[1] * pods[one] + holds[0] * pods[other] <= holds[0] * holds[1] * nodes)
        for rule in range(len(company.most)):
            both = [pods[s] for s in pods if company.owner[s, rule] and company.member[s, rule]]
            if both:
                model.add(sum(both) <= int(company.most[rule]) * nodes)

    def _limit(self) -> None:
        for cap in self.problem.caps:
            taken = [
                (u, int(cap.per_offer[cell.shapes.field.twins[k]].min()))
                for cell, bought in zip(self.cells, self.bought, strict=True)
                for u, k in bought
            ]
            self.model.add(_weighted(taken) <= max(0, cap.room))

    def _charge(self) -> None:
        """What first use of OVH pools costs; kinds that may share a pool share the charge."""
        if not self.problem.pools.charge:
            return
        everywhere = [t for cell in self.cells for t in cell.shapes.field.twins]
        first = np.cumsum([0, *(len(cell.shapes.field.twins) for cell in self.cells)])
        by_kind: dict[int, list[cp_model.IntVar]] = {}
        for start, bought in zip(first[:-1], self.bought, strict=True):
            for u, k in bought:
                by_kind.setdefault(int(start + k), []).append(u)
        for kinds in exhaust.charged(self.problem, everywhere):
            users = [u for k in kinds for u in by_kind.get(k, [])]
            if users:
                opened = self.model.new_bool_var("")
                self.model.add(sum(users) <= int(self.problem.counts.sum()) * opened)
                self.cost.append((opened, self.problem.pools.charge))

    def fix(self, numbers: Iterable[int]) -> None:
        """Nothing worse than these before the cost."""
        for term, number in zip(self.terms, numbers, strict=True):
            self.model.add(term.total.expr <= number)

    def between(self, part: _Range) -> None:
        """So many new nodes."""
        nodes = sum(u for bought in self.bought for u, _ in bought)
        self.model.add(nodes >= part.least)
        self.model.add(nodes <= part.most)
        for cell, place, bought in zip(self.cells, self.variables.slots, self.bought, strict=True):
            for rule in np.flatnonzero(part.needed):
                counted = [v for c, v in place.pods.items() if cell.company.member[cell.shapes.index[c], rule]]
                self.model.add(sum(counted) >= int(part.needed[rule]) * sum(u for u, _ in bought))

    def first(self, clock: Clock) -> tuple[int, ...] | None:
        """The least numbers before the cost, one after the other; None when time was short."""
        found = []
        for term in self.terms:
            self.model.minimize(term.total.expr)
            if self._solve(clock) != cp_model.OPTIMAL:
                return None
            found.append(round(self.solver.objective_value))
            self.model.add(term.total.expr <= found[-1])
        return tuple(found)

    def cheapest(self, ceiling: int | None, low: int, clock: Clock) -> tuple[cp_model.CpSolverStatus, int | None, int]:
        """Minimise the cost, below a `ceiling` and from a bound known: status, cost found, bound."""
        self.model.add(_weighted(self.cost) >= low)
        if ceiling is not None:
            self.model.add(_weighted(self.cost) <= ceiling - 1)
        self.model.minimize(_weighted(self.cost))
        status = self._solve(clock)
        found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
        low = round(self.solver.best_objective_bound)
        return status, round(self.solver.objective_value) if found else None, low

    def _solve(self, clock: Clock) -> cp_model.CpSolverStatus:
        parameters = self.solver.parameters
        parameters.num_workers = 1
        parameters.random_seed = clock.seed
        parameters.catch_sigint_signal = False
        parameters.linearization_level = 2
        parameters.cp_model_probing_level = 0
        # Work is counted, not time, so that a busy machine gets the same answers; `stop` looks at the time.
        parameters.max_deterministic_time = max(0.0, clock.left())
        with stopping.watched(self.solver, clock.stop):
            status = self.solver.solve(self.model)
        clock.spend(self.solver.response_proto.deterministic_time)
        return status

    def solution(self) -> problems.Solution | None:
        """The solution found, pods dealt out evenly; None when they do not fit onto nodes of kinds that are sums of room."""
        value = self.solver.value
        placed = {}
        for place in self.variables.existing:
            counts = tuple((c, value(v)) for c, v in place.pods.items() if value(v))
            if counts:
                placed[place.index] = counts
        new: list[tuple[Ints, Ints]] = []
        for cell, place, used, bought in zip(self.cells, self.variables.slots, self.used, self.bought, strict=True):
            pods = np.zeros(len(self.problem.classes), dtype=np.int64)
            for c, v in place.pods.items():
                pods[c] = value(v)
            kind = np.repeat(np.array([k for _, k in bought], dtype=np.int64), [value(u) for u, _ in bought])
            if any(value(u) for u, _ in bought[len(used) :]):
                rows = _packed(cell, kind, cell.shapes.sums(pods))
                if rows is None:
                    return None
            else:
                rows = np.repeat(cell.rows, [value(u) for u in used], axis=0)
            twins = [cell.shapes.field.twins[k] for k in kind]
            new += zip(twins, _deal(cell.shapes, rows, pods), strict=True)
        return problems.Solution(new=exhaust.bought(self.problem, new), placed=placed)


def _packed(cell: _Cell, kind: Ints, pods: Ints) -> Ints | None:
    """Pods of each shape (S,) on nodes of these kinds (M,): (M, S), None where that is not possible or not found in time."""
    model, field, company = cp_model.CpModel(), cell.shapes.field, cell.company
    table = [
        [model.new_int_var(0, min(int(pods[s]), int(cell.holds[s, k])), "") for s in range(len(pods))] for k in kind
    ]
    for s in range(len(pods)):
        model.add(sum(row[s] for row in table) == int(pods[s]))
    for row, k in zip(table, kind, strict=True):
        for r in range(field.requests.shape[1]):
            model.add(
                cp_model.LinearExpr.weighted_sum(row, field.requests[:, r].astype(int).tolist())
                <= int(field.room[k, r])
            )
        there = [model.new_bool_var("") for _ in row]
        for s, literal in enumerate(there):
            model.add(row[s] <= int(cell.holds[s, k]) * literal)
        for one, other in itertools.combinations(range(len(pods)), 2):
            if company.apart[one, other]:
                model.add_bool_or([~there[one], ~there[other]])
        for rule, most in enumerate(company.most.tolist()):
            for owner in np.flatnonzero(company.owner[:, rule]):
                counted = sum(row[s] for s in np.flatnonzero(company.member[:, rule]))
                model.add(counted <= most).only_enforce_if(there[owner])
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False
    solver.parameters.max_deterministic_time = PACK_SECONDS
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return np.array([[solver.value(v) for v in row] for row in table], dtype=np.int64).reshape(len(kind), len(pods))


def _weighted(terms: Sequence[tuple[cp_model.IntVar, int]]) -> cp_model.LinearExpr:
    return cp_model.LinearExpr.weighted_sum([v for v, _ in terms], [k for _, k in terms])


def _deal(of: shapes.Shapes, rows: Ints, pods: Ints) -> Ints:
    """
    Pods of each class (C,) of a cell on nodes (M, C) that hold so many of each shape (M, S) at most: each pod goes where fewest
    are that its rules count.
    """
    host = of.field.host
    table = np.zeros((len(rows), len(pods)), dtype=np.int64)
    held = np.zeros_like(rows)
    for c in np.flatnonzero(pods):
        shape = int(of.index[c])
        rules = (host.owner | host.member)[shape]
        for _ in range(int(pods[c])):
            counted = (held @ host.member[:, rules]).sum(axis=1) if rules.any() else np.zeros(len(rows), dtype=np.int64)
            free = np.flatnonzero(held[:, shape] < rows[:, shape])
            node = free[np.lexsort((held[free].sum(axis=1), held[free, shape], counted[free]))[0]]
            held[node, shape] += 1
            table[node, c] += 1
    return table
