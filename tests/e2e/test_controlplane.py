"""The control plane that tests and demos stand on: what it starts, what works on it, and that nothing of it stays."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

import pytest

from tests.e2e import controlplane
from tests.e2e.controlplane import binaries, counts
from tests.e2e.controlplane.client import Object, Objects

pytestmark = pytest.mark.e2e


def node(name: str, **labels: str) -> Object:
    """A node of 2 cores."""
    amounts = {"cpu": "2", "memory": "4Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "status": {"capacity": amounts, "allocatable": amounts},
    }


def template(cpu: str = "100m") -> Object:
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def pod(name: str, cpu: str = "100m") -> Object:
    return {"apiVersion": "v1", "kind": "Pod", **template(cpu), "metadata": {"name": name, "namespace": "default"}}


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that a test means to leave behind are pytest's to remove."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_deployment_runs_on_nodes_that_kwok_made_ready(control_plane):
    """Nodes get ready, a Deployment's pods are scheduled and run, and are gone with their owner."""
    client = control_plane.client
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}
    spec = {"replicas": 6, "selector": {"matchLabels": {"app": "web"}}, "template": template()}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "web"},
        "spec": spec,
    }

    client.create_all(node(f"web-{number}") for number in range(3))
    client.wait_for("v1", "Node", lambda nodes: counts.schedulable(nodes) == 3)
    client.create(namespace)
    client.create(deployment)
    client.wait_for("v1", "Pod", lambda pods: counts.ready(pods) == 6, namespace="web")
    assert {p["spec"]["nodeName"] for p in client.list("v1", "Pod", namespace="web")} == {"web-0", "web-1", "web-2"}
    assert "6/6" in control_plane.run("kubectl", "get", "deployment", "web", "-n", "web")

    client.delete("apps/v1", "Deployment", "web", namespace="web")
    client.wait_for("v1", "Pod", lambda pods: not pods, namespace="web")
    assert client.delete_all("v1", "Node") == 3


