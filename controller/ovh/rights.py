"""The rights that the controller needs at OVH, and which of them a consumer key lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from controller.ovh import types


@dataclass(frozen=True, slots=True)
class Right:
    """One right: as an access rule (method and path) and as IAM actions; ``purpose`` completes "needed to …"."""

    method: str
    path: str
    actions: tuple[str, ...]
    purpose: str

    @property
    def rule(self) -> str:
        """The access rule as https://api.ovh.com/createToken/ wants it."""
        return f"{self.method} {self.path}"


def needed(service_name: str, kube_id: str) -> tuple[Right, ...]:
    """All rights that the controller uses, for one project and cluster; both may be ``*``.

    The names of the three IAM actions that write node pools follow the pattern of the published reading ones.
    """
    project = f"/cloud/project/{service_name}"
    cluster = f"{project}/kube/{kube_id}"

    def right(method: str, path: str, purpose: str, *actions: str) -> Right:
        return Right(method, path, tuple(f"publicCloudProject:apiovh:{action}" for action in actions), purpose)

    return (
        right("GET", cluster, "read the cluster's region and plan", "kube/get"),
        right("GET", f"{cluster}/flavors", "list the flavors of the cluster", "kube/flavors/get"),
        right("GET", f"{cluster}/nodepool", "list node pools", "kube/nodepool/get"),
        right("POST", f"{cluster}/nodepool", "create node pools", "kube/nodepool/create"),
        right(
            "GET", f"{cluster}/nodepool/*", "list the nodes of a pool", "kube/nodepool/get", "kube/nodepool/nodes/get"
        ),
        right("PUT", f"{cluster}/nodepool/*", "add and remove nodes", "kube/nodepool/edit"),
        right("DELETE", f"{cluster}/nodepool/*", "delete empty node pools", "kube/nodepool/delete"),
        right("GET", f"{project}/flavor", "read disks, stock and plan codes", "flavor/get"),
        right("GET", f"{project}/region/*", "read zones and quota", "region/get", "region/quota/get"),
    )


def missing(rules: Iterable[types.AccessRule], service_name: str, kube_id: str) -> tuple[Right, ...]:
    """The needed rights that no rule grants. A rule's ``*`` is any text; a trailing blank belongs to its path."""
    granted = tuple(rules)
    return tuple(
        right
        for right in needed(service_name, kube_id)
        if not any(rule.method == right.method and _covers(rule.path, right.path) for rule in granted)
    )


def blanks(rules: Iterable[types.AccessRule]) -> tuple[str, ...]:
    """Rules with a blank at an end, which look right and never match: usually pasted so."""
    return tuple(f"{rule.method} {rule.path!r}" for rule in rules if rule.path != rule.path.strip())


def _covers(rule: str, path: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in rule.split("*"))
    return re.fullmatch(pattern, path) is not None
