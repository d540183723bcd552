"""
Taints and tolerations: NoSchedule and NoExecute taints must be tolerated, PreferNoSchedule is a preference.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ ; the words are Karpenter's
(`pkg/scheduling/taints.go`). Startup taints of new nodes never matter; on existing nodes they are taken off before
this rule sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from solver import cluster
from solver.rules import builder, context, requirements

name = "taints"

PREFER_NO_SCHEDULE = "PreferNoSchedule"
_CANONICAL = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)

WEIGHT = 100
"""
What a pod on a node with a PreferNoSchedule taint costs: as much as the heaviest preference that can be written on a
pod.
"""


def tolerates(tolerations: Iterable[cluster.Toleration], taint: cluster.Taint) -> bool:
    """Whether one of the tolerations covers the taint."""
    return any(_covers(toleration, taint) for toleration in tolerations)


def untolerated(
    tolerations: tuple[cluster.Toleration, ...], taints: Iterable[cluster.Taint], *, preferred: bool = False
) -> list[cluster.Taint]:
    """Taints that no toleration covers: those that keep pods away, or with `preferred` those that only would rather."""
    return [
        taint
        for taint in taints
        if (taint.effect == PREFER_NO_SCHEDULE) == preferred and not tolerates(tolerations, taint)
    ]


def _covers(toleration: cluster.Toleration, taint: cluster.Taint) -> bool:
    if toleration.effect not in ("", taint.effect) or toleration.key not in ("", taint.key):
        return False
    if toleration.operator == "Exists":
        return True
    if toleration.operator in ("Gt", "Lt"):
        bound, amount = whole(toleration.value), whole(taint.value)
        if bound is None or amount is None:
            return False
        return amount > bound if toleration.operator == "Gt" else amount < bound
    return bool(toleration.key) and toleration.operator in ("", "Equal") and toleration.value == taint.value


def whole(value: str) -> int | None:
    """The number that a taint's value is to Gt and Lt: 64 bits, without a plus and without leading zeros."""
    return requirements.whole_number(value) if _CANONICAL.fullmatch(value) else None


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Refuse places with an untolerated taint, make those with an untolerated PreferNoSchedule taint dearer."""
    tainted = [(taints, places) for taints, places in about.by_taints() if taints]
    if not tainted:
        return
    for tolerations, classes in about.parts(lambda each: each.spec.tolerations):
        refused = np.zeros(len(about.table), dtype=np.bool_)
        weights = np.zeros(len(about.table), dtype=np.int64)
        for taints, places in tainted:
            refused[places] = bool(untolerated(tolerations, taints))
            weights[places] = WEIGHT * len(untolerated(tolerations, taints, preferred=True))
        into.refuse(name, classes, refused)
        if about.soft:
            into.penalise(classes, weights)


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """The first taint that is not tolerated."""
    taint = untolerated(about.classes[pod_class].spec.tolerations, about.taints(place))[0]
    value = f"={taint.value}" if taint.value else ""
    return f"did not tolerate taint (taint={taint.key}{value}:{taint.effect})"
