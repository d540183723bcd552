"""
The real kube-scheduler carries plans out.

Random clusters over all rules, and every example, are planned; nodes, running pods, volumes and the DaemonSets' pods of
each plan are made in a control plane, every pod is kept to its planned node, and kube-scheduler decides.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import pytest

from catalog import catalogue
from solver import cluster, options, plan, planner, snapshot
from tests.e2e import controlplane
from tests.e2e.judge import court, docket, legal, manifests
from tests.solver.build import random_clusters
from tests.solver.rules import world
from tests.solver.rules.world import HOSTNAME

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


@pytest.fixture(scope="module")
def bench(control_plane_built: None) -> Iterator[court.Court]:
    """A court of its own for plans that are wrong."""
    with controlplane.ControlPlane(**court.SETTINGS) as plane, court.Court(plane) as opened:
        yield opened


def apart() -> tuple[cluster.Cluster, catalogue.Catalogue, options.Options, plan.Plan]:
    """Two pods that keep off each other's node, one old node, and the plan for them: one of the pods gets a new node."""
    spec = world.spec(anti_affinity=(world.near(HOSTNAME, app="web"),))
    of = world.world(world.pods("web", 2, of=spec, labels={"app": "web"}), world.node("old"))
    asked = options.Options(time_limit=5.0, deterministic=True, workers=1)
    return of, world.shelf(), asked, planner.plan(of, world.shelf(), asked, planner.Run(clock=time.monotonic))


@pytest.mark.e2e
def test_a_pod_on_the_wrong_node_is_found(bench: court.Court):
    """A plan that puts both pods on one node is refused for one of them, whichever goes first."""
    of, known, asked, good = apart()
    bad = dataclasses.replace(good, create=(), placements=dict.fromkeys(good.placements, "old"))

    verdict = bench.judge(of, known, asked, bad)

    assert (verdict.bound, len(verdict.stuck)) == (1, 1)
    assert "didn't match pod anti-affinity rules" in verdict.wrong[0]


@pytest.mark.e2e
def test_a_pod_that_is_left_out_for_nothing_is_found(bench: court.Court):
    """A plan that leaves a pod out although one of its nodes would take it is found out."""
    of, known, asked, good = apart()
    left = next(pod for pod, node in good.placements.items() if node == "old")
    others = {pod: node for pod, node in good.placements.items() if pod != left}
    bad = dataclasses.replace(good, placements=others, unschedulable=(plan.Unschedulable(left, ""),))

    verdict = bench.judge(of, known, asked, bad)

    assert (verdict.bound, verdict.taken) == (1, {left: "old"})


@pytest.mark.e2e
def test_plans_do_not_see_each_other(bench: court.Court):
    """The same plan is confirmed again and again, with nothing left of the one before."""
    verdicts = [bench.judge(*apart()) for _ in range(3)]

    assert [(each.planned, each.bound, each.wrong) for each in verdicts] == [(2, 2, [])] * 3


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
@pytest.mark.timeout(600)
def test_plans_for_workloads_that_count_each_other(control_plane_built: None, capsys: pytest.CaptureFixture[str]):
    """The same where most pods look alike to spreads that only some of them carry; some plans go in turns."""
    record = docket.hear(docket.random_cases(0, PLANS // 3, alike=True))

    with capsys.disabled():
        print(f"\n{record}")
    assert record.faults == []
    assert record.bound == record.planned > 300
    assert record.confirmed + record.barred == record.left_out > 200


@pytest.mark.e2e
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_plans_are_carried_out(control_plane_built: None, capsys: pytest.CaptureFixture[str]):
    """The same for many more random plans."""
    record = docket.hear(docket.random_cases(10_000, 2_000))

    with capsys.disabled():
        print(f"\n{record}")
    assert record.faults == []
