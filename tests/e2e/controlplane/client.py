"""
A small client of the Kubernetes API for tests: raw dicts, a pool of connections, many objects at a time.

Objects are named by `apiVersion` and `kind`, as in a manifest; the path comes from the server's discovery documents.
"""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import urllib3

Object = dict[str, Any]
Objects = dict[str, Object]
Items = list[Object]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server refused a request: HTTP `status`, machine-readable `reason` and its message."""

    def __init__(self, call: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{call}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


def key(item: Object) -> str:
    """`<namespace>/<name>`, or the name alone for objects of the whole cluster."""
    metadata = item["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


class Client:
    """
    Calls to one API server as one user. Safe for several threads.

    With `dry_run` every write is validated and admitted by the server, and not stored.
    """

    def __init__(
        self, server: str, token: str, ca_file: pathlib.Path, *, dry_run: bool = False, workers: int = 8
    ) -> None:
        self.server = server
        self.workers = workers
        self._dry_run = dry_run
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}
        self._pool = urllib3.PoolManager(
            maxsize=4 * workers,
            ca_certs=str(ca_file),
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            retries=False,
            timeout=urllib3.Timeout(connect=5, read=60),
        )

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """One call; returns the parsed answer. Raises `ApiError` for an answer of 400 or above."""
        query = dict(query or {})
        if self._dry_run and method != "GET":
            query["dryRun"] = "All"
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._pool.headers, **({"Content-Type": content_type} if data else {})}
        answer = self._pool.request(method, url, body=data, headers=headers)
        if answer.status >= 400:
            raise _error(f"{method} {path}", answer.status, answer.data)
        try:
            return json.loads(answer.data)
        except ValueError:
            return answer.data.decode()

    def path(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str = "",
    ) -> str:
        """The path of a kind, of its objects in one namespace, or of one object."""
        resource, namespaced = self._resource(api_version, kind)
        parts = [_root(api_version)]
        if namespaced and (namespace or name):
            parts.append(f"/namespaces/{quote(namespace or 'default')}")
        parts.append(f"/{resource}")
        if name:
            parts.append(f"/{quote(name)}")
        if subresource:
            parts.append(f"/{subresource}")
        return "".join(parts)

    def create(self, manifest: Object) -> Object:
        """Create one object, status included where the API takes it (as for nodes)."""
        metadata = manifest["metadata"]
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        path = self.path(api_version, kind, namespace=metadata.get("namespace") or "default")
        created: Object = self.request("POST", path, manifest)
        return created

    def apply(self, manifest: Object, *, field_manager: str = "tests", subresource: str = "") -> Object:
        """Server-side apply of one object, taking over fields that others own."""
        path = self._path_of(manifest, subresource)
        query = {"fieldManager": field_manager, "force": "true"}
        applied: Object = self.request("PATCH", path, manifest, query=query, content_type=APPLY)
        return applied

    def replace(self, manifest: Object, *, subresource: str = "") -> Object:
        """Put one object or one subresource, such as its status."""
        replaced: Object = self.request("PUT", self._path_of(manifest, subresource), manifest)
        return replaced

    def get(self, api_version: str, kind: str, name: str, *, namespace: str | None = None) -> Object:
        """One object. Raises `ApiError` with status 404 when it is not there."""
        found: Object = self.request("GET", self.path(api_version, kind, namespace=namespace, name=name))
        return found

    def list(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> Items:
        """All objects of a kind, in one namespace or in all, narrowed by label and field selectors."""
        items, _ = self._list(self.path(api_version, kind, namespace=namespace), _selectors(labels, fields))
        return [{"apiVersion": api_version, "kind": kind, **item} for item in items]

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        patch: Any,
        *,
        namespace: str | None = None,
        subresource: str = "",
        content_type: str = MERGE,
    ) -> Object:
        """Patch one object or one of its subresources."""
        path = self.path(api_version, kind, namespace=namespace, name=name, subresource=subresource)
        patched: Object = self.request("PATCH", path, patch, content_type=content_type)
        return patched

    def delete(
        self, api_version: str, kind: str, name: str, *, namespace: str | None = None, grace_seconds: int | None = None
    ) -> None:
        """Delete one object; nothing happens when it is gone already."""
        options = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        try:
            self.request("DELETE", self.path(api_version, kind, namespace=namespace, name=name), options)
        except ApiError as error:
            if error.status != 404:
                raise

    def create_all(self, manifests: Iterable[Object]) -> Sequence[Object]:
        """Create many objects at a time; the answers come in the order of the manifests."""
        return self.parallel(self.create, manifests)

    def delete_all(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str = "", grace_seconds: int = 0
    ) -> int:
        """Delete all objects of a kind, at once unless told; returns how many there were."""

        def remove(item: Object) -> None:
            metadata = item["metadata"]
            place = metadata.get("namespace")
            self.delete(api_version, kind, metadata["name"], namespace=place, grace_seconds=grace_seconds)

        return len(self.parallel(remove, self.list(api_version, kind, namespace=namespace, labels=labels)))

    def bind(self, pod: str, node: str, *, namespace: str = "default") -> None:
        """Put a pod onto a node, as a scheduler does."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target}
        self.request("POST", self.path("v1", "Pod", namespace=namespace, name=pod, subresource="binding"), body)

    def evict(self, pod: str, *, namespace: str = "default", grace_seconds: int | None = None) -> None:
        """Ask for an eviction. Raises `ApiError` with status 429 while a PodDisruptionBudget forbids it."""
        options = {} if grace_seconds is None else {"deleteOptions": {"gracePeriodSeconds": grace_seconds}}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            **options,
        }
        self.request("POST", self.path("v1", "Pod", namespace=namespace, name=pod, subresource="eviction"), body)

    def parallel(self, call: Callable[[_Item], _Result], items: Iterable[_Item]) -> Sequence[_Result]:
        """Call a function for every item from several threads; results in order, the first error is raised."""
        with concurrent.futures.ThreadPoolExecutor(self.workers) as threads:
            return tuple(threads.map(call, items))

    def watch(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        timeout: float = 30,
    ) -> Iterator[Sequence[tuple[str, Object]]]:
        """
        What is there and then every change, for `timeout` seconds.

        Yields bursts of (`ADDED` | `MODIFIED` | `DELETED`, object): first the whole list, then what was sent together.
        """
        deadline = time.monotonic() + timeout
        path, query = self.path(api_version, kind, namespace=namespace), _selectors(labels, fields)
        items, version = self._list(path, query)
        yield [("ADDED", item) for item in items]
        query |= {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(int(timeout) + 1)}
        url = f"{self.server}{path}?{urlencode(query)}"
        wait = urllib3.Timeout(connect=5, read=max(0.1, deadline - time.monotonic()))
        answer = self._pool.request("GET", url, preload_content=False, timeout=wait)
        try:
            if answer.status >= 400:
                raise _error(f"WATCH {path}", answer.status, answer.read())
            yield from _bursts(answer, deadline, path)
        finally:
            answer.close()

    def wait_for(
        self,
        api_version: str,
        kind: str,
        condition: Callable[[Objects], _Result],
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        timeout: float = 30,
    ) -> _Result:
        """
        Watch a kind until `condition` holds for its objects by key (`namespace/name`), and return what it answered.

        The condition is asked once for the list and then once for every burst of changes. Raises `TimeoutError`.
        """
        objects: Objects = {}
        bursts = self.watch(api_version, kind, namespace=namespace, labels=labels, fields=fields, timeout=timeout)
        for burst in bursts:
            for change, item in burst:
                if change == "DELETED":
                    objects.pop(key(item), None)
                else:
                    objects[key(item)] = item
            answer = condition(objects)
            if answer:
                return answer
        raise TimeoutError(f"{kind}: the condition did not hold within {timeout} s ({len(objects)} objects)")

    def _list(self, path: str, query: Mapping[str, str]) -> tuple[Items, str]:
        answer = self.request("GET", path, query=query)
        return answer["items"] or [], answer["metadata"]["resourceVersion"]

    def _path_of(self, manifest: Object, subresource: str) -> str:
        metadata = manifest["metadata"]
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        return self.path(
            api_version, kind, namespace=metadata.get("namespace"), name=metadata["name"], subresource=subresource
        )

    def _resource(self, api_version: str, kind: str) -> tuple[str, bool]:
        if (api_version, kind) not in self._resources:
            for entry in self.request("GET", _root(api_version))["resources"]:
                if "/" not in entry["name"]:
                    self._resources[api_version, entry["kind"]] = (entry["name"], entry["namespaced"])
        try:
            return self._resources[api_version, kind]
        except KeyError:
            raise ApiError(f"discovery of {api_version}", 404, "NotFound", f"no kind {kind}") from None


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _selectors(labels: str, fields: str) -> dict[str, str]:
    chosen = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in chosen.items() if value}


def _error(call: str, status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
        return ApiError(call, status, str(answer.get("reason", "")), str(answer.get("message", "")))
    except (ValueError, AttributeError):
        return ApiError(call, status, "", data.decode(errors="replace").strip())


def _bursts(answer: urllib3.BaseHTTPResponse, deadline: float, path: str) -> Iterator[Sequence[tuple[str, Object]]]:
    """Complete lines of a watch as they come, those that arrived together in one burst."""
    rest = b""
    while time.monotonic() < deadline:
        try:
            data = answer.read1(1 << 20)
        except urllib3.exceptions.ReadTimeoutError:
            return
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        burst = []
        for line in filter(None, lines):
            event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise ApiError(
                    f"WATCH {path}", status.get("code", 0), status.get("reason", ""), status.get("message", "")
                )
            burst.append((event["type"], event["object"]))
        if burst:
            yield burst
