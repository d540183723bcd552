"""NodePools: worked examples, those that are not used and why, properties."""

from __future__ import annotations

import random
from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.spec import answer


def flavors_of(name: str, *flavors: str, **fields: Any) -> cluster.NodePool:
    """A NodePool of these flavors only."""
    return b.pool(name, [b.requirement(b.TYPE, "In", *flavors, **fields.pop("more", {}))], **fields)


# -------------------------------------------------------------------------------------------------------------- weights


def test_the_heaviest_pool_that_can_take_the_pods():
    """The heavy pool's b3-32 for 200, although the light one's b3-8 would cost 50."""
    heavy, light = flavors_of("heavy", "b3-32", weight=10), flavors_of("light", "b3-8")

    assert answer.flavors(answer.solved(heavy, light, b.pod("web"))) == {"b3-32": 1}


def test_weights_by_price():
    """--weights price: 50."""
    heavy, light = flavors_of("heavy", "b3-32", weight=10), flavors_of("light", "b3-8")

    assert answer.flavors(answer.solved(heavy, light, b.pod("web"), weights="price")) == {"b3-8": 1}


def test_price_decides_within_a_weight():
    """Two pools of one weight: the cheaper flavor, whatever the names."""
    one, two = flavors_of("one", "b3-16"), flavors_of("two", "b3-8")

    assert answer.flavors(answer.solved(one, two, b.pod("web"))) == {"b3-8": 1}


def test_a_light_pool_takes_what_the_heavy_one_cannot():
    """The heavy pool's limit is one node of a pod; the second pod is the light one's."""
    heavy, light = flavors_of("heavy", "b3-8", weight=10, limits={"nodes": "1"}), flavors_of("light", "b3-16")

    plan = answer.solved(heavy, light, b.pods("web", 2, b.spec(1500)))

    assert sorted((n.node_pool, n.flavor) for n in plan.create) == [("heavy", "b3-8"), ("light", "b3-16")]


# --------------------------------------------------------------------------------------------------------------- limits


def test_a_limit_is_exact():
    """Four cores may be two b3-8 or one b3-16: two of three pods of 1.5 cores have a place, the third is told why."""
    plan = answer.solved(b.pool(limits={"cpu": "4"}), b.pods("web", 3, b.spec(1500)))

    assert plan.cost.create == 2 * answer.SMALL
    (left,) = answer.left_out(plan)
    assert answer.why(plan, left) == "all available instance types exceed limits for nodepool (NodePool=/general)"


def test_usage_counts_against_limits():
    """One b3-8 stands: a limit of four cores leaves room for one more, not for a b3-16."""
    full = b.spec(1800)
    of = b.cluster(
        b.pool(limits={"cpu": "4"}), b.owned("old", of="b3-8"), b.pod("run", full, node="old"), b.pods("web", 2, full)
    )

    plan = answer.solved(of)

    assert answer.flavors(plan) == {"b3-8": 1}
    assert len(answer.left_out(plan)) == 1


@pytest.mark.parametrize(("limits", "nodes"), [({"memory": "17Gi"}, 2), ({"nodes": "1"}, 1), ({"nodes": "0"}, 0)])
def test_every_resource_may_be_limited(limits: dict[str, str], nodes: int):
    """Two b3-8 have less than 17 GiB of memory together; `nodes` is the number of nodes."""
    plan = answer.solved(b.pool(limits=limits), b.pods("web", 3, b.spec(1500)), only_flavors=("b3-8",))

    assert len(plan.create) == nodes


def test_several_limits_hold_together():
    """GPUs would allow two, nodes one."""
    limits = {"nvidia.com/gpu": "2", "nodes": "1"}
    pods = b.pods("train", 3, b.spec(500, requests={"nvidia.com/gpu": 1}))

    assert answer.flavors(answer.solved(b.pool(limits=limits), pods)) == {"l4-90": 1}


# ------------------------------------------------------------------------------------------------------------ minValues


def test_min_values_leave_a_choice_of_flavors():
    """Three flavors must hold what a node holds: pods that need a b3-16 leave two, so they are left out."""
    choice = flavors_of("general", "b3-8", "b3-16", "b3-32", more={"minValues": 3})

    small, large = answer.solved(choice, b.pod("web")), answer.solved(choice, b.pod("web", b.spec(3000)))

    assert answer.flavors(small) == {"b3-8": 1}
    assert set(small.create[0].flavor_options) == {"b3-8", "b3-16", "b3-32"}
    assert answer.left_out(large) == {"web"}


def test_min_values_split_pods():
    """Two pods of a core on one b3-16 would leave two flavors: each gets a node of its own, for which there are three."""
    choice = flavors_of("general", "b3-8", "b3-16", "b3-32", more={"minValues": 3})

    assert answer.flavors(answer.solved(choice, b.pods("web", 2, b.spec(1000)))) == {"b3-8": 2}


def test_best_effort_takes_what_there_is():
    """BestEffort: the large pod is placed, and its claim says that the choice was relaxed."""
    choice = flavors_of("general", "b3-8", "b3-16", "b3-32", more={"minValues": 3})

    plan = answer.solved(choice, b.pod("web", b.spec(3000)), min_values_policy="BestEffort")

    assert plan.create[0].annotations["karpenter.sh/nodeclaim-min-values-relaxed"] == "true"


# ------------------------------------------------------------------------------------------------------- taints, labels