def test_helm_works_and_sees_the_version(control_plane, tmp_path):
    """A chart that asks for a kubeVersion can be installed: the server knows its version."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 1.0.0\nkubeVersion: '>=1.30-0'\n")
    (tmp_path / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-chart}\ndata: {a: b}\n"
    )

    control_plane.run("helm", "install", "small", str(tmp_path))
    assert control_plane.client.get("v1", "ConfigMap", "of-chart")["data"] == {"a": "b"}
    control_plane.run("helm", "uninstall", "small")


def test_the_judge_binds_what_fits_and_explains_what_does_not(control_plane_built):
    """Without controller manager and kubelets the scheduler still has the last word on written nodes and pods."""
    with controlplane.ControlPlane(components=controlplane.JUDGE) as plane:
        assert set(plane.pids) == set(controlplane.JUDGE)
        plane.client.create(node("small"))
        plane.client.create_all([pod("fits", "1500m"), pod("does-not", "3")])

        def both(pods: Objects) -> Objects:
            return pods if counts.decided(pods) == 2 else {}

        pods = plane.client.wait_for("v1", "Pod", both)
        assert pods["default/fits"]["spec"]["nodeName"] == "small"
        (condition,) = pods["default/does-not"]["status"]["conditions"]
        assert (condition["reason"], condition["status"]) == ("Unschedulable", "False")
        assert "Insufficient cpu" in condition["message"]


def test_a_dry_run_is_recorded_and_stores_nothing(control_plane_built):
    """The audit log tells users apart, writes from reads, and dry runs from real writes."""
    components = ("etcd", "kube-apiserver")
    with controlplane.ControlPlane(components=components, audit=True, users={"planner": ["system:masters"]}) as plane:
        planner = plane.client_of("planner", dry_run=True)
        planner.create(pod("imagined"))
        plane.client.create(pod("real"))

        assert [item["metadata"]["name"] for item in planner.list("v1", "Pod")] == ["real"]
        assert {event["verb"] for event in plane.audit_events(user="planner")} == {"create", "list", "get"}
        (write,) = plane.audit_events(user="planner", writes_only=True)
        assert "dryRun=All" in write["requestURI"]


def test_the_scheduler_can_be_stopped_and_started(control_plane_built):
    """Pods wait while the scheduler is away, and are placed when it is back."""
    with controlplane.ControlPlane(components=controlplane.JUDGE) as plane:
        plane.stop("kube-scheduler")
        plane.client.create(node("only"))
        plane.client.create(pod("waits"))
        assert "kube-scheduler" not in plane.pids
        plane.start("kube-scheduler")
        plane.client.wait_for("v1", "Pod", lambda pods: counts.bound(pods) == 1)


def test_pods_take_their_grace_period_where_asked(control_plane_built):
    """With `graceful`, a pod that is deleted stays, terminating, until its grace period is over."""
    with controlplane.ControlPlane(graceful=True) as plane:
        client = plane.client
        client.create(node("only"))
        client.create(pod("slow"))
        client.wait_for("v1", "Pod", lambda pods: counts.ready(pods) == 1)
        client.delete("v1", "Pod", "slow", namespace="default", grace_seconds=2)
        begin = time.monotonic()
        assert client.get("v1", "Pod", "slow")["metadata"]["deletionTimestamp"]
        client.wait_for("v1", "Pod", lambda pods: not pods)
        # The deletion time has whole seconds, so up to one of the two is lost.
        assert time.monotonic() - begin > 0.5


def test_no_process_and_no_file_stays(control_plane_built):
    """All components end with the block, and so does the folder."""
    with controlplane.ControlPlane() as plane:
        pids = plane.pids
        folder = plane.folder
        assert set(pids) == set(controlplane.FULL)
        assert all(map(alive, pids.values()))
    assert not any(map(alive, pids.values()))
    assert not folder.exists()


def test_logs_are_kept_when_the_block_raises(control_plane_built):
    """The error names the folder of logs; data and keys are removed all the same."""
    with (
        pytest.raises(ZeroDivisionError) as raised,
        controlplane.ControlPlane(components=("etcd", "kube-apiserver")) as plane,
    ):
        _ = 1 / 0
    assert raised.value.__notes__ == [f"logs of the control plane: {plane.logs}"]
    assert [entry.name for entry in plane.folder.iterdir()] == ["logs"]
    assert {entry.name for entry in plane.logs.iterdir()} == {"etcd.log", "kube-apiserver.log"}


def test_nothing_stays_of_a_killed_owner(control_plane_built):
    """Components and files go with the program that made them, even if that is killed outright."""
    program = """
        import time
        from tests.e2e import controlplane
        with controlplane.ControlPlane(components=controlplane.JUDGE) as plane:
            print(plane.folder, *plane.pids.values(), flush=True)
            time.sleep(60)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=binaries.REPOSITORY
    )
    assert owner.stdout is not None
    folder, *pids = owner.stdout.readline().split()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 20
    while any(alive(int(pid)) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(pids) == 3
    assert not any(alive(int(pid)) for pid in pids)
    while pathlib.Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not pathlib.Path(folder).exists()


def test_a_component_that_cannot_start_is_named_with_its_log(control_plane_built):
    """A wrong flag is reported with the component's own words."""
    wrong = {"kube-apiserver": ["--no-such-flag"]}
    plane = controlplane.ControlPlane(components=controlplane.JUDGE, arguments=wrong)
    with pytest.raises(RuntimeError, match=r"kube-apiserver ended while starting(.|\n)*no-such-flag"), plane:
        pass


def test_missing_programs_are_said_in_one_line(monkeypatch, tmp_path):
    """Without the programs the reason says what to run, and nothing is started."""
    monkeypatch.setattr(binaries, "folder", lambda: tmp_path)
    reason = binaries.missing()
    assert reason is not None
    assert reason.startswith("control plane not built: run scripts/control-plane")
    with pytest.raises(FileNotFoundError, match="scripts/control-plane"):
        controlplane.ControlPlane().__enter__()
