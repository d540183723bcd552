"""
Resources: what pods request fits into what a place has left, "pods" and extended resources included.

Left is what neither running pods nor DaemonSet pods that are still to come take. A resource that nobody planned
requests may be overdrawn already. kube-scheduler: NodeResourcesFit; DaemonSets: Karpenter core,
`pkg/controllers/provisioning/scheduling/existingnode.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crds import quantity
from solver import plan
from solver.check import state

RULE = "resources"


def violations(now: state.State) -> Iterator[plan.Violation]:
    """Places whose planned pods request more than is left."""
    for place in now.places.values():
        if not place.planned:
            continue
        taken = state.requests(place.running)
        to_come = daemons_to_come(now, place)
        for resource, amount in place.requests.items():
            left = place.host.allocatable.get(resource, 0) - taken.get(resource, 0) - to_come.get(resource, 0)
            if 0 < amount > left:
                first = next(iter(place.planned))
                words = f"its pods request {_text(resource, amount)} {resource}, {_text(resource, left)} is left"
                yield now.violation(RULE, first, place, words)


def daemons_to_come(now: state.State, place: state.Place) -> Mapping[str, int]:
    """What DaemonSets will still take: the requests of those that come here less what their pods take already."""
    wanted = now.daemons(place).requests
    there = {each: count for each, count in place.running.items() if each.daemon}
    if not wanted or not there:
        return wanted
    taken = state.requests(there)
    return {resource: max(0, amount - taken.get(resource, 0)) for resource, amount in wanted.items()}


def _text(resource: str, amount: int) -> str:
    return f"-{quantity.format_units(resource, -amount)}" if amount < 0 else quantity.format_units(resource, amount)
