"""
Spread, affinity and anti-affinity against a scheduler that tries every order.

Tiny clusters of existing nodes, where pods are placed one after the other by filters written down as plainly as the
documentation has them. The checker must accept a placement exactly when some order is legal all the way and the spread
of the end is even.
"""

import collections
import itertools
import random

import pytest

from solver import cluster
from tests.solver import builders as b
from tests.solver.check import verdict

KEYS = (b.ZONE, b.HOSTNAME, "rack")
Where = dict[str, str]
"""Pods by key with the name of their node."""


def test_every_order():
    """Hundreds of random placements: the same verdict on each."""
    seen = collections.Counter(judged(seed) for seed in range(600))

    assert seen[True, True] > 50
    assert seen[False, False] > 50
    assert set(seen) == {(True, True), (False, False)}


@pytest.mark.long
def test_every_order_at_length():
    """The same, many times over."""
    assert {judged(seed) for seed in range(600, 20_000)} == {(True, True), (False, False)}


def judged(seed: int) -> tuple[bool, bool]:
    """Whether the checker and the scheduler that tries every order accept a random placement."""
    dice = random.Random(seed)
    world = _world(dice)
    waiting = {key: dice.choice([*world.nodes]) for key, pod in world.pods.items() if not pod.node}
    running = {key: pod.node for key, pod in world.pods.items() if pod.node}
    accepted = verdict.verdict(world, b.plan(world, placed=waiting)).ok
    return accepted, _some_order(world, running, waiting) and _even_in_the_end(world, running, waiting)


def _world(dice: random.Random) -> cluster.Cluster:
    nodes = []
    for index in range(dice.randint(2, 4)):
        rack = {"rack": dice.choice("xy")} if dice.random() < 0.7 else {}
        nodes.append(b.node(f"n{index}", dice.choice([b.A, b.B]), "b3-32", labels=rack))
    specs = [_spec(dice) for _ in range(dice.randint(1, 3))]
    labels = [{"app": dice.choice("ab")} for _ in specs]
    pods = []
    for index in range(dice.randint(2, 6)):
        kind = dice.randrange(len(specs))
        where = dice.choice(nodes).name if dice.random() < 0.2 else ""
        pods.append(b.pod(f"p{index}", specs[kind], labels=labels[kind], node=where))
    return b.cluster(b.pool(ready=False), nodes, pods)


def _spec(dice: random.Random) -> cluster.PodSpec:
    def term() -> cluster.PodTerm:
        return b.near(dice.choice(KEYS), b.selector(app=dice.choice("ab")))

    def spread() -> cluster.Spread:
        selector = b.selector(app=dice.choice("ab"))
        honor = {"honor_affinity": dice.random() < 0.5}
        return b.spread(dice.choice(KEYS), selector, dice.randint(1, 2), min_domains=dice.choice([None, 2, 3]), **honor)

    return b.spec(
        10,
        b.MIB,
        node_selector=((b.ZONE, b.A),) if dice.random() < 0.1 else (),
        spread=tuple(spread() for _ in range(dice.choice([0, 1, 1, 2]))),
        affinity=tuple(term() for _ in range(dice.choice([0, 0, 0, 1, 2]))),
        anti_affinity=tuple(term() for _ in range(dice.choice([0, 0, 0, 0, 1]))),
    )


def _some_order(world: cluster.Cluster, running: Where, waiting: Where) -> bool:
    return any(_legal_all_the_way(world, running, waiting, order) for order in itertools.permutations(waiting))


def _legal_all_the_way(world: cluster.Cluster, running: Where, waiting: Where, order: tuple[str, ...]) -> bool:
    there = dict(running)
    for key in order:
        if not _legal(world, there, key, waiting[key]):
            return False
        there[key] = waiting[key]
    return True


def _legal(world: cluster.Cluster, there: Where, key: str, node: str) -> bool:
    """Whether the scheduler may put a pod onto a node."""
    pod, labels = world.pods[key], world.nodes[node].labels
    if any(labels.get(k) != v for k, v in pod.spec.node_selector):
        return False
    for spread in pod.spec.spread:
        own = _selects(spread.selector, pod)
        if not _within_skew(world, there, pod, spread, node, own):
            return False
    return _has_company(world, there, pod, labels) and _excludes_nobody(world, there, key, labels)


def _selects(selector: cluster.Selector | None, pod: cluster.Pod) -> bool:
    assert selector is not None
    return all(pod.labels.get(e.key) in e.values for e in selector.expressions)


def _within_skew(
    world: cluster.Cluster, there: Where, pod: cluster.Pod, spread: cluster.Spread, node: str, more: int
) -> bool:
    counts: dict[str, int] = {}
    for name, each in world.nodes.items():
        excluded = any(each.labels.get(k) != v for k, v in pod.spec.node_selector)
        if any(s.topology_key not in each.labels for s in pod.spec.spread) or (spread.honor_affinity and excluded):
            continue
        matching = sum(at == name and _selects(spread.selector, world.pods[other]) for other, at in there.items())
        domain = each.labels[spread.topology_key]
        counts[domain] = counts.get(domain, 0) + matching
    if spread.topology_key not in world.nodes[node].labels:
        return False
    smallest = 0 if spread.min_domains and len(counts) < spread.min_domains else min(counts.values(), default=0)
    return counts.get(world.nodes[node].labels[spread.topology_key], 0) + more - smallest <= spread.max_skew


def _has_company(world: cluster.Cluster, there: Where, pod: cluster.Pod, labels: cluster.Labels) -> bool:
    terms = pod.spec.affinity
    if any(term.topology_key not in labels for term in terms):
        return False
    company = [at for other, at in there.items() if all(_selects(t.selector, world.pods[other]) for t in terms)]
    pairs = {(t.topology_key, world.nodes[at].labels.get(t.topology_key)) for t in terms for at in company}
    pairs = {pair for pair in pairs if pair[1] is not None}
    if all((t.topology_key, labels[t.topology_key]) in pairs for t in terms):
        return True
    return not pairs and all(_selects(t.selector, pod) for t in terms)


def _excludes_nobody(world: cluster.Cluster, there: Where, key: str, labels: cluster.Labels) -> bool:
    pod = world.pods[key]
    for other, at in there.items():
        others = world.nodes[at].labels
        for one, two in ((pod, world.pods[other]), (world.pods[other], pod)):
            for term in one.spec.anti_affinity:
                domain = labels.get(term.topology_key)
                if _selects(term.selector, two) and domain is not None and domain == others.get(term.topology_key):
                    return False
    return True


def _even_in_the_end(world: cluster.Cluster, running: Where, waiting: Where) -> bool:
    there = running | waiting
    return all(
        _within_skew(world, there, world.pods[key], spread, node, 0)
        for key, node in waiting.items()
        for spread in world.pods[key].spec.spread
    )
