"""Required pod affinity: company in the domain, and an order in which everybody finds some."""

from typing import Any

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict

DB, WEB = {"app": "db"}, {"app": "web"}


def near(*terms: cluster.PodTerm) -> cluster.PodSpec:
    return b.spec(100, b.MIB, affinity=terms)


def to_db(key: str = b.ZONE, **more: Any) -> cluster.PodSpec:
    return near(b.near(key, b.selector(app="db"), **more))


def two_zones(*objects: Any, placed: dict[str, str], **fields: Any) -> set[str]:
    """Rules broken with nodes "a" and "b" in two zones."""
    world = b.cluster(b.node("a", b.A), b.node("b", b.B), *objects, **fields)
    return verdict.broken(world, b.plan(world, placed=placed))


def test_company_that_runs():
    """A pod goes where a matching pod runs, also one that is on its way out, and nowhere else."""
    for deleting in (False, True):
        db, web = b.pod("db", node="a", labels=DB, deleting=deleting), b.pod("web", to_db())
        assert two_zones(db, web, placed={"web": "a"}) == set()
        assert two_zones(db, web, placed={"web": "b"}) == {"pod-affinity"}


def test_company_that_comes():
    """A pod that the plan places counts, whatever its place in the list."""
    assert two_zones(b.pod("web", to_db()), b.pod("db", labels=DB), placed={"web": "a", "db": "a"}) == set()
    assert two_zones(b.pod("web", to_db()), b.pod("db", labels=DB), placed={"web": "a", "db": "b"}) == {"pod-affinity"}


def test_the_first_of_its_kind():
    """A pod that matches its own term may open a domain; the others follow it there."""
    world = b.pods("db", 3, to_db(), labels=DB)

    assert two_zones(world, placed={"db-0": "a", "db-1": "a", "db-2": "a"}) == set()
    assert two_zones(world, placed={"db-0": "a", "db-1": "a", "db-2": "b"}) == {"pod-affinity"}


def test_only_the_first_may_open_a_domain():
    """Two pairs in two zones: each would have company in the end, but nobody could come second."""
    pods = b.pods("db", 4, to_db(), labels=DB)

    assert two_zones(pods, placed={"db-0": "a", "db-1": "a", "db-2": "b", "db-3": "b"}) == {"order"}


def test_nobody_opens_a_domain_while_company_is_elsewhere():
    """With a matching pod anywhere in the cluster the first-of-its-kind rule is off."""
    running = b.pod("old", node="b", labels=DB)

    assert two_zones(running, b.pod("db", to_db(), labels=DB), placed={"db": "a"}) == {"pod-affinity"}
    assert two_zones(running, b.pod("db", to_db(), labels=DB), placed={"db": "b"}) == set()


def test_two_that_wait_for_each_other():
    """A needs B and B needs A, and neither is its own company: no order."""
    a, c = b.pod("a", to_db(), labels=WEB), b.pod("c", near(b.near(b.ZONE, b.selector(app="web"))), labels=DB)

    assert two_zones(a, c, placed={"a": "a", "c": "a"}) == {"order"}


def test_chains():
    """A with B with C, all in one zone."""
    a = b.pod("a", to_db(), labels={"app": "a"})
    db = b.pod("db", near(b.near(b.ZONE, b.selector(app="web"))), labels=DB)
    web = b.pod("web", labels=WEB)

    assert two_zones(a, db, web, placed={"a": "a", "db": "a", "web": "a"}) == set()
    assert two_zones(a, db, web, placed={"a": "a", "db": "a", "web": "b"}) == {"pod-affinity", "order"}


def test_company_must_match_all_terms():
    """A pod that matches one of two terms is no company, even if another pod matches the other term."""
    both = near(b.near(b.ZONE, b.selector(app="db")), b.near(b.ZONE, b.selector(tier="gold")))
    db, gold = b.pod("db", node="a", labels=DB), b.pod("gold", node="a", labels={"tier": "gold"})
    fine = b.pod("fine", node="a", labels=DB | {"tier": "gold"})

    assert two_zones(db, gold, b.pod("web", both), placed={"web": "a"}) == {"pod-affinity"}
    assert two_zones(fine, b.pod("web", both), placed={"web": "a"}) == set()


def test_terms_over_different_keys_may_be_met_by_different_pods():
    """Each key asks for a pod that matches all terms in its own domain."""
    both = near(b.near(b.ZONE, b.selector(app="db")), b.near("rack", b.selector(app="db")))
    world = b.cluster(
        b.node("n1", b.A, labels={"rack": "1"}),
        b.node("n2", b.B, labels={"rack": "2"}),
        b.node("n3", b.A, labels={"rack": "2"}),
        b.pod("db-1", node="n1", labels=DB),
        b.pod("db-2", node="n2", labels=DB),
        b.pod("web", both),
    )
    assert verdict.verdict(world, b.plan(world, placed={"web": "n3"})).ok


