"""
What the bench prints and keeps: a line per measurement, a table over seeds, a picture.

    .venv/bin/python -m bench.report bench/results/results.json
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

TARGETS: dict[str, dict[float, float]] = {
    "K2000": {1: 0.005, 5: 0.0025},
    "K10000": {1: 0.005, 5: 0.0025},
    "KD2000": {5: 0.01},
    "KD10000": {10: 0.02},
    "X2000": {5: 0.02},
    "T5000": {1: 0.003},
    "R1000/30": {1: 0.008, 5: 0.003},
    "R5000/100": {1: 0.002, 5: 0.001},
    "R10000/300": {1: 0.006, 5: 0.003},
    "R10000/1000": {5: 0.005},
    "V5000": {5: 0.005},
    "B32000/30": {5: 0.01, 20: 0.005},
}
"""Cost over the proven bound that is aimed at after so many seconds."""

CHEAPER = {
    "K2000": 0.09,
    "K10000": 0.105,
    "KD2000": 0.10,
    "KD10000": 0.10,
    "T5000": 0.04,
    "R1000/30": 0.05,
    "R5000/100": 0.09,
    "R10000/300": 0.09,
}
"""How much cheaper than the real Karpenter, as a share of its price; others aim at cheaper at all."""

AT_ONCE, SOONER = ("K10000", "R5000/100", "R10000/300", "G20000"), 20
"""Workloads whose first plan should take a part of Karpenter's time, and which."""

COLOURS = {"search": "#1f6feb", "karpenter": "#d1242f", "first-fit": "#9a6700", "direct": "#8250df"}
WIDTH, HEIGHT, LEFT, TOP = 250, 150, 48, 24
LOW, HIGH = 0.0005, 0.3
FIRST, LAST = 0.01, 300.0


def line(result: Json) -> str:
    """One measurement in one line."""
    head = f"{result['workload']:12} seed {result['seed']} {result['what']:10}"
    if "error" in result or "missing" in result:
        return f"{head} {result.get('error') or result.get('missing')}"
    if "first" not in result:
        return f"{head} {' | '.join(_short(r) for r in result.get('runs', [result]))}"
    runs = [result["first"], *result["runs"]]
    return f"{head} {' | '.join(_short(r) for r in runs)} {result['rss_mb']:.0f} MB {result['process_wall']:.1f}s wall"


def _short(run: Json) -> str:
    if run["cost"] is None:
        return "no answer"
    text = f"{run['seconds']:.2f}s {run['cost'] / 1e6:.4f}"
    if run.get("bound"):
        text += f" (+{over(run['cost'], run['bound']):.2%})"
    if run["left_out"]:
        text += f" {run['left_out']} left out"
    return text if run["accepted"] else f"{text} rejected ({run['violations']}): {run['said'][:1]}"


def over(cost: float, bound: float | None) -> float:
    """How far above the bound, as a fraction."""
    return (cost - bound) / bound if bound else math.nan


class Results:
    """The measurements of one file."""

    def __init__(self, kept: Json) -> None:
        self.kept = kept
        self.of = {(r["workload"], r["seed"], r["what"]): r for r in kept["results"]}
        self.names = list(dict.fromkeys(r["workload"] for r in kept["results"] if r["what"] == "search"))

    def searches(self, name: str) -> list[Json]:
        """The product's measurements of a workload, one per seed."""
        return [r for (n, _, what), r in self.of.items() if n == name and what == "search" and "runs" in r]

    def peer(self, name: str, seed: int, what: str) -> Json | None:
        """A peer's last answer, when there is one."""
        found = self.of.get((name, seed, what), {})
        last: Json = found.get("runs", [found])[-1]
        return last if last.get("cost") else None

    @staticmethod
    def bound(search: Json) -> float:
        """The highest bound that any run of this measurement proved."""
        return max(r["bound"] or 0 for r in (search["first"], *search["runs"]))

    def gaps(self, name: str, until: float) -> list[float]:
        """Over the proven bound after so many seconds, one per seed; nan when pods are left out."""
        return [
            over(run["cost"], self.bound(search)) if run["accepted"] and not run["left_out"] else math.nan
            for search in self.searches(name)
            for run in search["runs"]
            if run["until"] == until
        ]

    def cheaper(self, name: str, what: str) -> list[float]:
        """How much cheaper the last run is than a peer, one per seed; only where both place all pods."""
        found = []
        for search in self.searches(name):
            peer = self.peer(name, search["seed"], what)
            if peer is not None and peer["accepted"] and not peer["left_out"]:
                found.append(1 - search["runs"][-1]["cost"] / peer["cost"])
        return found


