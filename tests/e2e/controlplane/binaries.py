"""Where the programs of the control plane are."""

from __future__ import annotations

import functools
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = REPOSITORY / "scripts" / "control-plane"


@functools.cache
def folder() -> pathlib.Path:
    """The folder that `scripts/control-plane` builds into; it may not exist yet."""
    shown = subprocess.run([SCRIPT, "--path"], check=True, capture_output=True, text=True)
    return pathlib.Path(shown.stdout.strip())


def missing() -> str | None:
    """Why there can be no control plane here, in one line, or None when all programs are there."""
    if all((folder() / name).exists() for name in ("controlplane", "kwok", "helm")):
        return None
    return "control plane not built: run scripts/control-plane (needs Go 1.25 or newer; takes some minutes once)"
