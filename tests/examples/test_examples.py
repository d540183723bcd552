"""Every example has a README and gives the plan that is written down here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXPECTED = Path(__file__).parent / "expected"
EXAMPLES = sorted(ROOT / "examples" / path.stem for path in EXPECTED.glob("*.json"))
EVENING = ["--mode", "consolidate", "--now", "2026-03-02T20:00:00Z"]
ASKED = {"consolidation": EVENING}
"""What is asked of examples that are not about pods that wait."""


def solved(example: Path) -> dict[str, Any]:
    """The plan of an example, as a user gets it."""
    asked = ["-o", "json", "--deterministic", "--time-limit", "20", *ASKED.get(example.name, ())]
    plan: dict[str, Any] = json.loads(printed(example, *asked))
    return plan


def printed(example: Path, *asked: str) -> str:
    """What `solve` prints."""
    command = [sys.executable, "-c", "from controller.cli import main; main()", "solve", "-f", str(example)]
    run = subprocess.run([*command, *asked], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def summary(plan: dict[str, Any]) -> dict[str, Any]:
    """What a reader of the example cares about."""
    bought = Counter(f"{n['nodePool']} {n['flavor']} {n['zone']}" for n in plan["create"])
    removal = {}
    if plan["delete"]:
        removal = {
            "delete": {gone["node"]: gone["reason"] for gone in plan["delete"]},
            "keep": {kept["node"]: kept["reason"] for kept in plan["keep"]},
            "steps": [{"delete": step["delete"], "moved": sorted(step["move"])} for step in plan["steps"]],
            "beforeHourly": plan["cost"]["beforeHourly"],
            "afterHourly": plan["cost"]["afterHourly"],
            "optimumHourly": plan["cost"]["optimumHourly"],
        }
    return removal | {
        "status": plan["status"],
        "verified": plan["verification"]["ok"],
        "create": dict(sorted(bought.items())),
        "createHourly": plan["cost"]["createHourly"],
        "gap": plan["cost"]["gap"],
        "placed": len(plan["placements"]),
        "leftOut": {u["pod"]: u["message"] for u in plan["unschedulable"]},
        "notes": plan["notes"],
    }


def test_all_examples_say_what_to_expect():
    """No example stands outside this test, and each has a README."""
    folders = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())

    assert folders == EXAMPLES
    assert [path for path in folders if not (path / "README.md").exists()] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example(example: Path):
    """The example's plan is the one written down, proved optimal and accepted by the checker."""
    expected = json.loads((EXPECTED / f"{example.name}.json").read_text())

    assert expected == summary(solved(example))


def test_consolidation_is_told_on_one_screen():
    """What goes, where pods move, in which order, why the rest stays, and what it saves: fifty lines at most."""
    told = printed(ROOT / "examples" / "consolidation", *EVENING, "--frontier")

    assert len(told.splitlines()) <= 50
    assert max(len(line) for line in told.splitlines() if not line.startswith("again: ")) <= 120
    for words in ("3 nodes to delete", "MOVE FROM", "STEP", "KEEP", "--max-evictions", "EUR/month", "from zero"):
        assert words in told


def test_consolidation_waits_for_the_evening():
    """In working hours the second budget lets only the empty node go."""
    plan = json.loads(printed(ROOT / "examples" / "consolidation", *EVENING[:3], "2026-03-02T10:00:00Z", "-o", "json"))

    assert [gone["reason"] for gone in plan["delete"]] == ["Empty"]
    words = "No allowed disruptions for disruption reason Underutilized due to blocking budget"
    assert words in {kept["reason"] for kept in plan["keep"]}
