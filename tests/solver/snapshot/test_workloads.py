"""Workloads without pods of their own stand for their replicas; those with pods do not double."""

from __future__ import annotations

from typing import Any

import pytest

from solver import cluster, snapshot
from tests.solver.snapshot import make


def read(*objects: make.Raw) -> cluster.Cluster:
    return snapshot.from_objects(objects)


def names(*objects: make.Raw) -> list[str]:
    return list(read(*objects).pods)


def replica_set(name: str = "web-5d8f", deployment: str = "web", replicas: int = 2) -> make.Raw:
    return make.owned(make.workload("ReplicaSet", name, replicas), "Deployment", deployment)


def replica(name: str = "web-5d8f-abcde", owner: str = "web-5d8f", template_hash: str = "5d8f") -> make.Raw:
    return make.owned(make.pod(name), "ReplicaSet", owner, labels={"app": "web", "pod-template-hash": template_hash})


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"])
def test_replicas_are_counted_from_zero(kind: str) -> None:
    """Named after the workload, in its namespace, as its pods."""
    found = read(make.with_field(make.workload(kind, replicas=3), "metadata.namespace", "shop"))

    assert list(found.pods) == ["shop/web-0", "shop/web-1", "shop/web-2"]
    pod = found.pods["shop/web-0"]
    assert pod.synthetic
    assert pod.owner == cluster.Owner(kind, "web")
    assert pod.labels["app"] == "web"
    assert pod.spec is found.pods["shop/web-2"].spec


@pytest.mark.parametrize(("replicas", "count"), [(None, 1), (0, 0), (1, 1)])
def test_number_of_replicas(replicas: int | None, count: int) -> None:
    """One when nothing is written."""
    assert len(names(make.workload(replicas=replicas))) == count


@pytest.mark.parametrize(
    ("spec", "status", "count"),
    [
        ({}, {}, 1),
        ({"completions": 5}, {}, 1),
        ({"completions": 5, "parallelism": 3}, {}, 3),
        ({"completions": 5, "parallelism": 3}, {"succeeded": 3}, 2),
        ({"completions": 2, "parallelism": 8}, {}, 2),
        ({"parallelism": 4}, {}, 4),
        ({"parallelism": 4}, {"succeeded": 1}, 0),
        ({"parallelism": 0}, {}, 0),
        ({"suspend": True}, {}, 0),
        ({"completions": 5}, {"conditions": [{"type": "Failed", "status": "True"}]}, 0),
        ({}, {"conditions": [{"type": "Complete", "status": "True"}]}, 0),
    ],
)
def test_jobs_stand_for_the_pods_that_run_side_by_side(
    spec: dict[str, Any], status: dict[str, Any], count: int
) -> None:
    """As many as may run at once and are still needed."""
    assert len(names(make.workload("Job", "once", None, **spec) | {"status": status})) == count


def test_a_deployment_with_pods_does_not_double() -> None:
    """Its pods belong to it through a ReplicaSet, in the input or known by the name alone."""
    assert names(make.workload(), replica_set(), replica()) == ["default/web-5d8f-abcde"]
    assert names(make.workload(), replica()) == ["default/web-5d8f-abcde"]


def test_a_deployment_stands_for_its_replica_sets() -> None:
    """Without pods: the Deployment's number counts, not that of old ReplicaSets."""
    assert names(make.workload(), replica_set(), replica_set("web-77aa", replicas=5)) == [
        "default/web-0",
        "default/web-1",
    ]


def test_a_replica_set_stands_for_itself_without_its_deployment() -> None:
    """Or when something else owns it."""
    assert names(replica_set()) == ["default/web-5d8f-0", "default/web-5d8f-1"]
    rollout = make.owned(make.workload("ReplicaSet", "web-5d8f"), "Rollout", "web")
    assert names(rollout, make.workload()) == [
        "default/web-0",
        "default/web-1",
        "default/web-5d8f-0",
        "default/web-5d8f-1",
    ]


def test_pods_of_others_do_not_count() -> None:
    """Another namespace, another workload whose name begins alike, another kind of the same name."""
    elsewhere = replica("x")
    elsewhere["metadata"]["namespace"] = "shop"
    other = replica("y", "web-api-77aa", "77aa")
    stateful = make.owned(make.pod("z"), "StatefulSet", "web")

    assert "default/web-0" in names(make.workload(), elsewhere, other, stateful)


@pytest.mark.parametrize("kind", ["StatefulSet", "Job", "ReplicationController", "ReplicaSet"])
def test_workloads_with_pods_do_not_double(kind: str) -> None:
    """Also when the pod has ended, or has just one of many replicas."""
    pod = make.owned(make.pod("web-xyz"), kind, "web") | {"status": {"phase": "Succeeded"}}

    assert names(make.workload(kind, replicas=3), pod) == ["default/web-xyz"]


