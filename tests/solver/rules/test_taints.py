"""Taints and tolerations."""

import pytest

from solver import cluster
from solver.check import match
from solver.rules import taints
from tests.solver.rules import world

TAINT = cluster.Taint("dedicated", "gpu", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "covered"),
    [
        (cluster.Toleration("dedicated", "Equal", "gpu", "NoSchedule"), True),
        (cluster.Toleration("dedicated", "", "gpu", ""), True),
        (cluster.Toleration("dedicated", "Exists", "", ""), True),
        (cluster.Toleration("", "Exists", "", ""), True),
        (cluster.Toleration("", "Exists", "", "NoExecute"), False),
        (cluster.Toleration("dedicated", "Equal", "cpu", ""), False),
        (cluster.Toleration("other", "Exists", "", ""), False),
        (cluster.Toleration("dedicated", "Exists", "", "NoExecute"), False),
        (cluster.Toleration("dedicated", "Near", "gpu", ""), False),
    ],
)
def test_tolerations(toleration, covered):
    """Empty keys (with Exists) and effects cover all; the operator defaults to Equal."""
    assert taints.tolerates((toleration,), TAINT) is covered


COMPARED = [
    ("Gt", "900", "950", True),
    ("Gt", "950", "950", False),
    ("Lt", "960", "950", True),
    ("Lt", "950", "950", False),
    ("Gt", "-5", "0", True),
    ("Gt", "900", "gpu", False),
    ("Gt", "900", "0950", False),
    ("Lt", "x", "950", False),
    ("Gt", "1", "9223372036854775808", False),
]
"""Operator and value of the toleration, value of the taint, as k8s.io/api compares them (core/v1/toleration.go)."""


@pytest.mark.parametrize(("operator", "value", "tainted", "covered"), COMPARED)
def test_tolerations_that_compare(operator, value, tainted, covered):
    """The taint's number is above or below the toleration's; what is no number in plain digits is not covered."""
    toleration, taint = cluster.Toleration("sla", operator, value, ""), cluster.Taint("sla", tainted, "NoExecute")

    assert taints.tolerates((toleration,), taint) is covered
    assert match.tolerates(toleration, taint) is covered


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_untolerated_taints_keep_pods_away(effect):
    """Both hard effects refuse offers and nodes, in upstream's words."""
    taint = cluster.Taint("dedicated", "gpu", effect)
    pool = world.pool(taints=[{"key": "dedicated", "value": "gpu", "effect": effect}])
    tolerant = world.spec(tolerations=(cluster.Toleration("dedicated", "Exists", "", ""),))

    built = world.compiled(
        pool, world.pod("plain"), world.pod("tolerant", tolerant), world.node("old", taints=(taint,))
    )

    assert world.offers_of(built, "plain") == set()
    assert world.nodes_of(built, "plain") == set()
    assert world.nodes_of(built, "tolerant") == {"old"}
    assert world.flavors_of(built, "tolerant") == {"b3-8", "b3-16", "l4-32"}
    assert world.why_offer(built, "plain") == ("taints", f"did not tolerate taint (taint=dedicated=gpu:{effect})")


def test_taints_without_a_value_are_written_without_one():
    """The text names key and effect only."""
    built = world.compiled(world.pod("web"), world.node("old", taints=(cluster.Taint("gpu", "", "NoSchedule"),)))

    assert world.why_node(built, "web", "old") == ("taints", "did not tolerate taint (taint=gpu:NoSchedule)")


def test_startup_taints_of_new_nodes_do_not_matter():
    """Startup taints are gone before pods come."""
    pool = world.pool(startupTaints=[{"key": "starting", "effect": "NoSchedule"}])

    built = world.compiled(pool, world.pod("web"))

    assert world.flavors_of(built, "web") == {"b3-8", "b3-16", "l4-32"}
    assert built.problem.offers[0].startup_taints == (cluster.Taint("starting", "", "NoSchedule"),)


def test_prefer_no_schedule_is_a_preference():
    """A PreferNoSchedule taint costs 100 per pod where it is not tolerated, and nothing under the policy Ignore."""
    soft = cluster.Taint("busy", "", "PreferNoSchedule")
    tolerant = world.spec(tolerations=(cluster.Toleration("busy", "Exists", "", ""),))
    objects = [
        world.pod("plain"),
        world.pod("tolerant", tolerant),
        world.node("old", taints=(soft,)),
        world.node("free"),
    ]

    built = world.compiled(*objects)
    ignoring = world.compiled(*objects, preference_policy="Ignore")

    plain, busy = world.class_of(built, "plain"), world.node_index(built, "old")
    assert world.nodes_of(built, "plain") == {"old", "free"}
    assert built.problem.node_penalty[plain, busy] == 100
    assert built.problem.node_penalty.sum() == 100
    assert ignoring.problem.node_penalty.sum() == 0


def test_cordoned_nodes_have_a_taint():
    """A cordoned node takes only pods that tolerate node.kubernetes.io/unschedulable."""
    tolerant = world.spec(tolerations=(cluster.Toleration("", "Exists", "", ""),))

    built = world.compiled(world.pod("plain"), world.pod("tolerant", tolerant), world.node("old", unschedulable=True))

    assert world.nodes_of(built, "plain") == set()
    assert world.nodes_of(built, "tolerant") == {"old"}
    assert world.why_node(built, "plain", "old") == (
        "taints",
        "did not tolerate taint (taint=node.kubernetes.io/unschedulable:NoSchedule)",
    )
