"""How a wrong value is quoted in a message."""

from __future__ import annotations

_LONGEST = 60


def shown(value: object) -> str:
    """The value as it would be written, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
