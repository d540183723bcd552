"""
The search over a problem that falls apart (`parts`): each part by the strategy that fits it, in its share of the time.

1. Each part gets its first plan. Side by side they are the first plan of the whole.
2. What is left of the time is shared by what more of it could save, which is what each plan costs above its bound; the
   parts with least to save go first, and what they do not use is there for the others. So small parts are mostly
   proved in no time, and the rest goes where the money is.
3. Bounds add up. The plan is optimal when those of all parts are.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from solver import evaluate
from solver import problem as problems
from solver.search import incumbent, params
from solver.search import parts as split

FAIR = 0.5
"""Least share of the time left that a part gets, in shares of what it would get if all got the same."""


class Search(Protocol):
    """A search over one problem (`engine.Engine`)."""

    known: incumbent.Incumbent
    patterns: int

    def steps(self) -> Iterator[None]:
        """Search; waits once, when the first plan is there."""

    def is_exact(self) -> bool:
        """Whether bounds on what was searched hold for the whole problem."""

    def found(self) -> params.Found:
        """The answer so far."""


Make = Callable[[problems.Problem, params.Params], Search]


class Watch:
    """A clock that stands still while others are at work."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds = 0.0
        self.since: float | None = None

    def __call__(self) -> float:
        """Seconds that it ran."""
        return self.seconds + (0.0 if self.since is None else self.clock() - self.since)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let it run."""
        self.since = self.clock()
        yield
        self.seconds, self.since = self(), None


class Member:
    """The search over one part. `first` is its first plan."""

    def __init__(self, part: split.Part, settings: params.Params, make: Make) -> None:
        self.part = part
        self.watch = Watch((lambda: 0.0) if settings.deterministic else settings.clock)
        warm = None if settings.warm is None else part.inside(settings.warm)
        self.search = make(part.problem, dataclasses.replace(settings, clock=self.watch, warm=warm))
        self.work = self.search.steps()
        self.run()
        self.first = self.search.known.best

    def run(self) -> None:
        """Search on to the first plan, or to the end."""
        with self.watch.running():
            next(self.work, None)

    def gain(self) -> float:
        """The most that better plans can save, micro-euro per hour; the whole cost where pods are left out."""
        known = self.search.known
        return max(0.0, known.value.cost - (0.0 if known.unplaced() else known.bound))


class Together:
    """One search over a problem in several parts; `whole` holds what is known of the problem as one."""

    def __init__(self, whole: Search, of: Sequence[split.Part], settings: params.Params, make: Make) -> None:
        self.whole = whole
        self.problem = whole.known.problem
        self.parts = of
        self.settings = settings
        self.make = make
        self.members: list[Member] = []

    def run(self) -> params.Found | None:
        """Search until all is proved or the time is over. None when plans of the parts do not go together."""
        known = self.whole.known
        started = known.budget.seconds()
        quiet = dataclasses.replace(self.settings, progress=lambda _: self.report())
        for part in self.parts:
            self.members.append(Member(part, quiet, self.make))
            known.budget.tick(self.members[-1].search.known.budget.rounds)
        first = split.union((member.part, member.first) for member in self.members)
        if evaluate.violations(self.problem, first):
            return None
        known.offer(first, "fill")
        known.phase("fill", started)
        started = known.budget.seconds()
        self.improve()
        self.unite()
        self.conclude()
        known.phase("parts", started)
        self.whole.patterns = sum(member.search.patterns for member in self.members)
        return self.whole.found()

    def report(self) -> None:
        """Tell the caller how things stand, once every part has a plan."""
        if len(self.members) < len(self.parts):
            return
        found = [member.search.known for member in self.members]
        cost = sum(evaluate.price(each.problem, each.best) for each in found)
        bound = int(sum(each.bound for each in found))
        self.settings.progress(params.Progress(self.whole.known.budget.seconds(), cost, bound if bound > 0 else None))

    def improve(self) -> None:
        """Search on part by part, each in its share of the time that is left."""
        waiting = sorted(self.members, key=lambda member: member.gain())
        while waiting:
            gains = [member.gain() for member in waiting]
            share = max(gains[0] / sum(gains) if any(gains) else 0.0, FAIR / len(waiting))
            member, *waiting = waiting
            budget = member.search.known.budget
            budget.limit = budget.used() + self.whole.known.budget.left() * (share if waiting else 1.0)
            before = budget.rounds
            member.run()
            self.whole.known.budget.tick(budget.rounds - before)

    def unite(self) -> None:
        """Offer the plans of all parts side by side; those of parts that break a limit together are given up again."""
        dearest = max(self.members, key=lambda member: member.search.known.value.cost)
        strategy = dearest.search.known.strategy
        best = [(member.part, member.search.known.best) for member in self.members]
        if not evaluate.violations(self.problem, together := split.union(best)):
            self.whole.known.offer(together, strategy)
            return
        kept = [(member.part, member.first) for member in self.members]
        for index, better in enumerate(best):
            tried = [*kept[:index], better, *kept[index + 1 :]]
            kept = tried if self.whole.known.offer(split.union(tried), strategy) else kept

    def conclude(self) -> None:
        """What is proved of the whole."""
        known = self.whole.known
        found = [member.search.known for member in self.members]
        firm = all(each.optimal or not each.unplaced() for each in found)
        if firm and self.whole.is_exact():
            known.lift(sum(each.bound for each in found))
        if not all(each.optimal for each in found) or self.is_charge_shared():
            return
        if known.value.cost == sum(each.value.cost for each in found):
            known.proved()

    def is_charge_shared(self) -> bool:
        """Whether parts could share the charge for a new OVH pool, so that a plan may cost less than its parts."""
        pools = self.problem.pools
        new = [np.unique([offer.pool for offer in part.problem.offers]).astype(np.int64) for part in self.parts]
        users = np.bincount(np.concatenate(new), minlength=len(pools.exists))
        return bool(pools.charge > 0 and (~pools.exists & (users > 1)).any())
