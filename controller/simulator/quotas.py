"""The project's quota: what is used, what still fits, and the refusal of what does not."""

from __future__ import annotations

from collections.abc import Callable

from controller.simulator import model, shop

Amounts = tuple[int, int, int]
"""Cores, RAM in MB, instances."""


def used(world: model.World, goods: shop.Shop, region: str) -> Amounts:
    """What exists in a region, other machines of the project included."""
    return _sum(world, goods, region, lambda node: node.instance_id is not None)


def room(world: model.World, goods: shop.Shop, region: str, flavor: str) -> int:
    """How many more machines of a flavor fit the region's quota beside those that exist."""
    limits = world.quotas[region]
    sizes = (goods.flavors[flavor].vcpus, goods.ram(flavor), 1)
    taken = used(world, goods, region)
    rooms = [
        (limit - already) // size
        for limit, already, size in zip((limits.cores, limits.ram, limits.instances), taken, sizes, strict=True)
        if limit >= 0
    ]
    return max(0, min(rooms, default=1000))


def check(world: model.World, goods: shop.Shop, region: str, flavor: str, count: int) -> None:
    """412 when so many more machines do not fit beside those that exist or are on their way."""
    if count <= 0 or world.habits.quota_check == "node":
        return
    wanted = _sum(world, goods, region, lambda node: node.status not in model.FAILED)
    of, limits = goods.flavors[flavor], world.quotas[region]
    for kind, needed, already, limit, message in (
        ("VCPUs", of.vcpus, wanted[0], limits.cores, "current vCPUs quota is insufficient"),
        ("RAM", goods.ram(flavor), wanted[1], limits.ram, "your project's RAM quota is too low"),
        ("Instances", 1, wanted[2], limits.instances, "current instances quota is insufficient"),
    ):
        if limit >= 0 and already + count * needed > limit:
            text = f"[Insufficient{kind}Quota] Cannot perform operation: {message}: {count * needed} needed"
            raise model.Refusal(412, f"Client::PreconditionFailed::Insufficient{kind}Quota", text)


def _sum(world: model.World, goods: shop.Shop, region: str, counts: Callable[[model.Node], bool]) -> Amounts:
    quota = world.quotas[region]
    cores, ram, instances = quota.other_cores, quota.other_ram, quota.other_instances
    for node in world.nodes.values():
        if counts(node) and world.clusters[world.pools[node.pool_id].cluster_id].region == region:
            cores += goods.flavors[node.flavor].vcpus
            ram += goods.ram(node.flavor)
            instances += 1
    return cores, ram, instances
