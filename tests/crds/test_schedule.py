"""Cron schedules: what is accepted, when they fire."""

from __future__ import annotations

import datetime

import cronsim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds import schedule


def at(text: str) -> int:
    """Seconds since the epoch of an instant in UTC."""
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "after", "until", "fires"),
    [
        ("0 9 * * 1-5", "2026-01-05 08:59", "2026-01-05 09:00", True),
        ("0 9 * * 1-5", "2026-01-05 09:00", "2026-01-06 08:59", False),
        ("0 9 * * 1-5", "2026-01-05 09:00", "2026-01-06 09:00", True),
        ("0 9 * * mon-fri", "2026-01-09 09:00", "2026-01-12 08:59", False),
        ("0 9 * * MON-FRI", "2026-01-09 09:00", "2026-01-12 09:00", True),
        ("*/15 * * * *", "2026-01-05 09:00:30", "2026-01-05 09:14:59", False),
        ("*/15 * * * *", "2026-01-05 09:00:30", "2026-01-05 09:15:00", True),
        ("10/20 * * * *", "2026-01-05 09:30", "2026-01-05 09:50", True),
        ("0 0 29 2 *", "2026-01-01 00:00", "2027-12-31 00:00", False),
        ("0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00", True),
        ("0 0 13 * fri", "2026-01-05 00:00", "2026-01-09 00:00", True),
        ("0 0 13 * *", "2026-01-05 00:00", "2026-01-12 23:59", False),
        ("0 0 ? jan sun", "2026-01-05 00:00", "2026-01-11 00:00", True),
        ("@daily", "2026-01-05 00:00", "2026-01-06 00:00", True),
        ("@hourly", "2026-01-05 00:01", "2026-01-05 00:59", False),
        ("@weekly", "2026-01-05 00:00", "2026-01-11 00:00", True),
        ("@monthly", "2026-01-02 00:00", "2026-01-31 23:59", False),
        ("@yearly", "2025-12-31 23:59", "2026-01-01 00:00", True),
        ("0 0 31 2,3 *", "2026-01-01 00:00", "2026-03-31 00:00", True),
        ("* * * * *", "2026-01-05 09:00", "2026-01-05 09:00", False),
    ],
)
def test_fires(text, after, until, fires):
    """A schedule fires after the first and up to the second instant, in UTC."""
    assert fires == schedule.parse(text).fires(at(after), at(until))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@dailyfoo",
        "@every 1h",
        "0 9 * *",
        "0 9 * * 1-5 *",
        "60 9 * * *",
        "0 24 * * *",
        "0 9 0 * *",
        "0 9 * 13 *",
        "0 9 * * 7",
        "0 9 * * 5-1",
        "0 9 * * mon-",
        "0 9 * * 1--5",
        "0 9 L * *",
        "0 9 * * 1#2",
        "*/0 * * * *",
        "*/x * * * *",
        ", * * * *",
        "-1 * * * *",
        "١ * * * *",
        "TZ=UTC 0 9 * * *",
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
    ],
)
def test_refused(text):
    """What is no schedule, or one that never comes, is refused with advice."""
    with pytest.raises(schedule.ScheduleError, match=r"(is not a schedule|is a date that never comes): .*\bwrite "):
        schedule.parse(text)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """A field of a schedule: anything, a number, a range, a list or a step."""
    number = st.integers(low, high).map(str)
    ends = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    return st.one_of(
        st.just("*"),
        number,
        ends.map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.lists(number, min_size=2, max_size=3).map(",".join),
    )


EXPRESSIONS = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).map(" ".join)


@settings(deadline=None)
@given(EXPRESSIONS, st.integers(at("2026-01-01 00:00"), at("2027-01-01 00:00")), st.integers(0, 7 * 86_400))
def test_agrees_with_another_implementation(text, after, seconds):
    """Where both grammars agree, the next firing is the one that cronsim finds."""
    start = datetime.datetime.fromtimestamp(after, datetime.UTC)
    following = next(cronsim.CronSim(text, start)).timestamp()

    assert (following <= after + seconds) == schedule.parse(text).fires(after, after + seconds)
