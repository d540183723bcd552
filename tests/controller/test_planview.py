"""The last plan as it is written and shown again."""

from __future__ import annotations

import json
import pathlib

import jsonschema
import pytest
import yaml

from controller import health, planview
from controller.loops import lastplan
from solver import plan as plans
from solver.render import document
from tests.solver import builders

SCHEMA = pathlib.Path(__file__).parents[2] / "docs" / "plan.schema.json"
MADE = 1767225600.0


def test_the_plan_is_shown_as_solve_shows_it_with_its_age():
    """The table is the controller's own; json and yaml are the document."""
    of = builders.cluster(*builders.pods("web", 1))
    made = builders.plan(of, builders.buy(of, "general-a", ["web-0"]))
    data = lastplan.content(made, MADE, "provisioner")

    text = planview.shown(data, "table", MADE + 200)
    assert text.startswith("planned at 2026-01-01T00:00:00Z (3m ago) by the provisioner\n\n1 node to create for ")
    assert "FLAVOR" in text
    whole = json.loads(planview.shown(data, "json", MADE))
    assert whole["kind"] == "Plan"
    assert whole == yaml.safe_load(planview.shown(data, "yaml", MADE))


@pytest.mark.parametrize("most", [100_000, 20_000, 4_000])
def test_a_large_plan_is_cut_and_says_so(most):
    """What is written fits one object, however many pods there are."""
    of = builders.cluster()
    pods = [f"web-{number}" for number in range(5_000)]
    steps = (plans.Step(("general-a",), (), dict.fromkeys(pods, "general-a"), 60),)
    made = builders.plan(
        of, builders.buy(of, "general-a", pods, requests={"cpu": 1000, "memory": 2**30, "pods": 5000}), steps=steps
    )
    made = builders.changed(made, inputs=builders.changed(made.inputs, hash="sha256:" + "0" * 64))

    text = lastplan.shortened(document.to_document(made), most)
    assert len(text.encode()) <= most
    assert json.loads(text)["shortened"] is True
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text()))


def test_the_page_of_the_metrics_port_shows_the_same():
    """Before the first plan it says why there is none."""
    of = builders.cluster(*builders.pods("web", 1))
    made = builders.plan(of, builders.buy(of, "general-a", ["web-0"]))

    assert health.plan_page({})[0] == 404
    status, kind, body = health.plan_page(lastplan.content(made, MADE, "provisioner"))
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    assert body.decode().startswith("planned at 2026-01-01T00:00:00Z by the provisioner\n\n1 node to create")
