"""
The bench of consolidation: saving and evictions, beside the real Karpenter and greedy deletion.

    scripts/bench --consolidation [--workloads C72/40,C300/40] [--seeds 3] [--peers karpenter,deletion] [--add | --resume]

Workloads are those of `bench.fragmented` and `bench.grown`. Ours counts from the parsed problem to the checked plan.
Savings are in EUR per hour; their share is of what the bound leaves. bench/README.md is the protocol.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import consolidation_report, fragmented, grown, run, running, workloads
from bench.peers import deletion, karpenter
from catalog import catalogue as catalogues
from solver import build as builds
from solver import cluster, consolidation, options, planner, snapshot
from solver import plan as plans
from solver.disruption import choice as choices

Json = dict[str, Any]
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}
FIRST = 1.0
"""Time limit of a first plan, which is wanted within 2 s: reading and checking take the rest."""
PEERS = ("karpenter", "deletion")
OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Workload:
    """How a cluster is made from a seed, after how many seconds its plan is looked at, and the share that is wanted."""

    make: Callable[[int], list[workloads.Manifest]]
    seconds: float
    aim: float | None = None


WORKLOADS: dict[str, Workload] = {
    "C72/40": Workload(functools.partial(fragmented.fragmented, fragmented.Size(72, 40, (1, 5))), 5.0, 0.98),
    "C300/40": Workload(functools.partial(fragmented.fragmented, fragmented.Size(300, 40, (1, 5))), 10.0, 0.99),
    "C500/10000/100": Workload(functools.partial(grown.grown, 500, 10_000, 100), 20.0, 0.97),
    "C500/alike": Workload(functools.partial(fragmented.fragmented, fragmented.ALIKE), 20.0),
}


@dataclasses.dataclass(slots=True)
class Question:
    """A parsed workload, and the clock that measures its answers."""

    of: cluster.Cluster
    known: catalogues.Catalogue
    asked: options.Options
    clock: Callable[[], float]

    def plan(self, limit: float, **changes: Any) -> tuple[plans.Plan, float]:
        """A checked plan and the seconds that it took."""
        asked = dataclasses.replace(self.asked, time_limit=limit, **changes)
        start = self.clock()
        found = planner.plan(self.of, self.known, asked, planner.Run(clock=self.clock))
        return found, self.clock() - start

    def outcome(self, found: plans.Plan, seconds: float) -> Json:
        """What a plan saves and disturbs."""
        return {
            "seconds": seconds,
            "saving": found.cost.before - found.cost.after,
            "bound": found.cost.before - (found.cost.lower_bound or 0),
            "evictions": sum(pod in found.placements for gone in found.delete for pod in gone.pods),
            "deleted": len(found.delete),
            "created": len(found.create),
            "steps": len(found.steps),
            "accepted": found.verification.ok,
            "notes": list(found.notes),
        }


def read(file: Path, seed: int, clock: str) -> Question:
    """A workload from its file."""
    known = catalogues.embedded()
    known.offerings(workloads.ONE_ZONE)
    now = int(datetime.datetime.fromisoformat(running.NOW).timestamp())
    asked = options.Options(mode="consolidate", now=now, seed=seed)
    return Question(snapshot.read([str(file)]), known, asked, CLOCKS[clock])


def ours(question: Question, limit: float, evictions: int | None) -> Json:
    """First plan, plan within the limit, its frontier, and the plan with as many evictions as a peer made."""
    first = question.outcome(*question.plan(FIRST))
    best, seconds = question.plan(limit * 0.95)
    answer: Json = {"first": first, "best": question.outcome(best, seconds)}
    wish = dataclasses.replace(question.asked, time_limit=limit)
    run_ = planner.Run(clock=question.clock)
    more = consolidation.with_frontier(question.of, question.known, wish, run_, best)
    answer["frontier"] = [dataclasses.asdict(each) for each in more.frontier]
    if evictions is not None:
        answer["matched"] = question.outcome(*question.plan(limit * 0.95, max_evictions=evictions))
    return answer


def karpenter_peer(file: Path, timeout: float) -> Json:
    """The real Karpenter, within the nodes that budgets let go at once."""
    why = karpenter.missing()
    if why is not None:
        return {"missing": why}
    manifests = json.loads(file.read_text())["items"]
    question = karpenter.problem(
        manifests, mode="consolidate", now=running.NOW, runs=1, timeoutSeconds=int(timeout), atOnce=True
    )
    result = karpenter.run(question)["results"][0]
    return {
        "seconds": result["seconds"],
        "saving": round((result["hourlyBefore"] - result["hourlyAfter"]) * 1_000_000),
        "evictions": result["evictions"],
        "deleted": sum(len(each["deleted"]) for each in result["commands"]),
        "created": sum(len(each["replacements"]) for each in result["commands"]),
        "commands": len(result["commands"]),
        "gave_up": result["seconds"] >= timeout,
    }


def deletion_peer(question: Question) -> Json:
    """Greedy deletion, one node after the other."""
    start = question.clock()
    choice = choices.choose(question.of, question.known, question.asked, lambda _: {})
    build = builds.build_problem(question.of, question.known, question.asked, leave=choice.leave(question.of))
    why = deletion.missing(build.problem)
    if why is not None:
        return {"missing": why}
    solution = deletion.solve(build.problem)
    removed = list(solution.removed)
    return {
        "seconds": question.clock() - start,
        "saving": sum(build.problem.nodes[n].price for n in removed),
        "evictions": int(build.problem.residents[removed].sum()),
        "deleted": len(removed),
        "created": 0,
    }


def answer(file: Path, asked: argparse.Namespace) -> Json:
    """One answer about a workload in a file, for the process that was started for it."""
    if asked.what == "karpenter":
        return karpenter_peer(file, asked.timeout)
    question = read(file, asked.first_seed, asked.clock)
    if asked.what == "deletion":
        return deletion_peer(question)
    return ours(question, WORKLOADS[asked.workloads].seconds, asked.evictions)


def one(name: str, seed: int, asked: argparse.Namespace) -> Iterator[Json]:
    """All answers about one workload and seed, each from a process of its own; Karpenter first, for its evictions."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cluster.json")
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": WORKLOADS[name].make(seed)}))
        for what in (*asked.peers, OURS):
            if asked.keeps(name, seed, what):
                continue
            command = [sys.executable, "-m", "bench.consolidation", "--file", str(file), "--what", what]
            command += ["--workloads", name, "--first-seed", str(seed), "--clock", asked.clock]
            command += ["--timeout", str(asked.timeout)]
            evictions = asked.kept(name, seed, "karpenter").get("evictions")
            if evictions is not None:
                command += ["--evictions", str(evictions)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            found = {"error": (ended.stderr.strip().splitlines() or ["ended without a word"])[-1]}
            if not ended.returncode:
                found = json.loads(ended.stdout)
            yield {"workload": name, "seed": seed, "what": what, "load": os.getloadavg()[0], **found}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench --consolidation", description="Measure consolidation.")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="names separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--peers", default=",".join(PEERS), help="karpenter,deletion, or nothing")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="what a second is")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds for Karpenter")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="with --add, a peer that took longer keeps what it answered"
    )
    parser.add_argument("--to", type=Path, default=run.KEPT.with_name("consolidation.json"))
    parser.add_argument("--add", action="store_true", help="keep what --to holds of other workloads, seeds and peers")
    parser.add_argument("--resume", action="store_true", help="the same, and measure nothing that it holds already")
    for hidden, kind in (("--file", Path), ("--what", str), ("--evictions", int)):
        parser.add_argument(hidden, type=kind, default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.peers = [p for p in PEERS if p in asked.peers.split(",")]
    asked.names = asked.workloads.split(",")
    unknown = set(asked.names) - set(WORKLOADS)
    if unknown:
        parser.error(f"unknown workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    return asked


def main() -> None:
    asked = arguments()
    if asked.file is not None:
        print(json.dumps(answer(asked.file, asked)))
        return
    results: list[Json] = []
    environments: list[Json] = []
    if (asked.add or asked.resume) and asked.to.exists():
        before = json.loads(asked.to.read_text())
        results, environments = before["results"], before["environment"]
    command = " ".join(["scripts/bench", "--consolidation", *sys.argv[1:]])
    environments.append(run.environment(asked.clock) | {"command": command})

    def kept(name: str, seed: int, what: str) -> Json:
        """What is known already, {} when nothing is."""
        same = (r for r in results if (r["workload"], r["seed"], r["what"]) == (name, seed, what) and "error" not in r)
        return next(same, {})

    def keeps(name: str, seed: int, what: str) -> bool:
        """Whether it need not be measured again."""
        known = kept(name, seed, what)
        return bool(known) and (asked.resume or (what in PEERS and known.get("seconds", 0) > asked.patience))

    asked.kept, asked.keeps = kept, keeps
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for name in asked.names:
            for found in one(name, seed, asked):
                key = (found["workload"], found["seed"], found["what"])
                results = [r for r in results if (r["workload"], r["seed"], r["what"]) != key] + [found]
                asked.to.write_text(json.dumps({"environment": environments, "results": results}, indent=1))
            mine = [r for r in results if (r["workload"], r["seed"]) == (name, seed)]
            print(consolidation_report.table(mine), flush=True)
    text = consolidation_report.written(results, {n: (w.seconds, w.aim) for n, w in WORKLOADS.items()})
    asked.to.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
