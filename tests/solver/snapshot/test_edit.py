"""What-if edits: `--scale KIND/NAME=N`."""

from __future__ import annotations

import pytest

from solver import cluster, snapshot
from tests.solver.snapshot import make


def scaled(edit: str, *objects: make.Raw) -> cluster.Cluster:
    return snapshot.from_objects(objects, scale=[edit])


def running(
    name: str, created: str, node: str = "node-a", kind: str = "ReplicaSet", owner: str = "web-5d8f"
) -> make.Raw:
    manifest = make.owned(make.pod(name), kind, owner, creationTimestamp=created, labels={"pod-template-hash": "5d8f"})
    if node:
        manifest["spec"]["nodeName"] = node
    return manifest


@pytest.mark.parametrize("kind", ["deployment", "Deployment", "deploy", "deployments.apps", "deploy.apps"])
def test_a_workload_without_pods_stands_for_the_new_number(kind: str) -> None:
    """Kinds are named as kubectl has them."""
    assert list(scaled(f"{kind}/web=3", make.workload()).pods) == ["default/web-0", "default/web-1", "default/web-2"]


def test_to_nothing() -> None:
    """Zero is a number too."""
    assert not scaled("deployment/web=0", make.workload()).pods
    pods = [running("a", "2026-05-01T00:00:00Z"), running("b", "2026-05-02T00:00:00Z")]
    assert not scaled("deployment/web=0", make.workload(), *pods).pods


def test_more_pods_beside_those_that_run() -> None:
    """The new ones come from the template and wait."""
    found = scaled("deployment/web=3", make.workload(), make.node(), running("web-5d8f-a", "2026-05-01T00:00:00Z"))

    assert list(found.pods) == ["default/web-5d8f-a", "default/web-0", "default/web-1"]
    assert [pod.synthetic for pod in found.pods.values()] == [False, True, True]
    assert found.pods["default/web-0"].spec.requests == found.pods["default/web-5d8f-a"].spec.requests
    assert not found.pods["default/web-0"].node


def test_fewer_pods_pending_ones_first_then_the_newest() -> None:
    """Pods that have ended or are being deleted are no replicas and stay."""
    pods = [
        running("old", "2026-05-01T00:00:00Z"),
        running("new", "2026-05-03T00:00:00Z"),
        running("middle", "2026-05-02T00:00:00Z"),
        running("waiting", "2026-05-01T00:00:00Z", node=""),
        running("ended", "2026-05-09T00:00:00Z") | {"status": {"phase": "Succeeded"}},
        make.with_field(running("going", "2026-05-09T00:00:00Z"), "metadata.deletionTimestamp", "2026-05-09T00:00:00Z"),
    ]

    def left(number: int) -> list[str]:
        return [pod.name for pod in scaled(f"deploy/web={number}", make.workload(), make.node(), *pods).pods.values()]

    assert left(3) == ["old", "new", "middle", "ended", "going"]
    assert left(2) == ["old", "middle", "ended", "going"]
    assert left(1) == ["old", "ended", "going"]


def test_stateful_sets_lose_the_highest_ordinals_and_win_the_next() -> None:
    """Claims of the new pods come with them."""
    templates = [{"metadata": {"name": "data"}, "spec": {}}]
    workload = make.workload("StatefulSet", "db", volumeClaimTemplates=templates)
    pods = [running(f"db-{n}", f"2026-05-0{9 - n}T00:00:00Z", kind="StatefulSet", owner="db") for n in (0, 1, 2)]

    assert list(scaled("sts/db=1", workload, *pods).pods) == ["default/db-0"]
    more = scaled("sts/db=5", workload, *pods)
    assert list(more.pods)[3:] == ["default/db-3", "default/db-4"]
    assert list(more.volume_claims) == ["default/data-db-3", "default/data-db-4"]


def test_a_namespace_tells_workloads_apart() -> None:
    """Needed only where two have the same name."""
    other = make.with_field(make.workload(), "metadata.namespace", "shop")

    assert list(scaled("deployment/shop/web=1", make.workload(), other).pods) == [
        "default/web-0",
        "default/web-1",
        "shop/web-0",
    ]


def test_edits_follow_one_another() -> None:
    """Each sees what the one before made."""
    found = snapshot.from_objects([make.workload()], scale=["deployment/web=5", "deployment/web=1"])

    assert list(found.pods) == ["default/web-0"]


def test_objects_in_memory_are_not_changed() -> None:
    """The caller's manifests stay as they are."""
    manifest = make.workload()
    scaled("deployment/web=5", manifest)

    assert manifest == make.workload()
