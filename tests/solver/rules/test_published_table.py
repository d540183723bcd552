"""The table of rules in docs/scheduling.md is true."""

import re
import textwrap
from pathlib import Path
from typing import Any

from solver import rules
from solver.check import oracle

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "scheduling.md"


def rows() -> list[list[str]]:
    """Cells of the table, without its head."""
    section = DOCS.read_text(encoding="utf-8").split("## Where each rule stands\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def paths(cell: str) -> list[str]:
    return re.findall(r"`([^`]+\.py)`", cell)


def path_of(judge: Any) -> str:
    return f"{judge.__module__.replace('.', '/')}.py"


def test_every_rule_has_a_row_in_order():
    """The rows are the rules of the list, in its order, each modelled by its own module."""
    assert [row[0].strip("`") for row in rows()] == [rule.name for rule in rules.RULES]
    assert [paths(row[2]) for row in rows()] == [[f"solver/rules/{rule.name}.py"] for rule in rules.RULES]


def test_every_path_exists():
    """Modules and tests that the document names are there."""
    named = re.findall(r"`((?:solver|tests|docs)/[^`]+\.py)`", DOCS.read_text(encoding="utf-8"))

    assert named
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_every_rule_is_checked_by_the_oracle():
    """The modules that check rules are asked by the oracle, and each that it asks about placements is named."""
    judges = (*oracle.DOCUMENT_RULES, *oracle.PLACEMENT_RULES, *oracle.PURCHASE_RULES)
    asked = {path_of(judge) for judge in judges} | {"solver/check/fleet.py"}
    named = {path for row in rows() for path in paths(row[3])}

    assert named <= asked
    assert {path_of(judge) for judge in oracle.PLACEMENT_RULES} <= named


def test_every_rule_has_worked_examples():
    """Each rule is shown from end to end, and no module of examples is without a rule."""
    named = [paths(row[5]) for row in rows()]

    assert all(named)
    assert {path for each in named for path in each} == {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/solver/spec").glob("test_*.py")
    }


def test_every_rule_has_its_own_tests():
    """Each rule is specified by a test module of its own name, and by tests of its checker."""
    for rule, row in zip(rules.RULES, rows(), strict=True):
        model, *others = paths(row[4])
        assert model == f"tests/solver/rules/test_{rule.name}.py"
        assert all(path.startswith("tests/solver/check/") for path in others)
        assert others


def test_the_example_in_contributing_is_the_code():
    """The rule shown there stands in its module word for word, and its lines stand where the lists are said to have them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    (rule,) = (textwrap.dedent(words).strip() for kind, words in shown if kind == "python")
    code = (ROOT / "solver/rules/host_ports.py").read_text(encoding="utf-8").replace("  # noqa: A001", "")
    assert rule in code

    lists = [
        (ROOT / path).read_text(encoding="utf-8") for path in ("solver/rules/__init__.py", "solver/check/oracle.py")
    ]
    changes = [words for kind, words in shown if kind == "diff"]
    for change, where in zip(changes, lists, strict=True):
        lines = [line.strip().lstrip("+ ") for line in change.splitlines()]
        assert "\n".join(f"    {line}" for line in lines[lines.index("…") + 1 :]) in where
