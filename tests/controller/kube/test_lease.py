"""One leader at a time, whatever the clocks say."""

from __future__ import annotations

import threading

import pytest

from controller.kube import kinds, lease
from tests.controller.kube import memory

TIMING = lease.Timing(duration=15, deadline=10, period=0.001)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api() -> memory.Memory:
    return memory.Memory()


def elector(api: memory.Memory, clock: Clock, name: str) -> lease.Elector:
    return lease.Elector(api, "election", "karpenter", name, TIMING, clock=clock)


def holder(api: memory.Memory) -> str:
    return str(api.get(kinds.LEASE, "election", "karpenter")["spec"]["holderIdentity"])


def test_the_first_leads_and_the_second_waits(api, clock):
    """A lease that is renewed is nobody else's."""
    one, two = elector(api, clock, "one"), elector(api, clock, "two")

    assert one.attempt()
    for _ in range(5):
        clock.now += 5
        assert not two.attempt()
        assert one.attempt()
    assert holder(api) == "one"


def test_a_lease_is_taken_over_only_after_it_was_seen_still_for_its_whole_duration(api, clock):
    """The candidate counts from its own first look, not from the time in the lease."""
    assert elector(api, clock, "one").attempt()
    clock.now += 1000
    two = elector(api, clock, "two")

    assert not two.attempt()
    clock.now += 14.9
    assert not two.attempt()
    clock.now += 0.2
    assert two.attempt()
    assert api.get(kinds.LEASE, "election", "karpenter")["spec"]["leaseTransitions"] == 1


def test_a_released_lease_is_free_at_once(api, clock):
    """Whoever stops in order makes the next one wait for nothing."""
    one, two = elector(api, clock, "one"), elector(api, clock, "two")
    assert one.attempt()
    assert not two.attempt()
    one.release()

    assert not one.leading.is_set()
    assert two.attempt()


def test_a_leader_that_cannot_renew_stops_before_anybody_may_begin(api, clock):
    """The deadline of 10 s is below the duration of 15 s."""
    one = elector(api, clock, "one")
    assert one.attempt()
    api.down = True
    clock.now += 10.1
    stop, lost = threading.Event(), threading.Event()
    one.run(stop, lost.set)

    assert lost.is_set()
    assert not one.leading.is_set()


def test_a_short_outage_does_not_cost_the_lead(api, clock):
    """Within the deadline nothing is lost."""
    one = elector(api, clock, "one")
    assert one.attempt()
    api.down = True
    clock.now += 9
    assert not one.attempt()
    assert one.leading.is_set()


def test_a_leader_that_finds_another_name_stops_at_once(api, clock):
    """There is nothing to wait for."""
    one = elector(api, clock, "one")
    assert one.attempt()
    found = api.get(kinds.LEASE, "election", "karpenter")
    found["spec"]["holderIdentity"] = "two"
    api.put(kinds.LEASE, found)
    lost = threading.Event()
    one.run(threading.Event(), lost.set)

    assert lost.is_set()


def test_stopping_gives_the_lease_up(api, clock):
    """The name is taken out of it."""
    one = elector(api, clock, "one")
    assert one.attempt()
    stop = threading.Event()
    stop.set()
    one.run(stop, lambda: None)

    assert holder(api) == ""
