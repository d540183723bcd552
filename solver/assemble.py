"""From a solution in integers to the plan: names, pods by name, options, requests, cost."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from crds import nodepool
from solver import build as builds
from solver import evaluate
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

    Pods of a class are interchangeable: they are assigned in their order, first to existing nodes, then to new ones;
    those of nodes that go come before those that wait, and stay in their zone where the solution has a place there, so
    that moving one after the other upsets no spread on the way. `gone` are nodes that go whatever the solution says.
    """
    problem = build.problem
    zones = {pod: each.zone for each in gone for pod in each.pods}
    assigned, left_out = _assigned(problem, solution, zones)
    old = sorted(solution.placed)
    placements = {pod: problem.nodes[node].name for node, own in zip(old, assigned, strict=False) for pod in own}
    contents = [tuple(own) for own in assigned[len(old) :]]
    names = _names(problem, solution, contents)
    pools = _ovh_pools(build, solution)
    options = _options(build, solution)
    annotations = _annotations(build, solution)
    create: list[plans.NewNode] = []
    for new, pods, name, ovh_pool, fitting in zip(solution.new, contents, names, pools, options, strict=True):
        placements |= dict.fromkeys(pods, name)
        create.append(_new_node(build, *new, pods, name, ovh_pool, *fitting, annotations))
    delete = [*gone, *(_gone(problem, node) for node in sorted(solution.removed))]
    create = _replacing(build, create, delete)
    return Placed(
        create=tuple(sorted(create, key=lambda n: (n.node_pool, n.flavor, n.zone, n.name))),
        delete=tuple(sorted(delete, key=lambda n: n.node)),
        placements={pod: placements[pod] for pod in sorted(placements)},
        left_out=left_out,
    )


def _assigned(
    problem: problems.Problem, solution: problems.Solution, zones: Mapping[str, str]
) -> tuple[list[list[str]], dict[int, tuple[str, ...]]]:
    """
    The pods of each place, existing nodes by index and then new ones, and of each class those without one.

    `zones` are those of pods that leave a node for certain.
    """
    targets = [(problem.nodes[node].zone, solution.placed[node]) for node in sorted(solution.placed)]
    targets += [(problem.offers[offer].zone, counts) for offer, counts in solution.new]
    found: list[list[str]] = [[] for _ in targets]
    left_out: dict[int, tuple[str, ...]] = {}
    wanted: list[list[tuple[int, int]]] = [[] for _ in problem.classes]
    for place, (_, counts) in enumerate(targets):
        for index, number in counts:
            wanted[index].append((place, number))
    for index, each in enumerate(problem.classes):
        pods, home = _homes(problem, each, solution.removed, zones)
        by_zone: dict[str, list[str]] = defaultdict(list)
        for pod, zone in home.items():
            by_zone[zone].append(pod)
        near: list[list[str]] = []
        for place, number in wanted[index]:
            there = by_zone.get(targets[place][0], [])
            near.append(there[:number])
            del there[:number]
        taken = {pod for own in near for pod in own}
        rest = iter([pod for pod in pods if pod not in taken] if taken else pods)
        for (place, number), own in zip(wanted[index], near, strict=True):
            found[place] += own
            found[place] += itertools.islice(rest, number - len(own))
        if left := tuple(rest):
            left_out[index] = left
    return found, left_out


def _homes(
    problem: problems.Problem, each: problems.PodClass, removed: frozenset[int], zones: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Pods of a class that need a place: those of nodes that go, then those that wait; and zones so far where known."""
    gone = [node for node in sorted(each.residents) if node in removed]
    moving = [pod for node in gone for pod in each.residents[node]]
    home = {pod: zone for node in gone if (zone := problem.nodes[node].zone) for pod in each.residents[node]}
    if not zones:
        return [*moving, *each.pods], home
    home |= {pod: zones[pod] for pod in each.pods if zones.get(pod)}
    return [*moving, *sorted(each.pods, key=lambda pod: pod not in zones)], home


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


def _annotations(build: builds.Build, solution: problems.Solution) -> dict[str, Mapping[str, str]]:
    """Annotations that all new nodes of a NodePool get."""
    manifests = build.context.objects.node_pools
    return {
        name: {
            **build.templates[name].annotations,
            HASH: nodepool.template_hash(manifests[name].manifest),
            HASH_VERSION: nodepool.HASH_VERSION,
        }
        for name in {build.problem.offers[offer].node_pool for offer, _ in solution.new}
    }


def _new_node(
    build: builds.Build,
    offer: int,
    counts: problems.Counts,
    pods: tuple[str, ...],
    name: str,
    ovh_pool: str,
    flavor_options: tuple[str, ...],
    relaxed: bool,
    annotations: Mapping[str, Mapping[str, str]],
) -> plans.NewNode:
    kind = build.problem.offers[offer]
    requests: dict[str, int] = defaultdict(int, {"cpu": 0, "memory": 0, **kind.daemon_requests})
    for index, number in counts:
        for resource, amount in build.spec(index).requests:
            requests[resource] += amount * number
        requests["pods"] += number
    spec = build.context.objects.node_pools[kind.node_pool].manifest.spec.template.spec
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
            **annotations[kind.node_pool],
            MIN_VALUES_RELAXED: "true" if relaxed else "false",
        },
        taints=kind.taints,
        startup_taints=kind.startup_taints,
        requests=dict(sorted(requests.items())),
        allocatable=dict(kind.allocatable),
        flavor_options=flavor_options,
        monthly_billed=kind.monthly,
        expire_after=spec.expire_after,
        termination_grace_period=spec.termination_grace_period,
    )


def _options(build: builds.Build, solution: problems.Solution) -> list[tuple[tuple[str, ...], bool]]:
    """
    For each new node the flavors of the same family that would hold its pods too, cheapest first; and whether they are
    fewer than the NodePool's minValues ask for.
    """
    laid = evaluate.layout(build.problem, solution)
    family = np.array([offer.family for offer in build.problem.offers], dtype=np.int64)
    found: list[tuple[tuple[str, ...], bool]] = [((), False)] * len(laid.offer)
    known: dict[tuple[int, bytes], tuple[tuple[str, ...], bool]] = {}
    for kind in np.unique(family[laid.offer]):
        new, offers = np.flatnonzero(family[laid.offer] == kind), np.flatnonzero(family == kind)
        for node, fits in zip(new, evaluate.fitting_offers(laid, new, offers), strict=True):
            key = (int(laid.offer[node]), fits.tobytes())
            if key not in known:
                known[key] = _listed(build, key[0], offers[fits])
            found[node] = known[key]
    return found


def _listed(build: builds.Build, offer: int, fitting: problems.Ints) -> tuple[tuple[str, ...], bool]:
    """Flavors of an offer and of those that would do in its place, and whether they miss minValues."""
    offers = build.problem.offers
    chosen = sorted({offer, *fitting.tolist()}, key=lambda o: (offers[o].price, o != offer, offers[o].flavor))
    relaxed = any(
        rule.value_of[offer] >= 0 and len({int(rule.value_of[o]) for o in chosen}) < rule.minimum
        for rule in build.min_values
    )
    return tuple(dict.fromkeys(offers[o].flavor for o in chosen)), relaxed


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
