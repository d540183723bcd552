"""Which pods are to be placed: those that wait, and those on nodes that go away."""

from __future__ import annotations

from typing import Any

import pytest

from solver import cluster, snapshot
from solver.snapshot import pending
from tests.solver.snapshot import make

NOW = 1777629600
GONE = "2026-05-01T10:00:00Z"


def waiting(*objects: make.Raw) -> list[str]:
    return [pod.name for pod in pending.pending(snapshot.from_objects(objects))]


def condition(reason: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": reason}]}}


def nominated(node: str) -> make.Raw:
    return make.pod() | {"status": {"nominatedNodeName": node}}


WAITS: list[tuple[str, make.Raw, bool]] = [
    ("a pod that nobody has looked at", make.pod(), True),
    ("one that kube-scheduler could not place", make.pod() | condition("Unschedulable"), True),
    ("whatever its scheduler", make.pod(schedulerName="other"), True),
    ("one that Karpenter would ignore, to be reported", make.pod(nodeSelector={"kubernetes.io/hostname": "x"}), True),
    ("not one with a node", make.pod(nodeName="node-a"), False),
    ("not one on a node that is not in the input", make.pod(nodeName="node-z"), False),
    ("not one that waits for something else", make.pod() | condition("SchedulerError"), False),
    ("not one behind a gate", make.pod(schedulingGates=[{"name": "x"}]), False),
    ("nor one whose condition says so", make.pod() | condition("SchedulingGated"), False),
    ("not one that has ended", make.pod() | {"status": {"phase": "Failed"}}, False),
    ("not one that is being deleted", make.with_field(make.pod(), "metadata.deletionTimestamp", GONE), False),
    ("not one of a DaemonSet", make.owned(make.pod(), "DaemonSet", "agent"), False),
    ("not one of a Node", make.owned(make.pod(), "Node", "node-a"), False),
    ("one of anything else", make.owned(make.pod(), "ReplicaSet", "web"), True),
    ("not one that is nominated to a node of the input", nominated("node-a"), False),
    ("one that is nominated to a node that is not there", nominated("node-z"), True),
    ("one that is nominated to a node in deletion", nominated("node-d"), True),
]


@pytest.mark.parametrize(("pod", "waits"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_pending(pod: make.Raw, waits: bool) -> None:
    """Among two nodes, one of them in deletion."""
    found = snapshot.from_objects([make.node("node-a"), make.node("node-d", deletionTimestamp=GONE), pod])

    assert pending.pending(found) == (list(found.pods.values()) if waits else [])


def test_nominated_pods() -> None:
    """They take their room on the node that they are nominated to."""
    found = snapshot.from_objects([make.node("node-a"), nominated("node-a")])

    assert [pod.name for pod in pending.nominated(found)] == ["web"]


def test_replicas_that_a_workload_stands_for_wait() -> None:
    """All of them."""
    assert waiting(make.workload(replicas=3)) == ["web-0", "web-1", "web-2"]


def test_nodes_in_deletion() -> None:
    """By the Node, or by its claim, which names the Node or the machine."""
    claims = [
        make.node_claim("by-name", nodeName="b"),
        make.node_claim("by-machine", providerID="ovh:///3"),
        make.node_claim("without-node"),
    ]
    for claim in claims:
        claim["metadata"]["deletionTimestamp"] = GONE
    kept = make.node_claim("kept", nodeName="d", providerID="ovh:///4")
    nodes = [make.node(name) for name in "bcd"]
    for number, node in enumerate(nodes, start=2):
        node["spec"]["providerID"] = f"ovh:///{number}"
    found = snapshot.from_objects([make.node("a", deletionTimestamp=GONE), make.node("e"), *nodes, *claims, kept])

    assert pending.deleting_nodes(found) == {"a", "b", "c"}


def moving(pod: make.Raw, *objects: make.Raw, now: int = NOW) -> bool:
    """Whether a pod of a node in deletion needs another place."""
    manifest = make.with_field(pod, "spec.nodeName", "gone")
    found = snapshot.from_objects([make.node("gone", deletionTimestamp=GONE), make.node("stays"), manifest, *objects])
    return bool(pending.reschedulable(found, now))


def labelled(**status: Any) -> make.Raw:
    return make.with_field(make.pod(), "metadata.labels", {"app": "web"}) | {"status": status}


def annotated(value: str, start: str | None = GONE) -> make.Raw:
    pod = make.with_field(make.pod(), "metadata.annotations", {"karpenter.sh/do-not-disrupt": value})
    return pod | {"status": {"startTime": start}}


TERMINATING = make.with_field(make.pod(), "metadata.deletionTimestamp", GONE)
NOT_READY = labelled(conditions=[{"type": "Ready", "status": "False"}])
CLOSED = make.budget(maxUnavailable=0)
USED_UP = make.budget(maxUnavailable=1) | {"status": {"disruptionsAllowed": 0}}
ELSEWHERE = make.with_field(CLOSED, "metadata.namespace", "shop")
FOR_READY_PODS = make.budget(maxUnavailable=0, unhealthyPodEvictionPolicy="AlwaysAllow")
TWO = [make.budget("a", maxUnavailable=1), make.budget("b", maxUnavailable=1)]

MOVES: list[tuple[str, make.Raw, list[make.Raw], bool]] = [
    ("a plain pod moves", make.pod(), [], True),
    ("a DaemonSet's does not", make.owned(make.pod(), "DaemonSet", "agent"), [], False),
    ("a static one does not", make.owned(make.pod(), "Node", "gone"), [], False),
    ("one that has ended does not", make.pod() | {"status": {"phase": "Succeeded"}}, [], False),
    ("one that is being deleted does not", TERMINATING, [], False),
    ("unless a StatefulSet waits for it", make.owned(TERMINATING, "StatefulSet", "db"), [], True),
    ("do-not-disrupt holds it", annotated("true"), [], False),
    ("for its time", annotated("1h"), [], False),
    ("not longer", annotated("59m"), [], True),
    ("also before it has started", annotated("1s", None), [], False),
    ("but not when it cannot be read", annotated("for ever"), [], True),
    ("nor when it is no time", annotated("0s"), [], True),
    ("nor when it is below zero", annotated("-1h"), [], True),
    ("nor when it says no", annotated("false"), [], True),
    ("a budget that can allow it does not hold it", labelled(), [make.budget(minAvailable=1)], True),
    ("nor one that allows none right now", labelled(), [USED_UP], True),
    ("one that never allows any does", labelled(), [CLOSED], False),
    ("in per cent", labelled(), [make.budget(maxUnavailable="0%")], False),
    ("or the other way round", labelled(), [make.budget(minAvailable="100%")], False),
    ("not in another namespace", labelled(), [ELSEWHERE], True),
    ("not for other pods", make.pod(), [CLOSED], True),
    ("an empty selector means all pods", make.pod(), [make.budget(selector={}, maxUnavailable=0)], False),
    ("no selector means none", make.pod(), [make.without_field(CLOSED, "spec.selector")], True),
    ("two budgets hold it, whatever they allow", labelled(), TWO, False),
    ("a budget may let pods go that are not ready", NOT_READY, [FOR_READY_PODS], True),
    ("which ready ones are not", labelled(), [FOR_READY_PODS], False),
]


@pytest.mark.parametrize(("pod", "others", "moves"), [row[1:] for row in MOVES], ids=[row[0] for row in MOVES])
def test_reschedulable(pod: make.Raw, others: list[make.Raw], moves: bool) -> None:
    """One hour after the pod has started, on a node in deletion."""
    assert moving(pod, *others, now=NOW + 3600 - 1) is moves


def test_pods_of_nodes_that_stay_do_not_move() -> None:
    """Only nodes in deletion give pods away."""
    found = snapshot.from_objects([make.node("stays"), make.pod(nodeName="stays")])

    assert pending.reschedulable(found, NOW) == []


@pytest.mark.parametrize(
    ("expression", "labels", "matches"),
    [
        (cluster.Expression("a", "In", ("1", "2")), {"a": "2"}, True),
        (cluster.Expression("a", "In", ("1",)), {}, False),
        (cluster.Expression("a", "NotIn", ("1",)), {"a": "1"}, False),
        (cluster.Expression("a", "NotIn", ("1",)), {}, True),
        (cluster.Expression("a", "Exists"), {"a": ""}, True),
        (cluster.Expression("a", "Exists"), {}, False),
        (cluster.Expression("a", "DoesNotExist"), {}, True),
        (cluster.Expression("a", "DoesNotExist"), {"a": ""}, False),
    ],
)
def test_label_selectors(expression: cluster.Expression, labels: dict[str, str], matches: bool) -> None:
    """A label that is missing satisfies the two negative operators."""
    assert pending.selects(cluster.Selector((expression,)), labels) is matches
