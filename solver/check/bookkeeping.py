"""The plan as a document: every pod it must account for stands in it once, names exist, lists and sums agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from solver import plan
from solver.check import facts, hosts

PODS, NAMES, PLACE, COST = "pods", "names", "place", "cost"


def pods(known: facts.Facts) -> Iterator[plan.Violation]:
    """Pods that are missing, stand twice, do not exist, or are none of the plan's business."""
    answer = known.answer
    left_out = Counter(each.pod for each in answer.unschedulable)
    for key, times in left_out.items():
        if times > 1:
            yield _pod(key, f"pod {key} is listed {times} times as unschedulable")
    due, placed = known.due, answer.placements.keys()
    for key in sorted(((placed | left_out.keys()) - due) | (placed & left_out.keys())):
        if key not in known.snapshot.pods:
            yield _pod(key, f"pod {key} does not exist")
        elif key not in due:
            yield _pod(
                key, f"pod {key} is neither waiting nor on a node that goes away, so it has no place in the plan"
            )
        else:
            yield _pod(key, f"pod {key} is both placed and unschedulable")
    for key in sorted(due - placed - left_out.keys()):
        yield _pod(key, f"pod {key} is neither placed nor unschedulable")


def names(known: facts.Facts) -> Iterator[plan.Violation]:
    """Names of nodes that clash or do not exist, and lists of pods that do not agree with the placements."""
    answer, snapshot = known.answer, known.snapshot
    taken = snapshot.nodes.keys() | snapshot.node_claims.keys()
    for name, times in Counter(new.name for new in answer.create).items():
        if times > 1 or name in taken:
            yield plan.Violation(NAMES, "", name, f"node {name}: another node or claim has this name")
    places = snapshot.nodes.keys() | known.in_flight.keys() | known.created.keys()
    here: dict[str, list[str]] = {}
    for key, name in answer.placements.items():
        here.setdefault(name, []).append(key)
    for name, pods_there in here.items():
        rule, why = PLACE, ""
        if name not in places:
            rule, why = NAMES, "which is no node of the plan"
        elif name in known.deleted:
            why = "which the plan removes"
        elif name in known.leaving:
            why = "which is in deletion"
        for key in pods_there if why else ():
            yield plan.Violation(rule, key, name, f"pod {key} is placed on {name}, {why}")
    for new in answer.create:
        if sorted(new.pods) != sorted(here.get(new.name, ())):
            yield plan.Violation(
                NAMES, "", new.name, f"node {new.name}: its list of pods is not that of the placements"
            )
        for gone in new.replaces:
            if gone not in known.deleted:
                yield plan.Violation(NAMES, "", new.name, f"node {new.name} replaces {gone}, which the plan keeps")
    for gone_name, times in Counter(gone.node for gone in answer.delete).items():
        if gone_name not in snapshot.nodes or times > 1:
            words = "which does not exist" if gone_name not in snapshot.nodes else f"{times} times"
            yield plan.Violation(NAMES, "", gone_name, f"the plan removes {gone_name}, {words}")


def cost(known: facts.Facts) -> Iterator[plan.Violation]:
    """
    Sums of money that do not add up.

    `before` is every node and claim that a NodePool owns, in deletion or not, at catalogue price (0 where none is
    known).
    """
    answer = known.answer
    figures = answer.cost
    before = sum(
        known.hourly(known.flavor(hosts.labels_of(node, known.claim_of.get(node.name))), pool)
        for node in known.snapshot.nodes.values()
        if (pool := known.node_pool(node))
    ) + sum(
        known.hourly(known.flavor(hosts.claim_labels(claim)), claim.node_pool) for claim in known.in_flight.values()
    )
    expected = (
        ("before", figures.before, before),
        ("create", figures.create, sum(new.hourly for new in answer.create)),
        ("delete", figures.delete, sum(gone.hourly for gone in answer.delete)),
        ("after", figures.after, figures.before + figures.create - figures.delete),
    )
    for name, stated, right in expected:
        if stated != right:
            yield plan.Violation(COST, "", "", f"cost {name} is stated as {stated} micro-euro per hour, it is {right}")


def _pod(key: str, words: str) -> plan.Violation:
    return plan.Violation(PODS, key, "", words)
