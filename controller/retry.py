"""The one way to back off: exponential, full jitter, a cap, and the server's own wish to wait.

Clock, sleep and random are arguments, so that tests take no time and a shutdown can cut a wait short by passing an
event's ``wait`` as sleep.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Sleep = Callable[[float], object]
Clock = Callable[[], float]
Draw = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long and how often to try again.

    ``base`` and ``cap`` bound the random part of a wait in seconds, ``attempts`` counts the first try too, and no
    wait begins that would end more than ``patience`` seconds after the first try.
    """

    base: float = 0.5
    cap: float = 30.0
    attempts: int = 5
    patience: float = 60.0

    def delay(self, failures: int, draw: Draw = random.uniform, at_least: float = 0.0) -> float:
        """Seconds to wait after so many failures in a row (>= 1): ``at_least``, and at random up to a doubling ceiling.

        Full jitter spreads clients that failed together
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/); adding it to the server's
        Retry-After spreads those that were all told the same second.
        """
        doublings = min(failures - 1, 32)
        return at_least + draw(0.0, min(self.cap, self.base * 2.0**doublings))


def call(
    act: Callable[[], T],
    may_repeat: Callable[[Exception], float | None],
    backoff: Backoff,
    *,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
    draw: Draw = random.uniform,
) -> T:
    """Run ``act`` until it returns, fails in a way that may not be repeated, or patience ends: its error is raised.

    ``may_repeat`` answers None for an error that must not be repeated, otherwise the least number of seconds to wait.
    """
    begin = clock()
    failures = 0
    while True:
        try:
            return act()
        except Exception as error:
            failures += 1
            at_least = may_repeat(error)
            if at_least is None or failures >= backoff.attempts:
                raise
            wait = backoff.delay(failures, draw, at_least)
            if clock() - begin + wait > backoff.patience:
                raise
        sleep(wait)
