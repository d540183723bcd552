"""Node selectors, required and preferred node affinity."""

import hypothesis
from hypothesis import strategies

from solver import cluster
from tests.solver.rules import world
from tests.solver.rules.world import TYPE, ZONE, ZONES

GEN = "karpenter.ovhcloud.sh/generation"


def test_a_node_selector_chooses_offers_and_nodes():
    """Only places with the label's value are left."""
    built = world.compiled(
        world.pod("web", world.spec(node_selector=((ZONE, ZONES[1]),))),
        world.node("here", ZONES[1]),
        world.node("there", ZONES[0]),
    )

    assert world.zones_of(built, "web") == "b"
    assert world.nodes_of(built, "web") == {"here"}
    assert world.why_offer(built, "web", zone=ZONES[0]) == (
        "node_affinity",
        "no instance type has the required offering",
    )


def test_required_terms_are_alternatives():
    """Any one required term is enough, and the selector holds with each."""
    either = (
        world.term(world.within(ZONE, "In", ZONES[0])),
        world.term(world.within(TYPE, "In", "l4-32"), world.within(ZONE, "NotIn", ZONES[2])),
    )
    built = world.compiled(
        world.pod("web", world.spec(node_terms=either, node_selector=(("kubernetes.io/os", "linux"),)))
    )

    assert world.offers_of(built, "web") == {
        ("general", "b3-8", "a"),
        ("general", "b3-16", "a"),
        ("general", "l4-32", "a"),
        ("general", "l4-32", "b"),
    }


def test_numbers_compare_as_numbers():
    """Gt and Lt choose flavors by the labels of their size."""
    more = (
        world.term(
            world.within("karpenter.ovhcloud.sh/cpu", "Gt", "2"), world.within("karpenter.ovhcloud.sh/cpu", "Lt", "8")
        ),
    )

    built = world.compiled(world.pod("web", world.spec(node_terms=more)))

    assert world.flavors_of(built, "web") == {"b3-16"}


def test_absence_can_be_asked_for():
    """DoesNotExist and NotIn are content with flavors that lack the label, Exists is not."""
    absent = world.spec(node_terms=(world.term(world.within("karpenter.ovhcloud.sh/gpu-model", "DoesNotExist")),))
    present = world.spec(node_terms=(world.term(world.within("karpenter.ovhcloud.sh/gpu-model", "Exists")),))

    built = world.compiled(world.pod("cpu", absent), world.pod("gpu", present))

    assert world.flavors_of(built, "cpu") == {"b3-8", "b3-16"}
    assert world.flavors_of(built, "gpu") == {"l4-32"}
    assert world.why_offer(built, "gpu", flavor="b3-8") == ("node_affinity", "no instance type met all requirements")


def test_old_label_names_find_nodes():
    """Nodes carry arch, type and zone under their old names as well."""
    built = world.compiled(world.pod("web", world.spec(node_selector=(("beta.kubernetes.io/instance-type", "b3-8"),))))

    assert world.flavors_of(built, "web") == {"b3-8"}


def test_a_label_that_no_pool_defines():
    """Upstream's words for a label without known values, and for a clash with the NodePool."""
    pool = world.pool(labels={"team": "a"})
    built = world.compiled(
        pool,
        world.pod("unknown", world.spec(node_selector=(("color", "red"),))),
        world.pod("other", world.spec(node_selector=(("team", "b"),))),
        world.pod("mine", world.spec(node_selector=(("team", "a"),))),
    )

    assert world.why_offer(built, "unknown") == (
        "node_affinity",
        'incompatible requirements, label "color" does not have known values',
    )
    assert world.why_offer(built, "other") == (
        "node_affinity",
        "incompatible requirements, key team, team In [b] not in team In [a]",
    )
    assert world.why_offer(built, "mine") is None


def test_existing_nodes_are_taken_as_they_are():
    """On a node a label that it lacks is not there, well known or not."""
    built = world.compiled(world.pod("web", world.spec(node_selector=((GEN, "3"),))), world.node("old"))

    assert world.nodes_of(built, "web") == set()
    assert world.why_node(built, "web", "old") == (
        "node_affinity",
        f'incompatible requirements, label "{GEN}" does not have known values',
    )


def test_unmet_preferences_cost_their_weight():
    """Each preferred term that a place does not meet costs its weight per pod there; an empty one costs nothing."""
    preferred = (
        cluster.PreferredNodeTerm(30, world.term(world.within(ZONE, "In", ZONES[0]))),
        cluster.PreferredNodeTerm(7, world.term(world.within(TYPE, "In", "b3-8"))),
        cluster.PreferredNodeTerm(50, cluster.NodeTerm()),
    )
    built = world.compiled(world.pod("web", world.spec(preferred_node_terms=preferred)), world.node("old", ZONES[0]))

    costs = {
        (offer.flavor, offer.zone[-1]): cost
        for offer, cost in zip(built.problem.offers, built.problem.offer_penalty[0].tolist(), strict=True)
    }
    assert (costs["b3-8", "a"], costs["b3-8", "b"], costs["b3-16", "a"], costs["b3-16", "b"]) == (0, 30, 7, 37)
    assert built.problem.node_penalty.tolist() == [[7]]


def test_ignored_preferences_cost_nothing():
    """The policy Ignore leaves preferred terms out."""
    preferred = (cluster.PreferredNodeTerm(30, world.term(world.within(ZONE, "In", ZONES[0]))),)

    built = world.compiled(world.pod("web", world.spec(preferred_node_terms=preferred)), preference_policy="Ignore")

    assert built.problem.offer_penalty.sum() == 0


_EXPRESSIONS = strategies.builds(
    world.within,
    strategies.sampled_from([ZONE, TYPE, "color"]),
    strategies.sampled_from(["In", "NotIn"]),
    strategies.sampled_from([*ZONES, "b3-8", "b3-16", "red"]),
)


@hypothesis.given(strategies.lists(strategies.lists(_EXPRESSIONS, min_size=1, max_size=3), min_size=1, max_size=3))
@hypothesis.settings(max_examples=50)
def test_the_mask_is_what_each_label_says(terms):
    """For any terms an offer is allowed exactly when its own labels fulfil every expression of one of them."""
    spec = world.spec(node_terms=tuple(world.term(*expressions) for expressions in terms))
    built = world.compiled(world.pod("web", spec))

    for offer, allowed in zip(built.problem.offers, built.problem.offer_ok[0], strict=True):
        expected = any(
            all((offer.labels.get(e.key) in e.values) == (e.operator == "In") for e in expressions)
            for expressions in terms
        )
        assert allowed == expected
