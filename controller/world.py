"""What the loops share: the mirror, the way to write, what OVH said last, and the slots that the last plan keeps for pods."""

from __future__ import annotations

import base64
import dataclasses
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from catalog import catalogue as catalogues
from catalog import flavor as flavors
from catalog import unavailable
from controller import names, settings, slots
from controller.kube import api as apis
from controller.kube import events, kinds, mirror
from controller.ovh import client as ovh
from controller.ovh import errors

Object = dict[str, Any]

OVER_QUOTA = "project quota"
"""Why an offering was refused when the project's quota was used up."""

POOL_LIMIT = "pool limit of the cluster"
"""Why an offering was refused that would need one OVH pool more than a cluster may have."""


def quota_of(of: flavors.Flavor) -> dict[str, int]:
    """What a machine of a flavor takes of a quota: vcpus, memory_mb (a nominal GiB is 1000 of them) and instances."""
    return {"vcpus": of.vcpus, "memory_mb": of.memory_gib * 1000, "instances": 1}


@dataclasses.dataclass(slots=True)
class Place:
    """Where nodes of one OVHNodeClass are bought, as OVH described it last."""

    name: str
    client: ovh.OVHClient
    region: str
    zones: tuple[str, ...]
    multi_zone: bool
    monthly: bool
    anti_affinity: bool
    version: str = ""
    catalogue: catalogues.Catalogue | None = None
    quota: dict[str, int | None] = dataclasses.field(default_factory=dict)
    quota_at: float = 0.0
    """When OVH was asked for the quota, in seconds since the epoch; what was bought later is not in it."""
    ready: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Machines:
    """Provider ids of all machines in our OVH pools that stay, and when OVH was asked (seconds since the epoch)."""

    ids: frozenset[str]
    asked: float


