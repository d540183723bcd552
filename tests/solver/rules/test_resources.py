"""Resources: what pods request, what places have left, and what DaemonSets take."""

import numpy as np

from solver import cluster
from tests.solver.rules import world
from tests.solver.rules.world import GIB


def test_requests_and_rooms_are_integers_by_resource():
    """CPU, memory and pods come first; every pod takes one of pods."""
    built = world.compiled(world.pods("web", 2, of=world.spec(250, GIB, requests={"nvidia.com/gpu": 1})))
    problem = built.problem

    assert problem.resources == ("cpu", "memory", "pods", "nvidia.com/gpu")
    assert problem.requests.tolist() == [[250, GIB, 1, 1]]
    assert len(problem.classes[0].pods) == 2


def test_offers_have_the_room_that_the_catalogue_says():
    """Room of an offer is allocatable, and only GPU flavors have GPUs."""
    built = world.compiled(world.pod("web", world.spec(requests={"nvidia.com/gpu": 1})))
    gpu = built.problem.resources.index("nvidia.com/gpu")

    rooms = {
        offer.flavor: room[gpu] for offer, room in zip(built.problem.offers, built.problem.offer_room, strict=True)
    }

    assert rooms == {"b3-8": 0, "b3-16": 0, "l4-32": 1}
    assert world.flavors_of(built, "web") == {"l4-32"}


def test_a_pod_that_fits_no_flavor_is_told_so():
    """Larger than every flavor: refused everywhere, in upstream's words, with a hint at a slip of the pen."""
    built = world.compiled(world.pod("huge", world.spec(64_000)), world.pod("typo", world.spec(1_000_000_000)))

    assert world.offers_of(built, "huge") == set()
    assert world.why_offer(built, "huge") == ("resources", "no instance type has enough resources")
    assert world.why_offer(built, "typo") == (
        "resources",
        "no instance type has enough resources (CPU request >= 1 Million, m vs M typo?)",
    )


def test_unknown_resources_are_nowhere():
    """A resource that no flavor has keeps a pod off every offer; asking for none of it does not."""
    built = world.compiled(
        world.pod("fpga", world.spec(requests={"example.com/fpga": 1})),
        world.pod("none", world.spec(requests={"example.com/fpga": 0})),
    )

    assert world.offers_of(built, "fpga") == set()
    assert world.flavors_of(built, "none") == {"b3-8", "b3-16", "l4-32"}


