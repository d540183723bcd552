"""Volumes: worked examples, claims that cannot be planned with, a property."""

from __future__ import annotations

import random
from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.spec import answer

CINDER = "cinder.csi.openstack.org"


def late(name: str = "late", *zones: str, **fields: Any) -> cluster.StorageClass:
    """A class whose volumes are made for the first pod, in these zones if any are named."""
    allowed = (b.node_term(b.expression(b.ZONE, "In", *zones)),) if zones else ()
    return cluster.StorageClass(name, fields.pop("provisioner", CINDER), fields.pop("waits", True), allowed, **fields)


def claim(name: str, storage_class: str | None = "late", **fields: Any) -> cluster.VolumeClaim:
    return cluster.VolumeClaim("default", name, storage_class, **fields)


def bound(name: str, *zones: str, driver: str = CINDER, **fields: Any) -> list[Any]:
    """A claim that is bound to a volume, which is to be had in these zones."""
    terms = (b.node_term(b.expression(b.ZONE, "In", *zones)),) if zones else None
    return [
        claim(name, None, volume=f"pv-{name}", phase="Bound", bind_completed=True, **fields),
        cluster.Volume(f"pv-{name}", terms, driver),
    ]


def user(name: str, *claims: str, cpu: int = 500, **fields: Any) -> cluster.Pod:
    return b.pod(name, b.spec(cpu, b.GIB // 4, claims=claims, **fields))


def test_a_pod_follows_its_volume():
    """The volume is in zone b, and so is the new node."""
    assert answer.zones(answer.solved(bound("data", b.B), user("web", "data"))) == "b"


def test_two_volumes_agree_on_a_zone():
    """One is reachable from a and b, the other from b and c."""
    plan = answer.solved(bound("one", b.A, b.B), bound("two", b.B, b.C), user("web", "one", "two"))

    assert answer.zones(plan) == "b"


def test_two_volumes_that_contradict():
    """One in a, one in c: no node reaches both."""
    plan = answer.solved(bound("one", b.A), bound("two", b.C), user("web", "one", "two"))

    assert answer.constraints(plan, "web") == {"general": "volumes"}
    assert "volume node affinity conflict" in answer.why(plan, "web")


def test_a_volume_whose_class_waits_comes_where_the_pod_goes():
    """Any zone that the class allows; a node that exists in another zone is of no use."""
    plan = answer.solved(late("late", b.C), claim("data"), b.node("old", b.A), user("web", "data"))

    assert answer.zones(plan) == "c"


def test_a_volume_that_is_being_made_keeps_its_pod_on_the_node_chosen_for_it():
    """kube-scheduler has chosen node old; although other nodes of its zone are free, no other will do until then."""
    being_made = claim("data", selected_node="old")
    plan = answer.solved(late(), being_made, b.node("old", b.C), b.node("other", b.C), user("web", "data"))
    full = answer.solved(late(), being_made, b.node("old", b.C, unschedulable=True), user("web", "data"))

    assert answer.place(plan, "web") == "old"
    assert answer.constraints(full, "web") == {"general": "volumes"}
    assert "volume node affinity conflict" in answer.why(full, "web")


def test_a_volume_whose_node_is_gone_is_made_anywhere():
    """The provisioner takes back a choice whose node does not exist any more."""
    plan = answer.solved(late("late", b.C), claim("data", selected_node="gone"), user("web", "data"))

    assert answer.zones(plan) == "c"


def test_a_generic_ephemeral_volume_needs_no_claim_yet():
    """Its class decides where it may be."""
    spec = b.spec(500, ephemeral_claims=(cluster.EphemeralClaim("scratch", "late"),))

    assert answer.zones(answer.solved(late("late", b.C), b.pod("web", spec))) == "c"


def test_the_default_class():
    """A claim that names no class gets the default one, if there is one."""
    assert answer.zones(answer.solved(late("late", b.C, default=True), claim("data", None), user("web", "data"))) == "c"


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([], 'getting persistent volume claim, persistentvolumeclaims "data" not found'),
        ([claim("data", "gone")], 'getting storage class, storageclasses.storage.k8s.io "gone" not found'),
        ([claim("data", "")], "unbound pvc must define a storage class"),
        ([claim("data", None)], "unbound pvc must define a storage class"),
        (
            [late("now", waits=False), claim("data", "now")],
            "failed to validate pvc, pvc with immediate volume binding mode must be bound",
        ),
        ([late(), claim("data", deleting=True)], "persistentvolumeclaim is being deleted"),
        ([late(), claim("data", phase="Lost")], "persistentvolumeclaim bound to non-existent persistentvolume"),
        (
            [late(), claim("data", volume="pv")],
            "pvc is considered unbound because it does not contain annotation",
        ),
        (
            [bound("data")[0], cluster.Volume("pv-data", None, CINDER, deleting=True)],
            "persistentvolume is being deleted",
        ),
    ],
)
def test_claims_that_cannot_be_planned_with(objects: list[Any], words: str):
    """The pod is reported in upstream's words, the one beside it is placed."""
    plan = answer.solved(objects, user("web", "data"), b.pod("other"))

    assert answer.left_out(plan) == {"web"}
    assert answer.why(plan, "web") == words


