"""NodePools: which of them make nodes, what their nodes are like, and which come first."""

import pytest

from catalog import flavor, region
from solver import cluster
from tests.solver.rules import world


def rank(built, name) -> dict[str, int]:
    """Rank of each NodePool's offers for a pod."""
    index = world.class_of(built, name)
    return {
        offer.node_pool: value
        for offer, value in zip(built.problem.offers, built.problem.offer_rank[index].tolist(), strict=True)
    }


def test_heavier_pools_come_first():
    """An offer's rank is the number of heavier weights that the pod could have had; equal weights tie."""
    pools = [world.pool("a", weight=10), world.pool("b", weight=5), world.pool("c", weight=5), world.pool("d")]

    assert rank(world.compiled(pools, world.pod("web")), "web") == {"a": 0, "b": 1, "c": 1, "d": 2}


def test_pools_that_cannot_take_a_pod_do_not_rank():
    """The heaviest pool that suits a class is its first, whatever heavier pools do not suit."""
    pools = [
        world.pool("tainted", weight=10, taints=[{"key": "x", "effect": "NoSchedule"}]),
        world.pool("small", weight=5, requirements=[{"key": world.TYPE, "operator": "In", "values": ["b3-8"]}]),
        world.pool("rest"),
    ]
    built = world.compiled(pools, world.pod("web"), world.pod("big", world.spec(3000)))

    assert rank(built, "web")["small"] == 0
    assert rank(built, "web")["rest"] == 1
    assert rank(built, "big")["rest"] == 0


def test_price_may_decide_instead():
    """With weights "price" no pool ranks behind another."""
    pools = [world.pool("a", weight=10), world.pool("b")]

    assert set(rank(world.compiled(pools, world.pod("web"), weights="price"), "web").values()) == {0}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"deleting": True}, "it is being deleted"),
        ({"ready": False}, "it is not ready"),
        ({"replicas": 3}, "it is static (spec.replicas): it keeps its number of nodes whatever pods are waiting"),
        ({"node_class": "gone"}, 'its node class "gone" is not there'),
    ],
)
def test_pools_that_make_no_nodes(fields, why):
    """Deleting, unready, static and classless NodePools have no offers, and it is said why."""
    built = world.compiled(world.pool(**fields), world.pod("web"))

    assert built.problem.offers == ()
    assert built.left_out == {"general": why}


@pytest.mark.parametrize("fields", [{"ready": False}, {"deleting": True}])
def test_node_classes_must_be_ready(fields):
    """An unready or deleting node class stops its pools."""
    assert world.compiled(world.node_class(**fields), world.pod("web")).problem.offers == ()


def test_pools_that_contradict_themselves():
    """Requirements on one key that leave no value make no nodes."""
    clash = world.pool(
        requirements=[
            {"key": "team", "operator": "In", "values": ["a"]},
            {"key": "team", "operator": "In", "values": ["b"]},
        ]
    )

    assert world.compiled(clash, world.pod("web")).left_out == {"general": "its requirements on team leave no value"}


def test_offers_carry_all_their_labels():
    """Labels come from flavor, place, template and NodePool; taints, price and billing stand beside them."""
    built = world.compiled(world.pool(labels={"team": "a"}), world.pod("web"))
    offer = built.problem.offers[0]

    assert offer.labels["team"] == "a"
    assert offer.labels["karpenter.sh/nodepool"] == "general"
    assert offer.labels["karpenter.ovhcloud.sh/ovhnodeclass"] == "default"
    assert offer.labels["topology.kubernetes.io/region"] == "EU-WEST-PAR"
    assert offer.labels[world.ZONE] == offer.zone == "eu-west-par-a"
    assert offer.labels[world.TYPE] == offer.flavor == "b3-8"
    assert (offer.price, offer.monthly) == (50_000, False)


