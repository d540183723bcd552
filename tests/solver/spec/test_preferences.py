"""Preferences: kept where that costs no pod its place, by weight; priced when asked; left out when asked."""

from __future__ import annotations

import itertools
import random

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.spec import answer


def likes(weight: int, *expressions: cluster.Expression) -> cluster.PreferredNodeTerm:
    return cluster.PreferredNodeTerm(weight, b.node_term(*expressions))


def wish(weight: int, key: str, **labels: str) -> cluster.PreferredPodTerm:
    return cluster.PreferredPodTerm(weight, b.near(key, b.selector(**labels)))


BIG = b.expression(b.TYPE, "In", "b3-32")


def test_a_preferred_flavor_is_bought_although_it_costs_more():
    """Respect: 200 instead of 50, because the pod would rather have a b3-32."""
    plan = answer.solved(b.pod("web", b.spec(500, preferred_node_terms=(likes(1, BIG),))))

    assert answer.flavors(plan) == {"b3-32": 1}
    assert answer.preferences(plan) == 0


def test_ignore_leaves_preferences_out():
    """The same pod on the cheapest node."""
    plan = answer.solved(b.pod("web", b.spec(500, preferred_node_terms=(likes(1, BIG),))), preference_policy="Ignore")

    assert answer.flavors(plan) == {"b3-8": 1}


@pytest.mark.parametrize(("euros", "flavor"), [(140_000, "b3-8"), (160_000, "b3-32")])
def test_a_price_weighs_preferences_against_euros(euros: int, flavor: str):
    """A preference of weight 100 is worth so much per hour: it is bought when 150 more is less than that."""
    spec = b.spec(500, preferred_node_terms=(likes(100, BIG),))

    assert answer.flavors(answer.solved(b.pod("web", spec), preference_price=euros)) == {flavor: 1}


def test_the_heavier_of_two_that_contradict():
    """Zone a for 30, zone b for 20 and 20 more: b is worth 40 together."""
    terms = (
        likes(30, b.expression(b.ZONE, "In", b.A)),
        likes(20, b.expression(b.ZONE, "In", b.B)),
        likes(20, b.expression(b.ZONE, "NotIn", b.A, b.C)),
    )

    plan = answer.solved(b.pod("web", b.spec(500, preferred_node_terms=terms)))

    assert (answer.zones(plan), answer.preferences(plan)) == ("b", 30)


def test_no_pod_loses_its_place_for_a_preference():
    """A limit of one node: both pods are on it, and the one that would rather be in another zone is not."""
    plan = answer.solved(
        b.pool(limits={"nodes": "1"}),
        b.pod("a", b.spec(500, preferred_node_terms=(likes(1, b.expression(b.ZONE, "In", b.A)),))),
        b.pod("b", b.spec(500, preferred_node_terms=(likes(2, b.expression(b.ZONE, "In", b.B)),))),
    )

    assert answer.left_out(plan) == set()
    assert (answer.zones(plan), answer.preferences(plan)) == ("b", 1)


def test_required_terms_are_alternatives():
    """A GPU node or any b3-8: the second term is 700 cheaper, in whatever order they stand."""
    terms = (
        b.node_term(b.expression(b.TYPE, "In", "l4-90")),
        b.node_term(b.expression(b.TYPE, "In", "b3-8")),
    )
    for order in itertools.permutations(terms):
        assert answer.flavors(answer.solved(b.pod("web", b.spec(500, node_terms=order)))) == {"b3-8": 1}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (b.expression(b.ZONE, "In", "mars"), "no instance type has the required offering"),
        (b.expression(b.TYPE, "In", "b3-4"), "no instance type met all requirements"),
        (
            b.expression("disk", "Exists"),
            'incompatible requirements, label "disk" does not have known values (typo of "karpenter.ovhcloud.sh/local-disk"?)',
        ),
    ],
)
def test_no_required_term_can_be_met(expression: cluster.Expression, words: str):
    """Zones, flavors and labels that there are not, each in upstream's words."""
    terms = (b.node_term(expression), b.node_term(expression, b.expression("arch", "Exists")))

    plan = answer.solved(b.pod("web", b.spec(500, node_terms=terms)))

    assert answer.constraints(plan, "web") == {"general": "node_affinity"}
    assert answer.why(plan, "web") == words


def test_preferred_affinity_and_anti_affinity():
    """Two webs would rather not share a node, and rather have the cache with them: two nodes, one with the cache."""
    spec = b.spec(
        500,
        preferred_anti_affinity=(wish(50, b.HOSTNAME, app="web"),),
        preferred_affinity=(wish(10, b.HOSTNAME, app="cache"),),
    )

    plan = answer.solved(b.pods("web", 2, spec, labels={"app": "web"}), b.pod("cache", labels={"app": "cache"}))

    assert len(plan.create) == 2
    assert answer.preferences(plan) == 10


def test_prefer_no_schedule():
    """A tainted free node is avoided at the price of a new one, and used when preferences are ignored."""
    shy = b.node("shy", taints=(b.taint("soon", effect="PreferNoSchedule"),))

    assert answer.flavors(answer.solved(shy, b.pod("web"))) == {"b3-8": 1}
    assert answer.place(answer.solved(shy, b.pod("web"), preference_policy="Ignore"), "web") == "shy"
    assert answer.place(answer.solved(shy, b.pod("web"), b.pool(limits={"nodes": "0"})), "web") == "shy"


@pytest.mark.parametrize("seed", range(10))
def test_as_little_weight_as_possible_is_given_up(seed: int):
    """One pod with random wishes for zone and flavor: the place that misses least of them is the one it gets."""
    dice = random.Random(seed)
    wishes = [
        (dice.randint(1, 100), key, dice.sample(values, dice.randint(1, 2)))
        for key, values in dice.choices([(b.ZONE, [b.A, b.B, b.C]), (b.TYPE, ["b3-8", "b3-16", "b3-32"])], k=5)
    ]
    terms = tuple(likes(weight, b.expression(key, "In", *values)) for weight, key, values in wishes)

    plan = answer.solved(b.pod("web", b.spec(500, preferred_node_terms=terms)))

    missed = [
        sum(w for w, key, values in wishes if {b.ZONE: zone, b.TYPE: flavor}[key] not in values)
        for zone in (b.A, b.B, b.C)
        for flavor in ("b3-8", "b3-16", "b3-32")
    ]
    assert answer.preferences(plan) == min(missed)
