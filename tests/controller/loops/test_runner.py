"""A loop: again when woken, with back-off after failures, and what probes and metrics see of it."""

from __future__ import annotations

import threading

from controller import metrics
from controller.loops import runner


def test_a_pass_under_way_is_seen_and_a_failure_is_counted():
    """Between passes a loop is not busy; a pass that fails does not end the loop."""
    stop, began, go = threading.Event(), threading.Event(), threading.Event()

    def tick() -> float:
        began.set()
        go.wait(10)
        stop.set()
        raise ValueError("on purpose")

    errors = metrics.RECONCILE_ERRORS.labels("test")._value.get()
    loop = runner.Loop("test", tick, least=0.0)
    assert loop.busy() == 0
    loop.start(stop)
    assert began.wait(10)
    assert loop.busy() > 0
    go.set()
    assert loop.join(10)

    assert loop.busy() == 0
    assert metrics.RECONCILE_ERRORS.labels("test")._value.get() == errors + 1
    assert metrics.RECONCILES.labels("test", "error")._value.get() >= 1
