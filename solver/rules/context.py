"""What rules look at: pod classes, places, running pods and NodePool templates, in the order of the problem."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np

from catalog import catalogue, flavor, labels, region
from solver import cluster, options, problem
from solver.rules import peers, requirements, storage, table

Part = TypeVar("Part", bound=Hashable)


@dataclasses.dataclass(frozen=True, slots=True)
class PodClass:
    """
    A pod class with what rules read of it.

    `namespace` and `labels` are those of its first pod; other pods of the class may differ in what no selector of the
    cluster asks. `kind` is the class's row in `Peers`, `volumes` what its volumes ask, `level` where its
    pods may move to (`build.Leave`), `turn` when they are placed: after all pods of lower turns.
    """

    spec: cluster.PodSpec
    namespace: str
    labels: cluster.Labels
    kind: int
    volumes: storage.Storage
    pods: tuple[str, ...]
    residents: Mapping[int, tuple[str, ...]]
    level: int = 0
    turn: int = 0

    @property
    def name(self) -> str:
        """The key of its first pod."""
        return self.pods[0] if self.pods else next(iter(self.residents.values()))[0]


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """
    What one NodePool can launch.

    `requirements` are those of the pool, its labels and its name together. `labels` are the template's own. `limits`
    are in integers, `usage` is the capacity that counts against them. Flavors left are those that the requirements
    allow.
    """

    name: str
    weight: int
    node_class: str
    region: region.Region
    monthly: bool
    anti_affinity: bool
    requirements: requirements.Requirements
    labels: cluster.Labels
    annotations: cluster.Labels
    taints: tuple[cluster.Taint, ...]
    startup_taints: tuple[cluster.Taint, ...]
    limits: Mapping[str, int]
    usage: Mapping[str, int]


@dataclasses.dataclass(slots=True)
class Place:
    """
    An existing node, or a claim without a Node.

    `labels` and `taints` are those that count for pods. `closed` says why it takes no pods, "" when it does. `gone`:
    nothing keeps it from going away, so that it counts for nothing any more. `room` is what is left of each resource
    after running, nominated and coming DaemonSet pods, and may be below zero. `daemons` are indices of DaemonSets still
    to come. `volume_limits` is by CSI driver, as far as CSINode says.
    """

    name: str
    node: cluster.Node | None
    claim: cluster.NodeClaim | None
    node_pool: str
    flavor: str
    zone: str
    price: int
    labels: cluster.Labels
    taints: tuple[cluster.Taint, ...]
    allocatable: Mapping[str, int]
    capacity: Mapping[str, int]
    closed: str = ""
    gone: bool = False
    room: dict[str, int] = dataclasses.field(default_factory=dict)
    daemons: tuple[int, ...] = ()
    volume_limits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    pods: list[cluster.Pod] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class PoolKind:
    """
    One content of an OVH pool.

    `slots` are the pools of this content that exist, each with the number of nodes that still fit.
    """

    name: str
    size: int
    slots: tuple[tuple[str, int], ...] = ()


@dataclasses.dataclass(slots=True)
class Context:
    """
    One compilation.

    `classes` (C), `places` (N) and `offers` (O) are in the order of the problem. `table` has the labels of places and
    then offers (N + O rows); `offer_flavors` and `offer_daemons` (indices into `daemons`) go with `offers`.
    `existing_pools` counts OVH pools in the cluster.
    """

    objects: cluster.Cluster
    catalogue: catalogue.Catalogue
    options: options.Options
    classes: tuple[PodClass, ...]
    places: tuple[Place, ...]
    offers: tuple[problem.Offer, ...]
    offer_flavors: tuple[flavor.Flavor, ...]
    offer_daemons: tuple[tuple[int, ...], ...]
    templates: Mapping[str, Template]
    daemons: tuple[cluster.PodSpec, ...]
    kinds: tuple[PoolKind, ...]
    existing_pools: int
    selectors: peers.Peers
    running: peers.Running
    claims: storage.Usage
    table: table.LabelTable
    class_kinds: problem.Ints = dataclasses.field(init=False)
    class_turns: problem.Ints = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.class_kinds = np.array([each.kind for each in self.classes], dtype=np.int64)
        self.class_turns = np.array([each.turn for each in self.classes], dtype=np.int64)

    def parts(self, part_of: Callable[[PodClass], Part]) -> list[tuple[Part, problem.Ints]]:
        """The different values of a part of the classes, each with the indices of the classes that have it."""
        groups: dict[Part, list[int]] = {}
        for index, each in enumerate(self.classes):
            groups.setdefault(part_of(each), []).append(index)
        return [(part, np.array(indices, dtype=np.int64)) for part, indices in groups.items()]

    def group(self, kinds: problem.Mask, *, leaving: bool = True) -> problem.Group:
        """The pods of these kinds (K,): their classes, and how many run where; with `leaving` terminating ones too."""
        return problem.Group(kinds[self.class_kinds], self.running.counts(kinds, leaving=leaving))

    def by_turn(self, turn: int) -> problem.Mask:
        """Classes whose pods are there, or come too, when those of a turn are placed (C,)."""
        found: problem.Mask = self.class_turns <= turn
        return found

    @property
    def soft(self) -> bool:
        """Whether preferences count."""
        return self.options.preference_policy == "Respect"

    def taints(self, place: int) -> tuple[cluster.Taint, ...]:
        """Taints of a place that a pod must tolerate; startup taints of offers are not among them."""
        nodes = len(self.places)
        return self.places[place].taints if place < nodes else self.offers[place - nodes].taints

    def by_taints(self) -> list[tuple[tuple[cluster.Taint, ...], problem.Ints]]:
        """The different taints of places, each with the places that have them."""
        groups: dict[tuple[cluster.Taint, ...], list[int]] = {}
        tainted = itertools.chain((place.taints for place in self.places), (offer.taints for offer in self.offers))
        for index, taints in enumerate(tainted):
            groups.setdefault(taints, []).append(index)
        return [(taints, np.array(indices, dtype=np.int64)) for taints, indices in groups.items()]

    def missing(self, key: str) -> problem.Mask:
        """Places without the label of a topology key (P,); every node has a hostname."""
        if key == labels.HOSTNAME:
            return np.zeros(len(self.table), dtype=np.bool_)
        missing: problem.Mask = self.table.codes(key)[1] < 0
        return missing

    def offers_of(self, node_pool: str) -> problem.Mask:
        """The offers of a NodePool (O,)."""
        return np.array([offer.node_pool == node_pool for offer in self.offers], dtype=np.bool_)
