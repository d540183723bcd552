"""
All metrics, declared once: name, help text and labels. `docs/reference/metrics.md` is written from here.

Upstream's keep their names and labels (karpenter core and the AWS provider, https://karpenter.sh/docs/reference/metrics/);
ours start with karpenter_ovhcloud_. Loops move the first part; what the second part, `Scraped`, declares is worked out by
`observe` from the mirror whenever somebody scrapes.
"""

from __future__ import annotations

import dataclasses

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, core, disable_created_metrics

from controller import quantiles

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()

_DURATIONS = (0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 150, 300, 450, 600)
_LONG = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_LIVES = (900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800, 1209600, 2592000)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _DURATIONS) -> Histogram:
    return Histogram(name, text, labels, registry=REGISTRY, buckets=buckets)


def _quantiles(name: str, text: str, *labels: str) -> quantiles.Quantiles:
    return quantiles.Quantiles(name, text, labels, REGISTRY)


@dataclasses.dataclass(frozen=True, slots=True)
class Scraped:
    """A gauge that `observe` works out."""

    name: str
    text: str
    labels: tuple[str, ...] = ()

    def family(self) -> core.GaugeMetricFamily:
        """The family without samples."""
        return core.GaugeMetricFamily(self.name, self.text, labels=self.labels)


# ------------------------------------------------------------------------------------------------ claims and nodes

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
    "Deletions of NodeClaims that Karpenter decided on, by reason (underutilized, empty, drifted, expired, "
    "insufficient_capacity, launch_timeout, registration_timeout, garbage_collected), nodepool, capacity_type, "
    "consolidation_policy (in snake case, empty where it plays no part) and termination_mode (graceful, eventual, "
    "forceful).",
    "reason",
    "nodepool",
    "capacity_type",
    "consolidation_policy",
    "termination_mode",
)
NODECLAIM_TERMINATION_SECONDS = _histogram(
    "karpenter_nodeclaims_termination_duration_seconds",
    "Seconds from the deletion of a NodeClaim to the removal of its finalizer, by nodepool.",
    "nodepool",
    buckets=_LONG,
)
NODES_CREATED = _counter("karpenter_nodes_created", "Nodes registered, by nodepool and zone.", "nodepool", "zone")
NODES_TERMINATED = _counter(
    "karpenter_nodes_terminated", "Nodes whose finalizer was removed, by nodepool and zone.", "nodepool", "zone"
)
NODES_DRAINED = _counter("karpenter_nodes_drained", "Nodes that were drained, by nodepool.", "nodepool")
NODE_TERMINATION_SECONDS = _quantiles(
    "karpenter_nodes_termination_duration_seconds",
    "Seconds from the deletion of a Node to the removal of its finalizer, by nodepool.",
    "nodepool",
)
NODE_LIFETIME_SECONDS = _histogram(
    "karpenter_nodes_lifetime_duration_seconds",
    "Age of nodes at their removal in seconds, by nodepool.",
    "nodepool",
    buckets=_LIVES,
)

# -------------------------------------------------------------------------------------------------------- pods

PODS_DRAINED = _counter(
    "karpenter_pods_drained", "Pods evicted or deleted from nodes that go, by reason of the disruption.", "reason"
)
EVICTIONS = _counter("karpenter_pods_eviction_requests", "Answers of the eviction API, by HTTP status code.", "code")
POD_STARTUP_SECONDS = _quantiles(
    "karpenter_pods_startup_duration_seconds", "Seconds from the creation of a pod to its condition Ready."
)
POD_BOUND_SECONDS = _histogram(
    "karpenter_pods_bound_duration_seconds", "Seconds from the creation of a pod to its binding to a node."
)

# -------------------------------------------------------------------------------------------- decisions and loops

