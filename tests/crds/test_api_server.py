"""The generated definitions in a real API server: it accepts, refuses, fills in and explains what the models say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from crds import generate
from tests.crds import manifests, test_guide_examples, test_nodepool
from tests.e2e import controlplane
from tests.e2e.controlplane import binaries, client

pytestmark = pytest.mark.e2e

ABSENT = manifests.ABSENT

ONLY_WE_REFUSE = {
    "metadata.name",
    "spec.limits.cpu",
    "spec.limits.memory",
    "spec.template.metadata.labels[my team]",
    "spec.template.spec.requirements[0].key",
    "spec.template.spec.requirements[0].values",
    "spec.template.spec.requirements[0].values[0]",
    "spec.template.spec.expireAfter",
    "spec.template.spec.taints",
    "spec.disruption.budgets[1].schedule",
}
"""Fields with mistakes that no schema finds; upstream finds them in the stored pool, or when it uses the value."""


@pytest.fixture(scope="module")
def api() -> Iterator[controlplane.ControlPlane]:
    """An API server that knows the three kinds."""
    if missing := binaries.missing():
        pytest.skip(missing)
    with controlplane.ControlPlane(components=("etcd", "kube-apiserver")) as plane:
        for text in generate.manifests().values():
            plane.client.create(yaml.safe_load(text))
        for kind in generate.KINDS:
            plane.run(
                "kubectl", "wait", "--for=condition=Established", "--timeout=30s", f"crd/{kind.plural}.{kind.group}"
            )
        yield plane


def attempt(plane: controlplane.ControlPlane, manifest: dict[str, Any], *, keep: bool = False) -> str:
    """Create an object, unknown fields refused; the server's complaint, or nothing when it is taken."""
    group, plural = next(
        (f"{kind.group}/{kind.version}", kind.plural)
        for kind in generate.KINDS
        if kind.model.__name__.lower() == str(manifest.get("kind")).lower()
    )
    query = {"fieldValidation": "Strict"} | ({} if keep else {"dryRun": "All"})
    try:
        plane.client.request("POST", f"/apis/{group}/{plural}", manifest, query=query)
    except client.ApiError as error:
        return error.message
    return ""


@pytest.mark.parametrize(("path", "value"), test_nodepool.ACCEPTED)
def test_accepted(api, path, value):
    """What the models accept, the API server accepts."""
    assert attempt(api, manifests.changed(manifests.NODEPOOL, path, value)) == ""


@pytest.mark.parametrize(("path", "value", "sentence"), test_nodepool.REFUSED)
def test_refused(api, path, value, sentence):
    """What the models refuse, the API server refuses, but for what no schema can find; rules have the same message."""
    complaint = attempt(api, manifests.changed(manifests.NODEPOOL, path, value))
    field, _, rest = sentence.partition(": ")
    message = rest.partition("; ")[0]

    if not complaint:
        assert field in ONLY_WE_REFUSE
    elif "restricted" in message or message.startswith(("requirements ", "only ", "'schedule' must", "'weight'")):
        assert message in complaint


@pytest.mark.parametrize("name", ["NODECLASS", "GENERAL", "DEVELOPMENT", "PRODUCTION", "GPU"])
def test_examples_of_the_guide(api, name):
    """The user guide's manifests are accepted as they are printed."""
    assert attempt(api, yaml.safe_load(getattr(test_guide_examples, name))) == ""


def changed_to(plane: controlplane.ControlPlane, manifest: dict[str, Any], path: str, value: object) -> str:
    """Create an object, change one field of it, remove it; what the server says of the change."""
    kind = next(kind for kind in generate.KINDS if kind.model.__name__ == manifest["kind"])
    url = f"/apis/{kind.group}/{kind.version}/{kind.plural}"
    stored = plane.client.request("POST", url, manifest)
    try:
        plane.client.request("PUT", f"{url}/{stored['metadata']['name']}", manifests.changed(stored, path, value))
    except client.ApiError as error:
        return error.message
    finally:
        plane.client.request("DELETE", f"{url}/{stored['metadata']['name']}")
    return ""


