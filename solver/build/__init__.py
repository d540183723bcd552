"""From a cluster to the problem: `build_problem`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from catalog import catalogue, labels, region
from solver import cluster, options, problem, rules
from solver.build import classes, daemons, offers, places, templates
from solver.rules import builder, context, gates, min_values, ovh, peers, requirements, storage, table
from solver.snapshot import pending

_MinValues = problem.MinValues
_PoolKind = context.PoolKind
_Template = context.Template


@dataclasses.dataclass(frozen=True, slots=True)
class Removal:
    """
    Leave to remove a node.

    `reason` is what the plan will say, `cost` what it costs apart from prices (micro-euro per hour, spread over the
    horizon).
    """

    reason: str
    cost: int = 0


ANYWHERE, SETTLED, ALLOWED = 0, 1, 2
"""Where pods may be moved to: anywhere, to nodes that are ready, and of these to those that take pods to save money."""

FLAVOR = labels.INSTANCE_TYPE


@dataclasses.dataclass(frozen=True, slots=True)
class Leave:
    """
    What a plan may and must take away; nodes by name, pods by key.

    `going` are nodes that go in any case, with the pods on them that have to be placed. `limits` are names, sets of
    removable nodes and how many of them may go. `moved` says of pods that wait how they may move. Pods moved as SETTLED
    do not go to nodes in `unsettled`, residents of removable nodes neither there nor to those in `shielded`.
    """

    removable: Mapping[str, Removal] = dataclasses.field(default_factory=dict)
    going: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    limits: tuple[tuple[str, frozenset[str], int], ...] = ()
    max_nodes: int | None = None
    max_evictions: int | None = None
    moved: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unsettled: frozenset[str] = frozenset()
    shielded: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Build:
    """
    A problem, and what plan assembly and explanations need to speak of it.

    `context` and `built` are what rules read and wrote. `ignored` maps pods that Karpenter would ignore to why.
    `left_out` maps NodePools that make no new nodes to why. `unpriced` are flavors that NodePools allow and that have
    no known price. `min_values` are those of all NodePools, also where the policy asks for no more than there is.
    """

    problem: problem.Problem
    context: context.Context
    built: builder.Builder
    ignored: Mapping[str, str]
    left_out: Mapping[str, str]
    unpriced: tuple[str, ...]
    min_values: tuple[_MinValues, ...]
    notes: tuple[str, ...]

    @property
    def templates(self) -> Mapping[str, _Template]:
        """NodePools that new nodes can be made from, by name."""
        return self.context.templates

    @property
    def launched(self) -> int:
        """Price of the claims without a Node that will be nodes soon, micro-euro per hour."""
        return sum(place.price for place in self.context.places if place.node is None and not place.closed)

    @property
    def kinds(self) -> tuple[_PoolKind, ...]:
        """OVH pool contents, in the order of `Offer.pool`."""
        return self.context.kinds

    def spec(self, pod_class: int) -> cluster.PodSpec:
        """The spec of a class's pods."""
        return self.context.classes[pod_class].spec

    def explain_offer(self, pod_class: int, offer: int) -> tuple[str, str] | None:
        """The rule that keeps a class off an offer, and why in upstream's words, or None when none does by itself."""
        return rules.explain_offer(self.context, self.built, pod_class, offer)

    def explain_node(self, pod_class: int, node: int) -> tuple[str, str] | None:
        """The rule that keeps a class off an existing node, and why in upstream's words, or None."""
        return rules.explain_node(self.context, self.built, pod_class, node)

    def pool_names(self, pool: int, count: int) -> list[str]:
        """Names of the OVH pools that the first `count` new nodes of a content go to."""
        return ovh.pool_names(self.kinds[pool], count)


