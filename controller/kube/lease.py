"""
Leader election with a Lease (coordination.k8s.io/v1): one leader at a time, judged by the monotonic clock.

A candidate takes a lease that it has not seen renewed for its whole duration, by its own clock, so that clocks need not
agree. A leader that cannot renew before its deadline stops being one before anybody else may begin.
https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.kube import api as apis
from controller.kube import kinds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a lease holds, how long a leader tries to renew it, and the pause between tries."""

    duration: float = 15.0
    deadline: float = 10.0
    period: float = 2.0


class Elector:
    """Holds or waits for one lease in the name of `identity`."""

    def __init__(
        self,
        api: apis.Api,
        name: str,
        namespace: str,
        identity: str,
        timing: Timing | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.leading = threading.Event()
        self._api = api
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._timing = timing or Timing()
        self._clock = clock
        self._seen: tuple[tuple[Any, ...], float] | None = None
        self._renewed = 0.0

    def run(self, stop: threading.Event, lost: Callable[[], None]) -> None:
        """Try until stopped; call `lost` once when leadership is lost, and return. Gives the lease up when stopped."""
        while not stop.is_set():
            held = self.attempt()
            if self.leading.is_set() and not held and self._clock() - self._renewed > self._timing.deadline:
                self.leading.clear()
                log.error("leadership lost", extra={"lease": self._name})
                lost()
                return
            stop.wait(self._timing.period)
        if self.leading.is_set():
            self.release()

    def attempt(self) -> bool:
        """One try to take or renew the lease; whether this identity holds it now."""
        started = self._clock()
        try:
            held = self._try()
        except (apis.ApiError, apis.UnreachableError, apis.DryRunError) as error:
            log.warning("cannot renew the lease", extra={"lease": self._name, "error": str(error)})
            return False
        if held:
            # Counted from before the request: others count from when they saw it, which is later.
            self._renewed = started
            if not self.leading.is_set():
                log.info("leading", extra={"lease": self._name, "identity": self._identity})
                self.leading.set()
        elif self.leading.is_set():
            # Somebody else's name in the lease leaves nothing to wait for.
            self._renewed = -1e12
        return held

    def release(self) -> None:
        """Give the lease up, so that another need not wait for its end."""
        self.leading.clear()
        try:
            lease = self._api.get(kinds.LEASE, self._name, self._namespace)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                self._api.replace(kinds.LEASE, lease)
        except (apis.ApiError, apis.UnreachableError, apis.DryRunError) as error:
            log.info("lease not released", extra={"error": str(error)})

    def _try(self) -> bool:
        try:
            lease = self._api.get(kinds.LEASE, self._name, self._namespace)
        except apis.NotFoundError:
            return self._write(None, 0)
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        state = (holder, spec.get("renewTime"), lease["metadata"].get("resourceVersion"))
        now = self._clock()
        if self._seen is None or self._seen[0] != state:
            self._seen = (state, now)
        lasts = float(spec.get("leaseDurationSeconds") or self._timing.duration)
        if holder and holder != self._identity and now - self._seen[1] < lasts:
            return False
        transitions = int(spec.get("leaseTransitions") or 0) + (holder != self._identity)
        return self._write(lease, transitions)

    def _write(self, lease: dict[str, Any] | None, transitions: int) -> bool:
        now = _now()
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._timing.duration),
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        try:
            if lease is None:
                body = {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": self._name, "namespace": self._namespace},
                    "spec": spec | {"acquireTime": now},
                }
                self._api.create(kinds.LEASE, body)
            else:
                own = (lease.get("spec") or {}).get("holderIdentity") == self._identity
                acquired = (lease.get("spec") or {}).get("acquireTime") if own else now
                self._api.replace(kinds.LEASE, lease | {"spec": spec | {"acquireTime": acquired or now}})
        except apis.ConflictError:
            return False
        return True


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
