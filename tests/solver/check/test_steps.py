"""Steps, one after the other, each feasible by itself."""

from typing import Any

from solver import cluster, plan
from tests.solver import builders as b
from tests.solver.check import removals, verdict

BOTH = {"n1": "Underutilized", "n2": "Underutilized"}
MOVES = {"web-1": "big", "web-2": "big"}


def step(launch: Any = (), delete: Any = (), **move: str) -> plan.Step:
    keys = {f"default/{name.replace('_', '-')}": target for name, target in move.items()}
    return plan.Step(tuple(launch), tuple(delete), keys, 240)


def two_nodes(*more: Any, pod: cluster.PodSpec | None = None, pool: cluster.NodePool | None = None) -> cluster.Cluster:
    """Nodes n1 and n2 with a pod each, and a big one."""
    pods = [b.pod(f"web-{i}", pod, node=f"n{i}", labels={"app": "web"}) for i in (1, 2)]
    return removals.world(b.owned("n1"), b.owned("n2"), b.owned("big", of="b3-32"), pods, *more, pool=pool)


def carried_out(of: cluster.Cluster, *steps: plan.Step, **changes: Any) -> set[str]:
    answer = removals.removal(of, BOTH, MOVES, steps=steps, **changes)
    return verdict.broken(of, answer, mode="consolidate")


def test_all_at_once_or_one_by_one():
    """Both ways lead to the plan's end."""
    world = two_nodes()

    assert carried_out(world, step((), ("n1", "n2"), web_1="big", web_2="big")) == set()
    assert carried_out(world, step((), ("n1",), web_1="big"), step((), ("n2",), web_2="big")) == set()


def test_steps_add_up_to_the_plan():
    """Nothing is forgotten, done twice or done without being planned."""
    world = two_nodes()
    first, second = step((), ("n1",), web_1="big"), step((), ("n2",), web_2="big")

    for steps in (
        (),
        (first,),
        (first, first, second),
        (first, second, step(("n9",))),
        (first, step((), ("n2",), web_2="n1")),
        (first, step((), ("n2",))),
        (first, step((), ("n2",)), step((), (), web_2="big")),
    ):
        assert carried_out(world, *steps) == {"steps"}


def test_a_pod_moves_to_what_is_there():
    """A new node is launched in an earlier step or the same one."""
    world = removals.world(b.owned("old", of="b3-32"), b.pod("web", node="old"))
    new = b.buy(world, "n", ["web"], "b3-8")

    def ordered(*steps: plan.Step) -> set[str]:
        answer = removals.removal(world, {"old": "Underutilized"}, create=[new], steps=steps)
        return verdict.broken(world, answer, mode="consolidate")

    assert ordered(step(("n",), ("old",), web="n")) == set()
    assert ordered(step(("n",)), step((), ("old",), web="n")) == set()
    assert ordered(step((), ("old",), web="n"), step(("n",))) == {"steps"}


def test_pod_disruption_budgets_hold_in_each_step():
    """No more pods of a budget move at a time than it allows."""
    one = cluster.Budget("default", "pdb", b.selector(app="web"), max_unavailable="1")
    world = two_nodes(one)

    assert carried_out(world, step((), ("n1", "n2"), web_1="big", web_2="big")) == {"pod-disruption-budgets"}
    assert carried_out(world, step((), ("n1",), web_1="big"), step((), ("n2",), web_2="big")) == set()


def test_a_node_with_two_pods_of_a_budget_empties_in_two_steps():
    """Pods may move before their node is deleted."""
    one = cluster.Budget("default", "pdb", b.selector(app="web"), max_unavailable="1")
    world = removals.world(b.owned("n1"), b.owned("big"), b.pods("web", 2, node="n1", labels={"app": "web"}), one)
    steps = (step(web_0="big"), step((), ("n1",), web_1="big"))
    answer = removals.removal(world, {"n1": "Underutilized"}, {"web-0": "big", "web-1": "big"}, steps=steps)

    assert verdict.broken(world, answer, mode="consolidate") == set()


