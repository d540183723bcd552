"""From a solution in integers to the plan: names, pods by name, options, requests, cost."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from crds import nodepool
from solver import build as builds
from solver import plan as plans
from solver import problem as problems

HASH = "karpenter.sh/nodepool-hash"
HASH_VERSION = "karpenter.sh/nodepool-hash-version"
MIN_VALUES_RELAXED = "karpenter.sh/nodeclaim-min-values-relaxed"

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """The parts of a plan that a solution decides. `left_out` maps a class index to its pods without a place."""

    create: tuple[plans.NewNode, ...]
    delete: tuple[plans.GoneNode, ...]
    placements: Mapping[str, str]
    left_out: Mapping[int, tuple[str, ...]]


def assemble(build: builds.Build, solution: problems.Solution, gone: Sequence[plans.GoneNode] = ()) -> Placed:
    """
    Give names to what a solution decided.

    Pods of a class are interchangeable: they are dealt out in their order, first to existing nodes, then to new ones;
    those of nodes that go come before those that wait. `gone` are nodes that go whatever the solution says.
    """
    problem = build.problem
    evicted = {pod for each in gone for pod in each.pods}
    waiting = [iter(_demand(problem, index, solution.removed, evicted)) for index in range(len(problem.classes))]
    placements: dict[str, str] = {}
    for node in sorted(solution.placed):
        for index, number in solution.placed[node]:
            for pod in _take(waiting[index], number):
                placements[pod] = problem.nodes[node].name
    contents = [
        tuple(pod for index, number in counts for pod in _take(waiting[index], number)) for _, counts in solution.new
    ]
    names = _names(problem, solution, contents)
    pools = _ovh_pools(build, solution)
    create: list[plans.NewNode] = []
    for (offer, counts), pods, name, ovh_pool in zip(solution.new, contents, names, pools, strict=True):
        placements |= dict.fromkeys(pods, name)
        create.append(_new_node(build, offer, counts, pods, name, ovh_pool))
    delete = [*gone, *(_gone(problem, node) for node in sorted(solution.removed))]
    create = _replacing(build, create, delete)
    return Placed(
        create=tuple(sorted(create, key=lambda n: (n.node_pool, n.flavor, n.zone, n.name))),
        delete=tuple(sorted(delete, key=lambda n: n.node)),
        placements=dict(sorted(placements.items())),
        left_out={index: left for index, pods in enumerate(waiting) if (left := tuple(pods))},
    )


def _demand(problem: problems.Problem, index: int, removed: frozenset[int], evicted: Collection[str]) -> list[str]:
    """Pods of a class that need a place: those of removed nodes, then those that wait."""
    each = problem.classes[index]
    first = [pod for node in sorted(each.residents) if node in removed for pod in each.residents[node]]
    return [*first, *sorted(each.pods, key=lambda pod: pod not in evicted)]


def _replacing(
    build: builds.Build, create: Sequence[plans.NewNode], delete: Sequence[plans.GoneNode]
) -> list[plans.NewNode]:
    """
    New nodes with the nodes that they replace: those that all their pods come from.

    What replaces nodes to save money keeps only flavor options that are cheaper than all of these together (Karpenter
    core, `pkg/controllers/disruption/consolidation.go`). A fleet from zero replaces all nodes at once.
    """
    home = {pod: gone for gone in delete for pod in gone.pods}
    saving = [gone for gone in delete if gone.reason == "Underutilized"]
    result = []
    for node in create:
        if not all(pod in home for pod in node.pods):
            result.append(node)
            continue
        replaced = {home[pod].node: home[pod] for pod in node.pods}
        options = node.flavor_options
        if all(gone.reason == "Underutilized" for gone in replaced.values()):
            if sum(gone.hourly for gone in replaced.values()) <= node.hourly:
                replaced = {gone.node: gone for gone in saving}
            most = sum(gone.hourly for gone in replaced.values())
            if build.context.options.mode != "repack":
                options = tuple(name for name in options if _price(build, node, name) < most)
        result.append(dataclasses.replace(node, replaces=tuple(sorted(replaced)), flavor_options=options))
    return result


def _price(build: builds.Build, node: plans.NewNode, flavor: str) -> int:
    """Micro-euro per hour of another flavor in place of a new node's."""
    if flavor == node.flavor:
        return node.hourly
    same = (o for o in build.problem.offers if (o.node_pool, o.flavor, o.zone) == (node.node_pool, flavor, node.zone))
    return min(o.price for o in same)


