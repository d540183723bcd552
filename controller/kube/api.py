"""
The one way to the API server: raw JSON over urllib3, with the official client's knowledge of kubeconfigs and tokens.

::

    ApiError              the server refused; `status` and `reason` as it says
    ├── GoneError         410: the resource version is too old, list again
    ├── NotFoundError     404
    ├── ConflictError     409: exists already, or has changed meanwhile
    └── TooManyError      429: a disruption budget or the server itself says "later"
    UnreachableError      no usable answer
    DryRunError           a write that a dry run does not make
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

import kubernetes.client
import kubernetes.config
import urllib3
import yaml

from controller.kube import kinds

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

PAGE = 500
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
WATCH_SECONDS = 290
SILENCE_SECONDS = 320.0
"""A watch without a byte for so long is taken for a half-open connection: the server would have ended it before."""


class ApiError(Exception):
    """The API server refused a call."""

    def __init__(self, call: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{call}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class GoneError(ApiError):
    """The resource version is too old to watch from."""


class NotFoundError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """The object exists already, or is not what the caller took it for."""


class TooManyError(ApiError):
    """Not now."""


class UnreachableError(Exception):
    """The API server gave no usable answer."""


class DryRunError(Exception):
    """A write was left out, as this is a dry run."""


class Api(Protocol):
    """What the controller asks of the API server; tests have one in memory."""

    dry_run: bool

    def list(self, kind: kinds.Kind) -> tuple[list[Object], str]:
        """All objects of a kind, and the version to watch from."""
        ...

    def watch(self, kind: kinds.Kind, version: str) -> Iterator[tuple[str, Object]]:
        """Changes after a version, until the server ends the stream."""
        ...

    def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object:
        """One object."""
        ...

    def create(self, kind: kinds.Kind, body: Object) -> Object:
        """Create an object."""
        ...

    def patch(
        self, kind: kinds.Kind, name: str, body: Any, *, namespace: str = "", subresource: str = "", how: str = MERGE
    ) -> Object:
        """Patch an object or one of its subresources."""
        ...

    def replace(self, kind: kinds.Kind, body: Object) -> Object:
        """Write an object as a whole, if it has not changed since its resource version."""
        ...

    def delete(
        self, kind: kinds.Kind, name: str, *, namespace: str = "", uid: str = "", grace: int | None = None
    ) -> None:
        """Ask for an object's deletion; one that is gone is fine."""
        ...

    def evict(self, name: str, namespace: str, uid: str) -> None:
        """Ask for a pod's eviction. Raises `TooManyError` while a budget forbids it."""
        ...


