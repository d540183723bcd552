"""
What the bench prints and keeps: a line per measurement, a table over seeds, a picture.

    .venv/bin/python -m bench.report bench/results/results.json
"""

from __future__ import annotations

import collections
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench import picture
from bench.measured import Results, over

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

RANDOM = ((100, 30), (1000, 30), (5000, 30), (5000, 100), (10000, 300), (10000, 1000))
PODS = {
    "K2000": "upstream's benchmark sizes",
    "K10000": "the same",
    "KD2000": "upstream's diverse mix, 3 zones",
    "KD10000": "the same",
    "T5000": "a public production trace",
    "A2000/300": "300 sizes, CPU and memory apart, all flavors",
    "V5000": "3,000 near-equal sizes",
    "B32000/30": "30 sizes, some a quarter of a node",
    "X2000": "rules across nodes on each, 3 zones",
    "P300/30": "30 teams with a NodePool each",
    "P480/12": "12 teams",
    "P6000/6": "6 teams",
    "G20000": "50 random sizes",
    **{f"R{pods}/{sizes}": f"{sizes:,} random sizes" for pods, sizes in RANDOM},
}
"""What a reader of the table has to know of a workload."""

HEADLINE = {
    "K10000": "10,000 pods of upstream's benchmark sizes",
    "KD10000": "10,000 pods, upstream's diverse mix of spread and affinity",
    "T5000": "5,000 pods of a public production trace",
    "R10000/300": "10,000 random pods in 300 sizes",
}
"""Workloads that the project's README shows."""

SINGLE = {
    "R100/30": "100 random",
    "R1000/30": "1,000 random",
    "R5000/30": "5,000 random",
    "T5000": "5,000 of the trace",
}
"""Workloads that docs/solve.md shows; all are looked at after 1 s and 5 s."""

AT_ONCE, SOONER = ("K10000", "R5000/100", "R10000/300", "G20000"), 20
"""Workloads whose first plan should take a part of Karpenter's time, and which."""


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


