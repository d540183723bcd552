"""OVH refuses, answers badly, or the controller dies: on a real control plane, against the simulator."""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import pathlib
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import controlplane, running
from tests.e2e.test_walkthrough import CRDS, get, manifests

OVH = dict[str, str]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


@contextlib.contextmanager
def installed(
    folder: pathlib.Path, *, speed: float = 60, region: str = "GRA11", **plane_options: Any
) -> Iterator[tuple[controlplane.ControlPlane, OVH]]:
    """A control plane with definitions and the example, and an OVH; no controller yet."""
    with (
        controlplane.ControlPlane(**plane_options) as plane,
        running.simulator(plane, folder, speed=speed, region=region) as ovh,
    ):
        plane.run("kubectl", "apply", "-f", str(CRDS))
        plane.run("kubectl", "create", "namespace", "karpenter")
        plane.run("kubectl", "apply", "-f", "-", stdin=manifests(0).replace("GRA11", region))
        yield plane, ovh


def bound(plane: controlplane.ControlPlane) -> int:
    return sum(bool(pod["spec"].get("nodeName")) for pod in get(plane, "pods"))


def scale(plane: controlplane.ControlPlane, replicas: int) -> None:
    plane.run("kubectl", "scale", "deployment/inflate", f"--replicas={replicas}")


def pools(ovh: OVH) -> list[dict[str, Any]]:
    return list(running.order(ovh, "GET", "/control/state")["pools"].values())


def writes(ovh: OVH) -> list[dict[str, Any]]:
    return [call for call in running.order(ovh, "GET", "/control/calls") if call["method"] != "GET"]


def all_gone(plane: controlplane.ControlPlane, ovh: OVH) -> bool:
    return not get(plane, "nodes") and not get(plane, "nodeclaims") and not pools(ovh)


def test_a_flavor_that_is_out_of_stock_is_replaced_by_the_next_best(control_plane_built, tmp_path):
    """Both flavors of the first plan are sold out: others are bought, and these are asked for once each."""
    with installed(tmp_path) as (plane, ovh), running.controller(plane, ovh, tmp_path) as controller:
        for flavor in ("b3-16", "b3-32"):
            running.order(ovh, "PUT", "/control/stock", {"flavor": flavor, "left": 0})
        running.until(controller.ready, "the controller is ready")
        scale(plane, 10)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 120)
        kinds = collections.Counter(
            n["metadata"]["labels"]["node.kubernetes.io/instance-type"] for n in get(plane, "nodes")
        )
        assert not {"b3-16", "b3-32"} & set(kinds)
        text = controller.log.read_text()
        raised = re.findall(r"resizing pool  pool=karpenter-(\S+)-nova  from=(\d+)  to=(\d+)", text)
        assert not [each for each in raised if each[0] in ("b3-16", "b3-32") and int(each[2]) > int(each[1])]
        asked = [json.dumps(call) for call in writes(ovh) if call["method"] == "POST"]
        assert all(
            sum(f'"{name}"' in each or f"-{name}-" in each for each in asked) <= 1 for name in ("b3-16", "b3-32")
        )


def test_a_creation_that_acted_without_an_answer_makes_one_pool(control_plane_built, tmp_path):
    """The connection is cut after OVH has made the pool: it is found again, not made again."""
    with installed(tmp_path) as (plane, ovh), running.controller(plane, ovh, tmp_path) as controller:
        running.order(ovh, "POST", "/control/faults", {"kind": "cut", "method": "POST", "path": "*/nodepool"})
        running.until(controller.ready, "the controller is ready")
        scale(plane, 10)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 90)
        names = [pool["name"] for pool in pools(ovh)]
        assert len(names) == len(set(names))
        assert len(get(plane, "nodes")) == len(get(plane, "nodeclaims"))


def test_a_node_deleted_by_hand(control_plane_built, tmp_path):
    """A deletion with kubectl drains the node, takes its machine away, and its pods find another one."""
    with installed(tmp_path) as (plane, ovh), running.controller(plane, ovh, tmp_path) as controller:
        running.until(controller.ready, "the controller is ready")
        scale(plane, 10)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 90)
        running.until(lambda: all(_initialized(c) for c in get(plane, "nodeclaims")), "claims are initialized", 30)
        victim = get(plane, "nodes")[0]["metadata"]["name"]
        plane.run("kubectl", "delete", "node", victim, "--wait=false")
        running.until(
            lambda: victim not in {n["metadata"]["name"] for n in get(plane, "nodes")} and bound(plane) == 10,
            "the node is gone and its pods run elsewhere",
            120,
        )
        running.until(lambda: all(_initialized(c) for c in get(plane, "nodeclaims")), "claims are initialized", 60)
        scale(plane, 0)
        running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)


