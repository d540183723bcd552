"""Disruptions under way, as they are found in the cluster."""

from __future__ import annotations

import json

import pytest

from controller import settings
from controller.loops import commands
from tests.controller.loops import make

NOW = make.T0_SECONDS + 60
OLD = make.claim("old", make.condition("DisruptionReason", reason="Underutilized"))


def replacement(name: str, *conditions: make.Object, by: int = 1, **metadata: str) -> make.Object:
    said = json.dumps({"claims": ["uid-old"], "by": by})
    return make.claim(name, *conditions, annotations={"karpenter.ovhcloud.sh/replaces": said}, **metadata)


def verdict(*claims: make.Object, now: float = NOW, node: make.Object | None = None) -> commands.Verdict:
    by, needed = commands.replacements(claims).get("uid-old", ([], 0))
    return commands.verdict(OLD, node, by, needed, settings.Settings(), now)


def test_a_node_goes_when_all_that_replace_it_are_ready():
    """One of two is not enough."""
    ready = replacement("x", make.condition("Initialized"), by=2)

    assert verdict(ready, replacement("y", by=2)) == commands.Verdict()
    assert verdict(ready, replacement("y", make.condition("Initialized"), by=2)).goes


@pytest.mark.parametrize(
    "claims",
    [
        [],
        [replacement("x", make.condition("Initialized"), by=2)],
        [replacement("x", make.condition("Initialized"), deletionTimestamp=make.T0)],
    ],
)
def test_a_node_is_given_back_when_a_replacement_is_missing(claims):
    """None was written before a crash, one of two was not, or one is given up."""
    assert verdict(*claims).back == "a replacement is missing"


def test_patience_with_replacements_ends():
    """Twice what a node may take to register, and the time to launch."""
    slow = replacement("x")

    assert verdict(slow, now=make.T0_SECONDS + 35 * 60) == commands.Verdict()
    assert verdict(slow, now=make.T0_SECONDS + 36 * 60).back == "its replacements are not ready in time"


def test_who_forbids_it_meanwhile_is_heard():
    """Nothing is drained that has do-not-disrupt by then."""
    ready = replacement("x", make.condition("Initialized"))
    node = make.node(annotations={"karpenter.sh/do-not-disrupt": "true"})

    assert verdict(ready, node=node).back


def test_an_annotation_that_says_nothing_replaces_nothing():
    """Whoever wrote it."""
    odd = [make.claim(f"c{n}", annotations={"karpenter.ovhcloud.sh/replaces": t}) for n, t in enumerate(["x", "[]"])]

    assert not commands.replacements(odd)
