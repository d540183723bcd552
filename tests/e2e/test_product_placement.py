"""Dense scale-ups on nodes that join one by one: whether pods run where planned, for each way to hand nodes over."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e import controlplane, running
from tests.e2e.test_product_disruption import BUDGET, settled
from tests.e2e.test_product_faults import OVH, all_gone, installed, scale
from tests.e2e.test_walkthrough import FAST_DISRUPTION, get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SPEED = 60
JOINING = 30
"""Seconds over which the nodes of a batch join."""
CPU = (250, 300, 400, 500, 700, 900, 1100, 1300, 1700, 1900)
MEMORY = (384, 1100, 2600)


NEVER = json.dumps({"spec": {"disruption": {"consolidateAfter": "Never"}}})
SOON = json.dumps({"spec": {"disruption": {"consolidateAfter": "2s"}}})


@dataclasses.dataclass(frozen=True)
class Outcome:
    """
    Pods of a scale-up: bought for in the first batch, left over by it, and bound where planned or elsewhere.

    A pod is left over when it has no place although all nodes of the first batch are ready.
    """

    pods: int
    nodes: int
    left_over: int
    where_planned: int
    elsewhere: int
    later_nodes: int


def deployments(pods: int, classes: int = 30) -> str:
    """That many pods in classes of different sizes."""
    each, more = divmod(pods, classes)
    found = []
    for number in range(classes):
        name = f"class-{number:02}"
        requests = {"cpu": f"{CPU[number % len(CPU)]}m", "memory": f"{MEMORY[number // len(CPU) % len(MEMORY)]}Mi"}
        found.append(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name},
                "spec": {
                    "replicas": each + (number < more),
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}},
                        "spec": {
                            "containers": [
                                {
                                    "name": "main",
                                    "image": "registry.k8s.io/pause:3.10",
                                    "resources": {"requests": requests},
                                }
                            ]
                        },
                    },
                },
            }
        )
    return str(yaml.safe_dump_all(found))


def node_pool(*flavors: str) -> str:
    """The pool of the example, for some flavors only, without limits; nothing is consolidated meanwhile."""
    found = yaml.safe_load_all((running.ROOT / "examples" / "inflate" / "nodepool.yaml").read_text())
    pool = next(each for each in found if each["kind"] == "NodePool")
    pool["spec"]["limits"] = {"cpu": "5000"}
    pool["spec"]["disruption"] = {**FAST_DISRUPTION, "consolidateAfter": "Never"}
    pool["spec"]["template"]["spec"]["requirements"] += [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": list(flavors)}
    ]
    return str(yaml.safe_dump(pool))


@contextlib.contextmanager
def dense(folder: pathlib.Path, *flavors: str) -> Iterator[tuple[controlplane.ControlPlane, OVH]]:
    """A cluster whose new nodes join one by one."""
    with installed(folder, speed=SPEED) as (plane, ovh):
        plane.run("kubectl", "apply", "-f", "-", stdin=node_pool(*flavors))
        boot = {"boot": [5 * SPEED, (5 + JOINING) * SPEED]}
        running.order(ovh, "PATCH", "/control/timings", boot)
        yield plane, {**ovh, "BATCH_IDLE_DURATION": "4s", "BATCH_MAX_DURATION": "60s", "SOLVE_TIME_LIMIT": "10s"}


def scaled_up(folder: pathlib.Path, plane: controlplane.ControlPlane, ovh: OVH, how: str, pods: int) -> Outcome:
    """Make the pods and wait until the first batch's nodes are ready and each pod has a place or had its chance."""
    patient = {**ovh, "RESERVATION_TIMEOUT": "30s"}
    with running.controller(plane, patient, folder, "--placement", how) as controller:
        running.until(controller.ready, "the controller is ready")
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s")
        plane.run("kubectl", "apply", "-f", "-", stdin=deployments(pods))
        running.until(lambda: "computed new nodeclaim" in controller.log.read_text(), "a plan is made", 120)
        running.until(lambda: _planned(get(plane, "nodeclaims")) == pods, "all pods are planned for", 60)
        first = {claim["metadata"]["name"] for claim in get(plane, "nodeclaims")}
        running.until(lambda: _initialized(plane) >= first, "the first nodes are ready", 200, 1)
        if how == "reserve":
            running.until(lambda: not _unbound(plane), "all pods are bound", 30, 1)
        else:
            time.sleep(5)
        left = _unbound(plane)
        running.until(lambda: not _unbound(plane), "all pods are bound", 240, 1)
        running.until(lambda: _counted(controller) >= pods, "all pods are counted", 30)
        placed = controller.metrics()
        claims = {claim["status"].get("nodeName"): claim["metadata"]["name"] for claim in get(plane, "nodeclaims")}
        late = sum(claims.get(pod["spec"]["nodeName"]) not in first for pod in get(plane, "pods"))
        running.until(lambda: not _reserved(plane), "nothing is reserved any more", 60)
    return Outcome(
        pods,
        len(first),
        max(left, late),
        int(placed['karpenter_ovhcloud_pods_placed_total{where="planned"}']),
        int(placed['karpenter_ovhcloud_pods_placed_total{where="elsewhere"}']),
        len(claims) - len(first),
    )


