"""
Small problems as a whole, whatever rules they carry: patterns in place of nodes (`contents`), under the exact model's own
blocks (`selection`).

The numbers before the cost come first, then the cost, case by case of what the emptiest node holds where pods are spread over
hostnames. Fleets are looked at first: those that would do without rules over domains are found in a moment, the cheapest first,
and so is whether their nodes can be dealt to the domains; when none is left below what is known, that is the proof. Rules that
look at one node in another way (affinity over hostnames, shared volumes, minimum values) are left out: the answer is then a
bound, and whether the solution holds is looked at here before it bounds anything.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Sequence

import numpy as np

from solver import evaluate
from solver import problem as problems
from solver.model import objective, sizing
from solver.model.cp_sat import cp_model
from solver.search.exact import contents, fitting, selection

FEW = ((150, 0.5), (1000, 1.0))
"""
Most patterns of one kind of node that the model chooses from, first and then, and the share of the work left after which no
other model with so many is begun. Other kinds are taken as sums of room, and each model is told of what clashed in those before.
"""
SLICES = (0.003, 0.01, 0.03, 0.1)
"""How far above the bound the cost is looked for, one after the other, before it may be whatever is known."""
GLANCE = 0.08
"""Share of the work left for the problem without rules over domains, and for the one without spreads over hostnames."""
FLEETS, FLEETS_OF_A_CASE, CLASHES, GUESS = 7, 3, 6, 0.05
"""
Most fleets that are looked at one by one, and where each is of one of several cases; most models for each until nothing clashes,
and the share of the work left for each model.
"""
TRY = 0.02
"""Share of the work left for the model as it is, before fleets: it may be so easy that these would take longer."""
NEVER = 1 << 60
"""The cost of what cannot be had."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """
    `solution` is the best one found (None: none). `numbers` bounds all numbers of `Value` before the cost, `cost` the cost of
    solutions that reach these, micro-euro per hour, charges included; None: not known.
    """

    solution: problems.Solution | None
    numbers: tuple[int, ...] | None
    cost: int | None


def applies(problem: problems.Problem) -> bool:
    """Whether there is nothing to remove, and preferences have no price."""
    removal = problem.removal_caps or any(node.removable for node in problem.nodes)
    return not removal and problem.preference_price is None


def solve(
    problem: problems.Problem,
    known: Callable[[], problems.Value],
    clock: selection.Clock,
    tell: Callable[[problems.Solution], object],
    numbers: tuple[int, ...] | None = None,
) -> Answer:
    """
    The best solution of a problem for which `applies` says yes, with bounds. `known` says what value can be reached by now,
    `tell` is told of every better solution at once. `numbers` before the cost are known to be least.
    """
    return _Whole(problem, known, clock, tell).run(numbers)


class _Whole:
    """One run."""

    def __init__(
        self,
        problem: problems.Problem,
        known: Callable[[], problems.Value],
        clock: selection.Clock,
        tell: Callable[[problems.Solution], object],
        kept: Sequence[int] | None = None,
    ) -> None:
        self.problem, self.known, self.clock, self.tell = problem, known, clock, tell
        self.groups = contents.groups(problem, kept)
        roomy = sizing.roomy(problem, self.groups)
        self.ceiling: int | None = None
        self.best: problems.Solution | None = None
        self.met = False
        simpler = sizing.without_domains(problem)
        mine = sorted(int(o) for offers in self.groups for o in offers)
        self.simpler = None if simpler is None else _Whole(simpler, known, clock, tell, mine)
        self.patterns: contents.Known = {}
        self.roomy = dataclasses.replace(roomy, pools=dataclasses.replace(roomy.pools, charge=0))

    def run(self, given: tuple[int, ...] | None) -> Answer:
        """
        First the numbers before the cost, where they are not known to be least, then the cost: without spreads over hostnames,
        then case by case.
        """
        numbers = tuple(objective.numbers(self.known())[:-1])
        least = tuple(objective.least(self.problem))
        if numbers != least:
            first = given or self._first()
            if first is None:
                return Answer(None, None, None)
            least = first
        self.met = least[-2] <= objective.least(self.problem)[-2]
        self._hear(least)
        if self.simpler is not None:
            self.simpler.met = self.met
        low = self._by_case(least)
        known = [each for each in (low, self.ceiling) if each is not None]
        return Answer(self.best, least, min(known, default=None))

    def _by_case(self, numbers: tuple[int, ...]) -> int | None:
        """
        A bound on the cost, None without one. Cases are looked at together without rules over domains first, and taken apart
        where that does not refuse them: the one that its solution is of, those before and those after it. Those with the lowest
        bound come first.
        """
        spreads = [s for s in self.problem.spreads if s.topology == problems.HOST and s.owners.any()]
        cases = [each for each in contents.ranges(self.problem, spreads) if self._roomy_enough(each.most)]
        waiting = [(0, len(cases), 0)]
        least = NEVER
        while waiting:
            low, many, first = heapq.heappop(waiting)
            some = cases[first : first + many]
            self._hear(numbers)
            if not some or (self.ceiling is not None and low >= self.ceiling):
                continue
            part = contents.together(some)
            low = max(low, part.least * self._cheapest())
            if self.clock.stop():
                return min(low, least) or None
            if many == 1:
                least = min(least, self._cost(numbers, spreads, part, low) or low)
                continue
            low, nodes = (self.simpler or self)._glance(numbers, spreads, part, low)
            at = next(
                (i for i, each in enumerate(some) if nodes is not None and each.least <= nodes <= each.most), many // 2
            )
            for start, end in ((0, at), (at, at + 1), (at + 1, many)):
                heapq.heappush(waiting, (low, end - start, first + start))
        return least if least < NEVER else None

    def _cost(
        self, numbers: tuple[int, ...], spreads: Sequence[problems.Spread], part: contents.Range, low: int
    ) -> int | None:
        """
        A bound on the cost in a range of numbers of nodes, None without one; a valid solution that is found becomes `best`. First
        with few patterns, told of what clashed where sums of room promised too much, then with more.
        """
        clashes: list[fitting.Clash] = []
        for few, share in FEW:
            if self.clock.stop():
                return low or None
            enough = self.clock.left() * (1 - share)
            cells = self._cells(spreads, part, few, soft=True)
            model = self._model(numbers, cells, part, clashes)
            low, done = self._fleets(numbers, spreads, part, model, low)
            if done:
                return low
            while not self.clock.stop():
                self._hear(numbers)
                status, cost, low = self._sliced(model, low)
                if status == cp_model.INFEASIBLE:
                    return self.ceiling if self.ceiling is not None else NEVER
                if self._takes(model, cost, numbers, part):
                    return low or None
                if status != cp_model.OPTIMAL or not model.guessed:
                    return low or None
                if not model.clashes:
                    break
                model.avoid(model.clashes)
                if self.clock.left() < enough:
                    break
            clashes = model.avoided
        return low or None

    def _model(
        self,
        numbers: tuple[int, ...],
        cells: Sequence[contents.Cell],
        part: contents.Range,
        clashes: Sequence[fitting.Clash] = (),
        *,
        spare: bool = False,
    ) -> selection.Model:
        """The model of a range of numbers of nodes, for solutions that reach these numbers before the cost."""
        self._hear(numbers)
        model = selection.Model(self.problem, self.roomy, cells, spare=spare)
        model.avoid(clashes)
        model.fix(numbers)
        model.between(part)
        return model

    def _sliced(self, model: selection.Model, low: int) -> tuple[cp_model.CpSolverStatus, int | None, int]:
        """
        The least cost below what is known, a little above the bound first: the less a plan may cost, the fewer nodes it can have,
        and the sooner there is a proof that there is none. Status, cost found, bound.
        """
        high = self._high()
        if low > high:
            return cp_model.INFEASIBLE, None, low
        for share in SLICES if low else ():
            top = int(low * (1 + share))
            if top >= high or self.clock.stop():
                break
            status, cost, bound = model.cheapest(low, top, self.clock)
            if status != cp_model.INFEASIBLE:
                return status, cost, max(low, bound)
            low = top + 1
        status, cost, bound = model.cheapest(low, high, self.clock)
        return status, cost, max(low, bound)

    def _glance(
        self, numbers: tuple[int, ...], spreads: Sequence[problems.Spread], part: contents.Range, low: int
    ) -> tuple[int, int | None]:
        """A bound on the cost in a range of numbers of nodes, from one model, and the number of nodes that it found best."""
        model = self._model(numbers, self._cells(spreads, part, FEW[0][0], soft=True, dominated=False), part)
        high = self._high()
        if low > high:
            return low, None
        clock = dataclasses.replace(self.clock, left=lambda: self.clock.left() * GLANCE)
        status, cost, bound = model.cheapest(low, high, clock)
        if status == cp_model.INFEASIBLE:
            return high + 1, None
        solution = None if cost is None else model.solution(part.needed)
        if solution is not None:
            self.tell(solution)
        return max(low, bound), None if cost is None else model.fleet_size()

    def _fleets(
        self,
        numbers: tuple[int, ...],
        spreads: Sequence[problems.Spread],
        part: contents.Range,
        model: selection.Model,
        low: int,
    ) -> tuple[int, bool]:
        """
        Fleets that would do without rules over domains, the cheapest first: which zones their nodes belong into, if there are
        such, takes a moment each. A bound on the cost, and whether nothing better than what is known by now is left.
        """
        if self.simpler is None:
            return low, False
        high = self._high()
        if low > high:
            return low, True
        clock = dataclasses.replace(self.clock, left=lambda: self.clock.left() * TRY)
        status, cost, bound = model.cheapest(low, high, clock)
        if status == cp_model.INFEASIBLE:
            return high + 1, True
        if self._takes(model, cost, numbers, part) and status == cp_model.OPTIMAL:
            return bound, True
        model.avoid(model.clashes)
        low = max(low, bound)
        cells = self.simpler._cells(spreads, part, FEW[0][0], soft=True, dominated=True)
        below = self.simpler._model(numbers, cells, part, spare=True)
        kinds = {
            int(offer): (index, kind)
            for index, cell in enumerate(cells)
            for kind, twins in enumerate(cell.shapes.field.twins)
            for offer in twins
        }
        below.name(kinds)
        model.name(kinds)
        for _ in range(FLEETS_OF_A_CASE if spreads else FLEETS):
            self._hear(numbers)
            high = self._high()
            if low > high:
                return low, True
            clock = dataclasses.replace(self.clock, left=lambda: self.clock.left() * GUESS)
            status, _, bound = below.cheapest(low, high, clock)
            if status == cp_model.INFEASIBLE:
                return high + 1, True
            low = max(low, bound)
            if status != cp_model.OPTIMAL or self.clock.stop():
                break
            fleet = below.fleet()
            if not self._of_fleet(numbers, part, model, fleet, low):
                break
            below.beyond(fleet)
        model.within(None)
        return low, False

    def _of_fleet(
        self, numbers: tuple[int, ...], part: contents.Range, model: selection.Model, fleet: selection.Fleet, low: int
    ) -> bool:
        """The cheapest solution with no more nodes than these, if it costs less than what is known; whether that was decided."""
        model.within(fleet)
        clock = dataclasses.replace(self.clock, left=lambda: self.clock.left() * GUESS)
        for _ in range(CLASHES):
            if self.clock.stop():
                return False
            high = self._high()
            status, cost, _ = model.cheapest(low, high, clock)
            if not self._takes(model, cost, numbers, part) and status == cp_model.OPTIMAL:
                if not model.clashes:
                    return False
                model.avoid(model.clashes)
                continue
            return status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
        return False

    def _roomy_enough(self, nodes: int) -> bool:
        """Whether so many of the largest nodes, with what is there, have room for all pods that have to be placed."""
        problem = self.problem
        if any(self.known().unplaced):
            return True
        room = np.maximum(problem.offer_room, 0).max(axis=0, initial=0) * nodes
        room = room + np.maximum(problem.node_room, 0).sum(axis=0)
        return bool((problem.counts @ problem.requests <= room).all())

    def _high(self) -> int:
        """The most that a better solution may cost."""
        return NEVER if self.ceiling is None else self.ceiling - 1

    def _hear(self, numbers: tuple[int, ...]) -> None:
        """Nothing dearer than what is known by now is looked for."""
        value = self.known()
        if tuple(objective.numbers(value)[:-1]) == numbers:
            self.ceiling = value.cost if self.ceiling is None else min(self.ceiling, value.cost)

    def _takes(self, model: selection.Model, cost: int | None, numbers: tuple[int, ...], part: contents.Range) -> bool:
        """Whether what the model found, if anything, is a valid solution, which is the best one from then on and told of."""
        solution = None if cost is None else model.solution(part.needed)
        if solution is None or not self._holds(solution, numbers):
            return False
        self.ceiling, self.best = cost, solution
        self.tell(solution)
        return True

    def _holds(self, solution: problems.Solution, numbers: tuple[int, ...]) -> bool:
        """Whether a solution keeps all rules, and those that may be broken as well as these numbers say."""
        reached = tuple(objective.numbers(evaluate.value(self.problem, solution))[:-1])
        return reached == numbers and not evaluate.violations(self.problem, solution)

    def _first(self) -> tuple[int, ...] | None:
        """The least numbers before the cost, with what is hard of the rules inside nodes; None when time was short."""
        numbers: tuple[int, ...] | None = None
        clashes: list[fitting.Clash] = []
        least, reached = objective.least(self.problem), objective.numbers(self.known())[:-1]
        for few, share in FEW:
            enough = self.clock.left() * (1 - share)
            part = contents.ranges(self.problem, [])[0]
            cells = self._cells([], part, few, soft=False)
            while numbers is None or self.clock.left() >= enough:
                model = selection.Model(self.problem, self.roomy, cells)
                model.avoid(clashes)
                numbers = model.first(self.clock, least, reached)
                if numbers is None or model.solution(part.needed) is not None:
                    return numbers
                if not model.clashes:
                    break
                clashes += model.clashes
        return numbers

    def _cheapest(self) -> int:
        least = int(self.problem.prices.min(initial=1 << 40))
        return least + self.problem.node_charge

    def _cells(
        self,
        spreads: Sequence[problems.Spread],
        part: contents.Range,
        few: int,
        *,
        soft: bool,
        dominated: bool = False,
    ) -> list[contents.Cell]:
        """All cells with their patterns, those that a cheaper kind holds too only where `dominated` ones are wanted."""
        return [
            contents.cell(
                self.problem,
                each,
                spreads,
                part,
                few,
                soft=soft,
                met=self.met,
                known=self.patterns,
                dominated=dominated,
            )
            for each in self.groups
        ]