class World:
    """Shared state; everything in it can be worked out anew after a restart."""

    def __init__(
        self,
        api: apis.Api,
        reflected: mirror.Mirror,
        recorder: events.Recorder,
        given: settings.Settings,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.api = api
        self.mirror = reflected
        self.recorder = recorder
        self.settings = given
        self.clock = clock
        self.lock = threading.RLock()
        self.planning = threading.Lock()
        """Held from a look at the cluster until the claims that follow from it are written: nobody plans in between."""
        self.unavailable = unavailable.Unavailable()
        self.places: dict[str, Place] = {}
        self.slots = slots.Slots()
        self.pod_events: dict[str, float] = {}
        self.machine_since: dict[str, float] = {}
        """When claims by name were seen with a machine first; machines of before this start are not in it."""
        self.last_plan: dict[str, str] = {}
        """The last plan as `loops.lastplan` publishes it, empty before the first."""
        self.machines: Machines | None = None
        """What the last listing of all pools of all node classes said, None while one of them cannot be listed."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock()

    def catalogue(self) -> catalogues.Catalogue:
        """Flavors and prices of all places, the embedded ones where OVH was not asked yet."""
        with self.lock:
            known = [place.catalogue for place in self.places.values() if place.catalogue is not None]
        if not known:
            return catalogues.embedded()
        flavors = {name: flavor for each in reversed(known) for name, flavor in each.flavors.items()}
        return catalogues.Catalogue(flavors, known[0].version)

    def refuse(self, flavor: str, zone: str, reason: str) -> None:
        """Remember that OVH has none of a flavor in a zone for now."""
        known = self.catalogue().flavors.get(flavor)
        until = self.now() + unavailable.patience(known.gpus if known else 0)
        with self.lock:
            self.unavailable.mark(flavor, zone, until, reason)

    def relent(self, before: Place, after: Place) -> bool:
        """
        Forget refusals for want of quota where OVH tells of more room than before, and of enough for a machine.

        Without more room a refusal stands, whatever OVH tells: it may be for a quota that it does not tell. Whether
        there was anything to forget.
        """
        grown = any(
            room is None or room > (before.quota.get(key) or 0)
            for key, room in after.quota.items()
            if key not in before.quota or before.quota[key] is not None
        )
        if not grown:
            return False
        known, now, found = self.catalogue().flavors, self.now(), False
        with self.lock:
            for flavor, zone in self.unavailable.pairs(now):
                of = known.get(flavor)
                if of is None or zone not in after.zones or self.unavailable.reason(flavor, zone, now) != OVER_QUOTA:
                    continue
                if all(room is None or room >= quota_of(of)[key] for key, room in after.quota.items()):
                    self.unavailable.forget(flavor, zone)
                    found = True
        return found

    def forget(self, reason: str, zones: Collection[str]) -> bool:
        """Forget refusals for a reason in these zones; whether there were any."""
        now = self.now()
        with self.lock:
            found = [
                (flavor, zone)
                for flavor, zone in self.unavailable.pairs(now)
                if zone in zones and self.unavailable.reason(flavor, zone, now) == reason
            ]
            for flavor, zone in found:
                self.unavailable.forget(flavor, zone)
        return bool(found)

    def refused(self) -> frozenset[tuple[str, str]]:
        """Offerings that are not to be asked for at the moment."""
        with self.lock:
            self.unavailable.expire(self.now())
            return self.unavailable.pairs(self.now())

    def secret(self, name: str, namespace: str = "") -> dict[str, str]:
        """The decoded values of a Secret. Raises `CredentialsError` when it cannot be read."""
        place = namespace or self.settings.namespace
        try:
            data = self.api.get(kinds.SECRET, name, place).get("data") or {}
            return {key: base64.b64decode(value).decode() for key, value in data.items()}
        except (apis.ApiError, ValueError) as error:
            raise errors.CredentialsError(f"Secret {place}/{name} cannot be read: {error}") from error

    def patch(self, kind: kinds.Kind, item: Object, body: Any, *, subresource: str = "", how: str = apis.MERGE) -> None:
        """
        Patch an object and take the answer in.

        In a dry run nothing is written: what a merge patch would have made of the object is kept in memory until the
        API server tells of the object again, so that conditions and usage mean what they mean otherwise.

        A status of a claim is written by several loops, and its conditions as a whole list: that needs the object that
        was read. Raises `ConflictError` when it has changed since.
        """
        if self.api.dry_run:
            if how == apis.MERGE:
                self.mirror.pretend(kind, apis.merged(self.fresh(kind, item), body))
            return
        metadata = item["metadata"]
        if subresource == "status" and kind is kinds.NODE_CLAIM:
            body = {**body, "metadata": {"resourceVersion": metadata["resourceVersion"]}}
        answer = self.api.patch(
            kind,
            metadata["name"],
            body,
            namespace=metadata.get("namespace") or "",
            subresource=subresource,
            how=how,
        )
        self.mirror.observe(kind, answer)

    def fresh(self, kind: kinds.Kind, item: Object) -> Object:
        """What is known of an object by now; a pass over many takes long enough for some to change."""
        found = self.mirror.get(kind, item["metadata"]["name"], item["metadata"].get("namespace") or "")
        return found if found is not None and found["metadata"].get("uid") == item["metadata"].get("uid") else item

    def annotate(self, claim: Object, annotations: Mapping[str, str | None]) -> None:
        """Set or take away annotations of a claim."""
        self.patch(kinds.NODE_CLAIM, claim, {"metadata": {"annotations": dict(annotations)}})

    def node_of(self, claim: Object) -> Object | None:
        """The Node with the claim's machine, None when there is none."""
        machine = (claim.get("status") or {}).get("providerID")
        if not machine:
            return None
        found = [node for node in self.mirror.all(kinds.NODE) if (node.get("spec") or {}).get("providerID") == machine]
        return found[0] if found else None

    def nodes_by_machine(self) -> dict[str, Object]:
        """Nodes by provider id."""
        found = {}
        for node in self.mirror.all(kinds.NODE):
            machine = (node.get("spec") or {}).get("providerID")
            if machine:
                found[machine] = node
        return found

    def pods_by_node(self) -> dict[str, list[Object]]:
        """Pods by the name of their node; those without one under the empty name."""
        found: dict[str, list[Object]] = {}
        for pod in self.mirror.all(kinds.POD):
            found.setdefault((pod.get("spec") or {}).get("nodeName") or "", []).append(pod)
        return found


def managed(item: Object) -> bool:
    """Whether a claim or pool is of our kind of node class."""
    spec = item.get("spec") or {}
    reference = spec.get("nodeClassRef") or ((spec.get("template") or {}).get("spec") or {}).get("nodeClassRef") or {}
    return reference.get("group") == names.GROUP and reference.get("kind") == "OVHNodeClass"


def annotation(item: Object, name: str) -> str:
    """An annotation, empty when it is not there."""
    return str((item["metadata"].get("annotations") or {}).get(name) or "")


def label(item: Object, name: str) -> str:
    """A label, empty when it is not there."""
    return str((item["metadata"].get("labels") or {}).get(name) or "")


def deleting(item: Object) -> bool:
    """Whether the object's deletion was asked for."""
    return bool(item["metadata"].get("deletionTimestamp"))
