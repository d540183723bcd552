"""Pods that a topology spread counts and that do not carry it: where they would be left out, they come later."""

from __future__ import annotations

import random
from typing import Any

import pytest

from solver import cluster
from solver import plan as plans
from solver import turns as later
from tests.solver import builders as b
from tests.solver.spec import answer

WEB = {"app": "web"}
ZONED = b.spread(b.ZONE, b.selector(app="web"))


def web(**fields: Any) -> cluster.PodSpec:
    return b.spec(500, b.GIB // 4, **fields)


def database(**fields: Any) -> list[Any]:
    """Three pods with volumes, one in each zone, spread over zones."""
    made: list[Any] = []
    for index, zone in enumerate((b.A, b.B, b.C)):
        here = (b.node_term(b.expression(b.ZONE, "In", zone)),)
        made += [
            b.pod(f"db-{index}", web(spread=(ZONED,), claims=(f"data-{index}",), **fields), labels=WEB),
            cluster.VolumeClaim("default", f"data-{index}", None, f"pv-{index}", "Bound", bind_completed=True),
            cluster.Volume(f"pv-{index}", here, "cinder.csi.openstack.org"),
        ]
    return made


def jobs(many: int, **fields: Any) -> list[cluster.Pod]:
    """Pods that must be in zone a and look like those of the database, without their spread."""
    return b.pods("job", many, web(node_selector=((b.ZONE, b.A),), **fields), labels=WEB)


def turns(plan: plans.Plan) -> list[set[str]]:
    """Names of the pods of each later turn."""
    return [{pod.partition("/")[2] for pod in step.move} for step in plan.steps[1:]]


def test_they_come_after_those_that_carry_it():
    """
    The database has one pod in each zone, and three jobs must be in zone a. Counted at the end zone a would be three
    pods ahead, where one is allowed; but nobody asks the spread when a job is placed.
    """
    plan = answer.solved(database(), jobs(3))

    assert not answer.left_out(plan)
    assert turns(plan) == [{"job-0", "job-1", "job-2"}]
    assert [note for note in plan.notes if note.startswith("after all others: default/job-")]
    assert later.first(plan).keys() == {"default/db-0", "default/db-1", "default/db-2"}


def test_nobody_waits_where_the_end_is_even():
    """With one job zone a has two pods and the others one: all rules hold at the end, and there are no turns."""
    plan = answer.solved(database(), jobs(1))

    assert not answer.left_out(plan)
    assert plan.steps == ()


def test_they_yield_in_spite_of_their_priority():
    """Jobs that matter more have their place in any case. The pod in zone a would have none after them: it goes first."""
    plan = answer.solved(database(), jobs(3, priority=10))

    assert not answer.left_out(plan)
    assert turns(plan) == [{"job-0", "job-1", "job-2"}]


def test_jobs_that_run_already_are_counted():
    """No order helps against pods that are there: the pod of the database that must be in zone a has no place."""
    of = b.cluster(b.node("old", b.A), b.pods("run", 3, web(), labels=WEB, node="old"), database())
    plan = answer.solved(of)

    assert answer.left_out(plan) == {"db-0"}
    assert "topology spread" in answer.why(plan, "db-0")


@pytest.mark.parametrize("seed", range(12))
def test_pods_without_rules_are_never_left_out(seed: int):
    """Whatever spreads count them: pods that carry no rule find a place when one can be bought."""
    dice = random.Random(seed)
    keys = [dice.choice([b.ZONE, b.HOSTNAME]) for _ in range(2)]
    free = web(node_selector=((b.ZONE, dice.choice([b.A, b.B])),))
    plan = answer.solved(
        database(anti_affinity=(b.near(b.HOSTNAME, b.selector(app="web")),) * dice.randint(0, 1)),
        b.pods("web", dice.randint(1, 4), web(spread=(b.spread(keys[0], b.selector(app="web")),)), labels=WEB),
        b.pods("api", dice.randint(1, 4), web(spread=(b.spread(keys[1], b.selector(app="web"), 2),)), labels=WEB),
        b.pods("free", dice.randint(1, 5), free, labels=WEB),
        time_limit=3.0,
    )

    assert not {pod for pod in answer.left_out(plan) if pod.startswith("free")}
