"""
The compiled problem and the independent checker agree on which placements are legal.

Random placements for random clusters, most of them legal as far as single pods go, are judged twice: by the blocks of
the compiled problem (`solver.evaluate`) and, as a plan, by the checker, which reads the cluster itself and shares no
code with the rules.
"""

import collections
import random

import pytest

from solver import assemble, build, check, evaluate, options, problem, turns
from solver import cluster as clusters
from solver import plan as plans
from solver.check import order
from tests.solver.build import random_clusters
from tests.solver.rules import world


def placement(of: problem.Problem, dice: random.Random) -> problem.Solution:
    """Some of the pods on nodes and on a few new nodes."""
    bought = [dice.randrange(len(of.offers)) for _ in range(dice.randint(0, 3))] if of.offers else []
    new: list[collections.Counter[int]] = [collections.Counter() for _ in bought]
    placed: dict[int, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    share, loose = dice.choice([0.3, 0.6, 1.0]), dice.random() < 0.15
    for index, each in enumerate(of.classes):
        old = [placed[node] for node in range(len(of.nodes)) if loose or of.node_ok[index, node]]
        made = [content for offer, content in zip(bought, new, strict=True) if loose or of.offer_ok[index, offer]]
        for _ in each.pods:
            if (old or made) and dice.random() < share:
                dice.choice([*old, *made])[index] += 1
    return problem.Solution(
        new=tuple(
            (offer, tuple(sorted(content.items()))) for offer, content in zip(bought, new, strict=True) if content
        ),
        placed={node: tuple(sorted(content.items())) for node, content in placed.items() if content},
    )


def verdict(
    of: clusters.Cluster, asked: options.Options, built: build.Build, answer: problem.Solution
) -> plans.Verification:
    """What the checker says of a placement."""
    placed = assemble.assemble(built, answer)
    before = sum(node.price for node in built.problem.nodes)
    create = sum(node.hourly for node in placed.create)
    draft = plans.Plan(
        status="feasible",
        inputs=plans.Inputs("", 0, 0, 0, 0, 0.0, "", ""),
        create=placed.create,
        delete=(),
        keep=(),
        steps=turns.steps(built, placed),
        placements=placed.placements,
        unschedulable=tuple(plans.Unschedulable(key, "") for keys in placed.left_out.values() for key in keys),
        cost=plans.Cost(before, before + create, create, 0, None, None),
        objective=(),
        verification=plans.Verification(ok=False),
        solve=plans.SolveInfo(0.0, 0, 0),
    )
    return check.check(of, world.shelf(), draft, asked)


def agree(seeds: range, placements: int, *, later: int = 0) -> collections.Counter[bool]:
    """
    How many placements both accept and both refuse; anything else fails.

    With `later` pods get one of so many later turns, or none. Who may be the first of an affinity is then asked of the
    checker alone: the blocks do not know in general whether a pod of an earlier turn has a place.
    """
    found: collections.Counter[bool] = collections.Counter()
    for seed in seeds:
        of, asked = random_clusters.draw(seed)
        dice = random.Random(seed)
        drawn = {key: dice.randint(0, later) for key, pod in of.pods.items() if later and not pod.node}
        built = build.build_problem(of, world.shelf(), asked, turns=drawn)
        for number in range(placements):
            answer = placement(built.problem, dice)
            broken = evaluate.violations(built.problem, answer)
            judged = verdict(of, asked, built, answer)
            alike = judged.ok == (not broken)
            if later:
                firsts = {each.rule for each in judged.violations} <= {order.AFFINITY, order.ORDER}
                alike = alike or (firsts and all(each.startswith("attraction") for each in broken))
            assert alike, f"seed {seed}, placement {number}: {broken} against {judged.violations}"
            found[judged.ok] += 1
    return found


def test_placements_are_judged_alike():
    """Hundreds of placements over all rules, legal and illegal ones."""
    found = agree(range(80), 6)

    assert min(found[True], found[False]) > 100


def test_placements_in_turns_are_judged_alike():
    """The same where some pods come after others."""
    found = agree(range(100, 180), 6, later=2)

    assert min(found[True], found[False]) > 100


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_placements_are_judged_alike():
    """The same for ten thousand clusters, and for a thousand where some pods come after others."""
    found = agree(range(1_000, 11_000), 3) + agree(range(11_000, 12_000), 6, later=2)

    assert min(found[True], found[False]) > 10_000
