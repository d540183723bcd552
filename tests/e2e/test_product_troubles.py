"""Quota, credentials, rights, throttling and edits while running: on a real control plane, against the simulator."""

from __future__ import annotations

import collections
import json
import time
from typing import Any

import pytest

from tests.e2e import controlplane, running
from tests.e2e.test_product_faults import OVH, bound, installed, pools, scale, writes
from tests.e2e.test_walkthrough import get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


def events(plane: controlplane.ControlPlane, kind: str, reason: str) -> list[str]:
    """What our events of a reason say about objects of a kind."""
    return [
        each.get("message") or ""
        for each in get(plane, "events")
        if each["involvedObject"]["kind"] == kind
        and each["reason"] == reason
        and "karpenter" in (each.get("reportingComponent") or "")
    ]


def condition(plane: controlplane.ControlPlane, what: str, kind: str) -> dict[str, Any]:
    """A condition of the only object of a kind, empty before there is one."""
    found = get(plane, what)[0].get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {"status": "", "message": ""})


def flavors(plane: controlplane.ControlPlane) -> collections.Counter[str]:
    return collections.Counter(
        claim["metadata"]["labels"]["node.kubernetes.io/instance-type"] for claim in get(plane, "nodeclaims")
    )


def refused_requests(ovh: OVH) -> list[dict[str, Any]]:
    return [call for call in writes(ovh) if call["status"] >= 400]


def test_no_request_is_made_that_the_quota_forbids(control_plane_built, tmp_path):
    """
    Machines bought a moment ago count although OVH's last answer does not hold them yet.

    Pods that find no room and their NodePool say so; with more quota they get their nodes.
    """
    with installed(tmp_path) as (plane, ovh):
        running.order(ovh, "PATCH", "/control/quota/GRA11", {"cores": 10})
        with running.controller(plane, {**ovh, "NODE_CLASS_INTERVAL": "25s"}, tmp_path) as controller:
            running.until(controller.ready, "the controller is ready")
            scale(plane, 3)
            running.until(lambda: bound(plane) == 3, "three pods are bound", 90)
            scale(plane, 12)
            running.until(lambda: events(plane, "NodePool", "QuotaReached"), "the NodePool says so", 60)
            said = events(plane, "Pod", "FailedScheduling")
            assert any("project quota leaves no room" in each for each in said), said
            time.sleep(3)
            assert bound(plane) < 12
            assert not refused_requests(ovh)
            running.order(ovh, "PATCH", "/control/quota/GRA11", {"cores": 200})
            running.until(lambda: bound(plane) == 12, "all pods are bound", 150)
            assert not refused_requests(ovh)


def test_credentials_and_rights_that_are_not_good_enough(control_plane_built, tmp_path):
    """
    The OVHNodeClass names what is wrong and how to mend it, NodePool and pods repeat it, and nothing is bought.

    A corrected Secret and a granted right are noticed.
    """
    names = {"applicationKey": "APPLICATION_KEY", "applicationSecret": "APPLICATION_SECRET", "endpoint": "ENDPOINT"}
    with installed(tmp_path) as (plane, ovh):
        secret: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "ovh", "namespace": "karpenter"},
            "stringData": {key: ovh[f"OVH_{name}"] for key, name in names.items()} | {"consumerKey": "w" * 32},
        }
        plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(secret))
        reference = {"spec": {"credentialsSecretRef": {"name": "ovh", "namespace": "karpenter"}}}
        plane.run("kubectl", "patch", "ovhnodeclass", "default", "--type=merge", "-p", json.dumps(reference))
        least = running.order(ovh, "PUT", "/control/rights", {"least": True})
        lacking = next(rule for rule in least if rule.startswith("PUT "))
        running.order(ovh, "PUT", "/control/rights", {"rules": [rule for rule in least if rule != lacking]})
        with running.controller(plane, {**ovh, "NODE_CLASS_INTERVAL": "2s"}, tmp_path) as controller:
            running.until(controller.ready, "the controller is ready")
            scale(plane, 4)
            running.until(
                lambda: condition(plane, "ovhnodeclasses", "CredentialsValid")["status"] == "False", "they are refused"
            )
            said = condition(plane, "ovhnodeclasses", "CredentialsValid")["message"]
            assert "update the Secret" in said
            assert "w" * 32 not in said + controller.log.read_text()
            running.until(lambda: condition(plane, "nodepools", "Ready")["status"] == "False", "the NodePool says so")
            running.until(lambda: events(plane, "Pod", "FailedScheduling"), "the pods say so")

            secret["stringData"]["consumerKey"] = ovh["OVH_CONSUMER_KEY"]
            plane.run("kubectl", "apply", "-f", "-", stdin=json.dumps(secret))
            running.until(
                lambda: condition(plane, "ovhnodeclasses", "PermissionsGranted")["status"] == "False",
                "a right is missing",
            )
            said = condition(plane, "ovhnodeclasses", "PermissionsGranted")["message"]
            assert f"{lacking} (needed to add and remove nodes)" in said
            assert "https://api.ovh.com/createToken/" in said
            assert not writes(ovh)
            assert not get(plane, "nodeclaims")

            running.order(ovh, "PUT", "/control/rights", {"least": True})
            running.until(lambda: bound(plane) == 4, "four pods are bound", 90)


