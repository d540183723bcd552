"""Trouble on order, and what the client makes of it: the faults that the controller's loops have to live with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from controller.ovh import errors, types
from tests.controller.simulator import running
from tests.controller.simulator.running import Running, spec

POOLS = "/cloud/project/*/kube/*/nodepool"
POOL = f"{POOLS}/*"


@pytest.fixture
def served() -> Iterator[Running]:
    with running.serve() as made:
        yield made


def _ready_pool(served: Running, **more: Any) -> types.NodePool:
    pool = served.client().create_node_pool(spec(**more))
    served.advance(400)
    served.control("DELETE", "/calls")
    return pool


def test_throttling_is_waited_out(served: Running) -> None:
    """429 twice, once with Retry-After: one creation in the end, the waits as told."""
    served.fault("throttle", method="POST", path=POOLS, retry_after=11)
    served.fault("throttle", method="POST", path=POOLS)

    served.client().create_node_pool(spec())

    assert [status for _, _, status in served.calls()] == [429, 429, 200]
    assert len(served.sim.world.pools) == 1
    assert served.waits[0] == 11.5


@pytest.mark.parametrize("status", [502, 504])
def test_gateway_pages_are_read_again(served: Running, status: int) -> None:
    """HTML instead of JSON: never "not found"."""
    pool = _ready_pool(served)
    served.fault("html", method="GET", path=POOL, status=status, count=2)

    assert served.client().node_pool(pool.id).status == "READY"
    assert [code for _, _, code in served.calls()] == [status, status, 200]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut"},
        {"kind": "hang", "seconds": 30},
        {"kind": "html", "acted": True},
        {"kind": "error", "status": 500, "acted": True},
        {"kind": "empty"},
    ],
)
def test_a_creation_that_acted_without_telling_is_found_again(served: Running, fault: dict[str, Any]) -> None:
    """One POST, ``AmbiguousError``, and the pool is in the list: no second pool is made."""
    served.fault(method="POST", path=POOLS, **fault)
    client = served.client(read=0.2)

    with pytest.raises(errors.AmbiguousError):
        client.create_node_pool(spec("only-once"))

    assert [pool.name for pool in client.node_pools()] == ["only-once"]
    assert len(served.calls("POST")) == 1


def test_a_creation_that_did_not_act_is_not_in_the_list(served: Running) -> None:
    """The same error, the other truth: only a look tells."""
    served.fault("cut", method="POST", path=POOLS, acted=False)
    client = served.client()

    with pytest.raises(errors.AmbiguousError):
        client.create_node_pool(spec())
    assert client.node_pools() == ()


def test_an_absolute_resize_is_repeated_a_removal_is_not(served: Running) -> None:
    """Both acted; the first may be sent again, the second is looked at."""
    pool = _ready_pool(served, desired=2)
    client = served.client()
    served.fault("cut", method="PUT", path=POOL, count=2)

    client.update_node_pool(pool.id, desired_nodes=3)
    assert client.node_pool(pool.id).desired_nodes == 3
    assert [status for _, _, status in served.calls("PUT")] == [0, 0, 200]
    served.advance(400)
    served.fault("cut", method="PUT", path=POOL)
    victim = client.nodes(pool.id)[0]
    with pytest.raises(errors.AmbiguousError):
        client.update_node_pool(pool.id, desired_nodes=2, nodes_to_remove=[victim.id])

    assert len(served.calls("PUT")) == 4
    assert [n.id for n in client.nodes(pool.id) if n.phase is types.Phase.LEAVING] == [victim.id]


def test_a_new_pool_may_hide_for_a_while(served: Running) -> None:
    """GET answers 404 for up to two minutes after the POST, while the list shows it."""
    served.control("PATCH", "/timings", {"hidden": [90, 90]})
    client = served.client()
    pool = client.create_node_pool(spec())

    with pytest.raises(errors.NotFoundError):
        client.node_pool(pool.id)
    with pytest.raises(errors.NotFoundError):
        client.nodes(pool.id)
    assert [each.id for each in client.node_pools()] == [pool.id]
    served.advance(90)
    assert client.node_pool(pool.id).id == pool.id


def test_lists_may_be_stale(served: Running) -> None:
    """Reads answer as of the order, writes act; then the truth is back."""
    pool = _ready_pool(served, desired=1)
    client = served.client()
    served.fault("stale", path=f"{POOLS}*", count=3)
    client.update_node_pool(pool.id, desired_nodes=5)

    old = (client.node_pool(pool.id).desired_nodes, len(client.nodes(pool.id)), client.node_pools()[0].desired_nodes)

    assert old == (1, 1, 1)
    assert client.node_pool(pool.id).desired_nodes == 5


@pytest.mark.parametrize(
    ("keys", "text"),
    [(running.APPLICATION, "lack DELETE /cloud/project/"), (running.ACCOUNT, "IAM action .*kube/nodepool/delete")],
)
def test_one_missing_right_is_named(served: Running, keys: Any, text: str) -> None:
    """All else works; the refusal says what to grant."""
    pool = _ready_pool(served)
    served.fault("deny", method="DELETE", path=POOL, count=None)
    client = served.client(keys)

    with pytest.raises(errors.PermissionMissingError, match=text):
        client.delete_node_pool(pool.id)
    client.update_node_pool(pool.id, desired_nodes=1)
    served.control("DELETE", "/faults")
    served.advance(200)
    client.delete_node_pool(pool.id)


def test_deletion_may_be_refused_as_busy(served: Running) -> None:
    """While UPSCALING by nature, and on order."""
    client = served.client()
    pool = client.create_node_pool(spec())
    with pytest.raises(errors.BusyError, match="status is INSTALLING"):
        client.delete_node_pool(pool.id)
    served.advance(400)
    served.fault("busy", method="DELETE", path=POOL)

    with pytest.raises(errors.BusyError, match="status is UPSCALING"):
        client.delete_node_pool(pool.id)
    client.delete_node_pool(pool.id)


def test_a_clock_that_jumps_is_read_again(served: Running) -> None:
    """OVH's clock and ours drift apart by ten minutes in the middle: the next call still works."""
    client = served.client()
    client.cluster()
    served.control("PUT", "/auth", {"skew": 600})

    assert client.cluster().status == "READY"
    assert [status for _, _, status in served.calls()] == [200, 400, 200]


