"""Back-off and the budget of calls, with a clock that only the test moves."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import ratelimit, retry


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.integers(1, 200), st.floats(0, 100), st.floats(0, 1))
def test_a_delay_lies_between_the_servers_wish_and_the_ceiling(failures: int, at_least: float, share: float) -> None:
    """Full jitter: any point up to min(cap, base doubled for each failure), on top of Retry-After."""
    backoff = retry.Backoff(base=0.5, cap=30.0)

    delay = backoff.delay(failures, lambda low, high: low + share * (high - low), at_least)

    assert at_least <= delay <= at_least + min(30.0, 0.5 * 2 ** min(failures - 1, 10))


def test_a_call_is_repeated_until_it_works() -> None:
    """Two failures, two waits, one result."""
    time = Time()
    failures = iter([OSError(), OSError()])

    def act() -> str:
        for failure in failures:
            raise failure
        return "done"

    assert retry.call(act, lambda _: 1.0, retry.Backoff(), clock=time, sleep=time.sleep, draw=max) == "done"
    assert time.now == 100 + (1 + 0.5) + (1 + 1)


def test_what_may_not_be_repeated_is_raised_at_once() -> None:
    """None is the answer for an error that a repeat would make worse."""
    tries = []

    def act() -> None:
        tries.append(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        retry.call(act, lambda _: None, retry.Backoff(), sleep=lambda _: pytest.fail("no wait"))
    assert len(tries) == 1


def test_patience_bounds_the_whole() -> None:
    """No wait begins that would end beyond it."""
    time = Time()

    def act() -> None:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        retry.call(
            act, lambda _: 8.0, retry.Backoff(attempts=99, patience=20.0), clock=time, sleep=time.sleep, draw=min
        )
    assert time.now == 116.0


def test_a_bucket_allows_a_burst_and_then_its_rate() -> None:
    """Three at once, then one every two seconds; a rest fills it again, up to the burst."""
    time = Time()
    bucket = ratelimit.TokenBucket(0.5, 3, clock=time, sleep=time.sleep)

    waits = [bucket.acquire() for _ in range(5)]
    time.now += 1000
    waits += [bucket.acquire() for _ in range(4)]

    assert waits == [0, 0, 0, 2, 2, 0, 0, 0, 2]


@given(st.lists(st.floats(0, 5), max_size=40), st.integers(1, 6))
def test_no_window_ever_sees_more_than_burst_and_rate(gaps: list[float], burst: int) -> None:
    """In any stretch of time t at most burst + t permits are handed out at one a second."""
    time = Time()
    bucket = ratelimit.TokenBucket(1.0, burst, clock=time, sleep=time.sleep)
    stamps = []
    for gap in gaps:
        time.now += gap
        bucket.acquire()
        stamps.append(time.now)

    for first, begin in enumerate(stamps):
        for last in range(first, len(stamps)):
            assert last - first + 1 <= burst + (stamps[last] - begin) + 1e-6


def test_a_pause_holds_everybody_and_leaves_no_burst() -> None:
    """After a 429 the calls come back one by one."""
    time = Time()
    bucket = ratelimit.TokenBucket(1.0, 5, clock=time, sleep=time.sleep)

    bucket.pause(10)

    assert [bucket.acquire() for _ in range(3)] == [10, 1, 1]


def test_a_permit_too_far_away_is_not_taken() -> None:
    """Whoever will not wait leaves the place to others."""
    time = Time()
    bucket = ratelimit.TokenBucket(1.0, 1, clock=time, sleep=time.sleep)
    bucket.pause(10)

    with pytest.raises(ratelimit.PatienceError) as caught:
        bucket.acquire(patience=9.9)

    assert caught.value.wait == 10
    assert bucket.acquire(patience=10) == 10


def test_threads_share_one_budget() -> None:
    """Twenty threads with one bucket wait as long as one thread would."""
    time = Time()
    bucket = ratelimit.TokenBucket(1.0, 5, clock=time, sleep=lambda _: None)
    waits: list[float] = []
    threads = [threading.Thread(target=lambda: waits.append(bucket.acquire())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(waits) == [0] * 5 + list(range(1, 16))


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (1.0, 0)])
def test_a_bucket_without_permits_is_refused(rate: float, burst: int) -> None:
    """Otherwise the first caller would wait for ever."""
    with pytest.raises(ValueError, match="needs rate > 0 and burst >= 1"):
        ratelimit.TokenBucket(rate, burst)