def test_throttling_is_obeyed(control_plane_built, tmp_path):
    """While OVH answers 429 with Retry-After nothing is sent for so long; afterwards all comes to its end, once."""
    with installed(tmp_path) as (plane, ovh), running.controller(plane, ovh, tmp_path) as controller:
        running.until(controller.ready, "the controller is ready")
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=30s")
        for method in ("POST", "GET"):
            fault = {"kind": "throttle", "method": method, "path": "*/nodepool*", "count": 2, "retry_after": 3}
            running.order(ovh, "POST", "/control/faults", fault)
        scale(plane, 10)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 120)
        calls = running.order(ovh, "GET", "/control/calls")
        throttled = [call for call in calls if call["status"] == 429]
        assert len(throttled) == 4
        assert len(get(plane, "nodes")) == len(get(plane, "nodeclaims"))
        names = [pool["name"] for pool in pools(ovh)]
        assert len(names) == len(set(names))
        log = controller.log.read_text()
        assert "Traceback" not in log


def test_a_node_pool_edited_while_running(control_plane_built, tmp_path):
    """
    Requirements and limits hold from the next batch on; what cannot be right is refused with a sentence.
    """

    def patch(spec: dict[str, Any]) -> None:
        plane.run("kubectl", "patch", "nodepool", "general", "--type=merge", "-p", json.dumps({"spec": spec}))

    with installed(tmp_path) as (plane, ovh), running.controller(plane, ovh, tmp_path) as controller:
        running.until(controller.ready, "the controller is ready")
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=30s")
        template = get(plane, "nodepools")[0]["spec"]["template"]
        never = {"consolidateAfter": "Never", "consolidationPolicy": "WhenEmpty", "budgets": [{"nodes": "0"}]}
        key = "karpenter.ovhcloud.sh/family"
        others = [each for each in template["spec"]["requirements"] if each["key"] != key]
        family = {"key": key, "operator": "In", "values": ["c3"]}
        template["spec"]["requirements"] = [*others, family]
        patch({"disruption": never, "template": template})
        scale(plane, 6)
        running.until(lambda: bound(plane) == 6, "six pods are bound", 90)
        bought = flavors(plane)
        assert bought
        assert all(name.startswith("c3-") for name in bought)

        used = sum(int(claim["status"]["capacity"]["cpu"]) for claim in get(plane, "nodeclaims"))
        patch({"limits": {"cpu": str(used)}})
        scale(plane, 16)
        running.until(lambda: events(plane, "NodePool", "LimitsReached"), "the NodePool says so", 60)
        assert flavors(plane) == bought
        said = events(plane, "Pod", "FailedScheduling")
        assert any("limits" in each for each in said), said
        patch({"limits": {"cpu": "100"}})
        running.until(lambda: bound(plane) == 16, "all pods are bound", 90)

        with pytest.raises(RuntimeError, match=r"spec\.disruption\.consolidateAfter.*Invalid value: \"soon\""):
            patch({"disruption": {**never, "consolidateAfter": "soon"}})
        template["spec"]["requirements"] = [{**family, "operator": "Among"}]
        with pytest.raises(RuntimeError, match=r"operator: Unsupported value: \"Among\": supported values"):
            patch({"template": template})
