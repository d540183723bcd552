"""
OVHNodeClasses: whether nodes can be bought where they say, and what there is to buy.

Each right is looked at by itself, so that a condition can name the one that is missing and how to grant it.

A finalizer keeps a class that is deleted until no NodeClaim refers to it and OVH has no node left in pools of ours:
without the class nobody would know after a restart where machines are to be taken away. The claims themselves are left to
their owners, as upstream's providers do (karpenter-provider-aws, `pkg/controllers/nodeclass`).
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from catalog import catalogue as catalogues
from catalog import refresh, region
from controller import metrics, names, ratelimit, world
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import demands
from controller.ovh import client as clients
from controller.ovh import credentials, errors, market, rights, transport

log = logging.getLogger(__name__)

DEPENDENTS = ("CredentialsValid", "PermissionsGranted", "ClusterReady", "RegionMatches", "FlavorsAvailable")
SUBSIDIARY = "FR"
_GRANT_RULES = (
    "make a consumer key that has {} too at https://api.ovh.com/createToken/ (endpoint ovh-eu) and update the Secret"
)
_GRANT_IAM = "grant it to the service account in use by an IAM policy (https://www.ovh.com/manager/#/iam/policies)"


@dataclasses.dataclass(slots=True)
class Finding:
    """What was found out about a node class: conditions by type (status, reason, message), and its place."""

    states: dict[str, tuple[str, str, str]] = dataclasses.field(default_factory=dict)
    place: world.Place | None = None
    status: dict[str, Any] = dataclasses.field(default_factory=dict)

    def fail(self, kind: str, reason: str, message: str) -> Finding:
        """Note what is wrong."""
        self.states[kind] = ("False", reason, message[:1000])
        return self

    def ok(self, kind: str) -> None:
        """Note that something is as it must be."""
        self.states[kind] = ("True", "", "")


def rights_text(missing: Sequence[str]) -> str:
    """Which access rules a consumer key lacks, and how to grant them."""
    rules = "this access rule" if len(missing) == 1 else "these access rules"
    return f"the credentials lack {', '.join(missing)}; {_GRANT_RULES.format(rules)}"


def users(shared: world.World) -> dict[str, list[str]]:
    """The names of the NodeClaims that refer to each node class, also of those that are going, in order."""
    found: dict[str, list[str]] = {}
    for claim in shared.mirror.all(kinds.NODE_CLAIM):
        if world.managed(claim):
            found.setdefault(claim["spec"]["nodeClassRef"]["name"], []).append(claim["metadata"]["name"])
    return {name: sorted(claims) for name, claims in found.items()}


def few(claims: Sequence[str], most: int = 5) -> str:
    """The first of these names, and how many more there are, in upstream's words."""
    more = f" and {len(claims) - most} other(s)" if len(claims) > most else ""
    return ", ".join(claims[:most]) + more


