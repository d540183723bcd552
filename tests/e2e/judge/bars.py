"""
Rules of Karpenter that keep a pod off a planned node although kube-scheduler would let it on.

minValues is one: a new node must be launched with so many flavors to choose from, and a pod that suits only some of
them leaves too few. Domains of a topology spread that have no node but could be bought are another: kube-scheduler
counts nodes that are there.
"""

from __future__ import annotations

import dataclasses

from catalog import catalogue
from solver import check, cluster, options, plan

MIN_VALUES, SPREAD = "min-values", frozenset({"topology-spread", "order"})
_FLAVOR_OPTIONS, _QUOTA = "flavor-options", "quota"


def barred(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, answer: plan.Plan, pod: str, node: str
) -> bool:
    """Whether such rules, and no others, refuse the plan with one more pod on a node, placed last."""
    first = plan.Step(tuple(each.name for each in answer.create), (), {}, 0)
    placed = dataclasses.replace(
        answer,
        steps=(*(answer.steps or (first,)), plan.Step((), (), {pod: node}, 0)),
        create=tuple(_with(each, of.pods[pod]) if each.name == node else each for each in answer.create),
        placements={**answer.placements, pod: node},
        unschedulable=tuple(each for each in answer.unschedulable if each.pod != pod),
    )
    new = next((each for each in placed.create if each.name == node), None)
    if new is not None:
        suiting = [
            flavor
            for flavor in new.flavor_options
            if _FLAVOR_OPTIONS not in _broken(of, known, asked, _listing(placed, node, new.flavor, flavor))
        ]
        placed = _listing(placed, node, *suiting)
    broken = _broken(of, known, asked, placed)
    if not broken or not broken <= {MIN_VALUES, *SPREAD}:
        return False
    # Where nothing more can be bought the domains are those of the nodes.
    full = dataclasses.replace(asked, quota={"instances": 0})
    return _broken(of, known, full, placed) <= {MIN_VALUES, _QUOTA}


def _broken(
    of: cluster.Cluster, known: catalogue.Catalogue, asked: options.Options, answer: plan.Plan
) -> frozenset[str]:
    return frozenset(each.rule for each in check.check(of, known, answer, asked).violations)


def _with(new: plan.NewNode, pod: cluster.Pod) -> plan.NewNode:
    requests = dict(new.requests)
    for resource, amount in (*pod.spec.requests, ("pods", 1)):
        requests[resource] = requests.get(resource, 0) + amount
    return dataclasses.replace(new, pods=(*new.pods, pod.key), requests=requests)


def _listing(answer: plan.Plan, node: str, *flavors: str) -> plan.Plan:
    """The plan with other flavor options on a new node, in their order."""
    create = tuple(
        dataclasses.replace(each, flavor_options=tuple(f for f in each.flavor_options if f in flavors))
        if each.name == node
        else each
        for each in answer.create
    )
    return dataclasses.replace(answer, create=create)
