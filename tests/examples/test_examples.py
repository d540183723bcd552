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


def solved(example: Path) -> dict[str, Any]:
    """The plan of an example, as a user gets it."""
    command = [sys.executable, "-c", "from controller.cli import main; main()", "solve", "-f", str(example)]
    run = subprocess.run(
        [*command, "-o", "json", "--deterministic", "--time-limit", "20"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    plan: dict[str, Any] = json.loads(run.stdout)
    return plan


def summary(plan: dict[str, Any]) -> dict[str, Any]:
    """What a reader of the example cares about."""
    bought = Counter(f"{n['nodePool']} {n['flavor']} {n['zone']}" for n in plan["create"])
    return {
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
    planned_elsewhere = {ROOT / "examples" / "consolidation"}

    assert [path for path in folders if path not in planned_elsewhere] == EXAMPLES
    assert [path for path in folders if not (path / "README.md").exists()] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example(example: Path):
    """The example's plan is the one written down, proved optimal and accepted by the checker."""
    expected = json.loads((EXPECTED / f"{example.name}.json").read_text())

    assert expected == summary(solved(example))
