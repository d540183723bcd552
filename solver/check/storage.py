"""
What volume claims ask of a node: where their volumes are or may be made, and what is attached.

Sources: kube-scheduler's VolumeBinding, VolumeZone, VolumeRestrictions and NodeVolumeLimits; which claims can be
planned with at all: Karpenter core, `pkg/controllers/provisioning/scheduling/volumetopology.go`. A claim with a class
that has no provisioner needs a volume somebody made by hand, about which nothing is known here: pods with one are not
placed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from solver import cluster
from solver.check import match

CINDER = "cinder.csi.openstack.org"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
ONE_POD = "ReadWriteOncePod"

_IN_TREE = {"kubernetes.io/cinder": CINDER}
"""Provisioners of old, which the API server treats as the drivers that replaced them."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Need:
    """
    What one claim asks. `refusal` says why pods with it are not placed, "" when they may be.

    `terms` are alternatives for the node, None when any node will do. `driver` is who attaches the volume, "" when
    nobody does. `unbound`: the volume is made for the first pod that is placed, in that pod's zone. While it is being
    made for a node that is `chosen` (its name), no other will do.
    """

    claim: str
    refusal: str = ""
    terms: tuple[cluster.NodeTerm, ...] | None = None
    driver: str = ""
    one_pod: bool = False
    unbound: bool = False
    chosen: str = ""

    def reaches(self, labels: Mapping[str, str], name: str) -> bool:
        """Whether a node with these labels can have the volume."""
        if self.chosen and name != self.chosen:
            return False
        return self.terms is None or any(match.term_holds(term, labels, name) for term in self.terms)


@dataclasses.dataclass(slots=True)
class Storage:
    """The claims of a cluster, each looked up once."""

    snapshot: cluster.Cluster
    _known: dict[tuple[str, cluster.EphemeralClaim | None], Need] = dataclasses.field(default_factory=dict)

    def needs(self, pod: cluster.Pod) -> Iterator[Need]:
        """What each claim of a pod asks."""
        for name in pod.spec.claims:
            yield self._need(f"{pod.namespace}/{name}", None)
        for claim in pod.spec.ephemeral_claims:
            yield self._need(f"{pod.namespace}/{pod.name}-{claim.volume}", claim)

    def reaches(self, spec: cluster.PodSpec, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels could have the volumes of pods with a spec, as far as such pods agree."""
        found = [self._need(f"{namespace}/{name}", None) for name in spec.claims]
        found += [self._new("", claim.storage_class, claim.access_modes) for claim in spec.ephemeral_claims]
        return all(each.reaches(labels, "") for each in found)

    def _need(self, key: str, ephemeral: cluster.EphemeralClaim | None) -> Need:
        found = self._known.get((key, ephemeral))
        if found is None:
            claim = self.snapshot.volume_claims.get(key)
            if claim is not None:
                found = self._of_claim(key, claim)
            elif ephemeral is not None:
                found = self._new(key, ephemeral.storage_class, ephemeral.access_modes)
            else:
                found = Need(key, f"persistentvolumeclaim {key} not found")
            self._known[key, ephemeral] = found
        return found

    def _of_claim(self, key: str, claim: cluster.VolumeClaim) -> Need:
        if claim.deleting:
            return Need(key, f"persistentvolumeclaim {key} is being deleted")
        if claim.phase == "Lost":
            return Need(key, f"persistentvolumeclaim {key} bound to non-existent persistentvolume")
        if not claim.volume:
            there = claim.selected_node if claim.selected_node in self.snapshot.nodes else ""
            return self._new(key, claim.storage_class, claim.access_modes, there)
        if not claim.bind_completed:
            return Need(key, f"persistentvolumeclaim {key} names a volume but is not bound to it")
        volume = self.snapshot.volumes.get(claim.volume)
        if volume is None:
            return Need(key, f"persistentvolume {claim.volume} of {key} not found")
        if volume.deleting:
            return Need(key, f"persistentvolume {claim.volume} of {key} is being deleted")
        return Need(key, "", volume.terms, _driver(volume.driver), ONE_POD in claim.access_modes)

    def _new(self, key: str, class_name: str | None, access_modes: tuple[str, ...], chosen: str = "") -> Need:
        """A claim whose volume is yet to be made, for the node that kube-scheduler has `chosen` if there is one."""
        if class_name is None:
            class_name = next((c.name for c in self.snapshot.storage_classes.values() if c.default), "")
        if not class_name:
            return Need(key, f"unbound persistentvolumeclaim {key} has no storage class")
        made_by = self.snapshot.storage_classes.get(class_name)
        if made_by is None:
            return Need(key, f"storage class {class_name} of {key} not found")
        if not made_by.wait_for_consumer:
            return Need(key, f"persistentvolumeclaim {key} with immediate volume binding mode must be bound")
        if made_by.provisioner == NO_PROVISIONER:
            return Need(key, f"storage class {class_name} of {key} makes no volumes")
        driver = _driver(made_by.provisioner)
        return Need(key, "", made_by.topologies or None, driver, ONE_POD in access_modes, unbound=True, chosen=chosen)


def _driver(name: str) -> str:
    return _IN_TREE.get(name, name)
