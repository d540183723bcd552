"""Patterns under the exact model's blocks: bounds hold, and what is proved is what trying everything finds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from solver import build, evaluate
from solver import problem as problems
from solver.model import sizing
from solver.search.exact import contents, fitting, likeness, selection, whole
from tests.solver import brute, random_problems, tiny
from tests.solver.build import random_clusters
from tests.solver.rules import world

CLOCK = selection.Clock(left=lambda: 60.0, spend=lambda _: None, seed=0, stop=lambda: False)
MOST = 30_000
"""Ways to put each pod on a node or an offer, beyond which trying everything takes too long."""


def judged(name: str, of: problems.Problem) -> bool:
    """Whether the optimum was found and proved; whatever is said must hold in any case."""
    nothing = problems.Solution()
    known = evaluate.value(of, nothing)
    answer = whole.solve(of, lambda: known, CLOCK, lambda _: None)
    _, best = brute.best(of)
    numbers = (*best.unplaced, best.preferences, best.rank)
    if answer.numbers is not None:
        assert answer.numbers <= numbers, name
    if answer.numbers == numbers and answer.cost is not None:
        assert answer.cost <= best.cost, name
    if answer.solution is None or evaluate.violations(of, answer.solution):
        return False
    value = evaluate.value(of, answer.solution)
    assert value >= best, name
    return answer.numbers == numbers and answer.cost == best.cost and value == best


@pytest.mark.parametrize("first", range(0, 600, 200))
def test_blocks(first: int):
    """Random blocks, up to four pods: most optima are proved, and no bound is above one."""
    asked = [(f"seed {s}", random_problems.provisioning(s)) for s in range(first, first + 200)]
    proved = [judged(name, of) for name, of in asked if of.classes and whole.applies(of)]

    assert sum(proved) > len(proved) / 2


def clashing(seed: int) -> problems.Problem:
    """Pods of a third to two thirds of a node, so that sums of room promise too much; a limit, a lighter pool, a node."""
    rng = np.random.default_rng(seed)
    pods = [
        tiny.pods(f"c{c}", int(rng.integers(1, 4)), (int(rng.integers(3, 8)), int(rng.integers(1, 8))))
        for c in range(3)
    ]
    room = rng.integers(8, 14, (3, 2))
    offers = [tiny.offer(int(rng.integers(8, 16)), (int(r[0]), int(r[1]))) for r in room]
    of = tiny.problem(pods, offers, [tiny.node((int(rng.integers(0, 10)), 8))] if rng.random() < 0.5 else [])
    rank = np.zeros_like(of.offer_rank)
    if rng.random() < 0.5:
        rank[:, int(rng.integers(0, 3))] = 1
    cap = problems.Cap("limit", "general", "nodes", rng.integers(0, 2, 3), int(rng.integers(1, 4)))
    return dataclasses.replace(of, offer_rank=rank, caps=(cap,) if rng.random() < 0.5 else ())


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_what_clashes(first: int, monkeypatch: pytest.MonkeyPatch):
    """Without patterns, what does not fit onto the nodes that sums of room bought is ruled out, one clash after the other."""
    told: set[int] = set()
    real = selection.Model.avoid

    def avoid(model: selection.Model, clashes: list[fitting.Clash]) -> None:
        told.update(map(id, clashes))
        real(model, clashes)

    monkeypatch.setattr(whole, "FEW", ((0, 1.0),))
    monkeypatch.setattr(selection.Model, "avoid", avoid)
    drawn = range(first, first + 100)
    proved = [judged(f"clashing {seed}", clashing(seed)) for seed in drawn]
    blocks = [(f"seed {s}", random_problems.provisioning(s)) for s in drawn]
    proved += [judged(name, of) for name, of in blocks if of.classes and whole.applies(of)]

    assert sum(proved) > len(proved) / 2
    assert len(told) > 20


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_clusters(first: int):
    """The same for clusters over all rules together."""
    proved = []
    for seed in range(first, first + 100):
        of, asked = random_clusters.draw_tiny(seed)
        found = build.build_problem(of, world.shelf(), asked).problem
        ways = (len(found.offers) + len(found.nodes)) ** int(found.counts.sum())
        if found.classes and whole.applies(found) and ways <= MOST:
            proved.append(judged(f"cluster {seed}", found))

    assert sum(proved) > len(proved) / 3


def tripled(of: problems.Problem) -> problems.Problem:
    """The first two offers of a problem in three zones of equal prices, without its nodes."""
    zones, base = 3, min(2, len(of.offers))
    copies = np.tile(np.arange(base), zones)
    zone = np.repeat(np.arange(zones), base)
    names = tuple("abc")
    pools = len(of.pools.size)

    def everywhere(spread: problems.Spread) -> problems.Spread:
        always = np.ones(zones, dtype=np.bool_) if spread.topology == tiny.ZONE else spread.always
        return dataclasses.replace(
            spread,
            group=alone(spread.group),
            node_counted=none,
            offer_counted=spread.offer_counted[copies],
            always=always,
        )

    def alone(group: problems.Group) -> problems.Group:
        return dataclasses.replace(group, base=nothing)

    nothing, none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    return dataclasses.replace(
        of,
        nodes=(),
        node_room=of.node_room[:0],
        node_ok=of.node_ok[:, :0],
        node_penalty=of.node_penalty[:, :0],
        offers=tuple(
            dataclasses.replace(of.offers[o], zone=names[z], pool=of.offers[o].pool + int(z) * pools)
            for o, z in zip(copies, zone, strict=True)
        ),
        offer_ok=of.offer_ok[:, copies],
        offer_penalty=of.offer_penalty[:, copies],
        offer_rank=of.offer_rank[:, copies],
        offer_room=of.offer_room[copies],
        pools=dataclasses.replace(
            of.pools,
            names=tuple(f"{name}-{z}" for z in names for name in of.pools.names),
            size=np.tile(of.pools.size, zones),
            free=np.tile(of.pools.free, zones),
            exists=np.tile(of.pools.exists, zones),
        ),
        topologies=(
            problems.Topology("zone", names, nothing, zone),
            *(dataclasses.replace(t, of_node=nothing, of_offer=t.of_offer[copies]) for t in of.topologies[1:]),
        ),
        spreads=tuple(map(everywhere, of.spreads)),
        exclusions=tuple(dataclasses.replace(e, owner_base=nothing, targets=alone(e.targets)) for e in of.exclusions),
        attractions=tuple(dataclasses.replace(a, targets=alone(a.targets)) for a in of.attractions),
        shared_amounts=tuple(dataclasses.replace(s, attached=none) for s in of.shared_amounts),
        min_values=(),
        caps=tuple(dataclasses.replace(c, per_offer=c.per_offer[copies]) for c in of.caps),
    )


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_zones_alike(first: int):
    """Zones that may change places: one order of them is enough."""
    proved, ordered = [], 0
    for seed in range(first, first + 100):
        of = tripled(random_problems.provisioning(seed))
        if not of.classes or not whole.applies(of):
            continue
        proved.append(judged(f"seed {seed}", of))
        groups = contents.groups(of)
        roomy = sizing.roomy(of, groups)
        every = contents.ranges(of, [])[0]
        cells = [contents.cell(of, each, [], every, 60, soft=True, met=True, known={}) for each in groups]
        ordered += len(list(likeness.pairs(of, roomy, cells)))

    assert sum(proved) > len(proved) / 2
    assert ordered > len(proved) / 4
