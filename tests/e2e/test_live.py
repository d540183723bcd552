"""Reading a live cluster: `snapshot`, `solve --live`, and that neither writes nor tells secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e import controlplane
from tests.e2e.controlplane.client import Objects

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "charts" / "karpenter-ovhcloud" / "crds"


def cli(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-c", "from controller.cli import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_snapshot_and_live_give_the_same_plan(control_plane_built: None, tmp_path: Path):
    """What `snapshot` writes and what `solve --live` reads is the same question, and no secret is in it."""
    deployment = yaml.safe_load((ROOT / "examples" / "inflate" / "deployment.yaml").read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "TOKEN", "value": "abracadabra"}]
    told = tmp_path / "deployment.yaml"
    told.write_text(yaml.safe_dump(deployment))
    with controlplane.ControlPlane() as plane:
        plane.run("kubectl", "apply", "-f", str(CRDS))
        plane.run("kubectl", "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        plane.run("kubectl", "apply", "-f", str(ROOT / "examples" / "inflate" / "nodepool.yaml"))
        plane.run("kubectl", "apply", "-f", str(told))
        plane.run("kubectl", "create", "secret", "generic", "hidden", "--from-literal=password=abracadabra")
        plane.client.wait_for("v1", "Pod", _ten_wait, timeout=60)
        written = cli("snapshot", "--kubeconfig", str(plane.kubeconfig))
        live = cli("solve", "--live", "--kubeconfig", str(plane.kubeconfig), "-o", "json", "--deterministic")

    assert written.returncode == 0, written.stderr
    assert live.returncode == 0, live.stderr
    assert "abracadabra" not in written.stdout
    assert {item["kind"] for item in yaml.safe_load(written.stdout)["items"]} >= {"Pod", "NodePool", "OVHNodeClass"}
    file = tmp_path / "cluster.yaml"
    file.write_text(written.stdout)
    offline = cli("solve", "-f", str(file), "-o", "json", "--deterministic")
    assert offline.returncode == 0, offline.stderr
    assert json.loads(offline.stdout)["create"] == json.loads(live.stdout)["create"]
    assert len(json.loads(live.stdout)["placements"]) == 10


def _ten_wait(pods: Objects) -> bool:
    """Ten pods that the scheduler has looked at in vain."""
    waiting = [pod for pod in pods.values() if "Unschedulable" in json.dumps(pod.get("status", {}))]
    return len(waiting) == 10