def _median(values: Iterable[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return statistics.median(known) if known else math.nan


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2%}".replace("%", " %")


def table(results: Results) -> str:
    """What plans cost, medians over seeds, in Markdown."""
    rows = [
        "| workload | pods | after: over the proven bound | cheaper than Karpenter | first checked plan | Karpenter |",
        "| --- " * 6 + "|",
    ]
    for name in results.names:
        searches = results.searches(name)
        if not searches:
            rows.append(f"| {name} | failed |")
            continue
        fields = [
            name,
            PODS[name],
            "; ".join(_after(results, name, run["until"]) for run in searches[0]["runs"]),
            _against(results, name),
            _first(results, name),
            _time(results, name),
        ]
        rows.append(f"| {' | '.join(fields)} |")
    return "\n".join(rows) + "\n"


def headline(results: Results) -> str:
    """The rows that the project's README shows, in Markdown."""
    rows = ["| workload | above the proven bound | cheaper than Karpenter | first checked plan | Karpenter |"]
    rows.append("| --- " * 5 + "|")
    for name, words in HEADLINE.items():
        if not (searches := results.searches(name)):
            continue
        until = searches[0]["runs"][-1]["until"]
        peers = [p for s in searches if (p := results.timed(s, "karpenter")) is not None]
        fields = [
            words,
            f"{_percent(_median(results.gaps(name, until)))} after {until:g} s",
            _percent(_median(results.cheaper(name, "karpenter"))),
            _seconds(_median(s["first"]["seconds"] for s in searches)),
            _seconds(_median(min(p["workers"].values()) for p in peers)),
        ]
        rows.append(f"| {' | '.join(fields)} |")
    return "\n".join(rows) + "\n"


def single(results: Results) -> str:
    """What `docs/solve.md` shows: seed 1, gaps to the bound of the same run, in Markdown."""
    rows = ["| pods | first plan | after 1 s | after 5 s | EUR/hour | first-fit costs more by |", "| --- " * 6 + "|"]
    for name, words in SINGLE.items():
        search = results.of.get((name, 1, "search"))
        if search is None or "runs" not in search:
            continue
        first, last, peer = search["first"], search["runs"][-1], results.peer(search, "first-fit")
        fields = [
            words,
            f"{_percent(over(first['cost'], first['bound']))} in {_seconds(first['seconds'])}",
            *(_percent(over(run["cost"], run["bound"])) for run in search["runs"]),
            f"{last['cost'] / 1e6:.4f}",
            _percent(peer["cost"] / last["cost"] - 1 if peer is not None and not peer["left_out"] else math.nan),
        ]
        rows.append(f"| {' | '.join(fields)} |")
    return "\n".join(rows) + "\n"


def _after(results: Results, name: str, until: float) -> str:
    """A time and what is over the bound then, with the aim where there is one."""
    gap, aim = _median(results.gaps(name, until)), TARGETS.get(name, {}).get(until)
    late = _median(r["seconds"] for s in results.searches(name) for r in s["runs"] if r["until"] == until)
    when = f"{until:g} s" if late <= 1.1 * until else f"**{late:.1f} s** for {until:g} s"
    return f"{when}: {_aimed(_percent(gap), '' if aim is None else _percent(aim), met=aim is None or gap <= aim)}"


def _aimed(value: str, aim: str, *, met: bool) -> str:
    return value if not aim else f"{value} (aim {aim})" if met else f"**{value}** (missed: {aim})"


def _against(results: Results, name: str) -> str:
    """How much cheaper than Karpenter, of how many seeds where it was not asked about all."""
    found, aim = results.cheaper(name, "karpenter"), CHEAPER.get(name, 0.0)
    if not found:
        least = _median(results.at_least(name, "karpenter"))
        return f"at least {_percent(least)}" if least > 0 else "–"
    cheaper, asked = _median(found), len(results.searches(name))
    of = "" if len(found) == asked else f", {len(found)} of {asked} seeds"
    return _aimed(_percent(cheaper), _percent(aim) if aim else "", met=cheaper >= aim) + of


def _first(results: Results, name: str) -> str:
    """The first plan: when, and how much cheaper than Karpenter's."""
    first = _median(s["first"]["seconds"] for s in results.searches(name))
    cheaper = results.cheaper(name, "karpenter", "first")
    return _seconds(first) + (f", {_percent(_median(cheaper))} cheaper" if cheaper else "")


def _time(results: Results, name: str) -> str:
    """Karpenter's time, with the better number of workers, and how many of our first plans fit into it."""
    asked = [(s, p) for s in results.searches(name) if (p := results.timed(s, "karpenter")) is not None]
    if not asked:
        return "–"
    took = _median(min(peer["workers"].values()) for _, peer in asked)
    times = _median(min(peer["workers"].values()) / search["first"]["seconds"] for search, peer in asked)
    cut = " when cut off" if any(peer["timed_out"] for _, peer in asked) else ""
    aim = f"{SOONER} x" if name in AT_ONCE else ""
    return f"{_seconds(took)}{cut}: {_aimed(f'{times:.{times < 10:d}f} x', aim, met=times >= SOONER)}"


def _seconds(time: float) -> str:
    return "–" if math.isnan(time) else f"{time:.1f} s" if time >= 10 else f"{time:.2f} s"


def details(results: Results) -> str:
    """What else was measured, medians over seeds, in Markdown."""
    direct = any(results.cheaper(name, "direct") for name in results.names)
    rows = [
        "| workload | seeds | first incumbent | first plan: over the bound | worst seed: after, over the bound "
        "| and cheaper than Karpenter | Karpenter: 1 worker | 2 workers | cheaper than first-fit |"
        + (" than direct |" if direct else "")
        + " process wall | peak RSS |",
    ]
    rows.append("| --- " * (rows[0].count("|") - 1) + "|")
    for name in results.names:
        searches = results.searches(name)
        if not searches:
            continue
        peers = [p for s in searches if (p := results.timed(s, "karpenter")) is not None]
        took = [_median(p["workers"].get(n, math.nan) for p in peers) for n in ("1", "2")]
        fields = [
            name,
            str(len(searches)),
            _seconds(_median(s["first"]["trace"][0][0] for s in searches if s["first"].get("trace"))),
            _percent(_median(over(s["first"]["cost"], results.bound(s)) for s in searches)),
            "; ".join(
                f"{r['until']:g} s: {_percent(max(results.gaps(name, r['until'])))}" for r in searches[0]["runs"]
            ),
            _percent(min(results.cheaper(name, "karpenter"), default=math.nan)),
            *map(_seconds, took),
            *(_percent(_median(results.cheaper(name, p))) for p in ("first-fit", "direct")[: 1 + direct]),
            f"{_median(s['process_wall'] for s in searches):.1f} s",
            f"{_median(s['rss_mb'] for s in searches):.0f} MB",
        ]
        rows.append(f"| {' | '.join(fields)} |")
    return "\n".join(rows) + "\n"


def in_turns(results: Results) -> str:
    """Karpenter's plans that break rules in the end and hold in turns, in Markdown; nothing when there are none."""
    rows = []
    for name in results.names:
        for search in results.searches(name):
            peer = results.peer(search, "karpenter")
            if peer is None or not peer.get("turns"):
                continue
            verdict = "accepted" if peer["accepted"] else f"refused: {peer['violations']}"
            waited = ", ".join(str(len(pods)) for pods in peer["waited"]) or "none"
            rows.append(
                f"| {name} | {search['seed']} | {peer['in_the_end']['violations']} | {peer['turns']}, {verdict} | {waited} "
                f"| {peer['said_cost'] / 1e6:.2f} | {peer['cost'] / 1e6:.2f} | {search['runs'][-1]['cost'] / 1e6:.2f} |"
            )
    if not rows:
        return ""
    head = (
        "| workload | seed | reports without turns | turns | pods that waited for another round | EUR/h of the first round "
        "| of all | ours |"
    )
    return "\n".join([head, "| --- " * 8 + "|", *rows]) + "\n"


def sittings(results: Results) -> str:
    """When, on which commit, by which command: those sittings of which something is left, in Markdown."""
    counted = collections.Counter(r.get("sitting") for r in results.kept["results"])
    rows = ["| sitting | commit | clock | load before | measurements | command |", "| --- " * 6 + "|"]
    rows += [
        f"| {e['date']} | {e['commit']} | {e['clock']} | {e['load'][0]} | {counted[e['date']]} | `{e['command']}` |"
        for e in results.kept["environment"]
        if counted[e["date"]]
    ]
    return "\n".join(rows) + "\n"


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


PARTS: dict[str, Callable[[Results], str]] = {
    "table": table,
    "details": details,
    "in turns": in_turns,
    "growth": growth,
    "sittings": sittings,
}
"""Generated parts of `results/table.md`, and of documents between `<!-- NAME -->` and `<!-- end of NAME -->`."""


def filled(text: str, results: Results) -> str:
    """A document with its generated parts written anew."""
    for name, make in {**PARTS, "headline": headline, "single": single}.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(start)
        if found:
            text = f"{before}{start}\n{make(results)}\n{end}{rest.partition(end)[2]}"
    return text


def tables(kept: Json) -> str:
    """All tables, in Markdown."""
    results = Results(kept)
    return "\n".join(part for make in PARTS.values() if (part := make(results)))


def write(kept: Json, folder: Path) -> None:
    """All tables and the picture beside the results, and the tables in the documents above them."""
    results = Results(kept)
    (folder / "table.md").write_text(tables(kept))
    (folder / "gap.svg").write_text(picture.drawn(results))
    project = folder.parent.parent
    for document in (folder.parent / "RESULTS.md", project / "README.md", project / "docs" / "solve.md"):
        if document.exists():
            document.write_text(filled(document.read_text(), results))


def main() -> None:
    path = Path(sys.argv[1])
    write(json.loads(path.read_text()), path.parent)


if __name__ == "__main__":
    main()
