"""Events on the objects that people look at: deduplicated, rate limited, sent by a thread of their own."""

from __future__ import annotations

import datetime
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from controller import ratelimit
from controller.kube import api as apis
from controller.kube import kinds

log = logging.getLogger(__name__)

REPORTER = "karpenter"
LONGEST_NOTE = 1024
SILENCE_SECONDS = 120.0
"""For how long the same event on the same object is not sent again, unless told."""


class Recorder:
    """
    Records events; never blocks and never fails its caller.

    Events of objects without a namespace are kept in `default`, where nobody looks first. So warnings about them are
    put on the controller's own Pod (`own`) too, and `kubectl get events -n karpenter` shows what goes wrong.
    """

    def __init__(
        self,
        api: apis.Api,
        *,
        instance: str = "karpenter-ovhcloud",
        own: dict[str, Any] | None = None,
        rate: float = 20.0,
        burst: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._instance = instance
        self._own = own
        self._clock = clock
        self._limiter = ratelimit.TokenBucket(rate, burst)
        self._sent: dict[tuple[str, ...], float] = {}
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(maxsize=2000)
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def event(
        self,
        about: dict[str, Any],
        reason: str,
        note: str,
        *,
        warning: bool = False,
        dedupe: tuple[str, ...] | None = None,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        """
        Put an event on an object, unless the same was put there less than `silence` seconds ago.

        `dedupe` says what "the same" is besides object and reason; by default the note.
        """
        metadata = about["metadata"]
        mark = (about["kind"], str(metadata.get("uid") or metadata["name"]), reason, *(dedupe or (note,)))
        now = self._clock()
        if now - self._sent.get(mark, -1e12) < silence:
            return
        self._sent[mark] = now
        if len(self._sent) > 20_000:
            self._sent = {known: when for known, when in self._sent.items() if now - when < 900}
        self._enqueue(about, reason, note, warning)
        if warning and self._own is not None and not metadata.get("namespace"):
            self._enqueue(self._own, reason, f"{about['kind']} {metadata['name']}: {note}", warning)

    def _enqueue(self, about: dict[str, Any], reason: str, note: str, warning: bool) -> None:
        try:
            self._queue.put_nowait(build(about, reason, note, warning=warning, instance=self._instance))
        except queue.Full:
            log.debug("event dropped", extra={"reason": reason})

    def close(self, seconds: float = 2.0) -> None:
        """Send what is waiting, for at most so long."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (body := self._queue.get()) is not None:
            self._limiter.acquire()
            try:
                self._api.create(kinds.EVENT, body)
            except (apis.ApiError, apis.UnreachableError, apis.DryRunError) as error:
                log.debug("event not sent", extra={"reason": body["reason"], "error": str(error)})


def build(about: dict[str, Any], reason: str, note: str, *, warning: bool, instance: str) -> dict[str, Any]:
    """The Event object; events of objects without a namespace are kept in `default`."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    reference = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": metadata["name"],
        "uid": metadata.get("uid"),
        "namespace": metadata.get("namespace"),
        "resourceVersion": metadata.get("resourceVersion"),
    }
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:200]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "eventTime": now,
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "action": reason,
        "note": note if len(note) <= LONGEST_NOTE else note[: LONGEST_NOTE - 1] + "…",
        "regarding": {key: value for key, value in reference.items() if value},
        "reportingController": REPORTER,
        "reportingInstance": instance,
    }
