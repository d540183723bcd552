"""Pictures for reports as inline SVG: bars and lines whose colours are classes, so that style sheets choose them."""

from __future__ import annotations

import html
from collections.abc import Sequence

WIDTH = 640
ROW = 26
LEFT, RIGHT = 190, 84

Bar = tuple[str, float, str]
"""Label, value, and the text at the end of the bar."""


def bars(rows: Sequence[Bar], title: str, *, kind: str = "money") -> str:
    """Horizontal bars from zero, one for each row; `kind` is the class that colours them."""
    most = max((value for _, value, _ in rows), default=0) or 1
    parts = []
    for index, (label, value, text) in enumerate(rows):
        middle = index * ROW + ROW / 2
        length = (WIDTH - LEFT - RIGHT) * value / most
        parts.append(_text(LEFT - 8, middle, label, "end"))
        parts.append(f'<rect class="{kind}" x="{LEFT}" y="{middle - 8:g}" width="{max(length, 1):.1f}" height="16"/>')
        parts.append(_text(LEFT + length + 6, middle, text, "start"))
    return _picture(parts, len(rows) * ROW, title)


def pairs(rows: Sequence[tuple[str, float, float]], title: str, names: tuple[str, str]) -> str:
    """Two bars for each row, of shares from 0 to 1, under a rule at 1."""
    full = WIDTH - LEFT - RIGHT
    parts = [f'<line class="rule" x1="{LEFT + full}" y1="0" x2="{LEFT + full}" y2="{len(rows) * ROW}"/>']
    for index, (label, first, second) in enumerate(rows):
        top = index * ROW
        parts.append(_text(LEFT - 8, top + ROW / 2, label, "end"))
        for kind, share, y in (("first", first, top + 4), ("second", second, top + 14)):
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{full * min(share, 1):.1f}" height="8"/>')
        parts.append(_text(LEFT + full + 6, top + ROW / 2, f"{100 * first:.0f} / {100 * second:.0f} %", "start"))
    legend = len(rows) * ROW + 12
    for kind, name, x in (("first", names[0], LEFT), ("second", names[1], LEFT + 120)):
        parts.append(f'<rect class="{kind}" x="{x}" y="{legend - 5}" width="10" height="10"/>')
        parts.append(_text(x + 16, legend, name, "start"))
    return _picture(parts, len(rows) * ROW + 24, title)


def steps(points: Sequence[tuple[float, float]], floor: float | None, title: str, names: tuple[str, str]) -> str:
    """A falling line of values over seconds as steps, and a line for the `floor` below it."""
    height, bottom = 160, 180
    last = max((x for x, _ in points), default=0) or 1
    values = [y for _, y in points] + ([floor] if floor is not None else [])
    low, high = min(values), max(values)
    span = (high - low) or high or 1

    def at(x: float, y: float) -> tuple[float, float]:
        return 60 + (WIDTH - 130) * x / last, 12 + (height - 12) * (high - y) / span

    path = ""
    for index, (x, y) in enumerate(points):
        px, py = at(x, y)
        path += f"M{px:.1f} {py:.1f}" if index == 0 else f"H{px:.1f}V{py:.1f}"
    parts = [f'<path class="line" d="{path}H{at(last, 0)[0]:.1f}"/>']
    parts.append(_text(at(last, 0)[0] + 6, at(last, points[-1][1])[1], names[0], "start"))
    if floor is not None:
        y = at(0, floor)[1]
        parts.append(f'<line class="floor" x1="60" y1="{y:.1f}" x2="{WIDTH - 70}" y2="{y:.1f}"/>')
        parts.append(_text(WIDTH - 64, y + (14 if abs(y - at(last, points[-1][1])[1]) < 12 else 0), names[1], "start"))
    parts += [_text(54, at(0, y)[1], f"{y:.4g}", "end") for y in dict.fromkeys((high, low))]
    parts += [_text(60, bottom, "0 s", "start"), _text(WIDTH - 70, bottom, f"{last:.2g} s", "end")]
    return _picture(parts, bottom + 10, title)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _picture(parts: Sequence[str], height: float, title: str) -> str:
    head = f'<svg role="img" viewBox="0 0 {WIDTH} {height:g}" xmlns="http://www.w3.org/2000/svg">'
    return f"{head}<title>{html.escape(title)}</title>{''.join(parts)}</svg>"
