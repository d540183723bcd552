"""Columns as kubectl prints them: upper-case heads, two or more blanks between, no borders, right-aligned numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), indent: str = ""
) -> str:
    """
    Lay out rows under heads.

    Parameters
    ----------
    heads: column names.
    rows: cells, turned into text.
    right: names of the columns that are aligned to the right.
    indent: put before each line.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(head), *(len(row[i]) for row in cells)]) for i, head in enumerate(heads)]
    lines = []
    for row in [list(heads), *cells]:
        parts = [
            cell.rjust(width) if head in right else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        ]
        lines.append((indent + "   ".join(parts)).rstrip())
    return "\n".join(lines) + "\n"
