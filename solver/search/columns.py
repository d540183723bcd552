"""
Column generation: a linear program over patterns (what one node may hold), for the bound and where pods are big against
nodes.

1. The master chooses how often to use each known pattern; its duals say what a pod of each class is worth.
2. Pricing looks, kind by kind, for a pattern that is worth more than the node costs: vectorised fills and exchanges, or
   all patterns at once
   where nodes hold few pods.
3. When nothing is found, exact knapsacks bound how much any pattern could still be worth. Dividing the duals by the
   worst ratio makes them feasible for all
   patterns, so counts times duals bounds every plan (Farley, "A note on bounding a class of linear programming
       problems", 1990).
4. A dive rounds the master: whole parts are taken, the rest is solved again, until nothing is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solver.search import field as fields
from solver.search import fill as fills
from solver.search import linear

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMOOTHING = 0.5
ENUMERATION_LIMIT = 1500


class Columns:
    """Patterns known so far for one field: `kind` (P,), `counts` (P, C)."""

    def __init__(self, field: fields.Field, limits: Ints) -> None:
        self.field = field
        self.limits = limits
        self.kind = np.zeros(0, dtype=np.int64)
        self.counts = np.zeros((0, field.ok.shape[0]), dtype=np.int32)
        self.complete = False
        self._seen: set[bytes] = set()

    def add(self, kind: Ints, counts: NDArray[np.int32]) -> int:
        """Add patterns; known ones are passed over. Returns how many were new."""
        new = []
        for index in range(len(kind)):
            key = int(kind[index]).to_bytes(4, "little") + counts[index].tobytes()
            if key not in self._seen:
                self._seen.add(key)
                new.append(index)
        if new:
            self.kind = np.concatenate([self.kind, kind[new]])
            self.counts = np.concatenate([self.counts, counts[new].astype(np.int32)])
        return len(new)

    def add_singles(self) -> None:
        """One pattern per class: as many of it as its cheapest kind per pod holds."""
        field = self.field
        most = capacity(field)
        for index in range(len(self.limits)):
            if self.limits[index] == 0 or not field.ok[index].any():
                continue
            number = np.minimum(most[index], self.limits[index])
            price = np.where(field.ok[index] & (number > 0), field.cost / np.maximum(number, 1), np.inf)
            kind = int(price.argmin())
            row = np.zeros((1, len(self.limits)), dtype=np.int32)
            row[0, index] = number[kind]
            self.add(np.array([kind]), row)

    def enumerate(self) -> bool:
        """Add all maximal patterns where there are few; False when there are too many."""
        patterns = maximal_patterns(self.field, self.limits, ENUMERATION_LIMIT)
        if patterns is None:
            return False
        self.add(*patterns)
        self.complete = True
        return True

    def master(self, counts: Floats, *, time_limit: float | None = None) -> tuple[float, Floats, Floats] | None:
        """Solve the linear master for these counts: value, uses (P,), duals (C,)."""
        size = len(self.kind)
        program = linear.Program(self.field.cost[self.kind], np.zeros(size), np.full(size, np.inf))
        rows = program.add_rows(counts, np.full(len(counts), np.inf))
        column, row = np.nonzero(self.counts)
        program.add_entries(rows[row], column, self.counts[column, row].astype(np.float64))
        answer = linear.solve(program, time_limit=time_limit)
        if answer is None:
            return None
        return answer.objective, answer.x, answer.duals

    def price(self, duals: Floats, rng: np.random.Generator, seeds: int, kinds: Ints) -> float:
        """Look for patterns worth more than their node; adds them and returns the best ratio of worth to cost found."""
        field = self.field
        classes = np.flatnonzero((duals > 1e-9) & (self.limits > 0))
        if len(classes) == 0:
            return 0.0
        kind = np.repeat(kinds, seeds)
        available = np.where(field.ok[np.ix_(classes, kind)].T, self.limits[classes].astype(np.float64), 0.0)
        size = (field.requests[classes] / np.maximum(field.room.max(axis=0), 1e-9)).sum(axis=1)
        density = duals[classes] / np.maximum(size, 1e-12)
        bias = (density / density.max()) ** rng.uniform(0.5, 3.0, (len(kind), 1))
        host = field.host.take(classes)
        bins = fills.Bins(
            room=field.room[kind],
            requests=field.requests[None, classes],
            available=available,
            host=fills.shared(host),
        )
        found = fills.fill(bins, rng, bias=bias)
        found = fills.polish(bins, found, duals[None, classes], 25)
        ratio = (found @ duals[classes]) / field.cost[kind]
        good = np.flatnonzero(ratio > 1 + 1e-6)
        if len(good):
            good = good[np.argsort(-ratio[good])[: max(40, 4 * len(kinds))]]
            rows = np.zeros((len(good), len(self.limits)), dtype=np.int32)
            rows[:, classes] = found[good]
            self.add(kind[good], rows)
        return float(ratio.max())

    def generate(
        self, counts: Floats, rng: np.random.Generator, kinds: Ints, stop: Callable[[], bool], rounds: int = 200
    ) -> tuple[float, Floats] | None:
        """
        Generate columns until pricing finds none, or `stop`; returns the master's value and the duals to bound with.
        """
        best: Floats | None = None
        value = math.inf
        idle = 0
        for _ in range(rounds):
            answer = self.master(counts)
            if answer is None:
                return None
            improved = answer[0] < value * (1 - 2e-5)
            value, duals = answer[0], answer[2]
            if self.complete or stop():
                return value, duals
            centre = duals if best is None else SMOOTHING * best + (1 - SMOOTHING) * duals
            ratio = self.price(centre, rng, 12, kinds)
            if ratio <= 1 + 1e-6:
                ratio = self.price(duals, rng, 24, np.arange(len(self.field.cost)))
                if ratio <= 1 + 1e-6:
                    return value, duals
            best = centre
            idle = 0 if improved else idle + 1
            if idle >= 6:
                return value, duals
        return value, duals

    def dive(
        self, counts: Ints, rng: np.random.Generator, kinds: Ints, stop: Callable[[], bool]
    ) -> tuple[Ints, NDArray[np.int32]]:
        """Round the master to whole nodes: kinds (M,) and pods (M, C), covering `counts` exactly."""
        left = counts.astype(np.int64).copy()
        kind_of: list[int] = []
        rows: list[NDArray[np.int32]] = []
        while left.sum() > 0:
            answer = self.master(left.astype(np.float64))
            if answer is None:
                break
            use = answer[1]
            whole = np.floor(use + 1e-6)
            if not (whole > 0).any():
                fitting = np.minimum(self.counts, left) @ answer[2] / self.field.cost[self.kind]
                score = use + 0.5 * fitting * (use > 1e-6)
                whole[int(score.argmax())] = 1
            for pattern in np.flatnonzero(whole):
                for _ in range(int(whole[pattern])):
                    row = np.minimum(self.counts[pattern], left).astype(np.int32)
                    if row.sum() == 0:
                        break
                    left -= row
                    kind_of.append(int(self.kind[pattern]))
                    rows.append(row)
            if not self.complete and left.sum() > 0 and not stop():
                keep = self.limits
                self.limits = np.minimum(keep, left)
                self.price(answer[2], rng, 6, kinds)
                self.limits = keep
        if not rows:
            return np.zeros(0, dtype=np.int64), np.zeros((0, len(counts)), dtype=np.int32)
        return np.array(kind_of, dtype=np.int64), np.stack(rows)

    def bound(
        self, counts: Floats, duals: Floats, stop: Callable[[], bool], *, deterministic: bool, seed: int
    ) -> float:
        """A bound for all patterns from these duals; exact knapsacks where the simple one is not tight."""
        duals = np.maximum(duals, 0.0)
        if self.complete:
            return float(duals @ counts)
        worst = 1.0
        most = capacity(self.field)
        simple = np.array(
            [fractional_worth(self.field, most, kind, duals, self.limits) for kind in range(len(self.field.cost))]
        )
        ratio = simple / self.field.cost
        for kind in np.argsort(-ratio):
            if ratio[kind] <= worst:
                break
            if stop():
                worst = max(worst, float(ratio[kind]))
                break
            exact = exact_worth(self.field, int(kind), duals, self.limits, deterministic=deterministic, seed=seed)
            worst = max(worst, min(exact, float(simple[kind])) / float(self.field.cost[kind]))
        return float(duals @ counts) / worst


def capacity(field: fields.Field) -> Ints:
    """(C, K) pods of one class alone that a node of each kind holds, host rules included."""
    most = np.full(field.ok.shape, 1 << 30, dtype=np.float64)
    for r in range(field.room.shape[1]):
        need = field.requests[:, r][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(
                need > 0, np.minimum(most, np.floor(field.room[:, r][None, :] / np.maximum(need, 1e-12))), most
            )
    both = field.host.owner & field.host.member
    for rule in range(both.shape[1]):
        most[both[:, rule]] = np.minimum(most[both[:, rule]], max(1, int(field.host.member_cap[rule]) + 1))
    return np.where(field.ok, most, 0).astype(np.int64)


def fractional_worth(field: fields.Field, most: Ints, kind: int, duals: Floats, limits: Ints) -> float:
    """An upper bound on the worth of one node: the best single resource's fractional knapsack."""
    usable = (most[:, kind] > 0) & (duals > 0)
    upper = np.minimum(most[:, kind], limits)
    best = float((duals * upper)[usable].sum())
    for r in range(field.room.shape[1]):
        need = field.requests[:, r]
        free = usable & (need <= 0)
        value = float((duals * upper)[free].sum())
        paid = np.flatnonzero(usable & (need > 0))
        order = paid[np.argsort(-(duals[paid] / need[paid]))]
        amount = np.minimum(np.cumsum(upper[order] * need[order]), field.room[kind, r])
        used = np.diff(amount, prepend=0.0)
        value += float((used * duals[order] / need[order]).sum())
        best = min(best, value)
    return best


