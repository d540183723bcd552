"""Durations: what is accepted, how many seconds it is, how it is written back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("0s", 0),
        ("30s", 30),
        ("5m", 300),
        ("720h", 2_592_000),
        ("720h30m", 2_593_800),
        ("8h30m0s", 30_600),
        ("1m1h", 3660),
        ("1h1h", 7200),
        ("1.5h", 5400),
        (".5m", 30),
        ("1.s", 1),
        ("+2s", 2),
        ("-90s", -90),
        ("1500ms", 2),
        ("-1500ms", -1),
        ("1ns", 1),
        ("0.1ns", 0),
        ("1us", 1),
        ("1µs", 1),
        ("1μs", 1),
        ("2562047h", 9_223_369_200),
    ],
)
def test_accepted(text, seconds):
    """Every form that Go accepts is read; what is finer than a second is rounded up."""
    assert seconds == duration.parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "-", "5", "h", ".h", "1d", "1w", " 1s", "1s ", "1 h", "1H", "one hour", "1h-5m", "Never", "1h" * 100]
)
def test_refused(text):
    """Anything else is refused in one sentence that says what to write."""
    with pytest.raises(
        duration.DurationError, match="is not a duration: write hours, minutes and seconds, such as 720h, 1h30m or 30s"
    ):
        duration.parse_duration(text)


def test_too_long():
    """Go counts nanoseconds in 63 bits; longer durations are refused, not wrapped."""
    with pytest.raises(
        duration.DurationError, match="'2562048h' is longer than a duration can be: write at most 2562047h"
    ):
        duration.parse_duration("2562048h")


def test_never():
    """Never is no number of seconds, and only where it is allowed."""
    assert duration.parse_duration_or_never("Never") is None
    assert duration.parse_duration_or_never("30s") == 30
    assert duration.format_duration(None) == "Never"
    with pytest.raises(duration.DurationError, match=r"'never' is not a duration: .* or 30s, or Never$"):
        duration.parse_duration_or_never("never")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (30, "30s"),
        (90, "1m30s"),
        (3600, "1h"),
        (2_592_000, "720h"),
        (2_593_801, "720h30m1s"),
        (-90, "-1m30s"),
    ],
)
def test_written(seconds, text):
    """Parts that are zero are left out."""
    assert text == duration.format_duration(seconds)


@settings(deadline=None)
@given(st.integers(-(2**33), 2**33))
def test_written_durations_are_read_back(seconds):
    """Formatting loses nothing."""
    assert seconds == duration.parse_duration(duration.format_duration(seconds))
