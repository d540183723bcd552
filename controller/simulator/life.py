"""What becomes of the simulated nodes and pools by themselves, as a function of the world and a time.

Nothing here knows of HTTP, clusters or the real clock. What follows from a request is put on the agenda; ``advance``
lets the agenda happen in order up to a time. Random draws come from the world's seed and a counter, so the same requests
at the same times give the same world, also after it was written to a file and read back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TypeVar

from controller.simulator import dice, model, quotas, shop

T = TypeVar("T")


class Life:
    """A world and the flavors that are sold in it, as time goes by."""

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
            "settle": lambda event: self.settle(event.subject),
        }

    def cluster(self, cluster_id: str) -> model.Cluster:
        """The cluster of an id, or 404."""
        return known(self.world.clusters, cluster_id, "cluster")

    def pool(self, cluster_id: str, pool_id: str) -> model.Pool:
        """The pool of an id in a cluster, or 404."""
        self.cluster(cluster_id)
        pool = known(self.world.pools, pool_id, "node pool")
        if pool.cluster_id != cluster_id:
            raise missing("node pool", pool_id)
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
            self.set_status(node, failure)
            self.plan("machine", node.id, self.world.timings.retry, node.epoch)
        else:
            if left is not None:
                self.world.stock[f"{node.flavor}@{node.zone}"] = left - 1
            node.instance_id = dice.identifier(self.world)
            self.set_status(node, "INSTALLING")
            self._boot(node)
        self.settle(pool.id)

    def _boot(self, node: model.Node) -> None:
        """Plan what follows once the machine of a node exists or is installed anew."""
        if not node.joins:
            return
        timings = self.world.timings
        span = self.boot_span(node.flavor)
        self.plan("join", node.id, span * (timings.join_share - timings.machine_share), node.epoch)
        self.plan("ready", node.id, span * (1 - timings.machine_share), node.epoch)

    def _join(self, event: model.Event) -> None:
        node = self.world.nodes.get(event.subject)
        if node is not None:
            node.joined = True

    def _ready(self, event: model.Event) -> None:
        node = self.world.nodes.get(event.subject)
        if node is None:
            return
        node.deployed_at = self.world.now
        self.set_status(node, model.READY)
        if self.world.timings.gpu_plugin is not None and self.shop.flavors[node.flavor].gpus:
            self.plan("gpus", node.id, self.world.timings.gpu_plugin, node.epoch)
        self.settle(node.pool_id)

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
            self.settle(pool.id)

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
            self.add_nodes(pool, 1)
            self.remove(node)
        else:
            node.epoch += 1
            node.healthy = True
            node.gpus_shown = False
            self.set_status(node, "REDEPLOYING")
            self._boot(node)
        self.settle(pool.id)

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
                self.remove(node)
        if not nodes:
            del self.world.pools[pool.id]

    # Parts.

    def add_nodes(self, pool: model.Pool, count: int) -> None:
        """Records of further nodes, whose machines come later."""
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
            self.plan("machine", node.id, self.boot_span(pool.flavor) * self.world.timings.machine_share)

    def _stillborn(self, flavor: str) -> bool:
        for order in self.world.stillborn:
            if order["count"] > 0 and order.get("flavor", flavor) == flavor:
                order["count"] -= 1
                return True
        return False

    def remove(self, node: model.Node) -> None:
        """Begin the end of a node: drained, deleted, then gone."""
        node.epoch += 1
        self.set_status(node, model.DELETING)
        span = dice.span(self.world, self.world.timings.removal) if node.instance_id is not None else 1.0
        self.plan("gone", node.id, span, node.epoch)

    def settle(self, pool_id: str) -> None:
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

    def boot_span(self, flavor: str) -> float:
        """How long a node of a flavor takes to be ready, drawn anew."""
        timings = self.world.timings
        return dice.span(self.world, timings.gpu_boot if self.shop.flavors[flavor].gpus else timings.boot)

    def set_status(self, node: model.Node, status: str) -> None:
        """Another status of a node, from now on."""
        node.status = status
        node.updated_at = self.world.now

    def plan(self, kind: str, subject: str, wait: float, epoch: int = 0) -> None:
        """Put on the agenda what happens to a node or pool in so many seconds, to the node only in this life of it."""
        self.world.planned += 1
        heapq.heappush(self.world.agenda, model.Event(self.world.now + wait, self.world.planned, kind, subject, epoch))


def known(things: dict[str, T], key: str, what: str) -> T:
    """One of these by its id, or 404."""
    try:
        return things[key]
    except KeyError:
        raise missing(what, key) from None


def missing(what: str, key: str) -> model.Refusal:
    """The refusal of a request about something that does not exist."""
    return model.Refusal(404, "Client::NotFound", f"{what} {key} does not exist")
