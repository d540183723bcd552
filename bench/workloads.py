"""
Workloads by name and seed, as manifests.

Every workload is a list of objects that `solve -f`, the peers and `kubectl` could read alike: one OVHNodeClass, one
NodePool over b3, c3 and r3 flavors up to 32 vCPU, two DaemonSets that together take 250m and 400Mi of every node, and
pods. numpy's PCG64 generator with the given seed is the only source of chance.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Manifest = dict[str, Any]
Generator = np.random.Generator

ONE_ZONE = "GRA11"
THREE_ZONES = "EU-WEST-PAR"
ZONES = ("eu-west-par-a", "eu-west-par-b", "eu-west-par-c")
ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"

UPSTREAM_CPU = (100, 250, 500, 1000, 1500)
UPSTREAM_MEMORY = (100, 256, 512, 1024, 2048, 4096)
"""Requests of upstream's own scheduling benchmark, milli-CPU and Mi (scheduling_benchmark_test.go)."""
LETTERS = "abcdefg"

CAPPED = 0.4
"""Cores that the NodePool with a limit may have, of those that the pods of X ask for."""

TRACE_SAMPLE = Path(__file__).parent / "data" / "trace_sample.csv"


def node_class(region: str) -> Manifest:
    """The node class that all workloads use."""
    return {
        "apiVersion": "karpenter.ovhcloud.sh/v1alpha1",
        "kind": "OVHNodeClass",
        "metadata": {"name": "default"},
        "spec": {
            "serviceName": "0123456789abcdef0123456789abcdef",
            "kubeId": "01234567-89ab-cdef-0123-456789abcdef",
            "region": region,
        },
    }


def node_pool(name: str = "general", families: Sequence[str] = ("b3", "c3", "r3"), **spec: Any) -> Manifest:
    """A NodePool over these families up to 32 vCPU."""
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "spec": {
                    "nodeClassRef": {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"},
                    "requirements": [
                        {"key": "karpenter.ovhcloud.sh/family", "operator": "In", "values": [*families]},
                        {"key": "karpenter.ovhcloud.sh/cpu", "operator": "Lt", "values": ["33"]},
                    ],
                }
            },
            "disruption": {"consolidateAfter": "30s"},
            **spec,
        },
    }


def daemon_set(name: str, cpu: str, memory: str) -> Manifest:
    """A DaemonSet that tolerates everything."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [
                        {"name": name, "image": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}}
                    ],
                },
            },
        },
    }


def pod(name: str, cpu: int, memory: int, labels: dict[str, str] | None = None, **spec: Any) -> Manifest:
    """A pending pod; `cpu` in milli-CPU, `memory` in Mi."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "registry.k8s.io/pause:3.10",
                    "resources": {"requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}},
                }
            ],
            **spec,
        },
    }


def base(region: str, **pool: Any) -> list[Manifest]:
    """Everything but the pods."""
    return [
        node_class(region),
        node_pool(**pool),
        daemon_set("network", "150m", "250Mi"),
        daemon_set("storage", "100m", "150Mi"),
    ]


def upstream(count: int, seed: int) -> list[Manifest]:
    """K: pods of upstream's benchmark sizes."""
    rng = np.random.default_rng(seed)
    return base(ONE_ZONE) + [
        pod(f"pod-{i}", int(rng.choice(UPSTREAM_CPU)), int(rng.choice(UPSTREAM_MEMORY))) for i in range(count)
    ]


def diverse(count: int, seed: int) -> list[Manifest]:
    """KD: upstream's diverse mix: plain, zone spread, host spread, zone affinity, host anti-affinity, a fifth each."""
    rng = np.random.default_rng(seed)
    fifth = count // 5

    def size() -> tuple[int, int]:
        return int(rng.choice(UPSTREAM_CPU)), int(rng.choice(UPSTREAM_MEMORY))

    def letter() -> str:
        return str(rng.choice(list(LETTERS)))

    def spread(name: str, key: str) -> Manifest:
        labels, selector = {"my-label": letter()}, {"my-label": letter()}
        constraint = {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": selector},
        }
        return pod(name, *size(), labels, topologySpreadConstraints=[constraint])

    def related(name: str, kind: str, key: str, labels: dict[str, str]) -> Manifest:
        term = {"topologyKey": key, "labelSelector": {"matchLabels": labels}}
        affinity = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        return pod(name, *size(), labels, affinity=affinity)

    def plain(name: str) -> Manifest:
        return pod(name, *size(), {"my-label": letter()})

    pods = [plain(f"plain-{i}") for i in range(fifth)]
    pods += [spread(f"zone-spread-{i}", ZONE) for i in range(fifth)]
    pods += [spread(f"host-spread-{i}", HOST) for i in range(fifth)]
    pods += [related(f"zone-affinity-{i}", "podAffinity", ZONE, {"my-affinity": letter()}) for i in range(fifth)]
    pods += [related(f"host-apart-{i}", "podAntiAffinity", HOST, {"app": "nginx"}) for i in range(fifth)]
    pods += [plain(f"rest-{i}") for i in range(count - 5 * fifth)]
    return base(THREE_ZONES) + pods


