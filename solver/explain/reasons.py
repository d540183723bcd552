"""One reason for each NodePool: which rule refuses a class there, and for how many offers."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from solver import build as builds
from solver import plan as plans
from solver import problem as problems
from solver.rules import limits, min_values

NO_POOLS = "no dynamic nodepools found"


def of_class(build: builds.Build, solution: problems.Solution, pod_class: int) -> tuple[plans.Reason, ...]:
    """
    Reasons of one class by NodePool, heaviest pool first; offers that no rule refuses by itself are up to limits and
    other pods.
    """
    offers: dict[str, list[int]] = defaultdict(list)
    for index, offer in enumerate(build.problem.offers):
        offers[offer.node_pool].append(index)
    result = []
    for name in build.templates:
        found: Counter[tuple[str, str]] = Counter()
        open_offers = 0
        for place in offers.get(name, ()):
            why = build.explain_offer(pod_class, place)
            if why is None:
                open_offers += 1
            else:
                found[why] += 1
        if not offers.get(name):
            message = "nodepool requirements filtered out all available instance types"
            result.append(plans.Reason(name, message, "nodepool", 0))
        elif open_offers:
            result.append(_together(build, solution, name, pod_class, open_offers))
        else:
            (rule, message), _ = found.most_common(1)[0]
            number = sum(count for (other, _), count in found.items() if other == rule)
            result.append(plans.Reason(name, message, rule, number))
    result.extend(plans.Reason(name, why, "nodepool", 0) for name, why in build.left_out.items())
    return tuple(result)


def _together(build: builds.Build, solution: problems.Solution, name: str, pod_class: int, offers: int) -> plans.Reason:
    """Nothing forbids a single pod here: a limit that the plan has used up, or a rule about other pods."""
    problem = build.problem
    mine = [o for o, offer in enumerate(problem.offers) if offer.node_pool == name and problem.offer_ok[pod_class, o]]
    for cap in problem.caps:
        left = cap.room - sum(int(cap.per_offer[offer]) for offer, _ in solution.new)
        if cap.node_pool in ("", name) and all(cap.per_offer[o] > left for o in mine):
            if cap.node_pool == name:
                message = limits.NO_NODES if cap.resource == limits.NODES else limits.EXCEEDED.format(name)
                return plans.Reason(name, message, "limits", offers)
            return plans.Reason(
                name, f"the project quota leaves no room for another node ({cap.resource})", "ovh", offers
            )
    for rule in problem.min_values:
        if rule.node_pool == name and not any(_leaves_choice(problem, rule, pod_class, offer) for offer in mine):
            place = len(build.context.places) + mine[0]
            return plans.Reason(name, min_values.explain(build.context, pod_class, place), "min_values", offers)
    for attraction in problem.attractions:
        if attraction.weight is None and attraction.owners[pod_class]:
            key = (
                "kubernetes.io/hostname"
                if attraction.topologies[0] < 0
                else problem.topologies[attraction.topologies[0]].key
            )
            return plans.Reason(
                name, f"unsatisfiable topology constraint for pod affinity, key={key}", "pod_affinity", offers
            )
    for exclusion in problem.exclusions:
        if exclusion.weight is None and exclusion.owners[pod_class]:
            key = "kubernetes.io/hostname" if exclusion.topology < 0 else problem.topologies[exclusion.topology].key
            message = f"unsatisfiable topology constraint for pod anti-affinity, key={key}"
            return plans.Reason(name, message, "pod_anti_affinity", offers)
    for spread in problem.spreads:
        if spread.weight is None and spread.owners[pod_class]:
            key = "kubernetes.io/hostname" if spread.topology < 0 else problem.topologies[spread.topology].key
            message = f"unsatisfiable topology constraint for topology spread, key={key}"
            return plans.Reason(name, message, "spread", offers)
    return plans.Reason(name, "no plan with this pod was found in the time given", "time", offers)


def _leaves_choice(problem: problems.Problem, rule: problems.MinValues, pod_class: int, offer: int) -> bool:
    """Whether a new node of the offer with one pod of the class would leave enough values to choose from."""
    family = np.array([each.family for each in problem.offers]) == problem.offers[offer].family
    fits = (problem.requests[pod_class] <= problem.offer_room).all(axis=1)
    values = rule.value_of[family & fits & problem.offer_ok[pod_class]]
    return len(np.unique(values[values >= 0])) >= rule.minimum


def summary(build: builds.Build, reasons: tuple[plans.Reason, ...]) -> str:
    """One message for the pod from its reasons; upstream joins them with a semicolon."""
    if not build.templates and not reasons:
        return NO_POOLS
    return "; ".join(dict.fromkeys(r.message for r in reasons)) or NO_POOLS
