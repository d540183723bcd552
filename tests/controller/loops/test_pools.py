"""What one OVH pool needs for its claims."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from controller.loops import pools
from controller.ovh import types


def node(name: str, status: str = "READY", minute: int = 0) -> types.Node:
    made = datetime.datetime(2026, 1, 1, 0, minute, tzinfo=datetime.UTC)
    return types.Node(id=name, status=status, instance_id=f"vm-{name}", created_at=made)


def claim(
    name: str,
    node: str = "",
    *,
    created: float = 0,
    deleting: bool = False,
    removable: bool = False,
    alive: bool = False,
    registered: bool = False,
) -> pools.Claim:
    return pools.Claim(name, created, node, deleting, removable, alive, registered)


def test_a_new_claim_raises_the_pool_by_one():
    """One claim waits, one has its node: the pool is asked to have two."""
    found = pools.decide(1, 100, [node("a")], [claim("one", "a"), claim("two")])

    assert found.desired == 2
    assert not found.assign


def test_several_claims_are_one_request():
    """Five claims wait for an empty pool: its size becomes five at once."""
    assert pools.decide(0, 100, [], [claim(str(n)) for n in range(5)]).desired == 5


def test_what_was_asked_for_is_not_asked_for_again():
    """The pool is to have two nodes and lists one so far: the second claim waits, nothing is requested."""
    found = pools.decide(2, 100, [node("a")], [claim("one", "a"), claim("two")])

    assert found.desired is None


def test_a_pool_is_never_asked_for_more_than_it_may_have():
    """Five nodes is all that an anti-affinity pool takes."""
    found = pools.decide(
        4, 5, [node(f"n{i}") for i in range(4)], [claim(str(n), f"n{n}" if n < 4 else "") for n in range(7)]
    )

    assert found.desired == 5


def test_new_nodes_go_to_waiting_claims_ready_ones_and_old_claims_first():
    """Nodes are equal: the claim that has waited longest gets the node that is furthest."""
    nodes = [node("young", "INSTALLING", 1), node("ready", "READY", 2)]
    found = pools.decide(2, 100, nodes, [claim("late", created=5), claim("early", created=1)])

    assert found.assign == {"early": "ready", "late": "young"}
    assert found.desired is None


@pytest.mark.parametrize("status", ["FLAVOR_OUT_OF_STOCK_ERROR", "USER_QUOTA_ERROR", "ERROR"])
def test_a_node_that_will_not_come_is_removed_and_its_claim_told(status):
    """The pool shrinks by exactly that node."""
    found = pools.decide(2, 100, [node("a"), node("b", status)], [claim("one", "a"), claim("two")])

    assert [("b", "two", status)] == [(f.node, f.claim, f.status) for f in found.failures]
    assert (found.desired, found.remove) == (1, ("b",))


@pytest.mark.parametrize("status", ["USER_WEBHOOK_PREVENTING_OPERATIONS_ERROR", "USER_QUOTA_ERROR", "ERROR"])
def test_a_node_that_serves_the_cluster_stays_whatever_ovh_says(status):
    """Some states are about more than the node, and all nodes have them at once: none of them is removed."""
    claims = [claim("one", "a", alive=True, registered=True), claim("two", "b", alive=True, registered=True)]

    assert pools.decide(2, 100, [node("a", status), node("b", status)], claims) == pools.Decision()


def test_a_node_that_breaks_in_use_is_drained_first():
    """Its claim is told, and its machine goes when that is drained, as that of any claim in deletion."""
    found = pools.decide(1, 100, [node("a", "ERROR")], [claim("one", "a", registered=True)])
    going = claim("one", "a", registered=True, deleting=True)
    drained = dataclasses.replace(going, removable=True)

    assert [(failure.claim, failure.used) for failure in found.failures] == [("one", True)]
    assert found.desired is None
    assert pools.decide(1, 100, [node("a", "ERROR")], [going]) == pools.Decision()
    assert pools.decide(1, 100, [node("a", "ERROR")], [drained]).remove == ("a",)


def test_drained_nodes_of_a_pool_go_in_one_request():
    """Two of three claims are drained: one request names both nodes."""
    claims = [claim("one", "a"), claim("two", "b", deleting=True, removable=True)]
    claims.append(claim("three", "c", deleting=True, removable=True))
    found = pools.decide(3, 100, [node("a"), node("b"), node("c")], claims)

    assert (found.desired, found.remove) == (1, ("b", "c"))


def test_a_node_that_is_still_drained_stays():
    """A claim in deletion whose pods are still there keeps its machine."""
    found = pools.decide(1, 100, [node("a")], [claim("one", "a", deleting=True)])

    assert found == pools.Decision()


def test_a_removal_that_was_accepted_is_not_repeated():
    """The size is lower already, only the list still shows the node."""
    found = pools.decide(0, 100, [node("a")], [claim("one", "a", deleting=True, removable=True)])

    assert found.desired is None


def test_a_claim_ends_when_its_machine_has_left_the_list():
    """While it is leaving it is told so, afterwards it is gone."""
    going = claim("one", "a", deleting=True, removable=True)

    assert pools.decide(0, 100, [node("a", "DELETING")], [going]).leaving == ("one",)
    assert pools.decide(0, 100, [], [going]).gone == ("one",)


def test_a_claim_that_never_had_a_machine_ends_at_once():
    """Nothing was given to it, so nothing has to go."""
    assert pools.decide(1, 100, [], [claim("one", deleting=True, removable=True)]).gone == ("one",)


def test_a_replacement_by_mks_is_adopted():
    """The node that a claim had is gone and another one has come: it takes its place."""
    found = pools.decide(1, 100, [node("new")], [claim("one", "old")])

    assert found.assign == {"one": "new"}
    assert not found.orphans


def test_a_replacement_is_adopted_while_the_old_node_is_still_leaving():
    """Auto-repair lists both for a while; the new one is nobody's spare."""
    nodes = [node("old", "DELETING"), node("new", "INSTALLING", 1)]
    found = pools.decide(1, 100, nodes, [claim("one", "old", alive=True)])

    assert found.assign == {"one": "new"}
    assert not found.orphans
    assert found.desired is None


def test_a_list_without_a_node_that_is_ready_in_the_cluster_is_not_believed():
    """Its claim takes no other node and is not lost."""
    found = pools.decide(2, 100, [node("other")], [claim("one", "old", alive=True), claim("two")])

    assert found.assign == {"two": "other"}
    assert not found.lost
    assert not found.missing


def test_a_vanished_node_that_mks_still_owes_is_waited_for():
    """The pool's size still counts it; with a lower size it is lost."""
    assert pools.decide(1, 100, [], [claim("one", "old")]).missing == ("one",)
    assert pools.decide(0, 100, [], [claim("one", "old")]).lost == ("one",)


def test_nodes_that_nobody_wants_go_after_a_while():
    """First they are noted, then removed."""
    nodes = [node("a"), node("b", minute=1)]

    assert pools.decide(2, 100, nodes, [claim("one", "a")]).orphans == ("b",)
    found = pools.decide(2, 100, nodes, [claim("one", "a")], frozenset({"b"}))
    assert (found.desired, found.remove) == (1, ("b",))


def test_an_orphan_serves_a_new_claim():
    """A claim that comes meanwhile is given it, and nothing is bought."""
    found = pools.decide(1, 100, [node("a")], [claim("one")], frozenset({"a"}))

    assert found.assign == {"one": "a"}
    assert found.desired is None


def test_an_empty_pool_says_so():
    """No node, no claim, size 0."""
    assert pools.decide(0, 100, [], []).empty
    assert not pools.decide(1, 100, [], []).empty
