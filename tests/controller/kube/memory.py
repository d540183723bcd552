"""An API server in memory: objects by kind and key, versions, watches that the test feeds."""

from __future__ import annotations

import copy
import queue
from collections.abc import Iterator
from typing import Any

from controller.kube import api as apis
from controller.kube import kinds

Object = dict[str, Any]


class Memory:
    """What the controller asks of an API server."""

    def __init__(self) -> None:
        self.dry_run = False
        self.objects: dict[tuple[str, str], Object] = {}
        self.version = 0
        self.lists = 0
        self.down = False
        self.streams: queue.Queue[list[tuple[str, Object]] | Exception] = queue.Queue()
        self.created: list[Object] = []

    def put(self, kind: kinds.Kind, item: Object) -> Object:
        self.version += 1
        item = copy.deepcopy(item)
        item["metadata"]["resourceVersion"] = str(self.version)
        item["metadata"].setdefault("uid", f"uid-{item['metadata']['name']}")
        self.objects[kind.name, _key(item)] = item
        return copy.deepcopy(item)

    def list(self, kind: kinds.Kind) -> tuple[list[Object], str]:
        self._check()
        self.lists += 1
        return [copy.deepcopy(o) for (name, _), o in self.objects.items() if name == kind.name], str(self.version)

    def watch(self, kind: kinds.Kind, version: str) -> Iterator[tuple[str, Object]]:
        answer = self.streams.get(timeout=10)
        if isinstance(answer, Exception):
            raise answer
        yield from answer

    def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object:
        self._check()
        try:
            return copy.deepcopy(self.objects[kind.name, f"{namespace}/{name}" if namespace else name])
        except KeyError:
            raise apis.NotFoundError("get", 404, "NotFound", name) from None

    def create(self, kind: kinds.Kind, body: Object) -> Object:
        self._check()
        self.created.append(body)
        if (kind.name, _key(body)) in self.objects:
            raise apis.ConflictError("create", 409, "AlreadyExists", "")
        return self.put(kind, body)

    def patch(
        self, kind: kinds.Kind, name: str, body: Any, *, namespace: str = "", subresource: str = "", how: str = ""
    ) -> Object:
        raise AssertionError("no test here patches")

    def replace(self, kind: kinds.Kind, body: Object) -> Object:
        self._check()
        there = self.get(kind, body["metadata"]["name"], body["metadata"].get("namespace", ""))
        if there["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise apis.ConflictError("replace", 409, "Conflict", "")
        return self.put(kind, body)

    def delete(
        self, kind: kinds.Kind, name: str, *, namespace: str = "", uid: str = "", grace: int | None = None
    ) -> None:
        self.objects.pop((kind.name, f"{namespace}/{name}" if namespace else name), None)

    def evict(self, name: str, namespace: str, uid: str) -> None:
        raise AssertionError("no test here evicts")

    def _check(self) -> None:
        if self.down:
            raise apis.UnreachableError("down")


def _key(item: Object) -> str:
    namespace = item["metadata"].get("namespace")
    return f"{namespace}/{item['metadata']['name']}" if namespace else str(item["metadata"]["name"])
