"""How messages name fields and quote values."""

from __future__ import annotations

import datetime
import difflib
import functools
import re
from collections.abc import Iterable

Path = tuple[str | int, ...]
"""Names of fields and indices of items, from the top of a manifest."""

_LONGEST = 60
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS = {True: "true", False: "false", None: "null"}


def shown(value: object) -> str:
    """The value as people would write it, cut to about 60 characters."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str) and len(value) > _LONGEST:
        return repr(value[:_LONGEST] + "...")
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def closest(name: str, known: Iterable[str], likeness: float = 0.7) -> str:
    """The known name that was probably meant, in whatever case it was written, or nothing; 1 is the same name."""
    return _closest(name, tuple(known), likeness)


@functools.lru_cache(maxsize=8192)
def _closest(name: str, known: tuple[str, ...], likeness: float) -> str:
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=likeness)
    return folded[close[0]] if close else ""


def path(parts: Path) -> str:
    """A path as people write it: `spec.taints[0].key`, `metadata.labels[example.com/team]`."""
    text = ""
    for part in parts:
        if isinstance(part, str) and _NAME.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part if str(part).isprintable() else shown(part)}]"
    return text