DISRUPTION_DECISIONS = _counter(
    "karpenter_voluntary_disruption_decisions",
    "Disruptions begun, by decision (delete or replace), reason and consolidation_type.",
    "decision",
    "reason",
    "consolidation_type",
)
FAILED_VALIDATIONS = _counter(
    "karpenter_voluntary_disruption_failed_validations",
    "Nodes that stay since the plan did not hold after the validation delay, by consolidation_type.",
    "consolidation_type",
)
QUEUE_FAILURES = _counter(
    "karpenter_voluntary_disruption_queue_failures",
    "Disruptions given up since a replacement did not come, by decision, reason and consolidation_type.",
    "decision",
    "reason",
    "consolidation_type",
)
ELIGIBLE_NODES = _gauge(
    "karpenter_voluntary_disruption_eligible_nodes", "Nodes that the last pass could disrupt, by reason.", "reason"
)
SCHEDULING_SECONDS = _histogram(
    "karpenter_scheduler_scheduling_duration_seconds",
    "Seconds from the snapshot of the cluster to a checked plan, by controller.",
    "controller",
)
UNSCHEDULABLE_PODS = _gauge(
    "karpenter_scheduler_unschedulable_pods_count", "Pods that the last plan left out, by controller.", "controller"
)
STATE_SYNCED = _gauge("karpenter_cluster_state_synced", "1 when every kind of object was listed, otherwise 0.")
STATE_NODES = _gauge("karpenter_cluster_state_node_count", "Nodes in the mirror of the cluster.")
CLOUD_SECONDS = _histogram(
    "karpenter_cloudprovider_duration_seconds",
    "Seconds of calls to the OVHcloud API, repeats counted one by one, by controller, method and provider (ovhcloud).",
    "controller",
    "method",
    "provider",
)
CLOUD_ERRORS = _counter(
    "karpenter_cloudprovider_errors",
    "Calls to the OVHcloud API that failed, by controller, method, provider (ovhcloud) and error, the kind of error.",
    "controller",
    "method",
    "provider",
    "error",
)
RECONCILES = _counter(
    "controller_runtime_reconcile",
    "Passes of a loop, by controller and result (success or error).",
    "controller",
    "result",
)
RECONCILE_ERRORS = _counter(
    "controller_runtime_reconcile_errors", "Passes of a loop that failed, by controller.", "controller"
)
RECONCILE_SECONDS = _histogram(
    "controller_runtime_reconcile_time_seconds", "Seconds that a pass of a loop took, by controller.", "controller"
)
BUILD_INFO = _gauge(
    "karpenter_build_info",
    "Always 1: version of this program, goversion (empty: this is Python), goarch (processor) and commit (empty).",
    "version",
    "goversion",
    "goarch",
    "commit",
)

# ---------------------------------------------------------------------------------------------------------- ours

LOWER_BOUND = _gauge(
    "karpenter_ovhcloud_lower_bound_eur_per_hour",
    "Proven bound in EUR per hour: no fleet that holds the pods of the last plan, and keeps the nodes that the plan had "
    "to keep, costs less.",
)
GAP = _gauge(
    "karpenter_ovhcloud_plan_gap_ratio",
    "How far the cost of the last plan may be above its bound, as a fraction of the bound; 0 is proven optimal.",
)
REGRET = _gauge(
    "karpenter_ovhcloud_regret_eur_per_hour",
    "What the fleet after the last consolidation plan costs above the cheapest fleet that was found for all its pods "
    "from zero, in EUR per hour: the price of budgets, of pods that must not move, and of moves that are not worth it.",
)
PLANS = _counter(
    "karpenter_ovhcloud_plans", "Plans made, by status (optimal, feasible, heuristic, infeasible).", "status"
)
PLANS_REJECTED = _counter(
    "karpenter_ovhcloud_plans_rejected", "Plans that the independent checker refused; none of them was carried out."
)
SEARCHES_BROKEN = _counter(
    "karpenter_ovhcloud_searches_broken", "Searches that ended in an error; a plainer plan was taken in their place."
)
SOLVE_SECONDS = _histogram("karpenter_ovhcloud_solve_seconds", "Seconds of the search, by phase.", "phase")
OVH_CALLS = _counter(
    "karpenter_ovhcloud_api_calls",
    "Calls to the OVHcloud API, by operation and outcome (ok or the kind of error).",
    "operation",
    "outcome",
)
OVH_SECONDS = _histogram(
    "karpenter_ovhcloud_api_seconds", "Seconds of calls to the OVHcloud API, by operation.", "operation"
)
REFUSED = _gauge(
    "karpenter_ovhcloud_refused_offerings",
    "Offerings (flavor and zone) that OVHcloud refused and that are not asked for at the moment, by reason.",
    "reason",
)
PLACED = _counter(
    "karpenter_ovhcloud_pods_placed",
    "Pods planned onto new nodes that were bound since, by where (planned or elsewhere).",
    "where",
)
SLOTS_TAKEN = _counter(
    "karpenter_ovhcloud_slots_taken_over",
    "Pods that took the place kept for a pod of their class that went before it was bound.",
)
RESERVED_NODES = _gauge("karpenter_ovhcloud_reserved_nodes", "New nodes that are held for their planned pods.")
LEADING = _gauge("karpenter_ovhcloud_leading", "1 when this replica leads, otherwise 0.")

