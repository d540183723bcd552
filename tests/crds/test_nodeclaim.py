"""NodeClaims: how they are read, and where they differ from a NodePool's template."""

from __future__ import annotations

import pytest
import yaml

from crds import nodeclaim, validation
from tests.crds import manifests

ABSENT = manifests.ABSENT


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("spec.nodeClassRef", ABSENT, "spec.nodeClassRef: is missing; write nodeClassRef with group, kind, name"),
        (
            "spec.template",
            {},
            (
                "spec.template: is not a field; remove it; fields here are nodeClassRef, requirements, "
                "resources, taints, startupTaints, expireAfter, terminationGracePeriod"
            ),
        ),
        (
            "spec.limits",
            {},
            (
                "spec.limits: is not a field; remove it; fields here are nodeClassRef, requirements, "
                "resources, taints, startupTaints, expireAfter, terminationGracePeriod"
            ),
        ),
        (
            "spec.resources.requests.cpu",
            "many",
            ("spec.resources.requests.cpu: 'many' is not a quantity; write a quantity such as 500m, 2 or 4Gi"),
        ),
        (
            "spec.requirements.0.key",
            "karpenter.sh/registered",
            (
                'spec.requirements[0].key: label domain "karpenter.sh" is '
                "restricted; use a label of your own domain; of karpenter.sh only karpenter.sh/capacity-type may be "
                "set by a NodePool"
            ),
        ),
        (
            "spec.requirements.0.values",
            [],
            (
                "spec.requirements[0]: requirements with operator 'In' must have a value "
                'defined; list what is allowed, such as values: ["b3-8", "b3-16"]'
            ),
        ),
        (
            "metadata.name",
            ABSENT,
            ("metadata.name: is missing; write at most 253 lower-case letters, digits and '-', such as general"),
        ),
    ],
)
def test_refused(path, value, sentence):
    """One mistake makes one sentence."""
    found = validation.problems(nodeclaim.NodeClaim, manifests.changed(manifests.NODECLAIM, path, value))

    assert [sentence] == [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.requirements", []),
        ("spec.resources", ABSENT),
        ("spec.requirements.1", {"key": "karpenter.sh/nodepool", "operator": "In", "values": ["general"]}),
        ("spec.taints", [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]),
        ("metadata.name", "n" * 100),
        ("spec.requirements.0", {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["odd"]}),
    ],
)
def test_accepted(path, value):
    """A claim is judged as the API server judges it; what only a NodePool's validation looks at is not looked at."""
    assert validation.problems(nodeclaim.NodeClaim, manifests.changed(manifests.NODECLAIM, path, value)) == []


LIVE = yaml.safe_load("""
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata:
  name: default-sfpsl
  generateName: default-
  uid: 0b3e3f6c-9d27-4a2f-a1e7-4ac1e2a3a7ce
  generation: 1
  resourceVersion: "88291"
  creationTimestamp: "2026-05-04T07:10:44Z"
  deletionGracePeriodSeconds: 0
  finalizers: [karpenter.sh/termination]
  annotations: {karpenter.sh/nodepool-hash: "1217085203345543711", karpenter.sh/nodepool-hash-version: v3}
  labels:
    karpenter.sh/nodepool: default
    karpenter.sh/capacity-type: on-demand
    node.kubernetes.io/instance-type: b3-16
  ownerReferences:
    - {apiVersion: karpenter.sh/v1, kind: NodePool, name: default, uid: "1", blockOwnerDeletion: true}
  managedFields:
    - {manager: karpenter, operation: Update, fieldsType: FieldsV1, fieldsV1: {"f:metadata": {}}}
spec:
  expireAfter: 720h
  nodeClassRef: {group: karpenter.ovhcloud.sh, kind: OVHNodeClass, name: default}
  requirements:
    - {key: karpenter.ovhcloud.sh/family, operator: Gte, values: ["3"]}
    - {key: node.kubernetes.io/instance-type, operator: In, values: [b3-16, b3-32], minValues: 1}
  resources:
    requests: {cpu: 2150m, memory: "3221225472", pods: 7, ephemeral-storage: 1e9}
  startupTaints:
    - {key: node.cilium.io/agent-not-ready, effect: NoExecute}
  terminationGracePeriod: 48h0m0s
status:
  nodeName: karpenter-b3-16-nova-node-5781fa
  providerID: openstack:///4b8a7c1e-19f6-4f0c-9a8c-6fd2b9c6c0c5
  imageID: "1.35.1"
  capacity: {cpu: "4", memory: 15500Mi, pods: "110", ephemeral-storage: 100G}
  allocatable: {cpu: 3830m, memory: 13788Mi, pods: "110"}
  lastPodEventTime: "2026-05-04T07:12:01Z"
  fromTheFuture: {a: 1}
  conditions:
    - {type: Launched, status: "True", reason: Launched, message: "", lastTransitionTime: "2026-05-04T07:10:50Z"}
    - {type: Drifted, status: "False", lastTransitionTime: "2026-05-04T07:10:50Z", observedGeneration: 1}
""")


def test_live_claims_are_read():
    """A claim as a cluster returns it: metadata of all sorts, normalised durations, fields of newer versions."""
    claim = validation.parse_nodeclaim(LIVE)

    assert claim.name == "default-sfpsl"
    assert claim.metadata.owner_references[0].name == "default"
    assert claim.metadata.finalizers == ("karpenter.sh/termination",)
    assert claim.spec.termination_grace_period == 48 * 3600
    assert claim.spec.resources.requests == {
        "cpu": 2150,
        "memory": 3 * 2**30,
        "pods": 7,
        "ephemeral-storage": 10**9,
    }
    assert claim.spec.requirements[1].min_values == 1
    assert claim.status.provider_id == "openstack:///4b8a7c1e-19f6-4f0c-9a8c-6fd2b9c6c0c5"
    assert claim.status.image_id == "1.35.1"
    assert claim.status.allocatable["cpu"] == 3830
    assert [(condition.type, condition.status) for condition in claim.status.conditions] == [
        ("Launched", "True"),
        ("Drifted", "False"),
    ]
    assert claim.status.last_pod_event_time == "2026-05-04T07:12:01Z"
