"""Nodes to be created: what may be bought, and that they are described as they will be."""

from typing import Any

import pytest

from catalog import labels
from tests.solver import builders as b
from tests.solver.check import verdict


def bought(
    *objects: Any, asked: dict[str, Any] | None = None, flavor_name: str = "b3-16", zone: str = b.A, **changes: Any
) -> set[str]:
    """Rules broken by a plan that buys one node for one pod, with changes to that node."""
    world = b.cluster(b.pod("web"), *objects)
    new = b.buy(world, "n", ["web"], flavor_name, zone, **changes)
    return verdict.broken(world, b.plan(world, new), **(asked or {}))


def test_a_good_buy():
    """Everything as catalogue, NodePool and node class say."""
    assert bought() == set()


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"node_pool": "other", "labels": {}}, {"nodepool"}),
        ({"node_class": "other"}, {"nodepool"}),
        ({"hourly": 99_999}, {"price"}),
        ({"monthly_billed": True}, {"billing"}),
        ({"capacity_type": "spot"}, {"billing"}),
        ({"ovh_pool": "general"}, {"ovh-pool"}),
        ({"ovh_pool": f"karpenter-b3-16-{b.B}"}, {"ovh-pool"}),
        ({"ovh_pool": f"karpenter-b3-16-{b.A}-1a2b3c4d"}, set()),
        ({"taints": (b.taint("gpu"),)}, {"taints", "tolerations"}),
        ({"startup_taints": (b.taint("cni"),)}, {"taints"}),
        ({"requests": {"cpu": 1000, "memory": b.GIB, "pods": 2}}, {"figures"}),
        ({"requests": {"cpu": 1000, "memory": b.GIB}}, {"figures"}),
        ({"flavor_options": ()}, {"flavor-options"}),
        ({"flavor_options": ("b3-32",)}, {"flavor-options"}),
    ],
)
def test_one_thing_wrong(change, rules):
    """Each change to a good node breaks the rule that is about it."""
    world = b.cluster(b.pod("web"))
    answer = b.plan(world, b.buy(world, "n", ["web"]))
    wrong = b.changed(answer, create=(b.changed(answer.create[0], **change),))

    assert verdict.broken(world, wrong) - {"cost"} == rules


def test_allocatable_is_never_above_the_catalogue():
    """Less is fine, as long as the pods fit; one byte more is not."""
    figures = dict(b.SHELF.flavors["b3-16"].allocatable)

    assert bought(allocatable=figures | {"cpu": 1000}) == set()
    assert bought(allocatable=figures | {"cpu": 999}) == {"resources"}
    assert bought(allocatable=figures | {"memory": figures["memory"] + 1}) == {"figures"}
    assert bought(allocatable=figures | {"nvidia.com/gpu": 1}) == {"figures"}


@pytest.mark.parametrize("key", [b.ZONE, b.TYPE, labels.REGION, labels.NODEPOOL, labels.FAMILY, labels.CAPACITY_TYPE])
def test_labels_that_are_known_must_be_there_and_right(key):
    """Flavor, place and NodePool decide them."""
    world = b.cluster(b.pod("web"))
    new = b.buy(world, "n", ["web"])
    without = {name: value for name, value in new.labels.items() if name != key}

    assert verdict.broken(world, b.plan(world, b.changed(new, labels=without))) == {"labels"}
    assert verdict.broken(world, b.plan(world, b.changed(new, labels=without | {key: "x"}))) == {"labels"}


def test_labels_come_from_somewhere():
    """An invented label could carry pods that ask for it."""
    assert bought(labels={"team": "web"}) == {"labels"}
    assert bought(b.pool(labels={"team": "web"})) == set()
    assert bought(b.pool(labels={"team": "web"}), labels={"team": "api"}) == {"labels"}


def test_labels_that_mks_adds_may_be_foreseen():
    """Old names of known labels and the name of the OVH pool."""
    assert bought(labels={"beta.kubernetes.io/arch": "amd64"}) == set()
    assert bought(labels={"beta.kubernetes.io/arch": "arm64"}) == {"labels"}
    assert bought(labels={labels.OVH_POOL: f"karpenter-b3-16-{b.A}"}) == set()
    assert bought(labels={labels.OVH_POOL: "other"}) == {"labels"}


@pytest.mark.parametrize(
    ("requirements", "value", "rules"),
    [
        ([b.requirement("rack", "In", "x", "y")], "x", set()),
        ([b.requirement("rack", "In", "x", "y")], "z", {"labels"}),
        ([b.requirement("rack", "In", "x", "y")], None, {"labels"}),
        ([b.requirement("rack", "In", "x", "y"), b.requirement("rack", "NotIn", "x")], "x", {"labels"}),
        ([b.requirement("rack", "Exists")], "anything", set()),
        ([b.requirement("rack", "Exists")], None, {"labels"}),
        ([b.requirement("rack", "Gte", "4")], "4", set()),
        ([b.requirement("rack", "Gt", "4")], "4", {"labels"}),
        ([b.requirement("rack", "DoesNotExist")], None, set()),
        ([b.requirement("rack", "DoesNotExist")], "x", {"labels"}),
    ],
)
def test_custom_keys_have_one_concrete_value(requirements, value, rules):
    """A requirement on a key of one's own becomes a label that fulfils it; DoesNotExist becomes none."""
    pool = b.pool(requirements=requirements)

    assert bought(pool, labels={} if value is None else {"rack": value}) == rules