def exact_worth(
    field: fields.Field, kind: int, duals: Floats, limits: Ints, *, deterministic: bool, seed: int
) -> float:
    """The largest worth of one node of a kind (an upper bound when time runs out), by an exact knapsack."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    most = np.minimum(capacity(field)[:, kind], limits)
    classes = np.flatnonzero((most > 0) & (duals > 0))
    scale = 1e6 / float(duals.max())
    values = [math.ceil(float(duals[c]) * scale) for c in classes]
    pods = [model.new_int_var(0, int(most[c]), f"pods[{c}]") for c in classes]
    for r in range(field.room.shape[1]):
        model.add(
            cp_model.LinearExpr.weighted_sum(pods, [int(field.requests[c, r]) for c in classes])
            <= int(field.room[kind, r])
        )
    for rule in np.flatnonzero(field.host.firm):
        both = field.host.owner[classes, rule] & field.host.member[classes, rule]
        if both.any():
            model.add(sum(pods[i] for i in np.flatnonzero(both)) <= 1)
    model.maximize(cp_model.LinearExpr.weighted_sum(pods, values))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.catch_sigint_signal = False
    if deterministic:
        solver.parameters.max_deterministic_time = 0.5
    else:
        solver.parameters.max_time_in_seconds = 0.5
    solver.solve(model)
    return solver.best_objective_bound / scale


def maximal_patterns(field: fields.Field, limits: Ints, most: int) -> tuple[Ints, NDArray[np.int32]] | None:
    """
    All patterns to which no pod can be added, or None when there are more than `most` or rules between pods of one
    node.
    """
    if not field.host.empty:
        return None
    classes = np.flatnonzero(limits > 0)
    if len(classes) > 60:
        return None
    single = np.minimum(capacity(field), limits[:, None])
    order = classes[np.argsort(-field.requests[classes].sum(axis=1))]
    kinds: list[int] = []
    rows: list[NDArray[np.int32]] = []
    budget = 4 * most
    for kind in range(len(field.cost)):
        usable = order[single[order, kind] > 0]
        if not len(usable):
            continue
        walk = _Walk(field.requests[usable], single[usable, kind], budget, most - len(rows))
        if not walk.visit(0, field.room[kind].copy()):
            return None
        budget = walk.budget
        found = np.zeros((len(walk.found), len(limits)), dtype=np.int32)
        if walk.found:
            found[:, usable] = np.stack(walk.found)
        rows.extend(found)
        kinds.extend([kind] * len(found))
    if not rows:
        return None
    return np.array(kinds, dtype=np.int64), np.stack(rows)


class _Walk:
    """
    Depth-first over numbers of pods, class by class; `found` are the full patterns. Gives up beyond `budget` steps or
    `most` patterns.
    """

    def __init__(self, need: Floats, limit: Ints, budget: int, most: int) -> None:
        self.need = need
        self.limit = limit
        self.budget = budget
        self.most = most
        self.current = np.zeros(len(limit), dtype=np.int32)
        self.found: list[NDArray[np.int32]] = []

    def visit(self, position: int, room: Floats) -> bool:
        """Whether the walk below this point ended within its limits."""
        self.budget -= 1
        if self.budget < 0 or len(self.found) > self.most:
            return False
        if position == len(self.limit):
            possible = (self.need <= room).all(axis=1) & (self.current < self.limit)
            if self.current.any() and not possible.any():
                self.found.append(self.current.copy())
            return True
        need = self.need[position]
        used = need > 0
        fit = int((room[used] // need[used]).min()) if used.any() else int(self.limit[position])
        for number in range(min(fit, int(self.limit[position])), -1, -1):
            self.current[position] = number
            if not self.visit(position + 1, room - number * need):
                return False
        self.current[position] = 0
        return True
