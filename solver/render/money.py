"""Money for people and documents, from micro-euro."""

from __future__ import annotations

HOURS_PER_MONTH = 730


def hourly(micro: int) -> float:
    """EUR per hour as a number with at most six decimals."""
    return round(micro / 1_000_000, 6)


def text(micro: int) -> str:
    """EUR with four decimals or more when they are needed."""
    sign = "-" if micro < 0 else ""
    whole, part = divmod(abs(micro), 1_000_000)
    decimals = f"{part:06d}".rstrip("0")
    return f"{sign}{whole}.{decimals:0<4}"


def monthly(micro: int) -> str:
    """EUR per month of 730 hours, two decimals."""
    return f"{micro * HOURS_PER_MONTH / 1_000_000:,.2f}"


def gap(value: float | None) -> str:
    """A gap as a percentage, 0 when it is closed."""
    if value is None or value < 5e-7:
        return "0"
    return f"{100 * value:.2f}%" if value >= 5e-5 else "<0.01%"
