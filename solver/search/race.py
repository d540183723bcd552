"""
The exact model beside the search, where nobody knows beforehand which of them is better.

Up to 60 pods the exact model mostly ends with a proof, from some 150 on it mostly finds nothing. In between one of them
may be far ahead: 80 pods that patterns left at 18 % above the bound were solved in 0.8 s, others are still 2 % above it
after a minute. So both are at work, a core each, on one incumbent; who proves it ends the race. On one core, and where no
clock is asked, the exact model comes second.
"""

from __future__ import annotations

from concurrent import futures

from solver.search import incumbent
from solver.search.exact import small

PODS, CLASSES = 150, 40
"""Up to so many it is not clear; those that `small` carries are its own."""
CLOSE = 0.001
"""A gap that the exact model is not waited for."""
POLL = 0.02
"""Seconds between two looks at whether the race is over."""


class Race:
    """The exact model at work on an incumbent."""

    def __init__(self, known: incumbent.Incumbent) -> None:
        self.known = known
        self.ended = False
        self.started = known.budget.seconds()
        self.pool = futures.ThreadPoolExecutor(1)
        self.running: futures.Future[None] | None = None
        if known.settings.workers > 1 and not known.settings.deterministic:
            self.running = self.pool.submit(self._solve)

    @classmethod
    def over(cls, known: incumbent.Incumbent) -> Race | None:
        """A race over a problem, None where its outcome is clear."""
        unsure = int(known.problem.counts.sum()) <= PODS and len(known.problem.classes) <= CLASSES
        return cls(known) if unsure else None

    def end(self) -> None:
        """Wait until something is proved or nearly so, or the time is over."""
        if self.running is None and not self._is_decided():
            self.started = self.known.budget.seconds()
            self._solve()
        elif self.running is not None:
            while not self._is_decided() and not futures.wait([self.running], POLL).done:
                pass
            self.ended = True
            self.running.result()
        self.pool.shutdown()
        self.known.phase("exact", self.started)

    def _is_decided(self) -> bool:
        return self.known.done() or (self.known.gap() <= CLOSE and not self.known.unplaced())

    def _solve(self) -> None:
        small.direct(self.known, self.known.budget.left(), 1, self._stops)

    def _stops(self) -> bool:
        return self.ended or self.known.settings.stop()
