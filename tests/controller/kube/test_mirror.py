"""The cluster in memory follows the cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from controller import retry
from controller.kube import api as apis
from controller.kube import kinds, mirror
from tests.controller.kube import memory

NOW = retry.Backoff(base=0.0, cap=0.0)


def node(name: str, version: int = 0, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version), "labels": labels}}


def metadata(store: mirror.Store) -> dict[str, Any]:
    found = store.get("a")
    assert found is not None
    return dict(found["metadata"])


def labels(store: mirror.Store) -> dict[str, str]:
    return dict(metadata(store)["labels"])


class Follower:
    """A reflector on its own thread, with what it told its listeners."""

    def __init__(self, api: memory.Memory) -> None:
        self.told: list[tuple[str, str]] = []
        self.count = threading.Semaphore(0)
        self.stop = threading.Event()
        self.store = mirror.Store(kinds.NODE, [self._hear])
        self.thread = threading.Thread(
            target=mirror.reflect, args=(api, self.store, self.stop), kwargs={"backoff": NOW}, daemon=True
        )
        self.thread.start()

    def _hear(self, kind: kinds.Kind, change: str, item: dict[str, Any]) -> None:
        self.told.append((change, item["metadata"]["name"]))
        self.count.release()

    def hears(self, number: int) -> list[tuple[str, str]]:
        for _ in range(number):
            assert self.count.acquire(timeout=10)
        return self.told[-number:]


@pytest.fixture
def api() -> memory.Memory:
    made = memory.Memory()
    made.put(kinds.NODE, node("a"))
    return made


@pytest.fixture
def follower(api: memory.Memory) -> Iterator[Follower]:
    made = Follower(api)
    yield made
    made.stop.set()
    api.streams.put([])
    made.thread.join(10)
    assert not made.thread.is_alive()


def test_what_is_there_is_listed_and_changes_are_followed(api, follower):
    """ADDED, MODIFIED, DELETED; a bookmark changes nothing."""
    assert follower.hears(1) == [("ADDED", "a")]
    assert follower.store.synced.wait(10)
    api.streams.put(
        [
            ("ADDED", node("b", 10)),
            ("BOOKMARK", {"metadata": {"resourceVersion": "11"}}),
            ("MODIFIED", node("a", 12, zone="z")),
            ("DELETED", node("b", 13)),
        ]
    )

    assert follower.hears(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert labels(follower.store) == {"zone": "z"}
    assert api.lists == 1


def test_after_410_everything_is_listed_again(api, follower):
    """What went away meanwhile is gone, what came is there."""
    follower.hears(1)
    api.objects.clear()
    api.put(kinds.NODE, node("c"))
    api.streams.put(apis.GoneError("watch", 410, "Expired", ""))

    assert follower.hears(2) == [("ADDED", "c"), ("DELETED", "a")]


def test_a_broken_stream_is_taken_up_again(api, follower):
    """One failure costs no list."""
    follower.hears(1)
    api.streams.put(apis.UnreachableError("cut"))
    api.streams.put([("ADDED", node("b", 10))])

    assert follower.hears(1) == [("ADDED", "b")]
    assert api.lists == 1


def test_older_news_than_what_is_known_is_dropped():
    """The answer to a write may overtake its own event."""
    store = mirror.Store(kinds.NODE, [])
    store.put(node("a", 5, state="new"))
    store.put(node("a", 4, state="old"))

    assert labels(store) == {"state": "new"}


def test_the_end_of_an_object_does_not_end_its_successor():
    """An object of the same name with another uid is another object."""
    store = mirror.Store(kinds.NODE, [])
    store.put(node("a", 5) | {"metadata": {"name": "a", "uid": "second", "resourceVersion": "9"}})
    store.drop(node("a", 5))

    assert store.get("a") is not None


def test_late_news_does_not_bring_back_what_is_gone():
    """The answer to the write that took the last finalizer off comes after the object's end."""
    store = mirror.Store(kinds.NODE, [])
    store.put(node("a", 5))
    store.drop(node("a", 7))
    store.put(node("a", 6))

    assert store.get("a") is None


def test_what_nobody_reads_is_not_kept():
    """Managed fields and kubectl's copy of the manifest are most of an object."""
    store = mirror.Store(kinds.NODE, [])
    item = node("a", 1)
    item["metadata"] |= {
        "managedFields": [{"manager": "x"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "1"},
    }
    store.put(item)
    kept = metadata(store)

    assert kept["annotations"] == {"kept": "1"}
    assert "managedFields" not in kept


def test_the_snapshot_is_what_solve_reads():
    """The planner gets the cluster by the same reader as files."""
    api = memory.Memory()
    seen = mirror.Mirror(api)
    for kind in kinds.MIRRORED:
        seen.of(kind).replace([])
    pod = {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": {"containers": [{"name": "c"}]}}
    seen.observe(kinds.POD, pod)
    seen.observe(kinds.NODE, node("a", 1))

    found = seen.snapshot()
    assert seen.synced()
    assert set(found.pods) == {"default/p"}
    assert set(found.nodes) == {"a"}
