"""
The cluster in memory: one reflector per kind, raw objects without what nobody reads, and snapshots for the planner.

A reflector lists, then watches from the list's version; bookmarks move that version on, 410 means list again, anything
else means wait a little and go on from where it was.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from controller import retry
from controller.kube import api as apis
from controller.kube import kinds
from solver import cluster
from solver.snapshot import reader

log = logging.getLogger(__name__)

Object = dict[str, Any]
Listener = Callable[[kinds.Kind, str, Object], None]

REMEMBERED = 10_000
"""How many objects that are gone are known by their uid, so that late news does not bring them back."""

_IDLE_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def key_of(item: Object) -> str:
    """`namespace/name`, or the name of an object without a namespace."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def compact(kind: kinds.Kind, item: Object) -> Object:
    """The object with its kind, without managed fields and without the copy of itself that kubectl leaves."""
    metadata = item["metadata"]
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if annotations:
        for name in _IDLE_ANNOTATIONS:
            annotations.pop(name, None)
    item["apiVersion"], item["kind"] = kind.api_version, kind.name
    return item


class Store:
    """The objects of one kind; readers get the same dicts and must not change them."""

    def __init__(self, kind: kinds.Kind, listeners: list[Listener]) -> None:
        self.kind = kind
        self.synced = threading.Event()
        self.last_event = 0.0
        self._listeners = listeners
        self._lock = threading.Lock()
        self._items: dict[str, Object] = {}
        self._gone: dict[str, None] = {}

    def all(self) -> list[Object]:
        """All objects at this moment."""
        with self._lock:
            return list(self._items.values())

    def get(self, key: str) -> Object | None:
        """One object by name or `namespace/name`."""
        with self._lock:
            return self._items.get(key)

    def replace(self, items: Iterable[Object]) -> None:
        """What a list said: everything else is gone."""
        fresh = {key_of(item): compact(self.kind, item) for item in items}
        with self._lock:
            before = self._items
            self._items = fresh
            for key, item in before.items():
                if key not in fresh:
                    self._bury(item)
        for key, item in fresh.items():
            old = before.get(key)
            if old is None or _version(old) != _version(item):
                self._tell("ADDED" if old is None else "MODIFIED", item)
        for key, item in before.items():
            if key not in fresh:
                self._tell("DELETED", item)
        self.synced.set()

    def put(self, item: Object) -> None:
        """
        An object as an event or the answer to a write has it; older news than what is known is dropped.

        The answer to the write that takes the last finalizer off may come after the news that the object is gone.
        """
        key = key_of(item)
        with self._lock:
            if item["metadata"].get("uid") in self._gone:
                return
            old = self._items.get(key)
            same = old is not None and old["metadata"].get("uid") == item["metadata"].get("uid")
            if old is not None and same and _version(item) <= _version(old):
                return
            self._items[key] = compact(self.kind, item)
        self._tell("MODIFIED" if old else "ADDED", item)

    def pretend(self, item: Object) -> None:
        """An object as a write would have made it that a dry run leaves out; any news of the object replaces it."""
        with self._lock:
            if key_of(item) in self._items:
                self._items[key_of(item)] = item

    def drop(self, item: Object) -> None:
        """An object that is gone."""
        with self._lock:
            self._bury(item)
            found = self._items.get(key_of(item))
            if found is None or found["metadata"].get("uid") != item["metadata"].get("uid"):
                return
            del self._items[key_of(item)]
        self._tell("DELETED", item)

    def _bury(self, item: Object) -> None:
        """Remember that this very object is gone, as one of the last so many."""
        uid = item["metadata"].get("uid")
        if uid:
            self._gone[uid] = None
            while len(self._gone) > REMEMBERED:
                del self._gone[next(iter(self._gone))]

    def _tell(self, change: str, item: Object) -> None:
        for listener in self._listeners:
            listener(self.kind, change, item)


def _version(item: Object) -> int:
    text = str(item["metadata"].get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0


class Mirror:
    """Stores of all mirrored kinds, kept up by one thread each."""

    def __init__(self, api: apis.Api, mirrored: Iterable[kinds.Kind] = kinds.MIRRORED) -> None:
        self.api = api
        self.listeners: list[Listener] = []
        self._stores = {kind.name: Store(kind, self.listeners) for kind in mirrored}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to reflect."""
        for store in self._stores.values():
            thread = threading.Thread(
                target=reflect, args=(self.api, store, self._stop), name=f"mirror-{store.kind.plural}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let the reflectors end; they are not waited for, as a watch may be silent for minutes."""
        self._stop.set()

    def synced(self) -> bool:
        """Whether every kind was listed once."""
        return all(store.synced.is_set() for store in self._stores.values())

    def unsynced(self) -> list[str]:
        """Plurals of the kinds that were not listed yet."""
        return [store.kind.plural for store in self._stores.values() if not store.synced.is_set()]

    def of(self, kind: kinds.Kind) -> Store:
        """The store of a kind."""
        return self._stores[kind.name]

    def all(self, kind: kinds.Kind) -> list[Object]:
        """All objects of a kind."""
        return self._stores[kind.name].all()

    def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object | None:
        """One object."""
        return self._stores[kind.name].get(f"{namespace}/{name}" if namespace else name)

    def observe(self, kind: kinds.Kind, item: Object) -> None:
        """Take in the answer to a write at once, so that the next pass does not write it again."""
        if item.get("metadata", {}).get("name"):
            self._stores[kind.name].put(item)

    def pretend(self, kind: kinds.Kind, item: Object) -> None:
        """Take in what a dry run would have written."""
        self._stores[kind.name].pretend(item)

    def manifests(self) -> list[Object]:
        """Everything that the planner is told of, as raw objects."""
        return [item for kind in kinds.PLANNED for item in self.all(kind)]

    def snapshot(self) -> cluster.Cluster:
        """The cluster for the planner, read as `solve` reads manifests."""
        return reader.from_objects(self.manifests(), strict=False, name="cluster")


def reflect(
    api: apis.Api,
    store: Store,
    stop: threading.Event,
    *,
    backoff: retry.Backoff | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Keep a store up until stopped."""
    waits = backoff or retry.Backoff(base=0.5, cap=30.0)
    version, failures = "", 0
    while not stop.is_set():
        try:
            if not version:
                items, version = api.list(store.kind)
                store.replace(items)
            version = _follow(api, store, version, stop, clock)
            failures = 0
        except apis.GoneError:
            log.info("watch expired, listing again", extra={"kind": store.kind.plural})
            version = ""
        except (apis.ApiError, apis.UnreachableError) as error:
            failures += 1
            wait = waits.delay(failures)
            log.warning(
                "cannot watch", extra={"kind": store.kind.plural, "error": str(error), "retryInSeconds": round(wait, 1)}
            )
            # After several failures what was missed may be anything: begin with a list.
            version = "" if failures > 2 else version
            stop.wait(wait)
        except Exception:
            failures += 1
            log.exception("reflector failed", extra={"kind": store.kind.plural})
            version = ""
            stop.wait(waits.delay(failures))


def _follow(api: apis.Api, store: Store, version: str, stop: threading.Event, clock: Callable[[], float]) -> str:
    """Take in one stream of changes; the version to go on from."""
    for change, item in api.watch(store.kind, version):
        store.last_event = clock()
        version = str(item["metadata"].get("resourceVersion") or version)
        if change == "DELETED":
            store.drop(item)
        elif change in ("ADDED", "MODIFIED"):
            store.put(item)
        if stop.is_set():
            break
    return version
