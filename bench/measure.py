"""
One measurement in a process of its own: a file of manifests in, figures as JSON out.

    python -m bench.measure FILE --what search --limits 1,5 --clock wall --seed 1
    python -m bench.measure FILE --what karpenter,first-fit

Time counts from the parsed problem to the checked plan: building, searching, naming, checking. See bench/README.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import importlib
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import turns
from bench.peers import karpenter
from catalog import catalogue as catalogues
from solver import build as builds
from solver import check, cluster, evaluate, options, planner, problem, snapshot
from solver import plan as plans
from solver.answer import REFUSED
from solver.model import solve as direct
from solver.search import params
from solver.search.construction import first_fit
from solver.snapshot import pending

Json = dict[str, Any]
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}
DIRECT_PODS = 2000
KARPENTER_WORKERS = (1, 2)
ROUNDS = 5
"""Rounds of Karpenter at most, where pods of a plan have no place on its nodes."""


@dataclasses.dataclass(slots=True)
class Question:
    """A parsed problem and how to measure its answers."""

    of: cluster.Cluster
    known: catalogues.Catalogue
    asked: options.Options
    clock: Callable[[], float]

    def build(self) -> builds.Build:
        """The problem for the search."""
        return builds.build_problem(self.of, self.known, self.asked)

    def judge(self, build: builds.Build, found: params.Found) -> plans.Plan:
        """Names, explanations and the checker's verdict."""
        run = planner.Run(clock=self.clock)
        return planner.assembled(self.of, self.known, self.asked, build, found, pending.pending(self.of), run)

    def answer(self, until: float) -> Json:
        """Everything from the parsed problem on, with a time limit of `until` seconds; 0 asks for the first plan."""
        wall, start = time.monotonic(), self.clock()
        trace: list[tuple[float, int, int]] = []

        def progress(report: params.Progress) -> None:
            if report.cost is not None:
                trace.append((round(self.clock() - start, 3), report.cost, report.bound or 0))

        asked = dataclasses.replace(self.asked, time_limit=until)
        plan = planner.plan(self.of, self.known, asked, planner.Run(clock=self.clock, progress=progress))
        return {
            **outcome(plan),
            "until": until,
            "seconds": self.clock() - start,
            "wall": time.monotonic() - wall,
            "classes": plan.solve.pod_classes,
            "phases": {p.name: round(p.seconds, 3) for p in plan.solve.phases},
            "trace": trace,
        }


def outcome(plan: plans.Plan) -> Json:
    """What a plan costs and what the checker says; a plan to fall back on tells of the one that was refused."""
    refused = [note for note in plan.notes if note.startswith(REFUSED)]
    said = [v.message for v in plan.verification.violations] or refused
    return {
        "cost": plan.cost.after,
        "bound": plan.cost.lower_bound,
        "nodes": len(plan.create),
        "left_out": len(plan.unschedulable),
        "accepted": not said,
        "violations": len(said),
        "said": said[:3],
    }


def search(question: Question, limits: list[float]) -> Json:
    """The product: the first plan, then one plan for each limit, each from scratch."""
    return {"first": question.answer(0), "runs": [question.answer(limit) for limit in limits]}


def judged(question: Question, build: builds.Build, solution: problem.Solution, seconds: float) -> Json:
    """A peer's solution through the checker."""
    value = evaluate.value(build.problem, solution)
    found = params.Found(solution, value, None, False, (), 0, "heuristic")
    return {**outcome(question.judge(build, found)), "seconds": seconds}


def first_fit_peer(question: Question) -> Json:
    """First-fit-decreasing."""
    start = question.clock()
    build = question.build()
    solution = first_fit.solve(build.problem)
    return judged(question, build, solution, question.clock() - start)


def direct_peer(question: Question, limits: list[float]) -> Json:
    """The exact model alone, within each limit."""
    build = question.build()
    if int(build.problem.counts.sum()) > DIRECT_PODS:
        return {"missing": f"the direct model is asked up to {DIRECT_PODS} pods: beyond, it only fills memory"}
    runs = []
    for limit in limits:
        start = time.monotonic()
        answer = direct.solve_direct(build.problem, time_limit=limit, workers=question.asked.workers)
        seconds = time.monotonic() - start
        if answer.solution is None:
            runs.append({"until": limit, "seconds": seconds, "cost": None, "left_out": None})
        else:
            runs.append({"until": limit, **judged(question, build, answer.solution, seconds)})
    return {"runs": runs}