def test_running_pods_take_their_room():
    """A node has left what bound and nominated pods do not take; finished pods take nothing."""
    built = world.compiled(
        world.pod("web"),
        world.node("old", cpu=4000),
        world.pod("running", world.spec(1000), node="old"),
        world.pod("going", world.spec(500), node="old", deleting=True),
        world.pod("promised", world.spec(300), nominated_node="old"),
        world.pod("done", world.spec(2000), node="old", terminal=True),
    )

    assert built.problem.node_room[0].tolist() == [2200, 16 * GIB - 3 * GIB // 4, 107]


def test_an_overdrawn_resource_only_stops_those_who_ask_for_it():
    """Room below zero counts as none: a pod without a memory request still fits, as kube-scheduler has it."""
    built = world.compiled(
        world.pod("light", world.spec(100, 0)),
        world.pod("heavy", world.spec(100, 1)),
        world.node("old"),
        world.pod("fat", world.spec(100, 20 * GIB), node="old"),
    )

    assert world.nodes_of(built, "light") == {"old"}
    assert world.nodes_of(built, "heavy") == set()
    assert world.why_node(built, "heavy", "old") == ("resources", "exceeds node resources")
    assert (built.problem.node_room >= 0).all()


def test_daemons_take_room_of_offers_that_they_fit():
    """A DaemonSet that selects the GPU flavor costs room only there."""
    agent = cluster.DaemonSet("kube-system", "agent", world.spec(200, GIB))
    driver = cluster.DaemonSet(
        "kube-system", "driver", world.spec(100, 0, node_selector=(("node.k8s.ovh/type", "gpu"),))
    )

    built = world.compiled(world.pod("web"), agent, driver)

    taken = {offer.flavor: dict(offer.daemon_requests) for offer in built.problem.offers}
    assert taken["b3-8"] == {"cpu": 200, "memory": GIB, "pods": 1}
    assert taken["l4-32"] == {"cpu": 300, "memory": GIB, "pods": 2}
    small = [offer.flavor for offer in built.problem.offers].index("b3-8")
    assert built.problem.offer_room[small].tolist() == [1840 - 200, 6200229888 - GIB, 109]


def test_daemons_that_a_taint_keeps_away_cost_nothing():
    """DaemonSets must tolerate the template's taints; startup taints are not asked."""
    agent = cluster.DaemonSet("kube-system", "agent", world.spec(200))
    closed = world.pool("closed", taints=[{"key": "gpu", "effect": "NoSchedule"}])
    starting = world.pool("starting", startupTaints=[{"key": "gpu", "effect": "NoSchedule"}])

    built = world.compiled(world.pod("web"), agent, closed, starting)

    taken = {offer.node_pool: offer.daemon_requests.get("cpu", 0) for offer in built.problem.offers}
    assert taken == {"closed": 0, "starting": 200}


def test_daemons_may_select_on_labels_of_joined_nodes():
    """A DaemonSet for registered nodes of NodePools counts on new nodes."""
    agent = cluster.DaemonSet(
        "kube-system", "agent", world.spec(200, node_selector=(("karpenter.sh/registered", "true"),))
    )

    built = world.compiled(world.pod("web"), agent)

    assert {offer.daemon_requests.get("cpu", 0) for offer in built.problem.offers} == {200}
    assert all("karpenter.sh/registered" not in offer.labels for offer in built.problem.offers)


def test_offers_that_their_daemons_overfill_take_no_pods():
    """Where DaemonSets alone do not fit, no pod goes, not even one that asks for nothing of what is short."""
    agent = cluster.DaemonSet("kube-system", "agent", world.spec(2000))

    built = world.compiled(world.pod("tiny", world.spec(0, 0)), agent)

    assert world.flavors_of(built, "tiny") == {"b3-16", "l4-32"}
    assert world.why_offer(built, "tiny", flavor="b3-8") == ("resources", "no instance type has enough resources")


def test_daemons_still_to_come_keep_their_room_on_nodes():
    """What matching DaemonSets take together, less what daemon pods there take already, never below zero."""
    agent = cluster.DaemonSet("kube-system", "agent", world.spec(200, GIB))
    proxy = cluster.DaemonSet("kube-system", "proxy", world.spec(300, GIB))
    bound = world.pod("agent-1", world.spec(400, GIB), node="half", owner=cluster.Owner("DaemonSet", "agent"))

    built = world.compiled(world.pod("web"), agent, proxy, world.node("half"), world.node("new"), bound)

    rooms = dict(zip([node.name for node in built.problem.nodes], built.problem.node_room.tolist(), strict=True))
    assert rooms["new"] == [4000 - 500, 14 * GIB, 108]
    assert rooms["half"] == [4000 - 400 - 100, 14 * GIB, 108]


def test_masks_say_which_single_pods_fit():
    """A class is allowed exactly where each of its requests fits the room: the property that masks promise."""
    sizes = [100, 1839, 1840, 1841, 3829, 3830, 3831, 9000]
    built = world.compiled([world.pod(f"p{size}", world.spec(size)) for size in sizes], world.node("old", cpu=1840))
    problem = built.problem

    fits = (problem.requests[:, None, :] <= problem.offer_room[None, :, :]).all(axis=2)
    here = (problem.requests[:, None, :] <= problem.node_room[None, :, :]).all(axis=2)

    assert np.array_equal(problem.offer_ok, fits)
    assert np.array_equal(problem.node_ok, here)
