"""Problems that fall apart: what ties pods together, and that the plan of the whole is the plans of its parts."""

import dataclasses
import itertools
import time
from typing import Any

import numpy as np
import pytest

from solver import evaluate, planner
from solver import problem as p
from solver.model import solve as direct
from solver.search import engine, params, parts
from tests.solver import brute, random_problems, tiny
from tests.solver import builders as b

SETTINGS = params.Params(clock=time.monotonic, time_limit=5, deterministic=True)


# ------------------------------------------------------------------------------------------------------- two in one


def side_by_side(first: p.Problem, second: p.Problem) -> p.Problem:
    """One problem of two that have nothing in common but names of zones and of OVH pools' limits."""
    shape = tuple(len(a) + len(b) for a, b in ((first.nodes, second.nodes), (first.offers, second.offers)))
    keys = [*first.topologies, *(dataclasses.replace(t, key=f"other/{t.key}") for t in second.topologies)]
    moved = [_moved(second, index) for index in range(len(second.offers))]
    tables: dict[str, Any] = {name: _diagonal(getattr(first, name), getattr(second, name)) for name in TABLES}
    merged = dataclasses.replace(
        first,
        classes=(*first.classes, *(_renamed(c, len(first.nodes)) for c in second.classes)),
        nodes=(*first.nodes, *(dataclasses.replace(n, name=f"other-{n.name}") for n in second.nodes)),
        offers=(*first.offers, *(dataclasses.replace(o, pool=o.pool + len(first.pools.names)) for o in moved)),
        requests=np.concatenate([first.requests, second.requests]),
        node_room=np.concatenate([first.node_room, second.node_room]),
        offer_room=np.concatenate([first.offer_room, second.offer_room]),
        pools=_pools(first.pools, second.pools),
        topologies=tuple(
            dataclasses.replace(
                t,
                of_node=_wide(t.of_node, shape[0], index >= len(first.topologies), -1),
                of_offer=_wide(t.of_offer, shape[1], index >= len(first.topologies), -1),
            )
            for index, t in enumerate(keys)
        ),
        **tables,
    )
    sizes = len(merged.classes), *shape
    rules: dict[str, Any] = {
        name: (
            *(_placed(rule, sizes, 0) for rule in getattr(first, name)),
            *(_placed(rule, sizes, len(first.topologies)) for rule in getattr(second, name)),
        )
        for name in RULES
    }
    return dataclasses.replace(merged, **rules)


TABLES = ("node_ok", "offer_ok", "node_penalty", "offer_penalty", "offer_rank")
RULES = ("spreads", "exclusions", "attractions", "common_domains", "shared_amounts", "min_values", "caps")


def _moved(of: p.Problem, index: int) -> p.Offer:
    return dataclasses.replace(of.offers[index], family=of.offers[index].family + 100)


def _renamed(of: p.PodClass, nodes: int) -> p.PodClass:
    residents = {n + nodes: pods for n, pods in of.residents.items()}
    pods = tuple(f"{key}-too" for key in of.pods)
    return dataclasses.replace(of, name=f"other-{of.name}", pods=pods, residents=residents)


def _pools(first: p.OvhPools, second: p.OvhPools) -> p.OvhPools:
    return p.OvhPools(
        names=(*first.names, *(f"other-{name}" for name in second.names)),
        size=np.concatenate([first.size, second.size]),
        free=np.concatenate([first.free, second.free]),
        exists=np.concatenate([first.exists, second.exists]),
        new_pools=first.new_pools,
        charge=first.charge,
    )


