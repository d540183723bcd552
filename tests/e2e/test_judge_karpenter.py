"""The real kube-scheduler carries plans of the real Karpenter out: those that hold in turns only, in turns."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time

import pytest

from bench import measure, workloads
from bench.peers import karpenter
from catalog import catalogue
from solver import options, snapshot
from tests.e2e import controlplane
from tests.e2e.judge import court

PODS, SEED = 300, 1

missing = karpenter.missing()
if missing:
    pytest.skip(missing, allow_module_level=True)


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_plan_that_breaks_spreads_in_the_end_is_bound_in_its_turns(control_plane_built: None, tmp_path: pathlib.Path):
    """All pods of upstream's diverse mix are bound where Karpenter's plan has them, turn by turn; without turns they are not."""
    manifests = workloads.diverse(PODS, SEED)
    file = tmp_path / "problem.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    question = measure.Question(snapshot.read([str(file)]), catalogue.embedded(), options.Options(), time.monotonic)
    asked = karpenter.problem(manifests)
    decided = karpenter.run(asked)["results"][0]["plan"]

    carried = measure.carried_out(question, asked, decided)

    assert carried.plan.verification.ok
    assert len(carried.plan.steps) > 1
    with controlplane.ControlPlane(**court.SETTINGS) as plane, court.Court(plane) as bench:
        in_turns = bench.judge(question.of, question.known, question.asked, carried.plan)
        at_once = bench.judge(question.of, question.known, question.asked, dataclasses.replace(carried.plan, steps=()))
    assert (in_turns.bound, in_turns.wrong) == (PODS, [])
    assert at_once.bound < PODS
