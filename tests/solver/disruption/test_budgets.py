"""
Disruption budgets of NodePools (Karpenter core: pkg/apis/v1/nodepool.go, pkg/controllers/disruption/helpers.go).

Clusters of empty nodes: how many of them a plan removes is how many the budgets allow.
"""

from __future__ import annotations

from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.disruption import worlds

DAY = 24 * 3600
MONDAY = worlds.NOW
"""Monday 2 March 2026, 00:00 UTC."""


def pool(*budgets: dict[str, Any], name: str = "general", **disruption: Any) -> cluster.NodePool:
    return worlds.pool(name, disruption={"consolidateAfter": "0s", "budgets": list(budgets), **disruption})


def empty(count: int, *budgets: dict[str, Any], more: Any = (), **asked: Any) -> int:
    """How many of so many empty nodes go."""
    nodes = [b.owned(f"n{index}") for index in range(count)]
    return len(worlds.removed(worlds.world(*nodes, *more, pool=pool(*budgets)), **asked))


@pytest.mark.parametrize(
    ("nodes", "count", "allowed"),
    [
        ("10%", 1, 1),
        ("5%", 10, 1),
        ("10%", 11, 2),
        ("33%", 3, 1),
        ("34%", 3, 2),
        ("0%", 5, 0),
        ("100%", 5, 5),
        ("0", 5, 0),
        ("3", 5, 3),
        ("9", 5, 5),
    ],
)
def test_shares_are_rounded_up(nodes: str, count: int, allowed: int):
    """10 % of one node is one node, 10 % of eleven are two; 0 % is none."""
    assert empty(count, {"nodes": nodes}) == allowed


def test_no_budgets_allow_everything():
    """An explicit empty list is no limit."""
    assert empty(12) == 12


def test_without_a_word_it_is_a_tenth():
    """The default of the CRD is one budget of 10 %."""
    nodes = [b.owned(f"n{index}") for index in range(20)]
    of = worlds.world(*nodes, pool=worlds.pool(disruption={"consolidateAfter": "0s"}))

    assert len(worlds.removed(of)) == 2


def test_the_smallest_of_several_counts():
    """All budgets in force hold at once."""
    assert empty(10, {"nodes": "50%"}, {"nodes": "3"}, {"nodes": "4"}) == 3


def test_a_budget_for_another_reason_does_not_hold():
    """A budget that names Drifted says nothing about empty nodes; one that names nothing is for all reasons."""
    assert empty(5, {"nodes": "0", "reasons": ["Drifted"]}) == 5
    assert empty(5, {"nodes": "0", "reasons": ["Underutilized", "Empty"]}) == 0
    assert empty(5, {"nodes": "2"}, {"nodes": "0", "reasons": ["Underutilized"]}) == 2


def test_reasons_have_their_own_budget_and_one_count():
    """
    Two empty nodes and two with a pod; one of these for Underutilized, two for Empty.

    Two nodes in all: an underutilized one must be the first, and uses up one of the two.
    """
    nodes = [b.owned("e1"), b.owned("e2"), b.owned("u1"), b.owned("u2"), b.owned("big", of="b3-32")]
    pods = [b.pod("p1", node="u1"), b.pod("p2", node="u2"), *b.pods("fills", 5, node="big")]
    budgets = ({"nodes": "1", "reasons": ["Underutilized"]}, {"nodes": "2", "reasons": ["Empty"]})
    found = worlds.removed(worlds.world(*nodes, pods, pool=pool(*budgets)))

    assert len(found) == 2
    assert list(found.values()).count("Underutilized") <= 1


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        (MONDAY + 9 * 3600 - 1, 5),
        (MONDAY + 9 * 3600, 0),
        (MONDAY + 17 * 3600 - 1, 0),
        (MONDAY + 17 * 3600, 5),
        (MONDAY + 5 * DAY + 10 * 3600, 5),
    ],
)
def test_a_window_includes_its_start_and_not_its_end(now: int, allowed: int):
    """Closed from 9:00 to 17:00 on weekdays: not a second before, not at 17:00, not on a Saturday."""
    budget = {"nodes": "0", "schedule": "0 9 * * mon-fri", "duration": "8h"}

    assert empty(5, budget, now=now) == allowed


@pytest.mark.parametrize(("hours", "allowed"), [(21.9, 5), (22, 0), (23.99, 0), (24, 0), (25.99, 0), (26, 5)])
def test_a_window_goes_on_after_midnight(hours: float, allowed: int):
    """From 22:00 for four hours: the next day begins inside it."""
    budget = {"nodes": "0", "schedule": "0 22 * * *", "duration": "4h"}

    assert empty(5, budget, now=MONDAY + int(hours * 3600)) == allowed


