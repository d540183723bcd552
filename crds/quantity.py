"""
Kubernetes quantities as exact numbers, and as the integers that everything inside counts with.

A quantity is a signed decimal number with one of three kinds of suffix: decimal (``n u m k M G T P E``), binary (``Ki``
to ``Ei``) or a decimal exponent (``1e3``). Amounts finer than a billionth are rounded away from zero to the next
billionth, and amounts are capped at 2**63 - 1, both as the API server does (k8s.io/apimachinery,
``pkg/api/resource/quantity.go``).
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction

from crds import wording

MAXIMUM = 2**63 - 1
"""The largest amount that is counted; whatever is larger stands for it."""

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?[0-9]+))?", re.ASCII)
_BINARY = {suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = 10**9
_LONGEST = 256
_CACHE_SIZE = 65_536
_BYTES = frozenset({"memory", "ephemeral-storage", "storage"})


class QuantityError(ValueError):
    """A text or number that is not a Kubernetes quantity; its message is one sentence that also says what to write."""


def parse(value: str | int | float) -> Fraction:
    """
    The exact amount of a quantity, in its base unit (cores, bytes, pieces).

    Numbers are read as the decimal text that JSON and YAML show for them, so 0.1 is a tenth. Blanks around a text are
    ignored.

    Raises `QuantityError`.
    """
    return _parse_text(_text(value))


def milli(value: str | int | float) -> int:
    """The amount in thousandths (milli-CPU for "cpu"), rounded away from zero to a whole number; at most `MAXIMUM`."""
    return _milli_text(value if type(value) is str else _text(value))


def whole(value: str | int | float) -> int:
    """The amount in whole units (bytes, pieces), rounded away from zero; at most `MAXIMUM`."""
    return _whole_text(value if type(value) is str else _text(value))


def resource_units(name: str, value: str | int | float) -> int:
    """The integer that stands for `value` of the resource `name`: milli-CPU for "cpu", whole units for all others."""
    return milli(value) if name == "cpu" else whole(value)


def format_cpu(amount: int) -> str:
    """Milli-CPU as people write it: "4" for 4000, "3500m" for 3500."""
    cores, rest = divmod(amount, 1000)
    return f"{amount}m" if rest else str(cores)


def format_memory(amount: int) -> str:
    """Bytes with the largest binary suffix that is exact: "9Gi", "13788Mi"; plain bytes when not even Ki is."""
    if amount:
        for suffix in reversed(_BINARY):
            count, rest = divmod(amount, _BINARY[suffix])
            if not rest:
                return f"{count}{suffix}"
    return str(amount)


def format_units(name: str, amount: int) -> str:
    """The quantity of the resource `name` for an integer from `resource_units`."""
    if name == "cpu":
        return format_cpu(amount)
    return format_memory(amount) if in_bytes(name) else str(amount)


def in_bytes(name: str) -> bool:
    """Whether amounts of the resource `name` are bytes."""
    return name in _BYTES or name.startswith("hugepages-")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAXIMUM:
        return str(MAXIMUM if value > 0 else -MAXIMUM)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value)
    raise QuantityError(f"{wording.shown(value)} is not a quantity: {_ADVICE}")


@functools.lru_cache(maxsize=_CACHE_SIZE)
def _parse_text(text: str) -> Fraction:
    form = _FORM.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if form is None:
        raise QuantityError(f"{wording.shown(text)} is not a quantity: {_ADVICE}")
    sign, whole_digits, fraction_digits, binary, decimal, exponent = form.groups()
    digits = (whole_digits + (fraction_digits or "")).lstrip("0")
    if not digits:
        if not (whole_digits or fraction_digits):
            raise QuantityError(f"{wording.shown(text)} is not a quantity: {_ADVICE}")
        return Fraction(0)
    scale = (int(exponent) if exponent else _DECIMAL.get(decimal, 0)) - len(fraction_digits or "")
    amount = _round(int(digits) * _BINARY.get(binary, 1), scale)
    return -amount if sign == "-" else amount


def _round(unscaled: int, scale: int) -> Fraction:
    """``unscaled * 10**scale``, `unscaled` > 0, rounded up to a billionth and capped; never builds a huge power."""
    if scale > len(str(MAXIMUM)):
        return Fraction(MAXIMUM)
    if scale < -_LONGEST - 64:
        return Fraction(1, _NANO)
    scaled = Fraction(unscaled) * Fraction(10) ** scale
    return min(Fraction(-(-scaled.numerator * _NANO // scaled.denominator), _NANO), Fraction(MAXIMUM))


@functools.lru_cache(maxsize=_CACHE_SIZE)
def _milli_text(text: str) -> int:
    return _away_from_zero(_parse_text(text) * 1000)


@functools.lru_cache(maxsize=_CACHE_SIZE)
def _whole_text(text: str) -> int:
    return _away_from_zero(_parse_text(text))


def _away_from_zero(amount: Fraction) -> int:
    count = -(-abs(amount.numerator) // amount.denominator)
    return min(count, MAXIMUM) if amount > 0 else -min(count, MAXIMUM)


_ADVICE = "write a number with an optional suffix (m, k, M, G, T, Ki, Mi, Gi, Ti, ...), such as 500m, 2 or 4Gi"