def _median(values: Iterable[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return statistics.median(known) if known else math.nan


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2%}".replace("%", " %")


def table(results: Results) -> str:
    """Medians over seeds, in Markdown."""
    rows = [
        (
            "| workload | seeds | first checked plan | over the bound then | after: over the bound (aim) "
            "| cheaper than Karpenter (aim) | Karpenter's time, 1 and 2 workers | first plan in 1/n of the faster, cheaper by "
            "| than first-fit | than direct | process wall | peak RSS |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in results.names:
        searches = results.searches(name)
        if not searches:
            rows.append(f"| {name} | failed |")
            continue
        first = _median(s["first"]["seconds"] for s in searches)
        start = _median(over(s["first"]["cost"], results.bound(s)) for s in searches)
        after = []
        for run in searches[0]["runs"]:
            gap, aim = _median(results.gaps(name, run["until"])), TARGETS.get(name, {}).get(run["until"])
            late = _median(r["seconds"] for s in searches for r in s["runs"] if r["until"] == run["until"])
            verdict = (
                ""
                if aim is None
                else "missed"
                if gap > aim
                else f"late, {late:.2f} s"
                if late > 1.1 * run["until"]
                else "met"
            )
            mark = "" if aim is None else f" ({verdict}: {_percent(aim)})"
            after.append(f"{run['until']:g} s: {_percent(gap)}{mark}")
        cheaper, aim = _median(results.cheaper(name, "karpenter")), CHEAPER.get(name, 0.0)
        mark = "" if math.isnan(cheaper) else f" ({'met' if cheaper >= aim else 'missed'}: {_percent(aim)})"
        peers = [p for s in searches if (p := results.peer(name, s["seed"], "karpenter")) is not None]
        took = [_median(p["workers"].get(n, math.nan) for p in peers) for n in ("1", "2")]
        wall = _median(s["process_wall"] for s in searches)
        rss = _median(s["rss_mb"] for s in searches)
        rows.append(
            f"| {name} | {len(searches)} | {first:.2f} s | {_percent(start)} | {'; '.join(after)} "
            f"| {_percent(cheaper)}{mark} | {_times(took, any(p['timed_out'] for p in peers))} "
            f"| {_at_once(results, name)} | {_percent(_median(results.cheaper(name, 'first-fit')))} "
            f"| {_percent(_median(results.cheaper(name, 'direct')))} | {wall:.1f} s | {rss:.0f} MB |"
        )
    return "\n".join(rows) + "\n"


def _times(took: list[float], timed_out: bool) -> str:
    words = " / ".join("–" if math.isnan(t) else f"{t:.1f} s" for t in took)
    return f"{words}, not done by then" if timed_out else words


def _at_once(results: Results, name: str) -> str:
    """The first plan beside Karpenter's: how much sooner, and what it saves."""
    sooner, saved = [], []
    for search in results.searches(name):
        peer = results.peer(name, search["seed"], "karpenter")
        if peer is not None:
            sooner.append(min(peer["workers"].values()) / search["first"]["seconds"])
            if peer["accepted"] and not peer["left_out"]:
                saved.append(1 - search["first"]["cost"] / peer["cost"])
    if not sooner:
        return "–"
    aim = ""
    if name in AT_ONCE:
        aim = f" ({'met' if _median(sooner) >= SOONER else 'missed'}: {SOONER})"
    return f"1/{_median(sooner):.0f}{aim}, {_percent(_median(saved))}"


def growth(results: Results) -> str:
    """Time to a gap of 1 %, medians over seeds, in Markdown."""
    rows = [
        "| series | seeds | time to 1 % | gap in the end | classes | peak RSS |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    series: dict[str, list[Json]] = {}
    for (name, _, what), result in results.of.items():
        if what == "growth" and "runs" in result:
            series.setdefault(name, []).append(result)
    for name, found in series.items():
        runs = [result["runs"][-1] for result in found]
        times = [_reached(result) for result in found]
        time = f"{statistics.median(times):.2f} s" if all(math.isfinite(t) for t in times) else "not always"
        gap = _percent(_median(over(run["cost"], run["bound"]) for run in runs))
        rss = _median(result["rss_mb"] for result in found)
        rows.append(f"| {name} | {len(found)} | {time} | {gap} | {runs[0]['classes']} | {rss:.0f} MB |")
    return "\n".join(rows) + "\n"


def _reached(result: Json) -> float:
    """Seconds to a plan within 1 % of the bound, infinite when there was none in time."""
    run = result["runs"][-1]
    bound = max(run["bound"] or 0, result["first"]["bound"] or 0)
    reached = [at for at, cost, _ in run["trace"] if over(cost, bound) <= 0.01]
    return float(reached[0]) if reached else math.inf


def picture(results: Results) -> str:
    """Cost over the bound against time, a panel per workload, both axes logarithmic; SVG."""
    columns = 3
    tall = (len(results.names) + columns - 1) // columns
    width, height = columns * (WIDTH + LEFT + 20), tall * (HEIGHT + 64) + 40
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, (what, colour) in enumerate(COLOURS.items()):
        x = LEFT + 130 * index
        parts.append(f'<circle cx="{x}" cy="{height - 16}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 8}" y="{height - 12}">{"this project" if what == "search" else what}</text>')
    for index, name in enumerate(results.names):
        left = LEFT + (index % columns) * (WIDTH + LEFT + 20)
        top = TOP + (index // columns) * (HEIGHT + 64)
        parts += _panel(results, name, left, top)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(results: Results, name: str, left: int, top: int) -> list[str]:
    parts = [
        f'<text x="{left}" y="{top - 8}" font-weight="bold">{name}</text>',
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#8c959f"/>',
    ]
    for gap in (0.001, 0.01, 0.1):
        y = _y(gap, top)
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y}" y2="{y}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{left - 4}" y="{y + 4}" text-anchor="end">{gap:.1%}</text>')
    for time in (0.1, 1, 10, 100):
        x = _x(time, left)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{top + HEIGHT}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{x}" y="{top + HEIGHT + 14}" text-anchor="middle">{time:g} s</text>')
    for search in results.searches(name):
        bound = results.bound(search)
        points = [(r["seconds"], over(r["cost"], bound)) for r in (search["first"], *search["runs"])]
        drawn = " ".join(f"{_x(at, left)},{_y(gap, top)}" for at, gap in points)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{COLOURS["search"]}"/>')
        parts += [_dot(at, gap, left, top, "search") for at, gap in points]
        for what in ("karpenter", "first-fit", "direct"):
            found = results.of.get((name, search["seed"], what), {})
            parts += [
                _dot(run["seconds"], over(run["cost"], bound), left, top, what)
                for run in found.get("runs", [found])
                if run.get("cost") and not run["left_out"]
            ]
    return parts


def _dot(at: float, gap: float, left: int, top: int, what: str) -> str:
    return f'<circle cx="{_x(at, left)}" cy="{_y(gap, top)}" r="3" fill="{COLOURS[what]}"/>'


def _x(at: float, left: int) -> float:
    share = math.log(min(max(at, FIRST), LAST) / FIRST) / math.log(LAST / FIRST)
    return round(left + WIDTH * share, 1)


def _y(gap: float, top: int) -> float:
    share = math.log(min(max(gap, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return round(top + HEIGHT * (1 - share), 1)


def write(kept: Json, folder: Path) -> None:
    """The table and the picture beside the results."""
    results = Results(kept)
    (folder / "table.md").write_text(table(results) + "\n" + growth(results))
    (folder / "gap.svg").write_text(picture(results))


def main() -> None:
    path = Path(sys.argv[1])
    write(json.loads(path.read_text()), path.parent)


if __name__ == "__main__":
    main()
