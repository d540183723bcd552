"""
A fingerprint of a question: equal inputs have equal fingerprints, so that plans can be told apart and asked for again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import operator
from collections.abc import Mapping
from typing import Any

from catalog import catalogue
from solver import cluster, options


def digest(of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options) -> str:
    """
    `sha256:` and the hex digest of everything that a plan depends on.

    Notes and the order of objects do not count, nor does the instant where time plays no part or nobody asked for one.
    """
    lines = _pods(of.pods)
    for field in dataclasses.fields(of):
        if field.name in ("pods", "notes"):
            continue
        objects: Mapping[str, object] = getattr(of, field.name)
        lines.append(field.name)
        lines += [f"{key}|{_text(objects[key])}" for key in sorted(objects)]
    asked = dataclasses.replace(asked, now=0 if asked.mode == "provision" or asked.clock else asked.now, clock=False)
    lines.append(f"{known.version}|{_text(asked)}")
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


_OWN = ("namespace", "name", "key", "uid", "created", "started")
"""Fields that differ from pod to pod; values of all others recur, and each is written once."""
_OBJECTS = ("spec", "labels", "annotations")
_OTHERS = tuple(f.name for f in dataclasses.fields(cluster.Pod) if f.name not in (*_OWN, *_OBJECTS))
_recurring = operator.attrgetter(*_OBJECTS, *_OTHERS)


def _pods(pods: Mapping[str, cluster.Pod]) -> list[str]:
    """A line for each pod by key, with numbers for what recurs; a line with the text goes before the first of them."""
    lines: list[str] = []
    numbers: dict[str, int] = {}
    seen: dict[object, str] = {}
    known: dict[tuple[object, ...], str] = {}

    def number(key: object, value: object) -> str:
        if key not in seen:
            text = _text(value)
            if text not in numbers:
                numbers[text] = len(numbers)
                lines.append(f"{numbers[text]}={text}")
            seen[key] = str(numbers[text])
        return seen[key]

    last, shared = (), ""
    for key in sorted(pods):
        pod = pods[key]
        here = _recurring(pod)
        # Pods of one workload follow one another.
        if here != last:
            last = here
            objects, others = here[: len(_OBJECTS)], here[len(_OBJECTS) :]
            alike = (*map(id, objects), others)
            if alike not in known:
                known[alike] = "|".join(map(number, alike, (*objects, others)))
            shared = known[alike]
        lines.append(f"{key}|{shared}|{pod.uid!r}|{pod.created}|{pod.started}")
    return lines


def _text(value: Any) -> str:
    """A text that depends on the value alone: mappings by key, dataclasses by field."""
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind is tuple or kind is list:
        return "[" + ",".join([_text(item) for item in value]) + "]" if value else "[]"
    names = _fields.get(kind)
    if names is None and dataclasses.is_dataclass(kind):
        names = _fields[kind] = tuple(field.name for field in dataclasses.fields(kind))
    if names is not None:
        return "(" + ",".join([_text(getattr(value, name)) for name in names]) + ")"
    if isinstance(value, Mapping):
        return "{" + ",".join([f"{key!r}:{_text(value[key])}" for key in sorted(value, key=str)]) + "}"
    return repr(value)


_PLAIN = frozenset({str, int, bool, float, type(None)})
_fields: dict[type, tuple[str, ...]] = {}
"""Names of the fields of each dataclass met so far."""