class NodeClasses:
    """The loop over OVHNodeClasses."""

    def __init__(self, shared: world.World, changed: Callable[[], None]) -> None:
        self._world = shared
        self._changed = changed
        self._limiter = ratelimit.TokenBucket(shared.settings.ovh_request_rate, shared.settings.ovh_request_burst)
        self._transports: dict[tuple[str, ...], transport.Transport] = {}
        self._prices: tuple[Any, float] | None = None

    def tick(self) -> float:
        """Look at every node class once. Raises `errors.OVHError` when OVH did not answer about one of them."""
        shared = self._world
        if not shared.mirror.synced():
            return 0.2
        present, failed = set(), None
        for item in shared.mirror.all(kinds.NODE_CLASS):
            try:
                held = self._hold(item)
                if held is None:
                    continue
                present.add(held["metadata"]["name"])
                self._publish(held, self.examine(held))
            except (apis.ConflictError, apis.NotFoundError):
                # It has changed or gone since it was read: the next pass looks again.
                present.add(item["metadata"]["name"])
            except errors.OVHError as error:
                # That of another project may well answer.
                present.add(item["metadata"]["name"])
                failed = error
        # Somebody may have taken the finalizer off a class: OVH has still to be asked to take its nodes away.
        with shared.lock:
            for name in set(shared.places) - present - set(users(shared)):
                del shared.places[name]
        if failed is not None:
            raise failed
        ready = all(place.ready for place in shared.places.values()) and bool(present)
        ready = ready and not any(map(world.deleting, shared.mirror.all(kinds.NODE_CLASS)))
        return shared.settings.node_class_interval if ready else min(10.0, shared.settings.node_class_interval)

    def _hold(self, item: world.Object) -> world.Object | None:
        """The class with the finalizer that keeps it, None when it is deleted and let go, as no claim refers to it."""
        shared, name = self._world, item["metadata"]["name"]
        if not world.deleting(item):
            self._finalize(item, True)
            return shared.fresh(kinds.NODE_CLASS, item)
        if not users(shared).get(name):
            pools = self._pools_left(item)
            if pools:
                note = f"Waiting on OVHcloud to remove the nodes of {few(pools)}"
                shared.recorder.event(item, "WaitingOnNodeRemoval", note)
                return item
        # Whoever plans may be about to write claims of the class.
        with shared.planning:
            waiting = users(shared).get(name, [])
            if not waiting:
                self._finalize(item, False)
                return None
        note = f"Waiting on NodeClaim termination for {few(waiting)}"
        shared.recorder.event(item, "WaitingOnNodeClaimTermination", note)
        return item

    def _pools_left(self, item: world.Object) -> list[str]:
        """
        Names of OVH pools of ours that have or get nodes, which nobody would remove without this class.

        None where another class is for the same cluster, or where OVH lets us see none: no waiting would help then, and a
        warning says so.
        Raises `errors.OVHError` when OVH does not answer.
        """
        spec = item["spec"]
        for other in self._world.mirror.all(kinds.NODE_CLASS):
            same = all(other["spec"].get(key) == spec.get(key) for key in ("serviceName", "kubeId"))
            if same and not world.deleting(other):
                return []
        try:
            pools = self._client(spec).node_pools()
        except (errors.CredentialsError, errors.PermissionMissingError, errors.NotFoundError) as error:
            note = f"Machines may be left at OVHcloud and cost money, look there: {error}"
            self._world.recorder.event(item, "NodesMayRemain", note, warning=True)
            return []
        return sorted(
            pool.name
            for pool in pools
            if demands.ours(pool, self._world.settings.installation)
            and pool.status not in ("DELETING", "DELETED")
            and (pool.desired_nodes or pool.current_nodes)
        )

    def _finalize(self, item: world.Object, wanted: bool) -> None:
        """Put our finalizer onto a class, or take it away."""
        metadata = item["metadata"]
        before = metadata.get("finalizers") or []
        if (names.NODE_CLASS_FINALIZER in before) is wanted:
            return
        after = [each for each in before if each != names.NODE_CLASS_FINALIZER]
        after += [names.NODE_CLASS_FINALIZER] if wanted else []
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": after}}
        self._world.patch(kinds.NODE_CLASS, item, body)
        if not wanted:
            log.info("deleted nodeclass", extra={"OVHNodeClass": metadata["name"]})

    def examine(self, item: world.Object) -> Finding:
        """Ask OVH about one node class."""
        found = Finding()
        spec = item["spec"]
        try:
            client = self._client(spec)
        except errors.CredentialsError as error:
            return found.fail("CredentialsValid", "CredentialsMissing", str(error))
        try:
            return self._ask(item, spec, client, found)
        except errors.CredentialsError as error:
            return found.fail(
                "CredentialsValid", "CredentialsRefused", f"{error}; create new ones and update the Secret"
            )
        except errors.PermissionMissingError as error:
            found.ok("CredentialsValid")
            lacking = self._missing_rights(client, spec)
            text = rights_text(lacking) if lacking else f"{error}; {_GRANT_IAM}"
            return found.fail("PermissionsGranted", "RightMissing", text)

    def _ask(self, item: world.Object, spec: dict[str, Any], client: clients.OVHClient, found: Finding) -> Finding:
        try:
            cluster = client.cluster()
        except errors.NotFoundError:
            found.ok("CredentialsValid")
            text = f"project {spec['serviceName']} has no cluster {spec['kubeId']}; correct serviceName or kubeId"
            return found.fail("ClusterReady", "ClusterNotFound", text)
        found.ok("CredentialsValid")
        missing = self._missing_rights(client, spec)
        if missing:
            return found.fail("PermissionsGranted", "RightMissing", rights_text(missing))
        found.ok("ClusterReady")
        if cluster.region != spec["region"]:
            text = f"the cluster is in {cluster.region}, not in {spec['region']}; correct spec.region"
            return found.fail("RegionMatches", "WrongRegion", text)
        place = client.region(cluster.region)
        zones = place.availability_zones or (region.ONE_ZONE,)
        found.ok("RegionMatches")
        known = self._catalogue(client, cluster.region, place.availability_zones)
        found.ok("PermissionsGranted")
        buyable = [each for each in known.flavors.values() if each.offered and not set(zones) <= each.unavailable_zones]
        if not buyable:
            return found.fail("FlavorsAvailable", "NoFlavors", f"OVHcloud sells no flavor in {cluster.region} now")
        found.ok("FlavorsAvailable")
        asked = self._world.now()
        found.place = world.Place(
            name=item["metadata"]["name"],
            client=client,
            region=cluster.region,
            zones=tuple(zones),
            multi_zone=bool(place.availability_zones),
            monthly=bool(spec.get("monthlyBilled")),
            anti_affinity=bool(spec.get("antiAffinity")),
            version=cluster.version,
            catalogue=known,
            quota=client.quota(cluster.region).left(),
            quota_at=asked,
            ready=True,
        )
        found.status = {
            "plan": cluster.plan or "",
            "kubernetesVersion": cluster.version,
            "zones": list(zones),
            "flavors": len(buyable),
        }
        return found

    def _client(self, spec: dict[str, Any]) -> clients.OVHClient:
        """A client for a node class; credentials come from its Secret or from the environment."""
        reference = spec.get("credentialsSecretRef")
        values: dict[str, str] = dict(os.environ)
        if reference:
            values = self._world.secret(reference["name"], reference.get("namespace") or "")
        endpoint, keys = credentials.parse(values)
        mark = (endpoint.base, *keys.secrets)
        if mark not in self._transports:
            self._transports[mark] = transport.Transport(
                endpoint,
                keys,
                limiter=self._limiter,
                observe=_observe,
                dry_run=self._world.settings.dry_run,
            )
        return clients.OVHClient(self._transports[mark], spec["serviceName"], spec["kubeId"])

    def _missing_rights(self, client: clients.OVHClient, spec: dict[str, Any]) -> list[str]:
        granted = client.granted()
        if granted is None:
            return []
        lacking = rights.missing(granted.rules, spec["serviceName"], spec["kubeId"])
        found = [f"{right.rule} (needed to {right.purpose})" for right in lacking]
        return found + [f"a rule without the blank of {rule}" for rule in rights.blanks(granted.rules) if found]

    def _catalogue(self, client: clients.OVHClient, where: str, zones: tuple[str, ...]) -> catalogues.Catalogue:
        """What OVH sells there; the embedded prices where the price catalogue cannot be had."""
        now = time.monotonic()
        if self._prices is None or now - self._prices[1] > self._world.settings.catalog_interval:
            try:
                self._prices = (client.price_catalogue(SUBSIDIARY), now)
            except errors.OVHError as error:
                log.warning("prices are those of this version", extra={"error": str(error)})
        prices = self._prices[0] if self._prices else None
        try:
            return market.catalogue(client, where, zones, prices)
        except refresh.RefreshError as error:
            log.warning("catalogue is that of this version", extra={"error": str(error).splitlines()[0]})
            return catalogues.embedded()

    def _publish(self, item: world.Object, found: Finding) -> None:
        shared, name = self._world, item["metadata"]["name"]
        with shared.lock:
            before = shared.places.get(name)
            if found.place is not None:
                shared.places[name] = found.place
            elif before is not None:
                before.ready = False
        draft = conditions.Draft(item, DEPENDENTS, shared.now())
        for kind in DEPENDENTS:
            state = found.states.get(kind)
            if state is None:
                draft.set(kind, "Unknown", "NotLookedAt", "something before it is missing")
            elif state[0] == "True":
                draft.true(kind)
            else:
                draft.set(kind, *state)
        after = draft.finish()
        changed = {key: value for key, value in found.status.items() if (item.get("status") or {}).get(key) != value}
        if after is not None or changed:
            for old, new in draft.transitions():
                log.info(
                    "node class condition",
                    extra={
                        "OVHNodeClass": name,
                        "type": new["type"],
                        "status": new["status"],
                        "reason": new["reason"],
                        "detail": new["message"],
                    },
                )
                if new["status"] == "False":
                    shared.recorder.event(item, new["reason"], new["message"] or new["type"], warning=True)
                del old
            body = {"status": {**changed, **({"conditions": after} if after is not None else {})}}
            shared.patch(kinds.NODE_CLASS, item, body, subresource="status")
        if found.place is None:
            return
        if before is None or not before.ready or shared.relent(before, found.place):
            self._changed()


def _observe(call: transport.Call) -> None:
    metrics.OVH_CALLS.labels(call.operation, call.outcome).inc()
    metrics.OVH_SECONDS.labels(call.operation).observe(call.seconds)
    loop = threading.current_thread().name
    metrics.CLOUD_SECONDS.labels(loop, call.operation, "ovhcloud").observe(call.seconds)
    if call.outcome != "ok":
        metrics.CLOUD_ERRORS.labels(loop, call.operation, "ovhcloud", call.outcome).inc()
    log.debug(
        "OVH call",
        extra={"operation": call.operation, "status": call.status, "outcome": call.outcome, "query": call.query_id},
    )
