"""Budgets: when they are in force, and how many nodes they let go."""

from __future__ import annotations

import pytest

from crds import disruption as disruptions
from crds import nodepool, validation
from tests.crds import manifests

MONDAY_NOON = 1_767_614_400  # 2026-01-05T12:00:00Z
HOUR = 3600


def disruption(*budgets: dict[str, object]) -> disruptions.Disruption:
    """The disruption settings with these budgets, as an API server would have let them in."""
    manifest = manifests.changed(manifests.NODEPOOL, "spec.disruption.budgets", list(budgets))
    return validation.parse_nodepool(manifest, admitted=True).spec.disruption


@pytest.mark.parametrize(
    ("budgets", "reason", "nodes", "allowed"),
    [
        ([], "Empty", 10, disruptions.UNLIMITED),
        ([{"nodes": "10%"}], "Empty", 1, 1),
        ([{"nodes": "5%"}], "Empty", 10, 1),
        ([{"nodes": "0%"}], "Empty", 10, 0),
        ([{"nodes": "10%"}], "Empty", 0, 0),
        ([{"nodes": "3"}, {"nodes": "50%"}], "Drifted", 4, 2),
        ([{"nodes": "0", "reasons": ["Drifted"]}], "Empty", 10, disruptions.UNLIMITED),
        ([{"nodes": "0", "reasons": ["Drifted"]}, {"nodes": "4"}], "Empty", 10, 4),
        ([{"nodes": "0", "reasons": []}], "Empty", 10, disruptions.UNLIMITED),
        ([{"nodes": "0", "schedule": "0 9 * * mon-fri", "duration": "8h"}], "Empty", 10, 0),
        ([{"nodes": "0", "schedule": "0 9 * * sat,sun", "duration": "8h"}], "Empty", 10, disruptions.UNLIMITED),
        (
            [{"nodes": "5"}, {"nodes": "9", "reasons": ["Drifted"], "schedule": "@dailyfoo", "duration": "8h"}],
            "Empty",
            9,
            0,
        ),
    ],
)
def test_allowed_disruptions(budgets, reason, nodes, allowed):
    """The strictest budget in force for the reason counts; one that cannot be read forbids everything."""
    assert allowed == disruption(*budgets).allowed(reason, nodes, MONDAY_NOON)


@pytest.mark.parametrize(
    ("now", "active"),
    [
        (MONDAY_NOON - 1, False),
        (MONDAY_NOON, True),
        (MONDAY_NOON + HOUR - 1, True),
        (MONDAY_NOON + HOUR, False),
        (MONDAY_NOON + 24 * HOUR, True),
    ],
)
def test_window(now, active):
    """A window begins with the firing and ends before its duration is over."""
    (budget,) = disruption({"nodes": "0", "schedule": "0 12 * * *", "duration": "1h"}).budgets

    assert active == budget.active(now)


def test_unreadable_schedules_of_admitted_pools():
    """A pool that the API server let in works although its budget's schedule cannot be read."""
    manifest = manifests.changed(manifests.NODEPOOL, "spec.disruption.budgets.1.schedule", "@dailyfoo")

    assert [problem.field for problem in validation.problems(nodepool.NodePool, manifest)] == [
        "spec.disruption.budgets[1].schedule"
    ]
    assert validation.parse_nodepool(manifest, admitted=True).spec.disruption.allowed("Empty", 10, MONDAY_NOON) == 0
