"""
Small problems (at most 50 pods in at most 10 classes): how many are proved optimal, and in what time.

    python -m bench.small [--families plain,host,...] [--seeds 20] [--first-seed 1] [--limit 5] [--clock cpu] [--only-slow]

Each family is a mix of rules; numpy's generator with the given seed is the only source of chance. A line per problem: seconds
from the parsed manifests to the checked plan, the gap that is left, where the time went; then totals per family. Seconds
are CPU seconds of the process, or wall-clock ones with `--clock wall`; starting and reading take about 0.6 s more.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import measure as measuring
from bench import running, workloads
from bench.workloads import HOST, ZONE, Manifest
from catalog import catalogue as catalogues
from solver import options, planner, snapshot
from solver import plan as plans

Generator = np.random.Generator
CPU = (50, 100, 200, 250, 500, 500, 1000, 1000, 1500, 2000, 3000, 4000, 6000)
"""Milli-CPU as people write it."""
PER_CORE = (512, 1024, 1024, 2048, 2048, 4096, 4096, 8192)
"""Mi of memory per core."""
PODS, CLASSES = 50, 10
ENOUGH = 1.4
"""Seconds from the parsed manifests to the checked plan, so that a process takes less than two."""


@dataclasses.dataclass(slots=True)
class App:
    """A Deployment under construction."""

    name: str
    replicas: int
    cpu: int
    memory: int
    spec: dict[str, Any] = dataclasses.field(default_factory=dict)
    ports: list[Manifest] = dataclasses.field(default_factory=list)

    @property
    def labels(self) -> dict[str, str]:
        return {"app": self.name}

    def spread(self, key: str, skew: int = 1, *, hard: bool = True) -> None:
        """Spread the replicas over the domains of a key."""
        self.spec.setdefault("topologySpreadConstraints", []).append(
            {
                "maxSkew": skew,
                "topologyKey": key,
                "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
                "labelSelector": {"matchLabels": self.labels},
            }
        )

    def relate(self, kind: str, key: str, other: App, *, hard: bool = True) -> None:
        """`kind` is podAffinity or podAntiAffinity, to the pods of another App or its own."""
        term = {"topologyKey": key, "labelSelector": {"matchLabels": other.labels}}
        terms = self.spec.setdefault("affinity", {}).setdefault(kind, {})
        if hard:
            terms.setdefault("requiredDuringSchedulingIgnoredDuringExecution", []).append(term)
        else:
            preferred = terms.setdefault("preferredDuringSchedulingIgnoredDuringExecution", [])
            preferred.append({"weight": 100, "podAffinityTerm": term})

    def manifest(self) -> Manifest:
        """As a Deployment."""
        amounts = {"cpu": f"{self.cpu}m", "memory": f"{self.memory}Mi"}
        container: Manifest = {
            "name": "main",
            "image": "registry.k8s.io/pause:3.10",
            "resources": {"requests": amounts},
        }
        if self.ports:
            container["ports"] = self.ports
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": "default"},
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": self.labels},
                "template": {"metadata": {"labels": self.labels}, "spec": {"containers": [container], **self.spec}},
            },
        }


def apps(rng: Generator, *, odd: bool = False) -> list[App]:
    """Up to ten Apps with up to fifty pods in all; `odd` sizes are no round numbers."""
    classes = int(rng.integers(1, CLASSES + 1))
    pods = int(rng.integers(classes, PODS + 1))
    numbers = rng.multinomial(pods - classes, rng.dirichlet(np.ones(classes))) + 1
    found = []
    for index, number in enumerate(numbers):
        if odd:
            cpu = int(np.exp(rng.uniform(np.log(100), np.log(8000))))
            memory = max(16, int(cpu / 1000 * np.exp(rng.uniform(0, np.log(8))) * 1024))
        else:
            cpu = int(rng.choice(CPU))
            memory = max(64, cpu * int(rng.choice(PER_CORE)) // 1000)
        found.append(App(f"app-{index}", int(number), cpu, memory))
    return found


def shelf(rng: Generator, region: str, *, full: bool | None = None) -> list[Manifest]:
    """Node class, NodePool and DaemonSets: three families up to 32 vCPU, or whatever the region sells."""
    objects = workloads.base(region)
    if rng.random() < 0.4 if full is None else full:
        everything = workloads.node_pool("everything")
        everything["spec"]["template"]["spec"]["requirements"] = []
        objects[1] = everything
    return objects


def plain(rng: Generator) -> list[Manifest]:
    """Amounts alone: sizes as people write them, or odd ones."""
    region = workloads.ONE_ZONE if rng.random() < 0.5 else workloads.THREE_ZONES
    return shelf(rng, region) + [app.manifest() for app in apps(rng, odd=rng.random() < 0.5)]


def on_hosts(rng: Generator, some: Sequence[App]) -> None:
    """Rules between pods of one node, on half of the Apps."""
    for app in some:
        draw = rng.random()
        if draw < 0.2:
            app.relate("podAntiAffinity", HOST, app)
        elif draw < 0.28:
            app.relate("podAntiAffinity", HOST, some[int(rng.integers(len(some)))])
        elif draw < 0.43:
            app.spread(HOST, int(rng.integers(1, 4)))
        elif draw < 0.48:
            app.ports.append({"containerPort": 8080, "hostPort": 8080})


def over_zones(rng: Generator, some: Sequence[App]) -> None:
    """Rules between pods of one zone, on half of the Apps."""
    for app in some:
        draw = rng.random()
        if draw < 0.3:
            app.spread(ZONE, int(rng.integers(1, 3)))
        elif draw < 0.4:
            app.relate("podAffinity", ZONE, app)
        elif draw < 0.46:
            app.relate("podAffinity", ZONE, some[int(rng.integers(len(some)))])
        elif draw < 0.5:
            app.replicas = min(app.replicas, 3)
            app.relate("podAntiAffinity", ZONE, app)


def host(rng: Generator) -> list[Manifest]:
    """Anti-affinity, spread and ports over hostnames."""
    some = apps(rng, odd=rng.random() < 0.3)
    on_hosts(rng, some)
    region = workloads.ONE_ZONE if rng.random() < 0.5 else workloads.THREE_ZONES
    return shelf(rng, region) + [app.manifest() for app in some]


def zone(rng: Generator) -> list[Manifest]:
    """Spread, affinity and anti-affinity over three zones."""
    some = apps(rng, odd=rng.random() < 0.3)
    over_zones(rng, some)
    return shelf(rng, workloads.THREE_ZONES) + [app.manifest() for app in some]


def soft(rng: Generator) -> list[Manifest]:
    """Rules that may be broken: spread with ScheduleAnyway, preferred anti-affinity and affinity."""
    some = apps(rng, odd=rng.random() < 0.3)
    for app in some:
        draw = rng.random()
        if draw < 0.25:
            app.spread(ZONE, hard=False)
        if 0.15 < draw < 0.35:
            app.spread(HOST, hard=False)
        elif 0.35 < draw < 0.5:
            app.relate("podAntiAffinity", HOST if rng.random() < 0.7 else ZONE, app, hard=False)
        elif 0.5 < draw < 0.55:
            app.relate("podAffinity", ZONE, some[int(rng.integers(len(some)))], hard=False)
    return shelf(rng, workloads.THREE_ZONES) + [app.manifest() for app in some]


def limited(rng: Generator, some: Sequence[App]) -> list[Manifest]:
    """Two or three NodePools: with limits, with weights, one with a taint that some Apps tolerate."""
    asked = sum(app.replicas * app.cpu for app in some) / 1000
    region = workloads.ONE_ZONE if rng.random() < 0.5 else workloads.THREE_ZONES
    objects = workloads.base(region, families=("c3", "r3"))
    spec: dict[str, Any] = {"limits": {"cpu": str(int(asked * rng.uniform(0.2, 1.0)) + 2)}}
    if rng.random() < 0.3:
        spec["weight"] = 10
    objects.append(workloads.node_pool("balanced", ("b3",), **spec))
    if rng.random() < 0.5:
        own = workloads.node_pool("own", ("b2", "c2"))
        own["spec"]["template"]["spec"]["taints"] = [{"key": "own", "effect": "NoSchedule"}]
        objects.append(own)
        for app in some:
            if rng.random() < 0.4:
                app.spec["tolerations"] = [{"key": "own", "operator": "Exists"}]
    return objects


def pools(rng: Generator) -> list[Manifest]:
    """Several NodePools, no rules between pods."""
    some = apps(rng, odd=rng.random() < 0.3)
    return limited(rng, some) + [app.manifest() for app in some]


LIMITED = ("cpu", "memory", "nodes")
"""Resources that a NodePool may be limited in."""


def choosy(rng: Generator, some: Sequence[App], region: str) -> None:
    """Selectors, required node affinity with one or two terms, tolerations."""
    zones = sorted({offering.zone for offering in catalogues.embedded().offerings(region)})
    families, size = "karpenter.ovhcloud.sh/family", "karpenter.ovhcloud.sh/cpu"
    wishes: list[Callable[[], Manifest]] = [
        lambda: {"key": ZONE, "operator": "In", "values": [str(rng.choice(zones))]},
        lambda: {"key": families, "operator": "In", "values": [*map(str, rng.choice(("b3", "c3", "r3"), 2, False))]},
        lambda: {"key": families, "operator": "NotIn", "values": [str(rng.choice(("b3", "c3", "r3")))]},
        lambda: {"key": size, "operator": "Gt", "values": [str(rng.choice((2, 4, 8)))]},
        lambda: {"key": size, "operator": "Lt", "values": [str(rng.choice((9, 17, 33)))]},
    ]
    for app in some:
        draw = rng.random()
        if draw < 0.1:
            app.spec["nodeSelector"] = {ZONE: str(rng.choice(zones))}
        elif draw < 0.35:
            terms = [
                {"matchExpressions": [wishes[i]() for i in rng.choice(len(wishes), int(rng.integers(1, 3)), False)]}
                for _ in range(int(rng.integers(1, 3)))
            ]
            required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
            app.spec["affinity"] = {"nodeAffinity": required}
        if rng.random() < 0.4:
            app.spec["tolerations"] = [
                {"key": "team", "operator": "Equal", "value": "own", "effect": "NoSchedule"}
                if rng.random() < 0.5
                else {"key": "team", "operator": "Exists"}
            ]


def with_limits(rng: Generator, pool: Manifest, asked: dict[str, float]) -> None:
    """One or two limits of a NodePool, from what a few of the pods ask for to more than all of them do."""
    for resource in rng.choice(LIMITED, int(rng.integers(1, 3)), replace=False).tolist():
        room = asked[resource] * rng.uniform(0.3, 1.3)
        limit = {"cpu": f"{int(room) + 2}", "memory": f"{int(room) + 8}Gi", "nodes": f"{int(room) + 1}"}[resource]
        pool["spec"].setdefault("limits", {})[resource] = limit


def cluster(rng: Generator) -> list[Manifest]:
    """Nodes with free room, NodePools with weights, taints and limits that may leave pods out, priorities, selectors."""
    some = apps(rng, odd=rng.random() < 0.4)
    asked = {
        "cpu": sum(app.replicas * app.cpu for app in some) / 1000,
        "memory": sum(app.replicas * app.memory for app in some) / 1024,
    }
    asked["nodes"] = max(asked["cpu"], asked["memory"] / 4) / 8
    region = workloads.ONE_ZONE if rng.random() < 0.6 else workloads.THREE_ZONES
    objects = workloads.base(region)
    if rng.random() < 0.6:
        with_limits(rng, objects[1], asked)
    if rng.random() < 0.5:
        own = workloads.node_pool("own", ("b3", "c3"))
        effects = ("NoSchedule", "NoExecute", "PreferNoSchedule")
        own["spec"]["template"]["spec"]["taints"] = [
            {"key": "team", "value": "own", "effect": str(rng.choice(effects))}
        ]
        if rng.random() < 0.5:
            own["spec"]["weight"] = int(rng.integers(1, 100))
        if rng.random() < 0.5:
            with_limits(rng, own, asked)
        objects.append(own)
    if rng.random() < 0.5:
        objects.append(
            workloads.daemon_set("agent", f"{int(rng.integers(1, 8)) * 50}m", f"{int(rng.integers(1, 16)) * 64}Mi")
        )
    choosy(rng, some, region)
    if rng.random() < 0.6:
        for app in some:
            app.spec["priority"] = int(rng.choice((0, 0, 100, 1000)))
    if region == workloads.ONE_ZONE:
        known = catalogues.embedded()
        for index in range(int(rng.integers(0, 5))):
            flavor = str(rng.choice(("b3-8", "b3-16", "b3-32", "c3-16", "r3-32")))
            objects += running.node(f"node-{index}", flavor, known)
            cpu = int(known.flavors[flavor].allocatable["cpu"] * rng.uniform(0.2, 0.9)) - running.DAEMONS["cpu"]
            if cpu > 0:
                there = workloads.pod(f"old-{index}", cpu, cpu, {"app": "old"})
                objects.append(running.pod(there, f"node-{index}"))
    return objects + [app.manifest() for app in some]


TIER = "example.com/tier"


def labelled(rng: Generator) -> list[Manifest]:
    """NodePools told apart by template labels, pods that ask for these by all operators, nodes billed by the month."""
    some = apps(rng, odd=rng.random() < 0.4)
    region = workloads.ONE_ZONE if rng.random() < 0.6 else workloads.THREE_ZONES
    monthly = rng.random() < 0.3
    families = ("b2", "c2", "r2") if monthly else ("b3", "c3", "r3")
    objects = workloads.base(region, families=families)
    if monthly:
        objects[0]["spec"]["monthlyBilled"] = True
    for tier in ("front", "back")[: int(rng.integers(1, 3))]:
        own = workloads.node_pool(tier, families[: int(rng.integers(1, 4))])
        own["spec"]["template"]["metadata"] = {"labels": {TIER: tier}}
        if rng.random() < 0.4:
            own["spec"]["limits"] = {"nodes": str(int(rng.integers(1, 8)))}
        objects.append(own)
    size = "karpenter.ovhcloud.sh/cpu"
    wishes: list[Manifest] = [
        {"key": TIER, "operator": "Exists"},
        {"key": TIER, "operator": "DoesNotExist"},
        {"key": TIER, "operator": "In", "values": ["front"]},
        {"key": TIER, "operator": "NotIn", "values": ["front"]},
        {"key": size, "operator": "Gt", "values": ["3"]},
        {"key": size, "operator": "Lt", "values": ["17"]},
    ]
    for app in some:
        if rng.random() < 0.5:
            terms = [
                {"matchExpressions": [wishes[i] for i in rng.choice(len(wishes), int(rng.integers(1, 3)), False)]}
                for _ in range(int(rng.integers(1, 3)))
            ]
            required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
            app.spec["affinity"] = {"nodeAffinity": required}
    return objects + [app.manifest() for app in some]


def mixed(rng: Generator) -> list[Manifest]:
    """Everything: rules over hostnames and zones, selectors, several NodePools now and then."""
    some = apps(rng, odd=rng.random() < 0.3)
    on_hosts(rng, [app for app in some if rng.random() < 0.6] or some)
    over_zones(rng, [app for app in some if rng.random() < 0.6] or some)
    for app in some:
        if rng.random() < 0.1:
            app.spec["nodeSelector"] = {ZONE: str(rng.choice(workloads.ZONES))}
        elif rng.random() < 0.1:
            app.spread(HOST if rng.random() < 0.5 else ZONE, hard=False)
    objects = limited(rng, some) if rng.random() < 0.3 else shelf(rng, workloads.THREE_ZONES)
    return objects + [app.manifest() for app in some]


def hand(rng: Generator) -> list[Manifest]:
    """What somebody writes to try it out: a web shop's Deployments, some of them spread or kept apart."""
    catalogue = [
        App("web", int(rng.integers(2, 9)), 250, 256),
        App("api", int(rng.integers(2, 9)), 500, 512),
        App("worker", int(rng.integers(1, 11)), 1000, 2048),
        App("cache", int(rng.integers(1, 4)), 500, 4096),
        App("database", int(rng.integers(1, 4)), 2000, 8192),
        App("search", 3, 1000, 4096),
        App("queue", 3, 250, 1024),
        App("metrics", 1, 500, 2048),
        App("batch", int(rng.integers(1, 6)), 4000, 4096),
        App("ingress", 2, 200, 256),
    ]
    chosen = sorted(rng.choice(len(catalogue), int(rng.integers(2, CLASSES + 1)), replace=False).tolist())
    some = [catalogue[index] for index in chosen]
    for app in some:
        if app.name in ("web", "api", "ingress"):
            draw = rng.random()
            if draw < 0.7:
                app.spread(ZONE, hard=draw < 0.35)
            if rng.random() < 0.3:
                app.spread(HOST, hard=rng.random() < 0.3)
        elif app.name in ("cache", "database", "search", "queue") and rng.random() < 0.7:
            app.relate("podAntiAffinity", HOST if rng.random() < 0.7 else ZONE, app, hard=rng.random() < 0.7)
    region = workloads.ONE_ZONE if rng.random() < 0.2 else workloads.THREE_ZONES
    if region == workloads.ONE_ZONE:
        for app in some:
            spread = app.spec.get("topologySpreadConstraints", [])
            app.spec["topologySpreadConstraints"] = [each for each in spread if each["topologyKey"] == HOST]
    return shelf(rng, region) + [app.manifest() for app in some]


