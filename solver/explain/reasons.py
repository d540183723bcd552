"""One reason for each NodePool: which rule refuses a class there, and for how many offers."""

from __future__ import annotations

from collections import Counter, defaultdict

from catalog import labels
from solver import build as builds
from solver import plan as plans
from solver import problem as problems
from solver import rules
from solver.explain import trials
from solver.rules import limits, min_values, volumes

NO_POOLS = "no dynamic nodepools found"
RELATIONS = {"pod_affinity": "pod affinity", "pod_anti_affinity": "pod anti-affinity", "spread": "topology spread"}
OTHER_PLAN = "no plan with this pod was found in the time given"


def of_class(
    build: builds.Build, tried: trials.Trials, solution: problems.Solution, pod_class: int
) -> tuple[plans.Reason, ...]:
    """
    Reasons of one class by NodePool, heaviest pool first.

    Where no rule refuses an offer by itself, the plan has used up what is limited, or its other pods are in the way:
    then one more pod is tried there.
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
            rule, message = _used_up(build.problem, solution, name, pod_class) or _in_the_way(
                build, tried, name, pod_class
            )
            result.append(plans.Reason(name, message, rule, open_offers))
        else:
            (rule, message), _ = found.most_common(1)[0]
            number = sum(count for (other, _), count in found.items() if other == rule)
            result.append(plans.Reason(name, message, rule, number))
    result.extend(plans.Reason(name, why, "nodepool", 0) for name, why in build.left_out.items())
    return tuple(result)


def _used_up(
    problem: problems.Problem, solution: problems.Solution, name: str, pod_class: int
) -> tuple[str, str] | None:
    """The limit or quota of which the plan leaves too little for any offer of a NodePool that takes the class."""
    mine = [o for o, offer in enumerate(problem.offers) if offer.node_pool == name and problem.offer_ok[pod_class, o]]
    for cap in problem.caps:
        left = cap.room - sum(int(cap.per_offer[offer]) for offer, _ in solution.new)
        if cap.node_pool in ("", name) and all(cap.per_offer[o] > left for o in mine):
            if cap.node_pool == name:
                return "limits", limits.NO_NODES if cap.resource == limits.NODES else limits.EXCEEDED.format(name)
            return "ovh", f"the project quota leaves no room for another node ({cap.resource})"
    return None


def _in_the_way(build: builds.Build, tried: trials.Trials, name: str, pod_class: int) -> tuple[str, str]:
    """The rule that most often forbids one more pod on another node of a NodePool, first come first."""
    spots = trials.offers_of_a_kind(build.problem, pod_class, name)
    forbidding = [tried.forbidding(pod_class, spot) for spot in spots]
    count = Counter(each.name for each in rules.RULES for found in forbidding if each.name in found)
    if not all(forbidding) or not count:
        return "time", OTHER_PLAN
    rule = count.most_common(1)[0][0]
    return rule, _words(build, tried, rule, pod_class, spots[0][1])


def _words(build: builds.Build, tried: trials.Trials, rule: str, pod_class: int, offer: int) -> str:
    """Upstream's words for a rule about other pods or other nodes, the topology key included."""
    of = tried.alone(rule)
    if rule in RELATIONS:
        concerned = [t for each in of.attractions if each.owners[pod_class] for t in each.topologies]
        concerned += [e.topology for e in of.exclusions if e.owners[pod_class] or e.targets.members[pod_class]]
        concerned += [each.topology for each in of.spreads if each.owners[pod_class]]
        keys = [of.topologies[t].key if t != problems.HOST else labels.HOSTNAME for t in dict.fromkeys(concerned)]
        return f"unsatisfiable topology constraint for {RELATIONS[rule]}, key={','.join(keys)}"
    if rule == "volumes":
        alone = any(each.owners[pod_class] for each in of.exclusions)
        return volumes.ONE_POD if alone else "volume node affinity conflict"
    if rule == "ovh":
        return "OVHcloud allows no further node pool in the cluster"
    if rule == "min_values":
        return min_values.explain(build.context, pod_class, len(build.context.places) + offer)
    return f"{rule} leaves no place beside the other pods of the plan"


def summary(build: builds.Build, reasons: tuple[plans.Reason, ...]) -> str:
    """
    One message for the pod from its reasons; upstream joins them with a semicolon, and is silent about NodePools that make
    no nodes: they are named behind the others.
    """
    said = [r.message for r in reasons if r.node_pool not in build.left_out] or [NO_POOLS]
    said += [f"NodePool {r.node_pool}: {r.message}" for r in reasons if r.node_pool in build.left_out]
    return "; ".join(dict.fromkeys(said))
