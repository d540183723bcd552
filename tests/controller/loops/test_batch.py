"""The batch window."""

from __future__ import annotations

import pytest

from controller.loops import batch


def test_nothing_is_due_before_anything_has_come():
    """An idle controller plans nothing."""
    assert batch.Batcher(1, 10).wait(0) is None


def test_the_window_closes_when_no_pod_comes_any_more():
    """Each pod moves the end by the idle time."""
    window = batch.Batcher(1, 10)
    window.trigger(0)
    window.trigger(0.6)

    assert window.wait(0.6) == 1
    assert window.wait(1.6) == 0


def test_the_window_closes_at_the_latest_after_its_longest_time():
    """A stream of pods does not put the plan off for ever."""
    window = batch.Batcher(1, 10)
    for tenth in range(98):
        window.trigger(tenth / 10)

    assert window.wait(9.7) == pytest.approx(0.3)


def test_what_comes_after_the_close_belongs_to_the_next_batch():
    """Taking closes, and a trigger opens anew."""
    window = batch.Batcher(1, 10)
    window.trigger(0)
    window.take()
    assert window.wait(5) is None
    window.trigger(6)
    assert window.wait(6) == 1
