"""The world as OVH's JSON; shapes and names of the v1 schema (https://eu.api.ovh.com/console/?section=%2Fcloud)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from controller.simulator import model, shop, state


def moment(seconds: float) -> str:
    """A time as OVH writes it: RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cluster(of: model.Cluster, base: str) -> dict[str, Any]:
    """One managed cluster."""
    return {
        "id": of.id,
        "name": of.name,
        "region": of.region,
        "version": of.version,
        "status": of.status,
        "plan": of.plan,
        "url": base,
        "nodesUrl": base,
        "isUpToDate": True,
        "controlPlaneIsUpToDate": True,
        "nextUpgradeVersions": [],
        "updatePolicy": "ALWAYS_UPDATE",
        "kubeProxyMode": "iptables",
        "customization": {},
        "privateNetworkId": None,
        "privateNetworkConfiguration": None,
        "nodesSubnetId": None,
        "loadBalancersSubnetId": None,
        "createdAt": moment(of.created_at),
        "updatedAt": moment(of.created_at),
    }


def pool(sim: state.Simulation, of: model.Pool) -> dict[str, Any]:
    """One node pool: ``currentNodes`` are all that are present, ``availableNodes`` those that are ready."""
    nodes = sim.nodes(of.id)
    available = sum(node.status == model.READY for node in nodes)
    size = "CAPACITY_OK" if available == of.desired else "UNDER_CAPACITY" if available < of.desired else "OVER_CAPACITY"
    return {
        "id": of.id,
        "projectId": sim.world.project,
        "name": of.name,
        "flavor": of.flavor,
        "status": of.status,
        "sizeStatus": size,
        "desiredNodes": of.desired,
        "minNodes": of.min,
        "maxNodes": of.max,
        "currentNodes": len(nodes),
        "availableNodes": available,
        "upToDateNodes": len(nodes),
        "autoscale": of.autoscale,
        "monthlyBilled": of.monthly_billed,
        "antiAffinity": of.anti_affinity,
        "availabilityZones": [of.zone] if sim.world.clusters[of.cluster_id].zones else [],
        "attachFloatingIps": {"enabled": of.floating_ips},
        "autoscaling": of.autoscaling,
        "template": of.template,
        "createdAt": moment(of.created_at),
        "updatedAt": moment(of.updated_at),
    }


def node(sim: state.Simulation, of: model.Node) -> dict[str, Any]:
    """One node; ``instanceId`` is null until a machine exists."""
    home = sim.world.clusters[sim.world.pools[of.pool_id].cluster_id]
    by_uuid = sim.world.habits.node_flavor == "uuid"
    return {
        "id": of.id,
        "projectId": sim.world.project,
        "nodePoolId": of.pool_id,
        "instanceId": of.instance_id,
        "name": of.name,
        "flavor": shop.flavor_id(home.region, of.flavor) if by_uuid else of.flavor,
        "status": of.status,
        "version": home.version,
        "isUpToDate": True,
        "createdAt": moment(of.created_at),
        "updatedAt": moment(of.updated_at),
        "deployedAt": None if of.deployed_at is None else moment(of.deployed_at),
        "deletedAt": None,
    }


def quota(sim: state.Simulation, region: str) -> dict[str, Any]:
    """The project's quota in a region; memory in MB, and OVH's capitals."""
    limits = sim.world.quotas[region]
    cores, ram, instances = sim.used(region)
    return {
        "region": region,
        "instance": {
            "maxCores": limits.cores,
            "usedCores": cores,
            "maxInstances": limits.instances,
            "usedInstances": instances,
            "maxRam": limits.ram,
            "usedRAM": ram,
        },
        "keypair": {"maxCount": 100},
        "volume": None,
        "network": None,
        "loadbalancer": None,
    }


def region(name: str, zones: tuple[str, ...]) -> dict[str, Any]:
    """A region; no availability zones where there is only one."""
    return {
        "name": name,
        "type": "region-3-az" if zones else "region",
        "status": "UP",
        "availabilityZones": list(zones),
        "ipCountries": [],
        "services": [{"name": service, "status": "UP", "endpoint": ""} for service in ("instance", "kubernetes")],
    }


def kube_flavors(sim: state.Simulation, name: str, zones: tuple[str, ...]) -> list[dict[str, Any]]:
    """The flavors that clusters of a region may use; unavailable where no zone has one left."""
    return [shop.kube_flavor(each, available=_in_stock(sim, each.name, zones)) for each in sim.shop.in_region(name)]


def nova_flavors(sim: state.Simulation, name: str, zones: tuple[str, ...]) -> list[dict[str, Any]]:
    """The project's flavors in a region, Windows siblings included."""
    listed = []
    for each in sim.shop.in_region(name):
        linux = shop.nova_flavor(
            each, name, available=_in_stock(sim, each.name, zones), quota=sim.room(name, each.name)
        )
        listed.append(linux)
        if not each.gpus:
            listed.append(shop.windows_flavor(linux))
    return listed


def _in_stock(sim: state.Simulation, flavor: str, zones: tuple[str, ...]) -> bool:
    return any(sim.stock(flavor, zone) != 0 for zone in zones or ("nova",))
