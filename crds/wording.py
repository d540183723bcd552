"""How a wrong value is quoted in a message."""

from __future__ import annotations

_LONGEST = 60
_WORDS = {True: "true", False: "false", None: "null"}


def shown(value: object) -> str:
    """The value as people would write it, cut to about 60 characters."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, str) and len(value) > _LONGEST:
        return repr(value[:_LONGEST] + "...")
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
