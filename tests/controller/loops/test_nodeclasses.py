"""Node classes against the simulator: what keeps one that is deleted, and what a quota that was raised makes good."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from controller import names, world
from controller.kube import kinds
from controller.loops import nodeclasses
from controller.ovh import errors, types
from tests.controller.kube import memory
from tests.controller.loops import make, stage
from tests.controller.simulator import running


class Classes:
    """One node class in memory, its OVH in the simulator."""

    def __init__(self, served: running.Running) -> None:
        self.ovh = served
        self.on = stage.Stage(ovh_request_rate=1000.0, ovh_request_burst=1000)
        self.woken = 0
        keys = {
            "endpoint": f"{served.root}/1.0",
            "applicationKey": running.KEYS.application_key,
            "applicationSecret": running.KEYS.application_secret,
            "consumerKey": running.KEYS.consumer_key,
        }
        data = {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()}
        secret = {"kind": "Secret", "metadata": {"name": "ovh", "namespace": self.on.settings.namespace}, "data": data}
        self.on.put(kinds.SECRET, secret)
        self.on.node_pool()
        there = self.on.get(kinds.NODE_CLASS, "default")
        there["spec"] |= {
            "serviceName": served.sim.world.project,
            "kubeId": served.cluster().id,
            "credentialsSecretRef": {"name": "ovh"},
        }
        self.on.put(kinds.NODE_CLASS, there)
        self.loop = self.restart()

    def restart(self) -> nodeclasses.NodeClasses:
        """A new process, which was told nothing by OVH yet."""
        self.on.restart().places.clear()
        self.loop = nodeclasses.NodeClasses(self.on.world, self._wake)
        return self.loop

    def _wake(self) -> None:
        self.woken += 1

    def finalizers(self) -> list[str]:
        """Of the class; fails when it is gone."""
        found: list[str] = self.on.get(kinds.NODE_CLASS, "default")["metadata"].get("finalizers") or []
        return found

    def there(self) -> bool:
        """Whether the class still exists."""
        return self.on.mirror.get(kinds.NODE_CLASS, "default") is not None

    def said(self) -> list[str]:
        """What events on the class say of its end."""
        return [note for _, reason, note in self.on.said.events if reason == "WaitingOnNodeClaimTermination"]


@pytest.fixture
def classes() -> Iterator[Classes]:
    with running.serve() as served:
        yield Classes(served)


def test_a_deleted_class_stays_while_claims_refer_to_it(classes):
    """Through a restart too, so that their machines can be taken away; their owners decide when they go."""
    classes.on.machine("one", "b3-8")
    classes.on.machine("two", "b3-8")
    classes.loop.tick()
    classes.on.delete(kinds.NODE_CLASS, "default")
    classes.restart().tick()

    assert classes.there()
    assert classes.on.world.places["default"].ready
    assert classes.said() == ["Waiting on NodeClaim termination for one, two"]
    assert not any("deletionTimestamp" in claim["metadata"] for claim in classes.on.claims().values())

    for name in ("one", "two"):
        classes.on.delete(kinds.NODE_CLAIM, name)
        classes.loop.tick()
        # It is in deletion, and its machine is still to be removed.
        assert classes.there()
        classes.on.patch(kinds.NODE_CLAIM, name, {"metadata": {"finalizers": []}})
        classes.loop.tick()

    assert classes.said()[-1] == "Waiting on NodeClaim termination for two"
    assert not classes.there()
    assert not classes.on.world.places


def order(classes: Classes, name: str, installation: str, desired: int = 1) -> str:
    """A pool as an installation makes it; its id."""
    template = types.Template(metadata=types.TemplateMetadata(annotations={names.INSTALLATION: installation}))
    return classes.ovh.client().create_node_pool(running.spec(name, desired=desired, template=template)).id


def test_a_class_waits_for_machines_of_ours_that_no_claim_wants_any_more(classes):
    """Its claim was deleted between the order and the first sight of the node; who looks after pools removes it."""
    order(classes, "theirs", "another")
    order(classes, "empty", classes.on.settings.installation, desired=0)
    mine = order(classes, "mine", classes.on.settings.installation)
    classes.loop.tick()
    classes.on.delete(kinds.NODE_CLASS, "default")
    assert classes.loop.tick() <= 10
    assert classes.there()
    assert classes.on.world.places["default"].ready
    waits = [note for _, reason, note in classes.on.said.events if reason == "WaitingOnNodeRemoval"]
    assert waits == ["Waiting on OVHcloud to remove the nodes of mine"]
    classes.ovh.client().update_node_pool(mine, desired_nodes=0)
    classes.ovh.advance(600)
    classes.loop.tick()

    assert not classes.there()


def test_a_class_beside_another_for_the_same_cluster_goes(classes):
    """That one has the machines removed."""
    order(classes, "mine", classes.on.settings.installation)
    other = classes.on.get(kinds.NODE_CLASS, "default")
    other["metadata"] = {"name": "other"}
    classes.on.put(kinds.NODE_CLASS, other)
    classes.loop.tick()
    classes.on.delete(kinds.NODE_CLASS, "default")
    classes.loop.tick()

    assert not classes.there()


def test_a_class_whose_credentials_are_gone_is_no_prisoner(classes):
    """Nothing could be removed with it, and a warning says so. An OVH that does not answer is waited for."""
    order(classes, "mine", classes.on.settings.installation)
    classes.loop.tick()
    classes.on.delete(kinds.NODE_CLASS, "default")
    classes.ovh.fault("error", method="GET", path="*/nodepool", status=503, count=50)
    with pytest.raises(errors.OVHError):
        classes.loop.tick()
    assert classes.there()
    memory.Memory.delete(classes.on, kinds.SECRET, "ovh", namespace=classes.on.settings.namespace)
    classes.restart().tick()

    assert not classes.there()
    (note,) = [note for _, reason, note in classes.on.said.events if reason == "NodesMayRemain"]
    assert note.startswith("Machines may be left at OVHcloud and cost money, look there: ")


def test_an_ovh_that_does_not_answer_for_one_cluster_holds_no_other_up():
    """Each class is looked at; what was known of the silent one stands."""
    with running.serve(running.simulation(running.ONE_ZONE, running.THREE_ZONES)) as served:
        classes = Classes(served)
        other = classes.on.get(kinds.NODE_CLASS, "default")
        other["metadata"] = {"name": "other"}
        other["spec"] |= {"kubeId": served.cluster(1).id, "region": running.THREE_ZONES}
        classes.on.put(kinds.NODE_CLASS, other)
        served.fault("error", method="GET", path=f"*/kube/{served.cluster(0).id}", status=503, count=50)
        with pytest.raises(errors.OVHError):
            classes.loop.tick()

        assert set(classes.on.world.places) == {"other"}
        assert classes.on.world.places["other"].ready


def test_a_class_that_nobody_uses_goes_at_once(classes):
    """Claims of the same class name of another provider do not count."""
    other = make.claim("theirs", finalizers=["x"])
    other["spec"]["nodeClassRef"] |= {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass"}
    classes.on.put(kinds.NODE_CLAIM, other)
    classes.loop.tick()
    assert classes.finalizers() == [names.NODE_CLASS_FINALIZER]
    classes.on.delete(kinds.NODE_CLASS, "default")
    classes.loop.tick()

    assert not classes.there()
    assert not classes.said()


def test_finalizers_of_others_are_left_alone(classes):
    """Ours is added once, and taken away alone."""
    classes.on.patch(kinds.NODE_CLASS, "default", {"metadata": {"finalizers": ["example.com/backup"]}})
    classes.loop.tick()
    classes.loop.tick()
    assert classes.finalizers() == ["example.com/backup", names.NODE_CLASS_FINALIZER]
    classes.on.delete(kinds.NODE_CLASS, "default")
    classes.loop.tick()

    assert classes.finalizers() == ["example.com/backup"]


def test_a_class_that_changes_meanwhile_is_looked_at_again(classes, monkeypatch):
    """The finalizer is put onto the class that was read, or not at all; its place is not forgotten."""
    classes.loop.tick()
    stale = classes.on.get(kinds.NODE_CLASS, "default")
    stale["metadata"]["finalizers"] = []
    classes.on.patch(kinds.NODE_CLASS, "default", {"metadata": {"labels": {"touched": "yes"}}})
    monkeypatch.setattr(classes.on.mirror, "all", lambda kind: [stale] if kind is kinds.NODE_CLASS else [])
    classes.loop.tick()

    assert classes.finalizers() == [names.NODE_CLASS_FINALIZER]
    assert classes.on.world.places["default"].ready


def test_a_quota_that_was_raised_makes_its_refusals_good(classes):
    """At the next look, where it is enough for a machine; what is out of stock stays refused, and so does a rumour."""
    classes.ovh.control("PATCH", "/quota/GRA11", {"cores": 1})
    classes.loop.tick()
    shared, woken = classes.on.world, classes.woken
    shared.refuse("b3-8", "nova", world.OVER_QUOTA)
    shared.refuse("b3-64", "nova", world.OVER_QUOTA)
    shared.refuse("b3-16", "nova", "out of stock")
    classes.loop.tick()
    assert len(shared.refused()) == 3
    assert classes.woken == woken

    classes.ovh.control("PATCH", "/quota/GRA11", {"cores": 4})
    classes.loop.tick()
    assert shared.refused() == {("b3-64", "nova"), ("b3-16", "nova")}
    assert classes.woken == woken + 1

    shared.refuse("b3-8", "nova", world.OVER_QUOTA)
    classes.loop.tick()
    assert ("b3-8", "nova") in shared.refused()

    classes.ovh.control("PATCH", "/quota/GRA11", {"cores": -1})
    classes.loop.tick()
    assert shared.refused() == {("b3-16", "nova")}


def test_the_first_claims_are_named():
    """An event has room for a few."""
    assert nodeclasses.few(["a", "b"]) == "a, b"
    assert nodeclasses.few(list("abcdefg")) == "a, b, c, d, e and 2 other(s)"
