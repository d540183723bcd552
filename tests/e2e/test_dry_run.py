"""A dry run decides everything and changes nothing: told by the API server's audit log and by OVH's own."""

from __future__ import annotations

import json

import pytest

from tests.e2e import controlplane, running
from tests.e2e.test_product_faults import bound, installed, scale, writes
from tests.e2e.test_product_troubles import events
from tests.e2e.test_walkthrough import get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

USER = "dry-run"


def written(plane: controlplane.ControlPlane) -> set[tuple[str, str]]:
    """Verbs and resources of all writes that the controller has tried, by the API server's account."""
    found = set()
    for event in plane.audit_events(user=USER, writes_only=True):
        about = event["objectRef"]
        found.add((event["verb"], about["resource"]))
    return found


def test_a_dry_run_writes_nothing_but_events(control_plane_built, tmp_path):
    """
    Pods wait, a node class turns bad and good again, a NodePool is edited: nothing is written.

    What would be done is told all the same: on the pods, in metrics, in the log and on the page with the last plan.
    """
    with (
        installed(tmp_path, audit=True, users={USER: ["system:masters"]}) as (plane, ovh),
        running.controller(
            plane,
            {**ovh, "NODE_CLASS_INTERVAL": "1s", "DISABLE_LEADER_ELECTION": "false"},
            tmp_path,
            "--dry-run",
            "--kubeconfig",
            str(plane.kubeconfig_of(USER)),
        ) as controller,
    ):
        running.until(controller.ready, "the controller is ready")
        running.order(ovh, "PUT", "/control/rights", {"rules": ["GET /cloud/project/*/kube/*"]})
        running.until(lambda: events(plane, "OVHNodeClass", "RightMissing"), "a missing right is told")
        scale(plane, 10)
        running.until(
            lambda: any("no OVHNodeClass is ready" in each for each in events(plane, "Pod", "FailedScheduling")),
            "pods say that nothing can be bought",
        )
        running.order(ovh, "PUT", "/control/rights", {"least": True})
        running.until(lambda: len(events(plane, "Pod", "Nominated")) >= 10, "the pods say where they would go")
        limits = {"spec": {"limits": {"cpu": "1"}}}
        plane.run("kubectl", "patch", "nodepool", "general", "--type=merge", "-p", json.dumps(limits))
        running.until(lambda: events(plane, "NodePool", "LimitsReached"), "the limit is told")

        said = events(plane, "Pod", "Nominated")
        assert all("not bought, this is a dry run" in each for each in said), said
        assert controller.metrics()["karpenter_ovhcloud_lower_bound_eur_per_hour"] >= 0
        assert "cannot be placed" in controller.page("/debug/plan")
        assert "Traceback" not in controller.log.read_text()
        assert not get(plane, "nodeclaims")
        assert not get(plane, "leases") or all(
            each["metadata"]["namespace"] != "karpenter" for each in get(plane, "leases")
        )
        assert not get(plane, "nodepools")[0]["metadata"].get("annotations", {}).get("karpenter.sh/nodepool-hash")

        assert written(plane) == {("create", "events")}
        assert not writes(ovh)


def test_a_dry_run_says_which_nodes_would_go(control_plane_built, tmp_path):
    """Nodes that a controller has bought stand empty when a dry run takes its place: each says so, and all stay."""
    with installed(tmp_path, audit=True, users={USER: ["system:masters"]}) as (plane, ovh):
        with running.controller(plane, ovh, tmp_path, name="bought"):
            scale(plane, 10)
            running.until(lambda: bound(plane) == 10, "ten pods are bound", 90)
            running.until(
                lambda: all(each["metadata"]["labels"].get("karpenter.sh/initialized") for each in get(plane, "nodes")),
                "all nodes are initialized",
            )
        scale(plane, 0)
        running.until(lambda: not get(plane, "pods"), "all pods are gone")
        claims, bought = get(plane, "nodeclaims"), writes(ovh)
        with running.controller(
            plane, ovh, tmp_path, "--dry-run", "--kubeconfig", str(plane.kubeconfig_of(USER))
        ) as controller:
            note = "Would disrupt Node: Empty; not done, this is a dry run"
            running.until(
                lambda: events(plane, "Node", "DisruptionTerminating").count(note) == len(claims),
                "every node says that it would go",
                60,
            )
            eligible = 'karpenter_voluntary_disruption_eligible_nodes{reason="empty"}'
            assert controller.metrics()[eligible] == len(claims)
            assert "by the disruption" in controller.page("/debug/plan")
            assert "Traceback" not in controller.log.read_text()

        assert get(plane, "nodeclaims") == claims
        taints = [taint["key"] for each in get(plane, "nodes") for taint in each["spec"].get("taints", [])]
        assert "karpenter.sh/disrupted" not in taints
        assert written(plane) == {("create", "events")}
        assert writes(ovh) == bought
