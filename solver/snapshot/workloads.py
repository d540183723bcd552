"""
Workloads without pods of their own: what stands in for their replicas.

Replicas are made as raw pods, so that they are read like pods that exist; a StatefulSet's claims as raw claims. The
names are `<workload>-<n>`, as a StatefulSet names its pods.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from solver.snapshot import source
from solver.snapshot.view import View

KINDS = ("StatefulSet", "Deployment", "ReplicaSet", "ReplicationController", "Job")
"""Kinds that stand for pods, in the order in which their replicas are named; real names of StatefulSets go first."""

REPLICAS = 100_000
"""Most replicas that one workload may stand for."""

TEMPLATE_HASH = "pod-template-hash"

Key = tuple[str, str, str]
"""Kind, namespace and name."""


class Ownership:
    """Who owns whom among raw objects: pods by the workload that they belong to, ReplicaSets by their Deployment."""

    def __init__(self, objects: Iterable[source.RawObject]) -> None:
        self._pods: dict[Key, list[source.RawObject]] = {}
        self._present: set[Key] = set()
        deployments: dict[Key, str] = {}
        pods: list[source.RawObject] = []
        for item in objects:
            if item.kind == "Pod":
                pods.append(item)
            elif item.kind in KINDS:
                self._present.add(key(item))
            if item.kind == "ReplicaSet":
                for kind, name in _owners(item):
                    if kind == "Deployment":
                        deployments[key(item)] = name
        self._deployments = deployments
        for pod in pods:
            for owner in self._workloads(pod):
                self._pods.setdefault(owner, []).append(pod)

    def _workloads(self, pod: source.RawObject) -> Iterator[Key]:
        owners = list(_owners(pod))
        if not owners:
            return
        namespace = pod.namespace or "default"
        for kind, name in owners:
            yield kind, namespace, name
            if kind == "ReplicaSet":
                template_hash = _mapping(_metadata(pod), "labels").get(TEMPLATE_HASH)
                deployment = self._deployments.get((kind, namespace, name))
                if deployment is None and template_hash and name.endswith(f"-{template_hash}"):
                    deployment = name.removesuffix(f"-{template_hash}")
                if deployment is not None:
                    yield "Deployment", namespace, deployment

    def pods(self, workload: source.RawObject) -> Sequence[source.RawObject]:
        """The pods of a workload; those of a Deployment belong to it through its ReplicaSets."""
        return self._pods.get(key(workload), ())

    def stands_for_replicas(self, workload: source.RawObject) -> bool:
        """Whether a workload has no pods, and no Deployment that stands for them already."""
        _, namespace, name = key(workload)
        deployment = self._deployments.get(("ReplicaSet", namespace, name)) if workload.kind == "ReplicaSet" else None
        covered = deployment is not None and ("Deployment", namespace, deployment) in self._present
        return not covered and not self.pods(workload)


def key(item: source.RawObject) -> Key:
    """Kind, namespace and name of a raw object that has a namespace."""
    return item.kind, item.namespace or "default", item.name


def count(root: View) -> int:
    """How many pods a workload stands for: its replicas, or the pods that a Job still has to run side by side."""
    spec = root.mapping("spec")
    if root.raw["kind"] != "Job":
        return _bounded(spec, "replicas")
    parallel = _bounded(spec, "parallelism")
    status = root.mapping("status")
    ended = any(
        item.raw.get("type") in ("Complete", "Failed") and item.raw.get("status") == "True"
        for item in status.items("conditions")
    )
    if ended or spec.flag("suspend"):
        return 0
    succeeded = status.integer("succeeded", 0) or 0
    completions = spec.integer("completions")
    if completions is None:
        completions = 1 if "parallelism" not in spec else 0 if succeeded else parallel
    return max(0, min(parallel, completions - succeeded))


def _bounded(spec: View, name: str) -> int:
    amount = spec.integer(name, 1)
    if amount is not None and amount > REPLICAS:
        spec.wrong(f"{amount} pods are too many for one workload", f"write at most {REPLICAS}", name)
    return amount or 0


def replicas(workload: source.RawObject, number: int, taken: set[tuple[str, str]]) -> Iterator[source.RawObject]:
    """
    As many raw pods from a workload's template, named by the first ordinals that are free.

    `taken` are the namespaces and names of the pods that there are; the new names are added. When another workload of
    the same name has taken the name of the first, the kind stands in the names too.
    """
    kind, namespace, name = key(workload)
    spec = _mapping(workload.manifest, "spec")
    template = _mapping(spec, "template")
    first = _first_ordinal(spec) if kind == "StatefulSet" else 0
    stem = name
    if number and kind != "StatefulSet" and (namespace, f"{name}-{first}") in taken:
        stem = f"{name}-{kind.lower()}"
    shared = _shared_metadata(workload, template)
    pod_spec = _mapping(template, "spec")
    ordinal = first
    while number > 0:
        pod = f"{stem}-{ordinal}"
        ordinal += 1
        if (namespace, pod) in taken:
            continue
        taken.add((namespace, pod))
        number -= 1
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": namespace, **shared},
            "spec": _with_claims(pod_spec, spec, pod) if kind == "StatefulSet" else pod_spec,
        }
        yield source.raw_object(manifest, workload.origin, synthetic=True)


def _shared_metadata(workload: source.RawObject, template: dict[str, Any]) -> dict[str, Any]:
    kind, _, name = key(workload)
    metadata = _mapping(template, "metadata")
    labels = metadata.get("labels") or {}
    if kind == "Deployment" and isinstance(labels, dict) and TEMPLATE_HASH not in labels:
        text = json.dumps(template, sort_keys=True, default=str)
        labels = labels | {TEMPLATE_HASH: hashlib.sha256(text.encode()).hexdigest()[:10]}
    owner = {"kind": kind, "name": name, "uid": _metadata(workload).get("uid"), "controller": True}
    return {"labels": labels, "annotations": metadata.get("annotations"), "ownerReferences": [owner]}


def _with_claims(pod_spec: dict[str, Any], spec: dict[str, Any], pod: str) -> dict[str, Any]:
    """The spec with one volume for each of a StatefulSet's claims, instead of volumes of the same names."""
    names = [name for name, _ in _claim_templates(spec)]
    if not names:
        return pod_spec
    given = [volume for volume in _list(pod_spec, "volumes") if volume.get("name") not in names]
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{pod}"}} for name in names]
    return {**pod_spec, "volumes": [*given, *claims]}