def _take(pods: Iterator[str], number: int) -> list[str]:
    return [next(pods) for _ in range(number)]


def _names(problem: problems.Problem, solution: problems.Solution, contents: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each new node from its NodePool and what it holds, so that the same plan has the same names."""
    taken = {n.name for n in problem.nodes} | {n.node_claim for n in problem.nodes}
    result = []
    for (offer, _), pods in zip(solution.new, contents, strict=True):
        kind = problem.offers[offer]
        attempt = 0
        while True:
            text = "\n".join([kind.node_pool, kind.flavor, kind.zone, str(attempt), *sorted(pods)])
            number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
            suffix = ""
            for _ in range(5):
                number, digit = divmod(number, len(_ALPHABET))
                suffix += _ALPHABET[digit]
            name = f"{kind.node_pool}-{suffix}"
            attempt += 1
            if name not in taken:
                break
        taken.add(name)
        result.append(name)
    return result


def _ovh_pools(build: builds.Build, solution: problems.Solution) -> list[str]:
    """The OVH pool of each new node."""
    kinds = [build.problem.offers[offer].pool for offer, _ in solution.new]
    names = {kind: iter(build.pool_names(kind, count)) for kind, count in Counter(kinds).items()}
    return [next(names[kind]) for kind in kinds]


def _new_node(
    build: builds.Build, offer: int, counts: problems.Counts, pods: tuple[str, ...], name: str, ovh_pool: str
) -> plans.NewNode:
    kind = build.problem.offers[offer]
    template = build.templates[kind.node_pool]
    requests: dict[str, int] = defaultdict(int, {"cpu": 0, "memory": 0, **kind.daemon_requests})
    for index, number in counts:
        for resource, amount in build.spec(index).requests:
            requests[resource] += amount * number
        requests["pods"] += number
    pool = build.context.objects.node_pools[kind.node_pool]
    spec = pool.manifest.spec.template.spec
    options, relaxed = _options(build, offer, counts)
    return plans.NewNode(
        name=name,
        node_pool=kind.node_pool,
        node_class=kind.node_class,
        flavor=kind.flavor,
        zone=kind.zone,
        hourly=kind.price,
        ovh_pool=ovh_pool,
        pods=pods,
        labels=dict(kind.labels),
        annotations={
            **template.annotations,
            HASH: nodepool.template_hash(pool.manifest),
            HASH_VERSION: nodepool.HASH_VERSION,
            MIN_VALUES_RELAXED: "true" if relaxed else "false",
        },
        taints=kind.taints,
        startup_taints=kind.startup_taints,
        requests=dict(sorted(requests.items())),
        allocatable=dict(kind.allocatable),
        flavor_options=options,
        monthly_billed=kind.monthly,
        expire_after=spec.expire_after,
        termination_grace_period=spec.termination_grace_period,
    )


def _options(build: builds.Build, offer: int, counts: problems.Counts) -> tuple[tuple[str, ...], bool]:
    """
    Flavors of the same family that would hold these pods too, cheapest first; and whether they are fewer than the
    NodePool's minValues ask for.
    """
    problem = build.problem
    family = np.array([o.family for o in problem.offers]) == problem.offers[offer].family
    amount = np.zeros(len(problem.resources), dtype=np.int64)
    fits = family
    for index, number in counts:
        amount += problem.requests[index] * number
        fits = fits & problem.offer_ok[index]
    fits = fits & (amount <= problem.offer_room).all(axis=1)
    fits[offer] = True
    chosen = sorted(np.flatnonzero(fits), key=lambda o: (problem.offers[o].price, o != offer, problem.offers[o].flavor))
    relaxed = any(
        rule.value_of[offer] >= 0 and len({int(rule.value_of[o]) for o in chosen}) < rule.minimum
        for rule in build.min_values
    )
    return tuple(dict.fromkeys(problem.offers[o].flavor for o in chosen)), relaxed


def _gone(problem: problems.Problem, node: int) -> plans.GoneNode:
    gone = problem.nodes[node]
    pods = tuple(pod for each in problem.classes for pod in each.residents.get(node, ()))
    return plans.GoneNode(
        node=gone.name,
        node_claim=gone.node_claim,
        node_pool=gone.node_pool,
        flavor=gone.flavor,
        zone=gone.zone,
        hourly=gone.price,
        reason=gone.reason,
        pods=pods,
    )
