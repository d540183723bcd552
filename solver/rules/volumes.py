"""
Volumes: where they can be attached, how many, and which pods share one.

Sources: kube-scheduler's plugins VolumeBinding, VolumeRestrictions and NodeVolumeLimits; Karpenter
`pkg/scheduling/volumeusage.go`; OVHcloud guide "Known limits" for the number of Cinder volumes per node.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping

import numpy as np

from catalog import labels
from solver import problem
from solver.rules import builder, context, storage

name = "volumes"

MAX_CINDER_VOLUMES = 100
"""Cinder volumes that one MKS node can have attached."""

ONE_POD = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"

UNLIMITED = 1 << 20
"""Stands for "no limit" of attached volumes: more than any node could hold pods for."""


def resource(driver: str) -> str:
    """The resource that stands for volumes attached by a CSI driver."""
    return f"attachable-volumes-{driver}"


def compile(about: context.Context, into: builder.Builder) -> None:  # noqa: A001
    """Refuse places where a volume cannot be, count attachments, hold sharers of an unbound claim together."""
    for broken, classes in about.parts(lambda each: each.volumes.problem is not None):
        if broken:
            into.refuse(name, classes, np.ones(len(about.table), dtype=np.bool_))
    for terms, classes in about.parts(lambda each: each.volumes.terms):
        if terms:
            into.refuse(name, classes, ~np.logical_and.reduce([about.table.any_of(each) for each in terms]))
    _once(about, into)
    _attachments(about, into)
    _common_domains(about, into)


def explain(about: context.Context, pod_class: int, place: int) -> str:
    """Upstream's words for broken claims, full drivers and volumes elsewhere."""
    asked = about.classes[pod_class].volumes
    if asked.problem is not None:
        return asked.problem
    if any(not about.table.any_of(terms)[place] for terms in asked.terms):
        if place < len(about.places):
            return "volume node affinity conflict"
        return "incompatible requirements, volume node affinity conflict"
    if asked.once and set(asked.once) & _used_once(about):
        return ONE_POD
    driver, count = max(asked.attached, key=lambda each: each[1], default=("", 0))
    return f"checking volume usage, would exceed volume limit (driver={driver}, volumes={count})"


def _users(about: context.Context, shared: Mapping[str, list[int]] | Iterable[str]) -> dict[str, problem.Ints]:
    """For each of these claims, how many running pods use it on each place (N,)."""
    wanted = set(shared)
    counts = {key: np.zeros(len(about.places), dtype=np.int64) for key in wanted}
    for pod, place in zip(about.running.pods, about.running.place, strict=True):
        for key in storage.claims_of(pod):
            if key in wanted:
                counts[key][place] += 1
    return counts


def _by_claim(pairs: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """Class indices by claim."""
    found: dict[str, list[int]] = {}
    for index, key in pairs:
        found.setdefault(key, []).append(index)
    return found


def _used_once(about: context.Context) -> set[str]:
    """ReadWriteOncePod claims that a running pod already has."""
    keys = {key for each in about.classes for key in each.volumes.once}
    return {key for key, count in _users(about, keys).items() if count.any()}


def _once(about: context.Context, into: builder.Builder) -> None:
    by_claim = _by_claim((index, key) for index, each in enumerate(about.classes) for key in each.volumes.once)
    if not by_claim:
        return
    used = _used_once(about)
    for key, members in by_claim.items():
        owners = into.class_mask(members)
        if key in used:
            into.refuse(name, np.flatnonzero(owners), np.ones(len(about.table), dtype=np.bool_))
            continue
        none = np.zeros(len(about.places), dtype=np.int64)
        group = problem.Group(owners, none)
        into.exclusions.append(
            problem.Exclusion(f"volume {key} for one pod only", into.everywhere(), owners, none, group)
        )


def _attachments(about: context.Context, into: builder.Builder) -> None:
    drivers = {driver for each in about.classes for driver, _ in each.volumes.attached}
    drivers |= {driver for each in about.classes for _, driver in each.volumes.shared if driver}
    if not drivers:
        return
    shared = _by_claim((index, key) for index, each in enumerate(about.classes) for key, _ in each.volumes.shared)
    users = _users(about, shared)
    driver_of = {key: driver for each in about.classes for key, driver in each.volumes.shared}
    used = _used_volumes(about)
    for driver in sorted(drivers):
        requests = np.array([dict(each.volumes.attached).get(driver, 0) for each in about.classes], dtype=np.int64)
        room = [_limit(place, driver) - len(used[index][driver]) for index, place in enumerate(about.places)]
        room += [MAX_CINDER_VOLUMES if driver == storage.CINDER else UNLIMITED] * len(about.offers)
        number = into.amount(resource(driver), requests, np.maximum(np.array(room, dtype=np.int64), 0), name)
        for key, members in shared.items():
            if driver_of[key] == driver:
                mask = into.class_mask(members)
                into.shared_amounts.append(problem.SharedAmount(f"volume {key}", number, mask, users[key] > 0))


def _used_volumes(about: context.Context) -> list[dict[str, set[str]]]:
    """For each place the claims that are attached there, by CSI driver."""
    used: list[dict[str, set[str]]] = [collections.defaultdict(set) for _ in about.places]
    for pod, place in zip(about.running.pods, about.running.place, strict=True):
        for key in storage.claims_of(pod):
            used[place][about.claims.claim(pod, key).driver].add(key)
    return used


def _limit(place: context.Place, driver: str) -> int:
    """What CSINode says; where it says nothing, MKS's own limit for Cinder and none for others."""
    return place.volume_limits.get(driver, MAX_CINDER_VOLUMES if driver == storage.CINDER else UNLIMITED)


def _common_domains(about: context.Context, into: builder.Builder) -> None:
    by_claim = _by_claim((index, key) for index, each in enumerate(about.classes) for key in each.volumes.unbound)
    for key, members in by_claim.items():
        into.common_domains.append(
            problem.CommonDomain(f"volume {key}", into.topology(labels.ZONE), into.class_mask(members))
        )
