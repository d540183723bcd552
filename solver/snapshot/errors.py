"""
What is wrong with an input, in one line a problem.

A line names the file, the document (where the file has several), the object, the field, what is wrong there and what to
write instead: ``shop.yaml, document 2, Pod default/web, spec.containers: is missing; list at least one container``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

_SHOWN = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where an object stands: `document` counts from 1 and is None in a file of one; `name` is `namespace/name`."""

    file: str
    document: int | None = None
    kind: str = ""
    name: str = ""

    @property
    def place(self) -> str:
        """File and document."""
        return self.file if self.document is None else f"{self.file}, document {self.document}"

    def __str__(self) -> str:
        return ", ".join(part for part in (self.place, f"{self.kind} {self.name}".strip()) if part)


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `field` is a path such as ``spec.containers[0]``, `hint` says what to write instead."""

    origin: Origin
    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = ", ".join(part for part in (str(self.origin), self.field) if part)
        what = "; ".join(part for part in (self.message, self.hint) if part)
        return printable(f"{where}: {what}" if where else what)


class SnapshotError(Exception):
    """The input cannot be read; `problems` are all that were found, and the text has one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"and {len(self.problems) - _SHOWN} problems more")
        return "\n".join(lines)


def printable(text: str) -> str:
    """The text with line breaks and other control characters escaped, so that it stays on one line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