def test_names_that_are_taken() -> None:
    """A StatefulSet's names are real; another workload of the same name gets its kind into its names."""
    assert names(make.workload("Deployment"), make.workload("StatefulSet"), make.workload("Job", replicas=None)) == [
        "default/web-0",
        "default/web-1",
        "default/web-deployment-0",
        "default/web-deployment-1",
        "default/web-job-0",
    ]


def test_replicas_of_a_deployment_carry_a_template_hash() -> None:
    """Rules with matchLabelKeys tell two Deployments apart by it, and the pods of one not."""
    pods = read(make.workload(name="blue"), make.workload(name="green")).pods
    hashes = {key: pod.labels["pod-template-hash"] for key, pod in pods.items()}

    assert hashes["default/blue-0"] == hashes["default/blue-1"] != hashes["default/green-0"]


def stateful_set(**spec: Any) -> make.Raw:
    templates = [{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"]}}]
    return make.workload("StatefulSet", "db", volumeClaimTemplates=templates, **spec)


def test_stateful_sets_bring_their_claims() -> None:
    """One for each template and pod, unbound, of the template's class."""
    found = read(stateful_set())

    assert found.pods["default/db-1"].spec.claims == ("data-db-1",)
    assert found.volume_claims["default/data-db-1"] == cluster.VolumeClaim(
        "default", "data-db-1", "fast", access_modes=("ReadWriteOnce",)
    )


def test_claims_of_a_stateful_set_that_exist_are_kept() -> None:
    """They survive their pods, bound to where they are."""
    claim = make.named("v1", "PersistentVolumeClaim", "data-db-0", spec={"volumeName": "pv"}, status={"phase": "Bound"})
    found = read(stateful_set(), claim).volume_claims

    assert found["default/data-db-0"].volume == "pv"
    assert found["default/data-db-1"].volume == ""


def test_claim_templates_go_before_volumes_of_the_same_name() -> None:
    """As the StatefulSet controller has it."""
    manifest = stateful_set()
    manifest["spec"]["template"]["spec"]["volumes"] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "other"}},
        {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}},
    ]

    assert read(manifest).pods["default/db-0"].spec.claims == ("data-db-0", "shared")


def test_ordinals_may_start_later() -> None:
    """`spec.ordinals.start` of a StatefulSet."""
    assert names(make.workload("StatefulSet", ordinals={"start": 5})) == ["default/web-5", "default/web-6"]


def daemon_set(**spec: Any) -> make.Raw:
    return make.workload("DaemonSet", "agent", None, template={"metadata": {"labels": {"app": "agent"}}, "spec": spec})


def test_daemon_sets_stay_daemon_sets() -> None:
    """Requests are filled from limits, and the tolerations that their controller adds are there."""
    container = {"name": "main", "resources": {"limits": {"cpu": "100m"}}}
    found = read(daemon_set(containers=[container], tolerations=[{"operator": "Exists", "effect": "NoSchedule"}]))
    spec = found.daemon_sets["default/agent"].spec

    assert not found.pods
    assert found.daemon_sets["default/agent"].labels == {"app": "agent"}
    assert spec.requests == (("cpu", 100),)
    assert spec.tolerations[0] == cluster.Toleration("", "Exists", "", "NoSchedule")
    assert cluster.Toleration("node.kubernetes.io/unschedulable", "Exists", "", "NoSchedule") in spec.tolerations
    assert cluster.Toleration("node.kubernetes.io/not-ready", "Exists", "", "NoExecute") in spec.tolerations


def test_the_newest_real_pod_stands_for_a_daemon_set() -> None:
    """It shows what webhooks and LimitRanges did; its node affinity, which pins it to its node, is left aside."""

    def real(name: str, created: str, cpu: str) -> make.Raw:
        field = {"key": "metadata.name", "operator": "In", "values": ["node-a"]}
        terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        container = {"name": "main", "resources": {"requests": {"cpu": cpu}}}
        pod = make.pod(name, containers=[container], affinity=affinity, nodeName="node-a")
        return make.owned(pod, "DaemonSet", "agent", creationTimestamp=created)

    template = daemon_set(containers=[{"name": "main"}])
    pods = [real("new", "2026-05-02T00:00:00Z", "2"), real("old", "2026-05-01T00:00:00Z", "1")]
    spec = read(make.node(), template, *pods).daemon_sets["default/agent"].spec

    assert spec.requests == (("cpu", 2000),)
    assert spec.node_terms is None
    assert spec.invalid is None