def _diagonal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Blocks; nothing is allowed and nothing is lost off the diagonal."""
    both = np.zeros((first.shape[0] + second.shape[0], first.shape[1] + second.shape[1]), dtype=first.dtype)
    both[: first.shape[0], : first.shape[1]] = first
    both[first.shape[0] :, first.shape[1] :] = second
    return both


def _wide(values: np.ndarray, size: int, late: bool, fill: int) -> np.ndarray:
    result = np.full(size, fill, dtype=values.dtype)
    result[size - len(values) if late else 0 :][: len(values)] = values
    return result


def _placed(rule: Any, size_of: tuple[int, ...], topologies: int) -> Any:
    """A rule of one of the problems in the one of both: arrays over classes, nodes and offers get longer."""
    late = topologies > 0
    classes, nodes, offers = size_of
    sizes = {"owners": classes, "members": classes, "bootstrap": classes}
    sizes |= {"owner_base": nodes, "node_counted": nodes, "attached": nodes}
    sizes |= {"offer_counted": offers, "value_of": offers, "per_offer": offers}
    changes: dict[str, Any] = {
        name: _wide(getattr(rule, name), size, late, -1 if name == "value_of" else 0)
        for name, size in sizes.items()
        if hasattr(rule, name)
    }
    for name in ("group", "targets"):
        if hasattr(rule, name):
            group = getattr(rule, name)
            changes[name] = p.Group(_wide(group.members, classes, late, 0), _wide(group.base, nodes, late, 0))
    if hasattr(rule, "topology") and rule.topology != p.HOST:
        changes["topology"] = rule.topology + topologies
    if hasattr(rule, "topologies"):
        changes["topologies"] = tuple(t if t == p.HOST else t + topologies for t in rule.topologies)
    return dataclasses.replace(rule, **changes)


def alone(seed: int, pods: int) -> p.Problem:
    """A random problem over all blocks whose money is counted as in every other one."""
    drawn = random_problems.provisioning(seed, pods=pods)
    pools = dataclasses.replace(drawn.pools, new_pools=100, charge=2)
    return dataclasses.replace(drawn, pools=pools, node_charge=1, preference_price=None)


def added(*values: tuple[p.Problem, p.Value | None]) -> p.Value:
    """The value of solutions side by side."""
    unplaced: dict[int, int] = {}
    proved = [(of, value) for of, value in values if value is not None]
    for of, value in proved:
        levels = sorted({c.priority for c in of.classes}, reverse=True)
        for level, number in zip(levels, value.unplaced, strict=True):
            unplaced[level] = unplaced.get(level, 0) + number
    return p.Value(
        unplaced=tuple(unplaced[level] for level in sorted(unplaced, reverse=True)),
        preferences=sum(v.preferences for _, v in proved),
        rank=sum(v.rank for _, v in proved),
        cost=sum(v.cost for _, v in proved),
    )


# ------------------------------------------------------------------------------------------------------------- the sum


@pytest.mark.parametrize("seed", range(60))
def test_the_best_plan_is_the_best_of_each_side_by_side(seed):
    """Random problems over all blocks, two at a time; each alone and both together are proved."""
    first, second = alone(seed, 8), alone(seed + 500, 8)
    both = side_by_side(first, second)

    found = engine.search(both, SETTINGS)

    optima = [direct.solve_direct(each, time_limit=20, deterministic=True) for each in (first, second)]
    assert all(each.optimal for each in optima)
    assert not evaluate.violations(both, found.solution)
    assert found.optimal
    assert found.value == added(*((of, each.value) for of, each in zip((first, second), optima, strict=True)))


@pytest.mark.parametrize("seed", range(25))
def test_trying_everything_finds_nothing_better(seed):
    """Tiny problems, two at a time, against all solutions there are."""
    both = side_by_side(alone(seed, 2), alone(seed + 500, 2))

    found = engine.search(both, SETTINGS)

    assert found.optimal
    assert found.value == brute.best(both)[1]


@pytest.mark.parametrize("seed", range(25))
def test_trying_everything_finds_nothing_below_the_bound_of_those_that_have_a_place(seed, monkeypatch):
    """Tiny problems with two pods that are too large for every place, searched without proof by the exact model."""
    monkeypatch.setattr("solver.search.exact.small.SMALL_PODS", 0)
    huge = tiny.problem([tiny.pods("huge", 2, (99, 99))], [tiny.offer(1, (1, 1))])
    both = side_by_side(alone(seed, 4), huge)
    best = brute.best(both)[1]

    found = engine.search(both, dataclasses.replace(SETTINGS, time_limit=1))

    assert sum(found.value.unplaced) >= 2
    assert found.value >= best
    if found.bound is not None and dataclasses.replace(found.value, cost=0) == dataclasses.replace(best, cost=0):
        assert found.bound <= best.cost


@pytest.mark.parametrize("seed", range(20))
def test_bounds_add_up(seed, monkeypatch):
    """Without the exact model: what is claimed is never above what the exact model finds for the whole."""
    monkeypatch.setattr("solver.search.exact.small.SMALL_PODS", 0)
    both = side_by_side(alone(seed, 9), alone(seed + 500, 9))
    best = direct.solve_direct(both, time_limit=20, deterministic=True)
    assert best.optimal
    assert best.value is not None

    found = engine.search(both, dataclasses.replace(SETTINGS, time_limit=1))

    assert not evaluate.violations(both, found.solution)
    assert found.value >= best.value
    if found.bound is not None and dataclasses.replace(found.value, cost=0) == dataclasses.replace(best.value, cost=0):
        assert found.bound <= best.value.cost


# -------------------------------------------------------------------------------------------------------- what ties


def teams(**changes: Any) -> p.Problem:
    """Two teams with an offer each, of which the second team's has a zone of its own."""
    ok = np.eye(2, dtype=np.bool_)
    offers = [tiny.offer(10, (8, 8), zone="a"), tiny.offer(10, (8, 8), zone="b")]
    changes = {"offer_ok": ok} | changes
    return tiny.problem([tiny.pods("one", 6, (2, 2)), tiny.pods("two", 6, (3, 3))], offers, **changes)


