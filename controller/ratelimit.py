"""A token bucket that several threads share.

OVH documents no rate limit; one of its developers named about 60 requests a minute and consumer key as fair use
(https://github.com/ovh/python-ovh/issues/81).
"""

from __future__ import annotations

import math
import threading
import time

from controller import retry


class PatienceError(Exception):
    """A permit would have taken ``wait`` seconds, longer than the caller would wait."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"the next permit is {wait:.1f} s away")
        self.wait = wait


class TokenBucket:
    """At most ``rate`` permits a second on average, ``burst`` of them at once after a rest.

    Kept as the instant at which the next permit falls due, which may lie up to ``burst - 1`` intervals in the past.
    Waiters are served in the order in which they asked.
    """

    def __init__(
        self,
        rate: float = 1.0,
        burst: int = 5,
        *,
        clock: retry.Clock = time.monotonic,
        sleep: retry.Sleep = time.sleep,
    ) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"a token bucket needs rate > 0 and burst >= 1, not {rate} and {burst}")
        self._interval = 1.0 / rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._due = clock() - (burst - 1) * self._interval

    def acquire(self, patience: float = math.inf) -> float:
        """Wait for a permit; the seconds that it took.

        Raises ``PatienceError``, and takes no permit, when that would be more than ``patience`` seconds.
        """
        with self._lock:
            now = self._clock()
            due = max(self._due, now - (self._burst - 1) * self._interval)
            wait = max(0.0, due - now)
            if wait > patience:
                raise PatienceError(wait)
            self._due = due + self._interval
        if wait > 0:
            self._sleep(wait)
        return wait

    def pause(self, seconds: float) -> None:
        """Hand out nothing for so many seconds, and no burst after them: the server has asked for peace."""
        with self._lock:
            self._due = max(self._due, self._clock() + seconds)
