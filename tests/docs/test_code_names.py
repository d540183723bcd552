"""Pages about the code name what is there."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted(
    path
    for folder in ("docs", "docs/development", "docs/adr")
    for path in (ROOT / folder).glob("*.md")
    if path.name != "measurements.md"
)
ABOUT_CODE = [
    page for page in PAGES if page.parent.name == "development" or page.name in ("architecture.md", "optimiser.md")
]
MODULES: dict[str, str] = {}
"""Text of all modules of a name."""
for package in ("catalog", "crds", "controller", "solver"):
    for module in sorted((ROOT / package).rglob("*.py")):
        MODULES[module.stem] = MODULES.get(module.stem, "") + module.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ABOUT_CODE, ids=lambda page: page.name)
def test_members_of_modules_exist(page: pathlib.Path):
    """`module.name` is a name in some module of that name."""
    named = re.findall(r"`([a-z_]+)\.([A-Za-z_]+)`", page.read_text(encoding="utf-8"))
    missing = [
        f"{of}.{name}"
        for of, name in named
        if of in MODULES and name != "py" and not re.search(rf"\b{name}\b", MODULES[of])
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page: pathlib.Path):
    """Paths of modules and rooms in a page are there."""
    paths = re.findall(r"`((?:catalog|crds|controller|solver|tests|bench|scripts)/[\w/.-]*)`", page.read_text("utf-8"))
    missing = [path for path in paths if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()]

    assert missing == []
