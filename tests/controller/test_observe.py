"""Gauges worked out at a scrape, on a small cluster whose figures can be added up by hand."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import core

from catalog import catalogue
from controller import metrics, observe, settings, world
from controller.kube import events, kinds, mirror
from controller.observe import podtimes
from tests.controller.kube import memory
from tests.controller.loops import make

NODE = {"cpu": "4", "memory": "16Gi", "pods": "110"}


@pytest.fixture
def shared() -> world.World:
    """One node of the pool general with two pods and a DaemonSet's, one pod that waits, and a claim without a node."""
    api = memory.Memory()
    found = world.World(
        api, mirror.Mirror(api), events.Recorder(api), settings.Settings(), clock=lambda: make.T0_SECONDS + 3600
    )
    node = make.node("node-a", labels={"karpenter.sh/nodepool": "general", "node.kubernetes.io/instance-type": "b3-16"})
    node["metadata"]["creationTimestamp"] = make.T0
    node["spec"]["providerID"] = "openstack:///general-a"
    node["status"] |= {"capacity": NODE, "allocatable": {"cpu": "3830m", "memory": "13Gi", "pods": "110"}}
    first = make.claim("general-a", make.condition("Initialized"))
    first["status"]["capacity"] = NODE
    coming = make.claim("general-b")
    coming["status"]["providerID"] = ""
    for kind, item in (
        (kinds.NODE, node),
        (kinds.NODE_CLAIM, first),
        (kinds.NODE_CLAIM, coming),
        (kinds.NODE_POOL, pool()),
        (kinds.POD, asking("web-0", "node-a", "500m")),
        (kinds.POD, asking("web-1", "node-a", "1")),
        (kinds.POD, asking("agent", "node-a", "100m", owner="DaemonSet")),
        (kinds.POD, asking("web-2", "", "1")),
    ):
        found.mirror.observe(kind, {**item, "metadata": {**item["metadata"], "resourceVersion": "1"}})
    return found


def pool() -> dict[str, Any]:
    reference = {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": "general", "uid": "u", "creationTimestamp": make.T0},
        "spec": {
            "template": {"spec": {"nodeClassRef": reference, "requirements": []}},
            "limits": {"cpu": "100", "memory": "200Gi"},
            "disruption": {"consolidateAfter": "0s", "budgets": [{"nodes": "1"}]},
        },
        "status": {"conditions": [make.condition("Ready", "False", reason="UnhealthyDependents")]},
    }


def asking(name: str, node: str, cpu: str, **more: Any) -> dict[str, Any]:
    found = make.pod(name, node, **more)
    found["metadata"]["creationTimestamp"] = make.T0
    resources = {"requests": {"cpu": cpu}, "limits": {"cpu": "2"}}
    found["spec"] |= {"containers": [{"name": "main", "image": "i", "resources": resources}]}
    return found


def scrape(of: world.World, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[core.Sample]]:
    """All samples by name."""
    monkeypatch.setattr(of.mirror, "synced", lambda: True)
    return {family.name: family.samples for family in observe.Observer(of, lambda: True).collect()}


def value(samples: list[core.Sample], **labels: str) -> float:
    """The only sample with these labels."""
    (found,) = (each.value for each in samples if labels.items() <= each.labels.items())
    return float(found)


def test_requests_of_daemon_sets_are_told_apart(shared, monkeypatch):
    """CPU counts in cores: 1.5 by pods, 0.1 by the DaemonSet; limits likewise; the node keeps 0.17 of 4 for itself."""
    seen = scrape(shared, monkeypatch)

    def of(metric: metrics.Scraped) -> float:
        return value(seen[metric.name], node_name="node-a", resource_type="cpu")

    assert of(metrics.NODES_ALLOCATABLE) == 3.83
    assert of(metrics.NODES_POD_REQUESTS) == 1.5
    assert of(metrics.NODES_POD_LIMITS) == 4
    assert of(metrics.NODES_DAEMON_REQUESTS) == 0.1
    assert of(metrics.NODES_DAEMON_LIMITS) == 2
    assert round(of(metrics.NODES_OVERHEAD), 3) == 0.17
    assert value(seen[metrics.UTILIZATION.name], resource_type="cpu") == pytest.approx(100 * 1.6 / 3.83)
    assert value(seen[metrics.NODES_AGE.name], node_name="node-a") == 3600


