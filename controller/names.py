"""Names on objects: upstream's (docs: https://karpenter.sh/docs/) and ours, which start with karpenter.ovhcloud.sh."""

from __future__ import annotations

GROUP = "karpenter.ovhcloud.sh"

TERMINATION_FINALIZER = "karpenter.sh/termination"
"""Of NodeClaims and Nodes."""

NODE_CLASS_FINALIZER = f"{GROUP}/termination"
"""Of OVHNodeClasses: one that NodeClaims refer to must stay, as it says where their machines are taken away."""

NODEPOOL_LABEL = "karpenter.sh/nodepool"
CAPACITY_TYPE_LABEL = "karpenter.sh/capacity-type"
REGISTERED_LABEL = "karpenter.sh/registered"
INITIALIZED_LABEL = "karpenter.sh/initialized"
DO_NOT_SYNC_TAINTS_LABEL = "karpenter.sh/do-not-sync-taints"
NODE_CLASS_LABEL = f"{GROUP}/ovhnodeclass"
INSTANCE_TYPE_LABEL = "node.kubernetes.io/instance-type"
ZONE_LABEL = "topology.kubernetes.io/zone"
EXCLUDE_BALANCERS_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"

DISRUPTED_TAINT = "karpenter.sh/disrupted"
UNREGISTERED_TAINT = "karpenter.sh/unregistered"

TERMINATION_TIMESTAMP = "karpenter.sh/nodeclaim-termination-timestamp"
DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"

RESERVED_TAINT = f"{GROUP}/reserved"
"""Holds a new node for the pods that were planned onto it; its value is the claim's name."""

OVH_POOL = f"{GROUP}/ovh-pool"
"""Annotation of a claim: the name of the OVH pool that its node belongs to."""

POOL_INTENT = f"{GROUP}/ovh-pool-requested-at"
"""Annotation of a claim: when a pool was about to be created for it, written before the request."""

NODE_ID = f"{GROUP}/ovh-node-id"
"""Annotation of a claim: the MKS node that it was given."""

INSTALLATION = f"{GROUP}/installation"
"""Annotation in the template of an OVH pool, and so on its nodes: the installation that made it."""

REPLACES = f"{GROUP}/replaces"
"""Annotation of a claim: uids of the claims that go when it and all others by which they are replaced are ready, as JSON."""

CLASS_HASH = f"{GROUP}/ovhnodeclass-hash"
CLASS_HASH_VERSION = f"{GROUP}/ovhnodeclass-hash-version"
"""Annotations of a claim: what its OVHNodeClass said when it was created, and how that was hashed."""

MONTHLY = f"{GROUP}/monthly-billed"
HOURLY = f"{GROUP}/hourly-eur"
PLAN = f"{GROUP}/plan"
PLAN_COST = f"{GROUP}/plan-cost"
"""Annotations of a claim: why this flavor; what the plan costs and its gap. kubectl describe shows 140 characters of each."""

PLANNED_PODS = f"{GROUP}/planned-pods"
"""Annotation of a claim: how many pods of which workload were planned onto it."""
