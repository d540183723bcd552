"""Conditions that say of a claim whether it may go."""

from __future__ import annotations

from typing import Any

import pytest

from catalog import catalogue
from controller.loops import drift, marks
from crds import nodepool, validation
from tests.controller.loops import make

NOW = make.T0_SECONDS + 3700
HASHES = ("karpenter.sh/nodepool-hash", "karpenter.sh/nodepool-hash-version")
CLASS = {"metadata": {"name": "default"}, "spec": {"serviceName": "p", "kubeId": "k", "region": "GRA7"}}


def raw_pool(requirements: list[dict[str, Any]] | None = None, **spec: Any) -> make.Object:
    reference = {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": "default"}
    template = {"spec": {"nodeClassRef": reference, "requirements": requirements or []}}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": "general", "annotations": dict(zip(HASHES, ("1", "v"), strict=True))},
        "spec": {"template": template, **spec},
    }


def parsed(raw: make.Object) -> nodepool.NodePool:
    return validation.parse_nodepool(raw)


def claim(**annotations: str) -> make.Object:
    made = make.claim(annotations={**dict(zip(HASHES, ("1", "v"), strict=True)), **drift.class_marks(CLASS)})
    made["metadata"]["annotations"] |= {key.replace("__", "/"): value for key, value in annotations.items()}
    made["metadata"]["labels"] |= {"topology.kubernetes.io/zone": "nova"}
    return made


def why(of: make.Object, pool: make.Object, node_class: make.Object = CLASS, *flavors: str) -> str | None:
    known = catalogue.embedded()
    sold = catalogue.Catalogue({name: known.flavors[name] for name in flavors or ("b3-8",)}, "test")
    return drift.reason(of, pool, parsed(pool), node_class, sold, NOW)


@pytest.mark.parametrize(("after", "seconds", "quiet"), [("30s", 29, False), ("30s", 30, True), ("Never", 1e6, False)])
def test_consolidate_after_counts_from_the_last_pod(after, seconds, quiet):
    """Never means never."""
    of = parsed(raw_pool(disruption={"consolidateAfter": after}))
    found = make.claim("a", make.condition("Initialized"))

    assert quiet == marks.consolidatable(found, of, NOW, NOW + seconds)


def test_a_claim_as_its_pool_and_class_want_it_has_not_drifted():
    """Same hashes, requirements fulfilled, the flavor is sold."""
    wanted = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["b3-8"]}

    assert why(claim(), raw_pool([wanted])) is None


def test_another_template_is_drift_unless_it_was_hashed_in_another_way():
    """An update of the controller drifts nothing."""
    pool = raw_pool()
    pool["metadata"]["annotations"][HASHES[0]] = "2"

    assert why(claim(), pool) == "NodePoolDrifted"
    pool["metadata"]["annotations"][HASHES[1]] = "w"
    assert why(claim(), pool) is None


@pytest.mark.parametrize(
    ("key", "operator", "values", "drifted"),
    [
        ("topology.kubernetes.io/zone", "In", ["gra7-a"], False),
        ("topology.kubernetes.io/zone", "In", ["eu-west-par-a"], True),
        ("beta.kubernetes.io/instance-type", "In", ["b3-8", "b3-16"], False),
        ("node.kubernetes.io/instance-type", "NotIn", ["b3-8"], True),
        ("example.com/other", "Exists", [], True),
        ("example.com/other", "NotIn", ["x"], False),
    ],
)
def test_labels_that_requirements_no_longer_allow_are_drift(key, operator, values, drifted):
    """Zones are read as nodes carry them, old names as new ones; a missing label fulfils NotIn only."""
    pool = raw_pool([{"key": key, "operator": operator, "values": values}])

    assert why(claim(), pool) == ("RequirementsDrifted" if drifted else None)


def test_a_flavor_that_is_not_sold_any_more_is_drift_after_an_hour():
    """Not at once: a catalogue may be incomplete for a moment."""
    of = claim()

    assert why(of, raw_pool(), CLASS, "b3-16") == "InstanceTypeNotFound"
    of["metadata"]["creationTimestamp"] = "2026-01-01T00:30:00Z"
    assert why(of, raw_pool(), CLASS, "b3-16") is None


@pytest.mark.parametrize(
    ("change", "drifted"),
    [
        ({"monthlyBilled": True}, True),
        ({"monthlyBilled": False}, False),
        ({"antiAffinity": True}, True),
        ({"credentialsSecretRef": {"name": "other"}}, False),
    ],
)
def test_what_of_a_node_class_makes_drift(change, drifted):
    """What decides how nodes are bought, but not with which credentials; an explicit default is no change."""
    assert why(claim(), raw_pool(), {**CLASS, "spec": {**CLASS["spec"], **change}}) == (
        "NodeClassDrifted" if drifted else None
    )
