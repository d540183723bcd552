"""
Durations as Go writes them (``720h30m``, ``1.5h``, ``300ms``), as whole seconds.

Kubernetes objects hold Go durations (https://pkg.go.dev/time#ParseDuration); the schema of the NodePool narrows them
further to whole hours, minutes and seconds.
"""

from __future__ import annotations

import functools
import re

from crds import wording

NEVER = "Never"
"""What people write for a duration that never ends."""

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_LARGEST = 2**63 - 1
_LONGEST = 128


class DurationError(ValueError):
    """A text that is not a duration; its message is one sentence that also says what to write."""


@functools.lru_cache(maxsize=4096)
def parse_duration(text: str) -> int:
    """
    Whole seconds of a Go duration; what is finer than a second is rounded up.

    A sign is allowed, and "0" needs no unit. Days and weeks are no units of Go.

    Raises `DurationError`, also beyond Go's largest duration (about 292 years).
    """
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0
    total = position = 0
    while unsigned and position < len(unsigned) <= _LONGEST:
        part = _PART.match(unsigned, position)
        if part is None or not (part[1] or part[2]):
            break
        unit = _NANOSECONDS[part[3]]
        total += int(part[1] or 0) * unit + int(part[2] or 0) * unit // 10 ** len(part[2] or "")
        position = part.end()
    if not unsigned or position < len(unsigned):
        raise DurationError(
            f"{wording.shown(text)} is not a duration: write hours, minutes and seconds, such as 720h, 1h30m or 30s"
        )
    if total > _LARGEST:
        raise DurationError(f"{wording.shown(text)} is longer than a duration can be: write at most 2562047h")
    return -(total // 10**9) if text.startswith("-") else -(-total // 10**9)


def parse_duration_or_never(text: str) -> int | None:
    """Whole seconds as in `parse_duration`, or None for "Never"."""
    if text == NEVER:
        return None
    try:
        return parse_duration(text)
    except DurationError as error:
        raise DurationError(f"{error}, or Never") from None


def format_duration(seconds: int | None) -> str:
    """Hours, minutes and seconds without empty parts: "720h30m", "1m30s", "0s"; "Never" for None."""
    if seconds is None:
        return NEVER
    hours, rest = divmod(abs(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    parts = "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count)
    return ("-" if seconds < 0 else "") + (parts or "0s")
