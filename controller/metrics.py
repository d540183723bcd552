"""
All metrics that loops move, declared once; `observe` has those that follow from the cluster.

Upstream's keep their names and labels; ours start with karpenter_ovhcloud_.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()

_DURATIONS = (0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_LONG = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _DURATIONS) -> Histogram:
    return Histogram(name, text, labels, registry=REGISTRY, buckets=buckets)


NODECLAIMS_CREATED = _counter(
    "karpenter_nodeclaims_created",
    "NodeClaims created, by reason (provisioned, or that of the disruption), nodepool and min_values_relaxed.",
    "reason",
    "nodepool",
    "min_values_relaxed",
)
NODECLAIMS_TERMINATED = _counter(
    "karpenter_nodeclaims_terminated",
    "NodeClaims whose finalizer was removed, by nodepool, capacity_type and zone.",
    "nodepool",
    "capacity_type",
    "zone",
)
NODECLAIMS_DISRUPTED = _counter(
    "karpenter_nodeclaims_disrupted",
    "Deletions that Karpenter decided, by reason, nodepool, capacity_type, consolidation_policy, termination_mode.",
    "reason",
    "nodepool",
    "capacity_type",
    "consolidation_policy",
    "termination_mode",
)
NODECLAIM_TERMINATION_SECONDS = _histogram(
    "karpenter_nodeclaims_termination_duration_seconds",
    "Seconds from a NodeClaim's deletion to the removal of its finalizer, by nodepool.",
    "nodepool",
    buckets=_LONG,
)
NODES_CREATED = _counter("karpenter_nodes_created", "Nodes registered, by nodepool and zone.", "nodepool", "zone")
NODES_TERMINATED = _counter(
    "karpenter_nodes_terminated", "Nodes whose finalizer was removed, by nodepool and zone.", "nodepool", "zone"
)
NODES_DRAINED = _counter("karpenter_nodes_drained", "Nodes that were drained, by nodepool.", "nodepool")
PODS_DRAINED = _counter("karpenter_pods_drained", "Pods evicted or deleted by force, by reason.", "reason")
EVICTIONS = _counter("karpenter_pods_eviction_requests", "Answers of the eviction API, by HTTP status code.", "code")
NODEPOOL_LIMIT = _gauge(
    "karpenter_nodepools_limit", "Limits of a NodePool, by resource_type and nodepool.", "resource_type", "nodepool"
)
NODEPOOL_USAGE = _gauge(
    "karpenter_nodepools_usage", "Capacity of a NodePool, by resource_type and nodepool.", "resource_type", "nodepool"
)
DISRUPTION_DECISIONS = _counter(
    "karpenter_voluntary_disruption_decisions",
    "Disruptions begun, by decision (delete or replace), reason and consolidation_type.",
    "decision",
    "reason",
    "consolidation_type",
)
ELIGIBLE_NODES = _gauge(
    "karpenter_voluntary_disruption_eligible_nodes", "Candidates of the last pass, by reason.", "reason"
)
SCHEDULING_SECONDS = _histogram(
    "karpenter_scheduler_scheduling_duration_seconds", "Seconds from snapshot to plan, by controller.", "controller"
)
UNSCHEDULABLE_PODS = _gauge(
    "karpenter_scheduler_unschedulable_pods_count", "Pods that the last plan left out, by controller.", "controller"
)
STATE_SYNCED = _gauge("karpenter_cluster_state_synced", "1 when every kind was listed, otherwise 0.")
STATE_NODES = _gauge("karpenter_cluster_state_node_count", "Nodes in the mirror.")
RECONCILE_ERRORS = _counter(
    "controller_runtime_reconcile_errors", "Passes of a loop that failed, by controller.", "controller"
)
RECONCILE_SECONDS = _histogram(
    "controller_runtime_reconcile_time_seconds", "Seconds that a pass of a loop took, by controller.", "controller"
)

LOWER_BOUND = _gauge(
    "karpenter_ovhcloud_lower_bound_eur_per_hour", "Proven bound: no fleet that holds the planned pods costs less."
)
GAP = _gauge("karpenter_ovhcloud_plan_gap_ratio", "How far the last plan may be above its bound, as a fraction of it.")
PLANS = _counter(
    "karpenter_ovhcloud_plans", "Plans made, by status (optimal, feasible, heuristic, infeasible).", "status"
)
PLANS_REJECTED = _counter("karpenter_ovhcloud_plans_rejected", "Plans that the independent checker refused.")
SOLVE_SECONDS = _histogram("karpenter_ovhcloud_solve_seconds", "Seconds of each phase of a search, by phase.", "phase")
OVH_CALLS = _counter(
    "karpenter_ovhcloud_api_calls",
    "Calls to the OVH API, by operation and outcome (ok or a kind of error).",
    "operation",
    "outcome",
)
OVH_SECONDS = _histogram(
    "karpenter_ovhcloud_api_seconds", "Seconds of calls to the OVH API, by operation.", "operation"
)
REFUSED = _gauge(
    "karpenter_ovhcloud_refused_offerings",
    "Offerings that OVH refused and that are not asked for yet, by reason.",
    "reason",
)
PLACED = _counter(
    "karpenter_ovhcloud_pods_placed", "Planned pods that were bound, by whether it was where planned.", "where"
)
RESERVED_NODES = _gauge("karpenter_ovhcloud_reserved_nodes", "Nodes held for their planned pods.")
LEADING = _gauge("karpenter_ovhcloud_leading", "1 when this replica leads, otherwise 0.")

for _where in ("planned", "elsewhere"):
    PLACED.labels(_where)
for _status in ("optimal", "feasible", "heuristic", "infeasible"):
    PLANS.labels(_status)
