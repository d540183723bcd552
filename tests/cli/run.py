"""Runs the command line in this process, as its entry point does."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import pytest

from controller import cli

ROOT = Path(__file__).parents[2]
INFLATE = str(ROOT / "examples" / "inflate")


@dataclasses.dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str, stdin: str = "") -> Outcome:
    """Call `karpenter-ovhcloud` with these words."""
    monkeypatch.setattr(sys, "argv", ["karpenter-ovhcloud", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)
