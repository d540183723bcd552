"""
The real kube-scheduler carries plans out.

Random clusters over all rules, and every example, are planned; nodes, running pods, volumes and the DaemonSets' pods of
each plan are made in a control plane, every pod is kept to its planned node, and kube-scheduler decides.
"""

from __future__ import annotations

import dataclasses

import pytest

from solver import cluster, snapshot
from tests.e2e.judge import docket, legal, manifests
from tests.solver.build import random_clusters

PLANS = 300


@pytest.mark.parametrize("seed", range(50))
def test_random_clusters_are_written_faithfully(seed: int):
    """What is written of a cluster reads as the same pods, nodes and volumes."""
    of = legal.admissible(random_clusters.draw(seed)[0])

    read = snapshot.from_objects(manifests.to_manifests(of), strict=False)

    assert [(pod.key, pod.spec, pod.node, dict(pod.labels)) for pod in read.pods.values()] == [
        (pod.key, _as_read(pod.spec), pod.node, pod.labels) for pod in of.pods.values()
    ]
    assert [(node.labels, node.taints, node.allocatable) for node in read.nodes.values()] == [
        (node.labels, node.taints, node.allocatable) for node in of.nodes.values()
    ]
    assert read.volumes == of.volumes
    assert read.storage_classes == of.storage_classes
    assert read.csi_limits == of.csi_limits
    assert [(claim.volume, claim.bind_completed) for claim in read.volume_claims.values()] == [
        (claim.volume, claim.bind_completed) for claim in of.volume_claims.values()
    ]


def _as_read(spec: cluster.PodSpec) -> cluster.PodSpec:
    """The spec with claims in order, and with the access mode that is written where none is known."""
    claims = tuple(
        cluster.EphemeralClaim(each.volume, each.storage_class, each.access_modes or ("ReadWriteOnce",))
        for each in spec.ephemeral_claims
    )
    return dataclasses.replace(spec, claims=tuple(sorted(spec.claims)), ephemeral_claims=claims)


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_plans_are_carried_out(control_plane_built: None, capsys: pytest.CaptureFixture[str]):
    """All planned pods are bound where planned; pods that are left out find no place on the plan's nodes."""
    record = docket.hear([*docket.examples(), *docket.random_cases(0, PLANS)])

    with capsys.disabled():
        print(f"\n{record}")
    assert record.faults == []
    assert record.plans >= PLANS
    assert record.bound == record.planned > 1_000
    assert record.confirmed + record.barred == record.left_out > 500


@pytest.mark.e2e
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_plans_are_carried_out(control_plane_built: None, capsys: pytest.CaptureFixture[str]):
    """The same for many more random plans."""
    record = docket.hear(docket.random_cases(10_000, 2_000))

    with capsys.disabled():
        print(f"\n{record}")
    assert record.faults == []
