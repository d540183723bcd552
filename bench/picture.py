"""The picture of the results: cost over the bound against time."""

from __future__ import annotations

import math

from bench.measured import Results, over

COLOURS = {"search": "#1f6feb", "karpenter": "#d1242f", "first-fit": "#9a6700", "direct": "#8250df"}
WIDTH, HEIGHT, LEFT, TOP = 250, 150, 48, 24
LOW, HIGH = 0.0005, 0.3
FIRST, LAST = 0.01, 300.0


def drawn(results: Results) -> str:
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
            if results.timed(search, what) is None:
                continue
            found = results.answer(search, what)
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
