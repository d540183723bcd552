"""The smallest set of rules that together forbid a pod, and which rule a NodePool is blamed with beside a plan."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from solver import answer as answers
from solver import build, planner
from solver.explain import trials
from solver.search import engine
from tests.solver import builders as b
from tests.solver.build import random_clusters
from tests.solver.rules import world
from tests.solver.spec import answer


@pytest.mark.parametrize("seed", range(30))
def test_the_smallest_set_is_one_that_trying_all_finds(seed: int):
    """No set with fewer names meets all, and this one does."""
    dice = random.Random(seed)
    names = "abcdef"
    sets = [frozenset(dice.sample(names, dice.randint(1, 3))) for _ in range(dice.randint(1, 6))]

    chosen = trials.smallest(names, sets)

    assert all(not each.isdisjoint(chosen) for each in sets)
    for fewer in itertools.combinations(names, len(chosen) - 1):
        assert any(each.isdisjoint(fewer) for each in sets)


def test_an_open_place_is_forbidden_by_nothing():
    """One place without a rule against it: no set of rules explains anything."""
    assert trials.smallest("ab", [frozenset("a"), frozenset()]) == ()
    assert trials.smallest("ab", []) == ()


def test_two_rules_that_forbid_together():
    """The heavy flavors are tainted, the others are too small: neither alone would do."""
    large = b.pool("large", [b.requirement(b.TYPE, "In", "b3-32")], taints=[{"key": "team", "effect": "NoSchedule"}])
    small = b.pool("small", [b.requirement(b.TYPE, "In", "b3-8")])

    plan = answer.solved(large, small, b.pod("web", b.spec(5000)))

    assert plan.unschedulable[0].rules == ("taints", "resources")


def test_one_rule_that_forbids_alone():
    """Small or tainted, no node is in zone d: what else would forbid it does not matter."""
    tainted = b.pool(taints=[{"key": "team", "effect": "NoSchedule"}])

    plan = answer.solved(tainted, b.node("old"), b.pod("web", b.spec(500_000, node_selector=((b.ZONE, "d"),))))

    assert plan.unschedulable[0].rules == ("node_affinity",)


def test_existing_nodes_are_places_too():
    """What could be bought is limited, and the node that is there is tainted."""
    plan = answer.solved(b.pool(limits={"nodes": "0"}), b.node("old", taints=(b.taint("team"),)), b.pod("web"))

    assert plan.unschedulable[0].rules == ("taints", "limits")


def test_a_running_pod_that_keeps_ours_away_is_blamed():
    """No rule of the pod's own: the anti-affinity of pods that run in every zone."""
    guards = b.spec(100, anti_affinity=(b.near(b.ZONE, b.selector(app="web")),))
    nodes = [b.node(f"n{zone[-1]}", zone) for zone in (b.A, b.B, b.C)]
    running = [b.pod(f"guard-{node.name}", guards, node=node.name) for node in nodes]

    plan = answer.solved(nodes, running, b.pod("web", labels={"app": "web"}))

    assert plan.unschedulable[0].rules == ("pod_anti_affinity",)
    assert answer.why(plan, "web") == f"unsatisfiable topology constraint for pod anti-affinity, key={b.ZONE}"


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_each_rule_of_the_set_is_needed(first: int):
    """Random clusters over all rules: without any one of the rules some place is open, with them none is."""
    seen = 0
    for seed in range(first, first + 40):
        of, asked = random_clusters.draw(seed)
        built = build.build_problem(of, world.shelf(), asked)
        settings = answers.params_of(asked, planner.Run(clock=time.monotonic))
        solution = engine.search(built.problem, settings).solution
        tried = trials.Trials(built, solution)
        left = {index for index, _ in enumerate(built.problem.classes)} - {c for _, n in solution.new for c, _ in n}
        for index in left - {c for counts in solution.placed.values() for c, _ in counts}:
            together = tried.together(index)
            found = [tried.forbidding(index, spot) for spot in tried.spots(index)]
            assert all(not each.isdisjoint(together) for each in found)
            for one in together:
                assert any(each.isdisjoint(set(together) - {one}) for each in found)
            seen += len(together)
    assert seen > 20
