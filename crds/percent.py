"""
A number of nodes that is written as a count (``5``) or as a percentage (``10%``), as disruption budgets do.

A percentage of nodes is rounded up: 10% of one node is one node, 0% is none
(https://karpenter.sh/docs/concepts/disruption/#nodes).
"""

from __future__ import annotations

import dataclasses
import re

from crds import wording

_FORM = re.compile(r"(?:(100|[0-9]{1,2})%|([0-9]{1,18}))", re.ASCII)


class PercentError(ValueError):
    """A text that is neither a count nor a percentage; its message is one sentence that also says what to write."""


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """A fixed count, or `value` per cent of a total (0 to 100)."""

    value: int
    percent: bool

    def of(self, total: int) -> int:
        """How many of `total` (>= 0) this is; a percentage is rounded up."""
        return -(-self.value * total // 100) if self.percent else self.value

    def __str__(self) -> str:
        return f"{self.value}%" if self.percent else str(self.value)


def parse(text: str | int) -> Share:
    """
    The count or percentage that `text` names, such as "10%", "5" or 5.

    Raises `PercentError`.
    """
    form = _FORM.fullmatch(str(text)) if not isinstance(text, bool) else None
    if form is None:
        raise PercentError(
            f'{wording.shown(text)} is no number of nodes: write a count such as "5" or a percentage such as "10%"'
        )
    return Share(int(form[1]), percent=True) if form[1] is not None else Share(int(form[2]), percent=False)
