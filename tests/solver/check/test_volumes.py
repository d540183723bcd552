"""Volumes in reach, within the node's limit, and shared only where they may be."""

from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict

CINDER = "cinder.csi.openstack.org"
WAITING = cluster.StorageClass("fast", CINDER, wait_for_consumer=True, default=True)


def claim(name: str = "data", **fields: Any) -> cluster.VolumeClaim:
    return cluster.VolumeClaim("default", name, **fields)


def bound(name: str = "data", **fields: Any) -> cluster.VolumeClaim:
    return claim(name, volume=f"pv-{name}", phase="Bound", bind_completed=True, **fields)


def volume(name: str = "data", zone: str = b.A, **fields: Any) -> cluster.Volume:
    return cluster.Volume(f"pv-{name}", (b.node_term(b.expression(b.ZONE, "In", zone)),), CINDER, **fields)


def with_claims(*names: str) -> cluster.PodSpec:
    return b.spec(100, claims=names or ("data",))


def on_new_node(*objects: Any, zone: str = b.A) -> set[str]:
    world = b.cluster(b.pod("web", with_claims()), *objects)
    return verdict.broken(world, b.plan(world, b.buy(world, "n", ["web"], zone=zone)))


def test_a_bound_volume_pins_its_zone():
    """The volume's node affinity holds for the node, new or old; its terms are alternatives."""
    assert on_new_node(bound(), volume()) == set()
    assert on_new_node(bound(), volume(zone=b.B)) == {"volumes"}
    both = cluster.Volume("pv-data", (*(volume(zone=b.B).terms or ()), *(volume().terms or ())), CINDER)
    assert on_new_node(bound(), both) == set()


def test_a_local_volume_stays_with_its_node():
    """A volume on one host can be had there and nowhere else."""
    here = cluster.Volume("pv-data", (b.node_term(b.expression(b.HOSTNAME, "In", "old")),), local=True)
    world = b.cluster(b.node("old"), b.node("other"), b.pod("web", with_claims()), bound(), here)

    assert verdict.verdict(world, b.plan(world, placed={"web": "old"})).ok
    assert verdict.broken(world, b.plan(world, placed={"web": "other"})) == {"volumes"}
    assert verdict.broken(world, b.plan(world, b.buy(world, "n", ["web"]))) == {"volumes"}


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [bound(deleting=True), volume()],
        [claim(phase="Lost")],
        [claim(volume="pv-data"), volume()],
        [bound()],
        [bound(), volume(deleting=True)],
        [claim(storage_class="")],
        [claim()],
        [claim(storage_class="slow")],
        [claim(storage_class="now"), cluster.StorageClass("now", CINDER)],
        [
            claim(storage_class="local"),
            cluster.StorageClass("local", "kubernetes.io/no-provisioner", wait_for_consumer=True),
        ],
    ],
    ids=[
        "missing", "deleting", "lost", "not bound yet", "no volume", "volume deleting", "no class", "no default class",
        "class missing", "immediate", "made by hand",
    ],
)  # fmt: skip
def test_claims_that_cannot_be_planned_with(objects):
    """Pods with such claims are never placed."""
    assert on_new_node(*objects) == {"volumes"}


def test_a_volume_yet_to_be_made_may_be_anywhere_that_its_class_allows():
    """The class's allowedTopologies are alternatives; a claim without a class has the default class."""
    only_b = cluster.StorageClass(
        "fast", CINDER, wait_for_consumer=True, topologies=(b.node_term(b.expression(b.ZONE, "In", b.B)),), default=True
    )
    assert on_new_node(claim(), WAITING) == set()
    assert on_new_node(claim(), only_b) == {"volumes"}
    assert on_new_node(claim(), only_b, zone=b.B) == set()


def test_ephemeral_volumes_are_made_with_the_pod():
    """A generic ephemeral volume needs no claim; once its claim exists that counts."""
    scratch = b.spec(100, ephemeral_claims=(cluster.EphemeralClaim("tmp", "fast"),))
    world = b.cluster(b.pod("web", scratch), WAITING)
    assert verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web"]))).ok

    made = b.cluster(b.pod("web", scratch), WAITING, bound("web-tmp"), volume("web-tmp", b.B))
    assert verdict.broken(made, b.plan(made, b.buy(made, "n", ["web"]))) == {"volumes"}


def test_pods_that_share_a_volume_yet_to_be_made_are_in_one_zone():
    """The first pod decides where the volume is made."""
    world = b.cluster(b.pods("web", 2, with_claims()), claim(), WAITING)

    same = b.plan(world, b.buy(world, "n", ["web-0"], zone=b.B), b.buy(world, "m", ["web-1"], zone=b.B))
    apart = b.plan(world, b.buy(world, "n", ["web-0"]), b.buy(world, "m", ["web-1"], zone=b.B))
    assert verdict.verdict(world, same).ok
    assert verdict.broken(world, apart) == {"volumes"}


def test_read_write_once_pod():
    """Such a claim serves one pod in the cluster, running or planned."""
    single = bound(access_modes=("ReadWriteOncePod",))
    two = b.cluster(b.pods("web", 2, with_claims()), single, volume())
    held = b.cluster(
        b.node("old"), b.pod("db", with_claims(), node="old"), b.pod("web", with_claims()), single, volume()
    )

    assert verdict.broken(two, b.plan(two, b.buy(two, "n", ["web-0", "web-1"]))) == {"volumes"}
    assert verdict.verdict(two, b.plan(two, b.buy(two, "n", ["web-0"]), left_out=["web-1"])).ok
    assert verdict.broken(held, b.plan(held, b.buy(held, "n", ["web"]))) == {"volumes"}


def test_the_nodes_limit_counts_claims_not_pods():
    """CSINode says how many volumes a driver attaches; two pods with one claim attach it once."""
    claims = [each for name in ("a", "b", "c") for each in (bound(name), volume(name))]
    limits = {"old": {CINDER: 2}}
    objects = [b.node("old"), b.pod("db", with_claims("a"), node="old"), *claims]
    world = b.cluster(*objects, b.pod("w1", with_claims("b")), b.pod("w2", with_claims("a")), csi_limits=limits)
    more = b.cluster(*objects, b.pod("w1", with_claims("b")), b.pod("w2", with_claims("c")), csi_limits=limits)

    assert verdict.verdict(world, b.plan(world, placed={"w1": "old", "w2": "old"})).ok
    assert verdict.broken(more, b.plan(more, placed={"w1": "old", "w2": "old"})) == {"volumes"}


def test_a_new_node_takes_a_hundred_cinder_volumes():
    """Known limit of MKS."""
    names = [f"d{index}" for index in range(101)]
    claims = [each for name in names for each in (bound(name), volume(name))]
    world = b.cluster(b.pod("web", with_claims(*names[:100])), b.pod("api", with_claims(names[100])), *claims)

    assert verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web"]), left_out=["api"])).ok
    assert verdict.broken(world, b.plan(world, b.buy(world, "n", ["web", "api"]))) == {"volumes"}
