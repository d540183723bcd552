"""Every transition of the simulated OVH, as a function of the world and a time.

Nothing here knows of HTTP, clusters or the real clock. Requests change the world at once and put what follows from
them on the agenda; ``advance`` lets the agenda happen in order up to a time. Random draws come from the world's seed
and a counter, so the same requests at the same times give the same world, also after it was written to a file and
read back.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable
from typing import Any, TypeVar

from controller.simulator import dice, model, quotas, rules, shop

T = TypeVar("T")


class Simulation:
    """A world and the flavors that are sold in it.

    Methods that a request leads to raise ``model.Refusal`` and change nothing then. They act at ``world.now``: call
    ``advance`` first.
    """

    def __init__(self, world: model.World, goods: shop.Shop) -> None:
        self.world = world
        self.shop = goods
        self._happenings: dict[str, Callable[[model.Event], None]] = {
            "machine": self._machine,
            "join": self._join,
            "ready": self._ready,
            "gpus": self._gpus,
            "gone": self._gone,
            "exchange": self._exchange,
            "delete": self._delete,
            "settle": lambda event: self._settle(event.subject),
        }

    # Reading.

    def cluster(self, cluster_id: str) -> model.Cluster:
        """The cluster of an id, or 404."""
        return _known(self.world.clusters, cluster_id, "cluster")

    def pool(self, cluster_id: str, pool_id: str) -> model.Pool:
        """The pool of an id in a cluster, or 404."""
        self.cluster(cluster_id)
        pool = _known(self.world.pools, pool_id, "node pool")
        if pool.cluster_id != cluster_id:
            raise _missing("node pool", pool_id)
        return pool

    def pools(self, cluster_id: str) -> list[model.Pool]:
        """The pools of a cluster, oldest first."""
        self.cluster(cluster_id)
        return [pool for pool in self.world.pools.values() if pool.cluster_id == cluster_id]

    def nodes(self, pool_id: str) -> list[model.Node]:
        """The nodes of a pool, oldest first, those on their way out included."""
        return [node for node in self.world.nodes.values() if node.pool_id == pool_id]

    def stock(self, flavor: str, zone: str) -> int | None:
        """Machines left of a flavor in a zone, None when it never runs out."""
        return self.world.stock.get(f"{flavor}@{zone}")

    def used(self, region: str) -> tuple[int, int, int]:
        """Cores, RAM in MB and instances that exist in a region, other machines of the project included."""
        return quotas.used(self.world, self.shop, region)

    def room(self, region: str, flavor: str) -> int:
        """How many more machines of a flavor fit the region's quota beside those that exist."""
        return quotas.room(self.world, self.shop, region, flavor)

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
        self._add_nodes(pool, sizes.desired)
        self._plan("settle", pool.id, dice.span(self.world, (1.0, 5.0)))
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
            self._remove(self.world.nodes[node_id])
        self._add_nodes(pool, sizes.desired - len(staying))
        self._settle(pool_id)

    def delete_pool(self, cluster_id: str, pool_id: str) -> None:
        """DELETE of a pool: refused while something is under way."""
        pool = self.pool(cluster_id, pool_id)
        if pool.deleting or pool.status in ("INSTALLING", "UPSCALING", "DOWNSCALING", "UPDATING"):
            raise busy("delete", pool.status)
        pool.deleting = True
        self._plan("delete", pool_id, dice.span(self.world, self.world.timings.delete_shown))

    def delete_node(self, cluster_id: str, node_id: str) -> None:
        """DELETE of a node; whether the pool shrinks or replaces it is not documented and a habit here."""
        node = _known(self.world.nodes, node_id, "node")
        pool = self.pool(cluster_id, node.pool_id)
        if node.leaving or pool.deleting:
            raise busy("delete", model.DELETING)
        self._remove(node)
        if self.world.habits.node_delete == "shrink":
            pool.desired -= 1
            pool.min = min(pool.min, pool.desired)
        else:
            self._add_nodes(pool, 1)
        self._settle(pool.id)

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
            self._plan("exchange", node.id, dice.span(self.world, self.world.timings.rebuild), node.epoch)

    def break_node(self, node_id: str) -> None:
        """The kubelet of a node falls silent: auto-repair follows."""
        node = _known(self.world.nodes, node_id, "node")
        node.healthy = False
        self._plan("exchange", node.id, self.world.timings.repair, node.epoch)

    def exchange_node(self, node_id: str) -> None:
        """Auto-repair of a node at once."""
        node = _known(self.world.nodes, node_id, "node")
        if node.instance_id is None:
            raise rules.bad(f"node {node_id} has no machine yet: nothing to repair")
        self._exchange(model.Event(self.world.now, 0, "exchange", node_id, node.epoch))

    def fail_node(self, node_id: str, status: str) -> None:
        """Put a node into a state that it does not leave by itself."""
        node = _known(self.world.nodes, node_id, "node")
        node.epoch += 1
        self._set(node, status)
        self._settle(node.pool_id)

    # Time.

    def advance(self, now: float) -> None:
        """Let everything happen that is due by ``now``; a time in the past changes nothing."""
        agenda = self.world.agenda
        while agenda and agenda[0].at <= now:
            event = heapq.heappop(agenda)
            self.world.now = max(self.world.now, event.at)
            node = self.world.nodes.get(event.subject)
            if node is None or node.epoch == event.epoch:
                self._happenings[event.kind](event)
        self.world.now = max(self.world.now, now)

    @property
    def next_event(self) -> float | None:
        """When something will happen next, None when nothing is planned."""
        return self.world.agenda[0].at if self.world.agenda else None

    # Happenings.

    def _machine(self, event: model.Event) -> None:
        """A node gets its machine, or finds no stock or quota and will be tried again."""
        node = self.world.nodes.get(event.subject)
        if node is None:
            return
        pool = self.world.pools[node.pool_id]
        left = self.stock(node.flavor, node.zone)
        if left == 0:
            failure = model.OUT_OF_STOCK
        elif self.room(self.world.clusters[pool.cluster_id].region, node.flavor) < 1:
            failure = model.OUT_OF_QUOTA
        else:
            failure = ""
        if failure:
            self._set(node, failure)
            self._plan("machine", node.id, self.world.timings.retry, node.epoch)
        else:
            if left is not None:
                self.world.stock[f"{node.flavor}@{node.zone}"] = left - 1
            node.instance_id = dice.identifier(self.world)
            self._set(node, "INSTALLING")
            self._boot(node)
        self._settle(pool.id)

    def _boot(self, node: model.Node) -> None:
        """Plan what follows once the machine of a node exists or is installed anew."""
        if not node.joins:
            return
        timings = self.world.timings
        span = self._boot_span(node.flavor)
        self._plan("join", node.id, span * (timings.join_share - timings.machine_share), node.epoch)
        self._plan("ready", node.id, span * (1 - timings.machine_share), node.epoch)

    def _join(self, event: model.Event) -> None:
        node = self.world.nodes.get(event.subject)
        if node is not None:
            node.joined = True

    def _ready(self, event: model.Event) -> None:
        node = self.world.nodes.get(event.subject)
        if node is None:
            return
        node.deployed_at = self.world.now
        self._set(node, model.READY)
        if self.world.timings.gpu_plugin is not None and self.shop.flavors[node.flavor].gpus:
            self._plan("gpus", node.id, self.world.timings.gpu_plugin, node.epoch)
        self._settle(node.pool_id)

    def _gpus(self, event: model.Event) -> None:
        node = self.world.nodes.get(event.subject)
        if node is not None:
            node.gpus_shown = True

    def _gone(self, event: model.Event) -> None:
        node = self.world.nodes.pop(event.subject, None)
        if node is None:
            return
        left = self.stock(node.flavor, node.zone)
        if left is not None and node.instance_id is not None:
            self.world.stock[f"{node.flavor}@{node.zone}"] = left + 1
        pool = self.world.pools[node.pool_id]
        if pool.deleting and not self.nodes(pool.id):
            del self.world.pools[pool.id]
        else:
            self._settle(pool.id)

    def _exchange(self, event: model.Event) -> None:
        """Free clusters install a node anew in place, standard ones replace it by another.

        A node whose Node object was deleted joins again; one under auto-repair keeps its object, not ready.
        """
        node = self.world.nodes.get(event.subject)
        if node is None or node.leaving:
            return
        pool = self.world.pools[node.pool_id]
        if pool.deleting:
            return
        if self.world.clusters[pool.cluster_id].plan == "standard":
            self._add_nodes(pool, 1)
            self._remove(node)
        else:
            node.epoch += 1
            node.healthy = True
            node.gpus_shown = False
            self._set(node, "REDEPLOYING")
            self._boot(node)
        self._settle(pool.id)

    def _delete(self, event: model.Event) -> None:
        pool = self.world.pools.get(event.subject)
        if pool is None:
            return
        pool.status = model.DELETING
        pool.updated_at = self.world.now
        pool.desired = pool.min = 0
        nodes = self.nodes(pool.id)
        for node in nodes:
            if not node.leaving:
                self._remove(node)
        if not nodes:
            del self.world.pools[pool.id]

    # Parts.

    def _add_nodes(self, pool: model.Pool, count: int) -> None:
        for _ in range(count):
            now = self.world.now
            standard = self.world.clusters[pool.cluster_id].plan == "standard"
            suffix = (
                f"{pool.machine_set}-{dice.letters(self.world, 5)}"
                if standard
                else f"node-{dice.hexadecimal(self.world, 6)}"
            )
            node = model.Node(
                id=dice.identifier(self.world),
                pool_id=pool.id,
                name=f"{pool.name}-{suffix}",
                flavor=pool.flavor,
                zone=pool.zone,
                created_at=now,
                updated_at=now,
                joins=not self._stillborn(pool.flavor),
            )
            self.world.nodes[node.id] = node
            self._plan("machine", node.id, self._boot_span(pool.flavor) * self.world.timings.machine_share)

    def _stillborn(self, flavor: str) -> bool:
        for order in self.world.stillborn:
            if order["count"] > 0 and order.get("flavor", flavor) == flavor:
                order["count"] -= 1
                return True
        return False

    def _remove(self, node: model.Node) -> None:
        """Begin the end of a node: drained, deleted, then gone."""
        node.epoch += 1
        self._set(node, model.DELETING)
        span = dice.span(self.world, self.world.timings.removal) if node.instance_id is not None else 1.0
        self._plan("gone", node.id, span, node.epoch)

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

    def _settle(self, pool_id: str) -> None:
        """The status of a pool follows from its nodes."""
        pool = self.world.pools.get(pool_id)
        if pool is None or pool.deleting:
            return
        states = {node.status for node in self.nodes(pool_id)}
        if states & model.CREATING:
            status = "UPSCALING" if pool.installed else "INSTALLING"
        elif states & model.FAILED:
            stuck = self.world.habits.stuck_pool
            status = "INSTALLING" if stuck == "UPSCALING" and not pool.installed else stuck
        elif model.DELETING in states:
            status = "DOWNSCALING"
        else:
            status = model.READY
            pool.installed = True
        if status != pool.status:
            pool.status = status
            pool.updated_at = self.world.now

    def _template(self, request: rules.Update) -> dict[str, Any] | None:
        template = rules.template(request)
        if template is not None and self.world.habits.restricted_labels == "dropped":
            labels = template["metadata"]["labels"]
            template["metadata"]["labels"] = {
                key: value for key, value in labels.items() if not key.split("/")[0].endswith("karpenter.sh")
            }
        return template

    def _boot_span(self, flavor: str) -> float:
        timings = self.world.timings
        return dice.span(self.world, timings.gpu_boot if self.shop.flavors[flavor].gpus else timings.boot)

    def _set(self, node: model.Node, status: str) -> None:
        node.status = status
        node.updated_at = self.world.now

    def _plan(self, kind: str, subject: str, wait: float, epoch: int = 0) -> None:
        self.world.planned += 1
        heapq.heappush(self.world.agenda, model.Event(self.world.now + wait, self.world.planned, kind, subject, epoch))


def _known(things: dict[str, T], key: str, what: str) -> T:
    try:
        return things[key]
    except KeyError:
        raise _missing(what, key) from None


def _missing(what: str, key: str) -> model.Refusal:
    return model.Refusal(404, "Client::NotFound", f"{what} {key} does not exist")


def busy(verb: str, status: str) -> model.Refusal:
    """The refusal of a change to a pool in which something is under way."""
    text = f"[IntegrityError] 400: Cannot {verb} NodePool: NodePool status is {status}"
    return model.Refusal(400, "Client::BadRequest", text)
