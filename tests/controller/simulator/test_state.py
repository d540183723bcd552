"""The state machine alone: what requests lead to, and what never happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.simulator import model, rules, state, store
from tests.controller.simulator import running


def _grown(sim: state.Simulation, **body: Any) -> model.Pool:
    """A pool whose nodes are all ready."""
    pool = running.create(sim, **body)
    sim.advance(sim.world.now + 5000)
    assert pool.status == "READY"
    return pool


def _states(sim: state.Simulation, pool: model.Pool) -> list[str]:
    return [node.status for node in sim.nodes(pool.id)]


@pytest.fixture
def sim() -> state.Simulation:
    return running.simulation()


def test_a_pool_installs_and_becomes_ready(sim: state.Simulation) -> None:
    """Records at once, machines later, the Node object before READY, the pool last."""
    pool = running.create(sim)
    seen = [(pool.status, sorted(_states(sim, pool)))]
    joined_before_ready = False
    while sim.next_event is not None:
        sim.advance(sim.next_event)
        nodes = sim.nodes(pool.id)
        joined_before_ready |= any(node.joined and node.status == "INSTALLING" for node in nodes)
        assert all(node.instance_id for node in nodes if node.joined)
        if (now := (pool.status, sorted(_states(sim, pool)))) != seen[-1]:
            seen.append(now)

    assert seen == [
        ("INSTALLING", ["INSTALLING", "INSTALLING"]),
        ("INSTALLING", ["INSTALLING", "READY"]),
        ("READY", ["READY", "READY"]),
    ]
    assert joined_before_ready
    assert 60 <= sim.world.now - pool.created_at <= 600


def test_an_empty_pool_is_ready_soon_and_can_be_deleted(sim: state.Simulation) -> None:
    """Zero nodes are allowed; deletion of an empty pool is the same call."""
    pool = running.create(sim, desiredNodes=0)
    sim.advance(sim.world.now + 5)
    assert pool.status == "READY"

    sim.delete_pool(pool.cluster_id, pool.id)
    sim.advance(sim.world.now + 5)

    assert sim.world.pools == {}


def test_gpus_take_more_than_forty_minutes(sim: state.Simulation) -> None:
    """As measured on T1 and T2; their resource shows only where a device plugin runs."""
    sim.world.timings.gpu_plugin = 90.0
    pool = running.create(sim, flavorName="l40s-90", desiredNodes=1)
    sim.advance(sim.world.now + 2400)
    assert _states(sim, pool) == ["INSTALLING"]

    sim.advance(sim.world.now + 2400)
    (node,) = sim.nodes(pool.id)

    assert node.status == "READY"
    sim.advance((node.deployed_at or 0) + 89.0)
    sim.advance((node.deployed_at or 0) + 90.0)
    assert node.gpus_shown


def test_lowering_without_a_list_removes_the_newest(sim: state.Simulation) -> None:
    """The last created go first."""
    pool = _grown(sim, desiredNodes=2)
    old = [node.id for node in sim.nodes(pool.id)]
    running.update(sim, pool, desiredNodes=4)
    assert pool.status == "UPSCALING"
    sim.advance(sim.world.now + 400)

    running.update(sim, pool, desiredNodes=2)

    assert pool.status == "DOWNSCALING"
    assert [node.id for node in sim.nodes(pool.id) if not node.leaving] == old
    sim.advance(sim.world.now + 130)
    assert [node.id for node in sim.nodes(pool.id)] == old
    assert pool.status == "READY"


@pytest.mark.parametrize("form", ["{id}", "{instance}", "openstack:///{instance}"])
def test_listed_nodes_go_whatever_their_age(sim: state.Simulation, form: str) -> None:
    """By MKS id, by instance id or by provider id."""
    pool = _grown(sim, desiredNodes=3)
    oldest = min(sim.nodes(pool.id), key=lambda node: node.id)
    name = form.format(id=oldest.id, instance=oldest.instance_id)

    running.update(sim, pool, desiredNodes=2, nodesToRemove=[name])

    assert [node.id for node in sim.nodes(pool.id) if node.leaving] == [oldest.id]


def test_a_listed_node_without_a_lower_size_is_replaced(sim: state.Simulation) -> None:
    """The pool keeps its size."""
    pool = _grown(sim, desiredNodes=2)
    first = sim.nodes(pool.id)[0]

    running.update(sim, pool, nodesToRemove=[first.id])

    assert sorted(_states(sim, pool)) == ["DELETING", "INSTALLING", "READY"]


def test_unknown_nodes_to_remove_are_a_switch(sim: state.Simulation) -> None:
    """Ignored, and then the newest goes; or refused as a whole."""
    pool = _grown(sim, desiredNodes=2)
    newest = max(sim.nodes(pool.id), key=lambda node: (node.created_at, node.id))
    sim.world.habits.unknown_node_to_remove = "refuse"
    with pytest.raises(model.Refusal, match="'nobody' is not a node of this node pool"):
        running.update(sim, pool, desiredNodes=1, nodesToRemove=["nobody"])
    assert pool.desired == 2

    sim.world.habits.unknown_node_to_remove = "ignore"
    running.update(sim, pool, desiredNodes=1, nodesToRemove=["nobody"])

    assert newest.leaving


def test_removal_of_an_installing_node_is_a_switch(sim: state.Simulation) -> None:
    """Whether provisioning can be called off is not known."""
    pool = running.create(sim)
    first, second = sim.nodes(pool.id)
    sim.world.habits.installing_node_removal = "refuse"
    with pytest.raises(model.Refusal, match="Cannot remove a node of NodePool"):
        running.update(sim, pool, desiredNodes=1, nodesToRemove=[first.id])

    sim.world.habits.installing_node_removal = "accept"
    running.update(sim, pool, desiredNodes=1, nodesToRemove=[first.id])
    sim.advance(sim.world.now + 5000)

    assert [node.id for node in sim.nodes(pool.id)] == [second.id]
    assert pool.status == "READY"


def test_a_busy_pool_cannot_be_deleted(sim: state.Simulation) -> None:
    """Refused while INSTALLING, UPSCALING and DOWNSCALING."""
    pool = running.create(sim)
    for _ in range(2):
        with pytest.raises(model.Refusal, match=f"NodePool status is {pool.status}") as caught:
            sim.delete_pool(pool.cluster_id, pool.id)
        assert (caught.value.status, caught.value.kind) == (400, "Client::BadRequest")
        sim.advance(sim.world.now + 5000)
        running.update(sim, pool, desiredNodes=3)
    sim.advance(sim.world.now + 5000)
    running.update(sim, pool, desiredNodes=2)
    with pytest.raises(model.Refusal, match="NodePool status is DOWNSCALING"):
        sim.delete_pool(pool.cluster_id, pool.id)


def test_a_deleted_pool_says_ready_then_deleting_then_nothing(sim: state.Simulation) -> None:
    """The terraform provider met the first, and had to tolerate it."""
    sim.world.timings.delete_shown = (3.0, 3.0)
    pool = _grown(sim)

    sim.delete_pool(pool.cluster_id, pool.id)

    assert pool.status == "READY"
    with pytest.raises(model.Refusal, match="DELETING"):
        running.update(sim, pool, desiredNodes=3)
    sim.advance(sim.world.now + 3)
    assert pool.status == "DELETING"
    sim.advance(sim.world.now + 120)
    with pytest.raises(model.Refusal, match="does not exist"):
        sim.pool(pool.cluster_id, pool.id)
    assert sim.world.nodes == {}


def test_no_stock_leaves_the_node_in_its_state_and_the_pool_scaling(sim: state.Simulation) -> None:
    """Not an HTTP error: a state. The request is withdrawn by lowering the size, then the pool can be deleted."""
    sim.world.stock["b3-8@nova"] = 1
    pool = running.create(sim)
    sim.advance(sim.world.now + 299)

    assert sorted(_states(sim, pool)) == ["FLAVOR_OUT_OF_STOCK_ERROR", "READY"]
    assert pool.status == "INSTALLING"
    stuck = next(node for node in sim.nodes(pool.id) if node.status == model.OUT_OF_STOCK)
    assert stuck.instance_id is None
    running.update(sim, pool, desiredNodes=1, nodesToRemove=[stuck.id])
    sim.advance(sim.world.now + 1)
    assert pool.status == "READY"
    assert sim.world.stock["b3-8@nova"] == 0


def test_stock_that_comes_back_is_taken(sim: state.Simulation) -> None:
    """MKS is assumed to try again by itself."""
    sim.world.stock["b3-8@nova"] = 0
    sim.world.habits.stuck_pool = "ERROR"
    pool = running.create(sim, desiredNodes=1)
    sim.advance(sim.world.now + 300)
    assert (pool.status, _states(sim, pool)) == ("ERROR", ["FLAVOR_OUT_OF_STOCK_ERROR"])

    sim.world.stock["b3-8@nova"] = 1
    sim.advance(sim.world.now + 700)

    assert (pool.status, _states(sim, pool)) == ("READY", ["READY"])


def test_stock_is_counted_by_zone() -> None:
    """Another zone of the region still has some."""
    sim = running.simulation(running.THREE_ZONES)
    sim.world.stock["b3-8@eu-west-par-a"] = 0
    first = running.create(sim, name="a")
    second = running.create(sim, name="b", availabilityZones=["eu-west-par-b"])
    sim.advance(sim.world.now + 5000)

    assert set(_states(sim, first)) == {"FLAVOR_OUT_OF_STOCK_ERROR"}
    assert set(_states(sim, second)) == {"READY"}


@pytest.mark.parametrize(
    ("quota", "kind"),
    [
        (model.Quota(cores=5, ram=-1, instances=-1), "VCPUs"),
        (model.Quota(cores=-1, ram=20_480, instances=-1), "RAM"),
        (model.Quota(cores=-1, ram=-1, instances=2), "Instances"),
        (model.Quota(cores=-1, ram=-1, instances=12, other_instances=10), "Instances"),
    ],
)
def test_a_request_beyond_the_quota_is_refused_as_a_whole(quota: model.Quota, kind: str) -> None:
    """412 at the call: strict sums (3 x 7000 MB do not fit 20480), with machines of others and nodes on their way."""
    sim = running.simulation()
    sim.world.quotas[running.ONE_ZONE] = quota

    with pytest.raises(model.Refusal, match=f"Insufficient{kind}Quota") as caught:
        running.create(sim, flavorName="b2-7", desiredNodes=3)
    assert caught.value.status == 412
    assert sim.world.pools == {}
    pool = running.create(sim, flavorName="b2-7", desiredNodes=2)
    with pytest.raises(model.Refusal, match=f"Insufficient{kind}Quota"):
        running.update(sim, pool, desiredNodes=3)
    assert pool.desired == 2


def test_quota_that_is_gone_when_the_machine_is_made_shows_on_the_node(sim: state.Simulation) -> None:
    """The other form in which users met it: accepted by the call, refused later."""
    pool = running.create(sim, desiredNodes=1)
    sim.world.quotas[running.ONE_ZONE].other_cores = 2000

    sim.advance(sim.world.now + 299)

    assert _states(sim, pool) == ["USER_QUOTA_ERROR"]


def test_a_node_that_never_joins_stays_installing(sim: state.Simulation) -> None:
    """It has a machine, costs money and keeps its pool from being deleted."""
    sim.world.stillborn.append({"count": 1})
    pool = running.create(sim)
    sim.advance(sim.world.now + 100_000)

    assert sorted(_states(sim, pool)) == ["INSTALLING", "READY"]
    assert all(node.instance_id for node in sim.nodes(pool.id))
    assert pool.status == "INSTALLING"


def test_a_lost_node_object_is_rebuilt_in_place_on_a_free_cluster(sim: state.Simulation) -> None:
    """Same name, same instance, minutes later; the size of the pool does not change."""
    pool = _grown(sim, desiredNodes=1)
    (node,) = sim.nodes(pool.id)
    name, instance = node.name, node.instance_id
    sim.object_seen(node.id)

    sim.object_lost(node.id)
    sim.advance(sim.world.now + 59)
    assert (node.status, node.joined) == ("READY", False)
    sim.advance(sim.world.now + 600)
    assert node.status in ("REDEPLOYING", "READY")
    sim.advance(sim.world.now + 300)

    assert (node.status, node.joined, node.name, node.instance_id) == ("READY", True, name, instance)
    assert pool.desired == 1


def test_auto_repair_exchanges_the_node_on_a_standard_cluster() -> None:
    """Another name, another machine, desired + 1 nodes for a while."""
    sim = running.simulation(running.THREE_ZONES)
    pool = _grown(sim, desiredNodes=2)
    broken, kept = sim.nodes(pool.id)

    sim.break_node(broken.id)
    sim.advance(sim.world.now + 600)
    present = sim.nodes(pool.id)
    sim.advance(sim.world.now + 400)

    assert len(present) == 3
    after = sim.nodes(pool.id)
    assert len(after) == 2
    assert kept in after
    assert broken.id not in {node.id for node in after}
    assert pool.status == "READY"


def test_deletion_of_a_single_node_is_a_switch(sim: state.Simulation) -> None:
    """Either the pool shrinks or the node is replaced: not documented."""
    pool = _grown(sim, desiredNodes=3)
    first, second, _ = sim.nodes(pool.id)

    sim.delete_node(pool.cluster_id, first.id)
    assert (pool.desired, len(sim.nodes(pool.id))) == (3, 4)
    sim.world.habits.node_delete = "shrink"
    sim.delete_node(pool.cluster_id, second.id)

    assert pool.desired == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"flavorName": "x9-1"}, "flavor 'x9-1' is not available in GRA11"),
        ({"name": "Upper"}, "not allowed"),
        ({"name": "under_score"}, "not allowed"),
        ({"name": "with.dot"}, "not allowed"),
        ({"name": "1digit"}, "not allowed"),
        ({"name": "a" * 51}, "longer than 50"),
        ({"availabilityZones": ["gra11-a"]}, "not multi-zone compatible"),
        ({"monthlyBilled": True}, "monthly billing not supported yet"),
        ({"maxNodes": 101}, "above the limit of 100"),
        ({"antiAffinity": True, "desiredNodes": 6}, "not between minNodes 0 and maxNodes 5"),
        ({"desiredNodes": 3, "maxNodes": 2}, "not between"),
        ({"desiredNodes": 1, "minNodes": 2}, "not between"),
        ({"desiredNodes": -1}, "desiredNodes"),
        ({"desiredNodes": "two"}, "desiredNodes"),
        ({"colour": "red"}, r"Received not described parameters: \(colour\)"),
        ({"flavorName": None}, "flavorName"),
        (
            {
                "template": {
                    "metadata": {"labels": {}, "finalizers": []},
                    "spec": {"taints": [], "unschedulable": False},
                }
            },
            r"\[template.metadata.annotations\] Property is mandatory",
        ),
        (
            {
                "template": {
                    "metadata": {"labels": {}, "annotations": {}, "finalizers": []},
                    "spec": {"taints": [{"key": "a", "value": "", "effect": "NoSchedule"}], "unschedulable": False},
                }
            },
            r"\[template.spec.taints.0.value\]",
        ),
    ],
)
def test_senseless_creations_are_refused(sim: state.Simulation, body: dict[str, Any], message: str) -> None:
    """Each with a sentence, and nothing is made."""
    with pytest.raises(model.Refusal, match=message):
        running.create(sim, **body)
    assert sim.world.pools == {}
    assert sim.world.agenda == []


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        ([], "availabilityZones is mandatory"),
        (["eu-west-par-a", "eu-west-par-b"], "exactly one"),
        (["eu-west-par-z"], "not one of eu-west-par-a"),
    ],
)
def test_a_three_zone_region_wants_exactly_one_zone(zones: list[str], message: str) -> None:
    """One zone a pool."""
    sim = running.simulation(running.THREE_ZONES)

    with pytest.raises(model.Refusal, match=message):
        running.create(sim, availabilityZones=zones)


def test_names_are_unique_and_pools_are_limited(sim: state.Simulation) -> None:
    """A duplicate is a conflict; how many pools a cluster takes is a switch."""
    running.create(sim)
    with pytest.raises(model.Refusal, match="already exists") as caught:
        running.create(sim)
    assert caught.value.status == 409
    assert running.create(sim, name=None).name.startswith("nodepool-")
    sim.world.habits.pools_per_cluster = 2
    with pytest.raises(model.Refusal, match="has 2 node pools already"):
        running.create(sim, name="third")


def test_defaults_are_the_documented_ones(sim: state.Simulation) -> None:
    """One node, 0 to 100, 5 with anti-affinity; monthly billing for the second generation only."""
    sim.world.habits.restricted_labels = "dropped"
    pool = sim.create_pool(next(iter(sim.world.clusters)), rules.creation({"flavorName": "b3-8"}))
    together = running.create(sim, name="apart", antiAffinity=True, monthlyBilled=True, flavorName="b2-7")
    running.update(
        sim,
        pool,
        template={
            "metadata": {"labels": {"karpenter.sh/nodepool": "x", "a": "b"}, "annotations": {}, "finalizers": []},
            "spec": {"taints": [], "unschedulable": False},
        },
    )

    assert (pool.desired, pool.min, pool.max, pool.autoscale) == (1, 0, 100, False)
    assert together.max == 5
    assert pool.template["metadata"]["labels"] == {"a": "b"}, "a switch: MKS may drop karpenter.sh labels"


def test_the_same_seed_makes_the_same_world_also_across_a_file(tmp_path: Path) -> None:
    """Ids, names and durations follow from seed and order of requests; a file in between changes nothing."""
    file = tmp_path / "state.json"
    straight, stopped, other = running.simulation(), running.simulation(), running.simulation(seed=2)
    for sim in (straight, stopped, other):
        running.create(sim)
        sim.advance(sim.world.now + 100)
    store.save(file, stopped.world)
    resumed = state.Simulation(store.load(file), stopped.shop)
    for sim in (straight, resumed, other):
        running.create(sim, name="second", flavorName="b3-16")
        sim.advance(sim.world.now + 200)

    assert resumed.world == straight.world
    assert other.world.nodes.keys() != straight.world.nodes.keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read"),
        ("[]", "not a simulator's state"),
        ('{"apiVersion": "karpenter.ovhcloud.sh/simulator.v1alpha1", "world": {"seed": 1, "now": 1}}', "project"),
    ],
)
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """One sentence with the file's name, and the file stays as it is."""
    file = tmp_path / "state.json"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(store.StateFileError, match=message):
        store.load(file)
    assert file.read_text(encoding="utf-8") == content