def build_problem(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    waiting: Sequence[cluster.Pod] | None = None,
    leave: Leave | None = None,
    turns: Mapping[str, int] | None = None,
) -> Build:
    """
    The problem of placing pods, with `leave` to remove nodes.

    `waiting` are the pods to place; without it those that wait for a node or run on one that is being deleted. In
    mode "repack" every owned node vanishes and its movable pods wait too; claims without a Node
    are on their way and stay. `turns` are pods by key that are placed after all others, and in which turn (1, 2, …).
    Raises `catalog.region.UnknownRegionError`.
    """
    notes: list[str] = []
    leave = leave or Leave()
    if waiting is None:
        waiting = [*pending.pending(of), *pending.reschedulable(of, asked.now)]
        waiting += [of.pods[key] for keys in leave.going.values() for key in sorted(keys)]
    existing, waiting = _existing(of, known, asked, waiting, leave.going.keys())
    demand = _demand(of, existing, waiting, leave, turns)
    sets = daemons.of_cluster(of)
    made, left_out = _templates(of, asked, existing, notes)
    named = _named_labels(of, demand, existing)
    notes += _zone_notes(named, made)
    offered = offers.of_templates(made, known, asked, named, sets, existing, notes)
    rows = table.LabelTable(
        [*(place.labels for place in existing), *(table.unborn(offer.labels) for offer in offered.offers)]
    )
    node_rows = table.LabelTable([place.labels for place in existing])
    places.fill(existing, sets, daemons.matches(sets, node_rows, [place.taints for place in existing]))
    about = context.Context(
        objects=of,
        catalogue=known,
        options=asked,
        classes=demand.classes,
        places=tuple(existing),
        offers=offered.offers,
        offer_flavors=offered.flavors,
        offer_daemons=offered.daemons,
        templates={each.name: each for each in made},
        daemons=sets.specs,
        kinds=offered.kinds,
        existing_pools=len(offers.ovh_pools(existing)),
        selectors=demand.selectors,
        running=demand.running,
        claims=demand.claims,
        table=rows,
    )
    built = rules.compile_rules(about)
    return Build(
        problem=_problem(about, built, leave),
        context=about,
        built=built,
        ignored=_ignored(demand.classes),
        left_out=left_out,
        unpriced=offered.unpriced,
        min_values=tuple(min_values.blocks(about)),
        notes=tuple(dict.fromkeys(notes)),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Demand:
    """
    Pods to place as classes, what `selectors` can see of pods, how many of these run where, and the volumes in use.
    `on_place` are all pods that stay for now, with the index of their place.
    """

    classes: tuple[context.PodClass, ...]
    selectors: peers.Peers
    running: peers.Running
    claims: storage.Usage
    on_place: Sequence[tuple[cluster.Pod, int]]


def _demand(
    of: cluster.Cluster,
    existing: Sequence[context.Place],
    waiting: Sequence[cluster.Pod],
    leave: Leave,
    turns: Mapping[str, int] | None,
) -> _Demand:
    """The pods that wait, and those that run where a node may be removed."""
    on_place = [(pod, index) for index, place in enumerate(existing) for pod in place.pods]
    residents = {
        index: [pod for pod in place.pods if pending.movable(pod)]
        for index, place in enumerate(existing)
        if place.name in leave.removable
    }
    claims = storage.Usage(of)
    alike = classes.together(waiting)
    known = _peers(of, [pods[0] for pods in alike], residents, on_place)
    running = peers.running(on_place, len(existing), known, of.daemon_sets.values())
    levels = _levels(existing, residents, leave)
    pod_classes = classes.classes(alike, residents, known, claims, running, levels, turns)
    return _Demand(pod_classes, known, running, claims, on_place)


def _templates(
    of: cluster.Cluster, asked: options.Options, existing: Sequence[context.Place], notes: list[str]
) -> tuple[list[_Template], dict[str, str]]:
    """What NodePools make new nodes from, in the order of their weights, and why the others make none, by name."""
    left_out = {
        pool.name: why for pool in of.node_pools.values() if (why := templates.left_out(pool, of, asked)) is not None
    }
    usage = templates.usage(existing)
    made = [
        templates.template(pool, of, asked, usage.get(pool.name, {}), notes)
        for pool in of.node_pools.values()
        if pool.name not in left_out
    ]
    return sorted(made, key=lambda each: (-each.weight, each.name)), left_out


def _existing(
    of: cluster.Cluster,
    known: catalogue.Catalogue,
    asked: options.Options,
    waiting: Sequence[cluster.Pod],
    going: Collection[str],
) -> tuple[list[context.Place], Sequence[cluster.Pod]]:
    """The places that stay, with the pods on them, and the pods that wait."""
    found = places.existing(of, known)
    if not found:
        return [], waiting
    moving = {pod.key for pod in waiting}
    on_node: dict[str, list[cluster.Pod]] = {place.name: place.pods for place in found}
    for pod in of.pods.values():
        if pod.node in on_node and not pod.terminal and pod.key not in moving:
            on_node[pod.node].append(pod)
    for pod in pending.nominated(of):
        on_node[pod.nominated_node].append(pod)
    leaving = pending.deleting_nodes(of)
    for place in found:
        if place.name in going:
            place.closed = "node is being deleted"
        ends = place.name in leaving or (place.node is None and place.claim is not None and place.claim.deleting)
        ends = ends or place.name in going
        if ends and not any(pending.movable(pod) for pod in place.pods):
            place.gone = True
            place.pods.clear()
    if asked.mode != "repack":
        return found, waiting
    owned = [
        place.node is not None and place.name not in leaving and (place.claim is not None or bool(place.node_pool))
        for place in found
    ]
    moved = [pod for place in itertools.compress(found, owned) for pod in place.pods if pending.movable(pod)]
    return [place for place, mine in zip(found, owned, strict=True) if not mine], [*waiting, *moved]


def _levels(
    existing: Sequence[context.Place], residents: Mapping[int, Sequence[cluster.Pod]], leave: Leave
) -> dict[str, int]:
    """How pods may move, by key, as far as there are places that this keeps them from."""
    names = {place.name for place in existing}
    found = dict(leave.moved)
    if names & (leave.unsettled | leave.shielded):
        found |= {pod.key: ALLOWED for pods in residents.values() for pod in pods}
    return {key: level for key, level in found.items() if level > ANYWHERE}


def _peers(
    of: cluster.Cluster,
    waiting: Sequence[cluster.Pod],
    residents: Mapping[int, Sequence[cluster.Pod]],
    on_place: Sequence[tuple[cluster.Pod, int]],
) -> peers.Peers:
    """Pods by what selectors can see of them; of those that wait one for each namespace, spec and labels is enough."""
    planned = [*waiting, *itertools.chain.from_iterable(residents.values())]
    asking = {id(pod.spec): pod.spec for pod in planned}
    guarding = {id(pod.spec): pod.spec for pod, _ in on_place if pod.spec.anti_affinity}
    guarding |= {id(each.spec): each.spec for each in of.daemon_sets.values()}
    keys = peers.selector_keys(asking.values())
    keys |= peers.selector_keys(cluster.PodSpec(anti_affinity=spec.anti_affinity) for spec in guarding.values())
    everybody = [*planned, *(pod for pod, _ in on_place)]
    used = {pod.namespace for pod in everybody} | {each.namespace for each in of.daemon_sets.values()}
    known = peers.Peers(keys, peers.with_names(of.namespaces, used))
    for pod in everybody:
        known.kind_of(pod)
    return known


def _named_labels(of: cluster.Cluster, demand: _Demand, existing: Sequence[context.Place]) -> dict[str, frozenset[str]]:
    """Label keys of nodes that pods ask for, each with the values that they name or that nodes have."""
    named: dict[str, set[str]] = {}
    topology_keys: dict[str, None] = {}
    for each in demand.classes:
        spec = each.spec
        for key, value in spec.node_selector:
            named.setdefault(labels.translate(key), set()).add(value)
        terms = [*(spec.node_terms or ()), *(wish.term for wish in spec.preferred_node_terms)]
        terms += itertools.chain.from_iterable(each.volumes.terms)
        for expression in itertools.chain.from_iterable(term.expressions for term in terms):
            named.setdefault(labels.translate(expression.key), set()).update(_values(expression))
        related = [*spec.affinity, *spec.anti_affinity]
        related += [wish.term for wish in (*spec.preferred_affinity, *spec.preferred_anti_affinity)]
        topology_keys |= dict.fromkeys(term.topology_key for term in related)
        topology_keys |= dict.fromkeys(constraint.topology_key for constraint in spec.spread)
    topology_keys |= dict.fromkeys(term.topology_key for pod, _ in demand.on_place for term in pod.spec.anti_affinity)
    topology_keys |= dict.fromkeys(
        term.topology_key for each in of.daemon_sets.values() for term in each.spec.anti_affinity
    )
    for key in topology_keys:
        named.setdefault(key, set()).update(place.labels[key] for place in existing if key in place.labels)
    return {key: frozenset(values) for key, values in named.items()}


def _zone_notes(named: Mapping[str, frozenset[str]], made: Sequence[context.Template]) -> list[str]:
    """Zones that pods ask for by names that no node has; in NodePools such names are read as the region means them."""
    return [
        f'pods ask for zone "{value}": nodes of region {where.name} have zone "{zone}", which is not the same to them'
        for where in dict.fromkeys(each.region for each in made)
        for value in sorted(named.get(labels.ZONE, ()))
        if (zone := region.resolve_zone(where, value)[0]) != value
    ]


def _values(expression: cluster.Expression) -> list[str]:
    """The values that an expression names; of Gt and Lt the nearest number that fulfils it."""
    step = {"Gt": 1, "Lt": -1}.get(expression.operator, 0)
    if not step:
        return list(expression.values)
    numbers = [requirements.whole_number(value) for value in expression.values]
    return [str(number + step) for number in numbers if number is not None]


def _ignored(pod_classes: Sequence[context.PodClass]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in pod_classes:
        why = gates.ignored(each.spec) or each.volumes.problem
        if why is not None:
            found |= dict.fromkeys(each.pods, why)
    return found


def _problem(about: context.Context, built: builder.Builder, leave: Leave) -> problem.Problem:
    nodes = len(about.places)
    ok = built.ok
    for level, closed in ((SETTLED, leave.unsettled), (ALLOWED, leave.shielded)):
        moved = np.array([each.level >= level for each in about.classes], dtype=np.bool_)
        kept_out = np.zeros(len(about.table), dtype=np.bool_)
        kept_out[:nodes] = [place.name in closed for place in about.places]
        ok[np.ix_(moved, kept_out)] = False
    asked = about.options
    index = {place.name: number for number, place in enumerate(about.places)}
    assert built.pools is not None
    pod_classes = tuple(
        problem.PodClass(each.name, each.pods, each.spec.priority, each.residents) for each in about.classes
    )
    existing = tuple(_node(place, leave.removable.get(place.name)) for place in about.places)
    return dataclasses.replace(
        built.as_problem(pod_classes, existing, about.offers, ok, built.pools),
        node_charge=asked.node_charge,
        preference_price=asked.preference_price,
        removal_caps=tuple(
            problem.RemovalCap(name, _mask(nodes, [index[each] for each in names]), room)
            for name, names, room in leave.limits
        ),
        max_removals=leave.max_nodes,
        max_evictions=leave.max_evictions,
    )


def _mask(size: int, members: Sequence[int]) -> problem.Mask:
    mask = np.zeros(size, dtype=np.bool_)
    mask[list(members)] = True
    return mask


def _node(place: context.Place, leave: Removal | None) -> problem.ExistingNode:
    return problem.ExistingNode(
        name=place.name,
        node_claim=place.claim.name if place.claim is not None else "",
        node_pool=place.node_pool,
        flavor=place.flavor,
        zone=place.zone,
        price=place.price,
        removable=leave is not None,
        removal_cost=leave.cost if leave is not None else 0,
        reason=leave.reason if leave is not None else "",
    )
