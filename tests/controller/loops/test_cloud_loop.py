"""The loop that speaks to OVH, against the simulator with a clock that stands still: few calls, no doubles, no orphans."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator

import pytest

from controller import world
from controller.kube import conditions, kinds
from controller.loops import cloud
from controller.ovh import errors
from solver.rules import ovh as pool_rules
from tests.controller.loops import make, stage
from tests.controller.simulator import running

POOLS = "/cloud/project/*/kube/*/nodepool"


class Sky:
    """Claims in memory, OVH in the simulator, one clock for both."""

    def __init__(self, served: running.Running) -> None:
        self.ovh = served
        self.on = stage.Stage()
        self.loop = self.restart()

    def restart(self) -> cloud.Cloud:
        """A new process."""
        place = self.on.restart().places["default"]
        place.client = self.ovh.client()
        if zones := self.ovh.cluster().zones:
            place.multi_zone, place.zones, place.region = True, tuple(zones), self.ovh.cluster().region
        self.loop = cloud.Cloud(self.on.world, lambda: None)
        return self.loop

    def claim(self, name: str, flavor: str = "b3-8", zone: str = "nova") -> None:
        made = make.claim(name)
        made["metadata"]["labels"] |= {"node.kubernetes.io/instance-type": flavor, "topology.kubernetes.io/zone": zone}
        made["metadata"] |= {"finalizers": ["karpenter.sh/termination"], "annotations": {}}
        made["status"] = {}
        self.on.put(kinds.NODE_CLAIM, made)

    def go_on(self, seconds: float, step: float = 10.0) -> None:
        """Passes every few seconds for so long."""
        for _ in range(int(seconds / step)):
            self.on.now += step
            self.ovh.advance(step)
            try:
                self.loop.tick()
            except errors.OVHError:
                continue

    def machines(self) -> list[str]:
        """Machines that are there to stay."""
        return [node.id for node in self.ovh.sim.world.nodes.values() if not node.leaving]

    def owned(self) -> list[str]:
        """The MKS nodes of all claims."""
        return [
            claim["metadata"]["annotations"].get("karpenter.ovhcloud.sh/ovh-node-id", "")
            for claim in self.on.claims().values()
        ]

    def writes(self) -> collections.Counter[str]:
        return collections.Counter(method for method, _, _ in self.ovh.calls() if method != "GET")

    def remove(self, name: str) -> None:
        """Delete a claim whose pods are gone."""
        there = self.on.get(kinds.NODE_CLAIM, name)
        there["metadata"]["deletionTimestamp"] = make.T0
        there["status"]["conditions"] = [
            *conditions.of(there),
            *(make.condition(state) for state in ("Drained", "VolumesDetached")),
        ]
        self.on.put(kinds.NODE_CLAIM, there)


@pytest.fixture
def sky() -> Iterator[Sky]:
    with running.serve() as served:
        yield Sky(served)


@pytest.fixture
def three_zones() -> Iterator[Sky]:
    with running.serve(running.simulation(running.THREE_ZONES)) as served:
        yield Sky(served)


def test_a_hundred_nodes_in_four_pools_are_four_writes(sky):
    """And while they are awaited, less than one read a second."""
    flavors = ("b3-8", "b3-16", "c3-8", "r3-16")
    for number in range(100):
        sky.claim(f"claim-{number:03}", flavors[number % 4])
    sky.loop.tick()
    assert sky.writes() == {"POST": 4}
    seconds = 400
    sky.go_on(seconds)

    assert all(conditions.is_true(claim, "Launched") for claim in sky.on.claims().values())
    assert sorted(sky.owned()) == sorted(sky.machines())
    assert sky.writes() == {"POST": 4}
    assert len(sky.ovh.calls("GET")) <= seconds


def test_news_that_ovh_does_not_care_for_ask_it_nothing(sky):
    """Being woken a hundred times between two passes makes no call; a claim that is new makes some at once."""
    sky.claim("one")
    sky.loop.tick()
    before = len(sky.ovh.calls())
    for _ in range(100):
        sky.loop.tick()
    assert len(sky.ovh.calls()) == before
    sky.claim("two")
    sky.loop.tick()

    assert sky.writes() == {"POST": 1, "PUT": 1}


def test_a_creation_that_acted_without_an_answer_is_found_again(sky):
    """The connection is cut after OVH has made the pool, and the pool cannot be read for a while."""
    sky.ovh.control("PATCH", "/timings", {"hidden": [60, 60]})
    sky.ovh.fault("cut", method="POST", path=POOLS)
    sky.claim("one")
    sky.claim("two")
    with pytest.raises(errors.AmbiguousError):
        sky.loop.tick()
    sky.go_on(400)

    assert len(sky.ovh.sim.world.pools) == 1
    assert sorted(sky.owned()) == sorted(sky.machines())


def test_a_flavor_without_stock_is_asked_for_once(sky):
    """The claim goes, its node too, and the offering is refused for a while."""
    sky.ovh.control("PUT", "/stock", {"flavor": "b3-8", "left": 0})
    sky.claim("one")
    sky.loop.tick()
    sky.go_on(120)

    assert ("b3-8", "nova") in sky.on.world.refused()
    assert not sky.on.claims()
    assert not sky.machines()
    assert sky.writes()["POST"] == 1


def test_a_machine_that_is_born_broken_is_not_ordered_again_at_once(sky):
    """The claim goes, its node too, and the next plan avoids the flavor for a while instead of buying it over and over."""
    sky.claim("one")
    sky.loop.tick()
    (made,) = sky.machines()
    sky.ovh.control("POST", f"/nodes/{made}/fail", {"status": "ERROR"})
    sky.go_on(200)

    assert ("b3-8", "nova") in sky.on.world.refused()
    assert not sky.on.claims()
    assert not sky.machines()


@pytest.mark.parametrize("status", ["ERROR", "USER_WEBHOOK_PREVENTING_OPERATIONS_ERROR"])
def test_a_machine_that_serves_the_cluster_stays_whatever_ovh_calls_it(sky, status):
    """Until its Node is not ready any more: then the claim goes, and the machine after its pods."""
    sky.claim("one")
    sky.loop.tick()
    sky.go_on(400)
    (made,) = sky.machines()
    there = make.node("node-one")
    there["spec"]["providerID"] = sky.on.claims()["one"]["status"]["providerID"]
    sky.on.put(kinds.NODE, there)
    registered = sky.on.get(kinds.NODE_CLAIM, "one")
    registered["status"]["conditions"] = [*conditions.of(registered), make.condition("Registered")]
    sky.on.put(kinds.NODE_CLAIM, registered)
    sky.ovh.control("POST", f"/nodes/{made}/fail", {"status": status})
    sky.go_on(300)
    assert "deletionTimestamp" not in sky.on.claims()["one"]["metadata"]
    assert sky.machines() == [made]
    there["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    sky.on.put(kinds.NODE, there)
    sky.go_on(100)
    assert "deletionTimestamp" in sky.on.claims()["one"]["metadata"]
    assert sky.machines() == [made]
    sky.remove("one")
    sky.go_on(100)

    assert not sky.machines()
    assert not sky.on.world.refused()


def test_a_quota_that_is_reached_gives_the_claim_back(sky):
    """412, and nothing was made."""
    sky.ovh.control("PATCH", "/quota/GRA11", {"cores": 1})
    sky.claim("one")
    sky.loop.tick()

    assert "deletionTimestamp" in sky.on.claims()["one"]["metadata"]
    assert ("b3-8", "nova") in sky.on.world.refused()
    assert not sky.ovh.sim.world.pools


def test_a_cluster_with_as_many_pools_as_it_may_have_gets_no_further(sky, monkeypatch):
    """Nothing is asked that must fail, and it is not called a matter of quota; pools that are there still grow."""
    monkeypatch.setattr(pool_rules, "MAX_POOLS", 2)
    for name, flavor in (("a", "b3-8"), ("b", "b3-16"), ("c", "b3-32"), ("d", "b3-8")):
        sky.claim(name, flavor)
    sky.loop.tick()
    assert sky.writes() == {"POST": 2}
    gone = {name for name, claim in sky.on.claims().items() if "deletionTimestamp" in claim["metadata"]}
    assert gone == {"a", "d"}
    (why,) = {sky.on.world.unavailable.reason(*pair, sky.on.now) for pair in sky.on.world.refused()}
    assert why == world.POOL_LIMIT
    notes = [note for _, reason, note in sky.on.said.events if reason == "InsufficientCapacityError"]
    words = "b3-8 in nova would need another pool: the cluster has 2 node pools, and no more than 2 are made"
    assert notes == [f"NodeClaim {name} event: {words}" for name in ("a", "d")]
    monkeypatch.setattr(pool_rules, "MAX_POOLS", 100)
    sky.go_on(70)

    assert not sky.on.world.refused()


def test_a_claim_that_goes_while_its_order_is_in_doubt_stays_until_that_is_clear(sky):
    """Its pool was made and is not shown yet: it would be forgotten together with the last claim."""
    sky.ovh.control("PATCH", "/timings", {"hidden": [60, 60]})
    sky.ovh.fault("cut", method="POST", path=POOLS)
    sky.ovh.fault("stale", method="GET", path=POOLS, count=3)
    sky.claim("one")
    with pytest.raises(errors.AmbiguousError):
        sky.loop.tick()
    sky.remove("one")
    sky.go_on(20)
    assert "one" in sky.on.claims()
    sky.go_on(900)

    assert not sky.on.claims()
    assert not sky.machines()


def test_a_refusal_to_one_pool_holds_no_other_up(sky):
    """OVH is busy with the first pool: the second one shrinks all the same, the first one later."""
    sky.claim("one", "b3-16")
    sky.claim("two", "b3-8")
    sky.loop.tick()
    sky.go_on(400)
    first = next(pool.id for pool in sky.ovh.sim.world.pools.values() if pool.flavor == "b3-16")
    sky.ovh.fault("busy", method="PUT", path=f"*/{first}", count=3)
    sky.remove("one")
    sky.remove("two")
    with pytest.raises(errors.BusyError):
        sky.loop.tick()
    assert [node.flavor for node in sky.ovh.sim.world.nodes.values() if not node.leaving] == ["b3-16"]
    sky.go_on(60)

    assert not sky.machines()


def test_a_pool_that_cannot_be_deleted_yet_is_deleted_later(sky):
    """UPSCALING, says OVH; nobody insists within the same pass."""
    sky.claim("one")
    sky.loop.tick()
    sky.go_on(400)
    sky.ovh.fault("busy", method="DELETE", count=3)
    sky.remove("one")
    sky.go_on(600)

    assert not sky.ovh.sim.world.pools
    assert [status for _, _, status in sky.ovh.calls("DELETE")] == [400, 400, 400, 200]


def test_a_machine_that_mks_exchanges_is_adopted(three_zones):
    """Whether the old one leaves late or early; nothing is bought or removed by us."""
    sky, zone = three_zones, "eu-west-par-a"
    sky.claim("one", zone=zone)
    sky.loop.tick()
    sky.go_on(400)
    for timings in ({"removal": [400, 400], "boot": [60, 60]}, {"removal": [5, 5], "boot": [400, 400]}):
        sky.ovh.control("PATCH", "/timings", timings)
        (old,) = sky.machines()
        sky.ovh.control("POST", f"/nodes/{old}/exchange")
        sky.go_on(600)
        assert sky.owned() == sky.machines() != [old]

    assert sky.writes() == {"POST": 1}


@pytest.mark.parametrize("ready", [True, False])
def test_a_pool_that_is_not_listed_for_a_while(sky, ready):
    """A claim whose Node is ready stays: OVH's list is wrong. One without is given up, and nothing is bought meanwhile."""
    sky.claim("one")
    sky.loop.tick()
    sky.go_on(400)
    there = make.node("node-one", ready=ready)
    there["spec"]["providerID"] = sky.on.claims()["one"]["status"]["providerID"]
    sky.on.put(kinds.NODE, there)
    client = sky.on.world.places["default"].client
    client.node_pools = lambda: ()
    sky.go_on(300)

    assert ("deletionTimestamp" in sky.on.claims()["one"]["metadata"]) is not ready
    assert sky.writes() == {"POST": 1}
    del client.node_pools
    sky.go_on(300)
    assert len(sky.machines()) == (1 if ready else 0)


