"""
The loop that speaks to OVH: pools for claims, nodes for claims, removals, and what nobody wants any more.

It is the only writer to OVH, so no pool ever has two requests under way.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable

from controller import names, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import demands, outcomes, pools
from controller.ovh import errors, types
from solver.rules import ovh as pool_rules

log = logging.getLogger(__name__)


class Cloud:
    """The OVH side of all node classes."""

    def __init__(self, shared: world.World, changed: Callable[[], None]) -> None:
        self._world = shared
        self._changed = changed
        self._outcomes = outcomes.Outcomes(shared, changed)
        self._removing: dict[str, float] = {}
        self._orphans: dict[str, float] = {}
        self._empty: dict[str, float] = {}
        self._listed: set[str] = set()
        self._again = False
        self._last_full = 0.0
        self._asks: frozenset[object] = frozenset()
        """What the cluster wanted of OVH at the last listing: news of it are acted upon at once, other wakes wait."""

    def tick(self) -> float:
        """Bring every pool of every place to what its claims need."""
        shared = self._world
        if not shared.mirror.synced():
            return 0.2
        with shared.lock:
            known = list(shared.places.values())
        places = [place for place in known if place.ready]
        claims = [item for item in shared.mirror.all(kinds.NODE_CLAIM) if world.managed(item)]
        going = {
            node["metadata"]["name"]
            for node in shared.mirror.all(kinds.NODE)
            if world.deleting(node) and names.TERMINATION_FINALIZER in (node["metadata"].get("finalizers") or [])
        }
        busy = bool(going or self._empty or self._orphans or self._outcomes.awaited) or any(
            demands.busy(claim) for claim in claims
        )
        now = shared.now()
        asks = frozenset(going) | {demands.ask(claim) for claim in claims} | {(each.name, each.ready) for each in known}
        pause = shared.settings.ovh_poll_interval if busy else shared.settings.ovh_idle_interval
        due = self._last_full + pause - now
        if asks == self._asks and due > 0:
            return min(5.0, due)
        self._asks = frozenset()
        self._listed.clear()
        classes = {claim["spec"]["nodeClassRef"]["name"] for claim in claims}
        complete = len(places) == len(known) and classes <= {place.name for place in places}
        machines: set[str] | None = set() if complete else None
        for place in demands.distinct(places):
            of_place = {each.name for each in places if demands.same(each, place)}
            mine = [claim for claim in claims if claim["spec"]["nodeClassRef"]["name"] in of_place]
            found = self._reconcile(place, mine)
            machines = None if machines is None or found is None else machines | found
        with shared.lock:
            shared.machines = None if machines is None else world.Machines(frozenset(machines), now)
        self._last_full = now
        self._asks = frozenset() if self._again else asks
        if self._again:
            self._again = False
            return 0.5
        if machines is not None:
            self._forget({claim["metadata"]["name"] for claim in claims})
        return shared.settings.ovh_poll_interval

    def _forget(self, claims: set[str]) -> None:
        """Drop what was remembered of nodes and claims that are no more."""
        self._orphans = {node: since for node, since in self._orphans.items() if node in self._listed}
        self._removing = {node: since for node, since in self._removing.items() if node in self._listed}
        self._outcomes.forget(claims)

    def _reconcile(self, place: world.Place, claims: list[world.Object]) -> set[str] | None:
        """
        One place: its pools as they are, and the claims that belong to them.

        Provider ids of the machines that stay, None when some pool did not tell its nodes.
        """
        by_pool: dict[str, list[world.Object]] = {}
        for claim in claims:
            name = world.annotation(claim, names.OVH_POOL)
            by_pool.setdefault(name or self._default_pool(claim), []).append(claim)
        listed = {pool.name: pool for pool in place.client.node_pools() if pool.status != "DELETED"}
        existing = len(listed)
        if existing < pool_rules.MAX_POOLS and self._world.forget(world.POOL_LIMIT, place.zones):
            self._changed()
        machines: set[str] | None = set()
        refused: errors.OVHError | None = None
        for name in sorted({*listed, *by_pool}):
            pool, mine = listed.get(name), by_pool.get(name, [])
            if pool is not None and not mine and not self._ours(pool):
                continue
            try:
                if pool is None:
                    existing += self._create(place, name, mine, existing)
                    continue
                found = self._one(place, pool, mine)
            except (errors.BadRequestError, errors.ConflictError, errors.QuotaError, errors.StockError) as error:
                # What is refused to one pool is no reason to leave the others alone.
                log.warning("pool refused", extra={"pool": name, "error": str(error)})
                refused, found = error, None
            except (apis.ConflictError, apis.NotFoundError):
                # A claim has changed since it was read: soon again.
                self._again, found = True, None
            machines = None if machines is None or found is None else machines | found
        if refused is not None:
            raise refused
        return machines

    def _default_pool(self, claim: world.Object) -> str:
        return pool_rules.base_name(world.label(claim, names.INSTANCE_TYPE_LABEL), world.label(claim, names.ZONE_LABEL))

    def _ours(self, pool: types.NodePool) -> bool:
        return demands.ours(pool, self._world.settings.installation)

    # One pool that exists

    def _one(self, place: world.Place, pool: types.NodePool, claims: list[world.Object]) -> set[str] | None:
        shared, now = self._world, self._world.now()
        if pool.status in ("DELETING", "DELETED"):
            return set()
        busy = pool.desired_nodes or pool.current_nodes or claims
        nodes: tuple[types.Node, ...] = ()
        if busy:
            try:
                nodes = place.client.nodes(pool.id)
            except errors.NotFoundError:
                # For about two minutes after its creation a pool may not be found.
                return None
        self._listed |= {node.id for node in nodes}
        nodes = tuple(self._as_asked(node, now) for node in nodes)
        machines = {node.provider_id for node in nodes if node.provider_id and node.phase is not types.Phase.LEAVING}
        if claims and not self._fits(place, pool, claims):
            return machines
        by_name = {claim["metadata"]["name"]: claim for claim in claims}
        in_cluster = shared.nodes_by_machine()
        expired = frozenset(node for node, since in self._orphans.items() if now - since > shared.settings.orphan_after)
        found = pools.decide(
            pool.desired_nodes,
            pool.max_nodes or pool_rules.POOL_SIZE,
            nodes,
            [demands.view(c, in_cluster.get(str((c.get("status") or {}).get("providerID") or ""))) for c in claims],
            expired if self._ours(pool) else frozenset(),
        )
        self._note_orphans(pool, found, nodes, now)
        by_id = {node.id: node for node in nodes}
        for claim_name, node_id in found.assign.items():
            if by_id[node_id].phase not in pools.FAILED:
                self._outcomes.launched(place, by_name[claim_name], by_id[node_id])
        for claim in claims:
            node = by_id.get(world.annotation(claim, names.NODE_ID))
            kept = node is not None and node.phase is not types.Phase.LEAVING
            if (
                node is not None
                and kept
                and not world.deleting(claim)
                and claim["metadata"]["name"] not in found.assign
            ):
                self._outcomes.launched(place, claim, node)
        for failure in found.failures:
            self._failed(pool, failure, by_name.get(failure.claim))
        if found.desired is not None:
            self._resize(place, pool, found, claims)
        for name in found.leaving:
            self._outcomes.terminating(by_name[name])
        for name in found.gone:
            self._outcomes.finish(by_name[name])
        for name in (*found.missing, *found.lost):
            self._outcomes.vanished(by_name[name], name in found.lost, now)
        self._maybe_delete(place, pool, found.empty, now)
        return machines

    def _as_asked(self, node: types.Node, now: float) -> types.Node:
        """A node whose removal was asked for a moment ago counts as leaving, whatever a late answer says."""
        asked = self._removing.get(node.id)
        if (
            asked is not None
            and now - asked < self._world.settings.ovh_settle_time
            and node.phase is not types.Phase.LEAVING
        ):
            return node.model_copy(update={"status": "DELETING"})
        return node

    def _note_orphans(
        self, pool: types.NodePool, found: pools.Decision, nodes: Iterable[types.Node], now: float
    ) -> None:
        for node in nodes:
            if node.id not in found.orphans:
                self._orphans.pop(node.id, None)
        if self._ours(pool):
            for node_id in found.orphans:
                self._orphans.setdefault(node_id, now)

    def _fits(self, place: world.Place, pool: types.NodePool, claims: list[world.Object]) -> bool:
        """
        Whether the pool's content is what the claims want.

        An empty pool is given their content; of a pool in use they are sent to another one.
        """
        wanted = demands.template(claims[0], self._world.settings.installation)
        same_template = demands.content(pool.template) == demands.content(wanted)
        fixed = pool.anti_affinity == place.anti_affinity and not pool.autoscale
        if same_template and fixed:
            return True
        fresh = [claim for claim in claims if not world.annotation(claim, names.NODE_ID) and not world.deleting(claim)]
        if fixed and self._ours(pool) and pool.desired_nodes == 0 and not pool.current_nodes:
            place.client.update_node_pool(pool.id, template=wanted)
            return False
        name = pool_rules.hashed_name(pool.flavor, pool.zone, json.dumps(demands.content(wanted), sort_keys=True))
        for claim in fresh:
            if name != pool.name:
                log.info(
                    "pool has another content",
                    extra={"NodeClaim": claim["metadata"]["name"], "pool": pool.name, "instead": name},
                )
                self._world.annotate(claim, {names.OVH_POOL: name})
        return not fresh

    def _failed(self, pool: types.NodePool, failure: pools.Failure, claim: world.Object | None) -> None:
        """
        Remember the refusal and let the claim go, so that the next batch plans around it.

        A node that breaks after it has joined says nothing about the next one.
        """
        reasons = {
            types.Phase.OUT_OF_STOCK: "out of stock",
            types.Phase.OUT_OF_QUOTA: world.OVER_QUOTA,
            types.Phase.BROKEN: "broken",
        }
        if not failure.used:
            self._world.refuse(pool.flavor, pool.zone, reasons[failure.phase])
        if claim is not None and not world.deleting(claim):
            message = f"{pool.flavor} in {pool.zone}: OVHcloud answers {failure.status}"
            self._outcomes.give_up(claim, "insufficient_capacity", message)

    def _resize(
        self, place: world.Place, pool: types.NodePool, found: pools.Decision, claims: list[world.Object]
    ) -> None:
        assert found.desired is not None
        now = self._world.now()
        log.info(
            "resizing pool",
            extra={"pool": pool.name, "from": pool.desired_nodes, "to": found.desired, "remove": len(found.remove)},
        )
        for node in found.remove:
            self._removing[node] = now
        try:
            place.client.update_node_pool(pool.id, desired_nodes=found.desired, nodes_to_remove=found.remove)
        except errors.AmbiguousError:
            # Whether it went through shows in the next list; nodes that are still there then are asked for again.
            for node in found.remove:
                self._removing.pop(node, None)
            raise
        except errors.OVHError as error:
            for node in found.remove:
                self._removing.pop(node, None)
            if found.remove:
                raise
            self._refused(pool.flavor, pool.zone, error, [c for c in claims if demands.waits(c)])

    def _refused(self, flavor: str, zone: str, error: errors.OVHError, claims: list[world.Object]) -> None:
        """A request for nodes that OVH will refuse again is given up; anything else is tried again later."""
        if isinstance(error, errors.StockError):
            reason = "out of stock"
        elif isinstance(error, errors.QuotaError):
            reason = world.OVER_QUOTA
        elif isinstance(error, errors.BadRequestError):
            reason = "refused"
        else:
            raise error
        self._world.refuse(flavor, zone, reason)
        for claim in claims:
            self._outcomes.give_up(claim, "insufficient_capacity", str(error))

    def _maybe_delete(self, place: world.Place, pool: types.NodePool, empty: bool, now: float) -> None:
        if not empty or not self._ours(pool):
            self._empty.pop(pool.id, None)
            return
        since = self._empty.setdefault(pool.id, now)
        if now - since < self._world.settings.empty_pool_after:
            return
        try:
            place.client.delete_node_pool(pool.id)
            log.info("deleted pool", extra={"pool": pool.name})
        except errors.NotFoundError:
            pass
        except errors.ConflictError as error:
            log.info("pool cannot be deleted yet", extra={"pool": pool.name, "error": str(error)})
            return
        self._empty.pop(pool.id, None)

    # Pools that do not exist

    def _create(self, place: world.Place, name: str, claims: list[world.Object], existing: int) -> bool:
        """Order a pool for claims that wait; whether there is one more now than the `existing` ones."""
        shared, now = self._world, self._world.now()
        for claim in claims:
            # A pool that was ordered without an answer may be there and not listed yet, and its node would be forgotten.
            if demands.removable(claim) and now - _ordered(claim) >= shared.settings.ovh_settle_time:
                self._outcomes.finish(claim)
        waiting = [claim for claim in claims if demands.waits(claim)]
        for claim in claims:
            if not world.deleting(claim) and world.annotation(claim, names.NODE_ID):
                # A list without a pool is not believed while the machine serves the cluster.
                alive = demands.view(claim, shared.node_of(claim)).alive
                self._outcomes.vanished(claim, not alive, now)
        if not waiting:
            return False
        flavor = world.label(waiting[0], names.INSTANCE_TYPE_LABEL)
        zone = world.label(waiting[0], names.ZONE_LABEL)
        if existing >= pool_rules.MAX_POOLS:
            text = f"the cluster has {existing} node pools, and no more than {pool_rules.MAX_POOLS} are made"
            shared.refuse(flavor, zone, world.POOL_LIMIT)
            for claim in waiting:
                self._outcomes.give_up(claim, "pool_limit", f"{flavor} in {zone} would need another pool: {text}")
            return False
        if now - max(map(_ordered, waiting)) < shared.settings.ovh_settle_time:
            log.info("waiting for a pool that may have been created", extra={"pool": name})
            return False
        most = pool_rules.ANTI_AFFINITY_POOL_SIZE if place.anti_affinity else pool_rules.POOL_SIZE
        wanted = waiting[:most]
        for claim in wanted:
            shared.annotate(claim, {names.POOL_INTENT: conditions.stamp(now)})
        monthly = any(world.annotation(claim, names.MONTHLY) == "true" for claim in wanted)
        try:
            spec = types.NodePoolSpec(
                name=name,
                flavor=flavor,
                desired_nodes=len(wanted),
                max_nodes=most,
                monthly_billed=monthly,
                anti_affinity=place.anti_affinity,
                availability_zones=(zone,) if place.multi_zone else (),
                template=demands.template(wanted[0], shared.settings.installation),
            )
            log.info("creating pool", extra={"pool": name, "nodes": len(wanted)})
            pool = place.client.create_node_pool(spec)
            self._one(place, pool, claims)
        except errors.AmbiguousError:
            raise
        except errors.OVHError as error:
            for claim in wanted:
                shared.annotate(claim, {names.POOL_INTENT: None})
            if isinstance(error, errors.ConflictError):
                raise
            self._refused(flavor, zone, error, wanted)
            return False
        return True


def _ordered(claim: world.Object) -> float:
    """When a pool was about to be created for a claim, 0 when none was or the answer is known."""
    return conditions.seconds(world.annotation(claim, names.POOL_INTENT)) or 0.0
