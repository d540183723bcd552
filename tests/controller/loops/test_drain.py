"""Who leaves a node that goes, in which order, and what a refused eviction means."""

from __future__ import annotations

import itertools

import pytest

from controller.kube import api as apis
from controller.kube import kinds
from controller.loops import drain
from tests.controller.loops import make, stage

NOW = make.T0_SECONDS + 1000
AT_900 = "2026-01-01T00:15:00Z"
AT_990 = "2026-01-01T00:16:30Z"


def pod(name: str, owner: str = "ReplicaSet", **spec: object) -> make.Object:
    made = make.pod(name, "node-a", owner=owner)
    made["spec"] |= spec
    return made


def tolerating(**toleration: str) -> make.Object:
    return pod("p", tolerations=[toleration])


def ending(at: str) -> make.Object:
    made = pod("p")
    made["metadata"]["deletionTimestamp"] = at
    return made


@pytest.mark.parametrize(
    ("who", "leaves"),
    [
        (pod("p"), True),
        (pod("p", owner="DaemonSet"), True),
        (pod("p", owner="Node"), False),
        (tolerating(operator="Exists"), False),
        (tolerating(operator="Exists", effect="NoExecute"), True),
        (tolerating(key="karpenter.sh/disrupted", operator="Exists"), False),
        (tolerating(key="karpenter.sh/disrupted", operator="Equal", value="x"), True),
        (ending(AT_990), True),
        (ending(AT_900), False),
    ],
)
def test_who_leaves_a_node(who, leaves):
    """Not static pods, nor those that stand the taint, nor those that hang in their end for a minute."""
    assert drain.waits(who, NOW) == leaves


def test_pods_that_have_ended_hold_no_node():
    """A job's pod stays as an object."""
    done = pod("p")
    done["status"]["phase"] = "Succeeded"
    assert not drain.waits(done, NOW)


def test_daemons_go_after_others_and_critical_pods_last():
    """Each group waits until the one before is gone, also for pods that may not be evicted."""
    plain, daemon = pod("plain"), pod("daemon", owner="DaemonSet")
    critical = pod("critical", priorityClassName="system-cluster-critical")
    last = pod("last", owner="DaemonSet", priorityClassName="system-node-critical")
    everybody = [last, critical, daemon, plain]
    order = []
    while everybody:
        (first,) = drain.next_to_evict(everybody, NOW)
        order.append(first["metadata"]["name"])
        everybody.remove(first)
    assert order == ["plain", "daemon", "critical", "last"]

    plain["metadata"]["annotations"] = {"karpenter.sh/do-not-disrupt": "true"}
    assert drain.next_to_evict([plain, daemon], NOW) == []


def test_a_protection_may_end_by_itself():
    """A duration counts from the start of the pod."""
    shielded = pod("p")
    shielded["metadata"]["annotations"] = {"karpenter.sh/do-not-disrupt": "20m"}
    shielded["status"]["startTime"] = make.T0
    assert drain.protected(shielded, NOW)
    assert not drain.protected(shielded, NOW + 300)
    shielded["metadata"]["annotations"] = {"karpenter.sh/do-not-disrupt": "please"}
    assert not drain.protected(shielded, NOW)


@pytest.mark.parametrize(
    ("left", "grace", "forced"), [(100, 30, False), (20, 30, True), (100, 200, True), (20, 0, False)]
)
def test_a_deadline_deletes_pods_whose_own_grace_would_miss_it(left, grace, forced):
    """They get what is left; without a deadline nobody is deleted."""
    who = pod("p", terminationGracePeriodSeconds=grace)
    found = drain.forced([who], NOW + left, NOW)
    assert found == ([(who, left)] if forced else [])
    assert drain.forced([who], None, NOW) == []


def test_an_eviction_that_is_refused_is_asked_for_again_a_little_later_each_time(monkeypatch):
    """A PodDisruptionBudget allows none: the Node says so, the API server is not hammered, and the pod goes when it may."""
    on = stage.Stage()
    on.machine("a", "b3-8", pods=1)
    asked = []

    def evict(name: str, namespace: str, uid: str) -> None:
        asked.append(on.now)
        if len(asked) < 4:
            raise apis.TooManyError("evict", 429, "TooManyRequests", "")

    monkeypatch.setattr(on, "evict", evict)
    draining = drain.Drain(on.world)
    node, (there,) = on.get(kinds.NODE, "node-a"), on.mirror.all(kinds.POD)
    for _ in range(300):
        draining.evict(node, [there], "Underutilized")
        on.now += 0.1
        if len(asked) == 4:
            break
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(asked) == 4
    assert max(waits) < 1.5
    assert {reason for _, reason, _ in on.said.events} == {"FailedDraining", "Evicted"}
    note = "Failed to drain node, evicting pod violates a PDB (Pod=default/a-0)"
    assert ("node-a", "FailedDraining", note) in on.said.events


def test_a_node_that_cannot_be_drained_names_the_pods_that_forbid_it():
    """The first few of them."""
    on = stage.Stage()
    on.machine("a", "b3-8", pods=5)
    for there in on.mirror.all(kinds.POD)[1:]:
        on.patch(
            kinds.POD,
            there["metadata"]["name"],
            {"metadata": {"annotations": {"karpenter.sh/do-not-disrupt": "true"}}},
            namespace="default",
        )
    on.evict = lambda *_: None  # type: ignore[method-assign]
    drain.Drain(on.world).evict(on.get(kinds.NODE, "node-a"), on.mirror.all(kinds.POD), "Drifted")

    (note,) = {note for _, reason, note in on.said.events if reason == "FailedDraining"}
    assert note == (
        "Failed to drain node, 5 pods are waiting to be evicted; karpenter.sh/do-not-disrupt is set on "
        "default/a-1, default/a-2, default/a-3 and 1 more"
    )
