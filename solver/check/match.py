"""
Kubernetes' own matching: labels against selectors, nodes against node selector terms, taints against tolerations.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ (sets of labels; `Gt` and `Lt` for nodes
only) and https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/. `Gte` and `Lte` exist in
NodePools only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from solver import cluster

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_INT64 = 2**63
_CANONICAL = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)

Condition = tuple[str, tuple[str, ...]]
"""An operator and its values."""


def value_holds(operator: str, values: Sequence[str], value: str | None) -> bool:
    """Whether a label with this value (None: the label is missing) fulfils an operator."""
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if value is None or len(values) != 1:
        return False
    if not _INTEGER.fullmatch(value) or not _INTEGER.fullmatch(values[0]):
        return False
    here, bound = int(value), int(values[0])
    if not all(-_INT64 <= number < _INT64 for number in (here, bound)):
        return False
    if operator == "Gt":
        return here > bound
    if operator == "Lt":
        return here < bound
    if operator == "Gte":
        return here >= bound
    return operator == "Lte" and here <= bound


def some_value(conditions: Iterable[Condition]) -> str | None:
    """A value that a label may have to fulfil all conditions, None when there is none."""
    conditions = list(conditions)
    listed = [value for operator, values in conditions if operator in ("In", "NotIn") for value in values]
    bounds = [int(values[0]) for operator, values in conditions if operator in ("Gt", "Lt", "Gte", "Lte")]
    step = len(listed) + 2
    near = {str(bound + offset) for bound in bounds for offset in range(-step, step + 1) if bound + offset >= 0}
    for value in [*listed, *sorted(near, key=int), "any-other-value"]:
        if all(value_holds(operator, values, value) for operator, values in conditions):
            return value
    return None


def selects(selector: cluster.Selector | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; None matches nothing, a selector without expressions everything."""
    return selector is not None and all(
        value_holds(e.operator, e.values, labels.get(e.key)) for e in selector.expressions
    )


def term_holds(term: cluster.NodeTerm, labels: Mapping[str, str], name: str) -> bool:
    """Whether a node fulfils a node selector term; an empty term matches no node."""
    if not term.expressions and not term.fields:
        return False
    return all(value_holds(e.operator, e.values, labels.get(e.key)) for e in term.expressions) and all(
        e.key == "metadata.name" and value_holds(e.operator, e.values, name) for e in term.fields
    )


def node_holds(spec: cluster.PodSpec, labels: Mapping[str, str], name: str) -> bool:
    """Whether a node fulfils nodeSelector and required node affinity (one of its terms) of a pod."""
    if any(labels.get(key) != value for key, value in spec.node_selector):
        return False
    return spec.node_terms is None or any(term_holds(term, labels, name) for term in spec.node_terms)


def tolerates(toleration: cluster.Toleration, taint: cluster.Taint) -> bool:
    """Whether one toleration covers one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator in ("", "Equal"):
        return toleration.value == taint.value
    if toleration.operator in ("Gt", "Lt"):
        numbers = all(_CANONICAL.fullmatch(value) for value in (toleration.value, taint.value))
        return numbers and value_holds(toleration.operator, (toleration.value,), taint.value)
    return toleration.operator == "Exists"


def untolerated(taints: Iterable[cluster.Taint], tolerations: Sequence[cluster.Toleration]) -> cluster.Taint | None:
    """The first taint that keeps a pod away, None when there is none; PreferNoSchedule keeps nobody away."""
    for taint in taints:
        if taint.effect != "PreferNoSchedule" and not any(tolerates(each, taint) for each in tolerations):
            return taint
    return None


def written(taint: cluster.Taint) -> str:
    """A taint as kubectl writes it."""
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