# ------------------------------------------------------------------------------------------ worked out at a scrape

POD_LABELS = (
    *("name", "namespace", "owner", "node", "scheduled", "nodepool", "zone", "arch"),
    *("capacity_type", "instance_type", "phase", "ready", "managed"),
)
NODE_LABELS = (
    *("node_name", "phase", "managed", "nodepool", "zone", "region", "instance_type", "arch", "os"),
    *("capacity_type", "windows_build"),
)
AMOUNT_LABELS = (*NODE_LABELS, "resource_type")
_PER_NODE = "by node, its well-known labels, and resource_type (cpu in cores, memory in bytes)."

PODS_STATE = Scraped(
    "karpenter_pods_state",
    "Pods, one series each, always 1: name, namespace, owner (path of the first owner), node, whether scheduled, nodepool "
    "and well-known labels of the node, phase, whether ready, and whether a NodePool owns the node (managed).",
    POD_LABELS,
)
PODS_UNBOUND = Scraped(
    "karpenter_pods_unbound_time_seconds",
    "Seconds that a pod without a node has waited so far, by name and namespace.",
    ("name", "namespace"),
)
PODS_UNSTARTED = Scraped(
    "karpenter_pods_unstarted_time_seconds",
    "Seconds that a pod which is not running has waited so far, by name and namespace.",
    ("name", "namespace"),
)
NODES_ALLOCATABLE = Scraped("karpenter_nodes_allocatable", f"What nodes have for pods, {_PER_NODE}", AMOUNT_LABELS)
NODES_POD_REQUESTS = Scraped(
    "karpenter_nodes_total_pod_requests",
    f"What pods of a node request, those of DaemonSets left aside, {_PER_NODE}",
    AMOUNT_LABELS,
)
NODES_POD_LIMITS = Scraped(
    "karpenter_nodes_total_pod_limits",
    f"Limits of the pods of a node, those of DaemonSets left aside, {_PER_NODE}",
    AMOUNT_LABELS,
)
NODES_DAEMON_REQUESTS = Scraped(
    "karpenter_nodes_total_daemon_requests", f"What pods of DaemonSets request on a node, {_PER_NODE}", AMOUNT_LABELS
)
NODES_DAEMON_LIMITS = Scraped(
    "karpenter_nodes_total_daemon_limits", f"Limits of the pods of DaemonSets on a node, {_PER_NODE}", AMOUNT_LABELS
)
NODES_OVERHEAD = Scraped(
    "karpenter_nodes_system_overhead",
    f"Capacity of nodes that is not for pods, {_PER_NODE}",
    AMOUNT_LABELS,
)
NODES_AGE = Scraped(
    "karpenter_nodes_current_lifetime_seconds", "Age of nodes, by node and its well-known labels.", NODE_LABELS
)
UTILIZATION = Scraped(
    "karpenter_cluster_utilization_percent",
    "Requests of all pods on nodes as a percentage of what the nodes have for pods, by resource_type.",
    ("resource_type",),
)
NODEPOOL_LIMIT = Scraped(
    "karpenter_nodepools_limit",
    "Limits of a NodePool, by resource_type (cpu in cores, memory in bytes) and nodepool.",
    ("resource_type", "nodepool"),
)
NODEPOOL_USAGE = Scraped(
    "karpenter_nodepools_usage",
    "Capacity of the nodes of a NodePool, by resource_type (cpu in cores, memory in bytes) and nodepool.",
    ("resource_type", "nodepool"),
)
NODEPOOL_COST = Scraped(
    "karpenter_nodepools_cost_total", "Price of the nodes of a NodePool in EUR per hour, by nodepool.", ("nodepool",)
)
ALLOWED_DISRUPTIONS = Scraped(
    "karpenter_nodepools_allowed_disruptions",
    "Nodes that the budgets of a NodePool allow to be on their way out at once, by nodepool and reason.",
    ("nodepool", "reason"),
)
CONSUMING_BUDGETS = Scraped(
    "karpenter_nodepools_nodes_consuming_budgets",
    "Nodes that count against the budgets now, as they are on their way out or not ready, by nodepool and reason.",
    ("nodepool", "reason"),
)
OFFERING_PRICE = Scraped(
    "karpenter_cloudprovider_instance_type_offering_price_estimate",
    "Price of a flavor in EUR per hour, by instance_type, capacity_type and zone.",
    ("instance_type", "capacity_type", "zone"),
)
OFFERING_AVAILABLE = Scraped(
    "karpenter_cloudprovider_instance_type_offering_available",
    "1 when a flavor can be bought as far as known, otherwise 0, by instance_type, capacity_type and zone.",
    ("instance_type", "capacity_type", "zone"),
)
TYPE_CPU = Scraped(
    "karpenter_cloudprovider_instance_type_cpu_cores", "vCPUs of a flavor, by instance_type.", ("instance_type",)
)
TYPE_MEMORY = Scraped(
    "karpenter_cloudprovider_instance_type_memory_bytes",
    "Memory capacity of a flavor, by instance_type.",
    ("instance_type",),
)
COST = Scraped("karpenter_ovhcloud_cost_eur_per_hour", "Price of all nodes that NodePools own, in EUR per hour.")
QUOTA_LEFT = Scraped(
    "karpenter_ovhcloud_quota_left",
    "What OVHcloud's project quota allowed to be bought when it was last asked, by region and resource (vcpus, memory_mb, "
    "instances); a resource without a limit has no series.",
    ("region", "resource"),
)