def test_revoked_tokens_are_replaced(served: Running) -> None:
    """A service account gets a new one."""
    client = served.client(running.ACCOUNT)
    client.cluster()
    served.control("PUT", "/auth", {"revoke": True})

    client.cluster()

    assert [status for _, _, status in served.calls()] == [200, 401, 200]


def test_no_stock_is_a_state_of_the_node(served: Running) -> None:
    """Not an error of the call; another flavor can be had."""
    client = served.client()
    served.control("PUT", "/stock", {"flavor": "b3-16", "zone": "nova", "left": 0})
    refused = client.create_node_pool(spec("refused", flavor="b3-16", desired=2))
    other = client.create_node_pool(spec("other", flavor="b3-32", desired=1))
    served.advance(299)

    assert {node.phase for node in client.nodes(refused.id)} == {types.Phase.OUT_OF_STOCK}
    assert {node.phase for node in client.nodes(other.id)} == {types.Phase.READY}
    client.update_node_pool(refused.id, desired_nodes=0)
    served.advance(10)
    client.delete_node_pool(refused.id)
    served.advance(10)
    assert [pool.name for pool in client.node_pools()] == ["other"]


def test_quota_is_refused_at_the_call_or_shown_on_the_node(served: Running) -> None:
    """412 with the resource; or, as a switch, accepted and USER_QUOTA_ERROR later."""
    client = served.client()
    served.control("PATCH", "/quota/GRA11", {"cores": 5})
    with pytest.raises(errors.QuotaError) as caught:
        client.create_node_pool(spec(desired=3))
    served.control("PATCH", "/habits", {"quota_check": "node"})
    pool = client.create_node_pool(spec(desired=3))
    served.advance(299)

    assert caught.value.resource == "vcpus"
    phases = [node.phase for node in client.nodes(pool.id)]
    assert phases.count(types.Phase.OUT_OF_QUOTA) == 1


