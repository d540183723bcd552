"""The NodeClaims to be, as `kubectl apply` would take them."""

from __future__ import annotations

from typing import Any

from crds import duration
from solver import plan as plans
from solver.render import document
from solver.snapshot import yamltext


def node_claim(node: plans.NewNode) -> dict[str, Any]:
    """The NodeClaim of one new node, with the same name."""
    requirements = [
        {"key": "karpenter.sh/nodepool", "operator": "In", "values": [node.node_pool]},
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": list(node.flavor_options)},
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [node.zone]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [node.capacity_type]},
    ]
    spec: dict[str, Any] = {
        "nodeClassRef": {"group": "karpenter.ovhcloud.sh", "kind": "OVHNodeClass", "name": node.node_class},
        "requirements": requirements,
        "resources": {"requests": document.amounts(node.requests)},
        "expireAfter": duration.format_duration(node.expire_after),
    }
    if node.termination_grace_period is not None:
        spec["terminationGracePeriod"] = duration.format_duration(node.termination_grace_period)
    if node.taints:
        spec["taints"] = [document.taint(t) for t in node.taints]
    if node.startup_taints:
        spec["startupTaints"] = [document.taint(t) for t in node.startup_taints]
    metadata: dict[str, Any] = {"name": node.name, "labels": dict(node.labels)}
    if node.annotations:
        metadata["annotations"] = dict(node.annotations)
    return {"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": metadata, "spec": spec}


def to_yaml(plan: plans.Plan) -> str:
    """All NodeClaims of a plan as multi-document YAML."""
    return yamltext.dump(node_claim(n) for n in plan.create)


def names(plan: plans.Plan) -> str:
    """One `resource/name` a line: NodeClaims to create, then Nodes to delete."""
    lines = [f"nodeclaim.karpenter.sh/{n.name}" for n in plan.create] + [f"node/{n.node}" for n in plan.delete]
    return "".join(line + "\n" for line in lines)
