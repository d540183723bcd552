"""Plans in an order in which they can be carried out."""

from __future__ import annotations

from solver import cluster, consolidation, plan
from tests.solver import builders as b
from tests.solver.disruption import worlds

WEB = b.selector(app="web")
LABELS = {"app": "web"}


def budget(allowed: int) -> cluster.Budget:
    return cluster.Budget("default", "web", WEB, disruptions_allowed=allowed)


def half_empty(*more: object, of: cluster.PodSpec | None = None, pods: int = 3) -> cluster.Cluster:
    """A node of 8 CPU with a few pods, and nothing else."""
    small = b.pods("web", pods, of or b.spec(500), node="n1", labels=LABELS)
    return worlds.world(b.owned("n1", of="b3-32"), small, *more)


def at_a_time(done: plan.Plan) -> list[int]:
    return [len(step.move) for step in done.steps if step.move]


def test_nothing_to_do_is_no_step():
    """A plan that changes nothing has no steps."""
    done = worlds.plan_of(worlds.world(b.owned("n1", of="b3-8"), b.pod("web", b.spec(1500), node="n1")))

    assert done.steps == ()


def test_launch_move_delete_in_one_step_with_its_time():
    """A replacement starts in 240 s, the node drains in 60 s and its machine is gone in 80 s."""
    done = worlds.plan_of(half_empty())

    (step,) = done.steps
    assert step.launch == (done.create[0].name,)
    assert step.delete == ("n1",)
    assert set(step.move.values()) == set(step.launch)
    assert step.seconds == 240 + 60 + 80


def test_nodes_that_wait_for_nothing_go_first():
    """An empty node goes in a step of its own before replacements are bought."""
    done = worlds.plan_of(half_empty(b.owned("n0")))

    assert (done.steps[0].launch, done.steps[0].delete) == ((), ("n0",))
    assert done.steps[1].delete == ("n1",)


def test_a_budget_of_one_moves_one_pod_after_the_other():
    """The node goes with the last of them."""
    done = worlds.plan_of(half_empty(budget(1)))

    assert at_a_time(done) == [1, 1, 1]
    assert [step.delete for step in done.steps] == [(), (), ("n1",)]


def test_a_budget_of_two():
    """Two pods at once, then the third."""
    assert at_a_time(worlds.plan_of(half_empty(budget(2)))) == [2, 1]


def test_a_spread_decides_which_pod_goes_first():
    """
    One pod at a time, two pods in zone a at most one above zone b: the one that goes to zone b must be the first.

    Moving the other first would leave two pods in zone a and none in the zone of the new node.
    """
    spread = b.spec(500, spread=(b.spread(b.ZONE, WEB),))
    of = half_empty(budget(1), of=spread, pods=2)
    done = worlds.plan_of(of)

    assert len({node.zone for node in done.create}) == 2
    zones = {node.name: node.zone for node in done.create}
    first = next(step for step in done.steps if step.move)
    assert b.A not in {zones[name] for name in first.move.values()}


def test_pods_that_wait_are_counted_when_they_arrive():
    """A waiting pod is placed in the first step, and steps after it respect where it is."""
    spread = b.spec(500, spread=(b.spread(b.ZONE, WEB),))
    of = half_empty(budget(1), b.pod("waits", spread, labels=LABELS), of=spread, pods=2)

    done = worlds.plan_of(of)

    zones = {node.name: node.zone for node in done.create}
    assert done.steps[0].launch == (done.placements["default/waits"],)
    assert at_a_time(done) == [1, 1]
    # Two pods leave zone a, where the waiting one is not: in the end each zone has one of the three.
    assert len({zones[place] for place in done.placements.values()}) == 3


def test_apps_do_not_hold_each_other_up():
    """
    Twelve apps with a spread and a budget of one each, on four nodes that are mostly empty.

    What one app must wait for is nothing to the others: no node is kept for want of an order, and no more steps are
    needed than for the app with most pods.
    """
    objects: list[object] = []
    for app in range(12):
        own = b.selector(app=f"app{app}")
        of = b.spec(200, spread=(b.spread(b.ZONE, own),))
        for number in range(3):
            home = f"n{(app + number) % 4}"
            objects.append(b.pod(f"app{app}-{number}", of, node=home, labels={"app": f"app{app}"}))
        objects.append(cluster.Budget("default", f"app{app}", own, disruptions_allowed=1))
    nodes = [b.owned(f"n{index}", zone, of="b3-32") for index, zone in enumerate((b.A, b.B, b.C, b.A))]
    done = worlds.plan_of(worlds.world(*nodes, *objects))

    assert len(done.delete) >= 3
    assert not [kept for kept in done.keep if kept.reason == consolidation.HELD]
    assert len(done.steps) <= 6