@pytest.mark.parametrize(("limit", "resource"), [({"ram": 9000}, "memory"), ({"instances": 1}, "instances")])
def test_quota_errors_name_the_resource(served: Running, limit: dict[str, int], resource: str) -> None:
    """Memory and instances as well."""
    served.control("PATCH", "/quota/GRA11", limit)

    with pytest.raises(errors.QuotaError) as caught:
        served.client().create_node_pool(spec(desired=2))
    assert caught.value.resource == resource


def test_a_node_may_never_join(served: Running) -> None:
    """It keeps INSTALLING; only lowering the size gets rid of it."""
    served.control("POST", "/stillborn", {"count": 1, "flavor": "b3-8"})
    client = served.client()
    pool = client.create_node_pool(spec(desired=1))
    served.advance(100_000)
    (node,) = client.nodes(pool.id)
    assert (node.phase, node.instance_id is None) == (types.Phase.CREATING, False)

    client.update_node_pool(pool.id, desired_nodes=0, nodes_to_remove=[node.id])
    served.advance(120)

    assert client.nodes(pool.id) == ()


def test_nodes_are_exchanged_behind_our_back(served: Running) -> None:
    """Auto-repair at once, by silence, and after a lost Node object; and a node in ERROR stays so."""
    client = served.client()
    pool = _ready_pool(served, desired=3)
    first, second, third = (node.id for node in client.nodes(pool.id))
    served.control("POST", f"/nodes/{first}/exchange", {})
    served.control("POST", f"/nodes/{second}/lose", {})
    served.control("POST", f"/nodes/{third}/fail", {"status": "ERROR"})

    states = {node.id: node.status for node in client.nodes(pool.id)}
    served.advance(60)
    served.advance(600)
    later = {node.id: node.phase for node in client.nodes(pool.id)}
    served.advance(600)
    served.control("POST", f"/nodes/{first}/break", {})
    served.advance(599)
    before = {node.id: node.status for node in client.nodes(pool.id)}[first]
    served.advance(1)
    after = {node.id: node.status for node in client.nodes(pool.id)}[first]

    assert (states[first], states[third]) == ("REDEPLOYING", "ERROR")
    assert later[third] is types.Phase.BROKEN
    assert (before, after) == ("READY", "REDEPLOYING")


def test_the_flavor_of_a_node_may_be_a_uuid(served: Running) -> None:
    """Some releases do so: it is Nova's id of the flavor in the region."""
    served.control("PATCH", "/habits", {"node_flavor": "uuid"})
    client = served.client()
    pool = client.create_node_pool(spec(desired=1))

    (node,) = client.nodes(pool.id)

    names = {each.id: each.name for each in client.nova_flavors("GRA11")}
    assert names[node.flavor] == "b3-8"


def test_empty_answers_are_an_outage_never_an_empty_list(served: Running) -> None:
    """``{}`` where a list belongs."""
    pool = _ready_pool(served)
    served.fault("empty", method="GET", path=POOLS, count=2)

    assert [each.id for each in served.client().node_pools()] == [pool.id]


def test_faults_hit_only_what_they_name_and_as_often_as_they_say(served: Running) -> None:
    """By method and path, oldest first; a withdrawn one is over."""
    client = served.client()
    served.fault("error", method="PUT", count=None, status=400, code="Client::BadRequest", message="no")
    served.fault("error", method="GET", path=POOLS, count=1, status=409, code="Client::Conflict", message="busy")
    listed = served.control("GET", "/faults")

    client.cluster()
    with pytest.raises(errors.ConflictError):
        client.node_pools()
    client.node_pools()
    with pytest.raises(errors.BadRequestError):
        client.update_node_pool("any", desired_nodes=1)
    served.control("DELETE", f"/faults/{listed[0]['id']}")

    assert [fault["kind"] for fault in listed] == ["error", "error"]
    assert served.control("GET", "/faults") == []
