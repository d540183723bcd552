"""What the bench prints and keeps: a line per measurement, a table over seeds, a picture."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def line(result: Json) -> str:
    """One measurement in one line."""
    head = f"{result['workload']:12} seed {result['seed']} {result['what']:10}"
    if "error" in result or "missing" in result:
        return f"{head} {result.get('error') or result.get('missing')}"
    if "first" in result:
        runs = [result["first"], *result["runs"]]
        parts = [
            f"{r['seconds']:.2f}s {r['cost'] / 1e6:.4f} (+{over(r['cost'], r['bound']):.2%}"
            + ("" if r["accepted"] else f", REJECTED {r['said'][:1]}")
            + (f", {r['left_out']} left out" if r["left_out"] else "")
            + ")"
            for r in runs
        ]
        return f"{head} {' | '.join(parts)} {result['rss_mb']:.0f} MB {result['process_wall']:.1f}s wall"
    runs = result.get("runs", [result])
    parts = [
        "no answer"
        if r["cost"] is None
        else f"{r['seconds']:.2f}s {r['cost'] / 1e6:.4f}"
        + ("" if r["accepted"] else f" rejected ({r['violations']}): {r['said'][:1]}")
        + (f" {r['left_out']} left out" if r["left_out"] else "")
        for r in runs
    ]
    return f"{head} {' | '.join(parts)}"


def over(cost: float, bound: float | None) -> float:
    """How far above the bound, as a fraction."""
    return (cost - bound) / bound if bound else float("nan")


def write(kept: Json, folder: Any) -> None:
    pass
