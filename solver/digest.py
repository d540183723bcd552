"""
A fingerprint of a question: equal inputs have equal fingerprints, so that plans can be told apart and asked for again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from catalog import catalogue
from solver import cluster, options


def digest(of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options) -> str:
    """
    `sha256:` and the hex digest of everything that a plan depends on.

    Notes, the order of objects and, where time plays no part, the present instant do not count.
    """
    state = hashlib.sha256()
    shared: dict[int, str] = {}

    def once(value: object) -> str:
        found = shared.get(id(value))
        if found is None:
            found = shared[id(value)] = _text(value)
        return found

    for key in sorted(of.pods):
        pod = of.pods[key]
        rest = [getattr(pod, name) for name in _POD_FIELDS]
        state.update(f"{key}|{once(pod.spec)}|{once(pod.labels)}|{_text(pod.annotations)}|{rest!r}\n".encode())
    for field in dataclasses.fields(of):
        if field.name in ("pods", "notes"):
            continue
        objects: Mapping[str, object] = getattr(of, field.name)
        state.update(field.name.encode())
        for key in sorted(objects):
            state.update(f"{key}|{_text(objects[key])}\n".encode())
    if asked.mode == "provision":
        asked = dataclasses.replace(asked, now=0)
    state.update(f"{known.version}|{_text(asked)}".encode())
    return f"sha256:{state.hexdigest()}"


_POD_FIELDS = tuple(
    field.name for field in dataclasses.fields(cluster.Pod) if field.name not in ("spec", "labels", "annotations")
)


def _text(value: Any) -> str:
    """A text that depends on the value alone: mappings by key, dataclasses by field."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{_text(value[key])}" for key in sorted(value, key=str)) + "}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return "(" + ",".join(_text(getattr(value, field.name)) for field in dataclasses.fields(value)) + ")"
    if isinstance(value, tuple | list):
        return "[" + ",".join(_text(item) for item in value) + "]"
    return repr(value)