def test_a_bound_claim_needs_no_class():
    """Its class may be gone."""
    known, volume = bound("data", b.A)
    known = b.changed(known, storage_class="gone")

    assert answer.left_out(answer.solved(known, volume, user("web", "data"))) == set()


def test_a_claim_for_one_pod_only():
    """ReadWriteOncePod: the second pod of it has no place anywhere, on no node at all."""
    plan = answer.solved(bound("data", access_modes=("ReadWriteOncePod",)), user("one", "data"), user("two", "data"))

    assert len(answer.left_out(plan)) == 1


def test_new_nodes_take_a_hundred_cinder_volumes():
    """101 small pods with a volume each would fit one b3-8, which takes 110 pods: they need two."""
    pods = [user(f"web-{n}", f"c{n}", cpu=1) for n in range(101)]
    for pod in pods:
        pod.spec = b.changed(pod.spec, requests=(("cpu", 1), ("memory", b.MIB)))

    plan = answer.solved(late(), [claim(f"c{n}") for n in range(101)], pods, only_flavors=("b3-8",))

    assert answer.flavors(plan) == {"b3-8": 2}


def test_nodes_take_what_their_csi_node_says():
    """The node takes two volumes and has one: of two pods one stays, the other gets a new node; without volume, both."""
    of = b.cluster(
        b.node("old"),
        late(),
        bound("used", b.A),
        b.pod("run", b.spec(100, claims=("used",)), node="old"),
        [claim("c0"), claim("c1")],
        user("web-0", "c0"),
        user("web-1", "c1"),
        csi_limits={"old": {CINDER: 2}},
    )

    plan = answer.solved(of)

    assert len(plan.create) == 1
    assert sorted(plan.placements.values()).count("old") == 1


def test_a_volume_without_driver_is_not_counted():
    """An NFS volume is attached by nobody."""
    of = b.cluster(b.node("old"), bound("nfs", driver=""), user("web", "nfs"), csi_limits={"old": {CINDER: 0}})

    assert answer.place(answer.solved(of), "web") == "old"


def test_pods_that_share_a_volume_take_one_attachment():
    """The node takes one volume: two pods of the same claim are on it."""
    of = b.cluster(
        b.node("old"), bound("data", b.A), user("one", "data"), user("two", "data"), csi_limits={"old": {CINDER: 1}}
    )

    plan = answer.solved(of)

    assert answer.place(plan, "one") == answer.place(plan, "two") == "old"


def test_pods_that_share_a_volume_to_be_made_are_in_one_zone():
    """Two pods that keep off each other's node share a claim of a class that waits: two nodes, one zone."""
    apart: dict[str, Any] = {"anti_affinity": (b.near(b.HOSTNAME, b.selector(app="web")),)}
    pods = [user(name, "data", **apart) for name in ("one", "two")]
    for pod in pods:
        pod.labels = {"app": "web"}

    assert answer.zones(answer.solved(late(), claim("data"), pods)) in ("aa", "bb", "cc")


@pytest.mark.parametrize("seed", range(10))
def test_every_pod_reaches_all_its_volumes(seed: int):
    """Random volumes over the zones: a pod is placed where all of its volumes are, and left out only without such a zone."""
    dice = random.Random(seed)
    zones = {f"v{n}": tuple(dice.sample([b.A, b.B, b.C], dice.randint(1, 2))) for n in range(5)}
    asked = {f"web-{n}": tuple(dice.sample(sorted(zones), dice.randint(1, 3))) for n in range(5)}
    pods = [user(name, *claims) for name, claims in asked.items()]
    of = b.cluster(*[bound(name, *where) for name, where in zones.items()], pods)

    plan = answer.solved(of)

    for name, claims in asked.items():
        common = set.intersection(*(set(zones[claim]) for claim in claims))
        assert answer.zone_of(plan, of, name) in ({zone[-1] for zone in common} or {""})
