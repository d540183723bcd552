"""The chart's rights against what a recorded run did: the API server's audit log knows every call and its outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.charts import test_rights
from tests.e2e import chart, controlplane, running
from tests.e2e.test_product_faults import bound, pools, scale
from tests.e2e.test_walkthrough import get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

NOT_SEEN_HERE = test_rights.OWNERS | {("", "configmaps", "create")}
"""
Rights that an admission plugin asks for which this control plane does not run; and the one that server-side apply needs
for an object that is not there yet, which the log has as a patch.
"""


def recorded(plane: controlplane.ControlPlane) -> tuple[set[test_rights.Right], list[str]]:
    """What the account did, as group, resource and verb; and what it was forbidden."""
    used, forbidden = set(), []
    for event in plane.audit_events(user=chart.ACCOUNT):
        about = event.get("objectRef")
        if about is None:
            continue
        resource = about["resource"] + (f"/{about['subresource']}" if "subresource" in about else "")
        used.add((about.get("apiGroup", ""), resource, event["verb"]))
        if event["responseStatus"]["code"] == 403:
            forbidden.append(f"{event['verb']} {event['requestURI']}: {event['responseStatus'].get('message')}")
    return used, forbidden


def stubborn_pod(grace: int) -> dict[str, Any]:
    """A pod that lets nobody disturb it, so that only its node's terminationGracePeriod ends it."""
    container = {"name": "main", "image": "pause", "resources": {"requests": {"cpu": "1"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stubborn", "annotations": {"karpenter.sh/do-not-disrupt": "true"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": grace},
    }


def spread_pod() -> dict[str, Any]:
    """A pod whose spread counts tainted nodes out: it is nominated, as no node can be held for it."""
    found = stubborn_pod(1)
    found["metadata"] = {"name": "spread", "labels": {"app": "spread"}}
    found["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "15"
    found["spec"]["topologySpreadConstraints"] = [
        {
            "topologyKey": "kubernetes.io/hostname",
            "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule",
            "nodeTaintsPolicy": "Honor",
            "labelSelector": {"matchLabels": {"app": "spread"}},
        }
    ]
    return found


def test_the_rights_are_those_that_a_run_uses(control_plane_built, tmp_path):
    """
    Pods come, are held nodes for, nominated, evicted and deleted by force; nodes come and go: nothing was forbidden.

    Nothing is granted that was not used, and nothing used that was not granted.
    """
    with (
        controlplane.ControlPlane(audit=True) as plane,
        running.simulator(plane, tmp_path) as ovh,
        chart.installed(plane, ovh, tmp_path) as controller,
    ):
        plane.run("kubectl", "apply", "-f", "-", stdin=chart.workload())
        running.until(controller.ready, "the controller is ready")
        grace = {"spec": {"template": {"spec": {"terminationGracePeriod": "10s"}}}}
        plane.run("kubectl", "patch", "nodepool", "general", "--type=merge", "-p", json.dumps(grace))
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s")
        for pod in (stubborn_pod(1), spread_pod()):
            plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(pod))
        scale(plane, 10)
        running.until(lambda: bound(plane) == 12, "all pods are bound", 120)
        running.until(lambda: len(get(plane, "nodes")) == len(get(plane, "nodeclaims")), "all nodes are there", 60)

        there = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in get(plane, "pods")}
        going = {there["stubborn"], next(node for pod, node in there.items() if pod.startswith("inflate"))}
        plane.run("kubectl", "delete", "node", *going, "--wait=false")
        running.until(
            lambda: not going & {node["metadata"]["name"] for node in get(plane, "nodes")}, "those nodes are gone", 120
        )
        scale(plane, 0)
        plane.run("kubectl", "delete", "pod", "spread", "--now")
        running.until(lambda: not get(plane, "nodes") and not pools(ovh), "all nodes and pools are gone", 120)

        used, forbidden = recorded(plane)
        assert forbidden == []
        assert used - test_rights.granted() == set()
        assert test_rights.granted() - used - NOT_SEEN_HERE == set()
