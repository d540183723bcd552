"""What the simulated OVH remembers: plain data that can be written to a file and read back.

Times are seconds since the epoch on the simulator's own clock, which may run fast or stand still.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

CREATING = frozenset({"INSTALLING", "REDEPLOYING"})
READY = "READY"
DELETING = "DELETING"
OUT_OF_STOCK = "FLAVOR_OUT_OF_STOCK_ERROR"
OUT_OF_QUOTA = "USER_QUOTA_ERROR"
FAILED = frozenset({OUT_OF_STOCK, OUT_OF_QUOTA})
"""States of a node for which no machine could be had; it keeps its place in the pool."""

Range = tuple[float, float]


class Refusal(Exception):  # noqa: N818 (the word of the API: a request is refused)
    """An answer other than the one hoped for: HTTP status, error class and message."""

    def __init__(self, status: int, kind: str, message: str, details: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.details = details


@dataclass(slots=True)
class Timings:
    """How long things take, in seconds; pairs are drawn from uniformly.

    Public figures: 2 to 6 minutes for a usual pool (guide "Automatically label and taint nodes"), more than an hour
    for GPUs (guide "Deploying a GPU application"), one or two minutes to remove a node. The share of a boot at which
    the machine exists and at which the node joins is assumed.
    """

    boot: Range = (60.0, 300.0)
    gpu_boot: Range = (2400.0, 4800.0)
    machine_share: float = 0.2
    join_share: float = 0.8
    removal: Range = (30.0, 120.0)
    hidden: Range = (0.0, 0.0)
    """A new pool answers 404 to GET for so long (seen for up to two minutes); lists show it."""
    delete_shown: Range = (0.0, 5.0)
    """A pool in deletion still says READY for so long."""
    rebuild: Range = (60.0, 600.0)
    """From the deletion of a Node object to the start of its rebuild."""
    repair: float = 600.0
    """From the moment a node is not ready to its auto-repair."""
    retry: float = 300.0
    """Between attempts to find a machine for a node without stock or quota; that MKS tries again is assumed."""
    gpu_plugin: float | None = None
    """From READY until a device plugin shows the GPUs; None: never, since MKS ships none."""


@dataclass(slots=True)
class Habits:
    """Where documents are silent or disagree: one switch each, the default being the likelier."""

    stuck_pool: Literal["UPSCALING", "ERROR"] = "UPSCALING"
    unknown_node_to_remove: Literal["ignore", "refuse"] = "ignore"
    installing_node_removal: Literal["accept", "refuse"] = "accept"
    node_delete: Literal["replace", "shrink"] = "replace"
    quota_check: Literal["call", "node"] = "call"
    zones_in_one_zone_status: int = 422
    void_answer: Literal["null", "empty", "204"] = "null"
    node_flavor: Literal["name", "uuid"] = "name"
    restricted_labels: Literal["kept", "dropped"] = "kept"
    pools_per_cluster: int = 100


@dataclass(slots=True)
class Cluster:
    """One managed cluster; ``zones`` is empty in a one-zone region."""

    id: str
    name: str
    region: str
    plan: Literal["free", "standard"]
    zones: tuple[str, ...]
    version: str
    created_at: float
    status: str = READY


@dataclass(slots=True)
class Quota:
    """Limits of one region, and what machines outside the clusters use; memory in MB as Nova counts (N x 1000)."""

    cores: int
    ram: int
    instances: int
    other_cores: int = 0
    other_ram: int = 0
    other_instances: int = 0


@dataclass(slots=True)
class Pool:
    """A node pool; ``deleting`` from the accepted DELETE on, ``installed`` once it was READY."""

    id: str
    cluster_id: str
    name: str
    flavor: str
    zone: str
    machine_set: str
    desired: int
    min: int
    max: int
    autoscale: bool
    monthly_billed: bool
    anti_affinity: bool
    floating_ips: bool
    autoscaling: dict[str, float]
    template: dict[str, Any]
    created_at: float
    updated_at: float
    visible_at: float
    status: str = "INSTALLING"
    installed: bool = False
    deleting: bool = False


@dataclass(slots=True)
class Node:
    """A node of a pool.

    ``epoch`` counts its lives: events of an earlier one are void. ``joined``: a Node object belongs into the cluster;
    ``registered``: it has been there. ``joins`` False: it never will. ``healthy`` False: its kubelet is silent.
    """

    id: str
    pool_id: str
    name: str
    flavor: str
    zone: str
    created_at: float
    updated_at: float
    status: str = "INSTALLING"
    instance_id: str | None = None
    deployed_at: float | None = None
    epoch: int = 0
    joins: bool = True
    joined: bool = False
    registered: bool = False
    healthy: bool = True
    gpus_shown: bool = False

    @property
    def leaving(self) -> bool:
        """On its way out: it holds a machine, but no place in the pool."""
        return self.status == DELETING


@dataclass(slots=True, order=True)
class Event:
    """Something that happens to a node or pool at a time, in the order in which it was planned."""

    at: float
    order: int
    kind: str = field(compare=False)
    subject: str = field(compare=False)
    epoch: int = field(compare=False, default=0)


@dataclass(slots=True)
class World:
    """Everything. ``stock`` maps ``flavor@zone`` to machines left; what is not in it never runs out."""

    project: str
    seed: int
    now: float
    clusters: dict[str, Cluster] = field(default_factory=dict)
    quotas: dict[str, Quota] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    agenda: list[Event] = field(default_factory=list)
    stillborn: list[dict[str, Any]] = field(default_factory=list)
    """Orders for nodes that never join: ``count``, and optionally ``flavor``."""
    timings: Timings = field(default_factory=Timings)
    habits: Habits = field(default_factory=Habits)
    draws: int = 0
    planned: int = 0