def test_a_node_that_mks_exchanges_is_adopted(control_plane_built, tmp_path):
    """
    On the plan standard auto-repair brings another machine: the claim takes it, and nothing is bought or lost.

    That holds whether the old machine leaves long after the new one is there or long before.
    """
    with (
        installed(tmp_path, region="EU-WEST-PAR") as (plane, ovh),
        running.controller(plane, ovh, tmp_path) as controller,
    ):
        running.until(controller.ready, "the controller is ready")
        scale(plane, 10)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 90)
        running.until(lambda: all(_initialized(c) for c in get(plane, "nodeclaims")), "claims are initialized", 30)
        before = _machines(plane)
        for timings in ({"boot": [60, 60], "removal": [600, 600]}, {"boot": [600, 600], "removal": [10, 10]}):
            running.order(ovh, "PATCH", "/control/timings", timings)
            name, node_id = sorted(_machines(plane).items())[0]
            running.order(ovh, "POST", f"/control/nodes/{node_id}/exchange")
            running.until(functools.partial(_has_another, plane, name, node_id), "it is adopted", 120)
            running.until(lambda: all(_initialized(c) for c in get(plane, "nodeclaims")), "claims are initialized", 60)
            running.until(lambda: len(get(plane, "nodes")) == len(before), "the old Node is gone", 60)
        assert set(before) == set(_machines(plane))
        assert not [call for call in writes(ovh) if call["method"] == "PUT" and "nodesToRemove" in json.dumps(call)]


def _initialized(claim: dict[str, Any]) -> bool:
    return any(
        c["type"] == "Initialized" and c["status"] == "True" for c in claim.get("status", {}).get("conditions", [])
    )


def _has_another(plane: controlplane.ControlPlane, claim: str, node_id: str | None) -> bool:
    return _machines(plane).get(claim) not in (None, node_id)


def _machines(plane: controlplane.ControlPlane) -> dict[str, str | None]:
    return {
        c["metadata"]["name"]: c["metadata"]["annotations"].get("karpenter.ovhcloud.sh/ovh-node-id")
        for c in get(plane, "nodeclaims")
    }


def reserved(plane: controlplane.ControlPlane) -> list[str]:
    """Nodes that are held for planned pods."""
    return [
        node["metadata"]["name"]
        for node in get(plane, "nodes")
        if any(taint["key"].endswith("/reserved") for taint in node["spec"].get("taints") or [])
    ]


def test_a_node_that_never_joins_is_given_up(control_plane_built, tmp_path):
    """Its machine goes, its pods get another flavor, and the first one is not asked for again."""
    with (
        installed(tmp_path) as (plane, ovh),
        running.controller(plane, {**ovh, "REGISTRATION_TIMEOUT": "10s"}, tmp_path) as controller,
    ):
        running.order(ovh, "POST", "/control/stillborn", {"count": 2, "flavor": "b3-16"})
        running.until(controller.ready, "the controller is ready")
        scale(plane, 10)
        running.until(lambda: "registration_timeout" in controller.log.read_text(), "it is given up", 90)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 90)
        running.until(
            lambda: len(get(plane, "nodes")) == len(get(plane, "nodeclaims")) == _machines_wanted(ovh),
            "no machine is left over",
            90,
        )
        creations = [call for call in writes(ovh) if call["method"] == "POST" and "b3-16" in json.dumps(call)]
        assert len(creations) == 1


def test_a_deletion_that_is_refused_is_asked_for_again_and_not_in_a_hurry(control_plane_built, tmp_path):
    """The pool is UPSCALING, says OVH: it goes when it may, and other pools are not held up by it."""
    with installed(tmp_path) as (plane, ovh), running.controller(plane, ovh, tmp_path) as controller:
        running.until(controller.ready, "the controller is ready")
        scale(plane, 10)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 90)
        first = sorted(pool["id"] for pool in pools(ovh))[0]
        fault = {"kind": "busy", "method": "DELETE", "path": f"*/nodepool/{first}", "count": 3}
        running.order(ovh, "POST", "/control/faults", fault)
        scale(plane, 0)
        running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)
        deletions = [call for call in writes(ovh) if call["method"] == "DELETE" and first in call["path"]]
        assert [call["status"] for call in deletions][:4] == [400, 400, 400, 200]
        assert len(deletions) == 4


def test_a_watch_that_is_cut_and_too_old_loses_nothing(control_plane_built, tmp_path):
    """The API server goes away, and what has happened meanwhile is compacted away: everything is listed anew."""
    with installed(tmp_path) as (plane, ovh), running.controller(plane, ovh, tmp_path) as controller:
        running.until(controller.ready, "the controller is ready")
        plane.run("kubectl", "wait", "nodepool/general", "--for=condition=Ready", "--timeout=60s")
        scale(plane, 3)
        running.until(lambda: bound(plane) == 3, "three pods are bound", 90)
        controller.process.send_signal(signal.SIGSTOP)
        try:
            scale(plane, 10)
            running.until(lambda: len(get(plane, "pods")) == 10, "ten pods are there", 30)
            newest = max(int(pod["metadata"]["resourceVersion"]) for pod in get(plane, "pods"))
            plane.stop("kube-apiserver")
            plane.compact(newest)
            plane.start("kube-apiserver")
        finally:
            controller.process.send_signal(signal.SIGCONT)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 120)
        scale(plane, 0)
        running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)
        assert "watch expired, listing again" in controller.log.read_text()


