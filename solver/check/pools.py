"""
NodePools as the checker reads them: what their template asks for and puts on nodes, and whether they may be used.

Requirements of a pool are its `requirements`, its template labels and its own name; a key that no flavor and no
offering decides becomes one concrete label on the node. Source: Karpenter core, `pkg/apis/v1/labels.go` and
`pkg/controllers/provisioning/scheduling/nodeclaimtemplate.go`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from catalog import labels as names
from catalog import region
from crds import ovhnodeclass
from solver import cluster, options
from solver.check import match

NODE_CLASS = f"{ovhnodeclass.GROUP}/{ovhnodeclass.KIND.lower()}"
"""Label that names the node class on nodes and claims."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pool:
    """
    A NodePool with its node class.

    `conditions` are the requirements by label key, `labels` the custom labels of the template, `open_keys` those
    custom keys whose value the plan chooses. `unusable` says why no pod may bring a node of this pool about, "" when
    one may.
    """

    name: str
    node_class: str
    region: str
    zones: tuple[str, ...]
    conditions: Mapping[str, tuple[match.Condition, ...]]
    min_values: tuple[tuple[str, int], ...]
    labels: Mapping[str, str]
    open_keys: tuple[str, ...]
    annotations: Mapping[str, str]
    taints: tuple[cluster.Taint, ...]
    startup_taints: tuple[cluster.Taint, ...]
    limits: Mapping[str, int]
    replicas: int | None
    monthly: bool
    anti_affinity: bool
    unusable: str


def read(snapshot: cluster.Cluster, asked: options.Options) -> dict[str, Pool]:
    """All NodePools of the cluster by name."""
    return {name: _pool(each, snapshot, asked) for name, each in snapshot.node_pools.items()}


def is_custom(key: str) -> bool:
    """Whether a label key is neither well known nor kept for Karpenter, so that a NodePool alone decides it."""
    domain = key.partition("/")[0] if "/" in key else ""
    reserved = domain == "karpenter.sh" or domain.endswith(".karpenter.sh")
    return key not in names.WELL_KNOWN and key != names.HOSTNAME and not reserved


def _pool(pool: cluster.NodePool, snapshot: cluster.Cluster, asked: options.Options) -> Pool:
    spec, metadata = pool.manifest.spec.template.spec, pool.manifest.spec.template.metadata
    node_class = snapshot.node_classes.get(spec.node_class_ref.name)
    where, zones = _place(node_class, asked)
    conditions: dict[str, list[match.Condition]] = {}
    for requirement in spec.requirements:
        key = names.translate(requirement.key)
        values = tuple(_zone(where, value) for value in requirement.values) if key in _ZONES else requirement.values
        conditions.setdefault(key, []).append((requirement.operator, values))
    custom = {key: value for key, value in metadata.labels.items() if is_custom(key)}
    for key, value in metadata.labels.items():
        key = names.translate(key)
        if key not in custom:
            conditions.setdefault(key, []).append(("In", (_zone(where, value) if key in _ZONES else value,)))
    return Pool(
        name=pool.name,
        node_class=spec.node_class_ref.name,
        region=where,
        zones=zones,
        conditions={key: tuple(found) for key, found in conditions.items()},
        min_values=tuple((names.translate(r.key), r.min_values) for r in spec.requirements if r.min_values is not None),
        labels=custom,
        open_keys=tuple(
            key
            for key, found in conditions.items()
            if is_custom(key) and key not in custom and all(operator != "DoesNotExist" for operator, _ in found)
        ),
        annotations=metadata.annotations,
        taints=tuple(cluster.Taint(t.key, t.value, t.effect) for t in spec.taints),
        startup_taints=tuple(cluster.Taint(t.key, t.value, t.effect) for t in spec.startup_taints),
        limits=pool.manifest.spec.limits,
        replicas=pool.manifest.spec.replicas,
        monthly=node_class is not None and node_class.manifest.spec.monthly_billed,
        anti_affinity=node_class is not None and node_class.manifest.spec.anti_affinity,
        unusable=_unusable(pool, node_class),
    )


_ZONES = (names.ZONE, names.CINDER_ZONE)


def _place(node_class: cluster.NodeClass | None, asked: options.Options) -> tuple[str, tuple[str, ...]]:
    """Region and its zones; a region that the catalogue does not list has those that the node class reports."""
    if node_class is None:
        return "", ()
    where = asked.region or node_class.manifest.spec.region
    if where in region.REGIONS:
        return where, region.REGIONS[where].zones
    return where, node_class.manifest.status.zones if where == node_class.manifest.spec.region else ()


def _zone(where: str, zone: str) -> str:
    return region.resolve_zone(where, zone)[0] if where in region.REGIONS else zone


def _unusable(pool: cluster.NodePool, node_class: cluster.NodeClass | None) -> str:
    ref = pool.manifest.spec.template.spec.node_class_ref
    if pool.ready is False:
        return "it is not ready"
    if pool.deleting:
        return "it is being deleted"
    if ref.group != ovhnodeclass.GROUP or ref.kind != ovhnodeclass.KIND or node_class is None:
        return f"its node class {ref.kind} {ref.name} does not exist"
    if node_class.ready is False:
        return f"its node class {ref.name} is not ready"
    if node_class.deleting:
        return f"its node class {ref.name} is being deleted"
    return ""