@pytest.mark.parametrize(
    ("requirement", "rules"),
    [
        (b.requirement(b.TYPE, "In", "b3-16"), set()),
        (b.requirement(b.TYPE, "NotIn", "b3-16"), {"requirements"}),
        (b.requirement(labels.CPU, "Gt", "3"), set()),
        (b.requirement(labels.CPU, "Lte", "3"), {"requirements"}),
        (b.requirement(labels.GPU_COUNT, "DoesNotExist"), set()),
        (b.requirement(labels.GPU_COUNT, "Exists"), {"requirements"}),
        (b.requirement(b.ZONE, "In", b.B), {"requirements"}),
        (b.requirement("beta.kubernetes.io/instance-type", "In", "b3-32"), {"requirements"}),
    ],
)
def test_requirements_of_the_nodepool(requirement, rules):
    """Flavor and zone fulfil every requirement; old names mean the new ones."""
    assert bought(b.pool(requirements=[requirement])) == rules


def test_template_labels_are_requirements():
    """A template label with a well-known key narrows the choice."""
    assert bought(b.pool(labels={labels.FAMILY: "b3"})) == set()
    assert bought(b.pool(labels={labels.FAMILY: "c3"})) == {"requirements"}


def test_annotations_of_the_template():
    """They are on the node, others may be too."""
    assert bought(b.pool(annotations={"note": "x"})) == set()
    assert bought(b.pool(annotations={"note": "x"}), annotations={"note": "y"}) == {"labels"}
    assert bought(annotations={"more": "x"}) == set()


def test_taints_of_the_template():
    """They are on the node, pods tolerate them; startup taints are nobody's business."""
    tainted = b.pool(taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    starting = b.pool(startupTaints=[{"key": "cni", "effect": "NoSchedule"}])

    assert bought(tainted) == {"tolerations"}
    assert bought(starting) == set()


def test_only_what_is_sold():
    """Unknown and unpriced flavors, zones of elsewhere."""
    assert bought(flavor_name="bm-1", hourly=0, monthly_billed=False) == {"price"}
    assert bought(zone="eu-south-mil-a") == {"zone"}
    world = b.cluster(b.pod("web"))
    unknown = b.changed(b.buy(world, "n", ["web"]), flavor="b9-1")
    assert "flavor" in verdict.broken(world, b.plan(world, unknown))


@pytest.mark.parametrize(
    "asked",
    [
        {"only_flavors": ("c3-*",)},
        {"without_flavors": ("b3-*",)},
        {"without_zones": (b.A,)},
    ],
)
def test_what_the_user_excludes(asked):
    """Flavors and zones that were asked to be left out."""
    assert bought(asked=asked) == {"options"}


def test_what_the_user_does_not_exclude():
    """Globs that let the flavor through."""
    assert (
        bought(asked={"only_flavors": ("c3-*", "b3-*"), "without_flavors": ("*-8",), "without_zones": (b.B,)}) == set()
    )


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        ([b.pool(ready=False)], "it is not ready"),
        ([b.pool(deleting=True)], "it is being deleted"),
        ([b.pool(), b.node_class(ready=False)], "its node class default is not ready"),
        ([b.pool(), b.node_class(deleting=True)], "its node class default is being deleted"),
    ],
)
def test_nodepools_that_are_not_used(objects, why):
    """Not ready or on their way out, they or their node class."""
    world = b.cluster(b.pod("web"), *objects)
    (found,) = verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web"]))).violations

    assert found.rule == "nodepool"
    assert why in found.message


def test_monthly_billing():
    """By the month exactly where the node class asks for it and the flavor is sold so."""
    monthly = b.node_class(monthlyBilled=True)

    assert bought(monthly, flavor_name="b2-7") == set()
    assert bought(monthly, flavor_name="b2-7", monthly_billed=False, hourly=70_000) == {"billing"}
    assert bought(flavor_name="b2-7", monthly_billed=True, hourly=34_247) == {"billing"}
    assert bought(monthly) == set()
    assert bought(monthly, monthly_billed=True) == {"billing"}


def test_one_zone_regions():
    """Their zone is nova; names like gra11-a in a NodePool mean it."""
    region = b.node_class(region="GRA11")
    pool = b.pool(requirements=[b.requirement(b.ZONE, "In", "gra11-a")])

    assert bought(region, zone="nova") == set()
    assert bought(region, pool, zone="nova") == set()
    assert bought(region, zone="gra11-a") == {"zone"}
    assert bought(region, zone="nova", asked={"without_zones": ("gra11-a",)}) == {"options"}


def test_the_region_may_be_overruled():
    """The option goes before the node class."""
    there = b.node_class(region="GRA11")
    overruled = bought(there, zone=b.A, asked={"region": b.REGION}, labels=labels.offering_labels(b.REGION, b.A))

    assert overruled == set()


@pytest.mark.parametrize(
    ("options", "ok"),
    [
        (("b3-16", "b3-32"), True),
        (("b2-7", "b3-16"), False),
        (("b3-32", "b3-16"), False),
        (("b3-16", "b3-16"), False),
        (("b3-8", "b3-16"), False),
        (("b3-16", "bm-1"), False),
        (("b3-16", "b9-1"), False),
    ],
)
def test_flavor_options(options, ok):
    """Sorted by price, each once, each sold, large enough and suitable: this pod wants 2 CPU and family b3."""
    world = b.cluster(b.pod("web", b.spec(2000, node_selector=((labels.FAMILY, "b3"),))))
    answer = b.plan(world, b.buy(world, "n", ["web"], flavor_options=options))

    assert verdict.broken(world, answer) == (set() if ok else {"flavor-options"})
