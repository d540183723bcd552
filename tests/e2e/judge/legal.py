"""
Random clusters such that an API server takes their pods.

Random specs may combine what Kubernetes refuses to store. Such parts are left out here before anybody plans, so that
planner and scheduler are asked about the same pods. The rules are those of
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from solver import cluster


def admissible(of: cluster.Cluster) -> cluster.Cluster:
    """The cluster with specs that can be stored; pods that shared a spec share one again."""
    known: dict[int, cluster.PodSpec] = {}

    def fixed(spec: cluster.PodSpec) -> cluster.PodSpec:
        if id(spec) not in known:
            known[id(spec)] = _spec(spec)
        return known[id(spec)]

    pods = {key: dataclasses.replace(pod, spec=fixed(pod.spec)) for key, pod in of.pods.items()}
    sets = {key: dataclasses.replace(each, spec=fixed(each.spec)) for key, each in of.daemon_sets.items()}
    # A volume that is being made would be there, for its whole zone, before the scheduler is asked.
    claims = {key: dataclasses.replace(each, selected_node="") for key, each in of.volume_claims.items()}
    return dataclasses.replace(of, pods=pods, daemon_sets=sets, volume_claims=claims)


def _spec(of: cluster.PodSpec) -> cluster.PodSpec:
    spread = {(each.topology_key, each.hard): _spread(each) for each in reversed(of.spread)}
    return dataclasses.replace(
        of,
        spread=tuple(reversed(spread.values())),
        affinity=tuple(_term(each) for each in of.affinity),
        anti_affinity=tuple(_term(each) for each in of.anti_affinity),
        preferred_affinity=_preferred(of.preferred_affinity),
        preferred_anti_affinity=_preferred(of.preferred_anti_affinity),
    )


def _preferred(terms: Iterable[cluster.PreferredPodTerm]) -> tuple[cluster.PreferredPodTerm, ...]:
    return tuple(dataclasses.replace(each, term=_term(each.term)) for each in terms)


def _spread(of: cluster.Spread) -> cluster.Spread:
    return dataclasses.replace(of, match_label_keys=_free(of.match_label_keys, of.selector))


def _term(of: cluster.PodTerm) -> cluster.PodTerm:
    matched = _free(of.match_label_keys, of.selector)
    mismatched = () if of.selector is None else of.mismatch_label_keys
    return dataclasses.replace(
        of, match_label_keys=tuple(key for key in matched if key not in mismatched), mismatch_label_keys=mismatched
    )


def _free(keys: tuple[str, ...], selector: cluster.Selector | None) -> tuple[str, ...]:
    """Label keys that may stand beside a selector: those that it does not ask for itself."""
    if selector is None:
        return ()
    asked = {each.key for each in selector.expressions}
    return tuple(key for key in keys if key not in asked)
