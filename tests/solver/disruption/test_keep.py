"""Why nodes stay although they might go, what the user's own limits leave, and the plans worth choosing from."""

from __future__ import annotations

import time

import pytest

from solver import answer, cluster, consolidation, options, plan, planner
from solver.disruption import steps
from tests.solver import builders as b
from tests.solver.disruption import worlds

PRICE = "Can't replace with a cheaper node"


def two_busy() -> cluster.Cluster:
    """Two large nodes with two pods each: alone each could be replaced, together by one node."""
    pods = [*b.pods("a", 2, node="n1"), *b.pods("b", 2, node="n2")]
    return worlds.world(b.owned("n1", of="b3-32"), b.owned("n2", of="b3-32"), pods)


def test_a_full_node_stays_for_its_price():
    """What it holds needs a node as dear."""
    of = worlds.world(b.owned("n1", of="b3-8"), b.pod("web", b.spec(1800), node="n1"))

    assert worlds.kept(of) == {"n1": PRICE}


def test_a_budget_that_is_used_up_is_said_and_not_the_price():
    """One of two may go: the other says that the budget keeps it."""
    pool = worlds.pool(disruption={"consolidateAfter": "0s", "budgets": [{"nodes": "1"}]})
    kept = worlds.kept(worlds.world(b.owned("n1"), b.owned("n2"), pool=pool))

    assert list(kept.values()) == ["No allowed disruptions for disruption reason Empty due to blocking budget"]


def test_the_users_limits_are_said():
    """With the flag as it was given."""
    assert set(worlds.kept(two_busy(), max_nodes=0).values()) == {"--max-nodes 0 allows no more"}
    assert set(worlds.kept(two_busy(), max_evictions=1).values()) == {"--max-evictions 1 allows no more"}


def test_every_node_with_a_claim_is_listed_once():
    """Those in deletion too; others not at all."""
    done = worlds.plan_of(worlds.world(b.owned("n1"), b.owned("n2", deleting=True), b.node("n3")))
    listed = [each.node for each in done.keep] + [each.node for each in done.delete]

    assert sorted(listed) == ["n1", "n2"]


def test_a_node_without_an_order_of_steps_stays(monkeypatch: pytest.MonkeyPatch):
    """It is held in the next search, and nothing is said to be wrong."""
    real = steps.order

    def never(of, create, delete, placements, on_its_way):
        if any(gone.node == "n1" for gone in delete):
            return steps.Ordered((), frozenset({"n1"}))
        return real(of, create, delete, placements, on_its_way)

    monkeypatch.setattr(steps, "order", never)

    assert worlds.kept(worlds.world(b.owned("n1"), b.owned("n2"))) == {"n1": consolidation.HELD}


def test_when_not_even_expired_nodes_have_an_order_the_plan_is_refused(monkeypatch: pytest.MonkeyPatch):
    """Nothing is shown or done; the words name the node."""
    monkeypatch.setattr(steps, "order", lambda *_: steps.Ordered((), frozenset({"n1"})))
    of = worlds.world(b.owned("n1", claim={"expire_after": 60, "created": worlds.NOW - 60}))

    with pytest.raises(answer.RejectedPlanError, match="n1: Node is kept because no order of steps was found"):
        worlds.plan_of(of)


def frontier(of: cluster.Cluster) -> tuple[plan.Trade, ...]:
    asked = options.Options(mode="consolidate", now=worlds.NOW, time_limit=4.0, workers=1)
    run = planner.Run(clock=time.monotonic)
    best = planner.plan(of, b.SHELF, asked, run)
    return consolidation.with_frontier(of, b.SHELF, asked, run, best).frontier


def test_the_frontier_grows_in_saving_and_in_moves():
    """An empty node for nothing, then the busy ones; the last point is the plan itself, and each flag gives its point."""
    pods = [*b.pods("a", 2, node="n1"), *b.pods("b", 4, node="n2")]
    of = worlds.world(b.owned("n0"), b.owned("n1", of="b3-32"), b.owned("n2", of="b3-32"), pods)
    points = frontier(of)

    assert [point.moved for point in points] == sorted({point.moved for point in points})
    assert [point.saved for point in points] == sorted({point.saved for point in points})
    assert points[0] == plan.Trade(100_000, 0, 1)
    for point in points:
        picked = worlds.plan_of(of, max_evictions=point.moved)
        assert picked.cost.before - picked.cost.after == point.saved


def test_nothing_to_save_is_no_frontier():
    """No point saves nothing."""
    assert frontier(worlds.world(b.owned("n1", of="b3-8"), b.pod("web", b.spec(1800), node="n1"))) == ()


# ---------------------------------------------------------------------------------------------------------------- regret


def test_regret_is_what_budgets_leave():
    """Four CPUs would do for what stands on sixteen; a closed budget keeps it so, and the plan says what it costs."""
    closed = worlds.pool(disruption={"consolidateAfter": "0s", "budgets": [{"nodes": "0"}]})
    of = two_busy()
    of.node_pools["general"] = closed
    cost = worlds.plan_of(of).cost

    assert (cost.before, cost.after) == (400_000, 400_000)
    assert cost.optimum == 150_000


def test_a_plan_that_nothing_holds_leaves_no_regret():
    """The same pods without a budget."""
    cost = worlds.plan_of(two_busy()).cost

    assert cost.after == cost.optimum
    assert cost.lower_bound == cost.after