def mask(*values: int) -> p.Mask:
    return np.array(values, dtype=np.bool_)


def spread(topology: int, counted: p.Mask, always: p.Mask) -> p.Spread:
    """The first team spreads over the domains of these offers."""
    group = p.Group(mask(1, 0), np.zeros(0, dtype=np.int64))
    return p.Spread("spread", topology, mask(1, 0), group, 1, None, mask(), counted, always)


def test_teams_that_share_nothing_are_parts():
    """Each with its own pods and offers; solutions go in and out."""
    problem = teams()

    found = parts.split(problem)

    assert [each.classes.tolist() for each in found] == [[0], [1]]
    assert [each.offers.tolist() for each in found] == [[0], [1]]
    whole = p.Solution(new=((0, ((0, 4),)), (1, ((1, 2),))))
    assert [each.inside(whole) for each in found] == [p.Solution(new=((0, ((0, n),)),)) for n in (4, 2)]
    assert parts.union((each, each.inside(whole)) for each in found) == whole


def test_one_part_is_the_problem_itself():
    """So nothing changes where nothing falls apart."""
    problem = teams(offer_ok=np.array([[True, True], [False, True]]))

    assert [each.problem for each in parts.split(problem)] == [problem]


def test_a_node_that_holds_pods_of_both_ties_them():
    """Unless there is no room on it."""
    ok = {"offer_ok": np.eye(2, dtype=np.bool_)}
    offers = [tiny.offer(10, (8, 8)), tiny.offer(10, (8, 8))]
    classes = [tiny.pods("one", 6, (2, 2)), tiny.pods("two", 6, (3, 3))]

    def count(room: int) -> int:
        return len(parts.split(tiny.problem(classes, offers, [tiny.node((room, 8))], **ok)))

    assert count(3) == 1
    assert count(2) == 2


