"""What requests, the cluster and an operator do to the simulated OVH; what follows from that is in ``life``.

Nothing here knows of HTTP, clusters or the real clock: a request changes the world at once.
"""

from __future__ import annotations

import copy
from typing import Any

from controller.simulator import dice, life, model, quotas, rules


class Simulation(life.Life):
    """A world that requests change.

    Methods that a request leads to raise ``model.Refusal`` and change nothing then. They act at ``world.now``: call
    ``advance`` first.
    """

    # Requests.

    def create_pool(self, cluster_id: str, request: rules.Creation) -> model.Pool:
        """POST of a pool: its nodes exist as records at once, machines come later."""
        cluster = self.cluster(cluster_id)
        if not self.shop.sells(request.flavor, cluster.region):
            raise rules.bad(f"[flavorName] flavor {request.flavor!r} is not available in {cluster.region}")
        zone = rules.zone(request, cluster.zones, self.world.habits.zones_in_one_zone_status)
        if request.monthly_billed and not self.shop.flavors[request.flavor].monthly_billable:
            raise rules.bad(f"[monthlyBilled] monthly billing not supported yet for flavor {request.flavor}")
        pools = self.pools(cluster_id)
        if any(pool.name == request.name for pool in pools):
            raise model.Refusal(409, "Client::Conflict", f"node pool {request.name!r} already exists")
        if len(pools) >= self.world.habits.pools_per_cluster:
            raise rules.bad(f"this cluster has {len(pools)} node pools already")
        limit = rules.ANTI_AFFINITY_LIMIT if request.anti_affinity else rules.POOL_LIMIT
        sizes = rules.Sizes(
            1 if request.desired is None else request.desired,
            request.min or 0,
            limit if request.max is None else request.max,
            limit,
        )
        quotas.check(self.world, self.shop, cluster.region, request.flavor, sizes.desired)
        now = self.world.now
        pool_id = dice.identifier(self.world)
        pool = model.Pool(
            id=pool_id,
            cluster_id=cluster_id,
            name=request.name or f"nodepool-{pool_id}",
            flavor=request.flavor,
            zone=zone,
            machine_set=dice.letters(self.world, 5),
            desired=sizes.desired,
            min=sizes.min,
            max=sizes.max,
            autoscale=bool(request.autoscale),
            monthly_billed=request.monthly_billed,
            anti_affinity=request.anti_affinity,
            floating_ips=request.floating_ips is not None and request.floating_ips.enabled,
            autoscaling=rules.AUTOSCALING | (request.autoscaling or {}),
            template=self._template(request) or copy.deepcopy(rules.EMPTY_TEMPLATE),
            created_at=now,
            updated_at=now,
            visible_at=now + dice.span(self.world, self.world.timings.hidden),
        )
        self.world.pools[pool.id] = pool
        self.add_nodes(pool, sizes.desired)
        self.plan("settle", pool.id, dice.span(self.world, (1.0, 5.0)))
        return pool

    def update_pool(self, cluster_id: str, pool_id: str, request: rules.Update) -> None:
        """PUT of a pool: sizes are absolute, listed nodes go first, then the newest, missing ones are made."""
        pool = self.pool(cluster_id, pool_id)
        if pool.deleting:
            raise busy("update", model.DELETING)
        sizes = rules.Sizes(
            pool.desired if request.desired is None else request.desired,
            pool.min if request.min is None else request.min,
            pool.max if request.max is None else request.max,
            rules.ANTI_AFFINITY_LIMIT if pool.anti_affinity else rules.POOL_LIMIT,
        )
        staying = [node for node in self.nodes(pool_id) if not node.leaving]
        listed = self._listed(staying, request.nodes_to_remove)
        staying = [node for node in staying if node.id not in listed]
        region = self.cluster(cluster_id).region
        quotas.check(self.world, self.shop, region, pool.flavor, sizes.desired - len(staying))
        pool.desired, pool.min, pool.max = sizes.desired, sizes.min, sizes.max
        if request.autoscale is not None:
            pool.autoscale = request.autoscale
        if request.floating_ips is not None:
            pool.floating_ips = request.floating_ips.enabled
        pool.autoscaling |= request.autoscaling or {}
        pool.template = self._template(request) or pool.template
        pool.updated_at = self.world.now
        newest_first = sorted(staying, key=lambda node: (node.created_at, node.id), reverse=True)
        surplus = {node.id for node in newest_first[: max(0, len(staying) - sizes.desired)]}
        for node_id in [*listed, *surplus]:
            self.remove(self.world.nodes[node_id])
        self.add_nodes(pool, sizes.desired - len(staying))
        self.settle(pool_id)

    def delete_pool(self, cluster_id: str, pool_id: str) -> None:
        """DELETE of a pool: refused while something is under way."""
        pool = self.pool(cluster_id, pool_id)
        if pool.deleting or pool.status in ("INSTALLING", "UPSCALING", "DOWNSCALING", "UPDATING"):
            raise busy("delete", pool.status)
        pool.deleting = True
        self.plan("delete", pool_id, dice.span(self.world, self.world.timings.delete_shown))

    def delete_node(self, cluster_id: str, node_id: str) -> None:
        """DELETE of a node; whether the pool shrinks or replaces it is not documented and a habit here."""
        node = life.known(self.world.nodes, node_id, "node")
        pool = self.pool(cluster_id, node.pool_id)
        if node.leaving or pool.deleting:
            raise busy("delete", model.DELETING)
        self.remove(node)
        if self.world.habits.node_delete == "shrink":
            pool.desired -= 1
            pool.min = min(pool.min, pool.desired)
        else:
            self.add_nodes(pool, 1)
        self.settle(pool.id)

    # What the cluster reports, and what an operator of the simulator does.

    def object_seen(self, node_id: str) -> None:
        """The Node object of a joined node is there."""
        node = self.world.nodes.get(node_id)
        if node is not None and node.joined:
            node.registered = True

    def object_lost(self, node_id: str) -> None:
        """Somebody deleted the Node object of a node that the pool keeps: MKS rebuilds the node after a while."""
        node = self.world.nodes.get(node_id)
        if node is None or not node.registered:
            return
        node.joined = node.registered = False
        if not node.leaving:
            self.plan("exchange", node.id, dice.span(self.world, self.world.timings.rebuild), node.epoch)

    def break_node(self, node_id: str) -> None:
        """The kubelet of a node falls silent: auto-repair follows."""
        node = life.known(self.world.nodes, node_id, "node")
        node.healthy = False
        self.plan("exchange", node.id, self.world.timings.repair, node.epoch)

    def exchange_node(self, node_id: str) -> None:
        """Auto-repair of a node at once."""
        node = life.known(self.world.nodes, node_id, "node")
        if node.instance_id is None:
            raise rules.bad(f"node {node_id} has no machine yet: nothing to repair")
        self._exchange(model.Event(self.world.now, 0, "exchange", node_id, node.epoch))

    def fail_node(self, node_id: str, status: str) -> None:
        """Put a node into a state that it does not leave by itself."""
        node = life.known(self.world.nodes, node_id, "node")
        node.epoch += 1
        self.set_status(node, status)
        self.settle(node.pool_id)

    def _listed(self, staying: list[model.Node], wanted: list[str]) -> dict[str, None]:
        """Ids of the nodes that ``nodesToRemove`` names, each by its id, its instance id or its provider id."""
        names: dict[str, model.Node] = {}
        for node in staying:
            names[node.id] = node
            if node.instance_id is not None:
                names[node.instance_id] = names[f"openstack:///{node.instance_id}"] = node
        unknown = [name for name in wanted if name not in names]
        if unknown and self.world.habits.unknown_node_to_remove == "refuse":
            raise rules.bad(f"[nodesToRemove] {unknown[0]!r} is not a node of this node pool")
        found = [names[name] for name in wanted if name in names]
        if self.world.habits.installing_node_removal == "refuse":
            for node in found:
                if node.status in model.CREATING:
                    raise busy("remove a node of", "INSTALLING")
        return {node.id: None for node in found}

    def _template(self, request: rules.Update) -> dict[str, Any] | None:
        template = rules.template(request)
        if template is not None and self.world.habits.restricted_labels == "dropped":
            labels = template["metadata"]["labels"]
            template["metadata"]["labels"] = {
                key: value for key, value in labels.items() if not key.split("/")[0].endswith("karpenter.sh")
            }
        return template


def busy(verb: str, status: str) -> model.Refusal:
    """The refusal of a change to a pool in which something is under way."""
    text = f"[IntegrityError] 400: Cannot {verb} NodePool: NodePool status is {status}"
    return model.Refusal(400, "Client::BadRequest", text)
