"""Nodes that go although they have pods: consolidation, drift, expiry, by hand; and static NodePools."""

from __future__ import annotations

import contextlib
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import controlplane, running
from tests.e2e.test_product_faults import OVH, all_gone, bound, installed, scale
from tests.e2e.test_product_troubles import events, flavors
from tests.e2e.test_walkthrough import get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "inflate", "namespace": "default"},
    "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "inflate"}}},
}


@contextlib.contextmanager
def started(folder: pathlib.Path) -> Iterator[tuple[controlplane.ControlPlane, OVH, running.Controller]]:
    """A cluster with the example, and a controller that is ready."""
    with installed(folder) as (plane, ovh), running.controller(plane, ovh, folder) as controller:
        running.until(controller.ready, "the controller is ready")
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s")
        yield plane, ovh, controller


def patch(plane: controlplane.ControlPlane, spec: dict[str, Any]) -> None:
    plane.run("kubectl", "patch", "nodepool", "general", "--type=merge", "-p", json.dumps({"spec": spec}))


def ready_claims(plane: controlplane.ControlPlane) -> set[str]:
    """Uids of claims that are ready: names may come back."""
    return {
        claim["metadata"]["uid"]
        for claim in get(plane, "nodeclaims")
        for each in claim.get("status", {}).get("conditions", [])
        if each["type"] == "Ready" and each["status"] == "True"
    }


def settled(plane: controlplane.ControlPlane, pods: int) -> bool:
    """All pods are bound, and all claims are ready and stay."""
    claims = get(plane, "nodeclaims")
    return (
        bound(plane) == pods
        and not any("deletionTimestamp" in each["metadata"] for each in claims)
        and len(claims) == len(ready_claims(plane))
    )


def test_consolidation_drift_and_expiry(control_plane_built, tmp_path):
    """
    A node that is too large is replaced by a smaller one that comes first; a changed template replaces nodes too; a
    budget of 0 stops it. What has expired goes whatever budgets say.
    """
    with started(tmp_path) as (plane, ovh, controller):
        plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(BUDGET))
        scale(plane, 10)
        running.until(lambda: settled(plane, 10), "ten pods are bound", 90)
        patch(plane, {"disruption": {"consolidationPolicy": "WhenEmpty"}})
        scale(plane, 3)
        time.sleep(8)
        assert "Underutilized" not in controller.log.read_text()
        patch(plane, {"disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized"}})
        running.until(lambda: flavors(plane) == {"b3-16": 1} and settled(plane, 3), "one small node is left", 120)

        before = ready_claims(plane)
        template = get(plane, "nodepools")[0]["spec"]["template"]
        template.setdefault("metadata", {}).setdefault("labels", {})["color"] = "green"
        patch(plane, {"template": template})
        running.until(lambda: not before & ready_claims(plane) and settled(plane, 3), "the node is replaced", 120)
        (node,) = get(plane, "nodes")
        assert node["metadata"]["labels"]["color"] == "green"
        log = controller.log.read_text()
        begun = log.index("Drifted: replace")
        assert log.index("initialized nodeclaim", begun) < log.index("drained node", begun)
        assert "Traceback" not in log

        before = ready_claims(plane)
        template["spec"]["expireAfter"] = "20s"
        patch(plane, {"template": template, "disruption": {"budgets": [{"nodes": "0"}]}})
        drifted = "jsonpath={.items[*].status.conditions[?(@.type=='Drifted')].reason}"
        running.until(
            lambda: "NodePoolDrifted" in plane.run("kubectl", "get", "nodeclaims", "-o", drifted), "it has drifted", 60
        )
        assert before == ready_claims(plane)
        patch(plane, {"disruption": {"budgets": [{"nodes": "100%"}]}})
        running.until(lambda: "expired" in controller.log.read_text(), "a node has expired", 120)
        scale(plane, 0)
        template["spec"]["expireAfter"] = "Never"
        patch(plane, {"template": template})
        running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)


