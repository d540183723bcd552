"""
The parts of a pod's spec that say where it may run, as values of `solver.cluster`.

Defaults are those of the API server (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/):
an operator left out of a toleration is Equal, of spread policies Honor and Ignore.
"""

from __future__ import annotations

import re

from solver import cluster
from solver.snapshot.view import View

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_TOLERATION_OPERATORS = ("Equal", "Exists", "Lt", "Gt")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_SELECTOR_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_NODE_OPERATORS = (*_SELECTOR_OPERATORS, "Gt", "Lt")
_ONE_KEY = "topology.kubernetes.io/zone"


def taints(view: View, key: str) -> tuple[cluster.Taint, ...]:
    """The taints in the list `key`."""
    return tuple(
        cluster.Taint(item.required("key", "dedicated"), item.text("value"), item.choice("effect", EFFECTS, ""))
        for item in view.items(key)
    )


def tolerations(spec: View) -> tuple[cluster.Toleration, ...]:
    """The tolerations of a pod spec."""
    return tuple(_toleration(item) for item in spec.items("tolerations"))


def _toleration(item: View) -> cluster.Toleration:
    item.misspelled("Toleration")
    key, operator = item.text("key"), item.choice("operator", _TOLERATION_OPERATORS, "Equal")
    value = item.text("value")
    effect = item.choice("effect", EFFECTS, EFFECTS[0]) if item.text("effect") else ""
    if operator == "Exists" and value:
        item.wrong(f'operator Exists stands with the value "{value}"', "leave the value out, or write operator Equal")
    if operator in ("Gt", "Lt") and not _WHOLE.fullmatch(value):
        item.wrong(
            f'operator {operator} stands with the value "{value}"', 'write a whole number in quotes, such as "900"'
        )
    if operator != "Exists" and not key:
        item.wrong("has no key", "write one, or operator Exists to tolerate every taint")
    return cluster.Toleration(key, operator, value, effect)


def selector(view: View, key: str) -> cluster.Selector | None:
    """The label selector `key`, None when it is absent."""
    if key not in view:
        return None
    given = view.mapping(key)
    given.misspelled("LabelSelector")
    labels = given.labels("matchLabels")
    matched = [cluster.Expression(name, "In", (labels[name],)) for name in sorted(labels)]
    for item in given.items("matchExpressions"):
        matched.append(_expression(item, _SELECTOR_OPERATORS))
    return cluster.Selector(tuple(matched))


def _expression(item: View, operators: tuple[str, ...]) -> cluster.Expression:
    item.misspelled("LabelSelectorRequirement")
    operator = item.choice("operator", operators, "")
    values = item.texts("values")
    if operator in ("In", "NotIn") and not values:
        item.wrong(f"operator {operator} has no values", "write at least one", "values")
    elif operator in ("Exists", "DoesNotExist") and values:
        item.wrong(f"operator {operator} takes no values", "leave them out", "values")
    return cluster.Expression(item.required("key", "app"), operator, values)


def node_term(item: View, *, checked: bool = True) -> cluster.NodeTerm:
    """
    A node selector term.

    Unless `checked`, operators and values are taken as they are: required terms of pods that Kubernetes would refuse
    make the pod one that is ignored, see `solver.snapshot.ignored`.
    """
    item.misspelled("NodeSelectorTerm")
    return cluster.NodeTerm(
        tuple(_node_expression(part, checked) for part in item.items("matchExpressions")),
        tuple(_node_expression(part, checked) for part in item.items("matchFields")),
    )


def _node_expression(item: View, checked: bool) -> cluster.Expression:
    item.misspelled("NodeSelectorRequirement")
    if checked:
        return _expression(item, _NODE_OPERATORS)
    return cluster.Expression(item.text("key"), item.text("operator"), item.texts("values"))


def node_terms(view: View, key: str, *, checked: bool = True) -> tuple[cluster.NodeTerm, ...] | None:
    """The terms of the node selector `key`, None when it is absent."""
    if key not in view:
        return None
    view.mapping(key).misspelled("NodeSelector")
    return tuple(node_term(item, checked=checked) for item in view.mapping(key).items("nodeSelectorTerms"))


def preferred_node_terms(affinity: View) -> tuple[cluster.PreferredNodeTerm, ...]:
    """The preferred terms of a node affinity."""
    return tuple(
        cluster.PreferredNodeTerm(_weight(item), node_term(item.mapping("preference")))
        for item in affinity.items("preferredDuringSchedulingIgnoredDuringExecution")
    )


def pod_terms(affinity: View) -> tuple[cluster.PodTerm, ...]:
    """The required terms of a pod affinity or anti-affinity."""
    return tuple(_pod_term(item) for item in affinity.items("requiredDuringSchedulingIgnoredDuringExecution"))


def preferred_pod_terms(affinity: View) -> tuple[cluster.PreferredPodTerm, ...]:
    """The preferred terms of a pod affinity or anti-affinity."""
    return tuple(
        cluster.PreferredPodTerm(_weight(item), _pod_term(item.mapping("podAffinityTerm")))
        for item in affinity.items("preferredDuringSchedulingIgnoredDuringExecution")
    )


def _pod_term(item: View) -> cluster.PodTerm:
    item.misspelled("PodAffinityTerm")
    return cluster.PodTerm(
        topology_key=item.required("topologyKey", _ONE_KEY),
        selector=selector(item, "labelSelector"),
        namespaces=tuple(sorted(set(item.texts("namespaces")))),
        namespace_selector=selector(item, "namespaceSelector"),
        match_label_keys=item.texts("matchLabelKeys"),
        mismatch_label_keys=item.texts("mismatchLabelKeys"),
    )


def _weight(item: View) -> int:
    """Of a preferred term, of nodes or of pods."""
    item.misspelled("PreferredTerm")
    if "weight" not in item:
        item.wrong("is missing", "write a number from 1 to 100", "weight")
    return item.integer("weight", 1, least=1, most=100) or 1


def spread(spec: View) -> tuple[cluster.Spread, ...]:
    """The topology spread constraints of a pod spec."""
    return tuple(_spread(item) for item in spec.items("topologySpreadConstraints"))


def _spread(item: View) -> cluster.Spread:
    item.misspelled("TopologySpreadConstraint")
    hard = item.choice("whenUnsatisfiable", ("DoNotSchedule", "ScheduleAnyway"), "") != "ScheduleAnyway"
    if "maxSkew" not in item:
        item.wrong("is missing", "write a number of 1 or more", "maxSkew")
    least_domains = item.integer("minDomains", least=1)
    if least_domains is not None and not hard:
        item.wrong(
            "goes only with DoNotSchedule", "leave it out, or write whenUnsatisfiable: DoNotSchedule", "minDomains"
        )
    return cluster.Spread(
        topology_key=item.required("topologyKey", _ONE_KEY),
        max_skew=item.integer("maxSkew", 1, least=1) or 1,
        hard=hard,
        selector=selector(item, "labelSelector"),
        min_domains=least_domains,
        match_label_keys=item.texts("matchLabelKeys"),
        honor_affinity=item.choice("nodeAffinityPolicy", ("Honor", "Ignore"), "Honor") == "Honor",
        honor_taints=item.choice("nodeTaintsPolicy", ("Honor", "Ignore"), "Ignore") == "Honor",
    )
