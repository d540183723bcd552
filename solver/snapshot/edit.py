"""What-if edits on raw objects: another number of replicas for a workload (`--scale deployment/web=5`)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from solver.snapshot import errors, source, workloads

_NAMES = {
    "Deployment": ("deployment", "deployments", "deploy"),
    "StatefulSet": ("statefulset", "statefulsets", "sts"),
    "ReplicaSet": ("replicaset", "replicasets", "rs"),
    "ReplicationController": ("replicationcontroller", "replicationcontrollers", "rc"),
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names}
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
_FORM = re.compile(r"([A-Za-z]+)(?:\.apps)?/(?:([a-z0-9.-]+)/)?([a-z0-9.-]+)=([^=]+)")


def scale(
    objects: Sequence[source.RawObject], edits: Sequence[str], problems: list[errors.Problem]
) -> list[source.RawObject]:
    """
    The objects after edits of the form KIND/NAME=N or KIND/NAMESPACE/NAME=N.

    Where the workload has pods, pods from its template are added; or some go: pending ones first, then the newest, in a
    StatefulSet those with the highest ordinals. What cannot be done is appended to `problems`.
    """
    scaled = list(objects)
    for edit in edits:
        origin = errors.Origin(f"--scale {edit}")
        form = _FORM.fullmatch(edit)
        if form is None:
            message, hint = "is not an edit of the form KIND/NAME=N", "write for instance deployment/web=5"
            problems.append(errors.Problem(origin, "", message, hint))
            continue
        if not _NUMBER.fullmatch(form[4]) or int(form[4]) > workloads.REPLICAS:
            message = f"{form[4]} is no number of replicas"
            problems.append(errors.Problem(origin, "", message, f"write one from 0 to {workloads.REPLICAS}"))
            continue
        kind = _KINDS.get(form[1].lower())
        if kind is None:
            message = f"a {form[1]} cannot be scaled"
            problems.append(
                errors.Problem(origin, "", message, f"write one of {', '.join(names[0] for names in _NAMES.values())}")
            )
            continue
        found = [
            item
            for item in scaled
            if item.kind == kind
            and workloads.key(item)[2] == form[3]
            and workloads.key(item)[1] == (form[2] or workloads.key(item)[1])
        ]
        if len(found) == 1:
            scaled = _scaled(scaled, found[0], int(form[4]))
        else:
            problems.append(_not_one(origin, form, kind, found))
    return scaled


def _not_one(origin: errors.Origin, form: re.Match[str], kind: str, found: list[source.RawObject]) -> errors.Problem:
    if found:
        places = " or ".join(f"{form[1]}/{workloads.key(item)[1]}/{form[3]}" for item in found)
        return errors.Problem(origin, "", f"{len(found)} {kind}s have this name", f"write {places}")
    name = f"{form[2]}/{form[3]}" if form[2] else form[3]
    return errors.Problem(origin, "", f'there is no {kind} "{name}" in the input', "check kind and name")


def _scaled(objects: list[source.RawObject], workload: source.RawObject, number: int) -> list[source.RawObject]:
    pods = [pod for pod in workloads.Ownership(objects).pods(workload) if _lives(pod)]
    replaced = _with_replicas(workload, number)
    if number < len(pods):
        going = {id(pod) for pod in sorted(pods, key=_removal_order(workload.kind))[: len(pods) - number]}
        objects = [item for item in objects if id(item) not in going]
    elif pods and number > len(pods):
        taken = {workloads.key(item)[1:] for item in objects if item.kind == "Pod"}
        added = list(workloads.replicas(workload, number - len(pods), taken))
        held = {workloads.key(item)[1:] for item in objects if item.kind == "PersistentVolumeClaim"}
        objects = [*objects, *added, *workloads.claims(workload, added, held)]
    return [replaced if item is workload else item for item in objects]


def _with_replicas(workload: source.RawObject, number: int) -> source.RawObject:
    spec = workload.manifest.get("spec")
    if not isinstance(spec, dict):
        return workload
    return dataclasses.replace(workload, manifest={**workload.manifest, "spec": {**spec, "replicas": number}})


def _lives(pod: source.RawObject) -> bool:
    metadata, status = pod.manifest.get("metadata"), pod.manifest.get("status")
    ended = isinstance(status, dict) and status.get("phase") in ("Succeeded", "Failed")
    return not ended and not (isinstance(metadata, dict) and metadata.get("deletionTimestamp"))


def _removal_order(kind: str) -> Any:
    def ordinal(pod: source.RawObject) -> tuple[int, str]:
        name = workloads.key(pod)[2]
        number = name.rpartition("-")[2]
        return -int(number) if number.isdigit() else 0, name

    def age(pod: source.RawObject) -> tuple[bool, list[int], str]:
        spec, metadata = pod.manifest.get("spec"), pod.manifest["metadata"]
        running = isinstance(spec, dict) and bool(spec.get("nodeName"))
        created = str(metadata.get("creationTimestamp") or "")
        return running, [-ord(letter) for letter in created], workloads.key(pod)[2]

    return ordinal if kind == "StatefulSet" else age
