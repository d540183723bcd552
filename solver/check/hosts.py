"""
Places for pods: nodes that stay, claims that have no Node yet, nodes that the plan creates.

How a place is judged before its node is ready follows Karpenter core (`pkg/controllers/state/statenode.go`,
`pkg/scheduling/taints.go`): until a managed node is initialized, its startup taints and the taints of a booting node
are forgiven and figures that the kubelet has not reported yet are the claim's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from catalog import labels as names
from solver import cluster, plan
from solver.check import daemons, facts, market

CORDON = cluster.Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")

_BOOTING = frozenset(
    {
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
        ("karpenter.sh/unregistered", "NoExecute"),
    }
)


@dataclasses.dataclass(slots=True, eq=False)
class Host:
    """
    A place for pods.

    `new` is set for nodes that the plan creates, `node` for nodes that exist; claims without Node have neither.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[cluster.Taint, ...]
    allocatable: Mapping[str, int]
    new: plan.NewNode | None = None
    node: cluster.Node | None = None
    claim: cluster.NodeClaim | None = None

    @property
    def real_name(self) -> str:
        """Name of the Node, "" when it does not exist yet."""
        return self.node.name if self.node is not None else ""


def existing(known: facts.Facts) -> Iterator[Host]:
    """Nodes and claims of the cluster, those that go away included."""
    for node in known.snapshot.nodes.values():
        yield _node(node, known.claim_of.get(node.name), known)
    for claim in known.in_flight.values():
        yield _claim(claim, known)


def created(new: plan.NewNode) -> Host:
    """A node that the plan creates, once it has joined: startup taints are gone by then."""
    labels = market.with_old_names({**market.joined(new.labels), names.HOSTNAME: new.name})
    return Host(new.name, labels, new.taints, new.allocatable, new=new)


def is_registered(node: cluster.Node, claim: cluster.NodeClaim | None) -> bool:
    """Whether a node has its final labels and taints; nodes without a claim have."""
    return claim is None or claim.is_true("Registered") or node.labels.get("karpenter.sh/registered") == "true"


def is_initialized(node: cluster.Node, claim: cluster.NodeClaim | None) -> bool:
    """Whether a node is ready for pods as far as Karpenter is concerned; nodes without a claim are."""
    return is_registered(node, claim) and (
        claim is None or claim.is_true("Initialized") or node.labels.get("karpenter.sh/initialized") == "true"
    )


def capacity(labels: Mapping[str, str], reported: Mapping[str, int], known: facts.Facts) -> Mapping[str, int]:
    """Capacity of a machine: what is reported, and the catalogue's figures where nothing is."""
    of = known.catalogue.flavors.get(known.flavor(labels))
    return _filled(reported, of.capacity if of is not None else {})


def _filled(reported: Mapping[str, int], otherwise: Mapping[str, int]) -> Mapping[str, int]:
    return {**otherwise, **{resource: amount for resource, amount in reported.items() if amount}}


def _node(node: cluster.Node, claim: cluster.NodeClaim | None, known: facts.Facts) -> Host:
    labels = labels_of(node, claim)
    taints, allocatable = node.taints, node.allocatable
    if claim is not None and not is_registered(node, claim):
        taints = claim.taints
    if claim is not None and not is_initialized(node, claim):
        labels = {**daemons.REGISTERED, **labels}
        forgiven = _BOOTING | {(taint.key, taint.effect) for taint in claim.startup_taints}
        taints = tuple(
            t for t in taints if (t.key, t.effect) not in forgiven and not t.key.startswith("readiness.k8s.io/")
        )
        allocatable = _filled(allocatable, _claim_allocatable(claim, labels, known))
    if node.unschedulable and CORDON not in taints:
        taints = (*taints, CORDON)
    labels = labels if names.HOSTNAME in labels else {**labels, names.HOSTNAME: node.name}
    return Host(node.name, labels, taints, allocatable, node=node, claim=claim)


def _claim(claim: cluster.NodeClaim, known: facts.Facts) -> Host:
    labels = market.with_old_names({**daemons.REGISTERED, **claim_labels(claim), names.HOSTNAME: claim.name})
    return Host(claim.name, labels, claim.taints, _claim_allocatable(claim, labels, known), claim=claim)


def labels_of(node: cluster.Node, claim: cluster.NodeClaim | None) -> Mapping[str, str]:
    """Labels that count for a node: its own, and before registration those of its claim on top."""
    if claim is None or is_registered(node, claim):
        return node.labels
    return {**node.labels, **claim_labels(claim)}


def claim_labels(claim: cluster.NodeClaim) -> dict[str, str]:
    """Labels that the claim's node will have; a requirement with one value decides a label."""
    decided = {e.key: e.values[0] for e in claim.requirements if e.operator == "In" and len(e.values) == 1}
    owner = {names.NODEPOOL: claim.node_pool} if claim.node_pool else {}
    return {**owner, **decided, **claim.labels}


def _claim_allocatable(claim: cluster.NodeClaim, labels: Mapping[str, str], known: facts.Facts) -> Mapping[str, int]:
    of = known.catalogue.flavors.get(known.flavor(labels))
    return _filled(claim.allocatable, of.allocatable if of is not None else {})
