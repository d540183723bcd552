"""How long nodes are waited for: OVH over HTTP with a clock that is moved, its nodes in a cluster in memory."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import lifecycle
from controller.simulator import joiner
from tests.controller.loops import stage
from tests.controller.loops.test_cloud_loop import Sky
from tests.controller.simulator import running


class Joined(Sky):
    """Claims, Nodes and loops in memory; OVH's nodes join as they do in a cluster."""

    def __init__(self, served: running.Running) -> None:
        super().__init__(served)
        now = lambda: datetime.datetime.fromtimestamp(self.on.now, datetime.UTC)  # noqa: E731
        self.joiner = joiner.Joiner(served.simulator, served.cluster().id, Target(self.on), now)
        self.lifecycle = lifecycle.Lifecycle(self.on.world, lambda: None)

    def order(self, **timings: object) -> None:
        """Ask for the nodes, from an OVH that takes so long."""
        self.ovh.control("PATCH", "/timings", timings)
        self.loop.tick()

    def pass_minutes(self, minutes: int) -> None:
        """A pass of every loop each minute for so long."""
        for _ in range(minutes):
            self.joiner.sync()
            self.lifecycle.reconcile()
            self.go_on(60, 60)

    def given_up(self) -> set[str]:
        """Claims that are gone or going."""
        return {"gpu", "usual"} - {
            name for name, claim in self.on.claims().items() if "deletionTimestamp" not in claim["metadata"]
        }


class Target:
    """The cluster in memory as the simulator wants it."""

    def __init__(self, on: stage.Stage) -> None:
        self._on = on

    def nodes(self) -> list[dict[str, Any]]:
        return self._on.list(kinds.NODE)[0]

    def create(self, body: dict[str, Any]) -> bool:
        self._on.put(kinds.NODE, body)
        return True

    def patch(self, name: str, body: dict[str, Any], *, status: bool) -> bool:
        there = self._on.get(kinds.NODE, name)
        body = {**body, "metadata": {k: v for k, v in body.get("metadata", {}).items() if k != "resourceVersion"}}
        self._on.put(kinds.NODE, apis.merged(there, body))
        return True

    def delete(self, name: str) -> None:
        self._on.delete(kinds.NODE, name)


@pytest.fixture
def joined() -> Iterator[Joined]:
    with running.serve() as served:
        made = Joined(served)
        made.claim("gpu", "t1-45")
        made.claim("usual", "b3-8")
        claim = made.on.get(kinds.NODE_CLAIM, "gpu")
        claim["spec"]["resources"] = {"requests": {"nvidia.com/gpu": "1"}}
        made.on.put(kinds.NODE_CLAIM, claim)
        yield made


def test_a_gpu_is_waited_for_an_hour_and_an_ordinary_node_a_quarter_of_one(joined):
    """Both take an hour here; the ordinary one is refused for a while, and its machine is given back."""
    joined.order(boot=[3600, 3600], gpu_boot=[3600, 3600], gpu_plugin=60)
    joined.pass_minutes(13)
    assert not joined.given_up()
    joined.pass_minutes(5)
    assert joined.given_up() == {"usual"}
    assert joined.on.world.refused() == {("b3-8", "nova")}
    assert (
        "usual",
        "InsufficientCapacityError",
        "NodeClaim usual event: registration_timeout",
    ) in joined.on.said.events
    joined.pass_minutes(41)
    assert joined.given_up() == {"usual"}
    assert not conditions.is_true(joined.on.claims()["gpu"], "Initialized")
    joined.pass_minutes(5)

    assert conditions.is_true(joined.on.claims()["gpu"], "Initialized")
    assert len(joined.machines()) == 1
    assert joined.on.world.refused() == frozenset()


def test_a_gpu_that_does_not_come_in_eighty_minutes_is_given_up(joined):
    """Another is bought elsewhere; the machine is not paid for any longer than OVH takes to remove it."""
    joined.order(boot=[120, 120], gpu_boot=[9000, 9000])
    joined.pass_minutes(78)
    assert not joined.given_up()
    joined.pass_minutes(5)

    assert joined.given_up() == {"gpu"}
    assert ("t1-45", "nova") in joined.on.world.refused()
    assert len(joined.machines()) == 1


def test_without_a_device_plugin_the_node_says_what_it_lacks(joined):
    """Nobody gives it up: it is there, and the plugin may still be installed."""
    joined.order(boot=[120, 120], gpu_boot=[600, 600])
    joined.pass_minutes(30)

    (state,) = (each for each in conditions.of(joined.on.claims()["gpu"]) if each["type"] == "Initialized")
    assert (state["reason"], state["message"]) == (
        "ResourceNotRegistered",
        'Resource "nvidia.com/gpu" was requested but not registered',
    )
    assert not joined.given_up()