def test_midnight_itself():
    """@daily and @midnight fire at 00:00:00."""
    for macro in ("@daily", "@midnight"):
        budget = {"nodes": "0", "schedule": macro, "duration": "1m"}
        assert [empty(2, budget, now=MONDAY + second) for second in (-1, 0, 59, 60)] == [2, 0, 0, 2]


def test_hits_within_a_window_extend_it():
    """Every hour for ninety minutes is always."""
    budget = {"nodes": "0", "schedule": "@hourly", "duration": "1h30m"}

    assert [empty(2, budget, now=MONDAY + second) for second in (0, 3599, 3600, 5400, 9000)] == [0] * 5


def test_time_is_utc_all_the_year():
    """29 March 2026 is when clocks go forward in Europe: 9:00 UTC stays 9:00 UTC on the days around."""
    budget = {"nodes": "0", "schedule": "0 9 * * *", "duration": "1h"}
    change = 1_774_742_400

    for day in (-1, 0, 1):
        nine = change + day * DAY + 9 * 3600
        assert [empty(2, budget, now=nine + second) for second in (-1, 0, 3599, 3600)] == [2, 0, 0, 2]


def test_a_window_that_is_not_in_force_allows_everything():
    """An inactive budget is no limit, whatever its number."""
    assert empty(5, {"nodes": "1", "schedule": "0 9 * * *", "duration": "1h"}) == 5


def test_windows_that_overlap():
    """Where two are in force the smaller one holds, where one is that one."""
    early = {"nodes": "3", "schedule": "0 8 * * *", "duration": "4h"}
    late = {"nodes": "1", "schedule": "0 10 * * *", "duration": "4h"}

    assert [empty(5, early, late, now=MONDAY + h * 3600) for h in (7, 9, 11, 13, 15)] == [5, 3, 1, 1, 5]


def test_a_budget_that_cannot_be_read_closes_every_reason():
    """Fail closed: 6 fields pass the CRD's pattern and fail here, even where the budget is for another reason."""
    broken = {"nodes": "5", "schedule": "0 0 9 * * *", "duration": "1h", "reasons": ["Drifted"]}

    assert empty(5, broken) == 0


def test_nodes_that_are_not_ready_use_the_budget_up():
    """Two of five may be away, one is away already."""
    sick = b.owned("sick", ready=False, annotations={"karpenter.sh/do-not-disrupt": "true"})

    assert empty(4, {"nodes": "2"}, more=[sick]) == 1


def test_nodes_in_deletion_use_the_budget_up():
    """They count as nodes and as disrupted ones."""
    leaving = b.owned("leaving", deleting=True)

    assert empty(4, {"nodes": "2"}, more=[leaving]) == 1
    assert empty(4, {"nodes": "40%"}, more=[leaving]) == 1


def test_nodes_that_are_not_initialized_do_not_count():
    """Half of four, not of six."""
    young = [
        b.owned(f"young{i}", claim={"conditions": {"Initialized": cluster.ClaimCondition("False")}}) for i in (1, 2)
    ]

    assert empty(4, {"nodes": "50%"}, more=young) == 2


def test_a_machine_that_is_going_does_not_count():
    """InstanceTerminating: neither a node of the pool nor a disrupted one."""
    going = b.owned(
        "going", claim={"deleting": True, "conditions": {"InstanceTerminating": cluster.ClaimCondition("True")}}
    )

    assert empty(4, {"nodes": "50%"}, more=[going]) == 2


def test_expired_nodes_ask_nobody_and_use_the_budget_up():
    """One expired node goes with a budget of one, and nothing else does."""
    expired = b.owned("old", claim={"expire_after": 60, "created": MONDAY - 60})
    nodes = [b.owned("n1"), b.owned("n2"), expired]

    assert worlds.removed(worlds.world(*nodes, pool=pool({"nodes": "1"}))) == {"old": "Expired"}
    assert worlds.removed(worlds.world(*nodes, pool=pool({"nodes": "0"}))) == {"old": "Expired"}


def test_each_nodepool_has_its_own():
    """A closed NodePool does not close another one."""
    closed = pool({"nodes": "0"}, name="closed")
    nodes = [b.owned("n1"), b.owned("n2", node_pool="closed")]

    assert worlds.removed(b.cluster(pool({"nodes": "100%"}), closed, *nodes)) == {"n1": "Empty"}


def test_the_users_own_limits():
    """--max-nodes and --max-evictions bound a plan beside all budgets; expired nodes do not count."""
    nodes = [b.owned(f"n{index}") for index in range(4)]
    assert len(worlds.removed(worlds.world(*nodes), max_nodes=3)) == 3

    busy = worlds.world(b.owned("u"), b.owned("big", of="b3-32"), b.pods("p", 2, node="u"), b.pods("q", 5, node="big"))
    assert worlds.removed(busy, max_evictions=1) == {}
    assert worlds.removed(busy, max_evictions=2) == {"u": "Underutilized"}
