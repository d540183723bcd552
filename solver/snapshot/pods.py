"""
Pods and pod templates as values of `solver.cluster`.

A spec is read once however many pods share it: what matters of the raw spec is the key of a cache, and equal specs are
one object. Missing fields mean what the API server would fill in. LimitRanges and admission webhooks are not known
here.
"""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Mapping
from typing import Any

from solver import cluster
from solver.snapshot import constraints, fields, ignored, requests, source
from solver.snapshot.view import Report, View

SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""PriorityClasses that every cluster has."""

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

_SPEC_KEYS = frozenset(fields.READ["PodSpec"]) - {
    "containers",
    "initContainers",
    "volumes",
    "nodeName",
    "schedulingGates",
}
_CONTAINER_KEYS = frozenset(fields.READ["Container"]) - {"name"}
_HOLDERS = ("containers", "initContainers", "volumes")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_SMALLEST_PRIORITY = -(2**31)


@dataclasses.dataclass(slots=True)
class Defaults:
    """What pods get from other objects: values of the PriorityClasses, the global default, the default StorageClass."""

    priorities: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict(SYSTEM_PRIORITIES))
    priority: int = 0
    storage_class: str | None = None


class PodReader:
    """Reads pods; `unknown_priorities` are the names of PriorityClasses that are asked for and not known."""

    def __init__(self, defaults: Defaults) -> None:
        self.unknown_priorities: set[str] = set()
        self._defaults = defaults
        self._by_text: dict[bytes, cluster.PodSpec] = {}
        self._specs: dict[cluster.PodSpec, cluster.PodSpec] = {}
        self._labels: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}

    def pod(self, item: source.RawObject, report: Report) -> cluster.Pod:
        """The pod that a raw object describes; to be dropped when `report` has got problems."""
        root = View(item.manifest, report)
        metadata, status = root.mapping("metadata"), root.mapping("status")
        metadata.misspelled("ObjectMeta")
        name, namespace = metadata.text("name"), metadata.text("namespace") or "default"
        annotations = self._shared(metadata.labels("annotations"))
        owner = _owner(metadata)
        pod = cluster.Pod(
            namespace=namespace,
            name=name,
            spec=self.spec(root, status),
            labels=self._shared(metadata.labels("labels")),
            annotations=annotations,
            nominated_node=status.text("nominatedNodeName"),
            owner=owner,
            uid=metadata.text("uid"),
            created=metadata.time("creationTimestamp") or 0,
            started=status.time("startTime"),
            terminal=status.text("phase") in ("Succeeded", "Failed"),
            deleting="deletionTimestamp" in metadata,
            mirror=MIRROR_ANNOTATION in annotations or (owner is not None and owner.kind == "Node"),
            synthetic=item.synthetic,
        )
        if "spec" in root:
            spec = root.mapping("spec")
            pod.node = spec.text("nodeName")
            pod.gated = bool(spec.raw.get("schedulingGates"))
        if "conditions" in status:
            _conditions(pod, status)
        return pod

    def spec(self, holder: View, status: View) -> cluster.PodSpec:
        """The spec in the field `spec` of a pod or of a template."""
        key = _text(holder.raw.get("spec"), status.raw)
        found = self._by_text.get(key) if key is not None else None
        if found is None:
            before = len(holder.report.problems)
            found = self._read(holder, status)
            found = self._specs.setdefault(found, found)
            if key is not None and len(holder.report.problems) == before:
                self._by_text[key] = found
        return found

    def shared(self, spec: cluster.PodSpec) -> cluster.PodSpec:
        """The one object that stands for all specs equal to this."""
        return self._specs.setdefault(spec, spec)

    def _shared(self, labels: dict[str, str]) -> dict[str, str]:
        return self._labels.setdefault(tuple(labels.items()), labels)

    def _read(self, holder: View, status: View) -> cluster.PodSpec:
        spec = holder.mapping("spec")
        if not spec.raw.get("containers"):
            spec.wrong("is missing", "list at least one container", "containers")
        spec.misspelled("PodSpec")
        affinity = spec.mapping("affinity")
        affinity.misspelled("Affinity")
        nodes = affinity.mapping("nodeAffinity")
        pods, others = affinity.mapping("podAffinity"), affinity.mapping("podAntiAffinity")
        for kind in (nodes, pods, others):
            kind.misspelled("PodAffinity")
        claims, ephemeral = _volumes(spec, self._defaults.storage_class)
        read = cluster.PodSpec(
            requests=requests.effective(spec, status),
            node_selector=tuple(sorted(spec.labels("nodeSelector").items())),
            node_terms=constraints.node_terms(nodes, "requiredDuringSchedulingIgnoredDuringExecution", checked=False),
            preferred_node_terms=constraints.preferred_node_terms(nodes),
            tolerations=constraints.tolerations(spec),
            affinity=constraints.pod_terms(pods),
            anti_affinity=constraints.pod_terms(others),
            preferred_affinity=constraints.preferred_pod_terms(pods),
            preferred_anti_affinity=constraints.preferred_pod_terms(others),
            spread=constraints.spread(spec),
            host_ports=_host_ports(spec),
            claims=claims,
            ephemeral_claims=ephemeral,
            resource_claims=tuple(item.required("name", "gpu") for item in spec.items("resourceClaims")),
            priority=self._priority(spec),
            scheduler=spec.text("schedulerName") or "default-scheduler",
        )
        reason = ignored.reason(read)
        return dataclasses.replace(read, invalid=reason) if reason else read

    def _priority(self, spec: View) -> int:
        """As the API server admits pods: the number itself, that of the named class, or the global default."""
        name = spec.text("priorityClassName")
        given = spec.integer("priority", least=_SMALLEST_PRIORITY)
        if given is not None:
            return given
        if not name:
            return self._defaults.priority
        if name not in self._defaults.priorities:
            self.unknown_priorities.add(name)
        return self._defaults.priorities.get(name, 0)


def _text(spec: Any, status: dict[str, Any]) -> bytes | None:
    """All that the reading of a spec depends on, as one key; None when the spec is not shaped like one."""
    try:
        sizes: list[Any] = [
            [item["name"], item["resources"], item.get("allocatedResources")]
            for key in ("containerStatuses", "initContainerStatuses")
            for item in status.get(key) or ()
            if "resources" in item
        ]
        if sizes:
            sizes.append([item.get("reason") for item in status["conditions"] if item["type"] == "PodResizePending"])
            sizes.append([container["name"] for container in spec["containers"]])
        parts = (
            [_only(container, _CONTAINER_KEYS) for container in spec["containers"]],
            [(container["name"], _only(container, _CONTAINER_KEYS)) for container in spec.get("initContainers") or ()],
            [
                volume
                for volume in spec.get("volumes") or ()
                if "persistentVolumeClaim" in volume or "ephemeral" in volume
            ],
            _only(spec, _SPEC_KEYS),
            [[*holder] for key in _HOLDERS for holder in spec.get(key) or ()],
            [*spec],
            sizes,
        )
        return marshal.dumps(parts, 2)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _only(raw: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key in keys}


def _owner(metadata: View) -> cluster.Owner | None:
    """The owner that controls the pod, else the first."""
    if "ownerReferences" not in metadata:
        return None
    owners = metadata.items("ownerReferences")
    if not owners:
        return None
    owner = next((item for item in owners if item.raw.get("controller") is True), owners[0])
    return cluster.Owner(owner.text("kind"), owner.text("name"), owner.text("uid"))


def _conditions(pod: cluster.Pod, status: View) -> None:
    for condition in status.items("conditions"):
        kind, state = condition.raw.get("type"), condition.raw.get("status")
        if kind == "PodScheduled" and not (state == "True" and pod.node):
            pod.unscheduled_reason = condition.text("reason") if state == "False" else ""
        elif kind == "Ready":
            pod.ready = state != "False"


def _volumes(spec: View, default_class: str | None) -> tuple[tuple[str, ...], tuple[cluster.EphemeralClaim, ...]]:
    """Claims by name, and those that are made with the pod."""
    claims: set[str] = set()
    ephemeral: list[cluster.EphemeralClaim] = []
    for volume in spec.items("volumes"):
        volume.misspelled("Volume")
        if "persistentVolumeClaim" in volume:
            claims.add(volume.mapping("persistentVolumeClaim").required("claimName", "data"))
        elif "ephemeral" in volume:
            claim = volume.mapping("ephemeral").mapping("volumeClaimTemplate").mapping("spec")
            wanted = claim.text("storageClassName") if "storageClassName" in claim else default_class
            name = volume.required("name", "scratch")
            ephemeral.append(cluster.EphemeralClaim(name, wanted, claim.texts("accessModes")))
    return tuple(sorted(claims)), tuple(ephemeral)


def _host_ports(spec: View) -> tuple[cluster.HostPort, ...]:
    """Host ports of containers and sidecars; with the host's network every port is one."""
    host_network = spec.flag("hostNetwork")
    sidecars = [item for item in spec.items("initContainers") if item.raw.get("restartPolicy") == "Always"]
    ports: set[cluster.HostPort] = set()
    for container in (*sidecars, *spec.items("containers")):
        for item in container.items("ports") if "ports" in container else ():
            item.misspelled("ContainerPort")
            port = item.integer("hostPort", 0, most=65535)
            if host_network and not port:
                port = item.integer("containerPort", 0, most=65535)
            protocol = item.choice("protocol", _PROTOCOLS, "TCP")
            if port:
                ports.add(cluster.HostPort(item.text("hostIP") or "0.0.0.0", protocol, port))  # noqa: S104
    return tuple(sorted(ports, key=dataclasses.astuple))
