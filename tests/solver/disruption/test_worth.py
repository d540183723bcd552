"""What a removal costs apart from prices, function by function, each with where it is nothing."""

from __future__ import annotations

import datetime

import pytest

from solver import cluster
from solver.disruption import pods, worth
from tests.solver import builders as b
from tests.solver.disruption import worlds

DAY = 24 * 3600


def moment(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp())


def test_spread_over_the_horizon():
    """24 euro over a day are one an hour; rounding is against the move."""
    assert worth.per_hour(24_000_000, DAY) == 1_000_000
    assert worth.per_hour(1, DAY) == 1
    assert worth.per_hour(0, DAY) == 0


@pytest.mark.parametrize(
    ("deletion_cost", "priority", "weight"),
    [
        (None, 0, 1.0),
        (str(2**27), 0, 2.0),
        ("0", 2**25, 2.0),
        (str(-(2**27)), 0, 0.0),
        (str(2**31 - 1), 0, 10.0),
        (str(-(2**31)), 0, -10.0),
        ("0", 2_000_000_000, 10.0),
        ("much", 0, 1.0),
    ],
)
def test_the_weight_of_an_eviction(deletion_cost: str | None, priority: int, weight: float):
    """1 + pod-deletion-cost / 2^27 + priority / 2^25, within -10 and 10."""
    annotations = {} if deletion_cost is None else {pods.DELETION_COST: deletion_cost}
    found = pods.eviction_cost(b.pod("web", b.spec(priority=priority), annotations=annotations))

    assert found == pytest.approx(weight)


def test_evictions_cost_their_weight_times_the_price():
    """Nothing without pods, without a price, or for pods that gladly go."""
    assert worth.evictions([1, 1, 2], 1000) == 4000
    assert worth.evictions([], 1000) == 0
    assert worth.evictions([1, 1], 0) == 0
    assert worth.evictions([-5, 0], 1000) == 0
    assert worth.evictions([1 / 3], 1000) == 334


def test_old_and_new_side_by_side():
    """The old node for the 300 s in which the new one starts and pods leave; nothing for a node without pods."""
    assert worth.side_by_side(120_000, 3) == 10_000
    assert worth.side_by_side(120_000, 0) == 0
    assert worth.side_by_side(0, 3) == 0


@pytest.mark.parametrize(
    ("created", "now", "end"),
    [
        ("2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z", "2026-02-28T12:00:00Z"),
        ("2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"),
        ("2026-01-15T08:30:00Z", "2026-01-15T08:30:00Z", "2026-02-15T08:30:00Z"),
        ("2026-12-10T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-10T00:00:00Z"),
    ],
)
def test_months_count_from_creation(created: str, now: str, end: str):
    """To the same hour of the next month, or of its last day; the moment of the end belongs to the next month."""
    assert worth.paid_until(moment(created), moment(now)) == moment(end)


def test_what_is_paid_already_is_no_saving():
    """Until the month ends, up to the horizon; nothing once it is over."""
    now = worlds.NOW
    assert worth.sunk(60_000, now + 3600, now, DAY) == 60_000
    assert worth.sunk(60_000, now + 30 * DAY, now, DAY) == 24 * 60_000
    assert worth.sunk(60_000, now, now, DAY) == 0
    assert worth.sunk(60_000, now - 5, now, DAY) == 0


def test_removal_is_the_sum():
    """An empty node billed by the hour costs nothing to remove."""
    assert worth.removal(100_000, [], 0, 1000, DAY) == 0
    one_day = worth.removal(120_000, [1, 1], 2, 1000, DAY)
    assert one_day == worth.per_hour(2000 + 10_000, DAY) == 500
    assert worth.removal(120_000, [1, 1], 2, 1000, 3600) == 12_000


def test_break_even_in_hours():
    """25 EUR a month against 0.07 EUR an hour: 358 hours; None where the month never pays."""
    assert worth.break_even(70_000, 25_000_000) == 358
    assert worth.break_even(70_000, 70_000 * 730) == 730
    assert worth.break_even(70_000, 70_000 * 731) is None
    assert worth.break_even(0, 25_000_000) is None


# -------------------------------------------------------------------------------------------------------- in whole plans


def lonely() -> cluster.Cluster:
    """A pod on a node of 8 CPU that a node of 2 CPU would hold: 0.15 EUR/h to save, 0.0177 to spend once."""
    return worlds.world(b.owned("n1", of="b3-32"), b.pod("web", node="n1"))


def test_a_move_must_pay_within_the_horizon():
    """0.2 EUR/h for 300 s and an eviction cost 0.0177 EUR: earned back within 425 s at 0.15 EUR/h, not within 400."""
    assert worlds.removed(lonely(), horizon=450) == {"n1": "Underutilized"}
    assert worlds.removed(lonely(), horizon=400) == {}


def test_dear_evictions_keep_a_node():
    """At 4 EUR an eviction a day's 3.6 EUR do not pay; an empty node goes at any price."""
    assert worlds.removed(lonely(), disruption_price=4_000_000) == {}
    assert worlds.kept(lonely(), disruption_price=4_000_000) == {"n1": "Can't replace with a cheaper node"}
    assert worlds.removed(worlds.world(b.owned("n1")), disruption_price=4_000_000) == {"n1": "Empty"}


def test_a_node_as_cheap_as_its_replacement_stays():
    """Nothing is moved for nothing."""
    assert worlds.removed(worlds.world(b.owned("n1", of="b3-8"), b.pod("web", node="n1")), disruption_price=0) == {}


def monthly(created: str) -> cluster.Cluster:
    """An empty node billed by the month."""
    sizes = [b.requirement(b.TYPE, "In", "b2-7")]
    pool = b.pool("general", sizes, disruption=worlds.FREE, expireAfter="Never")
    node = b.owned("n1", of="b2-7", claim={"created": moment(created)})
    return b.cluster(pool, b.node_class(monthlyBilled=True), node)


def test_a_month_that_is_paid_is_sunk():
    """Paid for longer than the horizon: stays, and says until when."""
    of = monthly("2026-02-20T00:00:00Z")

    assert worlds.removed(of) == {}
    assert worlds.kept(of) == {"n1": "Node is billed by the month and paid for until 2026-03-20T00:00:00Z"}


def test_when_the_month_ends_within_the_horizon_the_rest_counts():
    """Twelve of 24 hours are paid: the other twelve are worth it."""
    assert worlds.removed(monthly("2026-02-02T12:00:00Z")) == {"n1": "Empty"}


def test_new_nodes_say_from_when_a_month_is_cheaper():
    """b2-7: 25 EUR a month, 0.07 an hour."""
    sizes = [b.requirement(b.TYPE, "In", "b2-7")]
    done = worlds.plan_of(b.cluster(b.pool("general", sizes), b.pod("web")))

    assert [new.flavor for new in done.create] == ["b2-7"]
    assert any("b2-7 costs less by the month" in note and "358 hours" in note for note in done.notes)