def test_a_pool_says_what_it_uses_may_use_and_costs(shared, monkeypatch):
    """Both claims cost their catalogue price; only the one with a capacity is used; one disruption is allowed."""
    seen = scrape(shared, monkeypatch)
    price = (catalogue.embedded().flavors["b3-8"].hourly_micro_eur or 0) / 1e6

    assert value(seen[metrics.NODEPOOL_USAGE.name], nodepool="general", resource_type="cpu") == 4
    assert value(seen[metrics.NODEPOOL_USAGE.name], nodepool="general", resource_type="nodes") == 2
    assert value(seen[metrics.NODEPOOL_LIMIT.name], nodepool="general", resource_type="memory") == 200 * 2**30
    assert value(seen[metrics.NODEPOOL_COST.name], nodepool="general") == pytest.approx(2 * price)
    assert value(seen[metrics.COST.name]) == pytest.approx(2 * price)
    assert value(seen[metrics.ALLOWED_DISRUPTIONS.name], nodepool="general", reason="Empty") == 1
    assert value(seen[metrics.CONSUMING_BUDGETS.name], nodepool="general", reason="Empty") == 0


def test_pods_and_conditions_are_there_one_by_one(shared, monkeypatch):
    """A pod that waits has no node and an age; the pool's condition is what alerts ask for."""
    seen = scrape(shared, monkeypatch)

    assert value(seen[metrics.PODS_STATE.name], name="web-2", scheduled="false", node="", managed="false") == 1
    assert value(seen[metrics.PODS_STATE.name], name="web-0", scheduled="true", nodepool="general", managed="true") == 1
    assert value(seen[metrics.PODS_UNBOUND.name], name="web-2", namespace="default") == 3600
    assert value(seen["operator_nodepool_status_condition_count"], name="general", type="Ready", status="False") == 1
    age = seen["operator_nodepool_status_condition_current_status_seconds"]
    assert value(age, name="general", type="Ready") == 3600


def test_large_clusters_may_do_without_a_series_for_each_object(shared, monkeypatch):
    """What is left grows with NodePools and flavors only."""
    monkeypatch.setattr(shared, "settings", settings.Settings(cluster_state_observability=False))
    seen = scrape(shared, monkeypatch)

    assert metrics.COST.name in seen
    assert not {metrics.PODS_STATE.name, metrics.NODES_ALLOCATABLE.name, "operator_node_status_condition_count"} & set(
        seen
    )


def test_a_replica_that_waits_for_the_lease_tells_nothing(shared, monkeypatch):
    """Sums over both replicas count each pod and each euro once."""
    monkeypatch.setattr(shared.mirror, "synced", lambda: True)

    assert list(observe.Observer(shared, lambda: False).collect()) == []


def test_pods_are_timed_from_creation_to_binding_and_readiness():
    """A pod that had a node when it was first heard of is not counted."""
    before = metrics.POD_BOUND_SECONDS._sum.get(), metrics.POD_STARTUP_SECONDS._totals.get((), (0, 0.0))
    times = podtimes.PodTimes()
    for name, first in (("web-0", ""), ("old", "node-a")):
        for node, conditions in (
            (first, []),
            ("node-a", [make.condition("PodScheduled", since="2026-01-01T00:00:20Z")]),
            (
                "node-a",
                [
                    make.condition("PodScheduled", since="2026-01-01T00:00:20Z"),
                    make.condition("Ready", since="2026-01-01T00:00:30Z"),
                ],
            ),
        ):
            pod = make.pod(name, node, creationTimestamp=make.T0)
            pod["status"]["conditions"] = conditions
            times(kinds.POD, "MODIFIED", pod)

    assert metrics.POD_BOUND_SECONDS._sum.get() == before[0] + 20
    assert metrics.POD_STARTUP_SECONDS._totals[()] == (before[1][0] + 1, before[1][1] + 30)