def test_pods_that_may_not_be_disturbed_and_claims_deleted_by_hand(control_plane_built, tmp_path):
    """
    do-not-disrupt holds consolidation off; `kubectl delete nodeclaim` drains under the pods' budget, with a deadline
    whatever pods say; nothing is lost.
    """
    with started(tmp_path) as (plane, ovh, _):
        template = get(plane, "nodepools")[0]["spec"]["template"]
        template["spec"]["terminationGracePeriod"] = "25s"
        patch(plane, {"template": template})
        plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(BUDGET))
        scale(plane, 10)
        running.until(lambda: settled(plane, 10), "ten pods are bound", 90)
        plane.run("kubectl", "annotate", "pods", "--all", "karpenter.sh/do-not-disrupt=true")
        nodes = {node["metadata"]["name"] for node in get(plane, "nodes")}
        victim = next(claim for claim in get(plane, "nodeclaims") if "b3-16" in claim["metadata"]["labels"].values())[
            "metadata"
        ]["name"]
        plane.run("kubectl", "delete", "nodeclaim", victim, "--wait=false")
        running.until(
            lambda: victim not in {each["metadata"]["name"] for each in get(plane, "nodeclaims")}, "it is gone", 90
        )
        running.until(lambda: settled(plane, 10), "ten pods are bound again", 90)
        assert nodes != {node["metadata"]["name"] for node in get(plane, "nodes")}
        scale(plane, 0)
        running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)


def test_a_node_class_deleted_with_its_claims_right_after_the_order_leaves_no_machine(control_plane_built, tmp_path):
    """The claims are gone before OVH has shown a node: the class waits until the nodes are removed all the same."""
    with started(tmp_path) as (plane, ovh, controller):
        scale(plane, 10)
        running.until(lambda: running.order(ovh, "GET", "/control/state")["nodes"], "nodes are ordered", 60, 0.05)
        scale(plane, 0)
        for what in ("nodeclaims", "ovhnodeclass"):
            plane.run("kubectl", "delete", what, "--all", "--wait=false")
        running.until(lambda: not get(plane, "ovhnodeclasses"), "the class is gone", 120)
        assert not running.order(ovh, "GET", "/control/state")["nodes"]
        assert not get(plane, "nodeclaims")
        assert not get(plane, "nodes")
        assert "Traceback" not in controller.log.read_text()


def attach(plane: controlplane.ControlPlane, name: str, node: str) -> None:
    """What the attach/detach controller writes when a volume is attached; nobody detaches it here."""
    spec = {"attacher": "cinder.csi.openstack.org", "nodeName": node, "source": {"persistentVolumeName": f"pv-{name}"}}
    body = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": name}, "spec": spec}
    plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(body))


def condition(plane: controlplane.ControlPlane, claim: str, kind: str) -> tuple[str, str]:
    """Status and reason of a claim's condition."""
    found = [each for each in get(plane, "nodeclaims") if each["metadata"]["name"] == claim]
    states = [each for item in found for each in item["status"].get("conditions", []) if each["type"] == kind]
    return (states[0]["status"], states[0]["reason"]) if states else ("", "")


