"""
Clusters and plans in a few words.

What is not said does not restrict: without further words there is one NodePool "general" with node class "default" in
EU-WEST-PAR (zones -a, -b, -c) and the catalogue `SHELF`. `buy` makes a node of a plan with all its figures right,
`plan` puts such nodes together, so that a test breaks one rule by changing one thing.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from catalog import catalogue, flavor, labels
from crds import nodepool, ovhnodeclass
from solver import cluster as clusters
from solver import options
from solver import plan as plans

GIB = 1 << 30
MIB = 1 << 20
ZONE = labels.ZONE
HOSTNAME = labels.HOSTNAME
TYPE = labels.INSTANCE_TYPE
REGION = "EU-WEST-PAR"
A, B, C = "eu-west-par-a", "eu-west-par-b", "eu-west-par-c"

SHELF = catalogue.Catalogue(
    {
        each.name: each
        for each in (
            flavor.make("b3-8", 2, 8, disk_gib=50, hourly_micro_eur=50_000),
            flavor.make("b3-16", 4, 16, disk_gib=100, hourly_micro_eur=100_000),
            flavor.make("b3-32", 8, 32, disk_gib=200, hourly_micro_eur=200_000),
            flavor.make("b2-7", 2, 7, hourly_micro_eur=70_000, monthly_micro_eur=25_000_000, monthly_billable=True),
            flavor.make("l4-90", 22, 90, gpus=1, gpu_model="NVIDIA L4 24GB", hourly_micro_eur=750_000),
            flavor.make("bm-1", 16, 64),
        )
    },
    "test",
)
"""Three sizes of one family, one that is sold by the month, one with a GPU, and one without a price."""


# --------------------------------------------------------------------------------------------------------------- pieces


def expression(key: str, operator: str, *values: str) -> clusters.Expression:
    """One requirement on a label: `expression(ZONE, "In", A, B)`."""
    return clusters.Expression(key, operator, values)


def selector(**matched: str) -> clusters.Selector:
    """A label selector: `selector(app="web")`."""
    return clusters.Selector(tuple(expression(key, "In", value) for key, value in matched.items()))


def node_term(*expressions: clusters.Expression, fields: Iterable[clusters.Expression] = ()) -> clusters.NodeTerm:
    """A node selector term."""
    return clusters.NodeTerm(expressions, tuple(fields))


def near(key: str, of: clusters.Selector | None, **more: Any) -> clusters.PodTerm:
    """A term of pod affinity or anti-affinity."""
    return clusters.PodTerm(key, of, **more)


def spread(key: str, of: clusters.Selector | None, max_skew: int = 1, **more: Any) -> clusters.Spread:
    """A topology spread constraint, DoNotSchedule unless `hard=False`."""
    return clusters.Spread(key, max_skew, more.pop("hard", True), of, **more)


def taint(key: str, value: str = "", effect: str = "NoSchedule") -> clusters.Taint:
    """A taint."""
    return clusters.Taint(key, value, effect)


def toleration(key: str = "", operator: str = "Exists", value: str = "", effect: str = "") -> clusters.Toleration:
    """A toleration; without arguments it tolerates everything."""
    return clusters.Toleration(key, operator, value, effect)


def spec(cpu: int = 1000, memory: int = GIB, **fields: Any) -> clusters.PodSpec:
    """What pods share: milli-CPU, bytes, further `requests` by resource, and fields of `PodSpec`."""
    requests = {"cpu": cpu, "memory": memory, **fields.pop("requests", {})}
    return clusters.PodSpec(requests=tuple(sorted(requests.items())), **fields)


# -------------------------------------------------------------------------------------------------------------- objects


def pod(name: str, of: clusters.PodSpec | None = None, **fields: Any) -> clusters.Pod:
    """A pod that waits, or runs on `node`; without a spec it asks for one CPU and 1 GiB."""
    return clusters.Pod(fields.pop("namespace", "default"), name, of or spec(), **fields)


def pods(name: str, count: int, of: clusters.PodSpec | None = None, **fields: Any) -> list[clusters.Pod]:
    """Pods `name-0` and so on that share spec and labels."""
    shared = of or spec()
    return [pod(f"{name}-{index}", shared, **fields) for index in range(count)]


def node(name: str, zone: str = A, of: str = "b3-16", **fields: Any) -> clusters.Node:
    """A node with figures and labels of a flavor; `labels` and `allocatable` come on top."""
    machine = SHELF.flavors[of]
    places = labels.flavor_labels(machine) | labels.offering_labels(REGION, zone) | {HOSTNAME: name}
    return clusters.Node(
        name,
        labels=places | fields.pop("labels", {}),
        allocatable={**machine.allocatable, **fields.pop("allocatable", {})},
        capacity=dict(machine.capacity),
        **fields,
    )


def claim(name: str, on: clusters.Node | None = None, node_pool: str = "general", **fields: Any) -> clusters.NodeClaim:
    """A claim of a NodePool, initialized and consolidatable when it has a node; else in flight with `labels`."""
    ready = ("Launched", "Registered", "Initialized", "Consolidatable") if on is not None else ()
    conditions = {each: clusters.ClaimCondition("True") for each in ready} | fields.pop("conditions", {})
    return clusters.NodeClaim(
        name,
        node_pool=node_pool,
        node_class=fields.pop("node_class", "default"),
        labels=fields.pop("labels", dict(on.labels) if on is not None else {}) | {labels.NODEPOOL: node_pool},
        node=on.name if on is not None else "",
        conditions=conditions,
        **fields,
    )


def owned(name: str, zone: str = A, of: str = "b3-16", node_pool: str = "general", **fields: Any) -> list[Any]:
    """A node with its claim; `claim` holds fields of the claim."""
    about = fields.pop("claim", {})
    own = {labels.NODEPOOL: node_pool, **fields.pop("labels", {})}
    found = node(name, zone, of, labels=own, **fields)
    return [found, claim(f"claim-{name}", found, node_pool, **about)]


def pool(name: str = "general", requirements: Iterable[Mapping[str, Any]] = (), **fields: Any) -> clusters.NodePool:
    """
    A NodePool.

    `labels`, `annotations`, `taints`, `startupTaints`, `expireAfter`, `terminationGracePeriod` go to the template,
    `ready` and `deleting` to the object, the rest (limits, weight, replicas, disruption) to the spec.
    """
    ready, deleting = fields.pop("ready", None), fields.pop("deleting", False)
    reference = {"group": ovhnodeclass.GROUP, "kind": ovhnodeclass.KIND, "name": fields.pop("node_class", "default")}
    inside = ("taints", "startupTaints", "expireAfter", "terminationGracePeriod")
    template = {
        "metadata": {key: fields.pop(key) for key in ("labels", "annotations") if key in fields},
        "spec": {
            "nodeClassRef": reference,
            "requirements": list(requirements),
            **{key: fields.pop(key) for key in inside if key in fields},
        },
    }
    manifest = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {"template": template, **fields},
    }
    return clusters.NodePool(name, nodepool.NodePool.model_validate(manifest), ready, deleting)


def requirement(key: str, operator: str, *values: str, **more: Any) -> dict[str, Any]:
    """A requirement of a NodePool; `minValues` may follow."""
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {}), **more}


def node_class(name: str = "default", region: str = REGION, **fields: Any) -> clusters.NodeClass:
    """An OVHNodeClass; `monthlyBilled` and `antiAffinity` may follow."""
    ready, deleting = fields.pop("ready", None), fields.pop("deleting", False)
    manifest = {
        "apiVersion": "karpenter.ovhcloud.sh/v1alpha1",
        "kind": "OVHNodeClass",
        "metadata": {"name": name},
        "spec": {"serviceName": "0" * 32, "kubeId": "1", "region": region, **fields},
    }
    return clusters.NodeClass(name, ovhnodeclass.OVHNodeClass.model_validate(manifest), ready, deleting)


def daemon_set(name: str, of: clusters.PodSpec | None = None) -> clusters.DaemonSet:
    """A DaemonSet in kube-system; without a spec it takes 100m and 100 MiB."""
    return clusters.DaemonSet("kube-system", name, of or spec(100, 100 * MIB))


def cluster(*objects: Any, **fields: Any) -> clusters.Cluster:
    """A cluster of these objects and lists of objects, with a NodePool and a node class if none is given."""
    found = clusters.Cluster(**fields)
    homes: dict[type, Any] = {
        clusters.Pod: found.pods,
        clusters.Node: found.nodes,
        clusters.NodeClaim: found.node_claims,
        clusters.NodePool: found.node_pools,
        clusters.NodeClass: found.node_classes,
        clusters.DaemonSet: found.daemon_sets,
        clusters.Budget: found.budgets,
        clusters.VolumeClaim: found.volume_claims,
        clusters.Volume: found.volumes,
        clusters.StorageClass: found.storage_classes,
    }
    for each in (one for entry in objects for one in (entry if isinstance(entry, list) else [entry])):
        namespace = getattr(each, "namespace", "")
        homes[type(each)][f"{namespace}/{each.name}" if namespace else each.name] = each
    if not found.node_pools:
        found.node_pools["general"] = pool()
    if not found.node_classes:
        found.node_classes["default"] = node_class()
    return found


# ---------------------------------------------------------------------------------------------------------------- plans


def buy(
    of: clusters.Cluster,
    name: str,
    placed: Iterable[str] = (),
    flavor_name: str = "b3-16",
    zone: str = A,
    node_pool: str = "general",
    **changes: Any,
) -> plans.NewNode:
    """
    A node to create with these pods ("web-0" is "default/web-0"), all its figures as they should be.

    `labels` come on top of those of flavor, place and template; DaemonSets without selectors and tolerations are
    counted when the template has no taints. Anything else in `changes` replaces a field.
    """
    machine = SHELF.flavors[flavor_name]
    owner = of.node_pools[node_pool].manifest
    template = owner.spec.template
    bought_for = of.node_classes[template.spec.node_class_ref.name].manifest.spec
    billing, price = catalogue.price_per_hour(machine, monthly=bought_for.monthly_billed)
    keys = tuple(key if "/" in key else f"default/{key}" for key in placed)
    requests: Counter[str] = Counter()
    daemons = list(of.daemon_sets.values()) if not template.spec.taints else []
    specs = [of.pods[key].spec for key in keys if key in of.pods] + [each.spec for each in daemons]
    for each in specs:
        requests.update(dict(each.requests))
        requests["pods"] += 1
    fields: dict[str, Any] = {
        "name": name,
        "node_pool": node_pool,
        "node_class": template.spec.node_class_ref.name,
        "flavor": flavor_name,
        "zone": zone,
        "hourly": price,
        "ovh_pool": f"karpenter-{flavor_name}-{zone}",
        "pods": keys,
        "labels": {
            **template.metadata.labels,
            **labels.flavor_labels(machine),
            **labels.offering_labels(bought_for.region, zone),
            labels.NODEPOOL: node_pool,
            "karpenter.ovhcloud.sh/ovhnodeclass": template.spec.node_class_ref.name,
            **changes.pop("labels", {}),
        },
        "annotations": dict(template.metadata.annotations),
        "taints": tuple(clusters.Taint(t.key, t.value, t.effect) for t in template.spec.taints),
        "startup_taints": tuple(clusters.Taint(t.key, t.value, t.effect) for t in template.spec.startup_taints),
        "requests": dict(requests),
        "allocatable": dict(machine.allocatable),
        "flavor_options": (flavor_name,),
        "monthly_billed": billing == "monthly",
    }
    return plans.NewNode(**(fields | changes))


def gone(of: clusters.Cluster, name: str, reason: str = "Underutilized", **changes: Any) -> plans.GoneNode:
    """A node to remove with the pods that move away from it."""
    there = of.nodes[name]
    held = next((each for each in of.node_claims.values() if each.node == name), None)
    machine = there.labels[TYPE]
    moving = tuple(
        key
        for key, each in of.pods.items()
        if each.node == name and not each.terminal and (each.owner is None or each.owner.kind != "DaemonSet")
    )
    fields: dict[str, Any] = {
        "node": name,
        "node_claim": held.name if held is not None else "",
        "node_pool": there.labels.get(labels.NODEPOOL, ""),
        "flavor": machine,
        "zone": there.labels[ZONE],
        "hourly": SHELF.flavors[machine].hourly_micro_eur or 0,
        "reason": reason,
        "pods": moving,
    }
    return plans.GoneNode(**(fields | changes))


def plan(
    of: clusters.Cluster,
    *create: plans.NewNode,
    placed: Mapping[str, str] | None = None,
    left_out: Iterable[str] = (),
    delete: Iterable[plans.GoneNode] = (),
    **changes: Any,
) -> plans.Plan:
    """
    A plan that creates these nodes with their pods, places others on nodes that exist, and leaves the rest out.

    Sums of money are right unless `changes` replaces them.
    """
    removed = tuple(delete)
    placements = {key: new.name for new in create for key in new.pods}
    placements |= {key if "/" in key else f"default/{key}": name for key, name in (placed or {}).items()}
    owned_labels = [each.labels for each in of.nodes.values() if labels.NODEPOOL in each.labels]
    owned_labels += [each.labels for each in of.node_claims.values() if not each.node]
    before = sum(SHELF.flavors[found[TYPE]].hourly_micro_eur or 0 for found in owned_labels if TYPE in found)
    bought, saved = sum(new.hourly for new in create), sum(each.hourly for each in removed)
    fields: dict[str, Any] = {
        "status": "feasible",
        "inputs": plans.Inputs("", len(of.pods), 0, len(of.nodes), 0, 5.0, "test", "test"),
        "create": create,
        "delete": removed,
        "keep": (),
        "steps": (),
        "placements": placements,
        "unschedulable": tuple(
            plans.Unschedulable(key if "/" in key else f"default/{key}", "no room") for key in left_out
        ),
        "cost": plans.Cost(before, before + bought - saved, bought, saved, None, None),
        "objective": (),
        "verification": plans.Verification(ok=False),
        "solve": plans.SolveInfo(0.0, 0, 0),
    }
    return plans.Plan(**(fields | changes))


def changed(thing: Any, **fields: Any) -> Any:
    """A copy with other fields."""
    return dataclasses.replace(thing, **fields)


def asked(**fields: Any) -> options.Options:
    """Options."""
    return options.Options(**fields)


def owner(kind: str, name: str) -> clusters.Owner:
    """The controller of a pod."""
    return clusters.Owner(kind, name)


def condition(status: str, changed: int = 0) -> clusters.ClaimCondition:
    """A condition of a claim."""
    return clusters.ClaimCondition(status, changed=changed)
