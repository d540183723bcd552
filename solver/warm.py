"""What of an earlier plan still holds for a new problem: where the search may start instead of at nothing."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from solver import plan as plans
from solver import problem as problems


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A node that the earlier plan creates, with the keys of its pods."""

    name: str
    node_pool: str
    flavor: str
    zone: str
    monthly: bool
    pods: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Earlier:
    """The parts of an earlier plan that can be used again: its new nodes and where it puts each pod."""

    nodes: tuple[Node, ...]
    placements: Mapping[str, str]


def of_plan(plan: plans.Plan) -> Earlier:
    """What can be used again of a plan."""
    return of_nodes(plan.create, plan.placements)


def of_nodes(create: Iterable[plans.NewNode], placements: Mapping[str, str]) -> Earlier:
    """What can be used again of the nodes that a plan creates and where it puts its pods."""
    nodes = tuple(Node(n.name, n.node_pool, n.flavor, n.zone, n.monthly_billed, n.pods) for n in create)
    return Earlier(nodes, placements)


def of_document(document: Any) -> Earlier:
    """
    What can be used again of a published plan (`solver.render.document`).

    Raises
    ------
    ValueError: when the document is not a plan.
    """
    try:
        if document["kind"] != "Plan":
            raise ValueError("not a plan")
        nodes = tuple(
            Node(
                str(n["name"]),
                str(n["nodePool"]),
                str(n["flavor"]),
                str(n["zone"]),
                bool(n["monthlyBilled"]),
                tuple(str(pod) for pod in n["pods"]),
            )
            for n in document["create"]
        )
        return Earlier(nodes, {str(pod): str(node) for pod, node in document["placements"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a plan") from error


def solution(problem: problems.Problem, earlier: Earlier) -> problems.Solution:
    """
    The earlier plan as a solution of this problem, as far as its pods and offers still exist.

    Pods stay with those that they were planned with. A planned node that exists by now is used as the node it became.
    Rules may be broken: who starts from it takes out what is forbidden.
    """
    of_pod = {pod: index for index, each in enumerate(problem.classes) for pod in each.pods}
    offers: dict[tuple[str, str, str, bool], int] = {}
    for index, offer in enumerate(problem.offers):
        offers.setdefault((offer.node_pool, offer.flavor, offer.zone, offer.monthly), index)
    places = {name: index for index, node in enumerate(problem.nodes) for name in (node.name, node.node_claim) if name}
    placed: dict[int, Counter[int]] = {}
    for pod, name in earlier.placements.items():
        if pod in of_pod and name in places:
            placed.setdefault(places[name], Counter())[of_pod[pod]] += 1
    new = []
    for node in earlier.nodes:
        there = offers.get((node.node_pool, node.flavor, node.zone, node.monthly))
        counts = _counts(of_pod[pod] for pod in node.pods if pod in of_pod)
        if node.name not in places and there is not None and counts:
            new.append((there, counts))
    return problems.Solution(new=tuple(new), placed={n: _counts(c.elements()) for n, c in placed.items()})


def _counts(classes: Iterable[int]) -> problems.Counts:
    return tuple(sorted(Counter(classes).items()))
