"""Tables of the bench of consolidation: medians over seeds, and one row per plan."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]
TITLES = ("seconds", "EUR/h saved", "of the bound's saving", "nodes gone / bought", "evictions", "per EUR/h saved")
PLANS = (
    ("ours", "first", "first"),
    ("ours", "best", "within the limit"),
    ("ours", "matched", "at Karpenter's evictions"),
    ("karpenter", "", "karpenter"),
    ("deletion", "", "deletion"),
)
"""Whose answer, which part of it, and what the table calls it."""


def rows(results: Iterable[Json]) -> list[Json]:
    """All plans of one workload and seed with their share of the saving that the highest bound leaves."""
    by_what = {each["what"]: each for each in results}
    own = by_what.get("ours", {})
    bounds = [own[key]["bound"] for key in ("first", "best") if key in own]
    found = []
    for what, part, name in PLANS:
        each = by_what.get(what, {})
        plan = each.get(part) if part else each
        if not plan:
            if part == "first" and each:
                found.append({**each, "plan": what})
            continue
        share = plan["saving"] / min(bounds) if bounds and min(bounds) > 0 and "saving" in plan else None
        found.append({**plan, "plan": name, "share": share, "workload": each["workload"], "seed": each["seed"]})
    return found


def _cells(row: Json) -> list[str]:
    saved = row["saving"] / 1e6
    note = " (refused)" if not row.get("accepted", True) else " (cut off)" if row.get("gave_up") else ""
    return [
        f"{row['seconds']:.2f}{note}",
        f"{saved:.2f}",
        "–" if row["share"] is None else f"{row['share']:.2%}",
        f"{row['deleted']:.0f} / {row['created']:.0f}",
        f"{row['evictions']:.0f}",
        f"{row['evictions'] / saved:.1f}" if saved > 0 else "–",
    ]


def table(results: Iterable[Json]) -> str:
    """One row per plan, workloads and seeds in the order of the results."""
    lines = [f"| {' | '.join(('workload', 'seed', 'plan', *TITLES))} |", f"|{' --- |' * (3 + len(TITLES))}"]
    for (name, seed), mine in _grouped(results).items():
        for row in rows(mine):
            cells = _cells(row) if "saving" in row else [row.get("error", row.get("missing", "no answer")), *[""] * 5]
            lines.append(f"| {' | '.join((name, str(seed), row['plan'], *cells))} |")
    return "\n".join(lines)


def medians(results: Iterable[Json]) -> str:
    """One row per workload and kind of plan: medians over the seeds."""
    lines = [f"| {' | '.join(('workload', 'seeds', 'plan', *TITLES))} |", f"|{' --- |' * (3 + len(TITLES))}"]
    collected: dict[tuple[str, str], list[Json]] = {}
    for (name, _), mine in _grouped(results).items():
        for row in rows(mine):
            if row.get("share") is not None:
                collected.setdefault((name, row["plan"]), []).append(row)
    for (name, plan), several in sorted(collected.items(), key=lambda each: _order(*each[0])):
        keys = ("seconds", "saving", "share", "deleted", "created", "evictions")
        middle: Json = {key: statistics.median(row[key] for row in several) for key in keys}
        middle["accepted"] = all(row.get("accepted", True) for row in several)
        middle["gave_up"] = any(row.get("gave_up") for row in several)
        lines.append(f"| {' | '.join((name, str(len(several)), plan, *_cells(middle)))} |")
    return "\n".join(lines)


def _order(name: str, plan: str) -> tuple[int, str, int]:
    size = int("".join(c for c in name.split("/")[0] if c.isdigit()))
    return size, name, [title for _, _, title in PLANS].index(plan)


def frontiers(results: Iterable[Json]) -> str:
    """The plans worth choosing from, one line per workload and seed."""
    lines = []
    for each in results:
        if each.get("frontier"):
            points = ", ".join(f"{p['saved'] / 1e6:.2f} with {p['moved']}" for p in each["frontier"])
            lines.append(f"- {each['workload']}, seed {each['seed']}: {points}")
    return "\n".join(lines)


def verdicts(results: Iterable[Json], aims: Mapping[str, tuple[float, float | None]]) -> str:
    """Aims and, for each workload, in how many seeds they are met."""
    lines = []
    by_name: dict[str, list[list[Json]]] = {}
    for (name, _), mine in _grouped(results).items():
        by_name.setdefault(name, []).append(rows(mine))
    for name, (seconds, aim) in aims.items():
        seeds = [{row["plan"]: row for row in each if "saving" in row} for each in by_name.get(name, ())]
        seeds = [each for each in seeds if "within the limit" in each]
        if not seeds:
            continue
        said = []
        if aim is not None:
            good = [
                e["within the limit"]["share"] >= aim and e["within the limit"]["seconds"] <= seconds for e in seeds
            ]
            said.append(f"{aim:.0%} of the bound's saving in {seconds:.0f} s: {sum(good)} of {len(good)} seeds")
        quick = [e["first"]["seconds"] <= 2 for e in seeds]
        said.append(f"first plan in 2 s: {sum(quick)} of {len(quick)}")
        pairs = [(e["at Karpenter's evictions"], e["karpenter"]) for e in seeds if "at Karpenter's evictions" in e]
        if pairs:
            more = sum(a["saving"] > b["saving"] and a["evictions"] <= b["evictions"] for a, b in pairs)
            gain = statistics.median(a["saving"] / b["saving"] - 1 for a, b in pairs if b["saving"] > 0)
            said.append(f"more than Karpenter at its evictions: {more} of {len(pairs)} (median {gain:+.1%})")
        lines.append(f"- {name}: {'; '.join(said)}")
    return "\n".join(lines)


def written(results: list[Json], aims: Mapping[str, tuple[float, float | None]]) -> str:
    """Everything as Markdown."""
    parts = (
        medians(results),
        verdicts(results, aims),
        "EUR/h saved with pods moved:",
        frontiers(results),
        table(results),
    )
    return "\n\n".join(parts) + "\n"


def _grouped(results: Iterable[Json]) -> dict[tuple[str, int], list[Json]]:
    found: dict[tuple[str, int], list[Json]] = {}
    for each in results:
        found.setdefault((each["workload"], each["seed"]), []).append(each)
    return found
