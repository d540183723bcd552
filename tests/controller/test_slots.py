"""Room kept for pods by class: who may take whose place, and what a new plan does to it."""

from __future__ import annotations

import pytest

from controller import slots
from tests.controller.loops import make

TOLERATION = {"key": "karpenter.ovhcloud.sh/reserved", "operator": "Equal", "value": "x", "effect": "NoSchedule"}


def pod(name: str, cpu: str = "1", **more: object) -> make.Object:
    """A pod of the ReplicaSet web that waits."""
    made = make.pod(name, labels={"app": "web", "pod-template-hash": "1"})
    resources = {"requests": {"cpu": cpu}}
    made["spec"] |= {"containers": [{"name": "c", "image": "i", "resources": resources}], **more}
    return made


def slot(of: make.Object, claim: str = "a") -> slots.Slot:
    metadata = of["metadata"]
    return slots.Slot(claim, slots.classes([of])[metadata["uid"]], f"default/{metadata['name']}", metadata["uid"])


def freed(claim: str = "a") -> slots.Slots:
    """A slot of a pod web-0 that is gone."""
    found = slots.Slots()
    found.plan([slot(pod("web-0"), claim)], {"uid-web-0"})
    assert found.release("uid-web-0")
    return found


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (pod("web-1"), True),
        (pod("web-1", tolerations=[TOLERATION]), True),
        (pod("web-1", nodeSelector={"disk": "ssd"}), False),
        (pod("web-1", cpu="2"), False),
        (pod("web-1", priority=5), False),
        (pod("web-1", schedulerName="mine"), False),
    ],
)
def test_a_place_goes_to_pods_that_schedulers_do_not_tell_apart(other, same):
    """What we add to a pod ourselves makes no difference."""
    assert (freed().take(other) is not None) == same


def test_the_pod_of_a_node_and_its_successor_are_of_one_class():
    """The API server has copied the place of the node to the labels of the pod that it bears."""
    moving = pod("web-0")
    moving["spec"]["nodeName"] = "node-a"
    moving["metadata"]["labels"] |= {"topology.kubernetes.io/zone": "nova", "topology.kubernetes.io/region": "GRA11"}
    found = slots.Slots()
    found.plan([slot(moving)], {"uid-web-0"})
    found.release("uid-web-0")
    assert found.take(pod("web-1")) is not None


def test_labels_and_namespace_count_but_not_the_number_of_a_replica():
    """Spread and affinity look at labels; the pods of a StatefulSet carry their own names in one."""
    numbered = pod("web-1")
    numbered["metadata"]["labels"] |= {"statefulset.kubernetes.io/pod-name": "web-1"}
    assert freed().take(numbered) is not None
    revised = pod("web-1")
    revised["metadata"]["labels"]["pod-template-hash"] = "2"
    assert freed().take(revised) is None
    elsewhere = pod("web-1")
    elsewhere["metadata"]["namespace"] = "other"
    assert freed().take(elsewhere) is None


def test_replicas_with_claims_of_their_own_keep_their_own_place():
    """A volume may be in another zone."""

    def with_data(name: str) -> make.Object:
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}
        return pod(name, volumes=[volume])

    found = slots.Slots()
    found.plan([slot(with_data("web-0"))], {"uid-web-0"})
    found.release("uid-web-0")
    assert found.take(with_data("web-1")) is None
    assert found.take(with_data("web-0")) is not None


def test_a_new_plan_gives_the_free_room_of_the_claims_that_it_fills_away():
    """It knows of pods, not of free slots."""
    found = freed("a")
    found.plan([slot(pod("web-9", "2"), "b")], {"uid-web-9"})
    assert found.take(pod("web-1")) is not None
    found.release("uid-web-1")
    found.plan([slot(pod("web-8", "2"), "a")], {"uid-web-8"})
    assert found.take(pod("web-1")) is None


def test_a_plan_that_says_the_same_again_gives_nothing_away():
    """Pods of claims without a node are planned with every batch."""
    found = freed("a")
    other = slot(pod("web-7", "2"), "a")
    found.plan([other], {"uid-web-7"})
    found.plan([slot(pod("web-0"))], {"uid-web-0"})
    found.release("uid-web-0")
    found.plan([other], {"uid-web-7"})
    assert found.take(pod("web-1")) is not None


def test_a_plan_that_moves_a_pod_moves_its_slot():
    """Or takes it away, where the pod has room that is there already."""
    found = slots.Slots()
    found.plan([slot(pod("web-0"), "a")], {"uid-web-0"})
    found.plan([slot(pod("web-0"), "b")], {"uid-web-0"})
    assert [each.claim for each in found.all()] == ["b"]
    found.plan([], {"uid-web-0"})
    assert not found.all()


def test_a_slot_that_has_changed_hands_is_not_dropped():
    """Whoever saw it before has old news."""
    found = slots.Slots()
    seen = slot(pod("web-0"))
    found.plan([seen], {"uid-web-0"})
    found.release("uid-web-0")
    found.take(pod("web-1"))
    found.drop(seen)
    assert found.has("uid-web-1")
