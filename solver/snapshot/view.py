"""
Typed access to raw objects: what is missing or of the wrong type is noted with its path, and reading goes on.

A `View` is one value inside a manifest; its methods give a child as the type that the field has in Kubernetes, and a
default where the child is absent or null. All problems of an object end up in one list, whose growth tells the reader
to drop the object.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Collection, Iterator
from typing import Any

from crds import quantity, wording
from solver.snapshot import errors, fields

LARGEST_INT32 = 2**31 - 1


class Report:
    """Where the problems of one object go."""

    __slots__ = ("_start", "origin", "problems")

    def __init__(self, origin: errors.Origin, problems: list[errors.Problem]) -> None:
        self.origin = origin
        self.problems = problems
        self._start = len(problems)

    def wrong(self, field: str, message: str, hint: str = "") -> None:
        """Notes a problem, once; the hint is what to write instead."""
        problem = errors.Problem(self.origin, field, message, hint)
        if problem not in self.problems[self._start :]:
            self.problems.append(problem)

    @property
    def clean(self) -> bool:
        """Whether nothing was wrong so far."""
        return len(self.problems) == self._start


class View:
    """A value and the way to it; `raw` is a dict, a list or a scalar."""

    __slots__ = ("_key", "_parent", "raw", "report")

    def __init__(self, raw: Any, report: Report, parent: View | None = None, key: str = "") -> None:
        self.raw = raw
        self.report = report
        self._parent = parent
        self._key = key

    @property
    def path(self) -> str:
        """Path from the object's root, such as ``spec.containers[0].image``."""
        above = self._parent.path if self._parent is not None else ""
        return above + self._key if self._key[:1] == "[" or not above else f"{above}.{self._key}"

    def wrong(self, message: str, hint: str = "", key: str = "") -> None:
        """Notes a problem with this value, or with its child `key`."""
        self.report.wrong(View(None, self.report, self, key).path if key else self.path, message, hint)

    def __contains__(self, key: str) -> bool:
        return isinstance(self.raw, dict) and self.raw.get(key) is not None

    def misspelled(self, holder: str) -> None:
        """
        Notes fields that are called almost like one that is read of such a `holder` (`fields.READ`), and those that it has not.

        An API server refuses what it does not know, or drops it, so that only manifests which none has seen have slips;
        in others the name may be one that newer versions of Kubernetes have.
        """
        if not self._is_new():
            return
        known, others = fields.READ[holder], fields.UNREAD.get(holder)
        for name in self.raw:
            if name in known:
                continue
            if meant := wording.closest(name, known, fields.ALMOST):
                self.wrong("is not a field", f"did you mean {meant}?", name)
            elif others is not None and name not in others:
                self.wrong("is not a field", f"fields here are {', '.join((*known, *others))}", name)

    def _is_new(self) -> bool:
        """Whether no API server has seen the manifest, nor the one that it was made from."""
        top = self
        while top._parent is not None:
            top = top._parent
        metadata = top.raw.get("metadata")
        return not (isinstance(metadata, dict) and (metadata.get("uid") or metadata.get("ownerReferences")))

    def mapping(self, key: str) -> View:
        """The child mapping; an empty one when it is absent."""
        value = self.raw.get(key)
        if value is None:
            value = {}
        elif type(value) is not dict:
            self.wrong(f"{shown(value)} is not a mapping", "write keys and values", key)
            value = {}
        return View(value, self.report, self, key)

    def items(self, key: str) -> list[View]:
        """The children of a list of mappings."""
        return list(self._list(key, dict, "a mapping"))

    def texts(self, key: str) -> tuple[str, ...]:
        """The children of a list of texts."""
        return tuple(item.raw for item in self._list(key, str, "a text"))

    def _list(self, key: str, kind: type, name: str) -> Iterator[View]:
        values = self.raw.get(key)
        if values is None:
            return
        if type(values) is not list:
            self.wrong(f"{shown(values)} is not a list", 'start each entry with "- "', key)
            return
        for index, value in enumerate(values):
            item = View(value, self.report, self, f"{key}[{index}]")
            if type(value) is kind:
                yield item
            else:
                item.wrong(f"{shown(value)} is not {name}", _quote(value) if kind is str else "write keys and values")

    def text(self, key: str, default: str = "") -> str:
        """The child text."""
        value = self.raw.get(key)
        if type(value) is str:
            return value
        if value is not None:
            self.wrong(f"{shown(value)} is not a text", _quote(value), key)
        return default

    def required(self, key: str, example: str) -> str:
        """The child text, which must not be missing or empty."""
        value = self.raw.get(key)
        if value is None or value == "":
            self.wrong("is missing", f'write it, for instance "{example}"', key)
            return ""
        return self.text(key)

    def choice(self, key: str, options: Collection[str], default: str) -> str:
        """The child text, one of `options`; an empty default makes the field required."""
        value = self.text(key, default)
        if value in options:
            return value
        if key in self or not default:
            message = f"{shown(value)} is not allowed" if key in self else "is missing"
            if type(self.raw.get(key)) in (str, type(None)):
                self.wrong(message, f"write {one_of(options)}", key)
        return default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """The child boolean."""
        value = self.raw.get(key)
        if type(value) is bool:
            return value
        if value is not None:
            self.wrong(f"{shown(value)} is not a boolean", "write true or false, without quotes", key)
        return default

    def integer(self, key: str, default: int | None = None, *, least: int = 0, most: int = LARGEST_INT32) -> int | None:
        """The child whole number, within its bounds."""
        value = self.raw.get(key)
        if type(value) is float and value.is_integer():
            value = int(value)
        if value is None:
            return default
        if type(value) is not int:
            self.wrong(f"{shown(value)} is not a whole number", "write a number without quotes", key)
        elif not least <= value <= most:
            bound = f"{least} or more" if value < least else f"at most {most}"
            self.wrong(f"{value} is too {'small' if value < least else 'large'}", f"write {bound}", key)
        else:
            return value
        return default

    def labels(self, key: str) -> dict[str, str]:
        """The child mapping of texts to texts (labels, annotations, selectors); null values are empty texts."""
        values = self.raw.get(key)
        if values is None:
            return {}
        if type(values) is not dict:
            self.wrong(f"{shown(values)} is not a mapping", "write keys and values", key)
            return {}
        for value in values.values():
            if type(value) is not str:
                return self._mended_labels(key, values)
        return values

    def _mended_labels(self, key: str, values: dict[str, Any]) -> dict[str, str]:
        for name, value in values.items():
            if value is not None and type(value) is not str:
                self.wrong(f"{shown(value)} is not a text", _quote(value), wording.path((key, name)))
        return {name: value for name, value in values.items() if type(value) is str} | {
            name: "" for name, value in values.items() if value is None
        }

    def amounts(self, key: str) -> dict[str, int]:
        """The child mapping of resources to quantities: milli-CPU for "cpu", whole units otherwise; none negative."""
        amounts: dict[str, int] = {}
        for name, value in self.mapping(key).raw.items():
            try:
                amount = quantity.resource_units(name, value)
            except quantity.QuantityError as error:
                self.wrong(
                    f"{shown(value)} is not a quantity", str(error).partition(": ")[2], wording.path((key, name))
                )
                continue
            if amount < 0:
                self.wrong(f"{shown(value)} is negative", "write an amount of 0 or more", wording.path((key, name)))
            else:
                amounts[name] = amount
        return amounts

    def time(self, key: str) -> int | None:
        """The child instant in whole seconds since the epoch."""
        value = self.raw.get(key)
        if value is None:
            return None
        seconds = instant(value) if type(value) is str else None
        if seconds is None:
            self.wrong(f"{shown(value)} is not an instant", 'write it as in "2026-05-01T10:00:00Z"', key)
        return seconds


@functools.lru_cache(maxsize=65_536)
def instant(text: str) -> int | None:
    """Whole seconds since the epoch of an RFC 3339 instant, None when it is not one."""
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(when.timestamp()) if when.tzinfo is not None else None


def shown(value: object) -> str:
    """A value as people would write it, cut to about 60 characters; mappings and lists by their kind."""
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else wording.shown(value)


def one_of(options: Collection[str]) -> str:
    """The options in words: "A, B or C"."""
    *others, last = options
    return f"{', '.join(others)} or {last}" if others else last


def _quote(value: object) -> str:
    if isinstance(value, float):
        # 1.10 and 1e3 are read as 1.1 and 1000.0.
        return "put what is written there in quotes"
    if isinstance(value, (bool, int)):
        return f'put it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    return "write a text"
