"""Volumes: where they are, how many a node takes, and claims that pods share."""

from typing import Any

import pytest

from solver import cluster
from solver.rules import storage
from tests.solver.rules import world
from tests.solver.rules.world import ZONE, ZONES

CINDER = "cinder.csi.openstack.org"
CINDER_ZONE = "topology.cinder.csi.openstack.org/zone"
IMMEDIATE = cluster.StorageClass("immediate", CINDER)
LATE = cluster.StorageClass("late", CINDER, wait_for_consumer=True)


def bound(name="data", zone=ZONES[0], **fields) -> list[Any]:
    """A bound claim with its volume in a zone."""
    claim = cluster.VolumeClaim("default", name, "late", f"pv-{name}", "Bound", bind_completed=True, **fields)
    return [claim, cluster.Volume(f"pv-{name}", (world.term(world.within(CINDER_ZONE, "In", zone)),), CINDER)]


def unbound(name="data", storage_class="late", **fields) -> cluster.VolumeClaim:
    return cluster.VolumeClaim("default", name, storage_class, **fields)


def using(*claims, **fields) -> cluster.PodSpec:
    return world.spec(claims=claims, **fields)


def test_bound_volumes_hold_pods_in_their_zone():
    """A pod goes where its volume is, on new and on existing nodes."""
    nodes = [world.node(f"n{zone[-1]}", zone, labels={CINDER_ZONE: zone}) for zone in ZONES]
    built = world.compiled(world.pod("db", using("data")), bound(), LATE, nodes)

    assert world.zones_of(built, "db") == "a"
    assert world.nodes_of(built, "db") == {"na"}
    assert world.why_offer(built, "db", zone=ZONES[1]) == (
        "volumes",
        "incompatible requirements, volume node affinity conflict",
    )


def test_several_volumes_hold_together():
    """Terms of one volume are alternatives, those of several volumes all hold: two zones leave nothing."""
    both = cluster.Volume(
        "pv-wide", (world.term(world.within(ZONE, "In", ZONES[0])), world.term(world.within(ZONE, "In", ZONES[1])))
    )
    wide = cluster.VolumeClaim("default", "wide", "late", "pv-wide", "Bound", bind_completed=True)
    built = world.compiled(
        world.pod("one", using("wide")),
        world.pod("two", using("wide", "a")),
        world.pod("none", using("a", "b")),
        [wide, both, *bound("a"), *bound("b", ZONES[1])],
    )

    assert world.zones_of(built, "one") == "ab"
    assert world.zones_of(built, "two") == "a"
    assert world.zones_of(built, "none") == ""


def test_volumes_of_one_host_stay_there():
    """A volume that names a host keeps its pod on that node, and no new node will do."""
    local = cluster.Volume("pv-data", (world.term(world.within(world.HOSTNAME, "In", "old")),), local=True)
    claim = cluster.VolumeClaim("default", "data", "", "pv-data", "Bound", bind_completed=True)

    built = world.compiled(world.pod("db", using("data")), claim, local, world.node("old"), world.node("other"))

    assert world.nodes_of(built, "db") == {"old"}
    assert world.offers_of(built, "db") == set()


def test_volumes_to_be_made_follow_allowed_topologies():
    """A class that waits for its consumer leaves the zones that it allows, all when it says nothing."""
    some = cluster.StorageClass("some", CINDER, True, (world.term(world.within(ZONE, "In", *ZONES[:2])),))
    built = world.compiled(
        world.pod("any", using("one")),
        world.pod("some", using("two")),
        LATE,
        some,
        unbound("one"),
        unbound("two", "some"),
    )

    assert world.zones_of(built, "any") == "abc"
    assert world.zones_of(built, "some") == "ab"


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([], 'getting persistent volume claim, persistentvolumeclaims "data" not found'),
        ([unbound(deleting=True)], "persistentvolumeclaim is being deleted"),
        ([unbound(phase="Lost")], "persistentvolumeclaim bound to non-existent persistentvolume"),
        (
            [unbound(volume="pv-data")],
            "pvc is considered unbound because it does not contain annotation",
        ),
        ([unbound(storage_class=None)], "unbound pvc must define a storage class"),
        ([unbound(storage_class="")], "unbound pvc must define a storage class"),
        ([unbound()], 'getting storage class, storageclasses.storage.k8s.io "late" not found'),
        (
            [unbound(storage_class="immediate"), IMMEDIATE],
            "failed to validate pvc, pvc with immediate volume binding mode must be bound",
        ),
        (
            [unbound(), cluster.StorageClass("late", storage.NO_PROVISIONER, True)],
            'failed to validate pvc, provisioner "kubernetes.io/no-provisioner" makes no volumes',
        ),
        ([bound()[0], cluster.Volume("pv-data", deleting=True)], "persistentvolume is being deleted"),
        ([bound()[0]], "persistentvolumeclaim bound to non-existent persistentvolume"),
    ],
)
def test_claims_that_cannot_be_planned_with(objects, words):
    """Each broken claim has upstream's words; its pod goes nowhere and is listed."""
    built = world.compiled(world.pod("db", using("data")), objects)

    assert built.ignored == {"default/db": words}
    assert world.why_offer(built, "db") == ("volumes", words)
    assert world.offers_of(built, "db") == set()


def test_bound_claims_need_no_class():
    """Missing and empty classes are fine once a claim is bound."""
    claim, volume = bound()
    built = world.compiled(
        world.pod("db", using("data")),
        cluster.VolumeClaim("default", "data", None, claim.volume, "Bound", bind_completed=True),
        volume,
    )

    assert built.ignored == {}
    assert world.zones_of(built, "db") == "a"


