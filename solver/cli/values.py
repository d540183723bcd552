"""Values that people type: money, durations, quotas, gates, instants."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import click

from crds import duration, quantity

POLICIES = ("first-fit",)
QUOTA_KEYS = ("vcpus", "memory", "instances")


class Number(click.ParamType[float]):
    """A number of at least `least` (or above it, with `above`) and at most `most`."""

    name = "NUMBER"

    def __init__(self, *, least: float = 0, most: float, above: bool = False) -> None:
        self.least, self.most, self.above = least, most, above

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse decimal text."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number; write for instance 0.5 or 5, without a unit", param, ctx)
        if not self.least <= number <= self.most or (self.above and number == self.least):
            bounds = (
                f"above {self.least:g} and at most {self.most:g}" if self.above else f"{self.least:g} to {self.most:g}"
            )
            self.fail(f"{value} is out of range; write a number {'' if self.above else 'from '}{bounds}", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number within bounds."""

    name = "integer"


class Amount(click.ParamType[int]):
    """A quantity as Kubernetes writes it, not negative, in the units of `read`."""

    name = "QUANTITY"

    def __init__(self, read: Callable[[str], int]) -> None:
        self.read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a quantity."""
        try:
            amount = self.read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if amount < 0:
            self.fail(f"{value!r} is negative; write an amount of 0 or more", param, ctx)
        return amount


class Euro(click.ParamType[int]):
    """An amount of EUR, as micro-euro; not negative."""

    name = "EUR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse decimal text."""
        if isinstance(value, int):
            return value
        try:
            amount = decimal.Decimal(str(value)) * 1_000_000
        except decimal.InvalidOperation:
            self.fail(f"{value!r} is not an amount; write EUR with a point, such as 0.001", param, ctx)
        if not amount.is_finite() or amount < 0 or amount > 10**12:
            self.fail(f"{value!r} is out of range; write an amount of EUR from 0 to 1000000", param, ctx)
        return int(amount.to_integral_value(decimal.ROUND_HALF_UP))


class Duration(click.ParamType[int]):
    """A duration as Kubernetes writes it, as seconds."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a Go duration."""
        if isinstance(value, int):
            return value
        try:
            seconds = duration.parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r} is not positive; write a duration such as 24h", param, ctx)
        return seconds


class Instant(click.ParamType[int]):
    """An RFC 3339 instant, as seconds since the epoch."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse an instant; without an offset it is refused."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not an RFC 3339 time; write for instance 2026-05-04T08:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no offset; write for instance {value}Z", param, ctx)
        return int(moment.timestamp())


class Quota(click.ParamType[dict[str, int]]):
    """What is left of the project quota: `vcpus=N,memory=Q,instances=N`, any of them."""

    name = "vcpus=N,memory=Q,instances=N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        """Parse pairs."""
        if isinstance(value, dict):
            return value
        result: dict[str, int] = {}
        for part in str(value).split(","):
            key, _, amount = part.partition("=")
            if key not in QUOTA_KEYS or not amount:
                self.fail(f"{part!r} is not one of vcpus=N, memory=Q, instances=N", param, ctx)
            if key in result:
                self.fail(f"{key} is given twice; give it once", param, ctx)
            if key != "memory" and not amount.removeprefix("-").isdecimal():
                self.fail(f"{key} is a count; write a whole number, not {amount!r}", param, ctx)
            try:
                units = quantity.whole(amount)
            except ValueError as error:
                self.fail(f"{key}: {error}", param, ctx)
            if units < 0:
                self.fail(f"{key} is negative; write what is left of the quota, 0 or more", param, ctx)
            result[key] = units
        return result


class Gates(click.ParamType[dict[str, bool]]):
    """Feature gates: `A=true,B=false`."""

    name = "A=true,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, bool]:
        """Parse pairs."""
        if isinstance(value, dict):
            return value
        result: dict[str, bool] = {}
        for part in str(value).split(","):
            key, _, state = part.partition("=")
            if not key or state.lower() not in ("true", "false"):
                self.fail(f"{part!r} is not NAME=true or NAME=false", param, ctx)
            result[key] = state.lower() == "true"
        return result


class Policies(click.ParamType[tuple[str, ...]]):
    """Names of policies to compare with, separated by commas."""

    name = "NAMES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse names."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(str(value).split(",")))
        for name in names:
            if name not in POLICIES:
                self.fail(f"{name!r} is no policy; write {', '.join(POLICIES)}", param, ctx)
        return names