def test_rules_across_nodes_tie():
    """Affinity and anti-affinity between the teams in zones, a shared volume's zone; not between pods of one node."""
    none, both = np.zeros(0, dtype=np.int64), mask(1, 1)
    targets = p.Group(mask(0, 1), none)

    def apart(topology: int) -> int:
        return len(parts.split(teams(exclusions=(p.Exclusion("apart", topology, mask(1, 0), none, targets),))))

    assert apart(tiny.ZONE) == 1
    assert apart(p.HOST) == 2
    near = p.Attraction("near", (tiny.ZONE,), mask(1, 0), targets, mask(0, 0))
    assert len(parts.split(teams(attractions=(near,)))) == 1
    assert len(parts.split(teams(common_domains=(p.CommonDomain("volume", tiny.ZONE, both),)))) == 1


@pytest.mark.parametrize(
    ("topology", "counted", "always", "expected"),
    [
        (tiny.ZONE, (1, 0), (1, 0), 2),
        (tiny.ZONE, (1, 1), (1, 1), 2),
        (tiny.ZONE, (1, 1), (1, 0), 1),
        (p.HOST, (1, 0), (), 2),
        (p.HOST, (1, 1), (), 1),
    ],
)
def test_whoever_opens_a_domain_that_a_spread_counts_is_tied(topology, counted, always, expected):
    """A node of the other team is a domain without any pod of the spread, where it counts and its domain did not yet."""
    problem = teams(spreads=(spread(topology, mask(*counted), mask(*always)),))

    assert len(parts.split(problem)) == expected


@pytest.mark.parametrize(("room", "expected"), [(4, 1), (5, 2), (12, 2)])
def test_limits_tie_where_they_could_bind(room, expected):
    """Five nodes are bought without a limit; by the relaxation one and a half, and two and a quarter."""
    cap = p.Cap("quota: instances", "", "instances", tiny.ints([1, 1]), room)
    problem = teams(caps=(cap,))

    found = engine.search(problem, SETTINGS)

    assert len(parts.split(problem)) == expected
    assert found.optimal
    assert found.value == brute.best(problem)[1]


def test_plans_that_break_a_limit_together_are_not_taken(monkeypatch):
    """A limit that was thought to be out of reach: the problem is solved as one."""
    monkeypatch.setattr(parts, "REACHED", 10.0)
    problem = teams(caps=(p.Cap("quota: instances", "", "instances", tiny.ints([1, 1]), 4),))
    assert len(parts.split(problem)) == 2

    found = engine.search(problem, SETTINGS)

    assert not evaluate.violations(problem, found.solution)
    assert found.optimal
    assert found.value == brute.best(problem)[1]


def test_pods_without_a_place_are_in_no_part():
    """They are left out, and the rest is proved."""
    classes = [tiny.pods("one", 3, (2, 2)), tiny.pods("huge", 1, (99, 1)), tiny.pods("two", 3, (3, 3))]
    ok = np.array([[True, False], [True, True], [False, True]])
    problem = tiny.problem(classes, [tiny.offer(10, (8, 8)), tiny.offer(10, (8, 8))], offer_ok=ok)

    found = engine.search(problem, SETTINGS)

    assert [each.classes.tolist() for each in parts.split(problem)] == [[0], [2]]
    assert found.optimal
    assert found.value == brute.best(problem)[1]


def test_a_charge_that_parts_could_share_is_no_proof(monkeypatch):
    """Two NodePools with one OVH pool content: a plan that buys both kinds pays for it once. Small problems stay whole."""
    offers = [tiny.offer(10, (8, 8), pool=0), tiny.offer(10, (8, 8), pool=0)]
    classes = [tiny.pods("one", 3, (2, 2)), tiny.pods("two", 3, (3, 3))]
    problem = tiny.problem(
        classes, offers, offer_ok=np.eye(2, dtype=np.bool_), pools=tiny.ovh_pools(1, charge=2), node_charge=0
    )
    assert len(parts.split(problem)) == 1
    assert engine.search(problem, SETTINGS).optimal
    monkeypatch.setattr("solver.search.exact.small.SMALL_PODS", 5)
    assert len(parts.split(problem)) == 2

    found = engine.search(problem, SETTINGS)

    assert found.value.cost == 32
    assert not found.optimal
    assert found.bound is not None
    assert 26 <= found.bound <= 30