FAMILIES: dict[str, Callable[[Generator], list[Manifest]]] = {
    each.__name__: each for each in (plain, host, zone, soft, pools, mixed, hand, cluster, labelled)
}


def drawn(family: str, seed: int) -> list[Manifest]:
    """The problem of a family with this seed."""
    return FAMILIES[family](np.random.default_rng([list(FAMILIES).index(family), seed]))


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """One answer: seconds that it took, whether it is proved, and the plan."""

    seconds: float
    proved: bool
    plan: plans.Plan

    def line(self) -> str:
        """For people."""
        gap = self.plan.cost.gap
        said = "proved" if self.proved else "open" if gap is None else f"open, {100 * gap:.2f} %"
        phases = ", ".join(f"{p.name} {p.seconds:.2f}" for p in self.plan.solve.phases)
        pods, classes = self.plan.inputs.pending_pods, self.plan.solve.pod_classes
        cost = f"{self.plan.cost.after / 1e6:.4f} EUR/h, {len(self.plan.create)} nodes"
        left = f", {len(self.plan.unschedulable)} left out" if self.plan.unschedulable else ""
        return f"{self.seconds:5.2f} s  {pods:2} pods, {classes:2} classes  {cost}{left}: {said}  ({phases})"


def measure(manifests: list[Manifest], known: catalogues.Catalogue, limit: float, clock: str) -> Measured:
    """One problem from the snapshot to the checked plan."""
    of = snapshot.from_objects(manifests)
    asked, run = options.Options(time_limit=limit), planner.Run(clock=measuring.CLOCKS[clock], relax=True)
    start = run.clock()
    plan = planner.plan(of, known, asked, run)
    seconds = run.clock() - start
    if not plan.verification.ok:
        raise AssertionError(plan.verification.violations[0].message)
    proved = plan.status == "optimal" or (plan.cost.gap == 0 and not plan.unschedulable)
    return Measured(seconds, proved, plan)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.small", description="Small problems: proved or not.")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=5.0, help="seconds for the search of one problem")
    parser.add_argument("--clock", choices=tuple(measuring.CLOCKS), default="cpu")
    parser.add_argument("--only-slow", action="store_true", help="show only what is not proved in time")
    parser.add_argument(
        "--write", type=Path, default=None, help="only write the problems as JSON files into this folder"
    )
    asked = parser.parse_args()
    known = catalogues.embedded()
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    totals = []
    for family in asked.families.split(","):
        if asked.write is not None:
            asked.write.mkdir(exist_ok=True)
            for seed in seeds:
                listed = {"apiVersion": "v1", "kind": "List", "items": drawn(family, seed)}
                (asked.write / f"{family}-{seed}.json").write_text(json.dumps(listed))
            continue
        found = []
        for seed in seeds:
            found.append(measure(drawn(family, seed), known, asked.limit, asked.clock))
            if not asked.only_slow or not found[-1].proved or found[-1].seconds > ENOUGH:
                print(f"{family:6} {seed:4} {found[-1].line()}", flush=True)
        seconds = sorted(each.seconds for each in found)
        soon = sum(each.proved and each.seconds <= ENOUGH for each in found)
        totals.append(
            f"{family:6} {len(found)} problems, {sum(each.proved for each in found)} proved, {soon} of them within {ENOUGH} s; "
            f"seconds: half {seconds[len(seconds) // 2]:.2f}, nine tenths {seconds[int(len(seconds) * 0.9)]:.2f}, "
            f"most {seconds[-1]:.2f}, sum {sum(seconds):.1f}"
        )
    print(*totals, sep="\n")


if __name__ == "__main__":
    main()
