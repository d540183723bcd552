"""
What pods say about the disruption of their node.

Sources: Karpenter core, `pkg/utils/disruption/disruption.go`, `pkg/utils/pod/scheduling.go`, `pkg/utils/pdb/pdb.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from solver import cluster
from solver.snapshot import pending

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
DISRUPTED = cluster.Taint("karpenter.sh/disrupted", "", "NoSchedule")

_MOST = 10.0


def eviction_cost(pod: cluster.Pod) -> float:
    """
    The weight of one eviction: 1, plus pod-deletion-cost / 2^27, plus priority / 2^25, within -10 and 10.

    A pod-deletion-cost that is no integer counts as 0.
    """
    try:
        stated = int(pod.annotations.get(DELETION_COST, "0"))
    except ValueError:
        stated = 0
    return max(-_MOST, min(_MOST, 1 + stated / 2**27 + pod.spec.priority / 2**25))


def is_empty(pods: Iterable[cluster.Pod]) -> bool:
    """Whether a node with these pods counts as empty: no pod that would have to move costs anything to evict."""
    return not any(pending.movable(pod) and eviction_cost(pod) > 0 for pod in pods)


def is_active(pod: cluster.Pod) -> bool:
    """Whether a pod is neither finished nor on its way out."""
    return not pod.terminal and not pod.deleting


def is_evicted(pod: cluster.Pod) -> bool:
    """Whether draining evicts the pod: mirror pods stay, and so do pods that tolerate the taint of a disrupted node."""
    return not pod.mirror and not any(_tolerates(each) for each in pod.spec.tolerations)


def _tolerates(toleration: cluster.Toleration) -> bool:
    if toleration.effect not in ("", DISRUPTED.effect) or toleration.key not in ("", DISRUPTED.key):
        return False
    return toleration.operator == "Exists" or toleration.value == DISRUPTED.value


class Budgets:
    """The PodDisruptionBudgets of a cluster: which of them cover a pod, and how many evictions they allow now."""

    def __init__(self, of: cluster.Cluster) -> None:
        self._of = of
        self._by_namespace: dict[str, list[cluster.Budget]] = {}
        for budget in of.budgets.values():
            self._by_namespace.setdefault(budget.namespace, []).append(budget)
        self._covering: dict[tuple[str, int], tuple[cluster.Budget, ...]] = {}
        self._allowed: dict[int, int] = {}

    def covering(self, pod: cluster.Pod) -> tuple[cluster.Budget, ...]:
        """The budgets of the pod's namespace that select it."""
        there = self._by_namespace.get(pod.namespace)
        if not there:
            return ()
        key = (pod.namespace, id(pod.labels))
        if key not in self._covering:
            self._covering[key] = tuple(each for each in there if pending.selects(each.selector, pod.labels))
        return self._covering[key]

    def allowed(self, budget: cluster.Budget) -> int:
        """
        Evictions that a budget allows at this moment: as its status says, else from its pods.

        Percentages are of the expected pods and rounded up, as the disruption controller of Kubernetes does.
        """
        if budget.disruptions_allowed is not None:
            return budget.disruptions_allowed
        found = self._allowed.get(id(budget))
        if found is None:
            pods = [p for p in self._of.pods.values() if p.node and is_active(p) and budget in self.covering(p)]
            healthy = sum(pod.ready for pod in pods)
            expected = budget.expected_pods if budget.expected_pods is not None else len(pods)
            if budget.max_unavailable is not None:
                wanted = expected - _share(budget.max_unavailable, expected)
            else:
                wanted = _share(budget.min_available or "0", expected)
            found = self._allowed[id(budget)] = max(0, healthy - wanted)
        return found

    def blocking(self, pods: Iterable[cluster.Pod]) -> str | None:
        """Upstream's words for the first pod that cannot be evicted now, or None."""
        for pod in pods:
            if not is_active(pod) or not is_evicted(pod):
                continue
            covering = self.covering(pod)
            if len(covering) > 1:
                names = " ".join(sorted(f"{each.namespace}/{each.name}" for each in covering))
                return f"Eviction does not support multiple PDBs (PodDisruptionBudget(s)=[{names}])"
            for budget in covering:
                excused = budget.always_allow_unhealthy and not pod.ready
                if not excused and self.allowed(budget) <= 0:
                    name = f"{budget.namespace}/{budget.name}"
                    return f"Pdb prevents pod evictions (PodDisruptionBudget=[{name}])"
        return None


def _share(text: str, of: int) -> int:
    return -(-int(text[:-1]) * of // 100) if text.endswith("%") else int(text)