def test_requirements_choose_flavors_and_zones():
    """A NodePool's requirements and its well-known template labels decide what is offered."""
    pool = world.pool(
        requirements=[
            {"key": "karpenter.ovhcloud.sh/memory", "operator": "Gte", "values": ["16384"]},
            {"key": "karpenter.ovhcloud.sh/gpu-count", "operator": "DoesNotExist"},
            {"key": world.ZONE, "operator": "NotIn", "values": ["eu-west-par-c"]},
        ]
    )
    labelled = world.pool("labelled", labels={world.ZONE: "eu-west-par-b"})

    built = world.compiled(pool, labelled, world.pod("web"))

    offered = world.offers_of(built, "web")
    assert {each for each in offered if each[0] == "general"} == {("general", "b3-16", "a"), ("general", "b3-16", "b")}
    assert {zone for name, _, zone in offered if name == "labelled"} == {"b"}


def test_zone_names_of_one_zone_regions_are_mapped_and_told():
    """Names such as gra7-a stand for nova, with a note; a name that means nothing leaves nothing."""
    pool = world.pool(requirements=[{"key": world.ZONE, "operator": "In", "values": ["gra7-a", "gra7-b"]}])

    built = world.compiled(pool, world.node_class(region="GRA7"), world.pod("web"))

    assert {offer.zone for offer in built.problem.offers} == {"nova"}
    assert len(built.notes) == 2
    assert built.notes[0].startswith("NodePool general: ")
    assert '"gra7-a" is read as "nova"' in built.notes[0]


def test_zone_names_in_pods_are_not_mapped():
    """kube-scheduler would not match them, so the pod is refused and a note says why."""
    spec = world.spec(node_selector=((world.ZONE, "gra7-a"),))

    built = world.compiled(world.node_class(region="GRA7"), world.pod("web", spec))

    assert world.offers_of(built, "web") == set()
    assert built.notes == (
        'pods ask for zone "gra7-a": nodes of region GRA7 have zone "nova", which is not the same to them',
    )


def test_the_region_can_be_given():
    """Option `region` goes before the node class; a region that does not exist is an error."""
    built = world.compiled(world.pod("web"), region="GRA11")

    assert {offer.zone for offer in built.problem.offers} == {"nova"}
    with pytest.raises(region.UnknownRegionError):
        world.compiled(world.pod("web"), region="MOON")


def test_what_if_filters():
    """Flavors and zones can be left out by option; a pattern that matches nothing is told."""
    built = world.compiled(
        world.pod("web"), only_flavors=("b3-*", "x"), without_flavors=("*-16",), without_zones=("eu-west-par-a",)
    )

    assert world.offers_of(built, "web") == {("general", "b3-8", "b"), ("general", "b3-8", "c")}
    assert built.notes == ('no flavor of region EU-WEST-PAR matches "x"',)


def test_unpriced_flavors_are_never_free():
    """A flavor without a known price is left out and listed."""
    flavors = (*world.FLAVORS, flavor.make("c3-8", 4, 8))

    built = world.compiled(world.pod("web"), flavors=flavors)

    assert "c3-8" not in world.flavors_of(built, "web")
    assert built.unpriced == ("c3-8",)


def test_flavors_out_of_stock_are_not_offered():
    """A flavor is not offered in zones where it cannot be bought."""
    scarce = flavor.make("b3-8", 2, 8, hourly_micro_eur=1, unavailable_zones=frozenset({"eu-west-par-b"}))

    assert world.zones_of(world.compiled(world.pod("web"), flavors=(scarce,)), "web") == "ac"


def test_monthly_billing_where_the_flavor_allows_it():
    """What is sold by the month is bought so when the node class asks for it, at 1/730 of the month per hour."""
    flavors = (
        flavor.make("b2-7", 2, 7, hourly_micro_eur=70_000, monthly_micro_eur=73_000_000, monthly_billable=True),
        flavor.make("b3-8", 2, 8, hourly_micro_eur=50_000),
    )

    built = world.compiled(world.node_class(monthlyBilled=True), world.pod("web"), flavors=flavors)

    billing = {(offer.flavor, offer.monthly, offer.price) for offer in built.problem.offers}
    assert billing == {("b2-7", True, 100_000), ("b3-8", False, 50_000)}


