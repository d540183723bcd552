"""From machine to ready node."""

from __future__ import annotations

import pytest

from controller import settings
from controller.loops import lifecycle
from tests.controller.loops import make

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
DEDICATED = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
STARTUP = {"key": "example.com/agent", "effect": "NoSchedule"}


def test_registration_gives_the_node_its_owner_labels_taints_and_finalizer():
    """One patch on the node that was read, with everything; taints that are there stay."""
    claim = make.claim()
    claim["spec"] |= {"taints": [DEDICATED], "startupTaints": [STARTUP]}
    patch = lifecycle.registration(claim, make.node("n", NOT_READY)) or {}

    assert patch["metadata"]["resourceVersion"] == "7"
    assert patch["metadata"]["finalizers"] == ["karpenter.sh/termination"]
    assert patch["metadata"]["labels"]["karpenter.sh/registered"] == "true"
    assert patch["metadata"]["ownerReferences"][0]["uid"] == "uid-general-a"
    assert patch["spec"]["taints"] == [NOT_READY, DEDICATED, STARTUP]


def test_startup_taints_come_once():
    """A node that is registered gets no startup taint again: whoever removed it meant it."""
    claim = make.claim()
    claim["spec"] |= {"startupTaints": [STARTUP]}
    labels = {**claim["metadata"]["labels"], "karpenter.sh/registered": "true"}
    owner = [{"kind": "NodeClaim", "uid": "uid-general-a"}]
    node = make.node("n", labels=labels, finalizers=["karpenter.sh/termination"], ownerReferences=owner)

    assert lifecycle.registration(claim, node) is None


def test_a_taint_of_the_node_goes_before_the_claims():
    """Key and effect decide; the value that the node has stays."""
    claim = make.claim()
    claim["spec"] |= {"taints": [DEDICATED]}
    mine = {**DEDICATED, "value": "other"}
    patch = lifecycle.registration(claim, make.node("n", mine)) or {}

    assert "spec" not in patch


@pytest.mark.parametrize(
    ("taints", "ready", "requests", "reason"),
    [
        ([], False, {}, "NodeNotReady"),
        ([STARTUP], True, {}, "StartupTaintsExist"),
        ([NOT_READY], True, {}, "KnownEphemeralTaintsExist"),
        ([{"key": "readiness.k8s.io/net", "effect": "NoSchedule"}], True, {}, "KnownEphemeralTaintsExist"),
        ([], True, {"nvidia.com/gpu": "1"}, "ResourceNotRegistered"),
    ],
)
def test_what_keeps_a_node_from_being_initialized(taints, ready, requests, reason):
    """Readiness, startup taints, taints that go by themselves, resources: in this order."""
    claim = make.claim()
    claim["spec"] |= {"startupTaints": [STARTUP], "resources": {"requests": requests}}

    why_not = lifecycle.uninitialized(claim, make.node("n", *taints, ready=ready))

    assert why_not is not None
    assert why_not[0] == reason


def test_a_complete_node_is_initialized():
    """Our own reservation does not count."""
    claim = make.claim()
    claim["spec"]["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
    reserved = {"key": "karpenter.ovhcloud.sh/reserved", "value": "x", "effect": "NoSchedule"}

    assert lifecycle.uninitialized(claim, make.node("n", reserved)) is None


@pytest.mark.parametrize(
    ("launched", "gpus", "minutes", "reason"),
    [
        ("Unknown", 0, 4, None),
        ("Unknown", 0, 6, "launch_timeout"),
        ("True", 0, 14, None),
        ("True", 0, 16, "registration_timeout"),
        ("True", 1, 79, None),
        ("True", 1, 81, "registration_timeout"),
    ],
)
def test_patience_depends_on_the_flavor(launched, gpus, minutes, reason):
    """5 minutes to be accepted, 15 to join, 80 with a GPU."""
    claim = make.claim("a", make.condition("Launched", launched), make.condition("Registered", "Unknown"))

    assert reason == lifecycle.overdue(claim, settings.Settings(), gpus, make.T0_SECONDS + 60 * minutes)


def test_a_registered_claim_is_never_given_up():
    """Upstream has no time limit for initialization."""
    claim = make.claim("a", make.condition("Launched"), make.condition("Registered"))

    assert lifecycle.overdue(claim, settings.Settings(), 0, make.T0_SECONDS + 1e6) is None
