"""The manifests of the user guide are valid as they are printed there."""

from __future__ import annotations

import pytest
import yaml

from crds import validation

NODECLASS = """
apiVersion: karpenter.ovhcloud.sh/v1alpha1
kind: OVHNodeClass
metadata:
  name: default
spec:
  serviceName: "abc123def456..."
  kubeId: "cluster-xyz..."
  region: "GRA7"
  credentialsSecretRef:
    name: ovh-credentials
    namespace: karpenter
  monthlyBilled: false
  antiAffinity: false
"""

GENERAL = """
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: general-purpose
spec:
  template:
    metadata:
      labels:
        team: platform
        environment: production
    spec:
      nodeClassRef:
        group: karpenter.ovhcloud.sh
        kind: OVHNodeClass
        name: default
      requirements:
        - key: node.kubernetes.io/instance-type
          operator: In
          values: ["b2-7", "b2-15", "b2-30", "b2-60", "b2-120"]
        - key: kubernetes.io/arch
          operator: In
          values: ["amd64"]
        - key: karpenter.sh/capacity-type
          operator: In
          values: ["on-demand"]
        - key: topology.kubernetes.io/zone
          operator: In
          values: ["gra7-a", "gra7-b", "gra7-c"]
      taints:
        - key: dedicated
          value: gpu
          effect: NoSchedule
      expireAfter: 720h
  limits:
    cpu: 100
    memory: 200Gi
  disruption:
    consolidationPolicy: WhenEmptyOrUnderutilized
    consolidateAfter: 30s
    budgets:
      - nodes: "10%"
      - nodes: "0"
        schedule: "0 9 * * 1-5"
        duration: 8h
"""

DEVELOPMENT = """
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: dev-pool
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.ovhcloud.sh, kind: OVHNodeClass, name: default}
      requirements:
        - key: node.kubernetes.io/instance-type
          operator: In
          values: ["b2-7", "b2-15"]
  limits:
    cpu: 50
    memory: 100Gi
  disruption:
    consolidationPolicy: WhenEmptyOrUnderutilized
    consolidateAfter: 10s
"""

PRODUCTION = """
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: production-pool
spec:
  template:
    metadata:
      labels:
        environment: production
    spec:
      nodeClassRef: {group: karpenter.ovhcloud.sh, kind: OVHNodeClass, name: default}
      requirements:
        - key: node.kubernetes.io/instance-type
          operator: In
          values: ["b2-30", "b2-60", "b2-120"]
        - key: topology.kubernetes.io/zone
          operator: In
          values: ["gra7-a", "gra7-b", "gra7-c"]
      expireAfter: 168h
  limits:
    cpu: 100
    memory: 200Gi
  disruption:
    consolidationPolicy: WhenEmpty
    consolidateAfter: 5m
    budgets:
      - nodes: "20%"
      - nodes: "0"
        schedule: "0 8 * * 1-5"
        duration: 10h
"""

GPU = """
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: gpu-pool
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.ovhcloud.sh, kind: OVHNodeClass, name: default}
      requirements:
        - key: node.kubernetes.io/instance-type
          operator: In
          values: ["t2-45", "t2-90", "t2-180"]
      taints:
        - key: nvidia.com/gpu
          value: "true"
          effect: NoSchedule
  limits:
    cpu: 100
"""


def test_node_class():
    """The node class, with its placeholders for project and cluster."""
    spec = validation.parse_nodeclass(yaml.safe_load(NODECLASS)).spec

    assert spec.region == "GRA7"
    assert spec.credentials_secret_ref is not None
    assert spec.credentials_secret_ref.namespace == "karpenter"


@pytest.mark.parametrize(
    ("text", "limits", "after"),
    [
        (GENERAL, {"cpu": 100_000, "memory": 200 * 2**30}, 30),
        (DEVELOPMENT, {"cpu": 50_000, "memory": 100 * 2**30}, 10),
        (PRODUCTION, {"cpu": 100_000, "memory": 200 * 2**30}, 300),
        (GPU, {"cpu": 100_000}, 0),
    ],
)
def test_node_pools(text, limits, after):
    """The general, development, production and GPU pools; ``limits.cpu: 100`` is a whole number there."""
    spec = validation.parse_nodepool(yaml.safe_load(text)).spec

    assert limits == spec.limits
    assert after == spec.disruption.consolidate_after
