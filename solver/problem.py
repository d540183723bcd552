"""
The planning problem as integers and arrays: what the optimiser sees.

Pods that are equal for every rule form one *class* with a count (C of them). A class may go to an existing *node* (N of
them) or to a new node of an *offer* (O of them): a NodePool, a flavor, a zone, a billing mode and one concrete value
for each custom label. Everything that kube-scheduler or Karpenter say is compiled by `rules` into a few kinds of
building blocks:

- two compatibility masks (class x node, class x offer) and amounts per resource (R of them);
- `Spread`, `Exclusion`, `Attraction`, `CommonDomain`: how pods are placed relative to other pods, in the domains of a
  topology;
- `SharedAmount`, `MinValues`: what one node may hold beyond a sum of amounts;
- `Cap`, `OvhPools`, `RemovalCap`: what the fleet may hold;
- penalties: unmet preferences and lighter NodePools per class and place.

The optimiser knows these blocks and nothing of Kubernetes. Amounts are integers: milli-CPU for cpu, whole units
otherwise; money is micro-euro per hour. Array shapes stand in parentheses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from solver import cluster

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

HOST = -1
"""Topology index of `kubernetes.io/hostname`: every node, existing or new, is a domain of its own."""


@dataclasses.dataclass(frozen=True, slots=True)
class PodClass:
    """
    Pods that no rule tells apart. `pods` are the keys of those to be placed, in a fixed order; `residents` maps a
    removable node's index to the keys of those that run there and move only when that node goes.
    """

    name: str
    pods: tuple[str, ...]
    priority: int
    residents: Mapping[int, tuple[str, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """
    One kind of node that could be bought. `labels` are all labels that the node will have. Offers of one `family`
    differ in flavor only. `pool` is the index of its OVH pool content (flavor, zone and template) in `OvhPools`.
    """

    node_pool: str
    node_class: str
    flavor: str
    zone: str
    monthly: bool
    price: int
    family: int
    pool: int
    labels: Mapping[str, str]
    taints: tuple[cluster.Taint, ...]
    startup_taints: tuple[cluster.Taint, ...]
    daemon_requests: Mapping[str, int]
    allocatable: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class ExistingNode:
    """
    A node of the cluster, or a claim that has no Node yet (`name` is then the claim's).

    `price` is the catalogue's per hour, 0 where the node is not ours. When `removable`, the plan may delete it: its
    residents join the demand and `removal_cost` (micro-euro per hour, spread over the horizon) is paid.
    """

    name: str
    node_claim: str
    node_pool: str
    flavor: str
    zone: str
    price: int
    removable: bool = False
    removal_cost: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Topology:
    """
    A topology key other than hostname: domain index of each node (N,) and offer (O,), -1 where the label is missing.
    """

    key: str
    domains: tuple[str, ...]
    of_node: Ints
    of_offer: Ints


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """
    Pods that a selector matches: `members` (C,) and how many running pods that stay match on each node, `base` (N,).
    """

    members: Mask
    base: Ints


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """
    Topology spread: in every domain where a pod of `owners` (C,) is placed by the plan, the count of `group` there may
    exceed the smallest count over the counted domains by `max_skew` at most.

    Only nodes in `node_counted` (N,) and offers in `offer_counted` (O,) count, with their pods and their domains.
    Domains in `always` (D,) count even when no node is there (the offers that owners could use provide them); others
    count once a node exists. The smallest count is 0 when fewer than `min_domains` domains count. With topology HOST
    domains are the counted existing and new nodes, and `always` is empty. `weight` None is a hard rule; otherwise each
    unit of excess costs `weight`.
    """

    name: str
    topology: int
    owners: Mask
    group: Group
    max_skew: int
    min_domains: int | None
    node_counted: Mask
    offer_counted: Mask
    always: Mask
    weight: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Exclusion:
    """
    Anti-affinity, host ports: no pod of `owners` in a domain with another pod of `targets`. Symmetric as kube-scheduler
    is: running owners (`owner_base` (N,)) keep planned targets away, running targets (`targets.base`) keep planned
    owners away. Pods on nodes without the topology's label are not affected. `weight` None is a hard rule; otherwise
    each planned owner pod with another target in its domain costs `weight` (running owners are then not asked).
    """

    name: str
    topology: int
    owners: Mask
    owner_base: Ints
    targets: Group
    weight: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Attraction:
    """
    Pod affinity: each pod of `owners` (C,) needs a pod of `targets` (one that matches all terms) in its domain of every
    topology in `topologies`, and its node needs all those labels. A pod of `bootstrap` (C,) (it matches its own terms)
    may open a domain while no target exists anywhere. Support must be well-founded: an order of placement must exist.
    With `weight` (one topology then) each owner pod without another target in its domain costs `weight`; that form
    needs no order.
    """

    name: str
    topologies: tuple[int, ...]
    owners: Mask
    targets: Group
    bootstrap: Mask
    weight: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CommonDomain:
    """All pods of `members` (C,) in one domain of the topology: an unbound volume claim that several pods share."""

    name: str
    topology: int
    members: Mask


@dataclasses.dataclass(frozen=True, slots=True)
class SharedAmount:
    """
    One unit of `resource` per node that holds any pod of `members` (C,): a volume claim that several pods share. Where
    `attached` (N,) it is paid already.
    """

    name: str
    resource: int
    members: Mask
    attached: Mask


@dataclasses.dataclass(frozen=True, slots=True)
class MinValues:
    """
    A new node of these offers must leave `minimum` different values of `value_of` (O,) among the offers of its family
    that hold its pods (compatible with each of its classes and large enough); -1 = not an offer of this NodePool.
    """

    name: str
    node_pool: str
    value_of: Ints
    minimum: int


@dataclasses.dataclass(frozen=True, slots=True)
class Cap:
    """
    A linear limit on the new nodes: the sum of `per_offer` (O,) over them is at most `room`. NodePool limits and the
    project quota. Old and new nodes stand side by side while replacements boot, so deletions free nothing.
    """

    name: str
    node_pool: str
    resource: str
    per_offer: Ints
    room: int


@dataclasses.dataclass(frozen=True, slots=True)
class OvhPools:
    """
    OVH pools by content (K kinds): at most `size` (K,) nodes each, `free` (K,) more nodes fit into pools that exist,
    and at most `new_pools` further pools may be made in all. A kind with no existing pool costs `charge` (micro-euro
    per hour) when first used.
    """

    names: tuple[str, ...]
    size: Ints
    free: Ints
    exists: Mask
    new_pools: int
    charge: int


@dataclasses.dataclass(frozen=True, slots=True)
class RemovalCap:
    """At most `room` of the nodes in `nodes` (N,) may be deleted: a disruption budget."""

    name: str
    nodes: Mask
    room: int


@dataclasses.dataclass(slots=True)
class Problem:
    """
    One question to the optimiser.

    `requests` (C, R), `node_room` (N, R) what is free with residents in place, `offer_room` (O, R) allocatable minus
    DaemonSets. `node_ok` (C, N) and `offer_ok` (C, O) say where a class may go at all. `node_penalty`, `offer_penalty`:
    unmet preference weight per pod there. `offer_rank` (C, O): by how many weight levels a lighter NodePool than the
    class's heaviest it is (all 0 when price decides). Amounts of resource "pods" are in the arrays like any other.
    """

    resources: tuple[str, ...]
    classes: tuple[PodClass, ...]
    nodes: tuple[ExistingNode, ...]
    offers: tuple[Offer, ...]
    requests: Ints
    node_room: Ints
    offer_room: Ints
    node_ok: Mask
    offer_ok: Mask
    node_penalty: Ints
    offer_penalty: Ints
    offer_rank: Ints
    pools: OvhPools
    topologies: tuple[Topology, ...] = ()
    spreads: tuple[Spread, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    attractions: tuple[Attraction, ...] = ()
    common_domains: tuple[CommonDomain, ...] = ()
    shared_amounts: tuple[SharedAmount, ...] = ()
    min_values: tuple[MinValues, ...] = ()
    caps: tuple[Cap, ...] = ()
    removal_caps: tuple[RemovalCap, ...] = ()
    node_charge: int = 0
    preference_price: int | None = None
    max_removals: int | None = None
    max_evictions: int | None = None

    @property
    def counts(self) -> Ints:
        """How many pods of each class wait to be placed (C,); residents not included."""
        return np.array([len(c.pods) for c in self.classes], dtype=np.int64)

    @property
    def residents(self) -> Ints:
        """How many pods of each class run on each removable node (N, C)."""
        table = np.zeros((len(self.nodes), len(self.classes)), dtype=np.int64)
        for index, pod_class in enumerate(self.classes):
            for node, pods in pod_class.residents.items():
                table[node, index] = len(pods)
        return table

    @property
    def prices(self) -> Ints:
        """Price of one node of each offer (O,)."""
        return np.array([o.price for o in self.offers], dtype=np.int64)


Counts = tuple[tuple[int, int], ...]
"""(class index, number of pods) pairs, class ascending, numbers positive."""


@dataclasses.dataclass(frozen=True, slots=True)
class Solution:
    """
    An answer: `new` nodes as (offer index, pods by class), `placed` pods by class put onto existing nodes (node index
    to counts, residents that stay not included), `removed` node indices. What is in none of them is left out.
    """

    new: tuple[tuple[int, Counts], ...] = ()
    placed: Mapping[int, Counts] = dataclasses.field(default_factory=dict)
    removed: frozenset[int] = frozenset()


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Value:
    """
    What a solution is worth; less is better, the first field counts most.

    `unplaced`: numbers of pods left out by priority, highest priority first. `preferences`: unmet weight (0 when
    preferences have a price: they are then in `cost`). `rank`: weight levels given up by pods on new nodes. `cost`:
    micro-euro per hour: price of new nodes minus price of removed ones, removal costs, node charges, charges for new
    OVH pools, priced preferences.
    """

    unplaced: tuple[int, ...]
    preferences: int
    rank: int
    cost: int