def _status_conditions(kind: str, *more: str) -> tuple[Scraped, Scraped]:
    labels = ("namespace", "name", "type", "status", "reason", *more)
    return (
        Scraped(
            f"operator_{kind}_status_condition_count",
            f"Conditions of {kind} objects, one series each, always 1, by object, type, status and reason.",
            labels,
        ),
        Scraped(
            f"operator_{kind}_status_condition_current_status_seconds",
            f"Seconds for which conditions of {kind} objects have had their status, by object, type, status and reason.",
            labels,
        ),
    )


NODEPOOL_CONDITIONS = _status_conditions("nodepool")
NODECLAIM_CONDITIONS = _status_conditions("nodeclaim", "karpenter_sh_nodepool")
NODECLASS_CONDITIONS = _status_conditions("ovhnodeclass")
NODE_CONDITIONS = _status_conditions("node", "karpenter_sh_nodepool")

for _where in ("planned", "elsewhere"):
    PLACED.labels(_where)
for _status in ("optimal", "feasible", "heuristic", "infeasible"):
    PLANS.labels(_status)


def scraped() -> list[Scraped]:
    """All of the second part, in the order of this file."""
    found: list[Scraped] = []
    for value in globals().values():
        if isinstance(value, Scraped):
            found.append(value)
        elif isinstance(value, tuple) and value and all(isinstance(each, Scraped) for each in value):
            found += value
    return found
