"""
Many plans before several courts at once: plans are made in one process, each court has a control plane and a thread.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import pathlib
import queue
import random
import time
from collections.abc import Callable, Iterable

from catalog import catalogue
from solver import cluster, options, plan, planner, snapshot
from tests.e2e import controlplane
from tests.e2e.judge import bars, court, legal
from tests.solver.build import random_clusters
from tests.solver.rules import world

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """
    A question: the random cluster of a seed (`alike`: whose workloads count each other), that many pods that only take
    room, or the manifests in a folder.
    """

    seed: int = 0
    alike: bool = False
    pods: int = 0
    folder: pathlib.Path | None = None

    def __str__(self) -> str:
        if self.folder:
            return self.folder.name
        return (f"{self.pods} pods, " if self.pods else "alike, " if self.alike else "") + f"seed {self.seed}"

    def question(self) -> tuple[cluster.Cluster, catalogue.Catalogue, options.Options]:
        """Cluster, catalogue and options; the same each time."""
        if self.folder:
            asked = options.Options(time_limit=20.0, deterministic=True, workers=1)
            return snapshot.read([str(self.folder)]), catalogue.embedded(), asked
        if self.pods:
            asked = options.Options(time_limit=5.0, deterministic=True, workers=1)
            return _packing(self.seed, self.pods), catalogue.embedded(), asked
        of, asked = (random_clusters.draw_alike if self.alike else random_clusters.draw)(self.seed)
        return legal.admissible(of), world.shelf(), asked


def _packing(seed: int, pods: int) -> cluster.Cluster:
    """Pods of 20 sizes for new nodes of one family, and a DaemonSet."""
    dice = random.Random(seed)
    made: list[cluster.Pod] = []
    for index in range(20):
        of = world.spec(dice.choice([100, 250, 500, 1000, 2000]), dice.choice([1, 2, 4, 8, 16]) * world.GIB // 4)
        made += world.pods(f"p{index}", pods // 20, of=of)
    family = {"key": "karpenter.ovhcloud.sh/family", "operator": "In", "values": ["b3", "c3", "r3"]}
    agent = cluster.DaemonSet("kube-system", "agent", world.spec(100, world.GIB // 8))
    return world.world(made, agent, world.pool(requirements=[family]))


def packing_cases(many: int, pods: int) -> list[Case]:
    """Clusters of so many pods that only take room: their plans fill the nodes."""
    return [Case(seed, pods=pods) for seed in range(many)]


def random_cases(first: int, many: int, *, alike: bool = False) -> list[Case]:
    """Random clusters over all rules; `alike`: whose workloads count each other."""
    return [Case(seed, alike) for seed in range(first, first + many)]


def examples() -> list[Case]:
    """All examples of the repository."""
    return [Case(folder=path) for path in sorted(EXAMPLES.iterdir()) if path.is_dir()]


@dataclasses.dataclass(slots=True)
class Record:
    """
    What all courts found.

    `planned` pods, of which `bound` are where planned, `elsewhere` on another node and `waiting` nowhere; `left_out`
    pods, of which `confirmed` have no place and `barred` would have one if kube-scheduler alone decided (see `bars`).
    `whole` counts plans with no pod waiting, `ordered` those whose pods had to come in a certain order, `renewed` those
    whose pods the scheduler looked at again only when they were made anew. `faults` are sentences about plans that were
    wrong.
    """

    plans: int = 0
    nodes: int = 0
    planned: int = 0
    bound: int = 0
    elsewhere: int = 0
    waiting: int = 0
    whole: int = 0
    left_out: int = 0
    confirmed: int = 0
    barred: int = 0
    ordered: int = 0
    renewed: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)

    def add(self, case: Case, found: plan.Plan, verdict: court.Verdict, barred: set[str]) -> list[str]:
        """Count one more plan; its faults, for which the pods that are `barred` are none."""
        faults = [*verdict.wrong]
        faults += [f"{k}: left out, bound to {v}" for k, v in verdict.taken.items() if k not in barred]
        faults = [f"{case}: {words}" for words in faults]
        self.plans += 1
        self.nodes += len(found.create)
        self.planned += verdict.planned
        self.bound += verdict.bound
        self.elsewhere += verdict.elsewhere
        self.waiting += len(verdict.stuck)
        self.whole += not verdict.stuck
        self.left_out += verdict.left_out
        self.confirmed += verdict.left_out - len(verdict.taken)
        self.barred += len(barred)
        self.ordered += verdict.ordered
        self.renewed += verdict.renewed
        self.faults += faults
        return faults

    def __str__(self) -> str:
        return (
            f"{self.plans} plans with {self.nodes} new nodes: {self.bound} of {self.planned} planned pods bound where "
            f"planned, {self.elsewhere} elsewhere, {self.waiting} not bound; {self.confirmed} of {self.left_out} pods "
            f"that plans leave out confirmed, {self.barred} barred by rules that kube-scheduler does not have; "
            f"{self.ordered} plans went in one order only, {self.renewed} had to be asked about again"
        )


def answer(case: Case) -> plan.Plan:
    """The plan for a case. Raises `planner.RejectedPlanError`."""
    return planner.plan(*case.question(), planner.Run(clock=time.monotonic))


def hear(
    cases: Iterable[Case], *, courts: int = 2, loose: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Record:
    """
    Judge the plans of all cases; with `loose` nothing keeps their pods to their places.

    `tell` gets each fault as soon as it is known.
    """
    record = Record()
    waiting: queue.SimpleQueue[tuple[Case, concurrent.futures.Future[plan.Plan]]] = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        pool = stack.enter_context(concurrent.futures.ProcessPoolExecutor(1, spawn))
        for case in cases:
            waiting.put((case, pool.submit(answer, case)))
        stack.callback(pool.shutdown, cancel_futures=True)
        planes = [stack.enter_context(controlplane.ControlPlane(**court.SETTINGS)) for _ in range(courts)]
        sitting = [stack.enter_context(court.Court(plane)) for plane in planes]

        def work(bench: court.Court) -> None:
            while True:
                try:
                    case, future = waiting.get_nowait()
                except queue.Empty:
                    return
                found = future.result()
                question = case.question()
                verdict = (bench.let_loose if loose else bench.judge)(*question, found)
                barred = {pod for pod, node in verdict.taken.items() if bars.barred(*question, found, pod, node)}
                faults = record.add(case, found, verdict, barred)
                for words in () if loose else faults:
                    tell(words)

        with concurrent.futures.ThreadPoolExecutor(courts) as threads:
            for done in [threads.submit(work, bench) for bench in sitting]:
                done.result()
    return record
