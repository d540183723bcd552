"""Runs a loop in a thread: again when woken or after a pause, with back-off after failures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from controller import metrics, retry
from controller.kube import api as apis
from controller.ovh import errors as ovh

log = logging.getLogger(__name__)


class Loop:
    """One loop; `tick` makes a pass and says after how many seconds the next is due."""

    def __init__(self, name: str, tick: Callable[[], float], *, least: float = 0.1) -> None:
        self.name = name
        self._tick = tick
        self._least = least
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._began: float | None = None

    def busy(self) -> float:
        """For how many seconds the present pass has run, 0 between passes."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def wake(self) -> None:
        """Make the next pass soon."""
        self._wake.set()

    def start(self, stop: threading.Event) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self.run, args=(stop,), name=self.name, daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread; whether it has ended."""
        if self._thread is None:
            return True
        self._wake.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def run(self, stop: threading.Event) -> None:
        """Passes until stopped."""
        backoff = retry.Backoff(base=1.0, cap=30.0)
        failures = 0
        while not stop.is_set():
            self._wake.clear()
            started = self._began = time.monotonic()
            try:
                wait = self._tick()
                failures = 0
            except (apis.ApiError, apis.UnreachableError, ovh.OVHError) as error:
                failures += 1
                wait = backoff.delay(failures)
                metrics.RECONCILE_ERRORS.labels(self.name).inc()
                log.warning("pass failed", extra={"loop": self.name, "error": str(error)})
            except Exception:
                failures += 1
                wait = backoff.delay(failures)
                metrics.RECONCILE_ERRORS.labels(self.name).inc()
                log.exception("pass failed", extra={"loop": self.name})
            metrics.RECONCILES.labels(self.name, "error" if failures else "success").inc()
            metrics.RECONCILE_SECONDS.labels(self.name).observe(time.monotonic() - started)
            self._began = None
            # A burst of changes makes one pass.
            stop.wait(self._least)
            if failures:
                stop.wait(wait)
            else:
                self._wake.wait(max(0.0, wait - self._least))
