"""
What taking a node away costs apart from prices, as a rate over the time that a plan looks ahead.

Everything is micro-euro, seconds and integers, rounded against the move: a plan is never better than it looks.
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterable

HOUR = 3600

STARTS_IN = 240
"""Seconds from buying a node until it takes pods: MKS nodes need one to five minutes."""

DRAINS_IN = 60
"""Seconds for pods to leave a node: the 30 seconds that Kubernetes grants by default, and as much to start again."""

GOES_IN = 80
"""Seconds until a machine is gone: OVHcloud's guide to node pools shows 78 for one node."""


def per_hour(amount: int, horizon: int) -> int:
    """An amount spent once, spread over the horizon (seconds); 0 costs 0."""
    return -(-amount * HOUR // max(1, horizon))


def evictions(weights: Iterable[float], price: int) -> int:
    """
    What evicting pods costs: `price` each, times the weight of the pod.

    Nothing without pods, with price 0, and for pods of weight 0 or less (which gladly go).
    """
    return -int(-price * sum(max(0.0, weight) for weight in weights) // 1)


def side_by_side(hourly: int, pods: int) -> int:
    """What an old node costs while its replacement starts and it drains; nothing when no pod has to move."""
    return -(-hourly * (STARTS_IN + DRAINS_IN) // HOUR) if pods else 0


def paid_until(created: int, now: int) -> int:
    """When the month of a node billed by the month ends that is paid for at `now`: months count from its creation."""
    start = datetime.datetime.fromtimestamp(created, datetime.UTC)
    months = 0
    end = start
    while int(end.timestamp()) <= now or months == 0:
        months += 1
        year, month = divmod(start.month - 1 + months, 12)
        year, month = start.year + year, month + 1
        end = start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))
    return int(end.timestamp())


def sunk(hourly: int, paid: int, now: int, horizon: int) -> int:
    """
    What removing a node billed by the month does not save although its price says so.

    Nothing once the month is over (`paid` <= `now`); all of the horizon while the month lasts longer than that.
    """
    return -(-hourly * min(max(0, paid - now), horizon) // HOUR)


def removal(
    hourly: int, weights: Iterable[float], pods: int, price: int, horizon: int, *, already_paid: int = 0
) -> int:
    """Everything above for one node, as micro-euro per hour over the horizon; 0 for an empty node billed by the hour."""
    return per_hour(evictions(weights, price) + side_by_side(hourly, pods) + already_paid, horizon)


def break_even(hourly: int, monthly: int) -> int | None:
    """After how many hours in a month the monthly price is the lower one; None when it never is."""
    if hourly <= 0 or monthly > hourly * 730:
        return None
    return -(-monthly // hourly)
