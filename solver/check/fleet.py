"""
What all nodes together may be: NodePool limits, static pools, project quota, sizes and number of OVH pools.

Old and new nodes stand side by side until the old ones are gone, so each check is about the nodes that exist
(`standing`) and those to be launched. Sources: Karpenter core, `pkg/apis/v1/nodepool.go` and
`pkg/controllers/static`; OVHcloud guide "Known limits" (5 nodes in an anti-affinity pool, 100 in others); project
quotas count the memory of a flavor as 1000 MiB for each GiB in its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from catalog import allocatable, flavor
from catalog import labels as names
from crds import quantity
from solver import plan
from solver.check import facts, hosts, market, pools

LIMITS, STATIC, QUOTA, OVH_POOLS = "limits", "static-pools", "quota", "ovh-pools"

NODES = "nodes"

ANTI_AFFINITY_NODES = 5
POOL_NODES = 100
CLUSTER_POOLS = 100
QUOTA_MEMORY = 1000 * allocatable.MIB


def violations(
    known: facts.Facts, standing: Collection[str], launched: Collection[plan.NewNode]
) -> Iterator[plan.Violation]:
    """
    Limits that the launched nodes exceed together with the nodes and claims that are `standing`.

    Launched are all nodes of the plan so far; what `options.quota` leaves is what was left before the first of them,
    and nodes of the cluster that no longer stand have given theirs back.
    """
    if launched:
        used = usage(known, standing)
        yield from _limits(known, used, launched)
        yield from _static(known, used, launched)
        yield from _quota(known, standing, launched)
        yield from _ovh_pools(known, standing, launched)


def everything(known: facts.Facts) -> set[str]:
    """Names of all nodes and claims of the cluster before the plan."""
    return known.snapshot.nodes.keys() | known.in_flight.keys()


def usage(known: facts.Facts, standing: Collection[str]) -> dict[str, Counter[str]]:
    """Capacity of standing nodes and claims not in deletion, by NodePool and resource; `nodes` is their number."""
    used: dict[str, Counter[str]] = {}
    for pool, capacity in _owned(known, standing):
        found = used.setdefault(pool, Counter())
        found.update(capacity)
        found[NODES] += 1
    return used


def _owned(known: facts.Facts, standing: Collection[str]) -> Iterator[tuple[str, Mapping[str, int]]]:
    for name in standing:
        if (node := known.snapshot.nodes.get(name)) is not None:
            claim = known.claim_of.get(name)
            reported = {**(claim.capacity if claim is not None else {}), **_known(node.capacity)}
            labels, pool, going = hosts.labels_of(node, claim), known.node_pool(node), name in known.leaving
        else:
            claim = known.in_flight[name]
            reported, labels, pool, going = (
                dict(claim.capacity),
                hosts.claim_labels(claim),
                claim.node_pool,
                claim.deleting,
            )
        if pool and not going:
            yield pool, hosts.capacity(labels, reported, known)


def _known(amounts: Mapping[str, int]) -> dict[str, int]:
    return {resource: amount for resource, amount in amounts.items() if amount}


def exceeded(limits: Mapping[str, int], used: Mapping[str, int], added: Mapping[str, int]) -> str | None:
    """The first limited resource of which more is added than is left, None when there is none."""
    for resource, limit in limits.items():
        more = added.get(resource, 0)
        if more > 0 and used.get(resource, 0) + more > limit:
            return resource
    return None


def _limits(
    known: facts.Facts, used: Mapping[str, Counter[str]], launched: Iterable[plan.NewNode]
) -> Iterator[plan.Violation]:
    added: dict[str, Counter[str]] = {}
    for new in launched:
        of = known.catalogue.flavors.get(new.flavor)
        found = added.setdefault(new.node_pool, Counter())
        found.update(of.capacity if of is not None else {})
        found[NODES] += 1
    for name, more in added.items():
        pool = known.node_pools.get(name)
        here = used.get(name, Counter())
        if pool is not None and (resource := exceeded(pool.limits, here, more)) is not None:
            total = quantity.format_units(resource, here[resource] + more[resource])
            limit = quantity.format_units(resource, pool.limits[resource])
            words = f"NodePool {name} would have {total} {resource} while old and new nodes stand side by side"
            yield plan.Violation(LIMITS, "", "", f"{words}, its limit is {limit}")


def _static(
    known: facts.Facts, used: Mapping[str, Counter[str]], launched: Iterable[plan.NewNode]
) -> Iterator[plan.Violation]:
    new = Counter(each.node_pool for each in launched)
    for name, count in new.items():
        pool = known.node_pools.get(name)
        if pool is not None and pool.replicas is not None and used.get(name, Counter())[NODES] + count > pool.replicas:
            words = f"static NodePool {name} would have more nodes than its {pool.replicas} replicas"
            yield plan.Violation(STATIC, "", "", words)


def affordable(known: facts.Facts) -> list[market.Offer]:
    """Offers of which limits and quota leave room for at least one node."""
    if known.affordable is None:
        used = usage(known, everything(known))
        quota = {resource: max(left, 0) for resource, left in known.asked.quota.items()}
        known.affordable = [
            offer
            for offer in known.offers.offers()
            if exceeded(offer.pool.limits, used.get(offer.pool.name, {}), {**offer.flavor.capacity, NODES: 1}) is None
            and exceeded(quota, {}, demanded(offer.flavor)) is None
        ]
    return known.affordable


def demanded(of: flavor.Flavor) -> dict[str, int]:
    """What a node of a flavor takes of the project quota."""
    return {"vcpus": of.vcpus, "memory": of.memory_gib * QUOTA_MEMORY, "instances": 1}


def _quota(known: facts.Facts, standing: Collection[str], launched: Iterable[plan.NewNode]) -> Iterator[plan.Violation]:
    taken: Counter[str] = Counter()
    for new in launched:
        if (of := known.catalogue.flavors.get(new.flavor)) is not None:
            taken.update(demanded(of))
    for name in everything(known) - set(standing):
        node = known.snapshot.nodes.get(name)
        of = known.catalogue.flavors.get(known.flavor(node.labels)) if node is not None else None
        if of is not None:
            taken.subtract(demanded(of))
    for resource, left in known.asked.quota.items():
        if taken[resource] > max(left, 0):
            words = f"the new nodes take {taken[resource]} of the project quota for {resource}, {left} is left"
            yield plan.Violation(QUOTA, "", "", words)


def _ovh_pools(
    known: facts.Facts, standing: Collection[str], launched: Collection[plan.NewNode]
) -> Iterator[plan.Violation]:
    sizes: Counter[str] = Counter()
    contents: dict[str, tuple[str, str]] = {}
    for name in standing:
        node = known.snapshot.nodes.get(name)
        labels = node.labels if node is not None else hosts.claim_labels(known.in_flight[name])
        if names.OVH_POOL in labels:
            sizes[labels[names.OVH_POOL]] += 1
            contents[labels[names.OVH_POOL]] = (known.flavor(labels), labels.get(names.ZONE, ""))
    before = set(sizes)
    makers: dict[str, plan.NewNode] = {}
    for new in launched:
        sizes[new.ovh_pool] += 1
        other = makers.setdefault(new.ovh_pool, new)
        flavor_name, zone = contents.get(new.ovh_pool, ("", ""))
        if not _alike(known, new, other) or flavor_name not in ("", new.flavor) or zone not in ("", new.zone):
            words = f"node {new.name}: OVH pool {new.ovh_pool} holds nodes of another flavor, zone, template or billing"
            yield plan.Violation(OVH_POOLS, "", new.name, words)
    for name, new in makers.items():
        pool = known.node_pools.get(new.node_pool)
        spread = pool is not None and pool.anti_affinity
        most = ANTI_AFFINITY_NODES if spread else POOL_NODES
        if sizes[name] > most:
            kind = "anti-affinity OVH pool" if spread else "OVH pool"
            yield plan.Violation(OVH_POOLS, "", "", f"{kind} {name} would have {sizes[name]} nodes, it takes {most}")
    if len(sizes) > max(CLUSTER_POOLS, len(before)):
        words = f"the cluster would have {len(sizes)} OVH pools, it takes {CLUSTER_POOLS}"
        yield plan.Violation(OVH_POOLS, "", "", words)


def _alike(known: facts.Facts, one: plan.NewNode, other: plan.NewNode) -> bool:
    """Whether two nodes may be in one OVH pool, which has one flavor, zone, billing, anti-affinity and template."""
    if one is other:
        return True
    first, second = known.node_pools.get(one.node_pool), known.node_pools.get(other.node_pool)
    return first is None or second is None or _content(one, first) == _content(other, second)


def _content(new: plan.NewNode, pool: pools.Pool) -> tuple[object, ...]:
    """What the OVH pool of a node fixes: startup taints are no part of it, MKS would put them back on old nodes."""
    custom = {key: new.labels.get(key, "") for key in (*pool.labels, *pool.open_keys)}
    billing = (pool.node_class, new.monthly_billed)
    return new.flavor, new.zone, *billing, sorted(custom.items()), sorted(map(repr, pool.taints))
