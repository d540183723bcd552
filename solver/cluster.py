"""
The cluster as plain data: what `snapshot` reads and the controller's mirror holds.

Values are immutable and hashable where they recur, so that pods made from one template share one `PodSpec`; every
amount is an integer (milli-CPU for "cpu", whole units for everything else: bytes, counts). Times are whole seconds
since the epoch, UTC. Nothing here interprets a rule: that is the business of `rules` and, independently, of `check`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crds import nodepool, ovhnodeclass

Amounts = tuple[tuple[str, int], ...]
"""Resource name and amount, sorted by name: milli-CPU for "cpu", whole units otherwise."""

Labels = Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Taint:
    """A taint; `value` is empty when there is none."""

    key: str
    value: str
    effect: str


@dataclasses.dataclass(frozen=True, slots=True)
class Toleration:
    """
    A toleration; an empty `key` with Exists matches every taint, an empty `effect` matches every effect. Gt and Lt cover
    taints whose value is a number above, or below, their own.
    """

    key: str
    operator: str
    value: str
    effect: str


@dataclasses.dataclass(frozen=True, slots=True)
class Expression:
    """One requirement on a label: In, NotIn, Exists, DoesNotExist, Gt or Lt (nodes only)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class NodeTerm:
    """A node selector term: all expressions and fields must hold; with neither it matches no node."""

    expressions: tuple[Expression, ...] = ()
    fields: tuple[Expression, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PreferredNodeTerm:
    """A preferred node affinity term, weight 1 to 100."""

    weight: int
    term: NodeTerm


@dataclasses.dataclass(frozen=True, slots=True)
class Selector:
    """A label selector; matchLabels are written as In expressions. Without expressions it matches everything."""

    expressions: tuple[Expression, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PodTerm:
    """
    One term of pod affinity or anti-affinity.

    `selector` None matches no pod. `namespaces` empty and `namespace_selector` None mean the pod's own namespace; an
    empty namespace selector means all namespaces.
    """

    topology_key: str
    selector: Selector | None
    namespaces: tuple[str, ...] = ()
    namespace_selector: Selector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PreferredPodTerm:
    """A preferred pod (anti-)affinity term, weight 1 to 100."""

    weight: int
    term: PodTerm


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """
    A topology spread constraint; `hard` is DoNotSchedule, otherwise ScheduleAnyway. A selector of None counts nothing.
    """

    topology_key: str
    max_skew: int
    hard: bool
    selector: Selector | None
    min_domains: int | None = None
    match_label_keys: tuple[str, ...] = ()
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class HostPort:
    """A host port of a container; `ip` is "0.0.0.0" when none is given."""

    ip: str
    protocol: str
    port: int


@dataclasses.dataclass(frozen=True, slots=True)
class EphemeralClaim:
    """A generic ephemeral volume: the claim will be named `<pod>-<volume>`."""

    volume: str
    storage_class: str | None
    access_modes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PodSpec:
    """What the pods of one template share; equal specs are one object after reading."""

    requests: Amounts = ()
    node_selector: tuple[tuple[str, str], ...] = ()
    node_terms: tuple[NodeTerm, ...] | None = None
    preferred_node_terms: tuple[PreferredNodeTerm, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    affinity: tuple[PodTerm, ...] = ()
    anti_affinity: tuple[PodTerm, ...] = ()
    preferred_affinity: tuple[PreferredPodTerm, ...] = ()
    preferred_anti_affinity: tuple[PreferredPodTerm, ...] = ()
    spread: tuple[Spread, ...] = ()
    host_ports: tuple[HostPort, ...] = ()
    claims: tuple[str, ...] = ()
    ephemeral_claims: tuple[EphemeralClaim, ...] = ()
    resource_claims: tuple[str, ...] = ()
    priority: int = 0
    scheduler: str = "default-scheduler"
    invalid: str | None = None
    """Why Karpenter would ignore pods with this spec (malformed affinity and the like), or None."""


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """The controlling owner of a pod."""

    kind: str
    name: str
    uid: str = ""


@dataclasses.dataclass(slots=True)
class Pod:
    """
    A pod. `spec.requests` holds the effective requests without the one of resource "pods" that each pod takes.

    `labels` may be shared between pods of one template. `gated` = it has scheduling gates, `terminal` = Succeeded or
    Failed, `unscheduled_reason` the reason of its PodScheduled condition when that is False.
    """

    namespace: str
    name: str
    spec: PodSpec
    labels: Labels = dataclasses.field(default_factory=dict)
    annotations: Labels = dataclasses.field(default_factory=dict)
    node: str = ""
    nominated_node: str = ""
    owner: Owner | None = None
    uid: str = ""
    created: int = 0
    started: int | None = None
    terminal: bool = False
    deleting: bool = False
    gated: bool = False
    ready: bool = True
    mirror: bool = False
    unscheduled_reason: str | None = None
    synthetic: bool = False
    """Stands for a replica of a workload that had no pods of its own in the input."""
    key: str = dataclasses.field(init=False, repr=False, compare=False)
    """`namespace/name`."""

    def __post_init__(self) -> None:
        self.key = f"{self.namespace}/{self.name}"


@dataclasses.dataclass(slots=True)
class Node:
    """A Node object."""

    name: str
    labels: Labels = dataclasses.field(default_factory=dict)
    annotations: Labels = dataclasses.field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    allocatable: Mapping[str, int] = dataclasses.field(default_factory=dict)
    capacity: Mapping[str, int] = dataclasses.field(default_factory=dict)
    provider_id: str = ""
    unschedulable: bool = False
    ready: bool = True
    deleting: bool = False
    created: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class ClaimCondition:
    """A status condition of a NodeClaim: "True", "False" or "Unknown", its reason and when it last changed."""

    status: str
    reason: str = ""
    changed: int = 0


@dataclasses.dataclass(slots=True)
class NodeClaim:
    """A NodeClaim; amounts are those of its status (`requests` of its spec)."""

    name: str
    node_pool: str = ""
    node_class: str = ""
    labels: Labels = dataclasses.field(default_factory=dict)
    annotations: Labels = dataclasses.field(default_factory=dict)
    requirements: tuple[Expression, ...] = ()
    taints: tuple[Taint, ...] = ()
    startup_taints: tuple[Taint, ...] = ()
    requests: Mapping[str, int] = dataclasses.field(default_factory=dict)
    capacity: Mapping[str, int] = dataclasses.field(default_factory=dict)
    allocatable: Mapping[str, int] = dataclasses.field(default_factory=dict)
    node: str = ""
    provider_id: str = ""
    conditions: Mapping[str, ClaimCondition] = dataclasses.field(default_factory=dict)
    expire_after: int | None = None
    termination_grace_period: int | None = None
    created: int = 0
    deleting: bool = False
    last_pod_event: int | None = None

    def is_true(self, condition: str) -> bool:
        """Whether the condition is stored as True."""
        found = self.conditions.get(condition)
        return found is not None and found.status == "True"


@dataclasses.dataclass(slots=True)
class NodePool:
    """A NodePool as written, with what its status and metadata add. `ready` is None when no condition is stored."""

    name: str
    manifest: nodepool.NodePool
    ready: bool | None = None
    deleting: bool = False
    annotations: Labels = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class NodeClass:
    """An OVHNodeClass as written. `ready` is None when no condition is stored."""

    name: str
    manifest: ovhnodeclass.OVHNodeClass
    ready: bool | None = None
    deleting: bool = False
    annotations: Labels = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class DaemonSet:
    """A DaemonSet; `spec.requests` has missing requests filled from limits."""

    namespace: str
    name: str
    spec: PodSpec
    labels: Labels = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class Budget:
    """
    A PodDisruptionBudget. `min_available` and `max_unavailable` are as written ("50%", "1"); status fields None when
    unknown.
    """

    namespace: str
    name: str
    selector: Selector | None
    min_available: str | None = None
    max_unavailable: str | None = None
    always_allow_unhealthy: bool = False
    disruptions_allowed: int | None = None
    expected_pods: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeClaim:
    """
    A PersistentVolumeClaim. `storage_class` None is unset, "" is explicitly none. `selected_node` is where kube-scheduler
    has put its first pod while the volume is still being made, "" when it has not.
    """

    namespace: str
    name: str
    storage_class: str | None = None
    volume: str = ""
    phase: str = "Pending"
    access_modes: tuple[str, ...] = ()
    bind_completed: bool = False
    deleting: bool = False
    selected_node: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume. `terms` None = no node affinity; `driver` is the CSI driver, "" when there is none."""

    name: str
    terms: tuple[NodeTerm, ...] | None = None
    driver: str = ""
    local: bool = False
    deleting: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class StorageClass:
    """A StorageClass; `topologies` are alternatives, empty = no restriction."""

    name: str
    provisioner: str = ""
    wait_for_consumer: bool = False
    topologies: tuple[NodeTerm, ...] = ()
    default: bool = False


@dataclasses.dataclass(slots=True)
class Cluster:
    """
    Everything the planner knows of a cluster, keyed by name (`namespace/name` where namespaced).

    `notes` are sentences for the user about what was passed over, mapped or ignored while reading.
    `csi_limits` maps node name to driver to the number of volumes that may be attached.
    """

    pods: dict[str, Pod] = dataclasses.field(default_factory=dict)
    nodes: dict[str, Node] = dataclasses.field(default_factory=dict)
    node_claims: dict[str, NodeClaim] = dataclasses.field(default_factory=dict)
    node_pools: dict[str, NodePool] = dataclasses.field(default_factory=dict)
    node_classes: dict[str, NodeClass] = dataclasses.field(default_factory=dict)
    daemon_sets: dict[str, DaemonSet] = dataclasses.field(default_factory=dict)
    budgets: dict[str, Budget] = dataclasses.field(default_factory=dict)
    volume_claims: dict[str, VolumeClaim] = dataclasses.field(default_factory=dict)
    volumes: dict[str, Volume] = dataclasses.field(default_factory=dict)
    storage_classes: dict[str, StorageClass] = dataclasses.field(default_factory=dict)
    csi_limits: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    namespaces: dict[str, Labels] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
