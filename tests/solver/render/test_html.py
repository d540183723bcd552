"""The report: one page that stands alone, whatever names are in the plan."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from solver import plan as plans
from solver.render import html, svg
from tests.solver import builders as b

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and asserts that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def plan() -> plans.Plan:
    """Two nodes, one pod left out, and phases that took time."""
    of = b.cluster(b.pool(), b.node_class(), *b.pods("web", 3), b.pod("huge"))
    made = b.plan(of, b.buy(of, "small", ["web-0"], "b3-8"), b.buy(of, "large", ["web-1", "web-2"], zone=b.B))
    left = plans.Unschedulable(
        "default/huge",
        "no instance type has enough resources",
        (plans.Reason("general", "no instance type has enough resources", "resources", 6),),
        (plans.Relaxation("allow flavor b3-64", 410_000),),
    )
    phases = (plans.Phase("fill", 0.1, 200_000), plans.Phase("exact", 0.4, 150_000))
    return dataclasses.replace(
        made,
        unschedulable=(left,),
        solve=dataclasses.replace(made.solve, phases=phases),
        cost=dataclasses.replace(made.cost, lower_bound=140_000),
    )


def test_page_needs_nothing_else(plan):
    """No script, nothing that is fetched, styles for the dark and for paper."""
    text = html.page(plan)
    page = Page(text)

    assert "script" not in {tag for tag, _ in page.tags}
    assert not [a for _, attrs in page.tags for a in attrs if a in ("src", "href", "srcset", "onload", "onclick")]
    assert not re.search(r"url\(|@import", text)
    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text


def test_pictures_have_titles_and_tables_beside_them(plan):
    """Each picture is valid XML with a title, and stands in a section with a table of the same figures."""
    text = html.page(plan)
    pictures = re.findall(r"<svg.*?</svg>", text)

    assert len(pictures) == 4
    for picture in pictures:
        assert ET.fromstring(picture)[0].text
    assert (
        len(re.findall(r'<section class="both"><figure[^>]*><svg', text))
        == len(re.findall(r"</svg></figure><div class=\"wide\"><table", text))
        == 4
    )


def test_page_says_what_the_plan_says(plan):
    """Flavors, costs, reasons and what would help are on it."""
    words = " ".join(Page(html.page(plan, again="karpenter-ovhcloud solve -f x")).words)

    for part in (
        "b3-16",
        "0.1500",
        "no instance type has enough resources",
        "allow flavor b3-64 (+0.4100 €/h)",
        "solve -f x",
    ):
        assert part in words


def test_names_are_escaped(plan):
    """A name from a manifest is shown, never run."""
    node = dataclasses.replace(plan.create[0], node_pool=EVIL, pods=(EVIL,))
    page = Page(html.page(dataclasses.replace(plan, create=(node,), notes=(EVIL,)), again=EVIL))

    assert "script" not in {tag for tag, _ in page.tags}
    assert EVIL in "".join(page.words)


def test_many_nodes_are_shown_by_kind(plan):
    """Hundreds of nodes fill no page of bars: kinds of nodes stand for them."""
    nodes = tuple(dataclasses.replace(plan.create[0], name=f"general-{i}") for i in range(300))
    text = html.page(dataclasses.replace(plan, create=nodes))

    assert text.count("<rect") < 40
    assert "The first 200 of 300; -o wide lists all." in text


def test_nothing_to_do_is_a_page_too(plan):
    """An empty plan has no pictures and no empty tables."""
    empty = dataclasses.replace(plan, create=(), placements={}, unschedulable=(), solve=plans.SolveInfo(0.0, 0, 0))

    assert "<svg" not in html.page(empty)
    assert "<tbody></tbody>" not in html.page(empty)


@pytest.mark.parametrize("rows", [[], [("a", 0.0, "0")], [("a", 1e9, "much"), ("b", 1e-9, "little")]])
def test_bars_stay_inside_their_picture(rows):
    """Also with nothing to show, nothing but zero, or wide ranges."""
    picture = svg.bars(rows, "bars")

    assert all(
        svg.LEFT <= svg.LEFT + float(w) <= svg.WIDTH - svg.RIGHT
        for w in re.findall(r'width="([0-9.]+)" height="16"', picture)
    )
