"""
The plan: what to create, delete and keep, where every pod goes, what it costs and how good it is.

A plan is data. The same object is printed by `solve`, judged by `check` and carried out by the controller. Money is in
micro-euro per hour, amounts in milli-CPU (cpu) or whole units; `render` turns them into the published JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from solver import cluster

Status = Literal["optimal", "feasible", "heuristic", "infeasible"]


@dataclasses.dataclass(frozen=True, slots=True)
class NewNode:
    """
    A node to create. `requests` counts its pods and DaemonSet pods, resource "pods" included; `flavor_options` are the
    flavors of this zone that would hold these pods too, cheapest first. `expire_after` (None: never) and
    `termination_grace_period` (None: none) are the template's, in seconds.
    """

    name: str
    node_pool: str
    node_class: str
    flavor: str
    zone: str
    hourly: int
    ovh_pool: str
    pods: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    taints: tuple[cluster.Taint, ...]
    startup_taints: tuple[cluster.Taint, ...]
    requests: Mapping[str, int]
    allocatable: Mapping[str, int]
    flavor_options: tuple[str, ...]
    capacity_type: str = "on-demand"
    monthly_billed: bool = False
    replaces: tuple[str, ...] = ()
    expire_after: int | None = 720 * 3600
    termination_grace_period: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class GoneNode:
    """A node to remove. `pods` are those that are on it and move; `hourly` is its catalogue price."""

    node: str
    node_claim: str
    node_pool: str
    flavor: str
    zone: str
    hourly: int
    reason: str
    pods: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class KeptNode:
    """A node that stays, and why."""

    node: str
    node_pool: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One step of carrying the plan out: launches first, then moves, then deletes; feasible by itself."""

    launch: tuple[str, ...]
    delete: tuple[str, ...]
    move: Mapping[str, str]
    seconds: int


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """
    Why one NodePool cannot take a pod: upstream's text, the rule's name, and how many of its offers that rule refuses.
    """

    node_pool: str
    message: str
    constraint: str
    offers: int


@dataclasses.dataclass(frozen=True, slots=True)
class Relaxation:
    """A single change that would place the pod, and what the plan would then cost more per hour."""

    change: str
    extra_hourly: int


@dataclasses.dataclass(frozen=True, slots=True)
class Unschedulable:
    """
    A pod that the plan leaves out.

    `rules` are the fewest of which at least one forbids each place that there is beside the other pods of the plan.
    """

    pod: str
    message: str
    reasons: tuple[Reason, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    rules: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """Micro-euro per hour. `optimum` and `lower_bound` are None when unknown; `lower_bound` bounds `after`."""

    before: int
    after: int
    create: int
    delete: int
    optimum: int | None
    lower_bound: int | None
    unpriced_flavors: tuple[str, ...] = ()

    @property
    def gap(self) -> float | None:
        """How far the plan may be above the bound, as a fraction of the bound; None without a positive bound."""
        if self.lower_bound is None or self.lower_bound <= 0:
            return None
        return max(0, self.after - self.lower_bound) / self.lower_bound


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """The value of a named term of the objective."""

    term: str
    value: int
    unit: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """A rule that the plan breaks, where, and for which pod (empty when it is about a node or a pool)."""

    rule: str
    pod: str
    node: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """The independent checker's verdict."""

    ok: bool
    violations: tuple[Violation, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the search: its name, how long it took and the best price after it (micro-euro per hour)."""

    name: str
    seconds: float
    cost: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SolveInfo:
    """How the answer was found."""

    wall_seconds: float
    pod_classes: int
    columns: int
    phases: tuple[Phase, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Inputs:
    """What was asked: enough to ask it again."""

    hash: str
    pods: int
    pending_pods: int
    nodes: int
    seed: int
    time_limit_seconds: float
    version: str
    catalog: str


@dataclasses.dataclass(frozen=True, slots=True)
class Trade:
    """One plan worth choosing from: micro-euro per hour saved, pods moved, and nodes removed for that."""

    saved: int
    moved: int
    removed: int


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The whole answer. `placements` maps pod key to Node name, NodeClaim name or `NewNode.name`."""

    status: Status
    inputs: Inputs
    create: tuple[NewNode, ...]
    delete: tuple[GoneNode, ...]
    keep: tuple[KeptNode, ...]
    steps: tuple[Step, ...]
    placements: Mapping[str, str]
    unschedulable: tuple[Unschedulable, ...]
    cost: Cost
    objective: tuple[Term, ...]
    verification: Verification
    solve: SolveInfo
    notes: tuple[str, ...] = ()
    frontier: tuple[Trade, ...] = ()
