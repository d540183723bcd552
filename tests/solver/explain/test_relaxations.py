"""Pods that are left out get reasons in upstream's words, and changes that really place them at the stated price."""

from __future__ import annotations

import collections
import dataclasses
import random
import time
from typing import Any

import pytest

from catalog import catalogue
from solver import build, cluster, options, planner
from solver.explain import changes, relax
from tests.solver import builders as b
from tests.solver.explain import applied

CATALOGUE = catalogue.embedded()
CHANGES = planner.Run(clock=time.monotonic, relax=True)
PLAIN = planner.Run(clock=time.monotonic)
ASKED = options.Options(time_limit=20.0, deterministic=True, workers=1)
GIB = 1 << 30

REASONS = {
    "too big": "flavor",
    "taint": "tolerate",
    "zone": "zone",
    "selector": "selector",
    "limit": "limits",
    "limits": "limits",
    "quota": "quota",
    "apart": "anti-affinity",
    "spread": "spread",
    "alone": "affinity",
    "ports": "ports",
    "choice": "minValues",
    "affinity": "node affinity",
    "node": "tolerate",
}
"""Why pods are stuck, with a word of the change that undoes it."""


def question(seed: int) -> applied.Question:
    """A small cluster in which pods `stuck-*` have no place for one reason drawn at random."""
    dice = random.Random(seed)
    reason = dice.choice(sorted(REASONS))
    family = dice.choice(["b3", "c3", "r3"])
    sizes = [f"{family}-{n}" for n in {"b3": (8, 16), "c3": (8, 16), "r3": (16, 32)}[family]]
    flavors = b.requirement("node.kubernetes.io/instance-type", "In", *sizes)
    zones = b.requirement("topology.kubernetes.io/zone", "In", "eu-west-par-a", "eu-west-par-b")
    fields: dict[str, Any] = {}
    more: dict[str, Any] = {}
    extra: list[Any] = []
    asked, number = ASKED, dice.randint(1, 2)
    cpu, memory = dice.choice([250, 500, 1000]), dice.choice([1, 2]) * GIB
    if reason == "too big":
        cpu, memory = dice.choice([9000, 12000]), dice.choice([4, 20]) * GIB
    elif reason == "taint":
        fields["taints"] = [{"key": "dedicated", "value": "team", "effect": "NoSchedule"}]
    elif reason == "zone":
        more["node_selector"] = (("topology.kubernetes.io/zone", "eu-west-par-c"),)
    elif reason == "selector":
        more["node_selector"] = (("disk", "fast"),)
    elif reason == "affinity":
        more["node_terms"] = (b.node_term(b.expression("disk", "Exists")),)
    elif reason == "limit":
        fields["limits"] = {"cpu": "1"}
    elif reason == "limits":
        fields["limits"] = {"cpu": "4", "nodes": str(dice.randint(1, 2)), "memory": "1000Gi"}
        cpu, number = 3000, 3
    elif reason == "quota":
        asked = b.changed(ASKED, quota={"vcpus": 1, "instances": 100})
    elif reason == "apart":
        more["anti_affinity"] = (b.near("topology.kubernetes.io/region", b.selector(app="stuck")),)
        number = 2
    elif reason == "spread":
        more["spread"] = (b.spread("topology.kubernetes.io/zone", b.selector(app="stuck"), min_domains=3),)
        number = 3
    elif reason == "alone":
        more["affinity"] = (b.near("kubernetes.io/hostname", b.selector(app="nobody")),)
    elif reason == "ports":
        more["host_ports"] = (cluster.HostPort("0.0.0.0", "TCP", 80),)
        extra = [b.daemon_set("agent", b.spec(50, GIB // 16, host_ports=more["host_ports"]))]
    elif reason == "choice":
        flavors["minValues"] = 2
        cpu = {"b3": 3000, "c3": 6000, "r3": 3000}[family]
    else:
        fields["limits"] = {"nodes": "0"}
        extra = [b.node("spare", taints=(b.taint("dedicated", "team"),))]
    free = [] if reason in ("taint", "limit", "limits", "quota", "node") else b.pods("fine", dice.randint(0, 3))
    waiting = b.pods("stuck", number, b.spec(cpu, memory, **more), labels={"app": "stuck"})
    return b.cluster(b.pool(requirements=[flavors, zones], **fields), b.node_class(), extra, free, waiting), asked


@pytest.mark.parametrize("first", range(0, 140, 20))
def test_first_relaxation_places_the_pod_at_the_stated_price(first: int):
    """Random infeasible pods: with the change made, every pod that it is told to is placed, at the price that was said."""
    for seed in range(first, first + 20):
        of, asked = question(seed)
        plan = planner.plan(of, CATALOGUE, asked, CHANGES)
        assert plan.unschedulable, f"seed {seed}"
        for left_out in plan.unschedulable:
            assert left_out.relaxations, f"seed {seed}: {left_out.message}"
            promised = left_out.relaxations[0]

            edited, wish = applied.applied(promised.change, left_out.pod, of, asked, CATALOGUE)
            after = planner.plan(edited, CATALOGUE, wish, PLAIN)

            assert left_out.pod in after.placements, f"seed {seed}: {promised.change}"
            assert after.cost.after - plan.cost.after == promised.extra_hourly, f"seed {seed}: {promised.change}"


def test_the_other_relaxations_hold_as_well():
    """What comes after the first is true, too; cheaper ones stand first, and there are three at most."""
    seen: collections.Counter[int] = collections.Counter()
    for seed in range(30):
        of, asked = question(seed)
        plan = planner.plan(of, CATALOGUE, asked, CHANGES)
        left_out = plan.unschedulable[0]
        prices = [each.extra_hourly for each in left_out.relaxations]
        assert prices == sorted(prices)
        seen[len(prices)] += 1
        for promised in left_out.relaxations[1:]:
            edited, wish = applied.applied(promised.change, left_out.pod, of, asked, CATALOGUE)
            after = planner.plan(edited, CATALOGUE, wish, PLAIN)
            assert left_out.pod in after.placements, f"seed {seed}: {promised.change}"
            assert after.cost.after - plan.cost.after == promised.extra_hourly, f"seed {seed}: {promised.change}"
    assert 1 < max(seen) <= 3


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_kind_of_change_is_proposed(reason: str):
    """For each reason why pods are stuck, what undoes it is among the three cheapest."""
    seed = next(seed for seed in range(10_000) if random.Random(seed).choice(sorted(REASONS)) == reason)
    of, asked = question(seed)

    left_out = planner.plan(of, CATALOGUE, asked, CHANGES).unschedulable[0]

    assert any(REASONS[reason] in each.change for each in left_out.relaxations), left_out.relaxations


def test_a_limit_is_raised_by_no_more_than_is_needed():
    """Three pods of a b3-8 each under four cores: six are enough, and the limit that does not bind is not named."""
    flavors = b.requirement("node.kubernetes.io/instance-type", "In", "b3-8")
    pool = b.pool(requirements=[flavors], limits={"cpu": "4", "memory": "1Ti", "nodes": "2"})
    of = b.cluster(pool, b.node_class(), b.pods("web", 3, b.spec(1500, GIB)))

    (left_out,) = planner.plan(of, CATALOGUE, ASKED, CHANGES).unschedulable

    price = CATALOGUE.flavors["b3-8"].hourly_micro_eur
    assert [(each.change, each.extra_hourly) for each in left_out.relaxations] == [
        ("raise the limits of NodePool general: cpu to 6, nodes to 3", price)
    ]


def test_one_more_flavor_is_no_choice():
    """The NodePool asks for two flavors by minValues and names none that is sold: one that is would not be enough."""
    flavors = b.requirement("node.kubernetes.io/instance-type", "In", "b4-8", "b4-16", minValues=2)
    of = b.cluster(b.pool(requirements=[flavors]), b.node_class(), b.pod("web", b.spec(500, GIB)))

    (left_out,) = planner.plan(of, CATALOGUE, ASKED, CHANGES).unschedulable

    assert not left_out.relaxations


def test_a_change_that_leaves_out_another_pod_instead_is_not_named():
    """One node, and two kinds of pods of which it holds one: without its selector the other one would take the place."""
    flavors = b.requirement("node.kubernetes.io/instance-type", "In", "b3-8")
    pool = b.pool(requirements=[flavors], limits={"nodes": "1"})
    choosy = b.pod("choosy", b.spec(1500, GIB, node_selector=(("disk", "fast"),)))
    of = b.cluster(pool, b.node_class(), choosy, b.pod("plain", b.spec(1500, GIB)))

    (left_out,) = planner.plan(of, CATALOGUE, ASKED, CHANGES).unschedulable

    assert left_out.pod == "default/choosy"
    assert left_out.relaxations == ()


def test_a_change_of_a_node_pool_is_asked_once_for_all_classes():
    """Three classes wait for the same limit: one question without it is answered, and all are told."""
    flavors = b.requirement("node.kubernetes.io/instance-type", "In", "b3-8")
    pool = b.pool(requirements=[flavors], limits={"nodes": "0"})
    of = b.cluster(pool, b.node_class(), [b.pod(f"web-{cpu}", b.spec(cpu, GIB)) for cpu in (500, 1000, 1500)])
    made = build.build_problem(of, CATALOGUE, ASKED)
    left_out = {index: each.pods for index, each in enumerate(made.problem.classes)}
    unlimited: list[bool] = []

    @dataclasses.dataclass
    class Answered:
        """Places everybody."""

        plan: relax.Answer

        def opens(self, pods: frozenset[str]) -> bool:
            return bool(pods)

    def ask(question: changes.Question) -> Answered:
        unlimited.append(not question[0].node_pools["general"].manifest.spec.limits)
        return Answered(relax.Answer(100, frozenset(of.pods), (0,), ()))

    before = relax.Answer(0, frozenset(), (3,), ())
    found = relax.relaxations(made, CATALOGUE, left_out, before, ask, lambda: False)

    assert len(left_out) == 3
    assert sum(unlimited) == 1
    assert [any("limits" in each.change for each in said) for said in found.values()] == [True] * 3


def test_pods_of_one_class_are_told_what_places_each():
    """Two of four pods that keep off each other's zone are left out; a third zone is of use to one of them only."""
    zones = b.requirement("topology.kubernetes.io/zone", "In", "eu-west-par-a", "eu-west-par-b")
    apart = b.spec(500, GIB, anti_affinity=(b.near("topology.kubernetes.io/zone", b.selector(app="web")),))
    of = b.cluster(b.pool(requirements=[zones]), b.node_class(), b.pods("web", 4, apart, labels={"app": "web"}))

    left_out = planner.plan(of, CATALOGUE, ASKED, CHANGES).unschedulable

    told = [any("allow zone" in each.change for each in pod.relaxations) for pod in left_out]
    assert told == [True, False]


def test_reasons_name_the_rule_for_each_node_pool():
    """Per NodePool the rule that failed and for how many offers, in upstream's words."""
    small = b.pool("small", [b.requirement("node.kubernetes.io/instance-type", "In", "b3-8", "b3-16")])
    tainted = b.pool("tainted", taints=[{"key": "dedicated", "effect": "NoSchedule"}])
    of = b.cluster(small, tainted, b.node_class(), b.pod("big", b.spec(8000, 20 * GIB)))

    left_out = planner.plan(of, CATALOGUE, ASKED, PLAIN).unschedulable[0]
    reasons = {r.node_pool: r for r in left_out.reasons}

    assert reasons["small"].message == (
        "no instance type has enough resources: nearest is b3-16 in eu-west-par-a, short of cpu 4170m (asked 8, "
        "allocatable 3830m) and memory 6692Mi (asked 20Gi, allocatable 13788Mi)"
    )
    assert (reasons["small"].constraint, reasons["small"].offers) == ("resources", 6)
    assert reasons["tainted"].message.startswith("did not tolerate taint (")
    assert reasons["tainted"].constraint == "taints"


def test_limits_are_named_in_upstream_words():
    """A NodePool whose limit is used up says so."""
    of = b.cluster(b.pool(limits={"cpu": "2"}), b.node_class(), b.pods("web", 4, b.spec(1500, GIB)))

    left_out = planner.plan(of, CATALOGUE, ASKED, PLAIN).unschedulable

    assert len(left_out) == 3
    assert "all available instance types exceed limits for nodepool" in left_out[0].message
