"""
The search over a problem that falls apart (`parts`): each part by the strategy that fits it, in its share of the time.

1. Each part gets its first plan. Side by side they are the first plan of the whole.
2. What is left of the time is shared by what more of it could save, which is what each plan costs above its bound; the
   parts with least to save go first, and what they do not use is there for the others. So small parts are mostly
   proved in no time, and the rest goes where the money is. Each core works on a part of its own.
3. Small parts that were not proved are tried again, from their best plans, while twice the time is there for them; for all
   of them, or for those with most to gain.
4. Bounds add up. The plan is optimal when those of all parts are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Protocol

import numpy as np

from solver import evaluate
from solver import problem as problems
from solver.search import incumbent, params
from solver.search import parts as split
from solver.search.exact import small

FAIR = 0.5
"""Least share of the time left that a part gets, in shares of what it would get if all got the same."""
LEAST = 0.1
"""Seconds below which an attempt is not worth it: fewer parts are searched on then."""
PER_PAIR = 0.0007
"""
Seconds per pod squared below which exact methods do not get far (40 pods: 1.1 s, 10 pods: 0.07 s): patterns and
neighbourhoods use them better.
"""
AGAIN = 2.0
"""A part is tried again when it can have so many times the time that it had."""

UNPROVED = 0.5
"""What an attempt without proof takes of its time where no clock is asked."""


class Search(Protocol):
    """A search over one problem (`engine.Engine`)."""

    known: incumbent.Incumbent
    patterns: int
    hurried: bool

    def steps(self) -> Iterator[None]:
        """Search; waits once, when the first plan is there."""

    def is_exact(self) -> bool:
        """Whether bounds on what was searched hold for the whole problem."""

    def found(self, *, firm: bool = False) -> params.Found:
        """The answer so far; `firm` is a bound that holds although pods are left out."""


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


class Attempt:
    """One search over a part, as far as its first plan; `warm` is a solution to start from."""

    def __init__(self, member: Member, warm: problems.Solution | None) -> None:
        self.watch = Watch((lambda: 0.0) if member.settings.deterministic else member.settings.clock)
        settings = dataclasses.replace(member.settings, clock=self.watch, warm=warm)
        self.search = member.make(member.part.problem, settings)
        self.work = self.search.steps()
        self.go_on()

    def go_on(self) -> None:
        """Search on to the first plan, or to the end."""
        with self.watch.running():
            next(self.work, None)


class Member:
    """The search over one part. `first` is its first plan, `limit` the time that its last attempt had in seconds."""

    def __init__(self, part: split.Part, settings: params.Params, make: Make, *, alone: bool = False) -> None:
        self.part = part
        self.alone = alone
        self.settings = settings
        self.make = make
        self.limit = 0.0
        self.patterns = 0
        self.ended = False
        self.attempt = Attempt(self, None if settings.warm is None else part.inside(settings.warm))
        self.first = self.known.best

    @property
    def known(self) -> incumbent.Incumbent:
        """What is known of the part."""
        return self.attempt.search.known

    def run(self, limit: float) -> None:
        """Search for `limit` seconds; once more from the best plan so far where that came to an end without proof."""
        if self.ended:
            again = Attempt(self, self.known.best)
            again.search.known.lift(self.known.bound)
            self.attempt = again
        budget, search = self.known.budget, self.attempt.search
        used = budget.used()
        budget.limit = used + max(0.0, limit - budget.aside)
        search.hurried = not self.alone and limit < PER_PAIR * int(self.part.problem.counts.sum()) ** 2
        self.attempt.go_on()
        self.limit = min(limit, budget.used() - used) if search.hurried else limit
        self.ended = True
        self.patterns += self.attempt.search.patterns

    def gain(self) -> float:
        """The most that better plans can save, micro-euro per hour; the whole cost where pods are left out."""
        return max(0.0, self.known.value.cost - (0.0 if self.known.unplaced() else self.known.bound))

    def is_open(self) -> bool:
        """Whether more time could prove what the last attempt did not."""
        return small.carries(self.part.problem) and not self.known.settled()


class Together:
    """One search over a problem in several parts; `whole` holds what is known of the problem as one."""

    def __init__(self, whole: Search, of: Sequence[split.Part], settings: params.Params, make: Make) -> None:
        self.whole = whole
        self.problem = whole.known.problem
        self.budget = whole.known.budget
        self.parts = of
        self.settings = settings
        self.make = make
        self.cores = 1 if settings.deterministic else max(1, min(settings.workers, len(of)))
        self.lock = threading.RLock()
        self.members: list[Member] = []
        self.promised: dict[int, float] = {}

    def run(self) -> params.Found | None:
        """Search until all is proved or the time is over. None when plans of the parts do not go together."""
        known = self.whole.known
        started = self.budget.seconds()
        workers = max(1, self.settings.workers // self.cores)
        settings = dataclasses.replace(self.settings, workers=workers, finish=0.0, progress=lambda _: self.report())
        for part in self.parts:
            self.members.append(Member(part, settings, self.make, alone=len(self.parts) == 1))
            self.budget.tick(self.members[-1].known.budget.rounds)
        judging = self.budget.seconds()
        first = split.union((member.part, member.first) for member in self.members)
        if evaluate.violations(self.problem, first):
            return None
        known.offer(first, "fill")
        self.budget.set_aside((1 + self.settings.finish) * (self.budget.seconds() - judging))
        known.phase("fill", started)
        started = self.budget.seconds()
        self.improve()
        self.unite()
        firm = self.conclude()
        known.phase("parts", started)
        self.whole.patterns = sum(member.patterns for member in self.members)
        return self.whole.found(firm=firm)

    def report(self) -> None:
        """Tell the caller how things stand, once every part has a plan."""
        if len(self.members) < len(self.parts):
            return
        with self.lock:
            found = [member.known for member in self.members]
            cost = sum(evaluate.price(each.problem, each.best) for each in found)
            bound = int(sum(each.bound for each in found))
            self.settings.progress(params.Progress(self.budget.seconds(), cost, bound if bound > 0 else None))

    def improve(self) -> None:
        """Search on: all parts, then those again that were not proved and can have more time than they had."""
        while waiting := self._next():
            with futures.ThreadPoolExecutor(self.cores) as pool:
                for done in [pool.submit(self._work_off, waiting) for _ in range(self.cores)]:
                    done.result()

    def _next(self) -> list[Member]:
        """Parts to go on with, least gain first: as many as there is time for, those with most to gain."""
        if self.budget.over():
            return []
        left = self.budget.left()
        ranked = sorted((each for each in self.members if not each.ended or each.is_open()), key=Member.gain)
        most = max(self.cores, int(left * self.cores / LEAST))
        for number in range(len(ranked), 0, -1):
            each = min(left, left * self.cores / number)
            waiting = [member for member in ranked[-number:] if not member.ended or each > AGAIN * member.limit]
            if waiting:
                return waiting[-most:]
        return []

    def _work_off(self, waiting: list[Member]) -> None:
        """Take parts, least gain first, and search on in their shares of the time that is left."""
        me = threading.get_ident()
        while True:
            with self.lock:
                self.promised.pop(me, None)
                if not waiting:
                    return
                gains = [member.gain() for member in waiting]
                share = max(gains[0] / sum(gains) if any(gains) else 0.0, FAIR / len(waiting))
                member = waiting.pop(0)
                left, now = self.budget.left(), self.budget.used()
                free = left * self.cores - sum(max(0.0, until - now) for until in self.promised.values())
                limit = min(left, free * (share if waiting else 1.0))
                self.promised[me] = now + limit
            before = member.known.budget.rounds
            member.run(limit)
            if self.settings.deterministic:
                rounds = UNPROVED * limit * params.Budget.ROUNDS_PER_SECOND if member.is_open() else 0.0
                self.budget.tick(max(rounds, member.known.budget.rounds - before))

    def unite(self) -> None:
        """Offer the plans of all parts side by side; those of parts that break a limit together are given up again."""
        dearest = max(self.members, key=lambda member: member.known.value.cost)
        strategy = dearest.known.strategy
        best = [(member.part, member.known.best) for member in self.members]
        if not evaluate.violations(self.problem, together := split.union(best)):
            self.whole.known.offer(together, strategy)
            return
        kept = [(member.part, member.first) for member in self.members]
        for index, better in enumerate(best):
            tried = [*kept[:index], better, *kept[index + 1 :]]
            kept = tried if self.whole.known.offer(split.union(tried), strategy) else kept

    def conclude(self) -> bool:
        """
        What is proved of the whole; whether its bound holds for all plans that leave out no more pods: so it is where those left
        out have no place anywhere.
        """
        known = self.whole.known
        found = [member.known for member in self.members]
        firm = all(not each.unplaced() for each in found)
        homeless = self.problem.counts.sum() - sum(part.problem.counts.sum() for part in self.parts)
        if all(each.optimal or not each.unplaced() for each in found) and all(
            member.attempt.search.is_exact() for member in self.members
        ):
            known.lift(sum(each.bound for each in found))
        self._prove(found)
        return bool(firm and sum(known.value.unplaced) == homeless)

    def _prove(self, found: Sequence[incumbent.Incumbent]) -> None:
        known = self.whole.known
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
