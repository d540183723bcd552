"""
The algebra of requirements on labels: what values of a key are allowed, and whether two sides can agree.

Node selectors, node affinity, label selectors, NodePool requirements and volume topologies are all turned into
`Requirement` values first. The meaning of each operator, of intersections and of missing labels is Karpenter's
(`pkg/scheduling/requirement.go`, `requirements.go`), which agrees with Kubernetes' own for node selector terms:
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#operators
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Collection, Iterable, Mapping

LARGEST = 2**63 - 1
"""Label values are compared as 64-bit whole numbers."""

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_SHOWN_VALUES = 5
_TELLING = 3
"""A key of fewer letters stands in many others."""


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """
    The allowed values of `key`: those in `values`, or with `complement` all others that lie within the bounds.

    Bounds are inclusive whole numbers and stand on complements only; a value that is no whole number is outside every
    bound. No values and no complement means that the label must not be there. `minimum` is Karpenter's minValues: how
    many different values must remain.
    """

    key: str
    values: frozenset[str] = frozenset()
    complement: bool = False
    lower: int | None = None
    upper: int | None = None
    minimum: int | None = None

    @property
    def operator(self) -> str:
        """The operator that this set is written with: In, NotIn, Exists (also with bounds) or DoesNotExist."""
        if self.complement:
            return "NotIn" if self.values else "Exists"
        return "In" if self.values else "DoesNotExist"

    @property
    def negative(self) -> bool:
        """Whether a missing label fulfils it: NotIn without bounds, or DoesNotExist."""
        return self.operator in ("NotIn", "DoesNotExist") and self.lower is None and self.upper is None

    def allows(self, value: str) -> bool:
        """Whether a label of this value fulfils it."""
        if self.complement:
            return value not in self.values and within(value, self.lower, self.upper)
        return value in self.values

    def matches(self, value: str | None) -> bool:
        """Whether a node or pod whose label has this value (None = no such label) fulfils it."""
        return self.negative if value is None else self.allows(value)

    def intersection(self, other: Requirement) -> Requirement:
        """The values that both allow. Crossed bounds leave nothing, which reads as DoesNotExist."""
        minimum = _largest(self.minimum, other.minimum)
        lower, upper = _largest(self.lower, other.lower), _smallest(self.upper, other.upper)
        if lower is not None and upper is not None and lower > upper:
            return Requirement(self.key, minimum=minimum)
        if self.complement and other.complement:
            values = frozenset(value for value in self.values | other.values if within(value, lower, upper))
            return Requirement(self.key, values, True, lower, upper, minimum)
        if self.complement:
            values = frozenset(value for value in other.values if self.allows(value))
        elif other.complement:
            values = frozenset(value for value in self.values if other.allows(value))
        else:
            values = self.values & other.values
        return Requirement(self.key, values, minimum=minimum)

    def overlaps(self, other: Requirement) -> bool:
        """Whether some node can fulfil both: a common value, or both are content with a missing label."""
        both = self.intersection(other)
        return both.complement or bool(both.values) or (self.negative and other.negative)

    def any_value(self, avoid: Collection[str] = ()) -> str | None:
        """
        One allowed value, always the same for the same requirement; None when the label must not be there.

        The first in order of a list; for a complement the smallest whole number from its lower bound (or 0) on that
        it allows and that is not in `avoid`, None when there is none.
        """
        if not self.complement:
            return min(self.values, default=None)
        low = max(0, self.lower or 0)
        high = self.upper if self.upper is not None else low + len(self.values) + len(avoid)
        taken = self.values | set(avoid)
        return next((str(n) for n in range(low, min(high, low + len(taken)) + 1) if str(n) not in taken), None)

    def __str__(self) -> str:
        shown = sorted(self.values)
        tail = f" and {len(shown) - _SHOWN_VALUES} others" if len(shown) > _SHOWN_VALUES else ""
        text = f"{self.key} {self.operator}"
        if shown:
            text += f" [{' '.join(shown[:_SHOWN_VALUES])}{tail}]"
        if self.lower is not None:
            text += f" >={self.lower}"
        if self.upper is not None:
            text += f" <={self.upper}"
        if self.minimum is not None:
            text += f" minValues {self.minimum}"
        return text


Requirements = Mapping[str, Requirement]
"""Requirements by key; a key that is not there is free."""


@functools.lru_cache(maxsize=65_536)
def of(key: str, operator: str, values: tuple[str, ...] = (), minimum: int | None = None) -> Requirement:
    """
    The requirement that an operator with its values says.

    Gt, Lt, Gte and Lte take one whole number; without one they allow nothing. An unknown operator allows nothing.
    """
    match operator:
        case "In":
            return Requirement(key, frozenset(values), minimum=minimum)
        case "NotIn":
            return Requirement(key, frozenset(values), True, minimum=minimum)
        case "Exists":
            return Requirement(key, frozenset(), True, minimum=minimum)
        case "Gt" | "Gte" | "Lt" | "Lte":
            return _bounded(key, operator, values, minimum)
        case _:
            return Requirement(key, minimum=minimum)


def _bounded(key: str, operator: str, values: tuple[str, ...], minimum: int | None) -> Requirement:
    number = whole_number(values[0]) if len(values) == 1 else None
    if number is None:
        return Requirement(key, minimum=minimum)
    lower = upper = None
    if operator in ("Gt", "Gte"):
        lower = number + (operator == "Gt")
    else:
        upper = number - (operator == "Lt")
    if (lower is not None and lower > LARGEST) or (upper is not None and upper < -LARGEST - 1):
        return Requirement(key, minimum=minimum)
    return Requirement(key, frozenset(), True, lower, upper, minimum)


def combine(parts: Iterable[Requirement]) -> dict[str, Requirement]:
    """Requirements by key; what is said several times of one key holds together."""
    found: dict[str, Requirement] = {}
    for part in parts:
        known = found.get(part.key)
        found[part.key] = part if known is None else known.intersection(part)
    return found


def clash(incoming: Requirements, existing: Requirements, free: Collection[str]) -> str | None:
    """
    Why nothing can fulfil both sides, in upstream's words, or None when something can.

    `existing` is what a NodePool promises; keys that it does not define may be asked for only when they are in `free`
    (well-known labels, which flavor and offering will decide) or when their absence is what is asked for.
    """
    for key, asked in incoming.items():
        promised = existing.get(key)
        if promised is None:
            if not asked.negative and key not in free:
                return f'label "{key}" does not have known values{_similar(key, [*free, *existing])}'
        elif not asked.overlaps(promised):
            return f"key {key}, {asked} not in {promised}"
    return None


def _similar(key: str, known: Iterable[str]) -> str:
    """As upstream a key that ends like this one or holds it; beyond that one that is spelt almost so."""
    others, last = list(dict.fromkeys(known)), key.rpartition("/")[2]
    close = [other for other in others if other.rpartition("/")[2] == last]
    close += [other for other in others if len(key) >= _TELLING and key in other]
    close += difflib.get_close_matches(key, sorted(others), n=1, cutoff=0.8)
    return f' (typo of "{close[0]}"?)' if close else ""


def within(value: str, lower: int | None, upper: int | None) -> bool:
    """Whether a label value lies within inclusive bounds; without bounds everything does."""
    if lower is None and upper is None:
        return True
    number = whole_number(value)
    return number is not None and (lower is None or lower <= number) and (upper is None or number <= upper)


def whole_number(value: str) -> int | None:
    """The 64-bit whole number that a label value is, or None."""
    if not _WHOLE_NUMBER.fullmatch(value):
        return None
    number = int(value)
    return number if -LARGEST - 1 <= number <= LARGEST else None


def _largest(one: int | None, other: int | None) -> int | None:
    return max((n for n in (one, other) if n is not None), default=None)


def _smallest(one: int | None, other: int | None) -> int | None:
    return min((n for n in (one, other) if n is not None), default=None)