def random_classes(count: int, classes: int, seed: int, *, largest: int = 8000) -> list[Manifest]:
    """R, G, B: random classes, 100m to `largest` log-uniform, 1 to 8 GiB per core log-uniform, Dirichlet counts."""
    rng = np.random.default_rng(seed)
    cpu = np.exp(rng.uniform(np.log(100), np.log(largest), classes)).astype(int)
    memory = np.maximum((cpu / 1000 * np.exp(rng.uniform(0, np.log(8), classes)) * 1024).astype(int), 16)
    numbers = rng.multinomial(count - classes, rng.dirichlet(np.ones(classes))) + 1
    pods = [
        pod(f"class-{c}-{i}", int(cpu[c]), int(memory[c]), {"app": f"class-{c}"})
        for c in range(classes)
        for i in range(numbers[c])
    ]
    return base(ONE_ZONE) + pods


def uneven(count: int, classes: int, seed: int) -> list[Manifest]:
    """
    A: CPU and memory drawn apart, 100m to 4 and 0.1 to 9 GB, about as many pods of each class, and the whole catalogue.

    Small nodes are cheapest for some pods, and hold one to three of them.
    """
    rng = np.random.default_rng(seed)
    cpu, memory = rng.integers(100, 4001, classes), rng.integers(100, 9001, classes)
    numbers = rng.multinomial(count - classes, np.full(classes, 1 / classes)) + 1
    objects = base(ONE_ZONE)
    objects[1]["spec"]["template"]["spec"]["requirements"] = []
    pods = [
        pod(f"class-{c}-{i}", int(cpu[c]), int(memory[c]), {"app": f"class-{c}"})
        for c in range(classes)
        for i in range(numbers[c])
    ]
    return objects + pods


def near_equal(count: int, classes: int, seed: int) -> list[Manifest]:
    """V: classes that differ by a few millis, as a vertical autoscaler makes them."""
    rng = np.random.default_rng(seed)
    kinds = [(250, 512), (500, 2048), (1000, 1024), (2000, 8192)]
    drawn = [
        (int(k), int(a), int(b))
        for k, a, b in zip(
            rng.integers(0, len(kinds), classes),
            rng.integers(0, 60, classes),
            rng.integers(0, 80, classes),
            strict=True,
        )
    ]
    which = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    pods = []
    for i, c in enumerate(which):
        kind, more_cpu, more_memory = drawn[c]
        cpu, memory = kinds[kind]
        pods.append(pod(f"pod-{i}", cpu + more_cpu, memory + more_memory, {"app": f"kind-{kind}"}))
    return base(ONE_ZONE) + pods


