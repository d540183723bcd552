"""Karpenter's provisioned nodes as a cluster that its consolidation can look at."""

from __future__ import annotations

import pytest

from bench import afterwards, workloads
from bench.peers import karpenter
from catalog import catalogue

missing = karpenter.missing()
if missing:
    pytest.skip(missing, allow_module_level=True)


def test_what_was_bought_is_there_and_all_pods_run():
    """As many euros an hour as its plan said, and no more after consolidation."""
    manifests = workloads.upstream(60, 1)
    bought = karpenter.run(karpenter.problem(manifests))["results"][0]["hourlyEur"][0]

    cluster = afterwards.provisioned(manifests, catalogue.embedded())

    assert all(each["spec"].get("nodeName") for each in cluster if each["kind"] == "Pod")
    found = afterwards.consolidated(cluster)
    assert found["hourlyBefore"] == pytest.approx(bought)
    assert found["hourlyAfter"] <= found["hourlyBefore"]


def test_nodes_of_three_zones_are_where_they_were_bought():
    """A pod that is kept to a zone runs on a node of that zone."""
    manifests = workloads.diverse(60, 1)
    manifests += [workloads.pod("fixed", 100, 100, nodeSelector={workloads.ZONE: workloads.ZONES[2]})]

    cluster = afterwards.provisioned(manifests, catalogue.embedded())

    node = next(each["spec"]["nodeName"] for each in cluster if each["metadata"]["name"] == "fixed")
    zones = {
        each["metadata"]["name"]: each["metadata"]["labels"][workloads.ZONE]
        for each in cluster
        if each["kind"] == "Node"
    }
    assert zones[node] == workloads.ZONES[2]
    assert set(zones.values()) <= {*workloads.ZONES}