UP = (
    "created nodeclaim",
    "creating pool",
    "launched nodeclaim",
    "registered nodeclaim",
    "reserved node",
    "initialized nodeclaim",
)
DOWN = ("disrupting node", "drained node", "resizing pool", "deleted node", "deleted nodeclaim")


def _machines_wanted(ovh: OVH) -> int:
    return sum(pool["desired"] for pool in pools(ovh))


def killed_at(mark: str, plane: controlplane.ControlPlane, ovh: OVH, folder: pathlib.Path, seconds: float = 60) -> bool:
    """Run a controller until it logs a step, and kill it there; whether it came to that step."""
    with running.controller(plane, ovh, folder, name=mark.replace(" ", "-")) as controller:
        deadline = time.monotonic() + seconds
        while mark not in (text := controller.log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        controller.process.kill()
        controller.process.wait()
    names = [pool["name"] for pool in pools(ovh)]
    assert len(names) == len(set(names)), mark
    return mark in text


def test_killed_at_every_turn_the_end_is_the_same(control_plane_built, tmp_path):
    """
    SIGKILL right after each kind of step: all pods run, then nothing is left, and no pool is double.

    Each step up has ten more pods to buy for, so that it is really taken.
    """
    with installed(tmp_path, speed=20) as (plane, ovh):
        reached = []
        for number, mark in enumerate(UP, 1):
            scale(plane, 10 * number)
            reached.append(killed_at(mark, plane, ovh, tmp_path))
        with running.controller(plane, ovh, tmp_path, name="up"):
            running.until(lambda: bound(plane) == 10 * len(UP), "all pods are bound", 120)
            running.until(
                lambda: _machines_wanted(ovh) == len(get(plane, "nodes")) == len(get(plane, "nodeclaims")),
                "as many machines as claims",
                60,
            )
            running.until(lambda: not reserved(plane), "nothing is reserved any more", 60)
        assert all(reached)
        scale(plane, 0)
        down = [killed_at(mark, plane, ovh, tmp_path, 20) for mark in DOWN]
        with running.controller(plane, ovh, tmp_path, name="down"):
            running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)
        # The nodes go together, so a later step may be over before its turn comes.
        assert sum(down) >= 4


def leads(of: running.Controller) -> bool:
    return of.metrics().get("karpenter_ovhcloud_leading") == 1


def test_another_replica_goes_on_where_the_leader_ends(control_plane_built, tmp_path):
    """
    The first is told to end while nodes are ordered, the second is killed while they boot: one works at a time, nothing is
    bought twice, and all pods run.
    """
    with installed(tmp_path, speed=20) as (plane, ovh), contextlib.ExitStack() as replicas:
        ovh = {**ovh, "DISABLE_LEADER_ELECTION": "false"}
        found = []
        for name in ("first", "second", "third"):
            found.append(replicas.enter_context(running.controller(plane, ovh, tmp_path, name=name)))
            running.until(found[-1].ready, "the controller is ready")
            running.until(lambda: leads(found[0]), "the first one leads", 30)
        first, second, third = found
        assert not leads(second)
        assert not leads(third)
        scale(plane, 10)
        running.until(lambda: get(plane, "nodeclaims"), "claims are written", 30, 0.1)
        began = time.monotonic()
        first.process.terminate()
        assert first.process.wait(20) == 0
        running.until(lambda: leads(second) or leads(third), "another one leads", 30, 0.1)
        # The Lease was given up: nobody waits until it has run out.
        assert time.monotonic() - began < 14
        heir, last = (second, third) if leads(second) else (third, second)
        running.until(lambda: pools(ovh), "nodes are ordered", 30, 0.1)
        heir.process.kill()
        running.until(lambda: leads(last), "the last one leads", 40)
        running.until(lambda: bound(plane) == 10, "ten pods are bound", 90)
        assert _machines_wanted(ovh) == len(get(plane, "nodes")) == len(get(plane, "nodeclaims"))
        running.until(lambda: not reserved(plane), "nothing is reserved any more", 60)
        scale(plane, 0)
        running.until(lambda: all_gone(plane, ovh), "everything is gone", 120)
        assert "Traceback" not in "".join(each.log.read_text() for each in found)


def test_a_dry_run_writes_nothing(control_plane_built, tmp_path):
    """The audit log has events only, and OVH's log of calls no write."""
    with installed(tmp_path, audit=True, users={"dry": ("system:masters",)}) as (plane, ovh):
        ovh = {**ovh, "KUBECONFIG": str(plane.kubeconfig_of("dry"))}
        scale(plane, 10)
        with running.controller(plane, ovh, tmp_path, "--dry-run", "--kubeconfig", ovh["KUBECONFIG"]) as controller:
            running.until(lambda: "computed new nodeclaim" in controller.log.read_text(), "a plan is made", 60)
            time.sleep(2)
        written = {event["objectRef"]["resource"] for event in plane.audit_events(user="dry", writes_only=True)}
        assert written <= {"events"}
        assert not writes(ovh)
