"""The measurements of one file of results, and what they say of a workload."""

from __future__ import annotations

import math
from typing import Any

from bench import workloads

Json = dict[str, Any]
QUIET = 2.0
"""Load before a measurement up to which a peer's seconds count."""


def over(cost: float, bound: float | None) -> float:
    """How far above the bound, as a fraction."""
    return (cost - bound) / bound if bound else math.nan


class Results:
    """The measurements of one file."""

    def __init__(self, kept: Json) -> None:
        self.kept = kept
        self.of = {(r["workload"], r["seed"], r["what"]): r for r in kept["results"]}
        there = {r["workload"] for r in kept["results"] if r["what"] == "search"}
        self.names = [name for name in workloads.WORKLOADS if name in there]

    def searches(self, name: str) -> list[Json]:
        """The product's measurements of a workload, one per seed."""
        return [r for (n, _, what), r in self.of.items() if n == name and what == "search" and "runs" in r]

    def peer(self, search: Json, what: str) -> Json | None:
        """A peer's last answer to the problem of one of our measurements, when there is one; T5000 is one for all seeds."""
        found = self.answer(search, what)
        last: Json = found.get("runs", [found])[-1]
        return last if last.get("cost") else None

    def answer(self, search: Json, what: str) -> Json:
        """A peer's whole answer, empty when there is none."""
        same = [
            r
            for (name, _, peer), r in self.of.items()
            if (name, peer, r.get("problem")) == (search["workload"], what, search.get("problem"))
        ]
        return min(same, key=lambda r: r["seed"] != search["seed"], default={})

    def timed(self, search: Json, what: str) -> Json | None:
        """A peer's last answer where its seconds count: nothing else was at work on the machine."""
        found = self.peer(search, what)
        return found if found is not None and found.get("load", 0.0) <= QUIET else None

    @staticmethod
    def bound(search: Json) -> float:
        """The highest bound that any run of this measurement proved."""
        return max(r["bound"] or 0 for r in (search["first"], *search["runs"]))

    def gaps(self, name: str, until: float) -> list[float]:
        """Over the proven bound after so many seconds, one per seed; nan when pods are left out."""
        return [
            over(run["cost"], self.bound(search)) if run["accepted"] and not run["left_out"] else math.nan
            for search in self.searches(name)
            for run in search["runs"]
            if run["until"] == until
        ]

    def cheaper(self, name: str, what: str, run: str = "runs") -> list[float]:
        """How much cheaper the last run, or the `first` one, is than a peer, one per seed; where both place all pods."""
        found = []
        for search in self.searches(name):
            peer = self.peer(search, what)
            if peer is not None and peer["accepted"] and not peer["left_out"]:
                found.append(1 - _run(search, run)["cost"] / peer["cost"])
        return found

    def at_least(self, name: str, what: str) -> list[float]:
        """
        How much cheaper the last run is at least, where the peer was cut off: what it had bought by then for a part of the
        pods against all of ours.
        """
        found = []
        for search in self.searches(name):
            peer = self.peer(search, what)
            if peer is not None and peer["accepted"] and peer.get("timed_out"):
                found.append(1 - search["runs"][-1]["cost"] / peer["cost"])
        return found


def _run(search: Json, which: str) -> Json:
    found: Json = search["first"] if which == "first" else search["runs"][-1]
    return found
