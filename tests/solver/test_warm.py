"""Starting from an earlier plan: what still holds is kept, and what does not is taken out."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bench import workloads
from catalog import catalogue
from solver import cluster, options, planner, warm
from solver import plan as plans
from solver.cli.solve import solve
from solver.render import document
from solver.snapshot import reader

ASKED = options.Options(seed=3, deterministic=True, time_limit=0.5)


def batch(pods: int, seed: int = 1) -> cluster.Cluster:
    """Pods of a dozen random classes, of which the first ones are the same for any number."""
    everything = workloads.random_classes(400, 12, seed)
    rest = [each for each in everything if each["kind"] != "Pod"]
    waiting = sorted(
        (each for each in everything if each["kind"] == "Pod"), key=lambda p: hash_of(p["metadata"]["name"])
    )
    return reader.from_objects(rest + waiting[:pods], name="test")


def hash_of(name: str) -> int:
    """An order that mixes classes and never changes."""
    return sum(ord(c) * pow(31, i, 1009) for i, c in enumerate(name)) % 1009


def plan(of: cluster.Cluster, earlier: warm.Earlier | None = None, asked: options.Options = ASKED) -> plans.Plan:
    """The plan of a batch."""
    return planner.plan(of, catalogue.embedded(), asked, planner.Run(clock=time.monotonic, warm=earlier))


def test_a_document_says_the_same_as_its_plan():
    """So a plan may be kept as JSON or YAML in between."""
    first = plan(batch(40))
    printed = document.to_document(first)

    assert warm.of_document(json.loads(document.to_json(printed))) == warm.of_plan(first)
    assert warm.of_document(yaml.safe_load(document.to_yaml(printed))) == warm.of_plan(first)


@pytest.mark.parametrize("nonsense", [None, [], "text", {}, {"kind": "Plan"}, {"kind": "Plan", "create": 3}])
def test_what_is_no_plan_is_said_to_be_none(nonsense):
    """Whatever a file may hold."""
    with pytest.raises(ValueError, match="not a plan"):
        warm.of_document(nonsense)


def test_the_same_question_starts_where_the_earlier_answer_ended():
    """With next to no time the plan is no worse than the one that had more."""
    of = batch(300)
    first = plan(of)
    hurried = dataclasses.replace(ASKED, time_limit=0.001)

    again = plan(of, warm.of_plan(first), hurried)

    assert again.verification.ok
    assert again.cost.after <= first.cost.after
    assert plan(of, asked=hurried).cost.after >= again.cost.after


@pytest.mark.parametrize("pods", [120, 300])
def test_pods_that_came_and_went_leave_the_rest_where_it_was(pods):
    """Most nodes of the earlier plan are found again, and the plan is valid and about as good as one from nothing."""
    first = plan(batch(200))
    of = batch(pods)

    again = plan(of, warm.of_plan(first), dataclasses.replace(ASKED, time_limit=0.001))

    assert again.verification.ok
    assert not again.unschedulable
    assert again.cost.after <= 1.05 * plan(of).cost.after


def test_an_offer_that_is_gone_is_not_used_again():
    """Its pods go elsewhere."""
    of = batch(200)
    first = plan(of)
    flavor = first.create[0].flavor

    again = plan(of, warm.of_plan(first), dataclasses.replace(ASKED, without_flavors=(flavor,)))

    assert again.verification.ok
    assert not again.unschedulable
    assert flavor not in {node.flavor for node in again.create}


def test_the_command_takes_a_file_and_refuses_another(tmp_path: Path):
    """A plan as printed is taken; a wrong file is named in one line."""
    manifests = tmp_path / "pods.json"
    objects = workloads.random_classes(40, 4, 1)
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    run = CliRunner()
    asked = [
        "-f",
        str(manifests),
        "--deterministic",
        "--time-limit",
        "0.5",
        "-o",
        "json",
        "--now",
        "2026-01-01T00:00:00Z",
    ]
    first = run.invoke(solve, asked)
    kept = tmp_path / "plan.json"
    kept.write_text(first.stdout)

    again = run.invoke(solve, [*asked, "--warm-from", str(kept)])
    wrong = run.invoke(solve, [*asked, "--warm-from", str(manifests)])
    missing = run.invoke(solve, [*asked, "--warm-from", str(tmp_path / "none.json")])

    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["cost"]["afterHourly"] <= json.loads(first.stdout)["cost"]["afterHourly"]
    assert wrong.exit_code == missing.exit_code == 2
    assert "is no plan" in wrong.output
    assert "cannot be read" in missing.output
