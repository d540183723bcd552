"""The few calls on Node objects that the simulator makes, as raw JSON over the official client."""

from __future__ import annotations

import json
from typing import Any, Protocol
from urllib.parse import quote

import kubernetes.client
import kubernetes.config

TIMEOUTS = (5.0, 30.0)
"""Seconds to connect and to wait for an answer."""

_PAGE = 500


class ClusterError(Exception):
    """The API server refused or did not answer; one sentence."""


class Cluster(Protocol):
    """What the joiner needs of a cluster."""

    def nodes(self) -> list[dict[str, Any]]:
        """All Node objects."""
        ...

    def create(self, body: dict[str, Any]) -> bool:
        """Create a Node object; False when one of that name exists."""
        ...

    def patch(self, name: str, body: dict[str, Any], *, status: bool) -> bool:
        """Patch a Node object, or its status; False when it is gone or has changed meanwhile."""
        ...

    def delete(self, name: str) -> None:
        """Delete a Node object; one that is gone already is fine."""
        ...


class KubernetesCluster:
    """The cluster of a kubeconfig's context; raises ``ClusterError``."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        try:
            connect: Any = kubernetes.config.new_client_from_config
            self._api: kubernetes.client.ApiClient = connect(config_file=kubeconfig, context=context)
        except (kubernetes.config.ConfigException, OSError) as error:
            raise ClusterError(f"kubeconfig {kubeconfig or '(default)'} cannot be used: {error}") from None

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._api.configuration.host)

    def nodes(self) -> list[dict[str, Any]]:
        """All Node objects, page by page."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query = [("limit", str(_PAGE)), *([("continue", token)] if token else [])]
            _, answer = self._call("GET", "/api/v1/nodes", query=query)
            found += answer.get("items") or []
            token = answer.get("metadata", {}).get("continue") or ""
            if not token:
                return found

    def create(self, body: dict[str, Any]) -> bool:
        """Create a Node object; False when one of that name exists."""
        status, _ = self._call("POST", "/api/v1/nodes", body, "application/json", fine=(409,))
        return status != 409

    def patch(self, name: str, body: dict[str, Any], *, status: bool) -> bool:
        """Patch a Node object, or its status; False when it is gone or has changed meanwhile."""
        path = f"/api/v1/nodes/{quote(name)}{'/status' if status else ''}"
        kind = "strategic-merge-patch" if status else "merge-patch"
        code, _ = self._call("PATCH", path, body, f"application/{kind}+json", fine=(404, 409))
        return code < 300

    def delete(self, name: str) -> None:
        """Delete a Node object; one that is gone already is fine."""
        self._call("DELETE", f"/api/v1/nodes/{quote(name)}", fine=(404,))

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        content_type: str | None = None,
        *,
        query: list[tuple[str, str]] | None = None,
        fine: tuple[int, ...] = (),
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
        request = self._api.param_serialize(
            method, path, query_params=query or [], header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            response: Any = self._api.call_api(*request, _request_timeout=TIMEOUTS)
            data = response.read()
            answer = json.loads(data) if data else {}
        except Exception as error:
            raise ClusterError(f"{method} {path}: {error}") from error
        if response.status >= 300 and response.status not in fine:
            raise ClusterError(f"{method} {path}: {response.status} {answer.get('message', '')}")
        return response.status, answer
