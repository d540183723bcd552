"""The walk-through of the guide: inflate from 0 to 10 replicas and back, on a real control plane with real kubectl."""

from __future__ import annotations

import collections
import json
import pathlib
import subprocess
from typing import Any

import pytest
import yaml

from tests.e2e import controlplane, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

CRDS = running.ROOT / "charts" / "karpenter-ovhcloud" / "crds"
EXAMPLE = running.ROOT / "examples" / "inflate"
FAST_DISRUPTION = {
    "consolidationPolicy": "WhenEmptyOrUnderutilized",
    "consolidateAfter": "2s",
    "budgets": [{"nodes": "100%"}],
}


def manifests(replicas: int) -> str:
    """The example as it stands, but with quicker scale-down and this many replicas."""
    found = []
    for name in ("nodepool.yaml", "deployment.yaml"):
        found += list(yaml.safe_load_all((EXAMPLE / name).read_text()))
    for each in found:
        if each["kind"] == "NodePool":
            each["spec"]["disruption"] = FAST_DISRUPTION
        if each["kind"] == "Deployment":
            each["spec"]["replicas"] = replicas
    return str(yaml.safe_dump_all(found))


def get(plane: controlplane.ControlPlane, what: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    found: list[dict[str, Any]] = json.loads(plane.run("kubectl", "get", what, "-A", "-o", "json"))["items"]
    return found


def planned_flavors(snapshot: str) -> collections.Counter[str]:
    """The flavors that `solve` buys for a snapshot."""
    ended = subprocess.run(
        [running.PROGRAM, "solve", "-f", "-", "-o", "json", "--time-limit", "2"],
        input=snapshot,
        capture_output=True,
        text=True,
        check=True,
        cwd=running.ROOT,
    )
    return collections.Counter(node["flavor"] for node in json.loads(ended.stdout)["create"])


def test_inflate_from_0_to_10_to_0(control_plane_built, tmp_path: pathlib.Path):
    """
    Nodes come for ten pods, are the ones that `solve` says, hold the pods where planned, and go with them.
    """
    with (
        controlplane.ControlPlane() as plane,
        running.simulator(plane, tmp_path) as ovh,
        running.controller(plane, ovh, tmp_path) as controller,
    ):
        plane.run("kubectl", "apply", "-f", str(CRDS))
        plane.run("kubectl", "create", "namespace", "karpenter")
        plane.run("kubectl", "apply", "-f", "-", stdin=manifests(0))
        running.until(controller.ready, "the controller is ready")
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=30s")

        wanted = planned_flavors(manifests(10))
        plane.run("kubectl", "scale", "deployment/inflate", "--replicas=10")
        running.until(
            lambda: sum(bool(pod["spec"].get("nodeName")) for pod in get(plane, "pods")) == 10, "ten pods are bound", 90
        )

        claims = get(plane, "nodeclaims")
        bought = collections.Counter(
            claim["metadata"]["labels"]["node.kubernetes.io/instance-type"] for claim in claims
        )
        assert wanted == bought
        running.until(lambda: all(_ready(claim) for claim in get(plane, "nodeclaims")), "all claims are ready", 30)
        running.until(
            lambda: (
                not any(
                    t["key"].endswith("/reserved") for n in get(plane, "nodes") for t in n["spec"].get("taints", [])
                )
            ),
            "nothing is reserved any more",
            60,
        )
        metrics = controller.metrics()
        assert metrics['karpenter_ovhcloud_pods_placed_total{where="planned"}'] == 10
        assert metrics['karpenter_ovhcloud_pods_placed_total{where="elsewhere"}'] == 0
        plan = json.loads(get_last_plan(plane))
        assert plan["status"] == "optimal" or plan["cost"]["gap"] is not None

        plane.run("kubectl", "scale", "deployment/inflate", "--replicas=0")
        running.until(lambda: not get(plane, "nodes") and not get(plane, "nodeclaims"), "nodes and claims are gone", 90)
        running.until(lambda: controller.log.read_text().count("deleted pool") == len(wanted), "OVH pools are gone", 30)


def _ready(claim: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in claim["status"].get("conditions", []))


def get_last_plan(plane: controlplane.ControlPlane) -> str:
    """The ConfigMap with the last plan."""
    path = "jsonpath={.data.plan\\.json}"
    return plane.run("kubectl", "get", "configmap", "-n", "karpenter", "karpenter-ovhcloud-last-plan", "-o", path)
