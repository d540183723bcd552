"""Nodes that join a cluster: the pure comparison, and the joiner over a cluster in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.ovh import types
from controller.simulator import cluster, joiner, nodes
from tests.controller.simulator import running
from tests.controller.simulator.running import Running, spec

NOW = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7396."""
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


class MemoryCluster:
    """Node objects in a dictionary, with resource versions, finalizers and conditions merged by type."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes = 0
        self.version = 0

    def nodes(self) -> list[dict[str, Any]]:
        return copy.deepcopy(list(self.objects.values()))

    def create(self, body: dict[str, Any]) -> bool:
        name = body["metadata"]["name"]
        if name in self.objects:
            return False
        self.objects[name] = copy.deepcopy(body)
        self._touch(name)
        return True

    def patch(self, name: str, body: dict[str, Any], *, status: bool) -> bool:
        node = self.objects.get(name)
        body = copy.deepcopy(body)
        version = body.get("metadata", {}).pop("resourceVersion", None)
        if node is None or (version is not None and version != node["metadata"]["resourceVersion"]):
            return False
        if status:
            fresh = body["status"].pop("conditions", [])
            by_type = {each["type"]: each for each in node["status"]["conditions"]}
            node["status"]["conditions"] = list((by_type | {each["type"]: each for each in fresh}).values())
        _merge(node, body)
        self._touch(name)
        return True

    def delete(self, name: str) -> None:
        node = self.objects.get(name)
        if node is None:
            return
        if node["metadata"].get("finalizers"):
            node["metadata"]["deletionTimestamp"] = "2026-09-01T10:00:00Z"
            self._touch(name)
        else:
            del self.objects[name]

    def _touch(self, name: str) -> None:
        self.version += 1
        self.writes += 1
        self.objects[name]["metadata"]["resourceVersion"] = str(self.version)


class Setting:
    """A simulator, a cluster in memory, a joiner between, and a clock for Kubernetes' stamps."""

    def __init__(self, served: Running) -> None:
        self.served = served
        self.cluster = MemoryCluster()
        self.now = NOW
        self.joiner = joiner.Joiner(served.simulator, served.cluster().id, self.cluster, lambda: self.now)
        served.simulator.after_advance = self.joiner.sync
        self.client = served.client()

    def grow(self, **more: Any) -> types.NodePool:
        pool = self.client.create_node_pool(spec(**more))
        self.served.advance(240)
        self.served.advance(160)
        return pool

    def node(self) -> dict[str, Any]:
        (node,) = self.cluster.objects.values()
        return node


@pytest.fixture
def setting() -> Iterator[Setting]:
    with running.serve() as served:
        served.control("PATCH", "/timings", {"boot": [100, 100], "removal": [60, 60], "rebuild": [60, 60]})
        yield Setting(served)


def _template(**parts: Any) -> types.Template:
    spec_parts = {key: parts.pop(key) for key in ("taints", "unschedulable") if key in parts}
    return types.Template(metadata=types.TemplateMetadata(**parts), spec=types.TemplateSpec(**spec_parts))


def _ready(node: dict[str, Any]) -> str:
    return next(str(each["status"]) for each in node["status"]["conditions"] if each["type"] == "Ready")


def _taints(node: dict[str, Any]) -> list[str]:
    return [taint["key"] for taint in node["spec"].get("taints") or []]


def test_a_node_joins_not_ready_and_becomes_ready_when_booted(setting: Setting) -> None:
    """The Node object comes before READY, with the boot taints; both go when the boot ends."""
    setting.client.create_node_pool(spec("karpenter-b3-8-nova", desired=1))
    setting.served.advance(79)
    assert setting.cluster.objects == {}

    setting.served.advance(1)
    node = copy.deepcopy(setting.node())
    setting.served.advance(20)

    assert _ready(node) == "False"
    assert _taints(node) == [nodes.NOT_READY, nodes.UNINITIALIZED]
    assert _ready(setting.node()) == "True"
    assert _taints(setting.node()) == []
    assert setting.node()["metadata"]["annotations"][nodes.KWOK] == "fake"


def test_a_node_carries_what_live_nodes_carry(setting: Setting) -> None:
    """MKS' labels, the machine's provider id, capacity and allocatable as the kubelet writes them."""
    pool = setting.grow(desired=1)
    (record,) = setting.client.nodes(pool.id)
    node = setting.node()

    assert node["metadata"]["name"] == record.name
    assert record.name.startswith("pool-node-")
    assert node["spec"]["providerID"] == record.provider_id
    assert node["metadata"]["labels"] == {
        "node.kubernetes.io/instance-type": "b3-8",
        "topology.kubernetes.io/region": "GRA11",
        "topology.kubernetes.io/zone": "nova",
        "topology.cinder.csi.openstack.org/zone": "nova",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": record.name,
        "nodepool": "pool",
        "node.k8s.ovh/type": "standard",
        "beta.kubernetes.io/instance-type": "b3-8",
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": "GRA11",
        "failure-domain.beta.kubernetes.io/zone": "nova",
    }
    assert node["status"]["capacity"]["cpu"] == "2"
    assert node["status"]["allocatable"]["cpu"] == "1840m"
    assert node["status"]["allocatable"]["pods"] == "110"
    difference = int(node["status"]["capacity"]["memory"][:-2]) - int(node["status"]["allocatable"]["memory"][:-2])
    assert difference == 1840 * 1024


