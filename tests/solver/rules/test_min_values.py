"""minValues of NodePool requirements."""

from catalog import flavor
from solver import cluster
from tests.solver.rules import world

FAMILY = "karpenter.ovhcloud.sh/family"


def pool(key, minimum, operator="Exists", values=()) -> cluster.NodePool:
    requirement = {"key": key, "operator": operator, "minValues": minimum}
    return world.pool(requirements=[requirement | ({"values": list(values)} if values else {})])


def test_values_are_numbered_by_offer():
    """Each offer of the NodePool has the number of its label's value; offers of one family differ in flavor only."""
    built = world.compiled(pool(world.TYPE, 2), world.pool("other"), world.pod("web"))
    (block,) = built.problem.min_values

    values: dict[tuple[str, str], set[int]] = {}
    for offer, value in zip(built.problem.offers, block.value_of.tolist(), strict=True):
        values.setdefault((offer.node_pool, offer.flavor), set()).add(value)
    assert block.minimum == 2
    assert all(value == {-1} for (name, _), value in values.items() if name == "other")
    assert len(set().union(*(value for (name, _), value in values.items() if name == "general"))) == 3
    families = {(offer.node_pool, offer.zone): offer.family for offer in built.problem.offers}
    assert all(families[offer.node_pool, offer.zone] == offer.family for offer in built.problem.offers)
    assert len(set(families.values())) == 6


def test_values_are_of_the_key_that_is_asked_for():
    """Flavors of one family count as one value of the family label."""
    flavors = (*world.FLAVORS, flavor.make("c3-8", 4, 8, disk_gib=50, hourly_micro_eur=90_000))
    built = world.compiled(pool(FAMILY, 2), world.pod("web"), flavors=flavors)
    (block,) = built.problem.min_values

    value = dict(zip([offer.flavor for offer in built.problem.offers], block.value_of.tolist(), strict=True))
    assert value["b3-8"] == value["b3-16"] != value["c3-8"]


def test_best_effort_asks_for_nothing():
    """The policy BestEffort lowers what is asked to what is there; what was asked is still known."""
    built = world.compiled(pool(world.TYPE, 2), world.pod("web"), min_values_policy="BestEffort")

    assert built.problem.min_values == ()
    assert [block.minimum for block in built.min_values] == [2]


def test_one_value_is_always_there():
    """MinValues 1 is no rule."""
    assert world.compiled(pool(world.TYPE, 1), world.pod("web")).problem.min_values == ()


def test_flavors_without_the_label_cannot_be_counted():
    """A flavor that lacks the label leaves no value, so it is refused, in upstream's words."""
    model = "karpenter.ovhcloud.sh/gpu-model"
    built = world.compiled(pool(model, 2, "NotIn", ("a100",)), world.pod("web"))

    assert world.flavors_of(built, "web") == {"l4-32"}
    assert world.why_offer(built, "web", flavor="b3-8") == (
        "min_values",
        f"minValues requirement is not met for label(s) (label(s)=[{model}])",
    )


def test_zones_count_where_a_flavor_can_be_bought():
    """Choice of zones is asked of flavors: one that can be bought in one zone only is refused."""
    scarce = flavor.make("c3-8", 4, 8, hourly_micro_eur=9, unavailable_zones=frozenset(world.ZONES[1:]))

    built = world.compiled(pool(world.ZONE, 2), world.pod("web"), flavors=(*world.FLAVORS, scarce))

    assert world.flavors_of(built, "web") == {"b3-8", "b3-16", "l4-32"}
    assert built.problem.min_values == ()


def test_custom_labels_leave_no_choice():
    """A custom label is no flavor's: asking for choice in one leaves no offer."""
    built = world.compiled(pool("team", 1, "In", ("a", "b")), world.pod("web"))

    assert world.offers_of(built, "web") == set()