def test_a_node_without_the_key():
    """All keys must be on the node, for the first of its kind too."""
    rack = near(b.near("rack", b.selector(app="db")))

    assert two_zones(b.pod("db", rack, labels=DB), placed={"db": "a"}) == {"pod-affinity"}


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ({}, False),
        ({"namespaces": ("other",)}, True),
        ({"namespaces": ("third",)}, False),
        ({"namespace_selector": cluster.Selector()}, True),
        ({"namespace_selector": b.selector(team="x")}, True),
        ({"namespace_selector": b.selector(team="y")}, False),
        ({"namespace_selector": b.selector(team="y"), "namespaces": ("other",)}, True),
    ],
)
def test_namespaces(term, found):
    """The own namespace, those named, those that a selector matches (all when it is empty)."""
    db = b.pod("db", node="a", labels=DB, namespace="other")
    broken = two_zones(db, b.pod("web", to_db(**term)), placed={"web": "a"}, namespaces={"other": {"team": "x"}})

    assert broken == (set() if found else {"pod-affinity"})


def test_a_namespace_nobody_described_is_known_by_its_name():
    """Every namespace carries the label kubernetes.io/metadata.name."""
    by_name = b.selector(**{"kubernetes.io/metadata.name": "other"})
    db = b.pod("db", node="a", labels=DB, namespace="other")

    assert two_zones(db, b.pod("web", to_db(namespace_selector=by_name)), placed={"web": "a"}) == set()


def test_match_label_keys():
    """MatchLabelKeys ask for the pod's own value, mismatchLabelKeys for another one; keys it lacks ask nothing."""
    same, other = to_db(match_label_keys=("rev", "none")), to_db(mismatch_label_keys=("rev", "none"))
    db = b.pod("db", node="a", labels=DB | {"rev": "1"})

    for of, rev, expected in ((same, "1", set()), (same, "2", {"pod-affinity"}), (other, "1", {"pod-affinity"})):
        assert two_zones(db, b.pod("web", of, labels={"rev": rev}), placed={"web": "a"}) == expected
    assert two_zones(db, b.pod("web", other, labels={"rev": "2"}), placed={"web": "a"}) == set()


def test_terms_that_match_nothing():
    """Without a selector, and with one that nobody matches."""
    assert two_zones(b.pod("web", near(b.near(b.ZONE, None))), placed={"web": "a"}) == {"pod-affinity"}
    assert two_zones(b.pod("web", to_db()), placed={"web": "a"}) == {"pod-affinity"}


def test_affinity_and_spread_together():
    """An order may need affinity's company first and the even spread of others later."""
    spread = b.spread(b.ZONE, b.selector(app="web"))
    follower = b.spec(100, b.MIB, affinity=(b.near(b.ZONE, b.selector(role="lead")),), spread=(spread,))
    lead = b.spec(100, b.MIB, spread=(spread,))
    objects = [
        b.node("a", b.A),
        b.node("b", b.B),
        b.pod("lead-a", lead, labels=WEB | {"role": "lead"}),
        b.pod("lead-b", lead, labels=WEB | {"role": "lead"}),
        b.pod("f-a", follower, labels=WEB),
        b.pod("f-b", follower, labels=WEB),
    ]
    world = b.cluster(b.pool(requirements=[b.requirement(b.ZONE, "In", b.A, b.B)]), *objects)
    answer = b.plan(world, placed={"lead-a": "a", "lead-b": "b", "f-a": "a", "f-b": "b"})

    assert verdict.verdict(world, answer).ok


def test_others_may_have_to_come_last():
    """Plain pods that count for a spread would block the one whom everybody follows, if they came first."""
    counted = b.spread(b.ZONE, b.selector(app="web"))
    lead = b.spec(100, b.MIB, spread=(counted,))
    follower = b.spec(100, b.MIB, affinity=(b.near("planet", b.selector(role="lead")),))
    earth = {"planet": "earth"}
    world = b.cluster(
        b.pool(requirements=[b.requirement(b.ZONE, "In", b.A, b.B)]),
        b.node("a", b.A, labels=earth),
        b.node("b", b.B, labels=earth),
        b.pod("lead", lead, labels=WEB | {"role": "lead"}),
        b.pod("plain", labels=WEB),
        b.pod("f", follower, labels=WEB),
    )
    assert verdict.verdict(world, b.plan(world, placed={"lead": "a", "plain": "a", "f": "b"})).ok
