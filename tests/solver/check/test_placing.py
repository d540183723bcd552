"""Where pods may go at all."""

from typing import Any

import pytest

from catalog import labels
from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict


def on(node: Any, pods: cluster.PodSpec | None = None) -> set[str]:
    """Rules broken when a pod with these fields goes onto a node that exists."""
    world = b.cluster(node, b.pod("web", pods))
    return verdict.broken(world, b.plan(world, placed={"web": "old"}))


def test_taints_must_be_tolerated():
    """NoSchedule and NoExecute keep pods away, PreferNoSchedule does not."""
    tainted = b.node("old", taints=(b.taint("gpu", "yes"),))

    assert on(tainted) == {"tolerations"}
    assert on(tainted, pods=b.spec(tolerations=(b.toleration("gpu"),))) == set()
    assert on(b.node("old", taints=(b.taint("gpu", effect="NoExecute"),))) == {"tolerations"}
    assert on(b.node("old", taints=(b.taint("gpu", effect="PreferNoSchedule"),))) == set()


def test_the_sentence_names_rule_pod_node_and_taint():
    """A verdict can be understood without the plan."""
    world = b.cluster(b.node("old", taints=(b.taint("gpu", "yes"),)), b.pods("web", 2))
    (found,) = verdict.verdict(world, b.plan(world, placed={"web-0": "old", "web-1": "old"})).violations

    assert (found.rule, found.pod, found.node) == ("tolerations", "default/web-0", "old")
    assert found.message == ("pod default/web-0 (and 1 more like it) on old: did not tolerate taint gpu=yes:NoSchedule")


def test_cordoned_nodes():
    """A cordoned node takes only pods that tolerate being unschedulable."""
    cordoned = b.node("old", unschedulable=True)

    assert on(cordoned) == {"tolerations"}
    assert on(cordoned, pods=b.spec(tolerations=(b.toleration("node.kubernetes.io/unschedulable"),))) == set()


@pytest.mark.parametrize(
    ("asked", "broken"),
    [
        ({"node_selector": ((b.ZONE, b.A),)}, set()),
        ({"node_selector": ((b.ZONE, b.B),)}, {"node-affinity"}),
        ({"node_selector": (("team", "web"),)}, {"node-affinity"}),
        ({"node_terms": (b.node_term(b.expression(labels.CPU, "Gt", "3")),)}, set()),
        ({"node_terms": (b.node_term(b.expression(labels.CPU, "Lt", "4")),)}, {"node-affinity"}),
        ({"node_terms": (b.node_term(b.expression(b.HOSTNAME, "In", "old")),)}, set()),
        ({"node_terms": (b.node_term(b.expression(b.HOSTNAME, "NotIn", "old")),)}, {"node-affinity"}),
        ({"node_terms": (b.node_term(fields=[b.expression("metadata.name", "In", "old")]),)}, set()),
        ({"node_terms": (b.node_term(fields=[b.expression("metadata.name", "NotIn", "old")]),)}, {"node-affinity"}),
    ],
)
def test_node_selector_and_affinity_on_a_node_that_exists(asked, broken):
    """Labels, hostname and name of the node are compared exactly."""
    assert on(b.node("old"), pods=b.spec(**asked)) == broken


@pytest.mark.parametrize(
    ("asked", "broken"),
    [
        ({"node_selector": ((b.TYPE, "b3-16"),)}, set()),
        ({"node_selector": ((labels.FAMILY, "c3"),)}, {"node-affinity", "flavor-options"}),
        ({"node_selector": (("beta.kubernetes.io/arch", "amd64"),)}, set()),
        ({"node_terms": (b.node_term(b.expression(labels.GPU_MODEL, "Exists")),)}, {"node-affinity", "flavor-options"}),
        ({"node_terms": (b.node_term(b.expression(labels.GPU_MODEL, "DoesNotExist")),)}, set()),
        ({"node_terms": (b.node_term(b.expression(b.HOSTNAME, "NotIn", "old")),)}, set()),
        (
            {"node_terms": (b.node_term(fields=[b.expression("metadata.name", "In", "old")]),)},
            {"node-affinity", "flavor-options"},
        ),
    ],
)
def test_node_selector_and_affinity_on_a_new_node(asked, broken):
    """What flavor and offering decide is known; nobody can ask for the name of a node that does not exist."""
    world = b.cluster(b.pod("web", b.spec(**asked)))

    assert verdict.broken(world, b.plan(world, b.buy(world, "n", ["web"]))) == broken


def test_nodes_in_deletion_take_no_pods():
    """A node or its claim with a deletion timestamp."""
    assert on(b.node("old", deleting=True)) == {"place"}
    assert on(b.owned("old", claim={"deleting": True})) == {"place"}


def test_pods_that_are_never_placed():
    """Resource claims, and pods that Karpenter ignores."""
    assert on(b.node("old"), pods=b.spec(resource_claims=("gpu",))) == {"unsupported"}
    assert on(b.node("old"), pods=b.spec(invalid="operator Like is unknown")) == {"unsupported"}


def test_claims_in_flight_are_places():
    """A claim without a node takes pods under its own name, judged by its labels and the catalogue."""
    flavor = b.SHELF.flavors["b3-16"]
    known = {**labels.flavor_labels(flavor), **labels.offering_labels(b.REGION, b.A)}
    picky = b.spec(node_selector=((b.ZONE, b.A),))
    world = b.cluster(b.claim("c1", labels=known), b.pod("web", picky))

    assert verdict.verdict(world, b.plan(world, placed={"web": "c1"})).ok
    elsewhere = b.cluster(b.claim("c1", labels=known | {b.ZONE: b.B}), b.pod("web", picky))
    assert verdict.broken(elsewhere, b.plan(elsewhere, placed={"web": "c1"})) == {"node-affinity"}
    leaving = b.cluster(b.claim("c1", labels=known, deleting=True), b.pod("web", picky))
    assert verdict.broken(leaving, b.plan(leaving, placed={"web": "c1"})) == {"place"}


def test_a_booting_node_is_forgiven_what_will_pass():
    """Until a managed node is initialized, its startup taints and those of a booting node do not count."""
    taints = (b.taint("node.kubernetes.io/not-ready"), b.taint("cni", "wait"), b.taint("readiness.k8s.io/net"))
    young = {"startup_taints": (b.taint("cni", "wait"),), "conditions": {"Initialized": b.condition("Unknown")}}

    assert on(b.owned("old", taints=taints, claim=young)) == set()
    assert on(b.owned("old", taints=taints, claim=young | {"conditions": {}})) == {"tolerations"}
    assert on(b.node("old", taints=taints)) == {"tolerations"}
    assert on(b.owned("old", taints=(b.taint("dedicated"),), claim=young)) == {"tolerations"}


def test_before_registration_the_claim_knows_labels_and_taints():
    """A node that has just joined lacks the labels and taints that its claim will put there."""
    unknown = {"Registered": b.condition("Unknown"), "Initialized": b.condition("Unknown")}
    node, claim = b.owned("old", claim={"conditions": unknown, "taints": (b.taint("dedicated"),)})
    claim.labels = {**claim.labels, "team": "web"}
    world = b.cluster(node, claim, b.pod("web", b.spec(node_selector=(("team", "web"),))))

    assert verdict.broken(world, b.plan(world, placed={"web": "old"})) == {"tolerations"}
    tolerant = b.spec(node_selector=(("team", "web"),), tolerations=(b.toleration("dedicated"),))
    world.pods["default/web"].spec = tolerant
    assert verdict.verdict(world, b.plan(world, placed={"web": "old"})).ok
