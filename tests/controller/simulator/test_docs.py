"""The simulator's page says what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from controller.simulator import command, control, faults, model

PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"


def _rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading."""
    section = PAGE.read_text(encoding="utf-8").partition(heading)[2].split("\n#", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"][
        2:
    ]


def test_every_control_route_is_listed() -> None:
    """With the words of GET /control."""
    rows = [tuple(row) for row in _rows("## Steering it")]

    assert rows == [(f"`{route}`", purpose) for route, purpose in control.listed()]


def test_every_option_is_listed() -> None:
    """Each row names options that exist, and none is left out."""
    named = {name for row in _rows("# The OVH simulator") for name in re.findall(r"`(--[a-z-]+)", row[0])}
    options = {name for each in command.simulate_ovh.params for name in each.opts}

    assert named == options


def test_every_kind_of_fault_is_listed() -> None:
    """In the code's order."""
    assert [row[0].strip("`") for row in _rows("### Faults")] == list(get_args(faults.Kind))


@pytest.mark.parametrize(("heading", "kind"), [("### Timings", model.Timings), ("### Habits", model.Habits)])
def test_every_setting_is_listed_with_its_default(heading: str, kind: Any) -> None:
    """Names in the code's order; a habit's default is set in bold."""
    rows = _rows(heading)
    defaults = kind()

    assert [row[0].strip("`") for row in rows] == [each.name for each in dataclasses.fields(kind)]
    for row in rows:
        default = getattr(defaults, row[0].strip("`"))
        written = re.search(r"\*\*(.+?)\*\*", row[1])
        if written:
            assert written[1] == str(default)
        elif isinstance(default, tuple):
            assert row[1] == "–".join(f"{each:g}" for each in default)
        else:
            assert row[1] == ("never" if default is None else f"{default:g}")
