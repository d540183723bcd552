"""A dry run decides everything and changes nothing: told by the API server's audit log and by OVH's own."""

from __future__ import annotations

import json

import pytest

from tests.e2e import controlplane, running
from tests.e2e.test_product_faults import installed, scale, writes
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
    Pods wait, a node class turns bad and good again, a NodePool is edited, a node stands empty: nothing is written.

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
