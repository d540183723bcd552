"""Nodes that join a real API server, with its admission, its node lifecycle controller and its pod clean-up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.ovh import types
from controller.simulator import cluster, joiner, nodes
from tests.controller.simulator import running
from tests.controller.simulator.running import spec
from tests.e2e import controlplane
from tests.e2e.controlplane import binaries

pytestmark = pytest.mark.e2e

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "kwok"])
def plane(request: pytest.FixtureRequest) -> Iterator[controlplane.ControlPlane]:
    """A control plane whose nodes are ready because the simulator says so, and one with kwok as kubelet of all."""
    missing = binaries.missing()
    if missing:
        pytest.skip(missing)
    with controlplane.ControlPlane(components=(*PARTS, "kwok") if request.param else PARTS) as made:
        yield made


class Joined:
    """A simulator with a clock that stands still, joined to a control plane."""

    def __init__(self, served: running.Running, plane: controlplane.ControlPlane) -> None:
        self.served = served
        self.api = plane.client
        self.client = served.client()
        target = cluster.KubernetesCluster(str(plane.kubeconfig), None)
        self.joiner = joiner.Joiner(served.simulator, served.cluster().id, target)
        self.joiner.check()
        served.simulator.after_advance = self.joiner.sync

    def nodes(self) -> dict[str, dict[str, Any]]:
        return {node["metadata"]["name"]: node for node in self.api.list("v1", "Node")}

    def until(self, condition: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
        """Passes of the joiner until the nodes are as wanted: other controllers take their time."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.joiner.sync()
            found = self.nodes()
            if condition(found):
                return found
            time.sleep(0.1)
        raise TimeoutError(
            f"{[(n['metadata']['name'], n['spec'], n['status'].get('conditions')) for n in found.values()]}"
        )


@pytest.fixture
def joined(plane: controlplane.ControlPlane) -> Iterator[Joined]:
    with running.serve() as served:
        served.control("PATCH", "/timings", {"boot": [100, 100], "removal": [60, 60], "rebuild": [60, 60]})
        made = Joined(served, plane)
        yield made
        served.sim.world.pools.clear()
        served.sim.world.nodes.clear()
        made.joiner.sync()


def _ready(node: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def _taints(node: dict[str, Any]) -> set[str]:
    return {taint["key"] for taint in node["spec"].get("taints") or []}


def test_nodes_join_get_ready_and_go(joined: Joined) -> None:
    """Held by their boot taints until booted; then free of them; removed with their machine."""
    pool = joined.client.create_node_pool(spec(desired=2))
    joined.served.advance(80)
    booting = joined.until(lambda found: len(found) == 2)
    assert all(nodes.UNINITIALIZED in _taints(node) for node in booting.values())

    joined.served.advance(20)
    ready = joined.until(lambda found: all(_ready(node) and not _taints(node) for node in found.values()))

    assert all(node["status"]["allocatable"]["cpu"] == "1840m" for node in ready.values())
    assert all(node["spec"]["providerID"].startswith("openstack:///") for node in ready.values())
    victim = joined.client.nodes(pool.id)[0]
    joined.client.update_node_pool(pool.id, desired_nodes=1, nodes_to_remove=[victim.id])
    joined.served.advance(1)
    assert joined.nodes()[victim.name]["spec"]["unschedulable"] is True
    joined.served.advance(60)
    assert victim.name not in joined.nodes()
    assert len(joined.nodes()) == 1


@pytest.mark.parametrize("flavor", ["b3-8", "b2-120"])
def test_a_cluster_that_is_as_it_should_be_is_left_alone(joined: Joined, flavor: str) -> None:
    """The API server rewrites quantities; a pass that compares spellings would write for ever."""
    joined.client.create_node_pool(spec(flavor=flavor, desired=2))
    joined.served.advance(80)
    joined.served.advance(20)

    joined.until(lambda found: all(_ready(node) and not _taints(node) for node in found.values()))

    quiet, deadline = 0, time.monotonic() + 15
    while quiet < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        quiet = 0 if joined.joiner.sync() else quiet + 1
    assert quiet == 3


def test_the_template_comes_back_and_other_taints_stay(joined: Joined) -> None:
    """Against a real merge of lists and maps, with somebody else's taint on the node."""
    taint = types.Taint(key="team", value="web", effect="NoSchedule")
    template = types.Template(
        metadata=types.TemplateMetadata(labels={"team": "web"}), spec=types.TemplateSpec(taints=(taint,))
    )
    joined.client.create_node_pool(spec(desired=1, template=template))
    joined.served.advance(80)
    joined.served.advance(20)
    joined.until(lambda found: all(_taints(node) == {"team"} for node in found.values()))
    (name,) = joined.nodes()
    joined.api.patch("v1", "Node", name, {"metadata": {"labels": {"team": None, "mine": "1"}}})
    joined.api.patch("v1", "Node", name, {"spec": {"taints": [{"key": "mine", "effect": "NoSchedule"}]}})

    found = joined.until(lambda found: _taints(found[name]) == {"team", "mine"})

    assert found[name]["metadata"]["labels"]["team"] == "web"
    assert found[name]["metadata"]["labels"]["mine"] == "1"


def test_a_deleted_node_object_is_rebuilt(joined: Joined) -> None:
    """``kubectl delete node`` does not remove the machine."""
    joined.client.create_node_pool(spec(desired=1))
    joined.served.advance(80)
    joined.served.advance(20)
    (name,) = joined.until(lambda found: all(_ready(node) for node in found.values()))
    uid = joined.nodes()[name]["metadata"]["uid"]
    joined.api.delete("v1", "Node", name)
    joined.joiner.sync()
    assert joined.nodes() == {}

    for _ in range(8):
        joined.served.advance(20)
    found = joined.until(lambda found: name in found and _ready(found[name]) and not _taints(found[name]))

    assert found[name]["metadata"]["uid"] != uid


def test_a_gpu_appears_late(joined: Joined) -> None:
    """Through the status subresource, on a node that was ready before."""
    joined.served.control("PATCH", "/timings", {"gpu_boot": [100, 100], "gpu_plugin": 90})
    joined.client.create_node_pool(spec(flavor="l40s-90", desired=1))
    joined.served.advance(80)
    joined.served.advance(20)
    (before,) = joined.until(lambda found: all(_ready(node) for node in found.values())).values()
    joined.served.advance(90)
    (after,) = joined.nodes().values()

    assert "nvidia.com/gpu" not in before["status"]["allocatable"]
    assert after["status"]["allocatable"]["nvidia.com/gpu"] == "1"
