"""The guides: the same structure in both languages, links that lead somewhere, and figures that are what `solve` says."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
import yaml

from catalog import catalogue
from controller.ovh import rights
from solver import options, planner
from solver.render import money
from solver.snapshot import reader
from tests.charts import reference, rendering

DOCS = rendering.ROOT / "docs"
GUIDES = {"en": DOCS / "guide.md", "fr": DOCS / "guide.fr.md"}
PAGES = sorted(path for path in [*DOCS.rglob("*.md"), rendering.ROOT / "README.md", rendering.ROOT / "CONTRIBUTING.md"])


def family(*names: str) -> Any:
    def edit(pool: dict[str, Any], node_class: dict[str, Any]) -> None:
        requirements = pool["spec"]["template"]["spec"]["requirements"]
        next(r for r in requirements if r["key"] == "karpenter.ovhcloud.sh/family")["values"] = list(names)

    return edit


def monthly(pool: dict[str, Any], node_class: dict[str, Any]) -> None:
    family("b2")(pool, node_class)
    node_class["spec"]["monthlyBilled"] = True


def small(pool: dict[str, Any], node_class: dict[str, Any]) -> None:
    requirement = {"key": "karpenter.ovhcloud.sh/cpu", "operator": "Lt", "values": ["5"]}
    pool["spec"]["template"]["spec"]["requirements"].append(requirement)


def limited(pool: dict[str, Any], node_class: dict[str, Any]) -> None:
    pool["spec"]["limits"]["cpu"] = 8


def tainted(pool: dict[str, Any], node_class: dict[str, Any]) -> None:
    pool["spec"]["template"]["spec"]["taints"] = [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]


CHANGES = {
    "family: In [b3, c3]": family("b3", "c3"),
    "family: In [b3, d2]": family("b3", "d2"),
    "family: In [b2]": family("b2"),
    "monthlyBilled: true": monthly,
    "cpu: Lt 5": small,
    "limits.cpu: 8": limited,
    "dedicated=gpu:NoSchedule": tainted,
}


def cost(edit: Any) -> str:
    """What the example costs an hour after an edit, as the guide writes it."""
    found = []
    for path in sorted((rendering.ROOT / "examples" / "inflate").glob("*.yaml")):
        found += list(yaml.safe_load_all(path.read_text()))
    by_kind = {each["kind"]: each for each in found}
    edit(by_kind["NodePool"], by_kind["OVHNodeClass"])
    of = reader.from_objects(found, name="guide")
    plan = planner.plan(of, catalogue.embedded(), options.Options(deterministic=True), planner.Run(clock=lambda: 0.0))
    return money.text(plan.cost.after)[:6]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("language", GUIDES)
def test_a_change_has_the_effect_that_the_guide_tells(language, change):
    """Each row of the table names the change and what the example then costs."""
    rows = [line for line in GUIDES[language].read_text().splitlines() if line.startswith("|") and change in line]

    assert any(row.rstrip("| ").endswith(f"| {cost(CHANGES[change])}") for row in rows), cost(CHANGES[change])


def outline(text: str) -> list[str]:
    """Levels of headings, tables and listings, in order."""
    shape = []
    for line in text.splitlines():
        if match := re.match(r"(#+) (\d*)", line):
            shape.append(f"{match[1]} {match[2]}")
        elif re.match(r"\| ---|```", line):
            shape.append(line[:5])
    return shape


def test_both_languages_have_the_same_structure():
    """The same sections, tables and listings in the same order, and as many entries of troubleshooting."""
    english, french = (GUIDES[language].read_text() for language in ("en", "fr"))

    assert outline(english) == outline(french)
    assert english.count("\n**") == french.count("\n**")


@pytest.mark.parametrize("language", GUIDES)
def test_the_rights_are_those_that_are_used(language):
    """Each rule that the code needs is in the list, and no other."""
    text = GUIDES[language].read_text()
    listed = re.findall(r"^(GET|POST|PUT|DELETE) +(/cloud\S+)$", text, re.MULTILINE)

    assert [f"{method} {path}" for method, path in listed] == [right.rule for right in rights.needed("*", "*")]
    for right in rights.needed("*", "*"):
        assert all(action.removeprefix("publicCloudProject:apiovh:") in text for action in right.actions)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(rendering.ROOT)))
def test_links_lead_somewhere(path: pathlib.Path):
    """Every relative link is a file or folder, and every anchor a heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        to = (path.parent / file).resolve() if file else path
        assert to.exists(), target
        if anchor:
            assert anchor in {slug(line) for line in to.read_text().splitlines() if line.startswith("#")}, target


def slug(heading: str) -> str:
    """The anchor that the forge makes of a heading."""
    text = heading.lstrip("# ").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def test_the_reference_is_complete():
    """No page of the reference is left from an earlier time."""
    assert {path.name for path in reference.FOLDER.glob("*.md")} == set(reference.pages())


def test_every_page_is_in_the_index():
    """A reader who begins at docs/README.md finds them all, decisions by way of their own index."""
    targets = set(re.findall(r"\]\(([^)\s#]+)\)", (DOCS / "README.md").read_text()))
    linked = {(DOCS / target).resolve() for target in targets}

    assert {path for path in DOCS.rglob("*.md") if path.parent.name != "adr" and path.name != "README.md"} <= linked
