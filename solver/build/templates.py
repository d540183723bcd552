"""NodePools as templates of nodes: which of them count, what they promise, and how much of their limits is used."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping

from catalog import labels, region
from crds import ovhnodeclass, wording
from solver import cluster, options
from solver.rules import context, limits, requirements

NODE_CLASS_LABEL = f"{ovhnodeclass.GROUP}/{ovhnodeclass.KIND.lower()}"
RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods", "nodes")
"""What limits can be about, apart from extended resources, whose names have a slash."""
OTHER_CLOUDS = ("karpenter.k8s.aws/", "karpenter.azure.com/", "karpenter.k8s.gcp/", "karpenter.k8s.alibabacloud/")
"""How labels begin by which Karpenter chooses machines of other clouds."""


def left_out(pool: cluster.NodePool, of: cluster.Cluster, asked: options.Options) -> str | None:
    """
    Why no new nodes are made from a NodePool, or None when some may be.

    Static pools (`replicas`) keep their number by themselves: their nodes are places like any other, and no pod makes
    new ones. Source: Karpenter `pkg/controllers/provisioning/provisioner.go`, `pkg/utils/nodepool/nodepool.go`.
    """
    spec = pool.manifest.spec
    reference = spec.template.spec.node_class_ref
    if pool.deleting:
        return "it is being deleted"
    if spec.replicas is not None:
        return "it is static (spec.replicas): it keeps its number of nodes whatever pods are waiting"
    if (reference.group, reference.kind) != (ovhnodeclass.GROUP, ovhnodeclass.KIND):
        return f"its node class is a {reference.kind} of {reference.group}, not an {ovhnodeclass.KIND}"
    node_class = of.node_classes.get(reference.name)
    if node_class is None:
        return f'its node class "{reference.name}" is not there'
    if node_class.deleting:
        return f'its node class "{reference.name}" is being deleted'
    if node_class.ready is False:
        return f'its node class "{reference.name}" is not ready'
    if pool.ready is False:
        return "it is not ready"
    return _contradiction(_parts(pool, _region(node_class, asked), []))


def _contradiction(parts: Iterable[requirements.Requirement]) -> str | None:
    """The key on which requirements leave no value although none of them says DoesNotExist."""
    parts = list(parts)
    absent = {each.key for each in parts if each.operator == "DoesNotExist"}
    for key, each in requirements.combine(parts).items():
        if each.operator == "DoesNotExist" and key not in absent:
            return f"its requirements on {key} leave no value"
    return None


def template(
    pool: cluster.NodePool, of: cluster.Cluster, asked: options.Options, usage: Mapping[str, int], notes: list[str]
) -> context.Template:
    """What a NodePool that is not left out can launch. Zone names that its region reads otherwise are noted."""
    spec = pool.manifest.spec
    made = spec.template
    node_class = of.node_classes[made.spec.node_class_ref.name]
    where = _region(node_class, asked)
    notes += _strange(pool)
    return context.Template(
        name=pool.name,
        weight=spec.weight,
        node_class=node_class.name,
        region=where,
        monthly=node_class.manifest.spec.monthly_billed,
        anti_affinity=node_class.manifest.spec.anti_affinity,
        requirements=requirements.combine(_parts(pool, where, notes)),
        labels={
            key: value for key, value in made.metadata.labels.items() if labels.translate(key) not in labels.WELL_KNOWN
        },
        annotations=dict(made.metadata.annotations),
        taints=tuple(cluster.Taint(each.key, each.value, each.effect) for each in made.spec.taints),
        startup_taints=tuple(cluster.Taint(each.key, each.value, each.effect) for each in made.spec.startup_taints),
        limits=dict(spec.limits),
        usage=usage,
    )


def _strange(pool: cluster.NodePool) -> Iterator[str]:
    """What a NodePool says that no API server refuses and that does not mean what was meant."""
    spec = pool.manifest.spec
    for key in spec.limits:
        if "/" not in key and key not in RESOURCES:
            meant = wording.closest(key, RESOURCES)
            hint = f"did you mean {meant}?" if meant else f"write {', '.join(RESOURCES)} or another resource of nodes"
            yield f'NodePool {pool.name}: no node has "{key}", so that it limits nothing: {hint}'
    for requirement in spec.template.spec.requirements:
        if requirement.key.startswith(OTHER_CLOUDS):
            yield (
                f'NodePool {pool.name}: "{requirement.key}" is a label of another cloud, by which no flavor is chosen: '
                "write one of karpenter.ovhcloud.sh"
            )


def _region(node_class: cluster.NodeClass, asked: options.Options) -> region.Region:
    """
    The region that nodes of a class are bought in.

    One that the catalogue does not list has the zones that the node class reports. Raises `region.UnknownRegionError`.
    """
    own = node_class.manifest
    name = asked.region or own.spec.region
    if name not in region.REGIONS and name == own.spec.region and own.status.zones:
        return region.from_api(name, own.status.zones, "standard")
    return region.get(name)


def _parts(pool: cluster.NodePool, where: region.Region, notes: list[str]) -> list[requirements.Requirement]:
    """Everything that a NodePool says of its nodes' labels, with zone names as nodes of the region carry them."""
    made = pool.manifest.spec.template
    said = [(each.key, each.operator, each.values, each.min_values) for each in made.spec.requirements]
    said += [(key, "In", (value,), None) for key, value in made.metadata.labels.items()]
    said.append((labels.NODEPOOL, "In", (pool.name,), None))
    parts = []
    for key, operator, values, minimum in said:
        current = labels.translate(key)
        if current in (labels.ZONE, labels.CINDER_ZONE):
            found = [region.resolve_zone(where, value) for value in values]
            notes += [f"NodePool {pool.name}: {note}" for _, note in found if note is not None]
            values = tuple(dict.fromkeys(zone for zone, _ in found))
        parts.append(requirements.of(current, operator, values, minimum))
    return parts


def usage(places: Iterable[context.Place]) -> dict[str, dict[str, int]]:
    """
    What counts against the limits of each NodePool.

    It is the capacity of its nodes and claims that are not being deleted, and their number. Source: Karpenter
    `pkg/controllers/state/statenode.go`, `pkg/apis/v1/nodepool.go`.
    """
    found: dict[str, dict[str, int]] = collections.defaultdict(lambda: collections.defaultdict(int))
    for place in places:
        if not place.node_pool or _deleting(place):
            continue
        found[place.node_pool][limits.NODES] += 1
        for resource, amount in place.capacity.items():
            found[place.node_pool][resource] += amount
    return {name: dict(amounts) for name, amounts in found.items()}


def _deleting(place: context.Place) -> bool:
    return bool((place.node and place.node.deleting) or (place.claim and place.claim.deleting))
