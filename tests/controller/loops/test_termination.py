"""Nodes on their way out."""

from __future__ import annotations

import pytest

from controller import world
from controller.kube import conditions, kinds
from controller.loops import termination
from tests.controller.loops import make, stage

LISTED = frozenset({"openstack:///kept"})


@pytest.mark.parametrize(
    ("machine", "asked", "stays"),
    [("kept", None, None), ("kept", 100.9, None), ("kept", 101, True), ("exchanged", 101, False)],
)
def test_whether_a_machine_stays_is_what_ovh_says_after_its_node_was_deleted(machine, asked, stays):
    """A listing from before the deletion says nothing: MKS may have begun to exchange the machine since."""
    listed = None if asked is None else world.Machines(LISTED, asked)

    assert termination.machine_stays(f"openstack:///{machine}", listed, 100.0) is stays


@pytest.mark.parametrize(("machine", "behind"), [("a", False), ("b", True), ("", True)])
def test_the_node_of_an_exchanged_machine_is_left_behind(machine, behind):
    """Its claim has another machine by now, or none yet."""
    claim = make.claim("general-a")
    claim["status"]["providerID"] = f"openstack:///{machine}" if machine else ""
    node = make.node("node-a", ownerReferences=[{"kind": "NodeClaim", "uid": "uid-general-a"}])
    node["spec"]["providerID"] = "openstack:///a"

    assert termination.left_behind([node], [claim]) == ([(node, claim)] if behind else [])


def attachment(name: str, node: str = "node-a", volume: str = "pv-1") -> make.Object:
    source: make.Object = {"persistentVolumeName": volume} if volume else {"inlineVolumeSpec": {}}
    return {"metadata": {"name": name}, "spec": {"attacher": "cinder", "nodeName": node, "source": source}}


def test_volumes_of_pods_that_stay_with_the_node_are_not_waited_for():
    """Nor those of other nodes, nor those without a PersistentVolume; pods that have ended keep none."""
    daemon = make.pod("agent-x", "node-a", owner="DaemonSet")
    daemon["spec"]["volumes"] = [{"name": "logs", "ephemeral": {}}, {"name": "tmp", "emptyDir": {}}]
    ended = make.pod("job-x", "node-a", owner="Job")
    ended["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    ended["status"]["phase"] = "Succeeded"
    claims = {
        "default/agent-x-logs": {"spec": {"volumeName": "pv-logs"}},
        "default/data": {"spec": {"volumeName": "pv-data"}},
    }
    attached = [
        attachment("b", volume="pv-data"),
        attachment("a", volume="pv-other"),
        attachment("c", volume="pv-logs"),
        attachment("d", "node-b"),
        attachment("e", volume=""),
    ]

    assert termination.to_detach(attached, "node-a", [daemon, ended], claims) == ["a", "b"]


def leaving(period: str = "") -> tuple[stage.Stage, termination.Termination]:
    """A drained node whose claim is deleted, with a volume that is still attached."""
    on = stage.Stage(drained_delay=0.0)
    on.node_pool()
    on.machine("going", "b3-8")
    claim = on.get(kinds.NODE_CLAIM, "going")
    claim["metadata"]["deletionTimestamp"] = make.T0
    if period:
        claim["spec"]["terminationGracePeriod"] = period
    on.put(kinds.NODE_CLAIM, claim)
    on.put(kinds.VOLUME_ATTACHMENT, attachment("csi-1", "node-going"))
    loop = termination.Termination(on.world, lambda: None)
    for _ in range(3):
        loop.reconcile()
    return on, loop


def volumes(on: stage.Stage) -> tuple[str, str]:
    found = conditions.find(on.claims()["going"], "VolumesDetached") or {}
    return found.get("status", ""), found.get("reason", "")


def test_the_machine_waits_until_volumes_are_detached():
    """The Node says which; without a deadline it waits as long as it takes."""
    on, loop = leaving()
    on.now += 3600
    loop.reconcile()
    assert conditions.is_true(on.claims()["going"], "Drained")
    assert volumes(on) == ("Unknown", "AwaitingVolumeDetachment")
    note = "Awaiting deletion of bound volumeattachments (csi-1)"
    assert ("node-going", "AwaitingVolumeDetachment", note) in on.said.events
    on.delete(kinds.VOLUME_ATTACHMENT, "csi-1")
    loop.reconcile()

    assert volumes(on)[0] == "True"


def test_a_deadline_goes_before_volumes():
    """terminationGracePeriod: the machine goes with its volumes attached."""
    on, loop = leaving("2m")
    on.now += 100
    loop.reconcile()
    assert volumes(on) == ("Unknown", "AwaitingVolumeDetachment")
    on.now += 30
    loop.reconcile()

    assert volumes(on) == ("False", "TerminationGracePeriodElapsed")