def test_limits_hold_while_old_and_new_nodes_stand_side_by_side():
    """What an earlier step deleted makes room for what a later one launches."""
    tight = b.pool(disruption=removals.ALL, limits={"nodes": "2"})
    world = removals.world(b.owned("n1", of="b3-32"), b.owned("n2", of="b3-32"), b.pod("web", node="n1"), pool=tight)
    new = b.buy(world, "n", ["web"], "b3-8")

    def ordered(*steps: plan.Step) -> set[str]:
        removed = {"n1": "Underutilized", "n2": "Empty"}
        answer = removals.removal(world, removed, create=[new], steps=steps)
        return verdict.broken(world, answer, mode="consolidate")

    assert ordered(step(("n",), ("n1", "n2"), web="n")) == {"limits"}
    assert ordered(step((), ("n2",)), step(("n",), ("n1",), web="n")) == set()


def test_quota_comes_back_with_deleted_nodes():
    """An instance that is gone may be bought again in a later step."""
    world = removals.world(b.owned("n1", of="b3-32"), b.owned("n2", of="b3-32"), b.pod("web", node="n1"))
    new = b.buy(world, "n", ["web"], "b3-8")

    def ordered(*steps: plan.Step) -> set[str]:
        removed = {"n1": "Underutilized", "n2": "Empty"}
        answer = removals.removal(world, removed, create=[new], steps=steps)
        return verdict.broken(world, answer, mode="consolidate", quota={"instances": 0})

    assert ordered(step(("n",), ("n1", "n2"), web="n")) == {"quota"}
    assert ordered(step((), ("n2",)), step(("n",), ("n1",), web="n")) == set()


def test_scheduling_rules_hold_after_each_step():
    """A pod cannot move to where another one still is that it excludes, even if that one moves on later."""
    alone = b.spec(100, b.MIB, anti_affinity=(b.near(b.ZONE, b.selector(app="web")),))
    world = removals.world(
        b.owned("n1", b.A),
        b.owned("n2", b.B),
        b.owned("far", b.C),
        b.owned("near", b.B),
        [b.pod(f"web-{i}", alone, node=f"n{i}", labels={"app": "web"}) for i in (1, 2)],
    )
    moves = {"web-1": "near", "web-2": "far"}
    right = (step((), ("n2",), web_2="far"), step((), ("n1",), web_1="near"))
    wrong = (step((), ("n1",), web_1="near"), step((), ("n2",), web_2="far"))

    assert verdict.broken(world, removals.removal(world, BOTH, moves, steps=right), mode="consolidate") == set()
    found = verdict.verdict(world, removals.removal(world, BOTH, moves, steps=wrong), mode="consolidate").violations
    assert {each.rule for each in found} == {"pod-anti-affinity"}
    assert found[0].message.startswith("after step 1: ")


def test_room_is_free_only_after_somebody_has_left():
    """Capacity is counted after each step, with pods that have not moved yet."""
    large = b.spec(3000)
    world = removals.world(
        b.owned("n1"),
        b.owned("n2"),
        b.owned("n3"),
        b.pod("web-1", large, node="n1"),
        b.pod("web-2", b.spec(500), node="n3"),
    )
    answer = removals.removal(world, {"n1": "Underutilized"}, {"web-1": "n2"}, steps=(step((), ("n1",), web_1="n2"),))
    assert verdict.verdict(world, answer, mode="consolidate").ok
    crowded = removals.removal(world, {"n1": "Underutilized"}, {"web-1": "n3"}, steps=(step((), ("n1",), web_1="n3"),))
    assert verdict.broken(world, crowded, mode="consolidate") == set()
    world.pods["default/web-2"].spec = b.spec(1000)
    assert verdict.broken(world, crowded, mode="consolidate") == {"resources"}


def test_pods_that_wait_come_along():
    """Pending pods need not stand in a step: they are placed once their node is there."""
    world = two_nodes(b.pod("late"))
    once = step((), ("n1", "n2"), web_1="big", web_2="big")
    answer = removals.removal(world, BOTH, MOVES | {"late": "big"}, steps=(once,))

    assert verdict.verdict(world, answer, mode="consolidate").ok
