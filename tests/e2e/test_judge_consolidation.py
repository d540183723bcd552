"""
The real kube-scheduler carries consolidation out: the cluster before, one step after the other, everything bound.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from solver import cluster, plan
from tests.e2e import controlplane
from tests.e2e.judge import court, replay
from tests.solver.disruption import worlds

PLANS = 50


def moving() -> Iterator[tuple[int, cluster.Cluster, plan.Plan]]:
    """Random clusters whose plan moves pods, by seed."""
    for seed in itertools.count():
        of = worlds.draw(seed)
        done = worlds.plan_of(of, deterministic=True)
        if worlds.moved(of, done):
            yield seed, of, done


@pytest.mark.parametrize("skipped", range(3))
def test_stages_end_where_the_plan_ends(skipped: int):
    """The last stage, with its pods in place, is the cluster that the plan promises."""
    _, of, done = next(itertools.islice(moving(), skipped, None))

    *_, (last, step) = replay.stages(of, done)

    placed = {key: step.placements.get(key, pod.node) for key, pod in last.pods.items()}
    assert placed == {key: pod.node for key, pod in worlds.carried_out(of, done).pods.items()}
    assert not {gone.node for gone in done.delete} & last.nodes.keys()


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_plans_are_carried_out_step_by_step(control_plane_built: None, capsys: pytest.CaptureFixture[str]):
    """Fifty plans: whatever pod moves is bound to its node in its step."""
    found = replay.Replay()
    with controlplane.ControlPlane(**court.SETTINGS) as plane, court.Court(plane) as bench:
        for seed, of, done in itertools.islice(moving(), PLANS):
            replay.carry_out(bench, of, done, found, f"seed {seed}")

    with capsys.disabled():
        print(f"\n{found.plans} plans, {found.steps} steps: {found.bound} of {found.moved} moved pods bound as planned")
    assert found.wrong == []
    assert found.bound == found.moved > PLANS
