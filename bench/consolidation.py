"""
The bench of consolidation: saving and evictions, beside the real Karpenter and greedy deletion.

    scripts/bench --consolidation [--workloads C72/40,C300/40] [--seeds 3] [--peers karpenter,deletion] [--clock cpu]

Workloads are those of `bench.fragmented`. Ours counts from the parsed problem to the checked plan. Savings are in EUR per
hour; their share is of what the bound leaves. Karpenter's commands are carried out one after the other until it finds
none, as far as budgets of the NodePool let nodes go at once: commands after that are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import fragmented, run
from bench.peers import deletion, karpenter
from catalog import catalogue as catalogues
from solver import build as builds
from solver import cluster, options, planner, snapshot
from solver import plan as plans
from solver.disruption import choice as choices

Json = dict[str, Any]
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}
SECONDS = {"C72/40": 5.0, "C300/40": 10.0, "C500/10000/100": 20.0}
AIMS = {"C72/40": 0.98, "C300/40": 0.99, "C500/10000/100": 0.97}
FIRST = 0.5
"""Time limit, as a share of the 2 s in which a first plan is wanted, that is left when reading and checking are done."""
PEERS = ("karpenter", "deletion")


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
    known.offerings("GRA11")
    now = int(datetime.datetime.fromisoformat(fragmented.NOW).timestamp())
    asked = options.Options(mode="consolidate", now=now, seed=seed)
    return Question(snapshot.read([str(file)]), known, asked, CLOCKS[clock])


def ours(question: Question, limit: float, evictions: int | None) -> Json:
    """First plan, plan within the limit, its frontier, and the plan with as many evictions as a peer made."""
    first = question.outcome(*question.plan(2.0 * FIRST))
    best, seconds = question.plan(limit * 0.95)
    answer: Json = {"first": first, "best": question.outcome(best, seconds)}
    wish = dataclasses.replace(question.asked, time_limit=limit)
    run_ = planner.Run(clock=question.clock)
    more = planner.with_frontier(question.of, question.known, wish, run_, best)
    answer["frontier"] = [dataclasses.asdict(each) for each in more.frontier]
    if evictions is not None:
        answer["matched"] = question.outcome(*question.plan(limit * 0.95, max_evictions=evictions))
    return answer


def karpenter_peer(file: Path, most: int | None, timeout: float) -> Json:
    """The real Karpenter, within the nodes that budgets let go at once."""
    why = karpenter.missing()
    if why is not None:
        return {"missing": why}
    manifests = json.loads(file.read_text())["items"]
    question = karpenter.problem(manifests, mode="consolidate", now=fragmented.NOW, runs=1, timeoutSeconds=int(timeout))
    result = karpenter.run(question)["results"][0]
    deleted = evictions = 0
    seconds, after = 0.0, result["hourlyBefore"]
    commands = 0
    for command in result["commands"]:
        if most is not None and deleted + len(command["deleted"]) > most:
            break
        deleted += len(command["deleted"])
        evictions += command["evictions"]
        seconds += command["seconds"]
        after = command["hourlyAfter"]
        commands += 1
    if commands == len(result["commands"]):
        seconds = result["seconds"]
    saving = round((result["hourlyBefore"] - after) * 1_000_000)
    return {
        "seconds": seconds,
        "saving": saving,
        "evictions": evictions,
        "deleted": deleted,
        "commands": commands,
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
    }


def one(file: Path, name: str, asked: argparse.Namespace) -> Json:
    """Everything about one workload; peers first, for their number of evictions."""
    question = read(file, asked.first_seed, asked.clock)
    size = fragmented.SIZES[name]
    most = None if size.budget == "100%" else -(-size.nodes * int(size.budget[:-1]) // 100)
    answer: Json = {}
    if "karpenter" in asked.peers:
        answer["karpenter"] = karpenter_peer(file, most, asked.timeout)
    if "deletion" in asked.peers:
        answer["deletion"] = deletion_peer(question)
    evictions = answer.get("karpenter", {}).get("evictions")
    return answer | ours(question, SECONDS[name], evictions)


def table(results: list[Json]) -> str:
    """Results as a Markdown table: one row per plan."""
    titles = ["workload", "seed", "plan", "seconds", "EUR/h saved", "of the bound's saving", "nodes gone / bought"]
    titles += ["evictions", "per EUR/h saved"]
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    for each in results:
        if "best" not in each:
            lines.append(f"| {each['workload']} | {each['seed']} | {each.get('error', 'no answer')} | | | | | | |")
            continue
        bound = max(x["bound"] for x in (each["first"], each["best"]))
        rows = [("first", each["first"]), (f"within {SECONDS[each['workload']]:.0f} s", each["best"])]
        if "matched" in each:
            rows.append(("at Karpenter's evictions", each["matched"]))
        rows += [(name, each[name]) for name in PEERS if name in each]
        for what, row in rows:
            head = f"| {each['workload']} | {each['seed']} | {what} |"
            if "missing" in row:
                lines.append(f"{head} {row['missing']} | | | | | |")
                continue
            rate = f"{row['evictions'] / (row['saving'] / 1e6):.1f}" if row["saving"] > 0 else "–"
            note = "" if row.get("accepted", True) else " (rejected)"
            nodes = f"{row['deleted']} / {row['created']}" if "created" in row else str(row["deleted"])
            lines.append(
                f"{head} {row['seconds']:.2f}{note} | {row['saving'] / 1e6:.2f} | {row['saving'] / bound:.2%} |"
                f" {nodes} | {row['evictions']} | {rate} |"
            )
    lines.append("")
    for each in results:
        points = ", ".join(f"{p['saved'] / 1e6:.2f} with {p['moved']}" for p in each.get("frontier", ()))
        lines.append(f"- {each['workload']}, seed {each['seed']}, frontier (EUR/h saved with pods moved): {points}")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench --consolidation", description="Measure consolidation.")
    parser.add_argument("--workloads", default=",".join(fragmented.SIZES), help="names separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--peers", default=",".join(PEERS), help="karpenter,deletion, or nothing")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="what a second is")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for Karpenter")
    parser.add_argument("--to", type=Path, default=run.RESULTS / "consolidation.json")
    parser.add_argument("--file", type=Path, default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.peers = [p for p in asked.peers.split(",") if p]
    unknown = set(asked.peers) - set(PEERS) | set(asked.workloads.split(",")) - set(fragmented.SIZES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return asked


def apart(name: str, seed: int, asked: argparse.Namespace) -> Json:
    """One workload in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cluster.json")
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": fragmented.WORKLOADS[name](seed)}))
        command = [sys.executable, "-m", "bench.consolidation", "--file", str(file), "--workloads", name]
        command += ["--first-seed", str(seed), "--clock", asked.clock, "--peers", ",".join(asked.peers)]
        command += ["--timeout", str(asked.timeout)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    answer: Json = {"workload": name, "seed": seed}
    if ended.returncode:
        return answer | {"error": (ended.stderr.strip().splitlines() or ["ended without a word"])[-1]}
    found: Json = json.loads(ended.stdout)
    return answer | found


def main() -> None:
    asked = arguments()
    if asked.file is not None:
        print(json.dumps(one(asked.file, asked.workloads, asked)))
        return
    kept: Json = {"environment": run.environment(asked.clock), "results": []}
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for name in asked.workloads.split(","):
            kept["results"].append(apart(name, seed, asked))
            print(table(kept["results"][-1:]), flush=True)
            asked.to.write_text(json.dumps(kept, indent=1))
    print(table(kept["results"]))


if __name__ == "__main__":
    main()