@pytest.mark.parametrize(
    ("manifest", "path", "value", "complaint"),
    [
        (manifests.NODEPOOL, "spec.template.spec.nodeClassRef.group", "other.sh", "nodeClassRef.group is immutable"),
        (manifests.NODEPOOL, "spec.template.spec.nodeClassRef.kind", "Other", "nodeClassRef.kind is immutable"),
        (manifests.NODEPOOL, "spec.template.spec.nodeClassRef.name", "other", ""),
        (
            manifests.changed(manifests.NODEPOOL, "spec.limits", ABSENT),
            "spec.replicas",
            1,
            "Cannot transition NodePool between static (replicas set) and dynamic (replicas unset) provisioning modes",
        ),
        (manifests.NODEPOOL, "spec.limits.cpu", "200", ""),
        (manifests.NODECLAIM, "spec.resources.requests.pods", "13", "spec is immutable"),
        (manifests.NODECLAIM, "metadata.annotations", {"a": "b"}, ""),
        (manifests.NODECLASS, "spec.kubeId", "the-right-one", ""),
    ],
)
def test_changes(api, manifest, path, value, complaint):
    """What may change may, and what may not is refused with upstream's words."""
    answer = changed_to(api, manifest, path, value)

    assert complaint in answer
    assert bool(complaint) == bool(answer)


def test_defaults(api):
    """The API server fills in the defaults that the models have."""
    bare = manifests.changed(manifests.NODEPOOL, "spec.disruption", {"budgets": [{}]})
    filled = api.client.request("POST", "/apis/karpenter.sh/v1/nodepools", bare, query={"dryRun": "All"})
    absent = manifests.changed(manifests.NODEPOOL, "spec.disruption", ABSENT)
    whole = api.client.request("POST", "/apis/karpenter.sh/v1/nodepools", absent, query={"dryRun": "All"})
    settings = {
        "consolidateAfter": "0s",
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
        "budgets": [{"nodes": "10%"}],
    }

    assert filled["spec"]["disruption"] == whole["spec"]["disruption"] == settings
    assert filled["spec"]["template"]["spec"]["expireAfter"] == "720h"


def test_kubectl_shows_and_explains(api):
    """Columns, short name and category work, and `kubectl explain` reads like a manual."""
    assert attempt(api, manifests.NODEPOOL, keep=True) == ""
    assert attempt(api, manifests.NODECLASS, keep=True) == ""

    assert api.run("kubectl", "get", "nodepools").split()[:5] == ["NAME", "NODECLASS", "NODES", "READY", "AGE"]
    assert api.run("kubectl", "get", "ovhnc").split()[:5] == ["NAME", "REGION", "FLAVORS", "READY", "AGE"]
    listed = api.run("kubectl", "get", "karpenter")
    assert "nodepool.karpenter.sh/general" in listed
    assert "ovhnodeclass.karpenter.ovhcloud.sh/default" in listed
    explained = " ".join(api.run("kubectl", "explain", "nodepool.spec.disruption").split())
    assert "When nodes of this pool may be taken away to save money, and how many at once." in explained
    assert "consolidateAfter <string> How long no pod may have come to or left a node" in explained
    assert "enum: WhenEmpty, WhenEmptyOrUnderutilized, Balanced" in explained


def test_upstream_statuses_are_stored(api):
    """Conditions are a map by type, so that two writers of one status do not overwrite each other."""
    url = "/apis/karpenter.sh/v1/nodeclaims"
    api.client.request("POST", url, manifests.NODECLAIM)
    for manager, kind in (("one", "Launched"), ("two", "Drifted")):
        condition = {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": ""}
        patch = {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": {"name": "general-x7k2p"},
            "status": {"conditions": [condition], "capacity": {"cpu": 4, "memory": "15500Mi"}},
        }
        stored = api.client.apply(patch, field_manager=manager, subresource="status")

    assert [condition["type"] for condition in stored["status"]["conditions"]] == ["Launched", "Drifted"]
