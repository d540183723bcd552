"""Tiny problems in a few words: a class is `pods("a", 3, (2, 1))`, and what is not said does not restrict."""

import dataclasses
from typing import Any

import numpy as np

from solver import problem as p

ZONE = 0
"""Index of the topology of zones in every tiny problem."""


@dataclasses.dataclass(frozen=True)
class Pods:
    name: str
    count: int
    requests: tuple[int, ...]
    priority: int
    residents: dict[int, int]


@dataclasses.dataclass(frozen=True)
class Kind:
    price: int
    room: tuple[int, ...]
    zone: str
    flavor: str
    family: int
    pool: int | None


@dataclasses.dataclass(frozen=True)
class Node:
    room: tuple[int, ...]
    zone: str
    price: int
    removable: bool
    removal_cost: int


def pods(name, count, requests, priority=0, residents=None) -> Pods:
    """`count` pending pods; `residents` maps a removable node to the number of pods that run there."""
    return Pods(name, count, _tuple(requests), priority, residents or {})


def offer(price, room, zone="a", flavor="", family=0, pool=None) -> Kind:
    """A kind of node to buy; without `pool` it has an OVH pool kind of its own. Zone "" is no zone label."""
    return Kind(price, _tuple(room), zone, flavor or f"f{price}", family, pool)


def node(room, zone="a", price=0, removable=False, removal_cost=0) -> Node:
    """A node of the cluster with this much free room."""
    return Node(_tuple(room), zone, price, removable, removal_cost)


def problem(classes, offers=(), nodes=(), **changes: Any) -> p.Problem:
    """A problem in which every class may go anywhere; `changes` replace fields of it."""
    size = len(classes[0].requests)
    zones = sorted({place.zone for place in (*offers, *nodes)} - {""})
    index = {zone: number for number, zone in enumerate(zones)} | {"": -1}
    pool = [kind.pool if kind.pool is not None else number for number, kind in enumerate(offers)]
    built = p.Problem(
        resources=("cpu", "memory", "pods")[:size],
        classes=tuple(
            p.PodClass(
                name=c.name,
                pods=tuple(f"default/{c.name}-{i}" for i in range(c.count)),
                priority=c.priority,
                residents={n: tuple(f"default/{c.name}-{n}-{i}" for i in range(k)) for n, k in c.residents.items()},
            )
            for c in classes
        ),
        nodes=tuple(
            p.ExistingNode(
                name=f"node-{i}",
                node_claim=f"claim-{i}",
                node_pool="general",
                flavor="b3-8",
                zone=n.zone,
                price=n.price,
                removable=n.removable,
                removal_cost=n.removal_cost,
            )
            for i, n in enumerate(nodes)
        ),
        offers=tuple(
            p.Offer(
                node_pool="general",
                node_class="default",
                flavor=kind.flavor,
                zone=kind.zone,
                monthly=False,
                price=kind.price,
                family=kind.family,
                pool=pool[i],
                labels={},
                taints=(),
                startup_taints=(),
                daemon_requests={},
                allocatable={},
            )
            for i, kind in enumerate(offers)
        ),
        requests=_table([c.requests for c in classes], size),
        node_room=_table([n.room for n in nodes], size),
        offer_room=_table([kind.room for kind in offers], size),
        node_ok=np.ones((len(classes), len(nodes)), dtype=np.bool_),
        offer_ok=np.ones((len(classes), len(offers)), dtype=np.bool_),
        node_penalty=np.zeros((len(classes), len(nodes)), dtype=np.int64),
        offer_penalty=np.zeros((len(classes), len(offers)), dtype=np.int64),
        offer_rank=np.zeros((len(classes), len(offers)), dtype=np.int64),
        pools=ovh_pools(max(pool, default=-1) + 1),
        topologies=(
            p.Topology(
                key="topology.kubernetes.io/zone",
                domains=tuple(zones),
                of_node=ints(index[n.zone] for n in nodes),
                of_offer=ints(index[kind.zone] for kind in offers),
            ),
        ),
    )
    return dataclasses.replace(built, **changes)


def ovh_pools(kinds, size=100, free=0, exists=False, new_pools=100, charge=0) -> p.OvhPools:
    """OVH pools that bind nothing unless told so; `size`, `free` and `exists` are for all kinds or one each."""
    return p.OvhPools(
        names=tuple(f"pool-{k}" for k in range(kinds)),
        size=np.broadcast_to(np.array(size, dtype=np.int64), (kinds,)).copy(),
        free=np.broadcast_to(np.array(free, dtype=np.int64), (kinds,)).copy(),
        exists=np.broadcast_to(np.array(exists, dtype=np.bool_), (kinds,)).copy(),
        new_pools=new_pools,
        charge=charge,
    )


def ints(values) -> p.Ints:
    return np.array(list(values), dtype=np.int64)


def mask(size, *members) -> p.Mask:
    """True at `members`, false elsewhere."""
    chosen = np.zeros(size, dtype=np.bool_)
    chosen[list(members)] = True
    return chosen


def group(classes, *members, base=()) -> p.Group:
    """Pods of these classes, and `base` running pods per node."""
    return p.Group(members=mask(classes, *members), base=ints(base))


def _tuple(value) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _table(rows, size) -> p.Ints:
    return np.array(rows, dtype=np.int64).reshape(len(rows), size)
