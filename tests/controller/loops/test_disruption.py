"""Emptiness and budgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from controller import settings
from controller.loops import disruption
from crds import nodepool, validation
from tests.controller.loops import make

NOW = make.T0_SECONDS + 3600


def pool(**spec: Any) -> nodepool.NodePool:
    reference = {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"}
    raw = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": "general"},
        "spec": {"template": {"spec": {"nodeClassRef": reference, "requirements": []}}, **spec},
    }
    return validation.parse_nodepool(raw)


def candidate(
    name: str = "a",
    pods: Sequence[make.Object] = (),
    *,
    nominated: bool = False,
    hourly: int = 0,
    quiet: bool = True,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> disruption.Candidate:
    states = [make.condition("Initialized"), *([make.condition("Consolidatable")] if quiet else [])]
    node = make.node(f"node-{name}", labels={"karpenter.sh/initialized": "true"}, annotations=annotations or {})
    return disruption.Candidate(make.claim(name, *states), node, pool(**spec), pods, nominated, hourly)


def names(proposals: Sequence[disruption.Proposal]) -> list[str]:
    return [each.claim for each in proposals]


def test_quiet_nodes_without_pods_of_their_own_are_empty():
    """Daemons, finished pods and pods on their way out do not count; the dearest node comes first."""
    done = make.pod("done", "node-b")
    done["status"]["phase"] = "Succeeded"
    leaving = make.pod("leaving", "node-b", deletionTimestamp=make.T0)
    found = disruption.emptiness(
        [
            candidate("a", [make.pod("ds", "node-a", owner="DaemonSet")], hourly=1),
            candidate("b", [done, leaving], hourly=2),
            candidate("c", [make.pod("web", "node-c")]),
        ],
        NOW,
    )

    assert names(found) == ["b", "a"]


@pytest.mark.parametrize(
    "kept",
    [
        candidate(nominated=True),
        candidate(quiet=False),
        candidate(annotations={"karpenter.sh/do-not-disrupt": "true"}),
        candidate(pods=[make.pod("ds", "n", owner="DaemonSet", annotations={"karpenter.sh/do-not-disrupt": "true"})]),
    ],
)
def test_what_keeps_an_empty_node(kept):
    """A pod on its way, a pod event too fresh, do-not-disrupt on the node or on any of its pods."""
    assert not disruption.emptiness([kept], NOW)


def test_a_terminating_pod_of_a_statefulset_keeps_its_node():
    """It comes back under the same name."""
    pod = make.pod("db-0", "node-a", owner="StatefulSet", deletionTimestamp=make.T0)

    assert not disruption.emptiness([candidate(pods=[pod])], NOW)


@pytest.mark.parametrize(("after", "seconds", "quiet"), [("30s", 29, False), ("30s", 30, True), ("Never", 1e6, False)])
def test_consolidate_after_counts_from_the_last_pod(after, seconds, quiet):
    """Never means never."""
    of = pool(disruption={"consolidateAfter": after})
    claim = make.claim("a", make.condition("Initialized"))

    assert quiet == disruption.consolidatable(claim, of, NOW, NOW + seconds)


@pytest.mark.parametrize(("nodes", "expected"), [("1", 1), ("50%", 2), ("0", 0), ("100%", 4)])
def test_budgets_bound_how_many_go_at_once(nodes, expected):
    """Of four empty nodes, as many as the budget says."""
    all_of = {n: candidate(n, disruption={"budgets": [{"nodes": nodes}]}) for n in "abcd"}
    proposals = [disruption.Proposal(n, "Empty") for n in all_of]
    kept = disruption.within_budgets(proposals, all_of, [each.claim for each in all_of.values()], (), int(NOW))

    assert expected == len(kept)


def test_nodes_on_their_way_out_use_the_budget_up():
    """One of two allowed is in deletion and one is not ready: nothing more may go."""
    all_of = {n: candidate(n, disruption={"budgets": [{"nodes": "2"}]}) for n in "abcd"}
    claims = [each.claim for each in all_of.values()]
    claims[0]["metadata"]["deletionTimestamp"] = make.T0

    kept = disruption.within_budgets([disruption.Proposal("c", "Empty")], all_of, claims, {"b"}, int(NOW))

    assert not kept


def test_a_proposal_must_stand_for_the_validation_delay():
    """One pass without it starts the time again."""
    given = settings.Settings(validation_delay=15)
    proposal = [disruption.Proposal("a", "Empty")]
    since: dict[tuple[str, str], float] = {}

    assert not disruption.standing(proposal, since, given, 0)
    assert not disruption.standing(proposal, since, given, 14)
    assert proposal == disruption.standing(proposal, since, given, 15)
    disruption.standing([], since, given, 16)
    assert not disruption.standing(proposal, since, given, 20)


def test_a_claim_expires_after_its_time():
    """Never, or so long after its creation."""
    claim = make.claim()
    claim["spec"]["expireAfter"] = "1h"

    assert not disruption.expired(claim, make.T0_SECONDS + 3599)
    assert disruption.expired(claim, make.T0_SECONDS + 3600)
    claim["spec"]["expireAfter"] = "Never"
    assert not disruption.expired(claim, make.T0_SECONDS + 1e9)