def karpenter_peer(question: Question, manifests: list[Json], timeout: float) -> Json:
    """
    The real Karpenter with one and with two workers; each claim at the cheapest offering that it still allows.

    A plan that does not hold in the end is tried in turns. Pods for which no turn comes wait, and Karpenter is asked once
    more, as it would be in a cluster. Time is that of the first round alone, cost that of all.
    """
    why = karpenter.missing()
    if why is not None:
        return {"missing": why}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asked = karpenter.problem(manifests, workers=list(KARPENTER_WORKERS), runs=1, timeoutSeconds=int(timeout))
    start = time.monotonic()
    result = karpenter.run(asked)
    took = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = min(result["results"], key=lambda each: (each["timedOut"], each["seconds"][0]))
    carried = carried_out(question, asked, found["plan"])
    return {
        **outcome(carried.plan),
        "in_the_end": carried.in_the_end,
        "turns": len(carried.plan.steps),
        "waited": carried.waited,
        "unknown": carried.unknown,
        "seconds": found["seconds"][0],
        "version": result["karpenter"],
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "asked_for": took,
        "timed_out": found["timedOut"],
        "workers": {str(each["workers"]): each["seconds"][0] for each in result["results"]},
        "said_cost": round(found["plan"]["hourlyEur"] * 1_000_000),
    }


@dataclasses.dataclass(frozen=True, slots=True)
class CarriedOut:
    """
    Karpenter's plan as the checker judges it, in turns where it has to be. `in_the_end` is the verdict on the first round
    without turns, `waited` who waited after each round, `unknown` how many claims have no offer of ours.
    """

    plan: plans.Plan
    in_the_end: Json
    waited: list[list[str]]
    unknown: int


def carried_out(question: Question, asked: Json, decided: Json) -> CarriedOut:
    """Karpenter's plan through the checker: one that it refuses comes in turns and, where pods have to wait, in rounds."""
    build = question.build()
    verdicts: list[Json] = []
    waited: list[list[str]] = []
    while True:
        solution, unknown = translated(build, decided)
        value = evaluate.value(build.problem, solution)
        plan = question.judge(build, params.Found(solution, value, None, False, (), 0, "heuristic"))
        verdicts.append({name: outcome(plan)[name] for name in ("accepted", "violations", "said")})
        waiting: list[str] = []
        if not plan.verification.ok:
            plan, waiting = turns.in_turns(question.of, question.known, question.asked, plan)
            verdict = check.check(question.of, question.known, plan, question.asked)
            plan = dataclasses.replace(plan, verification=verdict)
        if not waiting or len(verdicts) == ROUNDS:
            return CarriedOut(plan, verdicts[0], waited, unknown)
        waited.append(waiting)
        decided = karpenter.another_round(asked, _claims(plan), waiting)


def _claims(plan: plans.Plan) -> list[Json]:
    """The nodes of a plan as claims of Karpenter: pods of a class have changed places, since a plan deals them out anew."""
    return [
        {
            "name": new.name,
            "nodePool": new.node_pool,
            "flavor": new.flavor,
            "zone": new.zone,
            "hourlyEur": new.hourly / 1_000_000,
            "labels": dict(new.labels),
            "pods": list(new.pods),
        }
        for new in plan.create
    ]


def translated(build: builds.Build, plan: Json) -> tuple[problem.Solution, int]:
    """Karpenter's claims as a solution, and how many have no offer of ours."""
    of_pod = {pod: index for index, each in enumerate(build.problem.classes) for pod in each.pods}
    offers = {(o.node_pool, o.flavor, o.zone): i for i, o in reversed(list(enumerate(build.problem.offers)))}
    new, unknown = [], 0
    for claim in plan["claims"]:
        offer = offers.get((claim["nodePool"], claim["flavor"], claim["zone"]))
        if offer is None:
            unknown += 1
            continue
        counts: dict[int, int] = {}
        for pod in claim["pods"]:
            counts[of_pod[pod]] = counts.get(of_pod[pod], 0) + 1
        new.append((offer, tuple(sorted(counts.items()))))
    return problem.Solution(new=tuple(new)), unknown


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--what", default="search", help="search, or peers: karpenter, first-fit, direct")
    parser.add_argument("--limits", default="1,5")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gap", type=float, default=0.0)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one answer of Karpenter")
    parser.add_argument("--started", type=float, default=None, help="monotonic clock when the process was started")
    asked = parser.parse_args()
    started = asked.started if asked.started is not None else time.monotonic()
    limits = [float(x) for x in asked.limits.split(",")]
    of = snapshot.read([str(asked.file)])
    question = Question(of, catalogues.embedded(), options.Options(seed=asked.seed, gap=asked.gap), CLOCKS[asked.clock])
    question.known.offerings("GRA11")
    importlib.import_module(
        "solver.search.column_generation.pricing"
    )  # CP-SAT takes 0.17 s to load, which is the process's time
    gc.freeze()  # as `solve` does
    parsed = time.monotonic() - started
    answer: Json = {}
    for what in asked.what.split(","):
        if what == "search":
            answer |= search(question, limits)
            answer["process_wall"] = parsed + answer["runs"][-1]["wall"]
        elif what == "karpenter":
            manifests = json.loads(asked.file.read_text())["items"]
            answer[what] = karpenter_peer(question, manifests, asked.timeout)
        elif what == "first-fit":
            answer[what] = first_fit_peer(question)
        else:
            answer[what] = direct_peer(question, limits)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer |= {"rss_mb": usage.ru_maxrss / 1024, "cpu_seconds": usage.ru_utime + usage.ru_stime}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
