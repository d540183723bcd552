"""How many nodes may go at a time."""

from typing import Any

import pytest

from tests.solver import builders as b
from tests.solver.check import removals, verdict

MIDNIGHT = 1_767_225_600
"""2026-01-01 00:00 UTC, a Thursday."""


def empties(
    budgets: list[dict[str, Any]] | None, removed: int, nodes: int = 10, *more: Any, now: int = 0, **asked: Any
) -> set[str]:
    """Rules broken when so many of these empty nodes go."""
    pool = b.pool(disruption={} if budgets is None else {"budgets": budgets})
    world = removals.world([each for i in range(nodes) for each in b.owned(f"n{i}")], *more, pool=pool)
    answer = removals.removal(world, {f"n{i}": "Empty" for i in range(removed)})
    return verdict.broken(world, answer, mode="consolidate", now=now, **asked)


@pytest.mark.parametrize(
    ("budgets", "nodes", "allowed"),
    [
        (None, 10, 1),
        (None, 11, 2),
        ([], 10, 10),
        ([{"nodes": "10%"}], 1, 1),
        ([{"nodes": "5%"}], 10, 1),
        ([{"nodes": "0%"}], 10, 0),
        ([{"nodes": "0"}], 10, 0),
        ([{"nodes": "100%"}], 10, 10),
        ([{"nodes": "3"}], 10, 3),
        ([{"nodes": "50%"}, {"nodes": "3"}], 10, 3),
        ([{"nodes": "0", "reasons": ["Drifted"]}, {"nodes": "2"}], 10, 2),
        ([{"nodes": "1", "reasons": ["Empty", "Drifted"]}, {"nodes": "2"}], 10, 1),
        ([{"nodes": "1", "reasons": ["Underutilized"]}], 10, 10),
    ],
)
def test_counts_and_percentages(budgets, nodes, allowed):
    """Percentages are rounded up; the strictest budget about the reason counts; the default is 10%, [] is no limit."""
    assert empties(budgets, allowed, nodes) == set()
    if allowed < nodes:
        assert empties(budgets, allowed + 1, nodes) == {"budgets"}


@pytest.mark.parametrize(
    ("now", "closed"),
    [
        (MIDNIGHT + 9 * 3600 - 1, False),
        (MIDNIGHT + 9 * 3600, True),
        (MIDNIGHT + 17 * 3600 - 1, True),
        (MIDNIGHT + 17 * 3600, False),
        (MIDNIGHT + 2 * 86400 + 9 * 3600, False),
    ],
)
def test_windows(now, closed):
    """In force from the hit of the schedule on, for its duration, in UTC: working hours, and not on Saturday."""
    budgets = [{"nodes": "0", "schedule": "0 9 * * mon-fri", "duration": "8h"}]
    assert empties(budgets, 1, now=now) == ({"budgets"} if closed else set())


def test_nodes_that_are_going_or_not_ready_use_up_the_budget():
    """They count for every reason; machines that are ending do not count at all."""
    two = [{"nodes": "2"}]

    assert empties(two, 2) == set()
    assert empties(two, 2, 10, b.owned("sick", ready=False)) == {"budgets"}
    assert empties(two, 1, 10, b.owned("sick", ready=False)) == set()
    ending = {"conditions": {"InstanceTerminating": b.condition("True")}, "deleting": True}
    assert empties(two, 2, 10, b.owned("ending", claim=ending)) == set()


def test_nodes_that_boot_do_not_count():
    """A percentage is of initialized nodes."""
    young = {"conditions": {"Initialized": b.condition("Unknown")}}
    assert empties([{"nodes": "10%"}], 2, 10, b.owned("young", claim=young)) == {"budgets"}
    assert empties([{"nodes": "10%"}], 2, 10, b.owned("grown")) == set()


def test_reasons_share_one_count():
    """A drifted node that goes counts for empty ones too; an order within all budgets must exist."""
    drifted = {"conditions": {"Drifted": b.condition("True")}}

    def going(empty: int, worn: int, budgets: list[dict[str, Any]]) -> set[str]:
        nodes = [b.owned(f"e{i}") for i in range(3)] + [b.owned(f"d{i}", claim=drifted) for i in range(3)]
        world = removals.world(*nodes, pool=b.pool(disruption={"budgets": budgets}))
        removed = {f"e{i}": "Empty" for i in range(empty)} | {f"d{i}": "Drifted" for i in range(worn)}
        return verdict.broken(world, removals.removal(world, removed), mode="consolidate")

    separate = [{"nodes": "1", "reasons": ["Drifted"]}, {"nodes": "3", "reasons": ["Empty"]}]
    assert going(2, 1, separate) == set()
    assert going(3, 1, separate) == {"budgets"}
    assert going(3, 0, separate) == set()
    assert going(0, 2, separate) == {"budgets"}


def test_expired_nodes_ask_no_budget():
    """Expiry is not gated."""
    closed = b.pool(disruption={"budgets": [{"nodes": "0"}]})
    world = removals.world(b.owned("old", claim={"expire_after": 1}), pool=closed)
    assert verdict.broken(world, removals.removal(world, {"old": "Expired"}), mode="consolidate", now=1) == set()


def test_what_the_user_allows():
    """At most so many nodes and so many moved pods."""
    assert empties([], 2, max_nodes=2) == set()
    assert empties([], 3, max_nodes=2) == {"max-disruption"}

    world = removals.world(b.owned("old"), b.owned("other"), b.pods("web", 2, node="old"))
    answer = removals.removal(world, {"old": "Underutilized"}, {"web-0": "other", "web-1": "other"})
    assert verdict.broken(world, answer, mode="consolidate", max_evictions=2) == set()
    assert verdict.broken(world, answer, mode="consolidate", max_evictions=1) == {"max-disruption"}
