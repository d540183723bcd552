"""Static NodePools."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from catalog import catalogue
from controller.loops import static
from solver import cluster, options, planner
from solver.snapshot import reader
from tests.controller.loops import make
from tests.controller.loops.test_marks import CLASS, raw_pool

NODE_CLASS = {"apiVersion": "karpenter.ovhcloud.sh/v1alpha1", "kind": "OVHNodeClass", **CLASS}


def bought(count: int, *extra: make.Object, **spec: Any) -> list[str]:
    pool = raw_pool(replicas=3, **spec)
    pool["spec"]["template"]["spec"]["taints"] = [{"key": "dedicated", "effect": "NoSchedule"}]
    of = reader.from_objects([pool, NODE_CLASS, *extra], strict=False, name="test")
    asked = options.Options(time_limit=1, deterministic=True)
    plan = planner.plan(static.asking(of, "general", count), catalogue.embedded(), asked, planner.Run(lambda: 0.0))
    return [node.flavor for node in plan.create]


def test_missing_nodes_are_the_cheapest_that_the_pool_allows():
    """One node each, although a single one would have room for all; the pool's taint does not matter."""
    cheapest = min(
        (f.hourly_micro_eur, f.name) for f in catalogue.embedded().flavors.values() if f.offered and f.hourly_micro_eur
    )[1]

    assert bought(3) == [cheapest] * 3


def test_limits_hold_for_static_pools_too():
    """`nodes` is the one that they may have."""
    assert len(bought(3, limits={"nodes": "2"})) == 2


def test_nodes_and_pods_that_are_there_do_not_matter():
    """A node of the pool is no home for a missing one, and waiting pods get nothing."""
    node = make.node("general-node", labels={"karpenter.sh/nodepool": "general"})

    assert len(bought(2, node, make.pod("waits"))) == 2


@pytest.mark.parametrize(
    ("replicas", "going"), [(4, []), (3, ["bare"]), (2, ["bare", "empty"]), (1, ["bare", "empty", "busy"])]
)
def test_the_least_disturbing_claims_go_first(replicas, going):
    """Without a machine, without pods, with pods, and last those whose pods must not be disturbed."""
    claims = [make.claim(name) for name in ("shielded", "busy", "empty", "bare")]
    claims[3]["status"]["providerID"] = ""
    pods = {
        "openstack:///busy": [make.pod("p", "n")],
        "openstack:///empty": [make.pod("ds", "n", owner="DaemonSet")],
        "openstack:///shielded": [make.pod("q", "n", annotations={"karpenter.sh/do-not-disrupt": "true"})],
    }

    found = static.surplus(claims, replicas, pods, make.T0_SECONDS)

    assert [each["metadata"]["name"] for each in found] == going


def test_claims_that_wait_for_their_replacement_do_not_count():
    """Neither do those in deletion or of other pools."""
    waiting = make.claim("w", make.condition("DisruptionReason"))
    other = make.claim("o", labels={"karpenter.sh/nodepool": "other"})
    claims = [make.claim("a"), waiting, make.claim("d", deletionTimestamp=make.T0), other]

    assert [each["metadata"]["name"] for each in static.counted(claims, "general")] == ["a"]


def test_the_cluster_that_is_asked_about_is_only_that():
    """Other NodePools keep their replicas."""
    of = cluster.Cluster()
    of.node_pools = reader.from_objects([raw_pool(replicas=3), NODE_CLASS], strict=False, name="t").node_pools
    other = dataclasses.replace(of.node_pools["general"], name="other")
    of.node_pools["other"] = other
    static.asking(of, "general", 1)

    assert of.node_pools["other"].manifest.spec.replicas == 3
    assert of.node_pools["general"].manifest.spec.replicas is None
