"""Required pod anti-affinity, in both directions."""

from typing import Any

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict

WEB, API = {"app": "web"}, {"app": "api"}


def away(key: str = b.HOSTNAME, **more: Any) -> cluster.PodSpec:
    """Keeps away from app=web."""
    return b.spec(100, b.MIB, anti_affinity=(b.near(key, b.selector(app="web"), **more),))


def two_zones(*objects: Any, placed: dict[str, str]) -> set[str]:
    """Rules broken with nodes "a" and "b" in two zones."""
    world = b.cluster(b.node("a", b.A), b.node("b", b.B), *objects)
    return verdict.broken(world, b.plan(world, placed=placed))


def test_pods_that_exclude_each_other():
    """Replicas with anti-affinity to themselves need a domain each."""
    pods = b.pods("web", 2, away(), labels=WEB)

    assert two_zones(pods, placed={"web-0": "a", "web-1": "b"}) == set()
    assert two_zones(pods, placed={"web-0": "a", "web-1": "a"}) == {"pod-anti-affinity"}


def test_new_nodes_are_hosts_of_their_own():
    """A planned node has a hostname of its own, although nobody knows it yet."""
    world = b.cluster(b.pods("web", 2, away(), labels=WEB))

    assert verdict.verdict(world, b.plan(world, b.buy(world, "n", ["web-0"]), b.buy(world, "m", ["web-1"]))).ok
    assert verdict.broken(world, b.plan(world, b.buy(world, "n", ["web-0", "web-1"]))) == {"pod-anti-affinity"}


def test_running_pods_keep_the_owner_away():
    """A pod that excludes others does not go where such a pod runs, on its way out or not."""
    for deleting in (False, True):
        web = b.pod("web", node="a", labels=WEB, deleting=deleting)
        assert two_zones(web, b.pod("api", away()), placed={"api": "a"}) == {"pod-anti-affinity"}
        assert two_zones(web, b.pod("api", away()), placed={"api": "b"}) == set()


def test_running_owners_keep_others_away():
    """Symmetry: a pod that is excluded by one that runs does not go there."""
    api = b.pod("api", away(), node="a", labels=API)

    assert two_zones(api, b.pod("web", labels=WEB), placed={"web": "a"}) == {"pod-anti-affinity"}
    assert two_zones(api, b.pod("web", labels=WEB), placed={"web": "b"}) == set()


def test_planned_owners_keep_others_away():
    """Symmetry among planned pods."""
    api, web = b.pod("api", away(b.ZONE), labels=API), b.pod("web", labels=WEB)

    assert two_zones(api, web, placed={"web": "a", "api": "b"}) == set()
    assert two_zones(api, web, placed={"web": "a", "api": "a"}) == {"pod-anti-affinity"}


def test_what_runs_already_is_not_the_plans_fault():
    """Two running pods that exclude each other are no violation."""
    assert two_zones(b.pods("web", 2, away(), node="a", labels=WEB), placed={}) == set()


def test_nodes_without_the_key_exclude_nobody():
    """Anti-affinity over a label that the nodes lack has no domains."""
    assert two_zones(b.pods("web", 2, away("rack"), labels=WEB), placed={"web-0": "a", "web-1": "a"}) == set()


def test_namespaces():
    """Pods of other namespaces are excluded only when the term says so."""
    web = b.pod("web", node="a", labels=WEB, namespace="other")

    assert two_zones(web, b.pod("api", away()), placed={"api": "a"}) == set()
    everywhere = away(namespace_selector=cluster.Selector())
    assert two_zones(web, b.pod("api", everywhere), placed={"api": "a"}) == {"pod-anti-affinity"}


def test_mismatch_label_keys():
    """One tenant per node: pods of other tenants are excluded, those of the own are welcome."""
    alone = b.spec(
        100, b.MIB, anti_affinity=(b.near(b.HOSTNAME, b.selector(app="web"), mismatch_label_keys=("tenant",)),)
    )
    one = b.pods("one", 2, alone, labels=WEB | {"tenant": "1"})
    two = b.pods("two", 1, alone, labels=WEB | {"tenant": "2"})

    assert two_zones(one, two, placed={"one-0": "a", "one-1": "a", "two-0": "b"}) == set()
    assert two_zones(one, two, placed={"one-0": "a", "one-1": "a", "two-0": "a"}) == {"pod-anti-affinity"}


def test_preferred_terms_are_not_judged():
    """A preferred anti-affinity excludes nobody."""
    soft = b.spec(
        100,
        b.MIB,
        preferred_anti_affinity=(cluster.PreferredPodTerm(100, b.near(b.HOSTNAME, b.selector(app="web"))),),
    )
    assert two_zones(b.pods("web", 2, soft, labels=WEB), placed={"web-0": "a", "web-1": "a"}) == set()