def test_custom_labels_that_no_pod_asks_for_get_one_value():
    """A list gives its first value, a bound the smallest number; DoesNotExist gives no label."""
    pool = world.pool(
        requirements=[
            {"key": "team", "operator": "In", "values": ["b", "a"]},
            {"key": "rank", "operator": "Gt", "values": ["5"]},
            {"key": "spare", "operator": "DoesNotExist"},
        ]
    )
    built = world.compiled(pool, world.pod("web"))

    assert {(o.labels["team"], o.labels["rank"], o.labels.get("spare")) for o in built.problem.offers} == {
        ("a", "6", None)
    }
    assert len(built.problem.offers) == 9


def test_custom_labels_that_pods_ask_for_become_offers_of_each_value():
    """Each value of a list, or each that pods name and one more, makes offers of its own."""
    pool = world.pool(
        requirements=[
            {"key": "team", "operator": "In", "values": ["a", "b"]},
            {"key": "tier", "operator": "Exists"},
            {"key": "rank", "operator": "Exists"},
        ]
    )
    gold = world.spec(node_selector=(("tier", "gold"), ("team", "b")))
    other = world.spec(node_terms=(world.term(world.within("tier", "NotIn", "gold")),))
    high = world.spec(node_terms=(world.term(world.within("rank", "Gt", "41")),))

    built = world.compiled(pool, world.pod("gold", gold), world.pod("other", other), world.pod("high", high))

    def values(name) -> set[tuple[str, str]]:
        allowed = built.problem.offer_ok[world.class_of(built, name)]
        return {
            (offer.labels["team"], offer.labels["tier"])
            for offer, ok in zip(built.problem.offers, allowed, strict=True)
            if ok
        }

    assert values("gold") == {("b", "gold")}
    assert values("other") == {("a", "0"), ("b", "0")}
    ranks = {
        o.labels["rank"]
        for o, ok in zip(built.problem.offers, built.problem.offer_ok[world.class_of(built, "high")], strict=True)
        if ok
    }
    assert ranks == {"42"}


def test_too_many_values_are_cut_and_told():
    """The number of sets of custom values has a bound."""
    keys = [f"k{index}" for index in range(3)]
    pool = world.pool(requirements=[{"key": key, "operator": "In", "values": [*"abcdefgh"]} for key in keys])
    spec = world.spec(node_selector=tuple((key, "a") for key in keys))

    built = world.compiled(pool, world.pod("web", spec))

    assert built.notes == ("NodePool general: its custom labels allow 512 sets of values, of which 64 are tried",)
    assert world.flavors_of(built, "web") == {"b3-8", "b3-16", "l4-32"}


def test_topology_keys_count_as_asked_for():
    """Anti-affinity over a custom label makes its values available."""
    pool = world.pool(requirements=[{"key": "rack", "operator": "In", "values": ["1", "2"]}])
    spec = world.spec(anti_affinity=(world.near("rack", app="web"),))

    built = world.compiled(pool, world.pod("web", spec, labels={"app": "web"}))

    (rack,) = [each for each in built.problem.topologies if each.key == "rack"]
    assert sorted(rack.domains) == ["1", "2"]
    assert isinstance(built.templates["general"].requirements["rack"].values, frozenset)


def test_regions_that_the_catalogue_does_not_list():
    """The zones that a ready node class reports are used."""
    node_class = world.node_class(region="XX-NEW")
    reported = node_class.manifest.model_copy(
        update={"status": node_class.manifest.status.model_copy(update={"zones": ("xx-new-a", "xx-new-b")})}
    )

    built = world.compiled(cluster.NodeClass("default", reported), world.pod("web"))

    assert {offer.zone for offer in built.problem.offers} == {"xx-new-a", "xx-new-b"}
