"""One reason for each NodePool: which rule refuses a class there, and for how many offers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from catalog import labels
from solver import build as builds
from solver import plan as plans
from solver import problem as problems
from solver import rules
from solver.explain import flavors, trials
from solver.rules import limits, min_values, ovh, volumes

NO_POOLS = "no dynamic nodepools found"
NO_FLAVORS = "nodepool requirements filtered out all available instance types"
RELATIONS = {"pod_affinity": "pod affinity", "pod_anti_affinity": "pod anti-affinity", "spread": "topology spread"}
ORDER = [each.name for each in rules.RULES]
OTHER_PLAN = "no plan with this pod was found in the time given"


def of_class(
    build: builds.Build, tried: trials.Trials, solution: problems.Solution, pod_class: int
) -> tuple[tuple[plans.Reason, ...], str]:
    """
    Reasons of one class by NodePool, heaviest pool first, and one message of them all.

    Where no rule refuses an offer by itself, the plan has used up what is limited, or its other pods are in the way:
    then one more pod is tried there.
    """
    offers: dict[str, list[int]] = defaultdict(list)
    for index, offer in enumerate(build.problem.offers):
        offers[offer.node_pool].append(index)
    result = []
    said: dict[str, flavors.Why] = {}
    for name in build.templates:
        refused = {offer: build.explain_offer(pod_class, offer) for offer in offers.get(name, ())}
        open_offers = sum(why is None for why in refused.values())
        if not refused:
            rule, why, number = "nodepool", flavors.Why(NO_FLAVORS), 0
        elif open_offers:
            used_up = _used_up(build.problem, solution, name, pod_class)
            rule, text = used_up or _in_the_way(build, tried, name, pod_class)
            why, number = flavors.Why(text), open_offers
        else:
            rule, why, number = _refusal(build, pod_class, {o: said for o, said in refused.items() if said is not None})
        result.append(plans.Reason(name, why.text, rule, number))
        if why.words not in said or why.lack < said[why.words].lack:
            said[why.words] = why
    result.extend(plans.Reason(name, why, "nodepool", 0) for name, why in build.left_out.items())
    return tuple(result), _summary([why.text for why in said.values()], build.left_out)


def _refusal(
    build: builds.Build, pod_class: int, refused: Mapping[int, tuple[str, str]]
) -> tuple[str, flavors.Why, int]:
    """
    What keeps a class off all offers of a NodePool: the rule that refuses those that got furthest, and how many.

    Rules are asked in their order, so offers that a later one refuses have satisfied all before it.
    """
    rule = max((rule for rule, _ in refused.values()), key=ORDER.index)
    messages = Counter(message for other, message in refused.values() if other == rule)
    message = messages.most_common(1)[0][0]
    of_flavors = rule == "resources" or message in flavors.NEVER.values()
    why = flavors.why(build, pod_class, refused) if of_flavors else flavors.Why(message)
    return rule, why, messages.total()


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
            if cap.resource == ovh.POOLS:
                return "ovh", ovh.NO_POOL
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
        return ovh.NO_POOL
    if rule == "min_values":
        return min_values.explain(build.context, pod_class, len(build.context.places) + offer)
    return f"{rule} leaves no place beside the other pods of the plan"


def _summary(said: Sequence[str], left_out: Mapping[str, str]) -> str:
    """
    One message for the pod; upstream joins reasons with a semicolon, and is silent about NodePools that make no nodes: they
    are named behind the others.
    """
    return "; ".join(
        [*(said or [NO_POOLS]), *dict.fromkeys(f"NodePool {name}: {why}" for name, why in left_out.items())]
    )