def test_gpus_appear_only_with_a_device_plugin(setting: Setting) -> None:
    """MKS ships none: the resource comes later, or never."""
    setting.served.control("PATCH", "/timings", {"gpu_boot": [100, 100], "gpu_plugin": 90})
    setting.client.create_node_pool(spec(flavor="l40s-90", desired=1))
    setting.served.advance(100)
    assert setting.node()["metadata"]["labels"]["node.k8s.ovh/type"] == "gpu"
    assert "nvidia.com/gpu" not in setting.node()["status"]["allocatable"]

    setting.served.advance(90)

    assert setting.node()["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert setting.node()["status"]["capacity"]["nvidia.com/gpu"] == "1"


def test_a_pass_without_news_writes_nothing_but_heartbeats(setting: Setting) -> None:
    """Level-triggered, and quiet: one status write a node every twenty seconds."""
    setting.grow(desired=3)
    before = setting.cluster.writes

    assert setting.joiner.sync() == 0
    setting.now += timedelta(seconds=21)
    assert setting.joiner.sync() == 3
    assert setting.cluster.writes == before + 3
    since = next(each for each in setting.cluster.nodes()[0]["status"]["conditions"] if each["type"] == "Ready")
    assert since["lastHeartbeatTime"] == "2026-09-01T10:00:21Z"
    assert since["lastTransitionTime"] == "2026-09-01T10:00:00Z"


def test_the_template_is_enforced_for_ever(setting: Setting) -> None:
    """What somebody takes off a node comes back; what others put there stays."""
    taint = types.Taint(key="team", value="web", effect="NoSchedule")
    template = _template(labels={"team": "web"}, annotations={"note": "x"}, taints=(taint,))
    setting.grow(desired=1, template=template)
    node = setting.node()
    assert _taints(node) == ["team"]
    node["metadata"]["labels"] = {"mine": "1", "topology.kubernetes.io/zone": "moon"}
    node["metadata"]["annotations"]["note"] = "y"
    node["spec"]["taints"] = [{"key": "other", "effect": "NoExecute"}, {"key": "team", "effect": "NoSchedule"}]

    setting.joiner.sync()

    assert node["metadata"]["labels"]["team"] == "web"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "nova"
    assert node["metadata"]["labels"]["mine"] == "1"
    assert node["metadata"]["annotations"]["note"] == "x"
    assert node["spec"]["taints"] == [{"key": "other", "effect": "NoExecute"}, taint.model_dump()]


def test_a_changed_template_reaches_existing_nodes(setting: Setting) -> None:
    """New parts come, old parts go, a cordon comes and goes; finalizers are only added."""
    taint = types.Taint(key="old", value="1", effect="NoSchedule")
    pool = setting.grow(desired=1, template=_template(labels={"old": "1"}, annotations={"o": "1"}, taints=(taint,)))
    fresh = _template(labels={"new": "1"}, finalizers=("example.com/hold",), unschedulable=True)

    setting.client.update_node_pool(pool.id, template=fresh)
    setting.joiner.sync()
    node = copy.deepcopy(setting.node())
    setting.client.update_node_pool(pool.id, template=types.Template())
    setting.joiner.sync()

    assert "old" not in node["metadata"]["labels"]
    assert "o" not in node["metadata"]["annotations"]
    assert node["metadata"]["labels"]["new"] == "1"
    assert (_taints(node), node["spec"]["unschedulable"]) == ([], True)
    assert node["metadata"]["finalizers"] == ["example.com/hold"]
    assert not setting.node()["spec"].get("unschedulable")
    assert setting.node()["metadata"]["finalizers"] == ["example.com/hold"]


def test_somebody_elses_change_in_between_is_not_overwritten(setting: Setting) -> None:
    """The taint list is written against the version that was read; the next pass tries again."""
    pool = setting.grow(desired=1)
    taint = types.Taint(key="team", value="web", effect="NoSchedule")
    setting.client.update_node_pool(pool.id, template=_template(taints=(taint,)))
    original, node = setting.cluster.nodes, setting.node()

    def raced() -> list[dict[str, Any]]:
        listed = original()
        node["spec"]["taints"] = [{"key": "reserved", "effect": "NoSchedule"}]
        setting.cluster._touch(node["metadata"]["name"])
        return listed

    setattr(setting.cluster, "nodes", raced)  # noqa: B010
    setting.joiner.sync()
    assert _taints(node) == ["reserved"]
    setattr(setting.cluster, "nodes", original)  # noqa: B010
    setting.joiner.sync()

    assert _taints(node) == ["reserved", "team"]


def test_a_deleted_node_object_comes_back_after_a_while(setting: Setting) -> None:
    """The machine was not told: MKS rebuilds it in place, not ready at first."""
    pool = setting.grow(desired=1)
    name = setting.node()["metadata"]["name"]
    setting.cluster.delete(name)
    setting.joiner.sync()
    assert setting.cluster.objects == {}
    setting.served.advance(60)
    assert setting.client.nodes(pool.id)[0].status == "REDEPLOYING"

    setting.served.advance(60)
    rejoined = copy.deepcopy(setting.node())
    setting.served.advance(40)

    assert rejoined["metadata"]["name"] == setting.node()["metadata"]["name"] == name
    assert _ready(rejoined) == "False"
    assert _ready(setting.node()) == "True"


def test_a_removed_node_is_cordoned_and_then_its_object_goes(setting: Setting) -> None:
    """It stays ready while it is drained."""
    pool = setting.grow(desired=2)
    victim = setting.client.nodes(pool.id)[0]
    setting.client.update_node_pool(pool.id, desired_nodes=1, nodes_to_remove=[victim.id])

    setting.served.advance(1)
    leaving = copy.deepcopy(setting.cluster.objects[victim.name])
    setting.served.advance(60)

    assert leaving["spec"]["unschedulable"] is True
    assert _ready(leaving) == "True"
    assert victim.name not in setting.cluster.objects
    assert len(setting.cluster.objects) == 1


def test_a_finalizer_of_the_template_holds_the_node_object(setting: Setting) -> None:
    """The machine is gone, the object waits for whoever wanted the finalizer, and is deleted once only."""
    pool = setting.grow(desired=1, template=_template(finalizers=("example.com/hold",)))
    setting.client.update_node_pool(pool.id, desired_nodes=0)
    setting.served.advance(61)

    assert setting.node()["metadata"]["deletionTimestamp"]
    assert setting.joiner.sync() == 0


def test_a_silent_kubelet_is_not_ready_until_repaired(setting: Setting) -> None:
    """Not ready at once, exchanged after ten minutes, ready again; kwok lets go meanwhile."""
    pool = setting.grow(desired=1)
    (record,) = setting.client.nodes(pool.id)
    setting.served.control("POST", f"/nodes/{record.id}/break", {})
    silent = copy.deepcopy(setting.node())

    setting.served.advance(600)
    setting.served.advance(80)

    assert _ready(silent) == "False"
    assert nodes.KWOK not in silent["metadata"]["annotations"]
    assert _ready(setting.node()) == "True"
    assert setting.client.nodes(pool.id)[0].instance_id == record.instance_id


def test_other_nodes_are_never_touched(setting: Setting) -> None:
    """Without the simulator's mark a Node object is somebody else's."""
    foreign = {
        "metadata": {"name": "control-plane", "annotations": None, "labels": {}},
        "spec": {},
        "status": {"conditions": []},
    }
    setting.cluster.create(foreign)
    setting.joiner.check()

    setting.grow(desired=1)

    assert "finalizers" not in setting.cluster.objects["control-plane"]["metadata"]
    assert len(setting.cluster.objects) == 2


def test_a_real_cluster_is_refused(setting: Setting) -> None:
    """Nodes of OVH without the simulator's mark: somebody gave the wrong kubeconfig."""
    setting.grow(desired=1)
    setting.joiner.check()
    setting.node()["metadata"]["annotations"].pop(nodes.ID)

    with pytest.raises(cluster.ClusterError, match="belongs to a real OVH cluster"):
        setting.joiner.check()


def test_left_over_objects_of_an_earlier_run_go(setting: Setting) -> None:
    """Marked, but not known to this world."""
    setting.cluster.create(
        {
            "metadata": {"name": "ghost", "annotations": {nodes.ID: "unknown"}},
            "spec": {},
            "status": {"conditions": []},
        }
    )

    setting.joiner.sync()

    assert setting.cluster.objects == {}


def test_three_zone_nodes_are_named_and_labelled_as_theirs() -> None:
    """Machine-set style names, the zone's label, and another machine after a repair."""
    with running.serve(running.simulation(running.THREE_ZONES)) as served:
        setting = Setting(served)
        pool = setting.grow(desired=1, availability_zones=("eu-west-par-b",))
        first = copy.deepcopy(setting.node())
        served.control("POST", f"/nodes/{setting.client.nodes(pool.id)[0].id}/exchange", {})
        served.advance(300)
        served.advance(300)
        second = setting.node()

    assert first["metadata"]["labels"]["topology.kubernetes.io/zone"] == "eu-west-par-b"
    assert first["metadata"]["labels"]["topology.kubernetes.io/region"] == "EU-WEST-PAR"
    assert first["metadata"]["name"].count("-") == second["metadata"]["name"].count("-") == 2
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert first["spec"]["providerID"] != second["spec"]["providerID"]
