"""
The best that a tiny cluster allows, by trying every set of nodes to remove and every place for their pods.

Nothing of the product decides here: which nodes may go, budgets, room, spread and anti-affinity, and what a plan costs
are written down once more, for the few features that `draw` uses. All new nodes are of NodePool "general".
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from catalog import labels
from solver import cluster, options, plan
from tests.solver import builders as b
from tests.solver.disruption import worlds

ZONES = (b.A, b.B, b.C)
FLAVORS = ("b3-8", "b3-16", "b3-32")
"""By price."""
APPS = ("red", "blue")


@dataclasses.dataclass(frozen=True)
class Question:
    """A cluster and what is asked of it."""

    of: cluster.Cluster
    asked: dict[str, Any]


def draw(seed: int) -> Question:
    """Two to four nodes, up to five pods, budgets of the NodePool and of pods, and a chance of everything else."""
    random = np.random.default_rng(seed)

    def chance(share: float) -> bool:
        return bool(random.random() < share)

    def one(*of: Any) -> Any:
        return of[int(random.integers(len(of)))]

    budgets = [{"nodes": one("100%", "100%", "50%", "67%", "34%", "10%", "2", "3")}]
    if chance(0.25):
        reasons = one(["Empty"], ["Underutilized"], ["Empty", "Underutilized"], ["Drifted"])
        budgets.append({"nodes": one("0", "1", "50%"), "reasons": reasons})
    if chance(0.1):
        budgets.append({"nodes": "0", "schedule": one("@daily", "0 12 * * *"), "duration": "1h"})
    disruption = {"consolidateAfter": one("30s", "30s", "Never") if chance(0.3) else "0s", "budgets": budgets}
    if chance(0.1):
        disruption["consolidationPolicy"] = "WhenEmpty"
    apps = {app: _spec(app, chance, one) for app in APPS}
    objects: list[Any] = []
    pods_left = 5
    for index in range(int(random.integers(2, 5))):
        name, of = f"n{index}", one("b3-8", "b3-16", "b3-32", "b3-32")
        claim: dict[str, Any] = {"conditions": {}}
        if chance(0.12):
            claim["conditions"]["Consolidatable"] = cluster.ClaimCondition("False")
        if chance(0.06):
            claim["conditions"]["Initialized"] = cluster.ClaimCondition("False")
        annotations = {"karpenter.sh/do-not-disrupt": one("true", "false", "1h")} if chance(0.1) else {}
        sick: dict[str, Any] = (
            {"ready": False, "taints": (b.taint("node.kubernetes.io/not-ready"),)} if chance(0.06) else {}
        )
        objects.append(b.owned(name, one(*ZONES), of, annotations=annotations, claim=claim, **sick))
        room = b.SHELF.flavors[of].allocatable["cpu"]
        for number in range(int(random.integers(0, 4))):
            app = one(*APPS)
            cpu = dict(apps[app].requests)["cpu"]
            if pods_left and cpu <= room:
                pods_left -= 1
                room -= cpu
                objects.append(_pod(f"p{index}-{number}", name, app, apps[app], chance))
    for number in range(int(random.integers(0, 3))):
        selector = b.selector(app=one(*APPS))
        objects.append(
            cluster.Budget(
                "default",
                f"budget-{number}",
                selector,
                disruptions_allowed=one(0, 1, 1, 2, 2, 5),
                always_allow_unhealthy=chance(0.3),
            )
        )
    asked: dict[str, Any] = {"horizon": one(3600, 7200), "node_charge": 0}
    if chance(0.2):
        asked["max_nodes"] = int(random.integers(0, 3))
    if chance(0.2):
        asked["max_evictions"] = int(random.integers(0, 4))
    return Question(b.cluster(worlds.pool(disruption=disruption), *objects), asked)


def _spec(app: str, chance: Any, one: Any) -> cluster.PodSpec:
    fields: dict[str, Any] = {}
    if chance(0.15):
        fields["node_selector"] = ((b.ZONE, one(*ZONES)),)
    elif chance(0.2):
        fields["spread"] = (b.spread(b.ZONE, b.selector(app=app)),)
    elif chance(0.2):
        fields["anti_affinity"] = (b.near(b.HOSTNAME, b.selector(app=app)),)
    return b.spec(one(300, 900, 1700, 3500), b.GIB // 4, **fields)


def _pod(name: str, node: str, app: str, of: cluster.PodSpec, chance: Any) -> cluster.Pod:
    annotations = {}
    if chance(0.06):
        annotations["karpenter.sh/do-not-disrupt"] = "true"
    if chance(0.15):
        annotations["controller.kubernetes.io/pod-deletion-cost"] = str(2**27)
    return b.pod(name, of, node=node, labels={"app": app}, annotations=annotations, ready=not chance(0.15))


# ------------------------------------------------------------------------------------------------------------- the rules


def cheapest(question: Question) -> int:
    """The least that prices and costs of removal can add up to, micro-euro per hour; removing nothing is 0."""
    of = question.of
    allowed = {reason: _allowed(of, reason) for reason in ("Empty", "Underutilized")}
    removable = {node.name: reason for node in of.nodes.values() if (reason := _reason(of, node)) is not None}
    best = 0
    for size in range(1, len(removable) + 1):
        for gone in itertools.combinations(removable, size):
            if not _within(Counter(removable[name] for name in gone), allowed):
                continue
            moved = [pod for pod in of.pods.values() if pod.node in gone]
            if len(gone) > question.asked.get("max_nodes", 99) or len(moved) > question.asked.get("max_evictions", 99):
                continue
            saved = sum(_price(of.nodes[name]) - _cost(question, name) for name in gone)
            bought = _bought(of, gone, moved, saved + best)
            if bought is not None:
                best = min(best, bought - saved)
    return best


def _reason(of: cluster.Cluster, node: cluster.Node) -> str | None:
    """Why a node may go, None when it may not."""
    claim = of.node_claims[f"claim-{node.name}"]
    disruption = of.node_pools["general"].manifest.spec.disruption
    pods = [pod for pod in of.pods.values() if pod.node == node.name]
    if not claim.is_true("Initialized") or node.annotations.get("karpenter.sh/do-not-disrupt") == "true":
        return None
    if disruption.consolidate_after is None or not claim.is_true("Consolidatable"):
        return None
    for pod in pods:
        if pod.annotations.get("karpenter.sh/do-not-disrupt") == "true":
            return None
        budgets = [each for each in of.budgets.values() if _selects(each.selector, pod)]
        if len(budgets) > 1:
            return None
        if any(x.disruptions_allowed == 0 and not (x.always_allow_unhealthy and not pod.ready) for x in budgets):
            return None
    if pods and disruption.consolidation_policy == "WhenEmpty":
        return None
    return "Underutilized" if pods else "Empty"


def _selects(selector: cluster.Selector | None, pod: cluster.Pod) -> bool:
    assert selector is not None
    return all(pod.labels.get(each.key) in each.values for each in selector.expressions)


def _allowed(of: cluster.Cluster, reason: str) -> int:
    """Nodes that may go for a reason by themselves; `worlds.NOW` is midnight, so that @daily is in force."""
    nodes = [n for n in of.nodes.values() if of.node_claims[f"claim-{n.name}"].is_true("Initialized")]
    smallest = 10**6
    for budget in of.node_pools["general"].manifest.model_dump(by_alias=True, mode="json")["spec"]["disruption"][
        "budgets"
    ]:
        reasons = budget.get("reasons")
        if (reasons is not None and reason not in reasons) or budget.get("schedule") == "0 12 * * *":
            continue
        text = str(budget["nodes"])
        share = math.ceil(int(text[:-1]) * len(nodes) / 100) if text.endswith("%") else int(text)
        smallest = min(smallest, share)
    return max(0, smallest - sum(not node.ready for node in nodes))


def _within(going: Counter[str], allowed: dict[str, int]) -> bool:
    """Whether the nodes can go one after the other, each while fewer have gone than its reason allows."""
    return any(
        all(place < allowed[reason] for place, reason in enumerate(order))
        for order in set(itertools.permutations(going.elements()))
    )


def _price(node: cluster.Node) -> int:
    return b.SHELF.flavors[node.labels[labels.INSTANCE_TYPE]].hourly_micro_eur or 0


def _cost(question: Question, name: str) -> int:
    """Evictions at 0.001 EUR, twice that for a pod-deletion-cost of 2^27, and five minutes of two nodes side by side."""
    pods = [pod for pod in question.of.pods.values() if pod.node == name]
    if not pods:
        return 0
    evictions = sum(2000 if "controller.kubernetes.io/pod-deletion-cost" in pod.annotations else 1000 for pod in pods)
    once = evictions + math.ceil(_price(question.of.nodes[name]) * 300 / 3600)
    return math.ceil(once * 3600 / int(question.asked["horizon"]))


# ------------------------------------------------------------------------------------------------------------ placements


@dataclasses.dataclass
class _Place:
    zone: str
    cpu: int | None
    """None where a new node is bought that is as large as it must be."""
    pods: list[cluster.Pod]
    open: bool = True


def _bought(of: cluster.Cluster, gone: tuple[str, ...], moved: list[cluster.Pod], most: int) -> int | None:
    """The least that new nodes cost when these nodes go; None when pods find no place for less than `most`."""
    after = of.node_pools["general"].manifest.spec.disruption.consolidate_after or 0
    places = []
    for node in of.nodes.values():
        if node.name not in gone:
            claim = of.node_claims[f"claim-{node.name}"]
            pods = [pod for pod in of.pods.values() if pod.node == node.name]
            settled = claim.is_true("Initialized") and (not after or claim.is_true("Consolidatable"))
            places.append(_Place(node.labels[b.ZONE], node.allocatable["cpu"], pods, settled and node.ready))
    best = None
    for found in _arrangements(places, moved):
        price = 0
        for place in found:
            if place.cpu is None:
                sizes = [b.SHELF.flavors[flavor] for flavor in FLAVORS]
                need = sum(dict(pod.spec.requests)["cpu"] for pod in place.pods)
                price += min((s.hourly_micro_eur or 0 for s in sizes if s.allocatable["cpu"] >= need), default=10**9)
        if price < (best if best is not None else most + 1) and _skews_hold(found, moved):
            best = price
    return best


def _arrangements(places: list[_Place], moved: list[cluster.Pod]) -> Iterator[list[_Place]]:
    if not moved:
        yield places
        return
    pod, rest = moved[0], moved[1:]
    zone = dict(pod.spec.node_selector).get(b.ZONE)
    for place in places:
        cpu = sum(dict(each.spec.requests)["cpu"] for each in (*place.pods, pod))
        fits = place.open and (place.cpu is None or cpu <= place.cpu)
        if fits and zone in (None, place.zone) and not _repelled(place, pod):
            place.pods.append(pod)
            yield from _arrangements(places, rest)
            place.pods.pop()
    for own in ZONES:
        if zone in (None, own):
            yield from _arrangements([*places, _Place(own, None, [pod])], rest)


def _repelled(place: _Place, pod: cluster.Pod) -> bool:
    return bool(pod.spec.anti_affinity) and any(each.labels == pod.labels for each in place.pods)


def _skews_hold(places: list[_Place], moved: list[cluster.Pod]) -> bool:
    for pod in moved:
        if pod.spec.spread:
            count = Counter(dict.fromkeys(ZONES, 0))
            for place in places:
                count[place.zone] += sum(each.labels == pod.labels for each in place.pods)
            here = next(place.zone for place in places if pod in place.pods)
            if count[here] - min(count.values()) > 1:
                return False
    return True


def worth(done: plan.Plan) -> int:
    """What a plan's prices and costs of removal add up to, micro-euro per hour."""
    return sum(term.value for term in done.objective if term.term in ("price", "disruption"))


def asked_of(question: Question) -> options.Options:
    """The options of a question."""
    return options.Options(mode="consolidate", now=worlds.NOW, time_limit=10.0, workers=1, **question.asked)
