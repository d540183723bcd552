"""Nodes, claims, pools, budgets, volumes and the rest, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from solver import cluster, snapshot
from tests.solver.snapshot import make

GI = 2**30
CLAIM = make.node_claim()
ZONE = "topology.kubernetes.io/zone"


def read(*objects: make.Raw) -> cluster.Cluster:
    return snapshot.from_objects(objects)


def test_node() -> None:
    """Labels, taints, amounts and state."""
    manifest = make.node(
        labels={ZONE: "nova"},
        annotations={"a": "b"},
        creationTimestamp="2026-05-01T10:00:00Z",
        deletionTimestamp="2026-05-01T11:00:00Z",
    )
    manifest["spec"] = {
        "providerID": "openstack:///1",
        "unschedulable": True,
        "taints": [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}, {"key": "x", "effect": "NoExecute"}],
    }
    manifest["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    node = read(manifest).nodes["node-a"]

    assert node.labels == {ZONE: "nova"}
    assert node.taints == (cluster.Taint("dedicated", "gpu", "NoSchedule"), cluster.Taint("x", "", "NoExecute"))
    assert node.allocatable == {"cpu": 3900, "memory": 14 * GI, "pods": 110}
    assert node.capacity == {"cpu": 4000, "memory": 16 * GI}
    assert node.provider_id == "openstack:///1"
    assert node.unschedulable
    assert node.deleting
    assert not node.ready
    assert node.created == 1777629600


def test_a_node_without_conditions_is_ready_and_without_allocatable_gives_its_capacity() -> None:
    """As people write nodes by hand."""
    node = read(make.without_field(make.node(), "status.allocatable")).nodes["node-a"]

    assert node.ready
    assert node.allocatable == node.capacity


def test_node_claim() -> None:
    """What the planner reads of spec, status and metadata."""
    manifest = make.node_claim(
        nodeName="node-a",
        providerID="openstack:///1",
        capacity={"cpu": "4"},
        allocatable={"cpu": "3900m"},
        lastPodEventTime="2026-05-01T10:00:10Z",
        conditions=[
            {
                "type": "Drifted",
                "status": "True",
                "reason": "NodePoolDrifted",
                "lastTransitionTime": "2026-05-01T10:00:05Z",
            }
        ],
    )
    manifest["metadata"] |= {"creationTimestamp": "2026-05-01T10:00:00Z", "annotations": {"a": "b"}}
    manifest["spec"] |= {
        "requirements": [{"key": ZONE, "operator": "In", "values": ["nova"]}],
        "resources": {"requests": {"cpu": "3"}},
        "taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}],
        "startupTaints": [{"key": "c", "effect": "NoExecute"}],
        "terminationGracePeriod": "1h",
    }

    assert read(manifest).node_claims["general-abcde"] == cluster.NodeClaim(
        name="general-abcde",
        node_pool="general",
        node_class="default",
        labels={"karpenter.sh/nodepool": "general"},
        annotations={"a": "b"},
        requirements=(cluster.Expression(ZONE, "In", ("nova",)),),
        taints=(cluster.Taint("a", "b", "NoSchedule"),),
        startup_taints=(cluster.Taint("c", "", "NoExecute"),),
        requests={"cpu": 3000},
        capacity={"cpu": 4000},
        allocatable={"cpu": 3900},
        node="node-a",
        provider_id="openstack:///1",
        conditions={"Drifted": cluster.ClaimCondition("True", "NodePoolDrifted", 1777629605)},
        expire_after=720 * 3600,
        termination_grace_period=3600,
        created=1777629600,
        last_pod_event=1777629610,
    )


def test_claims_that_never_expire() -> None:
    """None where the manifest says Never."""
    assert read(make.with_field(CLAIM, "spec.expireAfter", "Never")).node_claims["general-abcde"].expire_after is None


def test_pools_and_classes_keep_their_manifest() -> None:
    """With the state that the planner looks at beside it."""
    pool, node_class = make.node_pool(weight=5, limits={"cpu": "10"}), make.node_class()
    pool["status"] = {
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-05-01T10:00:00Z"}]
    }
    pool["metadata"] |= {"annotations": {"a": "b"}, "deletionTimestamp": "2026-05-01T10:00:00Z"}
    found = read(pool, node_class)

    assert found.node_pools["general"].manifest.spec.weight == 5
    assert found.node_pools["general"].ready is False
    assert found.node_pools["general"].deleting
    assert found.node_pools["general"].annotations == {"a": "b"}
    assert found.node_classes["default"].manifest.spec.region == "GRA11"
    assert found.node_classes["default"].ready is None
    assert not found.node_classes["default"].deleting


def test_budget() -> None:
    """Amounts stay as written; the status adds what the cluster knows."""
    manifest = make.budget(maxUnavailable="25%", unhealthyPodEvictionPolicy="AlwaysAllow")
    manifest["status"] = {"disruptionsAllowed": 0, "expectedPods": 4}

    assert read(manifest).budgets["default/web"] == cluster.Budget(
        namespace="default",
        name="web",
        selector=cluster.Selector((cluster.Expression("app", "In", ("web",)),)),
        max_unavailable="25%",
        always_allow_unhealthy=True,
        disruptions_allowed=0,
        expected_pods=4,
    )
    assert read(make.budget(minAvailable=2)).budgets["default/web"].min_available == "2"


def test_volume_claims() -> None:
    """A class that is not written differs from one that is empty."""
    claim = make.named("v1", "PersistentVolumeClaim", "data", spec={"accessModes": ["ReadWriteOncePod"]})
    bound = make.with_field(claim, "spec", {"storageClassName": "", "volumeName": "pv"})
    bound["metadata"] = {"name": "old", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    bound["status"] = {"phase": "Bound"}
    found = read(claim, bound).volume_claims

    assert found["default/data"] == cluster.VolumeClaim("default", "data", access_modes=("ReadWriteOncePod",))
    assert found["default/old"] == cluster.VolumeClaim("default", "old", "", "pv", "Bound", bind_completed=True)


def test_a_volume_that_is_being_made_names_its_node() -> None:
    """kube-scheduler writes the node that it has chosen for the first pod."""
    claim = make.named("v1", "PersistentVolumeClaim", "data", spec={"accessModes": ["ReadWriteOnce"]})
    claim["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "node-a"}

    assert read(claim).volume_claims["default/data"].selected_node == "node-a"


def storage_class(name: str, created: str = "2026-05-01T10:00:00Z", default: bool = True) -> make.Raw:
    manifest = make.named("storage.k8s.io/v1", "StorageClass", name, provisioner="cinder.csi.openstack.org")
    annotations = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    manifest["metadata"] |= {"annotations": annotations, "creationTimestamp": created}
    return manifest


def test_unbound_claims_get_the_default_class() -> None:
    """Of several default classes the newest; a claim that is bound, or wants none, keeps what it has."""
    claims = [
        make.named("v1", "PersistentVolumeClaim", "a", spec={}),
        make.named("v1", "PersistentVolumeClaim", "b", spec={"storageClassName": ""}),
        make.named("v1", "PersistentVolumeClaim", "c", spec={"volumeName": "pv"}),
    ]
    classes = [
        storage_class("old", "2025-01-01T00:00:00Z"),
        storage_class("new", "2026-01-01T00:00:00Z"),
        storage_class("other", "2026-02-01T00:00:00Z", default=False),
    ]
    found = read(*claims, *classes).volume_claims

    assert [claim.storage_class for claim in found.values()] == ["new", "", None]


def test_a_missing_default_class_is_noted() -> None:
    """Unbound claims without a class keep pods from being placed, when the export merely forgot the classes."""
    found = read(make.named("v1", "PersistentVolumeClaim", "a", spec={}))

    assert found.notes == [
        (
            "no StorageClass is in the input: 1 unbound volume claims have none; "
            "add them (kubectl get storageclasses -o yaml)"
        )
    ]


def volume(spec: dict[str, Any], labels: dict[str, str] | None = None) -> cluster.Volume:
    manifest = make.named("v1", "PersistentVolume", "pv", spec=spec)
    manifest["metadata"]["labels"] = labels or {}
    return read(manifest).volumes["pv"]


def node_affinity(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]} for expression in expressions]}}


def test_volumes() -> None:
    """The CSI driver and the terms of node affinity, which are alternatives."""
    expressions = [{"key": ZONE, "operator": "In", "values": [zone]} for zone in ("a", "b")]
    found = volume({"csi": {"driver": "cinder.csi.openstack.org"}, "nodeAffinity": node_affinity(*expressions)})

    assert found.driver == "cinder.csi.openstack.org"
    assert found.terms == tuple(cluster.NodeTerm((cluster.Expression(ZONE, "In", (zone,)),)) for zone in ("a", "b"))
    assert not found.local


@pytest.mark.parametrize(("kind", "local"), [("local", True), ("hostPath", True), ("nfs", False)])
def test_volumes_without_a_driver(kind: str, local: bool) -> None:
    """Local ones are known, because their host name does not bind a pod to a new node."""
    found = volume({kind: {"path": "/data"}})

    assert (found.driver, found.local, found.terms) == ("", local, None)


def test_in_tree_volumes_count_for_the_driver_that_took_them_over() -> None:
    """In volumes and in storage classes."""
    assert volume({"cinder": {"volumeID": "1"}}).driver == "cinder.csi.openstack.org"
    manifest = make.named("storage.k8s.io/v1", "StorageClass", "old", provisioner="kubernetes.io/cinder")
    assert read(manifest).storage_classes["old"].provisioner == "cinder.csi.openstack.org"


def test_zone_labels_of_volumes_bind_like_node_affinity() -> None:
    """Old and new names, several zones in one value, on top of each term that is written."""
    zone = cluster.Expression(ZONE, "In", ("a", "b"))
    disk = {"key": "disk", "operator": "Exists"}

    assert volume({"nfs": {}}, {"failure-domain.beta.kubernetes.io/zone": "b__a"}).terms == (cluster.NodeTerm((zone,)),)
    assert volume({"nfs": {}, "nodeAffinity": node_affinity(disk)}, {ZONE: "a__b"}).terms == (
        cluster.NodeTerm((cluster.Expression("disk", "Exists"), zone)),
    )


def test_storage_class() -> None:
    """Binding mode and topologies, which are alternatives of conditions that all hold."""
    manifest = make.named(
        "storage.k8s.io/v1",
        "StorageClass",
        "fast",
        provisioner="x",
        volumeBindingMode="WaitForFirstConsumer",
        allowedTopologies=[
            {"matchLabelExpressions": [{"key": ZONE, "values": ["a", "b"]}, {"key": "disk", "values": ["ssd"]}]},
            {"matchLabelExpressions": [{"key": ZONE, "values": ["c"]}]},
        ],
    )

    assert read(manifest).storage_classes["fast"] == cluster.StorageClass(
        "fast",
        "x",
        wait_for_consumer=True,
        topologies=(
            cluster.NodeTerm((cluster.Expression(ZONE, "In", ("a", "b")), cluster.Expression("disk", "In", ("ssd",)))),
            cluster.NodeTerm((cluster.Expression(ZONE, "In", ("c",)),)),
        ),
    )


def test_attach_limits() -> None:
    """Drivers without a limit are left out."""
    drivers = [{"name": "cinder.csi.openstack.org", "allocatable": {"count": 100}}, {"name": "nfs.csi.k8s.io"}]
    manifest = make.named("storage.k8s.io/v1", "CSINode", "node-a", spec={"drivers": drivers})

    assert read(manifest).csi_limits == {"node-a": {"cinder.csi.openstack.org": 100}}


def test_namespaces() -> None:
    """Those of the input with their labels, those of pods besides; all carry their name as a label."""
    manifest = make.with_field(make.named("v1", "Namespace", "shop"), "metadata.labels", {"team": "a"})
    found = read(manifest, make.with_field(make.pod(), "metadata.namespace", "cron")).namespaces

    assert found == {
        "shop": {"team": "a", "kubernetes.io/metadata.name": "shop"},
        "cron": {"kubernetes.io/metadata.name": "cron"},
    }


def test_secrets_are_ignored_and_other_kinds_noted() -> None:
    """One note for each kind; the OVH operator's own NodePools are not Karpenter's."""
    found = read(
        make.named("v1", "Secret", "s"),
        make.named("v1", "ConfigMap", "c"),
        make.named("v1", "Service", "a"),
        make.named("v1", "Service", "b"),
        make.named("batch/v1", "CronJob", "nightly"),
        make.named("kube.cloud.ovh.com/v1alpha1", "NodePool", "mks"),
    )

    assert found == cluster.Cluster(
        notes=[
            "passed over 1 object of kind CronJob",
            "passed over 1 object of kind NodePool of kube.cloud.ovh.com",
            "passed over 2 objects of kind Service",
        ]
    )


def test_a_running_pod_that_cannot_be_read_shields_its_node() -> None:
    """
    A controller must go on, and must not take the node for empty, nor the room of the pod for free.

    The operator is one that a later Kubernetes may have.
    """
    running = make.with_field(make.pod(), "spec.nodeName", "node-a")
    running = make.with_field(running, "spec.tolerations", [{"key": "sla", "operator": "Near", "value": "950"}])
    nodes = [make.named("v1", "Node", name) for name in ("node-a", "node-b")]

    found = snapshot.from_objects([running, *nodes], strict=False)

    assert not found.pods
    assert {name: node.unschedulable for name, node in found.nodes.items()} == {"node-a": True, "node-b": False}
    assert found.nodes["node-a"].annotations == {"karpenter.sh/do-not-disrupt": "true"}
    assert "node node-a is left alone: pod default/web on it cannot be read" in found.notes


def test_old_api_versions_are_read() -> None:
    """Exports of old clusters."""
    found = read(
        {**make.workload("DaemonSet", "agent"), "apiVersion": "extensions/v1beta1"},
        {**make.budget(), "apiVersion": "policy/v1beta1"},
    )

    assert list(found.daemon_sets) == ["default/agent"]
    assert list(found.budgets) == ["default/web"]
