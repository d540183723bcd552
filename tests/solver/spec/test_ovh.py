"""OVHcloud's limits: pools and their sizes, quota, stock, monthly billing; worked examples, refusals, a property."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from catalog import labels
from tests.solver import builders as b
from tests.solver.spec import answer

ALONE = b.spec(1500)
"""One of these fills a b3-8."""

IN_A = b.pool(requirements=[b.requirement(b.ZONE, "In", b.A)])


def test_an_anti_affinity_pool_holds_five_nodes():
    """Seven nodes of one kind are five in the first pool and two in the second."""
    plan = answer.solved(b.node_class(antiAffinity=True), IN_A, b.pods("web", 7, ALONE), only_flavors=("b3-8",))

    pools = Counter(node.ovh_pool for node in plan.create)
    assert pools == {"karpenter-b3-8-eu-west-par-a": 5, "karpenter-b3-8-eu-west-par-a-2": 2}


def test_pools_that_exist_are_filled_first():
    """Four of five are taken: one more goes there, the next opens a pool."""
    own = {labels.OVH_POOL: "karpenter-b3-8-eu-west-par-a"}
    nodes = [each for n in range(4) for each in b.owned(f"old-{n}", of="b3-8", labels=own)]
    full = [b.pod(f"run-{n}", b.spec(1800), node=f"old-{n}") for n in range(4)]
    of = b.cluster(b.node_class(antiAffinity=True), IN_A, nodes, full, b.pods("web", 2, ALONE))

    plan = answer.solved(of, only_flavors=("b3-8",))

    assert sorted(node.ovh_pool for node in plan.create) == [
        "karpenter-b3-8-eu-west-par-a",
        "karpenter-b3-8-eu-west-par-a-2",
    ]


def test_other_pools_hold_a_hundred():
    """101 nodes: a second pool."""
    plan = answer.solved(IN_A, b.pods("web", 101, ALONE), only_flavors=("b3-8",))

    assert sorted(Counter(node.ovh_pool for node in plan.create).values()) == [1, 100]


def test_larger_nodes_are_bought_where_small_ones_need_too_many_pools():
    """A b3-8 for each pod is cheapest, but 100 pools of five are 500 nodes: the others share nodes that cost more."""
    of = b.cluster(b.node_class(antiAffinity=True), IN_A, b.pods("web", 560, ALONE))
    plan = answer.solved(of, only_flavors=("b3-8", "l4-90"))

    assert not answer.left_out(plan)
    assert sum(-(-nodes // 5) for nodes in answer.flavors(plan).values()) <= 100
    assert answer.flavors(plan)["b3-8"] > 450


def test_the_number_of_pools_is_guarded():
    """99 pools stand, one more is allowed: pods that need two kinds of nodes do not both get one."""
    others = [b.node(f"n{n}", labels={labels.OVH_POOL: f"pool-{n}"}, unschedulable=True) for n in range(99)]
    kinds = [b.pod(zone[-1], b.spec(500, node_selector=((b.ZONE, zone),))) for zone in (b.A, b.B)]

    plan = answer.solved(b.cluster(others, kinds))

    assert len(plan.create) == 1
    assert len(answer.left_out(plan)) == 1


@pytest.mark.parametrize(
    ("quota", "placed"),
    [
        ({"vcpus": 4}, 2),
        ({"vcpus": 3}, 1),
        ({"instances": 1}, 1),
        ({"memory": 16_000 * b.MIB}, 2),
        ({"memory": 15_999 * b.MIB}, 1),
        ({"vcpus": 0}, 0),
    ],
)
def test_quota(quota: dict[str, int], placed: int):
    """A b3-8 takes 2 vCPU, 8,000 MiB (nominal GiB are 1,000 MiB to the quota) and one instance."""
    plan = answer.solved(b.pods("web", 3, ALONE), only_flavors=("b3-8",), quota=quota)

    assert len(plan.placements) == placed


def test_the_reason_when_quota_is_used_up():
    """One node takes it all, and the other pod is told so."""
    plan = answer.solved(b.pods("web", 2, ALONE), only_flavors=("b3-8",), quota={"vcpus": 2})

    (left,) = answer.left_out(plan)
    assert answer.constraints(plan, left) == {"general": "ovh"}
    assert "quota" in answer.why(plan, left)


def test_quota_chooses_other_flavors():
    """Two instances for four pods of a core: two b3-16 at 100, not four b3-8."""
    plan = answer.solved(b.pods("web", 4, b.spec(1000)), quota={"instances": 2})

    assert answer.left_out(plan) == set()
    assert len(plan.create) <= 2


def test_what_is_sold_out_is_not_bought():
    """Without b3-8 the next is 100; without zone a nothing is there; without any b3 the b2-7 for 70."""
    pod = b.pod("web")

    assert answer.solved(pod, without_flavors=("b3-8", "b2-*")).cost.create == answer.MEDIUM
    assert answer.zones(answer.solved(pod, without_zones=(b.A,))) in ("b", "c")
    assert answer.flavors(answer.solved(pod, without_flavors=("b3-*",))) == {"b2-7": 1}


def test_a_flavor_without_a_price_is_never_free():
    """bm-1 would be large enough, but nobody knows what it costs: it is named and not bought."""
    plan = answer.solved(b.pod("web", b.spec(12_000)), without_flavors=("l4-*",))

    assert answer.left_out(plan) == {"web"}
    assert plan.cost.unpriced_flavors == ("bm-1",)


@pytest.mark.parametrize(("asked", "monthly"), [({}, False), ({"monthlyBilled": True}, True)])
def test_monthly_billing_only_where_the_class_asks(asked: dict[str, Any], monthly: bool):
    """b2-7 is sold by the month; without monthlyBilled it is bought by the hour."""
    plan = answer.solved(b.node_class(**asked), b.pod("web"), only_flavors=("b2-7",))

    assert [node.monthly_billed for node in plan.create] == [monthly]


@pytest.mark.parametrize("seed", range(8))
def test_no_plan_that_ovh_refuses(seed: int):
    """Random pods under a random quota, with pools of five: sums and sizes stay within it."""
    dice = random.Random(seed)
    quota = {
        "vcpus": dice.randint(2, 24),
        "instances": dice.randint(1, 9),
        "memory": dice.randint(8, 90) * 1000 * b.MIB,
    }
    pods = [b.pod(f"web-{n}", b.spec(dice.choice([900, 1800, 3500]), b.GIB)) for n in range(10)]

    plan = answer.solved(b.node_class(antiAffinity=True), pods, quota=quota, time_limit=5.0)

    bought = [b.SHELF.flavors[node.flavor] for node in plan.create]
    assert sum(each.vcpus for each in bought) <= quota["vcpus"]
    assert sum(each.memory_gib for each in bought) * 1000 * b.MIB <= quota["memory"]
    assert len(bought) <= quota["instances"]
    assert max(Counter(node.ovh_pool for node in plan.create).values(), default=0) <= 5
