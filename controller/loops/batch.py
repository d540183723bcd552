"""The batch window: a decision waits until no new pod has come for a while, but not for ever."""

from __future__ import annotations

import threading


class Batcher:
    """
    Opens with the first trigger; is due `idle` seconds after the last one and at most `longest` after the first.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, idle: float, longest: float) -> None:
        self._idle = idle
        self._longest = longest
        self._lock = threading.Lock()
        self._first: float | None = None
        self._last = 0.0

    def trigger(self, now: float) -> None:
        """Something to plan for has come."""
        with self._lock:
            if self._first is None:
                self._first = now
            self._last = now

    def wait(self, now: float) -> float | None:
        """Seconds until the batch is due, 0 when it is, None when nothing has come."""
        with self._lock:
            if self._first is None:
                return None
            return max(0.0, min(self._last + self._idle, self._first + self._longest) - now)

    def take(self) -> None:
        """Close the window: what comes from now on belongs to the next batch."""
        with self._lock:
            self._first = None
