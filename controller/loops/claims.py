"""NodeClaims as they are written: owned by their NodePool, held by our finalizer, with their reasons."""

from __future__ import annotations

import collections
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from controller import metrics, names, world
from controller.kube import api as apis
from controller.kube import kinds
from controller.loops import drift, notices
from crds import nodepool
from solver import cluster
from solver import plan as plans
from solver.render import manifests, money

log = logging.getLogger(__name__)


def manifest(node: plans.NewNode, plan: plans.Plan, pool: world.Object, workloads: Mapping[str, int]) -> Any:
    """The NodeClaim of a new node as it is written: owned by its NodePool, held by our finalizer, with its reasons."""
    made = manifests.node_claim(node)
    template = pool["spec"]["template"]["spec"]
    made["spec"]["expireAfter"] = template.get("expireAfter") or "720h"
    if template.get("terminationGracePeriod"):
        made["spec"]["terminationGracePeriod"] = template["terminationGracePeriod"]
    made["metadata"]["finalizers"] = [names.TERMINATION_FINALIZER]
    made["metadata"]["annotations"] = {
        **made["metadata"].get("annotations", {}),
        nodepool.HASH_VERSION_ANNOTATION: nodepool.HASH_VERSION,
        names.OVH_POOL: node.ovh_pool,
        names.HOURLY: money.text(node.hourly),
        names.MONTHLY: "true" if node.monthly_billed else "false",
        names.PLAN: notices.why_flavor(node),
        names.PLAN_COST: notices.why_plan(plan),
        names.PLANNED_PODS: json.dumps(dict(workloads), separators=(",", ":"))[:4000],
    }
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "name": node.node_pool,
            "uid": pool["metadata"].get("uid"),
            "blockOwnerDeletion": True,
        }
    ]
    return made


def workloads_of(node: plans.NewNode, of: cluster.Cluster) -> dict[str, int]:
    """How many pods of which owner go onto a new node."""
    found: collections.Counter[str] = collections.Counter()
    for key in node.pods:
        pod = of.pods.get(key)
        owner = pod.owner if pod else None
        found[f"{pod.namespace}/{owner.kind}/{owner.name}" if pod and owner else key] += 1
    return dict(sorted(found.items()))


def write(
    shared: world.World,
    nodes: Sequence[plans.NewNode],
    plan: plans.Plan,
    of: cluster.Cluster,
    reason: str = "provisioned",
    replaces: Sequence[str] = (),
) -> set[str]:
    """
    Write the claims of new nodes of a plan; the names of those that exist now.

    `replaces` are the uids of claims that go when all of these nodes are ready: names come back.
    """
    pools = {item["metadata"]["name"]: item for item in shared.mirror.all(kinds.NODE_POOL)}
    written: set[str] = set()
    for node in nodes:
        pool = pools.get(node.node_pool)
        node_class = shared.mirror.get(kinds.NODE_CLASS, node.node_class)
        if pool is None or world.deleting(pool) or node_class is None or world.deleting(node_class):
            continue
        body = manifest(node, plan, pool, workloads_of(node, of))
        body["metadata"]["annotations"] |= drift.class_marks(node_class)
        if replaces:
            body["metadata"]["annotations"][names.REPLACES] = json.dumps(
                {"claims": sorted(replaces), "by": len(nodes)}, separators=(",", ":")
            )
        try:
            made = shared.api.create(kinds.NODE_CLAIM, body)
        except apis.DryRunError:
            continue
        except apis.ApiError as error:
            log.error("claim refused", extra={"NodeClaim": node.name, "error": str(error)})
            continue
        shared.mirror.observe(kinds.NODE_CLAIM, made)
        written.add(node.name)
        relaxed = node.annotations.get("karpenter.sh/nodeclaim-min-values-relaxed", "false")
        metrics.NODECLAIMS_CREATED.labels(reason, node.node_pool, relaxed).inc()
        extra = {"NodeClaim": node.name, "NodePool": node.node_pool, "flavor": node.flavor, "zone": node.zone}
        log.info("created nodeclaim", extra={**extra, "pods": len(node.pods)})
    return written
