"""The batch loop on a cluster in memory: pods that wait are planned for, whatever fails on the way."""

from __future__ import annotations

from typing import Any

import pytest

from controller import metrics
from controller.kube import api as apis
from controller.kube import kinds
from controller.loops import provision, question
from solver.search import engine
from tests.controller.loops import make, stage


class Faulty(stage.Stage):
    """A cluster whose API server does not answer while `down`."""

    down = False

    def create(self, kind: kinds.Kind, body: make.Object) -> make.Object:
        if self.down:
            raise apis.UnreachableError("connection refused")
        return super().create(kind, body)


def provisioner(on: stage.Stage) -> provision.Provisioner:
    """The loop, with a NodePool and a pod of one CPU that waits."""
    on.node_pool()
    waiting: Any = make.pod("web")
    waiting["spec"]["containers"] = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]
    on.put(kinds.POD, waiting)
    made = provision.Provisioner(on.world, question.Questions(on.world), lambda: None)
    made.trigger()
    return made


def test_a_batch_ends_in_claims() -> None:
    """One claim for one pod, and nothing more in the next pass."""
    on = Faulty(batch_idle=0.0)
    loop = provisioner(on)

    loop.tick()
    loop.tick()

    assert len(on.claims()) == 1


def test_pods_of_a_batch_that_failed_are_planned_for_in_the_next_pass() -> None:
    """No event need come for that: the pods wait as before, and nobody may ever say so again."""
    on = Faulty(batch_idle=0.0)
    loop = provisioner(on)
    on.down = True
    with pytest.raises(apis.UnreachableError):
        loop.tick()
    on.down = False

    loop.tick()

    assert len(on.claims()) == 1


def test_a_search_that_breaks_is_no_reason_to_let_pods_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plainer plan is carried out, and the error is logged and counted."""

    def fail(*_: Any) -> None:
        raise IndexError("index -1 is out of bounds")

    on = Faulty(batch_idle=0.0)
    loop = provisioner(on)
    monkeypatch.setattr(engine, "search", fail)
    before = metrics.SEARCHES_BROKEN._value.get()

    loop.tick()

    assert len(on.claims()) == 1
    assert metrics.SEARCHES_BROKEN._value.get() == before + 1
