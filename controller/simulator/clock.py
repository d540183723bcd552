"""Two clocks: one that runs at a speed, one that stands until it is pushed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Where the simulator's time comes from, in seconds since the epoch."""

    def now(self) -> float:
        """The present time."""
        ...

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        ...


class RunningClock:
    """Runs ``speed`` times as fast as the real clock, from ``start`` on."""

    def __init__(self, start: float, speed: float = 1.0, real: Callable[[], float] = time.monotonic) -> None:
        self._real = real
        self._start = start
        self._since = real()
        self._speed = speed

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> float:
        """The present time."""
        return self._start + (self._real() - self._since) * self._speed

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._start += seconds

    def run_at(self, speed: float) -> None:
        """Go on from now at another speed."""
        self._start, self._since = self.now(), self._real()
        self._speed = speed


class ManualClock:
    """Moves only when it is told to."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        """The present time."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._now += seconds
