"""The file of results over several sittings: what is measured already, which peer is not asked, what is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import report

Json = dict[str, Any]


class Book:
    """
    The results in `file`: those of `earlier` sittings, if any, and what this `sitting` measures, written down at once.

    `again`: what is there is measured anew. `patience`: seconds that a peer may have been at work on one seed of a
    workload to be asked about another one.
    """

    def __init__(self, file: Path, sitting: Json, earlier: Json | None, *, again: bool, patience: float) -> None:
        self.kept: Json = earlier or {"environment": [], "results": []}
        self._file, self._sitting, self._again, self._patience = file, sitting, again, patience

    def known(self, name: str, seed: int, what: str, problem: str) -> bool:
        """Whether it is measured already and need not be again: on the same problem, a peer for whatever seed."""
        ours = what in ("search", "growth")
        there = self._found(name, seed, what) if ours else [r for r in self.kept["results"] if "error" not in r]
        return not self._again and any(
            (r["workload"], r["what"], r.get("problem", problem)) == (name, what, problem) for r in there
        )

    def slow(self, name: str, seed: int, peer: str) -> str | None:
        """Why a peer is not asked about another seed of a workload, or None."""
        others = (r for r in self.kept["results"] if (r["workload"], r["what"]) == (name, peer) and r["seed"] != seed)
        took = max((r.get("asked_for", 0) for r in others), default=0)
        if took <= self._patience:
            return None
        return f"not asked: it took {took:.0f} s for another seed, --patience is {self._patience:.0f} s"

    def keep(self, result: Json) -> None:
        """Write a measurement down; what is missing is only said, and a failure replaces nothing that is there."""
        print(report.line(result), flush=True)
        key = (result["workload"], result["seed"], result["what"])
        if "missing" in result or ("error" in result and self._found(*key)):
            return
        if self._sitting not in self.kept["environment"]:
            self.kept["environment"].append(self._sitting)
        others = [r for r in self.kept["results"] if (r["workload"], r["seed"], r["what"]) != key]
        self.kept["results"] = [*others, {**result, "sitting": self._sitting["date"]}]
        self._file.write_text(json.dumps(self.kept, indent=1))

    def _found(self, name: str, seed: int, what: str) -> list[Json]:
        """A measurement that is there and did not fail."""
        results = self.kept["results"]
        same = [r for r in results if (r["workload"], r["seed"], r["what"]) == (name, seed, what)]
        return [r for r in same if "error" not in r]
