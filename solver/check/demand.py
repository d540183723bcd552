"""
Which pods a plan has to account for.

Waiting pods, and pods of nodes that go away. Sources: interfaces of `solve` (docs), Karpenter core
`pkg/utils/pod/scheduling.go` and `pkg/utils/pdb/pdb.go`.
"""

from __future__ import annotations

import dataclasses

from crds import duration
from solver import cluster
from solver.check import match

DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"
UNSCHEDULABLE = "Unschedulable"


def is_waiting(pod: cluster.Pod) -> bool:
    """Whether the scheduler has still to find a node for a pod, and may."""
    return (
        not pod.node
        and not pod.terminal
        and not pod.deleting
        and not pod.gated
        and not is_bound_to_nodes(pod)
        and pod.unscheduled_reason in (None, UNSCHEDULABLE)
    )


def is_bound_to_nodes(pod: cluster.Pod) -> bool:
    """Whether a pod belongs to its node: of a DaemonSet, or a static pod's mirror."""
    return pod.mirror or (pod.owner is not None and pod.owner.kind in ("DaemonSet", "Node"))


def is_reschedulable(pod: cluster.Pod) -> bool:
    """Whether a running pod comes back elsewhere when its node goes."""
    if pod.terminal or is_bound_to_nodes(pod):
        return False
    return not pod.deleting or (pod.owner is not None and pod.owner.kind == "StatefulSet")


def is_active(pod: cluster.Pod) -> bool:
    """Whether a pod is neither finished nor on its way out."""
    return not pod.terminal and not pod.deleting


def is_protected(pod: cluster.Pod, now: int) -> bool:
    """
    Whether `karpenter.sh/do-not-disrupt` protects a pod at `now`: "true", or a duration since the pod started.

    A pod that has not started is protected; a duration that cannot be read or is not above zero protects nobody.
    """
    text = pod.annotations.get(DO_NOT_DISRUPT)
    if text is None:
        return False
    if text == "true":
        return True
    try:
        seconds = duration.parse_duration(text)
    except duration.DurationError:
        return False
    return seconds > 0 and (pod.started is None or now - pod.started < seconds)


@dataclasses.dataclass(slots=True)
class Budgets:
    """The PodDisruptionBudgets of a cluster, asked about one pod after the other."""

    snapshot: cluster.Cluster
    by_namespace: dict[str, list[cluster.Budget]]
    _known: dict[tuple[str, int], tuple[cluster.Budget, ...]] = dataclasses.field(default_factory=dict)
    _counts: dict[int, tuple[int, int]] | None = None

    @classmethod
    def of(cls, snapshot: cluster.Cluster) -> Budgets:
        """The budgets of a cluster."""
        found: dict[str, list[cluster.Budget]] = {}
        for budget in snapshot.budgets.values():
            found.setdefault(budget.namespace, []).append(budget)
        return cls(snapshot, found)

    def covering(self, pod: cluster.Pod) -> tuple[cluster.Budget, ...]:
        """Budgets whose selector matches a pod."""
        there = self.by_namespace.get(pod.namespace)
        if not there:
            return ()
        key = (pod.namespace, id(pod.labels))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = tuple(b for b in there if match.selects(b.selector, pod.labels))
        return found

    def allowed(self, budget: cluster.Budget) -> int:
        """How many of a budget's pods may be disrupted now: what its status says, or what follows from its pods."""
        if budget.disruptions_allowed is not None:
            return budget.disruptions_allowed
        if self._counts is None:
            self._counts = self._counted()
        return _allowance(budget, *self._counts.get(id(budget), (0, 0)))

    def _counted(self) -> dict[int, tuple[int, int]]:
        """How many running pods each budget covers, and how many of them are ready."""
        found: dict[int, tuple[int, int]] = {}
        for pod in self.snapshot.pods.values():
            if pod.node and is_active(pod):
                for budget in self.covering(pod):
                    pods, ready = found.get(id(budget), (0, 0))
                    found[id(budget)] = (pods + 1, ready + pod.ready)
        return found

    def never_allow(self, pod: cluster.Pod) -> bool:
        """Whether a pod can never be evicted: two budgets, or one that allows no disruption at all."""
        found = self.covering(pod)
        if len(found) > 1:
            return True
        return any(not skips(budget, pod) and is_closed(budget) for budget in found)


def _allowance(budget: cluster.Budget, pods: int, healthy: int) -> int:
    """Disruptions that a budget allows; percentages of the pods are rounded up."""
    expected = budget.expected_pods if budget.expected_pods is not None else pods
    if budget.max_unavailable is not None:
        return max(0, healthy - (expected - _share(budget.max_unavailable, expected)))
    return max(0, healthy - _share(budget.min_available or "0", expected))


def _share(text: str, of: int) -> int:
    return -(-int(text[:-1]) * of // 100) if text.endswith("%") else int(text)


def skips(budget: cluster.Budget, pod: cluster.Pod) -> bool:
    """Whether a budget lets a pod go because it is not ready anyway."""
    return budget.always_allow_unhealthy and not pod.ready


def is_closed(budget: cluster.Budget) -> bool:
    """Whether a budget is written so that it never allows a disruption."""
    return budget.max_unavailable in ("0", "0%") or budget.min_available == "100%"


def may_be_evicted(pod: cluster.Pod, budgets: Budgets, now: int) -> bool:
    """Whether a pod of a node that goes away moves at all, before a deadline ends it."""
    return not is_protected(pod, now) and not budgets.never_allow(pod)