def constrained(count: int, seed: int) -> list[Manifest]:
    """
    X: every class carries one to three rules across nodes, and a limit binds: b3, which suits most mixes of the pods best,
    is a NodePool of its own with CAPPED of the cores that the pods ask for. Plans without the limit take 0.52 (seed 3) to
    0.98 (seed 1) of these.
    """
    rng = np.random.default_rng(seed)
    classes, asked = 40, 0
    numbers = rng.multinomial(count - classes, rng.dirichlet(np.ones(classes) * 3)) + 1
    objects = base(THREE_ZONES, families=("c3", "r3"))
    objects.append(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "csi-cinder-high-speed"},
            "provisioner": "cinder.csi.openstack.org",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    for c in range(classes):
        cpu = int(np.exp(rng.uniform(np.log(100), np.log(3000))))
        memory = max(64, int(cpu / 1000 * np.exp(rng.uniform(0, np.log(8))) * 1024))
        labels = {"app": f"app-{c}"}
        wanted = {
            str(r)
            for r in rng.choice(["zone-spread", "zone-affinity", "apart", "volume"], rng.integers(1, 4), replace=False)
        }
        if "zone-affinity" in wanted:
            wanted -= {"zone-spread"}
        spec: dict[str, Any] = {}
        affinity: dict[str, Any] = {}
        if "zone-spread" in wanted:
            spec["topologySpreadConstraints"] = [
                {
                    "maxSkew": int(rng.integers(1, 4)),
                    "topologyKey": ZONE,
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {"matchLabels": labels},
                }
            ]
        if "zone-affinity" in wanted:
            affinity["podAffinity"] = {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": ZONE, "labelSelector": {"matchLabels": labels}}
                ]
            }
        if "apart" in wanted:
            affinity["podAntiAffinity"] = {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": HOST, "labelSelector": {"matchLabels": labels}}
                ]
            }
        if affinity:
            spec["affinity"] = affinity
        zone = ZONES[c % 3] if "volume" in wanted and "zone-spread" not in wanted else None
        if zone is not None:
            spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": ""}}]
        for i in range(numbers[c]):
            name = f"app-{c}-{i}"
            own = dict(spec)
            if zone is not None:
                own["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}]
                objects += bound_volume(f"data-{name}", zone)
            objects.append(pod(name, cpu, memory, labels, **own))
        asked += cpu * int(numbers[c])
    limit = {"cpu": str(int(asked / 1000 * CAPPED))}
    return [*objects, node_pool("balanced", ("b3",), limits=limit)]


def teams(count: int, classes: int, number: int, seed: int) -> list[Manifest]:
    """
    P: `number` teams, each with a NodePool of its own (label and taint) and `count` pods of random classes as in R that go
    nowhere else.
    """
    objects = base(ONE_ZONE)
    for index in range(number):
        team = f"team-{index}"
        pool = node_pool(team)
        pool["spec"]["template"]["metadata"] = {"labels": {"team": team}}
        pool["spec"]["template"]["spec"]["taints"] = [{"key": "team", "value": team, "effect": "NoSchedule"}]
        objects.append(pool)
        own = {"nodeSelector": {"team": team}, "tolerations": [{"key": "team", "value": team, "effect": "NoSchedule"}]}
        for each in random_classes(count, classes, seed * number + index):
            if each["kind"] == "Pod":
                each["metadata"]["name"] = f"{team}-{each['metadata']['name']}"
                each["spec"] |= own
                objects.append(each)
    return objects


def bound_volume(name: str, zone: str) -> list[Manifest]:
    """A claim that is bound to a volume in one zone."""
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pv-{name}"},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "csi-cinder-high-speed",
                "csi": {"driver": "cinder.csi.openstack.org", "volumeHandle": name},
                "claimRef": {"namespace": "default", "name": name},
                "nodeAffinity": {
                    "required": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {
                                        "key": "topology.cinder.csi.openstack.org/zone",
                                        "operator": "In",
                                        "values": [zone],
                                    }
                                ]
                            }
                        ]
                    }
                },
            },
            "status": {"phase": "Bound"},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name,
                "namespace": "default",
                "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
            },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "csi-cinder-high-speed",
                "volumeName": f"pv-{name}",
                "resources": {"requests": {"storage": "10Gi"}},
            },
            "status": {"phase": "Bound"},
        },
    ]


def trace(count: int, path: Path) -> list[Manifest]:
    """
    T: the first `count` pods of a trace that fit 32 vCPU; GPU demands left aside. `path` is the trace itself
    (`openb_pod_list_default.csv`) or what `bench.convert_trace` made of it.
    """
    rows = itertools.islice(itertools.cycle(list(fitting(path))), count)
    return base(ONE_ZONE) + [pod(f"trace-{i}", cpu, memory) for i, (cpu, memory) in enumerate(rows)]


def fitting(path: Path) -> Iterator[tuple[int, int]]:
    """
    CPU (milli) and memory (Mi) of the trace's pods that fit the largest flavor beside its DaemonSets, in the trace's
    order. A row with a number in `pods` stands for so many.
    """
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            cpu, memory = int(row["cpu_milli"]), int(row["memory_mib"])
            if cpu <= 31440 and memory <= 247000:
                yield from itertools.repeat((cpu, memory), int(row.get("pods") or 1))


WORKLOADS: dict[str, Callable[[int], list[Manifest]]] = {
    "K2000": lambda seed: upstream(2000, seed),
    "K10000": lambda seed: upstream(10000, seed),
    "KD2000": lambda seed: diverse(2000, seed),
    "KD10000": lambda seed: diverse(10000, seed),
    "T5000": lambda _: trace(5000, TRACE_SAMPLE),
    "R100/30": lambda seed: random_classes(100, 30, seed),
    "R1000/30": lambda seed: random_classes(1000, 30, seed),
    "R5000/30": lambda seed: random_classes(5000, 30, seed),
    "R5000/100": lambda seed: random_classes(5000, 100, seed),
    "R10000/300": lambda seed: random_classes(10000, 300, seed),
    "R10000/1000": lambda seed: random_classes(10000, 1000, seed),
    "A2000/300": lambda seed: uneven(2000, 300, seed),
    "V5000": lambda seed: near_equal(5000, 3000, seed),
    "B32000/30": lambda seed: random_classes(32000, 30, seed),
    "X2000": lambda seed: constrained(2000, seed),
    "P300/30": lambda seed: teams(10, 3, 30, seed),
    "P480/12": lambda seed: teams(40, 8, 12, seed),
    "P6000/6": lambda seed: teams(1000, 30, 6, seed),
    "G20000": lambda seed: random_classes(20000, 50, seed),
}
