"""
Volumes: usable claims, in reach of the node, no more than the node takes, and in agreement where pods share them.

kube-scheduler: VolumeBinding, VolumeZone, VolumeRestrictions (ReadWriteOncePod), NodeVolumeLimits. A node of MKS
takes 100 Cinder volumes unless its CSINode says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from catalog import labels as names
from solver import plan
from solver.check import state, storage

RULE = "volumes"

CINDER_VOLUMES = 100
"""Cinder volumes per node: OVHcloud guide "Known limits"."""


def violations(now: state.State) -> Iterator[plan.Violation]:
    """Planned pods whose volumes cannot be where the plan puts them."""
    pods = now.known.snapshot.pods
    attached: dict[str, dict[str, set[str]]] = {}
    users: dict[str, list[str]] = {}
    for key, of in now.class_of.items():
        if not of.spec.claims and not of.spec.ephemeral_claims:
            continue
        place = now.places[now.target[key]]
        for need in now.known.storage.needs(pods[key]):
            users.setdefault(need.claim, []).append(key)
            if need.driver:
                attached.setdefault(place.name, {}).setdefault(need.driver, set()).add(need.claim)
            if need.refusal:
                yield _violation(key, place.name, need.refusal)
            elif not need.reaches(place.host.labels, place.host.real_name):
                yield _violation(key, place.name, f"the volume of {need.claim} is not to be had on this node")
    if users:
        yield from _shared(now, users)
        yield from _limits(now, attached)


def _violation(pod: str, place: str, words: str) -> plan.Violation:
    return plan.Violation(RULE, pod, place, f"pod {pod} on {place}: {words}")


def _shared(now: state.State, users: dict[str, list[str]]) -> Iterator[plan.Violation]:
    """Claims for one pod only that several have, and claims to be made in one zone whose pods are in several."""
    running: set[str] = set()
    made_in: dict[str, set[str]] = {}
    for pod, name in now.running:
        if name in now.places and (pod.spec.claims or pod.spec.ephemeral_claims):
            for each in now.known.storage.needs(pod):
                if each.one_pod:
                    running.add(each.claim)
                if each.unbound and pod.key in now.known.answer.placements:
                    # Placed in an earlier step: the volume is in its zone by now.
                    made_in.setdefault(each.claim, set()).add(now.places[name].host.labels.get(names.ZONE, ""))
    for claim, keys in users.items():
        need = next(each for each in now.known.storage.needs(now.known.snapshot.pods[keys[0]]) if each.claim == claim)
        place = now.target[keys[-1]]
        if need.one_pod and (len(keys) > 1 or claim in running):
            yield _violation(keys[-1], place, f"claim {claim} may be used by one pod only, and another one has it")
        zones = {now.places[now.target[key]].host.labels.get(names.ZONE, "") for key in keys}
        zones |= made_in.get(claim, set())
        if need.unbound and len(zones) > 1:
            words = f"claim {claim} will be made in one zone, and its pods are in {', '.join(sorted(zones))}"
            yield _violation(keys[-1], place, words)


def _limits(now: state.State, asked: dict[str, dict[str, set[str]]]) -> Iterator[plan.Violation]:
    """Places that would get more volumes of a driver than they take."""
    there: dict[tuple[str, str], set[str]] = {}
    for pod, name in now.running:
        if name in asked:
            for need in now.known.storage.needs(pod):
                there.setdefault((name, need.driver), set()).add(need.claim)
    for name, drivers in asked.items():
        known = now.known.snapshot.csi_limits.get(name, {})
        for driver, claims in drivers.items():
            limit = known.get(driver, CINDER_VOLUMES if driver == storage.CINDER else None)
            attached = there.get((name, driver), set())
            if limit is not None and not claims <= attached and len(claims | attached) > limit:
                first = next(key for key, at in now.target.items() if at == name and key in now.class_of)
                words = (
                    f"would exceed volume limit: {len(claims | attached)} volumes of {driver}, the node takes {limit}"
                )
                yield _violation(first, name, words)
