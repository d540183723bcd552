"""Existing nodes and claims as places."""

from solver import cluster
from tests.solver.rules import world
from tests.solver.rules.world import GIB

REGISTERED = {"karpenter.sh/registered": "true"}
INITIALIZED = REGISTERED | {"karpenter.sh/initialized": "true"}
NOT_READY = cluster.Taint("node.kubernetes.io/not-ready", "", "NoSchedule")


def claim(name="c", **fields) -> cluster.NodeClaim:
    defaults = {
        "node_pool": "general",
        "labels": {world.TYPE: "b3-8", world.ZONE: world.ZONES[0]},
        "allocatable": {"cpu": 1840, "memory": 5 * GIB, "pods": 110},
        "capacity": {"cpu": 2000, "memory": 7 * GIB, "pods": 110},
    }
    return cluster.NodeClaim(name, **(defaults | fields))


def test_initialized_nodes_come_first():
    """Order is initialized before the rest, then by name."""
    nodes = [world.node("b"), world.node("a"), world.node("early", labels=REGISTERED)]

    built = world.compiled(world.pod("web"), nodes, claim(node="early"))

    assert [node.name for node in built.problem.nodes] == ["a", "b", "early"]


def test_claims_without_a_node_are_places():
    """A launched claim has its own amounts, labels and taints, whatever startup taints it has, and its price."""
    launched = claim(
        taints=(cluster.Taint("dedicated", "", "NoSchedule"), NOT_READY),
        startup_taints=(cluster.Taint("boot", "", "NoSchedule"),),
    )
    tolerant = world.spec(
        tolerations=(cluster.Toleration("dedicated", "Exists", "", ""),), node_selector=((world.TYPE, "b3-8"),)
    )

    built = world.compiled(world.pod("plain"), world.pod("tolerant", tolerant), launched)

    assert world.nodes_of(built, "tolerant") == {"c"}
    assert world.nodes_of(built, "plain") == set()
    (place,) = built.problem.nodes
    assert (place.node_claim, place.node_pool, place.flavor, place.zone, place.price) == (
        "c",
        "general",
        "b3-8",
        world.ZONES[0],
        50_000,
    )
    assert built.problem.node_room.tolist() == [[1840, 5 * GIB, 110]]


def test_claims_that_report_nothing_are_their_flavor():
    """Amounts that a claim does not have are the catalogue's; without a flavor nothing is known and no pod comes."""
    known = claim(
        "known", allocatable={}, capacity={}, labels={}, requirements=(world.within(world.TYPE, "In", "b3-16"),)
    )
    unknown = claim("unknown", allocatable={}, capacity={}, labels={})

    built = world.compiled(world.pod("web"), known, unknown)

    assert world.nodes_of(built, "web") == {"known"}
    assert world.why_node(built, "web", "unknown") == ("gates", "nothing is known of what the node will have")
    assert built.problem.node_room[world.node_index(built, "known")][0] == 3830


def test_taints_of_booting_nodes_are_forgiven():
    """Until a managed node is initialized, taints that pass and startup taints are not there; then all count."""
    taints = (
        NOT_READY,
        cluster.Taint("readiness.k8s.io/net", "", "NoSchedule"),
        cluster.Taint("boot", "x", "NoSchedule"),
    )
    boot = (cluster.Taint("boot", "x", "NoSchedule"),)
    nodes = [
        world.node("booting", labels=REGISTERED, taints=taints),
        world.node("done", labels=INITIALIZED, taints=taints),
        world.node("foreign", taints=(NOT_READY,)),
    ]
    claims = [claim("c1", node="booting", startup_taints=boot), claim("c2", node="done", startup_taints=boot)]

    built = world.compiled(world.pod("web"), nodes, claims)

    assert world.nodes_of(built, "web") == {"booting"}


def test_unregistered_nodes_are_judged_by_their_claim():
    """Before registration labels and taints are the claim's."""
    node = world.node("raw", taints=(cluster.Taint("karpenter.sh/unregistered", "", "NoExecute"),))
    spec = world.spec(node_selector=(("team", "a"),))

    built = world.compiled(world.pod("web", spec), node, claim(node="raw", labels={"team": "a"}))

    assert world.nodes_of(built, "web") == {"raw"}


def test_amounts_that_the_kubelet_has_not_reported():
    """Before initialization zero and missing amounts are the claim's, afterwards they are taken as they are."""
    gpu = {"nvidia.com/gpu": 1}
    nodes = [
        world.node(name, labels=labels, amounts={"nvidia.com/gpu": 0})
        for name, labels in (("booting", REGISTERED), ("done", INITIALIZED))
    ]
    claims = [claim("c1", node="booting", allocatable=gpu), claim("c2", node="done", allocatable=gpu)]

    built = world.compiled(world.pod("web", world.spec(requests=gpu)), nodes, claims)

    assert world.nodes_of(built, "web") == {"booting"}


def test_claims_find_their_node_by_machine():
    """A claim whose node has the same provider id is that node."""
    node = world.node("n", provider_id="openstack:///1", labels=INITIALIZED)

    built = world.compiled(world.pod("web"), node, claim(provider_id="openstack:///1"))

    assert [(place.name, place.node_claim) for place in built.problem.nodes] == [("n", "c")]


def test_only_owned_nodes_have_a_price():
    """Nodes that no NodePool owns cost nothing that this plan could change."""
    nodes = [world.node("mine", labels={"karpenter.sh/nodepool": "general"}), world.node("foreign")]

    built = world.compiled(world.pod("web"), nodes)

    assert {node.name: node.price for node in built.problem.nodes} == {"mine": 100_000, "foreign": 0}


def test_pods_promised_to_a_node_take_their_room():
    """A nominated pod is on its node for every rule and is not placed again."""
    built = world.compiled(world.pod("web"), world.pod("promised", nominated_node="n"), world.node("n"))

    assert [each.pods for each in built.problem.classes] == [("default/web",)]
    assert built.problem.node_room.tolist() == [[3900, 16 * GIB - GIB // 4, 109]]


def test_repacking_moves_everything_that_may_move():
    """In mode repack owned nodes vanish and their pods wait; foreign nodes and claims on their way stay."""
    nodes = [world.node("mine", labels={"karpenter.sh/nodepool": "general"}), world.node("foreign")]
    pods = [
        world.pod("a", node="mine"),
        world.pod("b", node="foreign"),
        world.pod("d", node="mine", owner=cluster.Owner("DaemonSet", "d")),
    ]

    built = world.compiled(pods, nodes, claim(), mode="repack")

    assert [node.name for node in built.problem.nodes] == ["foreign", "c"]
    assert built.launched == 50_000
    assert [each.pods for each in built.problem.classes] == [("default/a",)]