def connection(kubeconfig: str | None, context: str | None) -> kubernetes.client.Configuration:
    """
    Where the API server is and how to authenticate: inside a cluster by service account, elsewhere by kubeconfig.

    Raises `UnreachableError` in one sentence when neither is there.
    """
    made = kubernetes.client.Configuration()
    load: Any = kubernetes.config
    try:
        if kubeconfig or context:
            load.load_kube_config(config_file=kubeconfig, context=context, client_configuration=made)
            return made
        try:
            load.load_incluster_config(client_configuration=made)
        except kubernetes.config.ConfigException:
            load.load_kube_config(client_configuration=made)
    except (
        kubernetes.config.ConfigException,
        OSError,
        yaml.YAMLError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as error:
        file = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UnreachableError(
            f"no access to a cluster: {file}: {reason}; give --kubeconfig and --context, or run inside one"
        ) from None
    return made


class Client:
    """The API server of a configuration. Safe for several threads."""

    def __init__(
        self, configuration: kubernetes.client.Configuration, *, dry_run: bool = False, connections: int = 40
    ) -> None:
        self.dry_run = dry_run
        self._configuration = configuration
        self._base = str(configuration.host).rstrip("/")
        tls: dict[str, Any] = {}
        if self._base.startswith("https"):
            tls = {
                "cert_reqs": "CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE",
                "ca_certs": configuration.ssl_ca_cert,
                "cert_file": configuration.cert_file,
                "key_file": configuration.key_file,
            }
        self._pool = urllib3.PoolManager(maxsize=connections, block=False, retries=False, **tls)

    def list(self, kind: kinds.Kind) -> tuple[list[Object], str]:
        """All objects of a kind, page by page, each with apiVersion and kind."""
        found: list[Object] = []
        token = ""
        while True:
            query = {"limit": str(PAGE)} | ({"continue": token} if token else {})
            answer = self._call("GET", kind.path(), query=query)
            found += answer.get("items") or []
            metadata = answer.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                return found, str(metadata.get("resourceVersion") or "")

    def watch(self, kind: kinds.Kind, version: str) -> Iterator[tuple[str, Object]]:
        """Changes after a version: (ADDED | MODIFIED | DELETED | BOOKMARK, object). Raises `GoneError`."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        url = f"{self._base}{kind.path()}?{urlencode(query)}"
        try:
            answer = self._pool.request(
                "GET",
                url,
                headers=self._headers(),
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS),
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"watch {kind.plural}: {error}") from error
        try:
            if answer.status >= 400:
                raise _refusal(f"watch {kind.plural}", answer.status, answer.read())
            for line in _lines(answer):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise _error(f"watch {kind.plural}", int(status.get("code") or 500), status)
                yield event["type"], event["object"]
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise UnreachableError(f"watch {kind.plural}: {error}") from error
        finally:
            answer.close()

    def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object:
        """One object."""
        return self._call("GET", kind.path(name, namespace))

    def create(self, kind: kinds.Kind, body: Object) -> Object:
        """Create an object in the namespace that its metadata names."""
        namespace = body["metadata"].get("namespace") or ""
        return self._write(kind, "POST", kind.path(namespace=namespace), body, "application/json")

    def patch(
        self, kind: kinds.Kind, name: str, body: Any, *, namespace: str = "", subresource: str = "", how: str = MERGE
    ) -> Object:
        """Patch an object or one of its subresources."""
        path = kind.path(name, namespace, subresource)
        query = {"fieldManager": "karpenter-ovhcloud", "force": "true"} if how == APPLY else None
        return self._write(kind, "PATCH", path, body, how, query=query)

    def replace(self, kind: kinds.Kind, body: Object) -> Object:
        """Write an object as a whole. Raises `ConflictError` when it has changed since."""
        metadata = body["metadata"]
        path = kind.path(metadata["name"], metadata.get("namespace") or "")
        return self._write(kind, "PUT", path, body, "application/json")

    def delete(
        self, kind: kinds.Kind, name: str, *, namespace: str = "", uid: str = "", grace: int | None = None
    ) -> None:
        """Ask for an object's deletion; with `uid` only of that very object."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self._write(kind, "DELETE", kind.path(name, namespace), body, "application/json")
        except NotFoundError:
            return

    def evict(self, name: str, namespace: str, uid: str) -> None:
        """Ask for a pod's eviction: budgets are the API server's to judge."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = kinds.POD.path(name, namespace, "eviction")
        try:
            self._write(kinds.POD, "POST", path, body, "application/json")
        except NotFoundError:
            return

    def _write(
        self,
        kind: kinds.Kind,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        if self.dry_run and kind is not kinds.EVENT:
            raise DryRunError(f"{method} {path} left out: this is a dry run")
        return self._call(method, path, body, content_type, query=query)

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "",
        *,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers() | ({"Content-Type": content_type} if data is not None else {})
        try:
            answer = self._pool.request(
                method,
                url,
                body=data,
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"{method} {path}: {error}") from error
        if answer.status >= 400:
            raise _refusal(f"{method} {path}", answer.status, answer.data)
        try:
            found = json.loads(answer.data) if answer.data else {}
        except ValueError as error:
            raise UnreachableError(f"{method} {path}: the answer is not JSON") from error
        return found if isinstance(found, dict) else {}

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "karpenter-ovhcloud"}
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        return headers


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Complete lines as they come."""
    rest = b""
    while data := answer.read1(1 << 20):
        *lines, rest = (rest + data).split(b"\n")
        yield from filter(None, lines)


def _refusal(call: str, status: int, data: bytes) -> Exception:
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return UnreachableError(f"{call}: {status}, and no Status object")
    return _error(call, status, body)


def _error(call: str, status: int, body: Mapping[str, Any]) -> ApiError:
    kinds_of: dict[int, type[ApiError]] = {404: NotFoundError, 409: ConflictError, 410: GoneError, 429: TooManyError}
    kind = kinds_of.get(status, ApiError)
    return kind(call, status, str(body.get("reason") or ""), str(body.get("message") or ""))


def merged(target: Any, patch: Any) -> Any:
    """What a merge patch makes of a value (RFC 7386); neither of the two is changed."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def changes(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Whether two lists of plain JSON differ."""
    return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)