def test_an_earlier_plan_is_taken_up_part_by_part():
    """Nodes of a solution to start from stay when they are as good as new ones."""
    problem = teams()
    first = engine.search(problem, SETTINGS)

    again = engine.search(problem, dataclasses.replace(SETTINGS, warm=first.solution, time_limit=0.01))

    assert again.value <= first.value


def test_the_checker_accepts_plans_of_parts():
    """Two teams with a NodePool each: the plan is optimal, and costs what the plans of each team alone cost."""

    def of(*names: str):
        own = [
            b.pods(
                name,
                7,
                b.spec(cpu, b.GIB, node_selector=(("team", name),), tolerations=(b.toleration(),)),
                labels={"app": name},
            )
            for name, cpu in (("one", 700), ("two", 1100))
            if name in names
        ]
        pools = [b.pool(name, labels={"team": name}, taints=[{"key": "t", "effect": "NoSchedule"}]) for name in names]
        run = planner.Run(clock=time.monotonic)
        return planner.plan(b.cluster(*own, *pools), b.SHELF, b.asked(deterministic=True), run)

    both = of("one", "two")

    assert both.verification.ok
    assert both.status == "optimal"
    assert len(both.placements) == 14
    assert both.cost.after == of("one").cost.after + of("two").cost.after
    assert {phase.name for phase in both.solve.phases} == {"fill", "parts"}


def test_many_small_parts_are_all_proved():
    """With as many at work as there are cores; those that were not proved in their first share are tried again."""
    problem = many(12, pods=6)
    assert len(parts.split(problem)) == 12

    found = engine.search(problem, params.Params(clock=time.monotonic, time_limit=60.0))

    optima = [direct.solve_direct(each.problem, time_limit=20, deterministic=True) for each in parts.split(problem)]
    assert found.optimal
    assert found.value.cost == sum(each.value.cost for each in optima if each.value is not None)


def test_the_same_question_in_parts_has_the_same_answer():
    """With `deterministic` the clock plays no part."""
    problem = many(4, pods=40)

    def never_asked() -> float:
        raise AssertionError("the clock is not asked when deterministic")

    settings = params.Params(clock=never_asked, time_limit=0.5, deterministic=True, seed=3)
    first, second = engine.search(problem, settings), engine.search(problem, settings)

    assert first.solution == second.solution
    assert first.bound == second.bound


def many(number: int, pods: int) -> p.Problem:
    """So many teams with three classes and two offers each, and at most this many pods of a class."""
    random = np.random.default_rng(number)
    classes = [
        tiny.pods(f"c{i}", int(random.integers(1, pods)), (int(random.integers(1, 9)), int(random.integers(1, 9))))
        for i in range(3 * number)
    ]
    offers = [tiny.offer(100 + i, (10 + 6 * (i % 2), 10)) for i in range(2 * number)]
    ok = np.repeat(np.repeat(np.eye(number, dtype=np.bool_), 3, axis=0), 2, axis=1)
    return tiny.problem(classes, offers, offer_ok=ok)


def test_time_goes_to_those_who_can_save():
    """Many parts end in the time of one, and progress only gets better."""
    problem = many(5, pods=60)
    told: list[params.Progress] = []
    seconds = itertools.count()

    def clock() -> float:
        return next(seconds) / 1000

    found = engine.search(problem, params.Params(clock=clock, time_limit=2.0, progress=told.append))

    assert len(parts.split(problem)) == 5
    assert not any(found.value.unplaced)
    assert clock() < 4.0
    costs = [report.cost for report in told if report.cost is not None]
    assert costs == sorted(costs, reverse=True)
    assert found.bound is not None
    assert found.bound <= found.value.cost
