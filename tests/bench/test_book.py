"""What the bench keeps over several sittings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import book

Json = dict[str, Any]

ANSWER: Json = {
    "workload": "K2000",
    "seed": 1,
    "what": "karpenter",
    "problem": "p",
    "cost": 1_000_000,
    "seconds": 1.0,
    "left_out": 0,
    "accepted": True,
    "asked_for": 30.0,
}


RUNS: Json = {"first": ANSWER, "runs": [ANSWER], "rss_mb": 150.0, "process_wall": 5.5}


def sitting(file: Path, date: str = "monday", *, again: bool = False, patience: float = 60.0) -> book.Book:
    """A sitting that goes on where the file ends."""
    earlier = json.loads(file.read_text()) if file.exists() else None
    return book.Book(file, {"date": date}, earlier, again=again, patience=patience)


def kept(file: Path) -> list[Json]:
    found: list[Json] = json.loads(file.read_text())["results"]
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one answer, of Monday."""
    found = tmp_path / "results.json"
    sitting(found).keep(ANSWER)
    return found


def test_a_later_sitting_measures_what_is_missing(file: Path):
    """Another seed, another peer, the same one on another problem; all of it where everything is measured again."""
    resumed = sitting(file, "tuesday")

    assert resumed.known("K2000", 1, "karpenter", "p")
    assert not resumed.known("K2000", 2, "karpenter", "of seed 2")
    assert not resumed.known("K2000", 1, "first-fit", "p")
    assert not resumed.known("K2000", 1, "karpenter", "q")
    assert not sitting(file, again=True).known("K2000", 1, "karpenter", "p")


def test_a_peer_is_asked_once_about_a_problem_that_is_the_same_for_all_seeds(file: Path):
    """As T5000 is; our own search has a seed of its own."""
    sitting(file).keep({**ANSWER, "what": "search"} | RUNS)

    assert sitting(file).known("K2000", 2, "karpenter", "p")
    assert not sitting(file).known("K2000", 2, "search", "p")


def test_answers_are_kept_with_their_sitting(file: Path):
    """Those of Monday stay beside those of Tuesday, and a sitting that measures nothing leaves no trace."""
    sitting(file, "tuesday").keep({**ANSWER, "seed": 2})
    sitting(file, "wednesday").keep({**ANSWER, "seed": 3, "missing": "not built"})

    assert [(r["seed"], r["sitting"]) for r in kept(file)] == [(1, "monday"), (2, "tuesday")]
    assert [e["date"] for e in json.loads(file.read_text())["environment"]] == ["monday", "tuesday"]


def test_a_failure_replaces_no_answer(file: Path):
    """It is written down only where nothing is, and asked about again."""
    broken = {name: ANSWER[name] for name in ("workload", "seed", "what")} | {"error": "no answer within 900 s"}
    again = sitting(file, again=True)
    again.keep(broken)
    again.keep({**broken, "seed": 2})

    assert [(r["seed"], "error" in r) for r in kept(file)] == [(1, False), (2, True)]
    assert not sitting(file).known("K2000", 2, "karpenter", "of seed 2")


def test_a_slow_peer_is_not_asked_about_another_seed_without_patience(file: Path):
    """Thirty seconds for seed 1: nobody who waits 20 asks about seed 2, who waits 60 does."""
    assert sitting(file, patience=60.0).slow("K2000", 2, "karpenter") is None
    words = sitting(file, patience=20.0).slow("K2000", 2, "karpenter")
    assert words == "not asked: it took 30 s for another seed, --patience is 20 s"
    assert sitting(file, patience=20.0).slow("K2000", 1, "karpenter") is None
