"""docs/architecture.md draws the house as it stands, and each decision is in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = TEXT.partition("## The rooms")[2].partition("\n\n`import-linter`")[0]


def folders(package: str) -> list[str]:
    """Packages inside a package, as the table names them."""
    return sorted(f"{package}/{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py"))


@pytest.mark.parametrize(
    "room",
    ["crds/", "catalog/", "bench/", "tests/", *folders("solver"), *folders("solver/search"), *folders("controller")],
)
def test_every_room_is_drawn(room):
    """A newcomer finds each folder in the table."""
    assert f"`{room}`" in ROOMS


def test_every_room_that_is_drawn_stands():
    """Nothing is named that is not there; names without a folder are beside the one before them in their row."""
    for line in ROOMS.splitlines():
        names = re.findall(r"`([a-z_/]+(?:\.py|/))`", line.split("|")[1]) if line.startswith("| `") else []
        folder = Path(names[0]).parent if names else Path()
        for name in names:
            assert (ROOT / name).exists() or (ROOT / folder / name).exists(), name


def test_modules_of_the_solver_are_drawn():
    """Each module that stands in `solver/` itself is in the table, but for the fingerprint of inputs."""
    modules = {path.name for path in (ROOT / "solver").glob("*.py")} - {"__init__.py", "digest.py"}

    assert {name for name in modules if f"`{name}`" not in ROOMS and f"`solver/{name}`" not in ROOMS} == set()


def test_decisions_are_numbered_and_listed():
    """Each page of docs/adr has a number of its own and a row in the index."""
    pages = sorted(path.name for path in (ROOT / "docs" / "adr").glob("*.md") if path.name != "README.md")
    index = (ROOT / "docs" / "adr" / "README.md").read_text()

    assert sorted({page[:4] for page in pages}) == [page[:4] for page in pages]
    assert [page for page in pages if f"({page})" not in index] == []
