"""
Small clusters in a few words, and what the rules make of them.

Without further words there is one NodePool "general" in EU-WEST-PAR (zones -a, -b, -c) and a catalogue of three
flavors: small (2 cores, 8 GiB), large (4 cores, 16 GiB) and gpu (8 cores, 32 GiB, one GPU).
"""

import dataclasses
from typing import Any

from catalog import catalogue, flavor
from solver import build, cluster, options
from tests.solver import builders

GIB, ZONE, HOSTNAME, TYPE = builders.GIB, builders.ZONE, builders.HOSTNAME, builders.TYPE
selector, within, term = builders.selector, builders.expression, builders.node_term
pool, node_class, world = builders.pool, builders.node_class, builders.cluster
ZONES = ("eu-west-par-a", "eu-west-par-b", "eu-west-par-c")

FLAVORS = (
    flavor.make("b3-8", 2, 8, disk_gib=50, hourly_micro_eur=50_000),
    flavor.make("b3-16", 4, 16, disk_gib=100, hourly_micro_eur=100_000),
    flavor.make("l4-32", 8, 32, disk_gib=100, gpus=1, gpu_model="NVIDIA L4 24GB", hourly_micro_eur=900_000),
)


def shelf(*flavors: flavor.Flavor) -> catalogue.Catalogue:
    """A catalogue of these flavors."""
    return catalogue.Catalogue({each.name: each for each in flavors or FLAVORS}, "test")


def near(key: str, **labels: str) -> cluster.PodTerm:
    """A pod term about pods with these labels in the pod's own namespace."""
    return cluster.PodTerm(key, selector(**labels))


def spec(cpu: int = 100, memory: int = GIB // 4, **fields: Any) -> cluster.PodSpec:
    requests = {"cpu": cpu, "memory": memory} | dict(fields.pop("requests", ()))
    return cluster.PodSpec(requests=tuple(sorted(requests.items())), **fields)


def pods(name: str, count: int = 1, *, of: cluster.PodSpec | None = None, **fields: Any) -> list[cluster.Pod]:
    """Pods `name-0` … that share spec and labels."""
    shared = of or spec()
    namespace = fields.pop("namespace", "default")
    return [cluster.Pod(namespace, f"{name}-{index}", shared, **fields) for index in range(count)]


def pod(name: str, of: cluster.PodSpec | None = None, **fields: Any) -> cluster.Pod:
    return cluster.Pod(fields.pop("namespace", "default"), name, of or spec(), **fields)


def node(name: str, zone: str = ZONES[0], cpu: int = 4000, **fields: Any) -> cluster.Node:
    """A node with room for 110 pods; `labels` come on top of zone, hostname and flavor b3-16."""
    amounts = {"cpu": cpu, "memory": 16 * GIB, "pods": 110} | fields.pop("amounts", {})
    labels = {ZONE: zone, HOSTNAME: name, TYPE: "b3-16"} | fields.pop("labels", {})
    return cluster.Node(name, labels=labels, allocatable=amounts, capacity=amounts, **fields)


def compiled(*objects: Any, flavors: tuple[flavor.Flavor, ...] = (), **asked: Any) -> build.Build:
    """What is built of a cluster, or of one of these objects; other words are options."""
    leave = build.Leave(asked.pop("removable", None) or {})
    whole = objects[0] if isinstance(objects[0], cluster.Cluster) else world(*objects)
    return build.build_problem(whole, shelf(*flavors), options.Options(**asked), leave=leave)


def class_of(built: build.Build, name: str) -> int:
    """The index of the class with the pod `default/name`."""
    return next(
        index
        for index, each in enumerate(built.problem.classes)
        if f"default/{name}" in (*each.pods, *(key for keys in each.residents.values() for key in keys))
    )


def offers_of(built: build.Build, name: str) -> set[tuple[str, str, str]]:
    """NodePool, flavor and last letter of the zone of the offers that take the pod."""
    allowed = built.problem.offer_ok[class_of(built, name)]
    return {
        (offer.node_pool, offer.flavor, offer.zone[-1])
        for offer, ok in zip(built.problem.offers, allowed, strict=True)
        if ok
    }


def flavors_of(built: build.Build, name: str) -> set[str]:
    """Flavors of the offers that take the pod."""
    return {offered for _, offered, _ in offers_of(built, name)}


def zones_of(built: build.Build, name: str) -> str:
    """Last letters of the zones of the offers that take the pod, in order."""
    return "".join(sorted({zone for *_, zone in offers_of(built, name)}))


def nodes_of(built: build.Build, name: str) -> set[str]:
    """Existing nodes that take the pod."""
    allowed = built.problem.node_ok[class_of(built, name)]
    return {each.name for each, ok in zip(built.problem.nodes, allowed, strict=True) if ok}


def node_index(built: build.Build, name: str) -> int:
    return next(index for index, each in enumerate(built.problem.nodes) if each.name == name)


def why_offer(built: build.Build, name: str, **like: Any) -> Any:
    """Rule and words that keep the pod off the first offer like this."""
    index = next(
        number
        for number, offer in enumerate(built.problem.offers)
        if all(getattr(offer, key) == value for key, value in like.items())
    )
    return built.explain_offer(class_of(built, name), index)


def why_node(built: build.Build, name: str, of: str) -> Any:
    return built.explain_node(class_of(built, name), node_index(built, of))


def owners(built: build.Build, mask: Any) -> set[str]:
    """First pods (without the namespace) of the classes in a mask."""
    return {each.name.partition("/")[2] for each, chosen in zip(built.problem.classes, mask, strict=True) if chosen}


def pods_in(built: build.Build, mask: Any) -> set[str]:
    """All pods (without their namespaces) of the classes in a mask."""
    chosen = [each for each, of in zip(built.problem.classes, mask, strict=True) if of]
    return {key.partition("/")[2] for each in chosen for key in each.pods}


def changed(of: cluster.PodSpec, **fields: Any) -> cluster.PodSpec:
    return dataclasses.replace(of, **fields)
