"""A world in a file: written whole beside the old one, then put in its place."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from controller.simulator import model

VERSION = "karpenter.ovhcloud.sh/simulator.v1alpha1"

_WORLD = TypeAdapter(model.World)


class StateFileError(ValueError):
    """The file is not a world that this version can read; one sentence."""


def dump(world: model.World) -> Any:
    """The world as plain JSON values."""
    return _WORLD.dump_python(world, mode="json")


def save(path: Path, world: model.World) -> None:
    """Write the world; a crash leaves the old file or the new one, never half of either."""
    text = json.dumps({"apiVersion": VERSION, "world": dump(world)})
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path) -> model.World:
    """Read a world; raises ``StateFileError``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StateFileError(f"state file {path} cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("apiVersion") != VERSION:
        raise StateFileError(f"state file {path} is not a simulator's state of version {VERSION}")
    try:
        return _WORLD.validate_python(content.get("world"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StateFileError(f"state file {path}: {where}: {first['msg']}") from None