def test_the_default_class_stands_in():
    """A claim that leaves its class unset takes the default class where there is one."""
    default = cluster.StorageClass("standard", CINDER, True, default=True)

    built = world.compiled(world.pod("db", using("data")), unbound(storage_class=None), default)

    assert built.ignored == {}


def test_generic_ephemeral_volumes():
    """Their claim is named after pod and volume; before it exists, its class decides."""
    spec = world.spec(ephemeral_claims=(cluster.EphemeralClaim("scratch", "late"),))
    missing = world.spec(ephemeral_claims=(cluster.EphemeralClaim("scratch", "none"),))
    built = world.compiled(
        world.pod("new", spec), world.pod("old", spec), world.pod("bad", missing), LATE, bound("old-scratch")
    )

    assert world.zones_of(built, "new") == "abc"
    assert world.zones_of(built, "old") == "a"
    assert set(built.ignored) == {"default/bad"}


def test_attached_volumes_are_a_resource():
    """Each claim of a driver takes one place; a new node has 100 for Cinder, an existing one what CSINode says."""
    node, silent = world.node("old"), world.node("silent")
    objects = world.world(
        world.pod("db", using("one", "two")),
        LATE,
        [unbound("one"), unbound("two"), unbound("three")],
        node,
        silent,
        world.pod("running", using("three"), node="old"),
        csi_limits={"old": {CINDER: 3}},
    )
    built = world.compiled(objects)
    problem = built.problem
    column = problem.resources.index(f"attachable-volumes-{CINDER}")

    assert problem.requests[:, column].tolist() == [2]
    assert dict(zip([n.name for n in problem.nodes], problem.node_room[:, column].tolist(), strict=True)) == {
        "old": 2,
        "silent": 100,
    }
    assert set(problem.offer_room[:, column].tolist()) == {100}


def test_full_nodes_take_no_more_volumes():
    """A node at its limit is refused, in upstream's words."""
    objects = world.world(
        world.pod("db", using("one")),
        LATE,
        [unbound("one"), unbound("two")],
        world.node("old"),
        world.pod("running", using("two"), node="old"),
        csi_limits={"old": {CINDER: 1}},
    )
    built = world.compiled(objects)

    assert world.nodes_of(built, "db") == set()
    rule, words = world.why_node(built, "db", "old")
    assert rule == "volumes"
    assert words.startswith("checking volume usage, would exceed volume limit (")


def test_volumes_without_a_driver_are_not_counted():
    """A volume that no CSI driver attaches takes no place."""
    claim = cluster.VolumeClaim("default", "data", "", "nfs", "Bound", bind_completed=True)

    built = world.compiled(world.pod("db", using("data")), claim, cluster.Volume("nfs"))

    assert built.problem.resources == ("cpu", "memory", "pods")


def test_stateful_pods_are_one_class():
    """Pods that differ only in the names of claims that ask the same are one class; another zone is another class."""
    pods = [world.pod(f"db-{index}", using(f"data-{index}")) for index in range(4)]
    claims = [*bound("data-0"), *bound("data-1"), *bound("data-2", ZONES[1]), *bound("data-3", ZONES[1])]

    built = world.compiled(pods, claims)

    assert [each.pods for each in built.problem.classes] == [
        ("default/db-0", "default/db-1"),
        ("default/db-2", "default/db-3"),
    ]


def test_shared_claims_are_attached_once_per_node():
    """A claim that several pods use is an amount of its own, paid already where a running pod has it."""
    built = world.compiled(
        world.pods("web", 3, of=using("data")),
        bound(),
        world.node("old"),
        world.node("new"),
        world.pod("first", using("data"), node="old"),
    )
    (block,) = built.problem.shared_amounts

    assert world.owners(built, block.members) == {"web-0"}
    assert built.problem.resources[block.resource] == f"attachable-volumes-{CINDER}"
    assert built.problem.requests[:, block.resource].tolist() == [0]
    attached = dict(zip([node.name for node in built.problem.nodes], block.attached.tolist(), strict=True))
    assert attached == {"old": True, "new": False}


def test_a_shared_claim_to_be_made_holds_its_pods_in_one_zone():
    """Its volume will be made where the first pod goes."""
    built = world.compiled(world.pods("web", 3, of=using("data")), unbound(), LATE)
    (block,) = built.problem.common_domains

    assert world.owners(built, block.members) == {"web-0"}
    assert built.problem.topologies[block.topology].key == ZONE


def test_read_write_once_pod():
    """Such a claim is for one pod: others wait while one runs, and of several planned pods one is placed at most."""
    claim = bound(access_modes=(storage.ONCE_PER_POD,))
    running = world.compiled(
        world.pod("new", using("data")), world.pod("old", using("data"), node="n"), world.node("n"), claim
    )
    planned = world.compiled(world.pods("new", 2, of=using("data")), claim)

    assert world.offers_of(running, "new") == set()
    assert world.why_offer(running, "new") == (
        "volumes",
        "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",
    )
    (block,) = planned.problem.exclusions
    topology = planned.problem.topologies[block.topology]
    assert set(topology.of_offer.tolist()) == {0}
    assert world.owners(planned, block.owners) == {"new-0"}


def test_one_pod_may_have_a_claim_of_its_own():
    """A ReadWriteOncePod claim that nobody else uses is no rule."""
    built = world.compiled(world.pod("db", using("data")), bound(access_modes=(storage.ONCE_PER_POD,)))

    assert built.problem.exclusions == ()
    assert world.zones_of(built, "db") == "a"
