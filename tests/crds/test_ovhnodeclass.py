"""OVHNodeClasses: how they are read, and what is refused."""

from __future__ import annotations

import pytest

from crds import ovhnodeclass, validation
from tests.crds import manifests

ABSENT = manifests.ABSENT


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            "apiVersion",
            "karpenter.sh/v1",
            ("apiVersion: 'karpenter.sh/v1' is not supported; write karpenter.ovhcloud.sh/v1alpha1"),
        ),
        ("kind", "OvhNodeClass", "kind: 'OvhNodeClass' is not supported; write OVHNodeClass"),
        ("spec", ABSENT, "spec: is missing; write spec with serviceName, kubeId, region"),
        (
            "spec.serviceName",
            ABSENT,
            ("spec.serviceName: is missing; write serviceName: the id of the Public Cloud project"),
        ),
        ("spec.serviceName", "", "spec.serviceName: may not be empty; write the id of the Public Cloud project"),
        (
            "spec.serviceName",
            "a/b",
            (
                "spec.serviceName: 'a/b' is no identifier; "
                "write the identifier alone, without blanks, slashes and other signs"
            ),
        ),
        ("spec.kubeId", ABSENT, "spec.kubeId: is missing; write kubeId: the id of the Managed Kubernetes cluster"),
        ("spec.kubeID", "x", "spec.kubeID: is not a field; did you mean kubeId?"),
        ("spec.region", ABSENT, "spec.region: is missing; write region: GRA11"),
        (
            "spec.region",
            "GRA 11",
            (
                "spec.region: 'GRA 11' is no region; "
                "write the region as the OVHcloud API spells it, such as GRA11 or EU-WEST-PAR"
            ),
        ),
        ("spec.region", 11, 'spec.region: 11 is not a text; write it in quotes: "11"'),
        (
            "spec.monthlyBilled",
            "no",
            "spec.monthlyBilled: 'no' is not true or false; write true or false without quotes",
        ),
        ("spec.antiAffinity", 1, "spec.antiAffinity: 1 is not true or false; write true or false without quotes"),
        (
            "spec.credentialsSecretRef",
            "ovh-credentials",
            ("spec.credentialsSecretRef: 'ovh-credentials' is not an object; write fields and values"),
        ),
        ("spec.credentialsSecretRef", {}, "spec.credentialsSecretRef.name: is missing; write name: ovh-credentials"),
        (
            "spec.credentialsSecretRef",
            {"name": ""},
            ("spec.credentialsSecretRef.name: may not be empty; write ovh-credentials"),
        ),
        (
            "spec.zone",
            "gra7-a",
            (
                "spec.zone: is not a field; remove it; fields here are serviceName, kubeId, region, "
                "credentialsSecretRef, monthlyBilled, antiAffinity"
            ),
        ),
        (
            "metadata.name",
            "c" * 64,
            (
                f"metadata.name: '{'c' * 60}...' is longer than 63 characters, too long for the label "
                "that nodes carry it in; write at most 63 lower-case letters, digits and '-', such as general"
            ),
        ),
    ],
)
def test_refused(path, value, sentence):
    """One mistake makes one sentence."""
    found = validation.problems(ovhnodeclass.OVHNodeClass, manifests.changed(manifests.NODECLASS, path, value))

    assert [sentence] == [str(problem) for problem in found]


def test_read():
    """Project, cluster and region are mandatory; credentials, billing and anti-affinity have defaults."""
    spec = validation.parse_nodeclass(manifests.NODECLASS).spec

    assert (spec.service_name, spec.region) == ("0123456789abcdef0123456789abcdef", "GRA11")
    assert spec.credentials_secret_ref is None
    assert (spec.monthly_billed, spec.anti_affinity) == (False, False)


def test_status():
    """The status is read as it is, newer fields passed over; while there is none, nothing is known."""
    status = {"plan": "standard", "zones": ["eu-west-par-a"], "flavors": 31, "newer": 1}
    known = validation.parse_nodeclass(manifests.NODECLASS | {"status": status}).status
    unknown = validation.parse_nodeclass(manifests.NODECLASS | {"status": None}).status

    assert (known.plan, known.zones, known.flavors) == ("standard", ("eu-west-par-a",), 31)
    assert (unknown.plan, unknown.zones, unknown.flavors, unknown.conditions) == ("", (), 0, ())
