"""
The model that selects full patterns: how many pods of each class each cell gets, under all blocks of the exact model over
domains, and how often each pattern is bought there. Pods of a cell are at most what its patterns hold; who is where on them is
decided last. Kinds of node with too many patterns are taken as sums of room, and packed when the model has spoken. Of cells that
may change places (`likeness`) the dearest comes first.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from solver import problem as problems
from solver.model import blocks, objective, stopping, variables
from solver.model.blocks import exclusion as exclusions
from solver.model.cp_sat import cp_model
from solver.search.exact import contents, exhaust, fitting, likeness
from solver.search.packing import shapes

Ints = NDArray[np.int64]

Kinds = Mapping[int, tuple[int, int]]
"""Kinds of node by offer, as some cells have them: cell and kind."""
Fleet = collections.Counter[tuple[int, int]]
"""Numbers of new nodes by such kinds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """How much work is left, in the solver's deterministic seconds; `spend` is told of work done, `stop` is asked often."""

    left: Callable[[], float]
    spend: Callable[[float], None]
    seed: int
    stop: Callable[[], bool]


class Model:
    """
    The model over cells and patterns; `clashes` are those that its last solution showed. With `spare` there may be more nodes
    than the pods need.
    """

    def __init__(
        self,
        problem: problems.Problem,
        roomy: problems.Problem,
        cells: Sequence[contents.Cell],
        *,
        spare: bool = False,
    ) -> None:
        self.problem, self.cells, self.spare = problem, cells, spare
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
        self.named: dict[tuple[int, int], cp_model.IntVar] = {}
        self.nodes = [self._count(bought) for bought in self.bought]
        by_cell = [
            [(n, int(cell.shapes.field.cost[kind])) for kind, n in nodes.items()]
            for cell, nodes in zip(cells, self.nodes, strict=True)
        ]
        self.cost = [term for terms in by_cell for term in terms]
        for before, after in likeness.pairs(problem, roomy, cells):
            self.model.add(_weighted(by_cell[before]) >= _weighted(by_cell[after]))
        self._limit()
        self._charge()
        self.guessed = any(cell.large for cell in cells)
        self.clashes: list[fitting.Clash] = []
        self.avoided: list[fitting.Clash] = []
        self.solver = cp_model.CpSolver()

    def _buy(self, cell: contents.Cell, place: variables.Place) -> None:
        """Pods of a cell are at most what its nodes hold: patterns, and sums of room where there are too many of these."""
        model, counts = self.model, cell.shapes.sums(self.problem.counts)
        needed = np.where(cell.rows > 0, -(-counts // np.maximum(cell.rows, 1)), 0).max(axis=1, initial=0)
        if self.spare:
            needed = np.full_like(needed, counts.sum())
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

    def _count(self, bought: Sequence[tuple[cp_model.IntVar, int]]) -> dict[int, cp_model.IntVar]:
        """
        Numbers of nodes of each kind in a cell: few numbers that decide the cost, so the solver learns about them and not about
        single patterns.
        """
        users: dict[int, list[cp_model.IntVar]] = {}
        for u, kind in bought:
            users.setdefault(kind, []).append(u)
        result = {}
        for kind, used in users.items():
            result[kind] = self.model.new_int_var(0, int(self.problem.counts.sum()), "")
            self.model.add(result[kind] == sum(used))
        return result

    def _fill(
        self, cell: contents.Cell, kind: int, nodes: cp_model.IntVar, inside: list[list[cp_model.IntVar]], counts: Ints
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

    def avoid(self, clashes: Iterable[fitting.Clash]) -> None:
        """Nothing that clashes, in that cell and in all with the same room."""
        for clash in clashes:
            self.avoided.append(clash)
            for index, cell in enumerate(self.cells):
                if not cell.holds_as(self.cells[clash.cell]):
                    continue
                if clash.worth is None:
                    self._fewer(clash, index)
                else:
                    self._worth(clash.worth, index)

    def _fewer(self, clash: fitting.Clash, index: int) -> None:
        """Of some shape fewer pods than clash, or more nodes as large as some kind."""
        ways = []
        for shape in np.flatnonzero(clash.pods).tolist():
            fewer = self.model.new_bool_var("")
            self.model.add(sum(self._pods(index, shape)) <= int(clash.pods[shape]) - 1).only_enforce_if(fewer)
            ways.append(fewer)
        for chain in fitting.chains(self.cells[index]):
            for first in range(len(chain)):
                larger = [k for k in chain[first:] if k in self.nodes[index]]
                more = self.model.new_bool_var("")
                nodes = sum(self.nodes[index][k] for k in larger)
                self.model.add(nodes >= int(clash.nodes[chain[first:]].sum()) + 1).only_enforce_if(more)
                ways.append(more)
        self.model.add_bool_or(ways)

    def _worth(self, worth: Ints, index: int) -> None:
        """Pods of a cell are worth no more than what its nodes can hold is."""
        most = fitting.most(self.cells[index], worth)
        pods = [(v, int(w)) for shape, w in enumerate(worth) if w for v in self._pods(index, shape)]
        nodes = [(n, int(most[k])) for k, n in self.nodes[index].items()]
        self.model.add(_weighted(pods) <= _weighted(nodes))

    def _pods(self, index: int, shape: int) -> list[cp_model.IntVar]:
        """Pods of a shape in a cell, by class."""
        of = self.cells[index].shapes.index
        return [v for c, v in self.variables.slots[index].pods.items() if of[c] == shape]

    def between(self, part: contents.Range) -> None:
        """So many new nodes."""
        nodes = sum(u for bought in self.bought for u, _ in bought)
        self.model.add(nodes >= part.least)
        self.model.add(nodes <= part.most)
        for cell, place, bought in zip(self.cells, self.variables.slots, self.bought, strict=True):
            for rule in np.flatnonzero(part.needed):
                counted = [v for c, v in place.pods.items() if cell.company.member[cell.shapes.index[c], rule]]
                self.model.add(sum(counted) >= int(part.needed[rule]) * sum(u for u, _ in bought))

    def name(self, kinds: Kinds) -> None:
        """By which kinds fleets are counted; each kind of the model is one of them as a whole."""
        found: dict[tuple[int, int], list[cp_model.IntVar]] = {}
        for cell, nodes in zip(self.cells, self.nodes, strict=True):
            for kind, number in nodes.items():
                found.setdefault(kinds[int(cell.shapes.field.twins[kind][0])], []).append(number)
        for name, numbers in found.items():
            self.named[name] = self.model.new_int_var(0, len(self.cells) * int(self.problem.counts.sum()), "")
            self.model.add(self.named[name] == sum(numbers))

    def within(self, fleet: Fleet | None) -> None:
        """No more new nodes of each kind than these (None: any number); takes the place of what was said before."""
        most = len(self.cells) * int(self.problem.counts.sum())
        for name, number in self.named.items():
            domain = self.model.proto.variables[number.index].domain
            domain.clear()
            domain.extend([0, most if fleet is None else fleet[name]])

    def beyond(self, fleet: Fleet) -> None:
        """Of some kind more new nodes than these."""
        ways = []
        for name, number in self.named.items():
            more = self.model.new_bool_var("")
            self.model.add(number >= fleet[name] + 1).only_enforce_if(more)
            ways.append(more)
        self.model.add_bool_or(ways)

    def fleet(self) -> Fleet:
        """What the solution found buys."""
        return +collections.Counter({name: self.solver.value(number) for name, number in self.named.items()})

    def fleet_size(self) -> int:
        """How many new nodes the solution found buys."""
        return sum(self.solver.value(u) for bought in self.bought for u, _ in bought)

    def first(self, clock: Clock, least: Sequence[int], reached: Sequence[int]) -> tuple[int, ...] | None:
        """
        The least numbers before the cost, one after the other; None when time was short. Those that some solution has `reached`
        and of which nothing is below the `least` are not asked for: `least` holds for all solutions where everything that has a
        place is placed, and nothing is below 0.
        """
        found: list[int] = []
        reached = tuple(reached)
        for index, term in enumerate(self.terms):
            known = tuple(found) == reached[:index]
            placed = index < len(least) - 2 or found[: len(least) - 2] == list(least[:-2])
            if known and reached[index] <= (least[index] if placed else 0):
                found.append(reached[index])
            else:
                self.model.minimize(term.total.expr)
                if self._solve(clock, linear=False) != cp_model.OPTIMAL:
                    return None
                found.append(round(self.solver.objective_value))
                reached = tuple(self.solver.value(each.total.expr) for each in self.terms)
            self.model.add(term.total.expr <= found[-1])
        return tuple(found)

    def cheapest(self, low: int, high: int, clock: Clock) -> tuple[cp_model.CpSolverStatus, int | None, int]:
        """Minimise the cost between two numbers: status, cost found, bound."""
        self.model.minimize(_weighted(self.cost))
        asked = self.model.proto.objective.domain
        asked.clear()
        asked.extend([low, high])
        # Most of the proof is what the linear relaxation says about numbers of nodes, so it also says where to branch.
        status = self._solve(clock, linear=True)
        found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
        low = round(self.solver.best_objective_bound)
        return status, round(self.solver.objective_value) if found else None, low

    def _solve(self, clock: Clock, *, linear: bool) -> cp_model.CpSolverStatus:
        """Solve; `linear`: branch on what the linear relaxation says."""
        parameters = self.solver.parameters
        parameters.num_workers = 1
        parameters.random_seed = clock.seed
        parameters.catch_sigint_signal = False
        parameters.linearization_level = 2
        # Few rows, and tight ones: presolve and cuts make the linear relaxation larger, not better.
        parameters.cp_model_presolve = False
        parameters.cut_level = 0
        parameters.search_branching = cp_model.LP_SEARCH if linear else cp_model.AUTOMATIC_SEARCH
        # Work is counted, not time, so that a busy machine gets the same answers; `stop` looks at the time.
        parameters.max_deterministic_time = max(0.0, clock.left())
        with stopping.watched(self.solver, clock.stop):
            status = self.solver.solve(self.model)
        clock.spend(self.solver.response_proto.deterministic_time)
        return status

    def solution(self, needed: Ints) -> problems.Solution | None:
        """
        The solution found, pods dealt out evenly, on each node at least `needed` (S,) of each spread; None when they do not fit
        onto nodes of kinds that are sums of room: then `clashes` says where, or nothing when that was not decided in time or is
        for want of what is needed.
        """
        value = self.solver.value
        self.clashes = []
        undecided = False
        placed = {}
        for place in self.variables.existing:
            counts = tuple((c, value(v)) for c, v in place.pods.items() if value(v))
            if counts:
                placed[place.index] = counts
        new: list[tuple[Ints, Ints]] = []
        each = zip(self.cells, self.variables.slots, self.used, self.bought, strict=True)
        for index, (cell, place, used, bought) in enumerate(each):
            pods = np.zeros(len(self.problem.classes), dtype=np.int64)
            for c, v in place.pods.items():
                pods[c] = value(v)
            kind = np.repeat(np.array([k for _, k in bought], dtype=np.int64), [value(u) for u, _ in bought])
            if any(value(u) for u, _ in bought[len(used) :]):
                packed = fitting.packed(cell, kind, cell.shapes.sums(pods), np.zeros_like(needed))
                if packed is not None and not len(packed):
                    self.clashes.append(fitting.clash(index, cell, kind, cell.shapes.sums(pods)))
                    continue
                if packed is not None and needed.any():
                    packed = fitting.packed(cell, kind, cell.shapes.sums(pods), needed)
                if packed is None or not len(packed):
                    undecided = True
                    continue
                rows = packed
            else:
                rows = np.repeat(cell.rows, [value(u) for u in used], axis=0)
            twins = [cell.shapes.field.twins[k] for k in kind]
            new += zip(twins, _deal(cell.shapes, rows, pods), strict=True)
        if undecided or self.clashes:
            return None
        return problems.Solution(new=exhaust.bought(self.problem, new), placed=placed)


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
