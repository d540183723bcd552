"""`solve --mode consolidate` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.cli.run import ROOT, Outcome, run

SHOP = ROOT / "examples" / "consolidation" / "cluster.yaml"
EVENING = ("--mode", "consolidate", "--now", "2026-03-02T20:00:00Z", "--time-limit", "2")

Json = dict[str, Any]


@pytest.fixture
def solve(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """The shop of the example in the evening, its objects changed before."""

    def call(*words: str, change: Callable[[Json], None] = lambda _: None, without: str = "") -> Outcome:
        items = yaml.safe_load(SHOP.read_text())["items"]
        objects = [each for each in items if each["kind"] not in without.split()]
        for each in objects:
            change(each)
        manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return run(capsys, monkeypatch, "solve", "-f", "-", *EVENING, *words, stdin=manifests)

    return call


def test_a_closed_budget_leaves_nothing_to_do(solve):
    """One sentence says so, and the table which budget holds each node."""

    def close(each: Json) -> None:
        if each["kind"] == "NodePool":
            each["spec"]["disruption"]["budgets"] = [{"nodes": "0"}]

    outcome = solve(change=close)

    assert outcome.out.startswith("nothing to do: no node that may go now would save anything (optimal")
    assert "No allowed disruptions for disruption reason Empty due to blocking budget" in outcome.out


def test_nodes_of_nobody_leave_nothing_to_do(solve):
    """Without NodePools and NodeClaims all nodes are given."""

    def disown(each: Json) -> None:
        if each["kind"] == "Node":
            del each["metadata"]["labels"]["karpenter.sh/nodepool"]

    outcome = solve(change=disown, without="NodePool NodeClaim OVHNodeClass")

    assert outcome.code == 0
    assert outcome.out.startswith("nothing to do: no node belongs to a NodePool (optimal")


def test_pods_that_end_with_their_node_are_not_moved(solve):
    """An expired node with a protected pod: the pod is among the node's, and not among those that move."""

    def expire(each: Json) -> None:
        if each["kind"] == "NodeClaim" and each["status"].get("nodeName") == "general-c6pvm":
            each["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
            each["spec"]["expireAfter"] = "720h"

    plan = json.loads(solve("-o", "json", change=expire).out)
    rows = [line.split() for line in solve(change=expire).out.splitlines()]

    (gone,) = (each for each in plan["delete"] if each["node"] == "general-c6pvm")
    assert gone["reason"] == "Expired"
    assert gone["pods"] == ["shop/report-0"]
    assert "shop/report-0" not in plan["placements"]
    (row,) = (row for row in rows if row[:1] == ["general-c6pvm"] and "Expired" in row)
    assert row[-2:-1] == ["0"]


def test_regret_where_pods_wait(solve):
    """A fleet that does not hold all pods yet is not called cheaper than the cheapest one for them."""

    def crowd(each: Json) -> None:
        if each["kind"] == "NodePool":
            each["spec"]["disruption"]["budgets"] = [{"nodes": "0"}]
        if each["kind"] == "Pod" and each["metadata"]["name"].startswith("web-"):
            each["spec"].pop("nodeName", None)
            each["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "14"
            each["status"] = {"phase": "Pending"}

    (line,) = (row for row in solve(change=crowd).out.splitlines() if row.startswith("from zero:"))

    assert "before" not in line
    assert "; after " in line
