"""
All reasons of events, declared once: on what, of which type, and when. `docs/reference/events.md` is written from here.

Reasons of upstream keep upstream's words and types (karpenter core, `pkg/events/reason.go`).
"""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """One reason: the kinds of objects that it is put on, the event's type, what it says, and whether it is upstream's."""

    name: str
    on: tuple[str, ...]
    type: Literal["Normal", "Warning"]
    text: str
    upstream: bool = True


REASONS = (
    Reason(
        "Nominated",
        ("Pod",),
        "Normal",
        "The last plan puts the pod onto a node. Names the claim that is coming, its flavor and zone and in how long it "
        "should be ready, or the node that is there.",
    ),
    Reason(
        "FailedScheduling",
        ("Pod",),
        "Warning",
        "The last plan leaves the pod out. Says why for each NodePool, and where it is known which single change would "
        "place the pod and what that would cost. Repeated after 5 minutes.",
    ),
    Reason("Evicted", ("Pod",), "Normal", "The pod was evicted from a node that goes; says for which reason."),
    Reason(
        "Disrupted",
        ("Pod",),
        "Normal",
        "The pod is deleted, whatever budgets say, as the terminationGracePeriod of its node would run out otherwise.",
    ),
    Reason(
        "Planned",
        ("NodeClaim",),
        "Normal",
        "Why this flavor: what it costs, how full it gets, what else would do, what the plan costs and how much cheaper "
        "another one could be. The annotations karpenter.ovhcloud.sh/plan and plan-cost keep it.",
        upstream=False,
    ),
    Reason(
        "Launched", ("NodeClaim",), "Normal", "The condition of that name has changed: OVHcloud has accepted the node."
    ),
    Reason("Registered", ("NodeClaim",), "Normal", "The same: the Node object is there and belongs to the claim."),
    Reason("Initialized", ("NodeClaim",), "Normal", "The same: the node is ready for pods."),
    Reason("Ready", ("NodeClaim",), "Normal", "The same: all of the above."),
    Reason(
        "InsufficientCapacityError",
        ("NodeClaim",),
        "Warning",
        "OVHcloud has no machine of that flavor and zone, or the quota is used up. The claim is deleted and the next plan "
        "avoids the offering for a while.",
    ),
    Reason(
        "DisruptionBlocked",
        ("Node", "NodeClaim", "NodePool"),
        "Normal",
        "The node may not be disrupted, and why: what is on it or its annotation. On a NodePool: its budgets allow no more.",
    ),
    Reason(
        "Unconsolidatable",
        ("Node", "NodeClaim"),
        "Normal",
        "The last plan found nothing better than the node: where its pods would not fit, or that nothing is cheaper.",
    ),
    Reason(
        "DisruptionLaunching", ("NodeClaim",), "Normal", "The claim was made to replace others; says for which reason."
    ),
    Reason(
        "DisruptionWaitingReadiness",
        ("NodeClaim",),
        "Normal",
        "Others go as soon as this claim's node is ready for pods.",
    ),
    Reason(
        "ReplicasMissing",
        ("NodePool",),
        "Warning",
        "A static NodePool has fewer nodes than spec.replicas, and why no more can be had.",
        upstream=False,
    ),
    Reason(
        "DisruptionTerminating",
        ("Node", "NodeClaim"),
        "Normal",
        "The node goes; says whether it is Empty, Underutilized, Drifted or Expired. In a dry run: that it would go, and "
        "what would replace it; repeated after 15 minutes.",
    ),
    Reason(
        "TerminationGracePeriodExpiring",
        ("NodeClaim",),
        "Warning",
        "The node has a terminationGracePeriod; says until when all pods will have been deleted.",
    ),
    Reason(
        "FailedDraining",
        ("Node",),
        "Warning",
        "Pods keep the node from being drained: a PodDisruptionBudget or karpenter.sh/do-not-disrupt.",
    ),
    Reason(
        "AwaitingVolumeDetachment", ("Node",), "Normal", "The node is drained and waits until its volumes are detached."
    ),
    Reason(
        "LimitsReached",
        ("NodePool",),
        "Warning",
        "Pods wait since the limits of the NodePool leave no room for a node.",
        upstream=False,
    ),
    Reason(
        "QuotaReached",
        ("NodePool",),
        "Warning",
        "Pods wait since the quota of the OVHcloud project leaves no room for a node.",
        upstream=False,
    ),
    Reason(
        "PoolLimitReached",
        ("NodePool",),
        "Warning",
        "Pods wait since their nodes would need another OVHcloud node pool, and the cluster has as many as it may.",
        upstream=False,
    ),
    Reason(
        "NodePoolValidationFailed",
        ("NodePool",),
        "Warning",
        "The NodePool cannot be used; says which field is wrong. As in the condition ValidationSucceeded.",
    ),
    Reason("NodeClassNotFound", ("NodePool",), "Warning", "The OVHNodeClass that the NodePool names does not exist."),
    Reason(
        "NodeClassTerminating", ("NodePool",), "Warning", "The OVHNodeClass that the NodePool names is being deleted."
    ),
    Reason(
        "NodeClassReadinessUnknown",
        ("NodePool",),
        "Warning",
        "The OVHNodeClass that the NodePool names was not looked at yet. Its own reasons (below) replace this one.",
    ),
    Reason(
        "WaitingOnNodeClaimTermination",
        ("OVHNodeClass",),
        "Normal",
        "The OVHNodeClass is deleted and stays until no NodeClaim refers to it; names those that still do.",
    ),
    Reason(
        "WaitingOnNodeRemoval",
        ("OVHNodeClass",),
        "Normal",
        "The OVHNodeClass is deleted and stays until OVHcloud has removed the nodes that no NodeClaim wants; names their pools.",
        upstream=False,
    ),
    Reason(
        "NodesMayRemain",
        ("OVHNodeClass",),
        "Warning",
        "The OVHNodeClass is deleted, and OVHcloud does not let us see whether nodes of ours are left: it goes, they may stay "
        "and cost money. Says what OVHcloud answered.",
        upstream=False,
    ),
    Reason(
        "CredentialsMissing",
        ("OVHNodeClass", "NodePool"),
        "Warning",
        "There are no credentials, or the Secret cannot be read.",
        upstream=False,
    ),
    Reason(
        "CredentialsRefused",
        ("OVHNodeClass", "NodePool"),
        "Warning",
        "OVHcloud does not accept the credentials.",
        upstream=False,
    ),
    Reason(
        "RightMissing",
        ("OVHNodeClass", "NodePool"),
        "Warning",
        "The credentials lack rights; names each and says how to grant it.",
        upstream=False,
    ),
    Reason(
        "ClusterNotFound",
        ("OVHNodeClass", "NodePool"),
        "Warning",
        "The project has no cluster of that id; correct serviceName or kubeId.",
        upstream=False,
    ),
    Reason(
        "WrongRegion",
        ("OVHNodeClass", "NodePool"),
        "Warning",
        "The cluster is in another region than spec.region; says in which.",
        upstream=False,
    ),
    Reason(
        "NoFlavors",
        ("OVHNodeClass", "NodePool"),
        "Warning",
        "OVHcloud sells no flavor in the region at the moment.",
        upstream=False,
    ),
)
