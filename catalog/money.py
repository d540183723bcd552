"""Money as integers: micro-euro, without tax."""

import re
from decimal import ROUND_HALF_UP, Decimal

MICRO = 1_000_000
MAXIMUM = 1_000_000 * MICRO
"""Largest price that is believed: a million euro."""

_FORM = re.compile(r"\d{1,12}(\.\d{1,12})?", re.ASCII)


def parse(text: str) -> int:
    """
    Micro-euro of a price in euro such as `0.0512`, rounded half up; never 0 for a price above 0.

    Raises
    ------
    ValueError
        When the text is not a plain decimal number or more than a million.
    """
    if not _FORM.fullmatch(text):
        raise ValueError(text)
    exact = Decimal(text) * MICRO
    micro = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    if micro > MAXIMUM:
        raise ValueError(text)
    return max(micro, 1) if exact else 0


def from_api(price: int) -> int:
    """Micro-euro of a price as the OVHcloud price catalogue states it, in hundred-millionths, rounded half up."""
    return (price + 50) // 100


def text(micro: int, decimals: int = 2) -> str:
    """Euro as a decimal number with at least so many decimals and no other trailing zeros: 51200 is `0.0512`."""
    whole, rest = divmod(micro, MICRO)
    fraction = f"{rest:06d}".rstrip("0").ljust(decimals, "0")
    return f"{whole}.{fraction}" if fraction else str(whole)