def _planned(claims: list[dict[str, Any]]) -> int:
    """Pods that all claims together were planned for."""
    planned = [json.loads(claim["metadata"]["annotations"]["karpenter.ovhcloud.sh/planned-pods"]) for claim in claims]
    return sum(sum(each.values()) for each in planned)


def _initialized(plane: controlplane.ControlPlane) -> set[str]:
    return {
        claim["metadata"]["name"]
        for claim in get(plane, "nodeclaims")
        for each in claim.get("status", {}).get("conditions", [])
        if each["type"] == "Initialized" and each["status"] == "True"
    }


def _unbound(plane: controlplane.ControlPlane) -> int:
    return sum(not pod["spec"].get("nodeName") for pod in get(plane, "pods"))


def _reserved(plane: controlplane.ControlPlane) -> bool:
    return any(t["key"].endswith("/reserved") for n in get(plane, "nodes") for t in n["spec"].get("taints", []))


def _counted(controller: running.Controller) -> float:
    return sum(
        value for name, value in controller.metrics().items() if name.startswith("karpenter_ovhcloud_pods_placed")
    )


def _names(plane: controlplane.ControlPlane) -> set[str]:
    return {pod["metadata"]["name"] for pod in get(plane, "pods")}


def _claims(plane: controlplane.ControlPlane) -> set[str]:
    return {claim["metadata"]["name"] for claim in get(plane, "nodeclaims")}


def test_pods_that_come_back_under_new_names_find_their_place(control_plane_built, tmp_path):
    """
    Deleted while their nodes boot, and evicted one by one from a node that goes: each time the ReplicaSet makes others,
    which take the places that are kept. No further node is bought, nobody plans anew, and nothing stays reserved.
    """
    with installed(tmp_path, speed=SPEED) as (plane, ovh):
        running.order(ovh, "PATCH", "/control/timings", {"boot": [12 * SPEED, 12 * SPEED]})
        patient = {**ovh, "RESERVATION_TIMEOUT": "30s"}
        with running.controller(plane, patient, tmp_path) as controller:
            running.until(controller.ready, "the controller is ready")
            plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s")
            plane.run("kubectl", "patch", "nodepool", "general", "--type=merge", "-p", NEVER)
            plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(BUDGET))
            scale(plane, 10)
            running.until(lambda: _reserved(plane), "the nodes have registered and are held", 60, 0.1)
            first, claims = _names(plane), _claims(plane)
            plane.run("kubectl", "delete", "pods", "--all", "--wait=false")
            running.until(lambda: settled(plane, 10), "ten other pods are bound", 90)
            assert not first & _names(plane)
            assert _claims(plane) == claims
            running.until(lambda: not _reserved(plane), "nothing is reserved any more", 45)
            placed = controller.metrics()
            assert placed["karpenter_ovhcloud_slots_taken_over_total"] == 10
            assert placed['karpenter_ovhcloud_pods_placed_total{where="planned"}'] == 10
            assert controller.log.read_text().count("computed new nodeclaim") == 1

            goes = max(get(plane, "nodeclaims"), key=lambda claim: _pods_of(plane, claim))
            moving, name = _pods_of(plane, goes), goes["metadata"]["name"]
            plane.run("kubectl", "delete", "nodeclaim", name, "--wait=false")
            running.until(lambda: name not in _claims(plane) and settled(plane, 10), "its pods have moved", 120)
            running.until(lambda: not _reserved(plane), "nothing is reserved any more", 45)
            placed = controller.metrics()
            assert moving > 2
            assert placed['karpenter_ovhcloud_pods_placed_total{where="planned"}'] == 10 + moving
            # The first eviction is allowed before there is a plan.
            assert placed["karpenter_ovhcloud_slots_taken_over_total"] >= 10 + moving - 1
            assert controller.log.read_text().count("computed new nodeclaim") == 2
            plane.run("kubectl", "patch", "nodepool", "general", "--type=merge", "-p", SOON)
            scale(plane, 0)
            running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)


def _pods_of(plane: controlplane.ControlPlane, claim: dict[str, Any]) -> int:
    return sum(pod["spec"].get("nodeName") == claim["status"].get("nodeName") for pod in get(plane, "pods"))


@pytest.mark.long
def test_held_nodes_get_exactly_their_pods(control_plane_built, tmp_path):
    """Three hundred pods of thirty classes: none is left over, at least 99 % run where planned, no taint stays."""
    with dense(tmp_path, "b3-16", "b3-32", "b3-64") as (plane, ovh):
        outcome = scaled_up(tmp_path, plane, ovh, "reserve", 300)
    assert outcome.left_over == 0
    assert outcome.later_nodes == 0
    assert outcome.where_planned >= 0.99 * outcome.pods


@pytest.mark.long
@pytest.mark.parametrize("how", ["reserve", "nominate", "none"])
def test_figures_of_a_thousand_pods(control_plane_built, tmp_path, how):
    """A thousand pods on some fifty nodes; the line that it prints is the one in docs/placement.md."""
    pods = int(os.environ.get("PLACEMENT_PODS", "1000"))
    with dense(tmp_path, "b3-64") as (plane, ovh):
        outcome = scaled_up(tmp_path, plane, ovh, how, pods)
    print(how, outcome)
    assert sum((outcome.where_planned, outcome.elsewhere)) >= pods
    if how == "reserve":
        assert outcome.left_over == 0
        assert outcome.where_planned >= 0.99 * pods
