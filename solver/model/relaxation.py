"""
A linear relaxation that says how many new nodes a solution of a given cost can have.

Volumes of each class on each *shape* (offers that nothing but rules across nodes tells apart) and on groups of existing
nodes, numbers of nodes fractional, all rules across nodes but the linear limits left out. Every solution of the problem
is one of the relaxation, so the most nodes that the relaxation allows at a cost bound what a solution can have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from ortools.linear_solver import pywraplp

from solver.problem import Ints, Problem, Value

PATIENCE = 1.0
"""Effort for one linear program, in the solver's deterministic seconds."""
TOLERANCE = 1e-4
"""Added to maxima before rounding down: far above the LP solver's own tolerance of 1e-6, far below one node."""

PRECISION = 1e-6
"""Relative error of the LP solver's optimum."""

FEW_PODS = 4
"""Where a node holds at most this many pods of a class, whole pods make the bound better than amounts do."""


class Relaxation:
    """The linear program; S shapes. `holds` are (C, N) and (C, S) pods of a class that one node holds alone."""

    def __init__(self, problem: Problem, shapes: list[list[int]], known: Value, holds: tuple[Ints, Ints]) -> None:
        self.problem, self.shapes = problem, shapes
        self.node_holds, self.shape_holds = holds
        self.solver = pywraplp.Solver.CreateSolver("GLOP")
        # Now and then GLOP goes round in circles on a small program; nothing is known then.
        self.solver.SetSolverSpecificParametersAsString(f"max_deterministic_time: {PATIENCE}")
        self.infinity = self.solver.infinity()
        self.demand = problem.counts
        self.residents = problem.residents
        self.nodes = [self.solver.NumVar(0, self.infinity, "") for _ in shapes]
        self.gone = {n: self.solver.NumVar(0, 1, "") for n, node in enumerate(problem.nodes) if node.removable}
        self.unit = float(max([1, *(problem.offers[s[0]].price for s in shapes)]))
        self.cost: list[tuple[pywraplp.Variable, float]] = []
        placed: list[list[pywraplp.Variable]] = [[] for _ in problem.classes]
        self._new_nodes(placed)
        self._existing_nodes(placed)
        self._demand(placed, known)
        self._limits()

    def limit(self, cost: int | None) -> None:
        """Look at solutions of this cost at most, micro-euro per hour; one more for what rounding takes off."""
        self.ceiling.SetUb(self.infinity if cost is None else (cost + 1) / self.unit)

    def least_cost(self) -> int | None:
        """A lower bound on cost, micro-euro per hour; None when unknown."""
        least = self._solve(self.cost, maximise=False)
        return None if least is None else math.floor((least - abs(least) * PRECISION) * self.unit) - 1

    def most(self, shapes: Iterable[int]) -> int | None:
        """The most nodes of these shapes together; None when unknown."""
        most = self._solve([(self.nodes[s], 1.0) for s in shapes], maximise=True)
        return None if most is None else math.floor(most + TOLERANCE)

    def _solve(self, terms: list[tuple[pywraplp.Variable, float]], maximise: bool) -> float | None:
        objective = self.solver.Objective()
        objective.Clear()
        for variable, coefficient in terms:
            objective.SetCoefficient(variable, coefficient)
        objective.SetOptimizationDirection(maximise)
        if self.solver.Solve() != pywraplp.Solver.OPTIMAL:
            return None
        return float(objective.Value())

    def _row(self, low: float, high: float, terms: list[tuple[pywraplp.Variable, float]]) -> pywraplp.Constraint:
        row = self.solver.Constraint(low, high)
        for variable, coefficient in terms:
            row.SetCoefficient(variable, coefficient)
        return row

    def _new_nodes(self, placed: list[list[pywraplp.Variable]]) -> None:
        problem = self.problem
        for s, offers in enumerate(self.shapes):
            offer = offers[0]
            self.cost.append((self.nodes[s], (problem.offers[offer].price + problem.node_charge) / self.unit))
            volume = self._volumes(placed, self.shape_holds[:, s], problem.offer_penalty[:, offer], many=True)
            for r in range(len(problem.resources)):
                room = float(max(0, problem.offer_room[offer, r]))
                scale = max(room, 1.0)
                amounts = [
                    (v, float(problem.requests[c, r]) / scale) for c, v in volume.items() if problem.requests[c, r]
                ]
                self._row(-self.infinity, 0.0, [*amounts, (self.nodes[s], -room / scale)])
            for c, v in volume.items():
                held = float(self.shape_holds[c, s])
                if held <= FEW_PODS:
                    self._row(-self.infinity, 0.0, [(v, 1.0), (self.nodes[s], -held)])

    def _existing_nodes(self, placed: list[list[pywraplp.Variable]]) -> None:
        """Nodes that hold the same classes at the same penalties are one large node."""
        problem = self.problem
        groups: dict[bytes, list[int]] = {}
        for n in range(len(problem.nodes)):
            ok = self.node_holds[:, n] > 0
            if ok.any():
                key = ok.tobytes() + np.where(ok, problem.node_penalty[:, n], 0).tobytes()
                groups.setdefault(key, []).append(n)
        for members in groups.values():
            held = self.node_holds[:, members].sum(axis=1)
            volume = self._volumes(placed, held, problem.node_penalty[:, members[0]], many=False)
            for r in range(len(problem.resources)):
                room = np.maximum(problem.node_room[members, r], 0)
                total = float(room.sum())
                scale = max(total, 1.0)
                amounts = [
                    (v, float(problem.requests[c, r]) / scale) for c, v in volume.items() if problem.requests[c, r]
                ]
                lost = [
                    (self.gone[n], float(space) / scale)
                    for n, space in zip(members, room, strict=True)
                    if n in self.gone
                ]
                self._row(-self.infinity, total / scale, [*amounts, *lost])

    def _volumes(
        self, placed: list[list[pywraplp.Variable]], held: Ints, penalty: Ints, many: bool
    ) -> dict[int, pywraplp.Variable]:
        """A volume for each class that fits: at most what these nodes hold, unless there may be `many` of them."""
        volume = {}
        most = self.demand + self.residents.sum(axis=0)
        for c in np.flatnonzero(held):
            volume[int(c)] = variable = self.solver.NumVar(0, float(most[c] if many else min(most[c], held[c])), "")
            placed[c].append(variable)
            if self.problem.preference_price is not None and penalty[c]:
                self.cost.append((variable, float(penalty[c]) * self.problem.preference_price / 100 / self.unit))
        return volume

    def _demand(self, placed: list[list[pywraplp.Variable]], known: Value) -> None:
        """Every pod is placed, but for as many as are known to be left out at each priority."""
        left = [self.solver.NumVar(0, float(d), "") for d in self.demand]
        for c, volumes in enumerate(placed):
            moved = [(gone, -float(self.residents[n, c])) for n, gone in self.gone.items() if self.residents[n, c]]
            whole = [(volume, 1.0) for volume in [*volumes, left[c]]]
            self._row(float(self.demand[c]), float(self.demand[c]), [*whole, *moved])
        priorities = sorted({c.priority for c in self.problem.classes}, reverse=True)
        for priority, number in zip(priorities, known.unplaced, strict=True):
            members = [(left[c], 1.0) for c, kind in enumerate(self.problem.classes) if kind.priority == priority]
            self._row(float(number), float(number), members)

    def _limits(self) -> None:
        problem = self.problem
        for n, gone in self.gone.items():
            node = problem.nodes[n]
            self.cost.append((gone, (node.removal_cost - node.price) / self.unit))
        self.ceiling = self._row(-self.infinity, self.infinity, self.cost)
        for cap in problem.caps:
            least = [min(float(cap.per_offer[o]) for o in offers) for offers in self.shapes]
            scale = max([1.0, *least])
            terms = [(node, k / scale) for node, k in zip(self.nodes, least, strict=True) if k]
            self._row(-self.infinity, max(0, cap.room) / scale, terms)
        for removal in problem.removal_caps:
            terms = [(gone, 1.0) for n, gone in self.gone.items() if removal.nodes[n]]
            self._row(-self.infinity, float(max(0, removal.room)), terms)
        if problem.max_removals is not None:
            self._row(-self.infinity, float(max(0, problem.max_removals)), [(g, 1.0) for g in self.gone.values()])
        if problem.max_evictions is not None:
            terms = [(gone, float(self.residents[n].sum())) for n, gone in self.gone.items()]
            self._row(-self.infinity, float(max(0, problem.max_evictions)), terms)
