"""Manifests to start from, and a way to change one field of them."""

from __future__ import annotations

import copy
from typing import Any

import yaml

ABSENT = object()


def changed(manifest: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of a manifest with another value at a path such as ``spec.taints.0.key``; ABSENT takes the field away."""
    result = copy.deepcopy(manifest)
    at: Any = result
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        at = at.setdefault(part, {}) if isinstance(at, dict) else at[part]
    if value is ABSENT:
        del at[last]
    else:
        at[last] = value
    return result


NODEPOOL: dict[str, Any] = yaml.safe_load("""
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: general
spec:
  template:
    metadata:
      labels:
        team: platform
    spec:
      nodeClassRef: {group: karpenter.ovhcloud.sh, kind: OVHNodeClass, name: default}
      requirements:
        - {key: node.kubernetes.io/instance-type, operator: In, values: [b3-8, b3-16]}
      taints:
        - {key: dedicated, value: web, effect: NoSchedule}
  limits:
    cpu: 100
    memory: 200Gi
  disruption:
    consolidateAfter: 30s
    budgets:
      - nodes: "10%"
      - nodes: "0"
        schedule: "0 9 * * mon-fri"
        duration: 8h
""")

NODECLAIM: dict[str, Any] = yaml.safe_load("""
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata:
  name: general-x7k2p
  labels: {karpenter.sh/nodepool: general}
spec:
  nodeClassRef: {group: karpenter.ovhcloud.sh, kind: OVHNodeClass, name: default}
  requirements:
    - {key: node.kubernetes.io/instance-type, operator: In, values: [b3-8, b3-16]}
    - {key: karpenter.sh/nodepool, operator: In, values: [general]}
  resources:
    requests: {cpu: 3500m, memory: 9Gi, pods: "12"}
""")

NODECLASS: dict[str, Any] = yaml.safe_load("""
apiVersion: karpenter.ovhcloud.sh/v1alpha1
kind: OVHNodeClass
metadata:
  name: default
spec:
  serviceName: 0123456789abcdef0123456789abcdef
  kubeId: 3b1f6b3c-7f0a-4f44-9d5e-2a5f0e8a4b11
  region: GRA11
""")
