"""
Which pods are to be placed: those that wait for a node, and those whose node is going away.

Karpenter core, `pkg/utils/pod/scheduling.go` and `pkg/utils/pdb/pdb.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crds import duration
from solver import cluster

DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"


def pending(snapshot: cluster.Cluster) -> list[cluster.Pod]:
    """
    Pods without a node that kube-scheduler could not place, in the order of the input.

    A pod that is nominated to a node of the input that stays has its room there and is not among them.
    """
    leaving = deleting_nodes(snapshot)
    staying = {name for name in snapshot.nodes if name not in leaving}
    return [pod for pod in snapshot.pods.values() if _waits(pod) and pod.nominated_node not in staying]


def nominated(snapshot: cluster.Cluster) -> list[cluster.Pod]:
    """Pods without a node that are nominated to a node of the input that stays: they take their room there."""
    leaving = deleting_nodes(snapshot)
    return [
        pod
        for pod in snapshot.pods.values()
        if pod.nominated_node in snapshot.nodes and pod.nominated_node not in leaving and _waits(pod)
    ]


def _waits(pod: cluster.Pod) -> bool:
    return not (
        pod.node
        or pod.terminal
        or pod.deleting
        or pod.gated
        or stays_with_node(pod)
        or pod.unscheduled_reason not in (None, "Unschedulable")
    )


def reschedulable(snapshot: cluster.Cluster, now: int) -> list[cluster.Pod]:
    """
    Pods on nodes in deletion that need another place, in the order of the input; `now` in seconds since the epoch.

    Not among them are pods that may not be evicted: those with do-not-disrupt, and those whose budget can never allow
    it.
    """
    leaving = deleting_nodes(snapshot)
    if not leaving:
        return []
    blocked = Blocked(snapshot)
    return [
        pod
        for pod in snapshot.pods.values()
        if pod.node in leaving and movable(pod) and not protected(pod, now) and not blocked(pod)
    ]


def deleting_nodes(snapshot: cluster.Cluster) -> set[str]:
    """Names of the nodes in deletion: their Node or their NodeClaim has a deletion timestamp."""
    claims = [claim for claim in snapshot.node_claims.values() if claim.deleting]
    names = {claim.node for claim in claims if claim.node}
    machines = {claim.provider_id for claim in claims if claim.provider_id}
    return {
        node.name
        for node in snapshot.nodes.values()
        if node.deleting or node.name in names or node.provider_id in machines
    }


def stays_with_node(pod: cluster.Pod) -> bool:
    """Whether the pod belongs to its node: a DaemonSet's, a static or a mirror pod."""
    return pod.mirror or (pod.owner is not None and pod.owner.kind in ("DaemonSet", "Node"))


def movable(pod: cluster.Pod) -> bool:
    """Whether the pod needs another place when its node goes; a terminating one does only in a StatefulSet."""
    if pod.terminal or stays_with_node(pod):
        return False
    return not pod.deleting or (pod.owner is not None and pod.owner.kind == "StatefulSet")


def protected(pod: cluster.Pod, now: int) -> bool:
    """Whether do-not-disrupt holds: "true", or a duration since the pod's start that is not over."""
    value = pod.annotations.get(DO_NOT_DISRUPT)
    if value is None:
        return False
    if value == "true":
        return True
    try:
        seconds = duration.parse_duration(value)
    except duration.DurationError:
        return False
    return seconds > 0 and (pod.started is None or now < pod.started + seconds)


class Blocked:
    """Says of a pod whether budgets can never allow its eviction: one that forbids all, or more than one."""

    def __init__(self, snapshot: cluster.Cluster) -> None:
        self._budgets: dict[str, list[cluster.Budget]] = {}
        for budget in snapshot.budgets.values():
            self._budgets.setdefault(budget.namespace, []).append(budget)

    def __call__(self, pod: cluster.Pod) -> bool:
        """Whether the pod can never be evicted."""
        found = [budget for budget in self._budgets.get(pod.namespace, ()) if selects(budget.selector, pod.labels)]
        return len(found) > 1 or any(_forbids_all(budget) and not _excused(budget, pod) for budget in found)


def _forbids_all(budget: cluster.Budget) -> bool:
    return budget.max_unavailable in ("0", "0%") or budget.min_available == "100%"


def _excused(budget: cluster.Budget, pod: cluster.Pod) -> bool:
    return budget.always_allow_unhealthy and not pod.ready


def selects(selector: cluster.Selector | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches the labels; None matches nothing, an empty selector everything."""
    return selector is not None and all(_holds(expression, labels) for expression in selector.expressions)


def _holds(expression: cluster.Expression, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    allowed: Iterable[str] = expression.values
    match expression.operator:
        case "In":
            return value is not None and value in allowed
        case "NotIn":
            return value is None or value not in allowed
        case "Exists":
            return value is not None
        case _:
            return value is None
