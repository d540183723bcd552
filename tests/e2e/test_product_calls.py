"""How few calls to OVH a large scale-up takes, at the rate that the controller allows itself unless told otherwise."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml

from tests.e2e import running
from tests.e2e.test_product_faults import bound, installed, writes
from tests.e2e.test_product_placement import node_pool
from tests.e2e.test_walkthrough import get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

FLAVORS = {"b3-8": 2, "b3-16": 4, "b3-32": 8, "b3-64": 16}
"""Flavors with their vCPUs."""
PODS = 25
CALM = {
    "OVH_REQUEST_RATE": "1",
    "OVH_REQUEST_BURST": "5",
    "OVH_POLL_INTERVAL": "5s",
    "NODE_CLASS_INTERVAL": "1m",
    "BATCH_IDLE_DURATION": "3s",
    "BATCH_MAX_DURATION": "30s",
}
"""The controller's own defaults in all that is between it and OVH; a batch that all pods of the test are in."""


def deployment(flavor: str, vcpus: int) -> dict[str, Any]:
    """Pods of which each fills a node of the flavor by more than half."""
    container = {
        "name": "main",
        "image": "registry.k8s.io/pause:3.10",
        "resources": {"requests": {"cpu": f"{vcpus * 600}m"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"on-{flavor}"},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": {"app": flavor}},
            "template": {
                "metadata": {"labels": {"app": flavor}},
                "spec": {
                    "nodeSelector": {"node.kubernetes.io/instance-type": flavor},
                    "containers": [container],
                },
            },
        },
    }


def test_a_hundred_nodes_in_four_pools_take_eight_writes_at_most(control_plane_built, tmp_path):
    """One creation for each pool, and never more than one read a second while the nodes are awaited."""
    with installed(tmp_path) as (plane, ovh):
        running.order(ovh, "PATCH", "/control/quota/GRA11", {"cores": -1, "ram": -1, "instances": -1})
        plane.run("kubectl", "apply", "-f", "-", stdin=node_pool(*FLAVORS))
        with running.controller(plane, {**ovh, **CALM}, tmp_path) as controller:
            running.until(controller.ready, "the controller is ready")
            plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s")
            made = yaml.safe_dump_all(deployment(flavor, vcpus) for flavor, vcpus in FLAVORS.items())
            before, begun = len(running.order(ovh, "GET", "/control/calls")), time.monotonic()
            plane.run("kubectl", "apply", "-f", "-", stdin=made)
            running.until(lambda: bound(plane) == PODS * len(FLAVORS), "all pods are bound", 180, 1)
            waited = time.monotonic() - begun
            running.until(lambda: len(get(plane, "nodeclaims")) == PODS * len(FLAVORS), "one claim each", 5)
        asked = writes(ovh)
        assert 4 <= len(asked) <= 8, json.dumps(asked)
        reads = [call for call in running.order(ovh, "GET", "/control/calls")[before:] if call["method"] == "GET"]
        # A burst of five is saved up while nothing is asked.
        assert len(reads) <= 5 + waited
        print(f"{len(asked)} writes, {len(reads)} reads in {waited:.0f} s")