def test_a_node_waits_for_its_volumes_and_a_deadline_does_not(control_plane_built, tmp_path):
    """
    OVH is not asked to remove a node while a VolumeAttachment names it; terminationGracePeriod ends the wait.
    """
    with started(tmp_path) as (plane, ovh, _):
        template = get(plane, "nodepools")[0]["spec"]["template"]
        template["spec"]["terminationGracePeriod"] = "25s"
        patch(plane, {"template": template, "disruption": {"consolidateAfter": "Never"}})
        scale(plane, 10)
        running.until(lambda: settled(plane, 10), "ten pods are bound", 90)
        claims = {claim["metadata"]["name"]: claim["status"]["nodeName"] for claim in get(plane, "nodeclaims")}
        first, second = sorted(claims)
        attach(plane, "for-a-while", claims[first])
        attach(plane, "stuck", claims[second])
        scale(plane, 0)
        began = time.monotonic()
        plane.run("kubectl", "delete", "nodeclaim", first, second, "--wait=false")
        awaiting = ("Unknown", "AwaitingVolumeDetachment")
        running.until(
            lambda: [condition(plane, name, "VolumesDetached") for name in claims] == [awaiting] * 2, "both wait", 20
        )
        running.until(
            lambda: (
                set(events(plane, "Node", "AwaitingVolumeDetachment"))
                == {f"Awaiting deletion of bound volumeattachments ({name})" for name in ("for-a-while", "stuck")}
            ),
            "the Nodes say so",
            20,
        )
        assert set(claims.values()) == {node["metadata"]["name"] for node in get(plane, "nodes")}
        assert not [call for call in running.order(ovh, "GET", "/control/calls") if call["method"] == "PUT"]
        plane.run("kubectl", "delete", "volumeattachment", "for-a-while")
        running.until(
            lambda: {each["metadata"]["name"] for each in get(plane, "nodeclaims")} == {second}, "it goes", 20
        )
        assert time.monotonic() - began < 25
        running.until(lambda: all_gone(plane, ovh), "the other one goes with its volume attached", 90)
        assert time.monotonic() - began > 25
        assert [each["metadata"]["name"] for each in get(plane, "volumeattachments")] == ["stuck"]


def test_a_static_pool_keeps_its_size(control_plane_built, tmp_path):
    """As many nodes as replicas say, through `kubectl scale`, and through drift; no pod is needed."""
    with started(tmp_path) as (plane, ovh, _):
        pool = get(plane, "nodepools")[0]
        template = pool["spec"]["template"]
        static = {"replicas": 2, "template": template, "disruption": {"budgets": [{"nodes": "1"}]}}
        made = {**pool, "metadata": {"name": "static"}, "spec": static}
        made.pop("status", None)
        plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(made))
        running.until(lambda: len(ready_claims(plane)) == 2, "two nodes are ready", 90)
        plane.run("kubectl", "scale", "nodepool/static", "--replicas=3")
        running.until(lambda: len(ready_claims(plane)) == 3, "three nodes are ready", 90)
        before = ready_claims(plane)
        template.setdefault("metadata", {}).setdefault("labels", {})["color"] = "green"
        plane.run(
            "kubectl", "patch", "nodepool", "static", "--type=merge", "-p", json.dumps({"spec": {"template": template}})
        )
        running.until(
            lambda: len(ready_claims(plane)) == 3 and not before & ready_claims(plane), "all are replaced", 150
        )
        plane.run("kubectl", "scale", "nodepool/static", "--replicas=0")
        running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)


def test_a_deleted_node_class_waits_until_its_nodes_are_gone(control_plane_built, tmp_path):
    """Also when the controller starts anew meanwhile: it still knows where they are to be removed."""
    with installed(tmp_path) as (plane, ovh):
        with running.controller(plane, ovh, tmp_path, name="before"):
            scale(plane, 10)
            running.until(lambda: settled(plane, 10), "ten pods are bound", 90)
        plane.run("kubectl", "delete", "ovhnodeclass", "default", "--wait=false")
        with running.controller(plane, ovh, tmp_path, name="after") as controller:
            running.until(
                lambda: events(plane, "OVHNodeClass", "WaitingOnNodeClaimTermination"), "it says what it waits for", 60
            )
            (note,) = events(plane, "OVHNodeClass", "WaitingOnNodeClaimTermination")
            assert all(each["metadata"]["name"] in note for each in get(plane, "nodeclaims"))
            scale(plane, 0)
            plane.run("kubectl", "delete", "nodeclaims", "--all", "--wait=false")
            running.until(lambda: not get(plane, "ovhnodeclasses"), "the class is gone", 120)
            # What is left of OVH's pools has no nodes, and costs nothing.
            assert not get(plane, "nodeclaims")
            assert not running.order(ovh, "GET", "/control/state")["nodes"]
            assert "Traceback" not in controller.log.read_text()