def test_taints_and_tolerations():
    """A tainted pool for those that tolerate, by value or Exists; the others are told which taint."""
    tainted = b.pool(taints=[{"key": "team", "value": "x", "effect": "NoSchedule"}])
    plan = answer.solved(
        tainted,
        b.pod("plain"),
        b.pod("equal", b.spec(tolerations=(b.toleration("team", "Equal", "x", "NoSchedule"),))),
        b.pod("other", b.spec(tolerations=(b.toleration("team", "Equal", "y"),))),
        b.pod("exists", b.spec(tolerations=(b.toleration("team"),))),
        b.pod("all", b.spec(tolerations=(b.toleration(),))),
    )

    assert answer.left_out(plan) == {"plain", "other"}
    assert answer.why(plan, "plain") == "did not tolerate taint (taint=team=x:NoSchedule)"


def test_startup_taints_keep_nobody_away():
    """They are gone before pods come."""
    assert (
        answer.left_out(answer.solved(b.pool(startupTaints=[{"key": "boot", "effect": "NoExecute"}]), b.pod("web")))
        == set()
    )


@pytest.mark.parametrize(
    ("requirement", "selected", "label"),
    [
        (b.requirement("team", "In", "a", "b"), "b", "b"),
        (b.requirement("team", "Exists"), "z", "z"),
        (b.requirement("team", "NotIn", "a"), "b", "b"),
        (b.requirement("team", "NotIn", "a"), "a", None),
        (b.requirement("team", "DoesNotExist"), "a", None),
        (b.requirement("team", "In", "a"), "c", None),
    ],
)
def test_custom_labels_become_concrete(requirement: dict[str, Any], selected: str, label: str | None):
    """A pod that selects a value gets a node that has it, as far as the NodePool allows."""
    plan = answer.solved(b.pool(requirements=[requirement]), b.pod("web", b.spec(node_selector=(("team", selected),))))

    assert [node.labels["team"] for node in plan.create] == ([] if label is None else [label])


def test_two_values_are_two_nodes():
    """One node has one value of a label: pods for a and b cannot share it."""
    plan = answer.solved(
        b.pool(requirements=[b.requirement("team", "In", "a", "b")]),
        *[b.pod(team, b.spec(500, node_selector=(("team", team),))) for team in "ab"],
    )

    assert sorted(node.labels["team"] for node in plan.create) == ["a", "b"]


def test_absence_of_a_well_known_label():
    """DoesNotExist on a label of GPU flavors leaves the others."""
    pool = b.pool(requirements=[b.requirement("karpenter.ovhcloud.sh/gpu-model", "DoesNotExist")])

    plan = answer.solved(pool, b.pod("web", b.spec(10_000)), b.pod("small"))

    assert answer.left_out(plan) == {"web"}
    assert answer.flavors(plan) == {"b3-8": 1}


def test_a_key_that_nobody_defines():
    """A selector on a label without known values: upstream's words, and a hint when it looks like a slip."""
    pool = b.pool(labels={"example.com/team": "a"})

    plan = answer.solved(pool, b.pod("web", b.spec(node_selector=(("example.com/taem", "a"),))))

    assert answer.why(plan, "web") == (
        'incompatible requirements, label "example.com/taem" does not have known values (typo of "example.com/team"?)'
    )


# ------------------------------------------------------------------------------------------------- pools that are no use


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ready": False}, "it is not ready"),
        ({"deleting": True}, "it is being deleted"),
        ({"node_class": "gone"}, 'its node class "gone" is not there'),
        ({"replicas": 3}, "it is static (spec.replicas): it keeps its number of nodes whatever pods are waiting"),
    ],
)
def test_pools_that_make_no_nodes(fields: dict[str, Any], words: str):
    """Not ready, going, without class, static: the pod is left out, and the pool says why."""
    plan = answer.solved(b.pool(**fields), b.pod("web"))

    assert [reason.message for reason in plan.unschedulable[0].reasons] == [words]
    assert answer.why(plan, "web") == f"no dynamic nodepools found; NodePool general: {words}"


def test_nodes_of_static_pools_are_places():
    """Their nodes take pods like any other."""
    of = b.cluster(
        b.pool("static", replicas=1), b.pool(limits={"nodes": "0"}), b.owned("old", node_pool="static"), b.pod("web")
    )

    assert answer.place(answer.solved(of), "web") == "old"


def test_no_pool_at_all():
    """Upstream's words."""
    of = b.cluster(b.pod("web"))
    of.node_pools.clear()

    assert answer.why(answer.solved(of), "web") == "no dynamic nodepools found"


@pytest.mark.parametrize("seed", range(8))
def test_limits_are_never_exceeded_and_never_waste_a_place(seed: int):
    """Equal pods, one a node: as many are placed as limits of cpu, memory and nodes allow nodes, no fewer."""
    dice = random.Random(seed)
    limits = {"cpu": dice.randint(2, 12), "memory": dice.randint(8, 60), "nodes": dice.randint(1, 6)}
    pool = b.pool(limits={"cpu": str(limits["cpu"]), "memory": f"{limits['memory']}Gi", "nodes": str(limits["nodes"])})

    plan = answer.solved(pool, b.pods("web", 8, b.spec(1800)), only_flavors=("b3-8",))

    capacity = b.SHELF.flavors["b3-8"].capacity
    most = min(limits["cpu"] // 2, limits["memory"] * b.GIB // capacity["memory"], limits["nodes"], 8)
    assert len(plan.placements) == len(plan.create) == most