def claims(
    workload: source.RawObject, pods: Iterable[source.RawObject], taken: set[tuple[str, str]]
) -> Iterator[source.RawObject]:
    """The claims of a StatefulSet's `pods` that are not in `taken` (namespace, name)."""
    namespace = workload.namespace or "default"
    for name, template in _claim_templates(_mapping(workload.manifest, "spec")):
        for pod in pods:
            claim = f"{name}-{pod.name}"
            if (namespace, claim) not in taken:
                manifest = {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": claim, "namespace": namespace},
                    "spec": template.get("spec"),
                }
                yield source.raw_object(manifest, workload.origin, synthetic=True)


def _claim_templates(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    templates = _list(spec, "volumeClaimTemplates")
    return [(str(_mapping(template, "metadata").get("name")), template) for template in templates]


def _first_ordinal(spec: dict[str, Any]) -> int:
    start = _mapping(spec, "ordinals").get("start")
    return start if isinstance(start, int) and start > 0 else 0


def check_stateful_set(root: View) -> None:
    """Notes what is wrong with the ordinals and the claim templates of a StatefulSet."""
    root.mapping("spec").mapping("ordinals").integer("start")
    for template in root.mapping("spec").items("volumeClaimTemplates"):
        template.mapping("metadata").required("name", "data")


def _owners(item: source.RawObject) -> Iterator[tuple[str, str]]:
    for owner in _list(_metadata(item), "ownerReferences"):
        yield str(owner.get("kind")), str(owner.get("name"))


def _metadata(item: source.RawObject) -> dict[str, Any]:
    return _mapping(item.manifest, "metadata")


def _mapping(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _list(raw: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = raw.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