def test_a_machine_of_ours_that_nobody_wants_goes(sky):
    """Somebody has raised the pool by hand; pools that are not ours are left alone."""
    sky.claim("one")
    sky.loop.tick()
    sky.go_on(400)
    client = sky.on.world.places["default"].client
    (pool,) = client.node_pools()
    client.update_node_pool(pool.id, desired_nodes=2)
    client.create_node_pool(running.spec("theirs", desired=1))
    sky.go_on(900)

    assert len(sky.machines()) == 2
    assert set(sky.owned()) < set(sky.machines())


@pytest.mark.parametrize("lives", [1, 2, 4, 6, 8])
def test_killed_after_any_write_there_are_as_many_machines_as_claims(sky, lives):
    """Three claims in two pools come and go; the process dies once on the way."""
    for name, flavor in (("a", "b3-8"), ("b", "b3-8"), ("c", "b3-16")):
        sky.claim(name, flavor)
    sky.on.lives = lives
    try:
        sky.loop.tick()
        sky.go_on(400, 40)
    except stage.Killed:
        pass
    sky.restart()
    sky.go_on(600, 40)
    assert sorted(sky.owned()) == sorted(sky.machines())
    assert len(sky.machines()) == 3
    assert len(sky.ovh.sim.world.pools) == 2

    for name in ("a", "b", "c"):
        sky.remove(name)
    sky.on.lives = lives
    with contextlib.suppress(stage.Killed):
        sky.go_on(200, 20)
    sky.restart()
    sky.go_on(900, 40)
    assert not sky.machines()
    assert not sky.ovh.sim.world.pools
    assert not sky.on.claims()
