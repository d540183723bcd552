"""Pods that are left out get reasons in upstream's words, and changes that really place them at the stated price."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from catalog import catalogue
from solver import build, cluster, options, planner
from solver import plan as plans
from solver.explain import changes
from tests.solver import builders as b

CATALOGUE = catalogue.embedded()
CHANGES = planner.Run(clock=time.monotonic, relax=True)
PLAIN = planner.Run(clock=time.monotonic)
ASKED = options.Options(time_limit=20.0)
GIB = 1 << 30


def question(seed: int) -> changes.Question:
    """A small cluster in which pods `stuck-*` have no place for one reason drawn at random."""
    dice = random.Random(seed)
    family = dice.choice(["b3", "c3", "r3"])
    sizes = [f"{family}-{n}" for n in {"b3": (8, 16), "c3": (8, 16), "r3": (16, 32)}[family]]
    requirements = [
        b.requirement("node.kubernetes.io/instance-type", "In", *sizes),
        b.requirement("topology.kubernetes.io/zone", "In", "eu-west-par-a", "eu-west-par-b"),
    ]
    fields: dict[str, Any] = {}
    spec = b.spec(dice.choice([250, 500, 1000]), dice.choice([1, 2]) * GIB)
    stuck, asked = spec, ASKED
    reason = dice.choice(["too big", "taint", "zone", "selector", "limit", "quota", "apart"])
    number = dice.randint(1, 2)
    if reason == "too big":
        stuck = b.spec(dice.choice([6000, 9000, 12000]), dice.choice([4, 20]) * GIB)
    elif reason == "taint":
        fields["taints"] = [{"key": "dedicated", "value": "team", "effect": "NoSchedule"}]
    elif reason == "zone":
        stuck = b.spec(500, GIB, node_selector=(("topology.kubernetes.io/zone", "eu-west-par-c"),))
    elif reason == "selector":
        stuck = b.spec(500, GIB, node_selector=(("disk", "fast"),))
    elif reason == "limit":
        fields["limits"] = {"cpu": "1"}
    elif reason == "quota":
        asked = options.Options(time_limit=20.0, quota={"vcpus": 1})
    else:
        terms = (b.near("topology.kubernetes.io/region", b.selector(app="stuck")),)
        stuck = b.spec(500, GIB, anti_affinity=terms)
        number = 2
    free = [] if reason in ("taint", "limit", "quota") else b.pods("fine", dice.randint(0, 3), spec)
    waiting = b.pods("stuck", number, stuck, labels={"app": "stuck"})
    return b.cluster(b.pool(requirements=requirements, **fields), b.node_class(), free, waiting), asked


def first_relaxation(of: cluster.Cluster, asked: options.Options) -> tuple[plans.Plan, plans.Unschedulable]:
    """The plan that leaves pods out, and what it says of the first of them."""
    plan = planner.plan(of, CATALOGUE, asked, CHANGES)
    assert plan.unschedulable
    return plan, plan.unschedulable[0]


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_first_relaxation_places_the_pod_at_the_stated_price(first: int):
    """Ten random infeasible pods: with the change made, the pod is placed and the fleet costs what was said."""
    for seed in range(first, first + 10):
        of, asked = question(seed)
        plan, left_out = first_relaxation(of, asked)
        assert left_out.relaxations, f"seed {seed}: {left_out.message}"
        promised = left_out.relaxations[0]
        made = build.build_problem(of, CATALOGUE, asked)
        index = next(i for i, each in enumerate(made.problem.classes) if left_out.pod in each.pods)
        change = next(c for c in changes.of_class(made, index, CATALOGUE) if c.sentence == promised.change)

        after = planner.plan(*_arguments(change.edit()), PLAIN)

        assert any(pod in after.placements for pod in made.problem.classes[index].pods), f"seed {seed}"
        assert after.cost.after - plan.cost.after == promised.extra_hourly, f"seed {seed}: {promised.change}"


def _arguments(question: changes.Question) -> tuple[cluster.Cluster, catalogue.Catalogue, options.Options]:
    return question[0], CATALOGUE, question[1]


def test_reasons_name_the_rule_for_each_node_pool():
    """Per NodePool the rule that failed and for how many offers, in upstream's words."""
    small = b.pool("small", [b.requirement("node.kubernetes.io/instance-type", "In", "b3-8", "b3-16")])
    tainted = b.pool("tainted", taints=[{"key": "dedicated", "effect": "NoSchedule"}])
    of = b.cluster(small, tainted, b.node_class(), b.pod("big", b.spec(8000, 20 * GIB)))

    left_out = planner.plan(of, CATALOGUE, ASKED, PLAIN).unschedulable[0]
    reasons = {r.node_pool: r for r in left_out.reasons}

    assert reasons["small"].message == "no instance type has enough resources"
    assert (reasons["small"].constraint, reasons["small"].offers) == ("resources", 6)
    assert reasons["tainted"].message.startswith("did not tolerate taint (")
    assert reasons["tainted"].constraint == "taints"


def test_limits_are_named_in_upstream_words():
    """A NodePool whose limit is used up says so."""
    of = b.cluster(b.pool(limits={"cpu": "2"}), b.node_class(), b.pods("web", 4, b.spec(1500, GIB)))

    left_out = planner.plan(of, CATALOGUE, ASKED, PLAIN).unschedulable

    assert len(left_out) == 3
    assert "all available instance types exceed limits for nodepool" in left_out[0].message
