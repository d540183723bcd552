"""
What the volumes of pods ask: alternatives for the node's labels, volumes to attach, claims that pods share.

Sources: Karpenter `pkg/controllers/provisioning/scheduling/volumetopology.go` (which claims are refused, and the
words), `pkg/utils/volume/volume.go`; https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
"""

from __future__ import annotations

import collections
import dataclasses

from solver import cluster

CINDER = "cinder.csi.openstack.org"
IN_TREE_CINDER = "kubernetes.io/cinder"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
ONCE_PER_POD = "ReadWriteOncePod"


@dataclasses.dataclass(frozen=True, slots=True)
class Storage:
    """
    What the volumes of a pod ask; equal values are equal for every rule.

    `terms`: for each volume its alternatives. `attached`: volumes of its own by CSI driver. `shared`: claims that
    other pods use too, with their driver ("" = not counted). `unbound`: shared claims whose volume is yet
    to be made, in one zone for all. `once`: claims that one pod only may use. `problem`: why Karpenter ignores the
    pod, or None.
    """

    terms: tuple[tuple[cluster.NodeTerm, ...], ...] = ()
    attached: tuple[tuple[str, int], ...] = ()
    shared: tuple[tuple[str, str], ...] = ()
    unbound: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    problem: str | None = None


NOTHING = Storage()


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """
    One claim looked up.

    `terms` are alternatives of its volume or class, `driver` is its CSI driver ("" = not counted). `unbound`: its
    volume is yet to be made. `once`: one pod only may use it. `problem`: why its pods are ignored.
    """

    terms: tuple[cluster.NodeTerm, ...] | None = None
    driver: str = ""
    unbound: bool = False
    once: bool = False
    problem: str | None = None


class Usage:
    """Claims of a cluster and who uses them; each claim is looked up once."""

    def __init__(self, of: cluster.Cluster) -> None:
        self._cluster = of
        self._users = collections.Counter(key for pod in of.pods.values() if not pod.terminal for key in claims_of(pod))
        self._claims: dict[tuple[str, str | None], Claim] = {}

    def of_pod(self, pod: cluster.Pod) -> Storage:
        """What the pod's volumes ask."""
        if not (pod.spec.claims or pod.spec.ephemeral_claims):
            return NOTHING
        terms: list[tuple[cluster.NodeTerm, ...]] = []
        attached: collections.Counter[str] = collections.Counter()
        shared: list[tuple[str, str]] = []
        unbound: list[str] = []
        once: list[str] = []
        for key in claims_of(pod):
            claim = self.claim(pod, key)
            if claim.problem is not None:
                return Storage(problem=claim.problem)
            if claim.terms is not None:
                terms.append(claim.terms)
            if self._users[key] <= 1:
                attached[claim.driver] += 1
                continue
            shared.append((key, claim.driver))
            if claim.unbound:
                unbound.append(key)
            if claim.once:
                once.append(key)
        del attached[""]
        return Storage(
            tuple(dict.fromkeys(terms)),
            tuple(sorted(attached.items())),
            tuple(sorted(shared)),
            tuple(sorted(unbound)),
            tuple(sorted(once)),
        )

    def claim(self, pod: cluster.Pod, key: str) -> Claim:
        """The pod's claim `namespace/name`."""
        ephemeral = next((each for each in pod.spec.ephemeral_claims if key == f"{pod.key}-{each.volume}"), None)
        known = (key, None if ephemeral is None else ephemeral.storage_class)
        found = self._claims.get(known)
        if found is None:
            found = self._claims[known] = self._look_up(key, ephemeral)
        return found

    def _look_up(self, key: str, ephemeral: cluster.EphemeralClaim | None) -> Claim:
        claim = self._cluster.volume_claims.get(key)
        if claim is None and ephemeral is not None:
            namespace, _, claim_name = key.partition("/")
            modes = ephemeral.access_modes
            claim = cluster.VolumeClaim(namespace, claim_name, ephemeral.storage_class, access_modes=modes)
        if claim is None:
            missing = key.partition("/")[2]
            return Claim(problem=f'getting persistent volume claim, persistentvolumeclaims "{missing}" not found')
        if claim.deleting:
            return Claim(problem="persistentvolumeclaim is being deleted")
        if claim.phase == "Lost":
            return Claim(problem="persistentvolumeclaim bound to non-existent persistentvolume")
        once = ONCE_PER_POD in claim.access_modes
        return self._bound(claim, once) if claim.volume else self._unbound(claim, once)

    def _bound(self, claim: cluster.VolumeClaim, once: bool) -> Claim:
        if not claim.bind_completed:
            return Claim(problem="pvc is considered unbound because it does not contain annotation")
        volume = self._cluster.volumes.get(claim.volume)
        if volume is None:
            return Claim(problem="persistentvolumeclaim bound to non-existent persistentvolume")
        if volume.deleting:
            return Claim(problem="persistentvolume is being deleted")
        return Claim(volume.terms, volume.driver, once=once)

    def _unbound(self, claim: cluster.VolumeClaim, once: bool) -> Claim:
        storage_class = self._class_of(claim)
        if storage_class is None:
            if not claim.storage_class:
                return Claim(problem="unbound pvc must define a storage class")
            return Claim(
                problem=f'getting storage class, storageclasses.storage.k8s.io "{claim.storage_class}" not found'
            )
        if not storage_class.wait_for_consumer:
            return Claim(problem="failed to validate pvc, pvc with immediate volume binding mode must be bound")
        if storage_class.provisioner == NO_PROVISIONER:
            return Claim(problem=f'failed to validate pvc, provisioner "{NO_PROVISIONER}" makes no volumes')
        driver = CINDER if storage_class.provisioner == IN_TREE_CINDER else storage_class.provisioner
        driver = "" if driver.startswith("kubernetes.io/") else driver
        terms = storage_class.topologies
        if claim.selected_node in self._cluster.nodes:
            terms = _on_node(claim.selected_node, terms)
        return Claim(terms or None, driver, unbound=True, once=once)

    def _class_of(self, claim: cluster.VolumeClaim) -> cluster.StorageClass | None:
        classes = self._cluster.storage_classes
        if claim.storage_class is None:
            return next((each for _, each in sorted(classes.items()) if each.default), None)
        return classes.get(claim.storage_class)


def _on_node(name: str, terms: tuple[cluster.NodeTerm, ...]) -> tuple[cluster.NodeTerm, ...]:
    """
    Node selector terms narrowed to one node.

    A volume that is being made for a node is for that node until it is bound. When the node is gone, the provisioner takes
    the annotation off (sig-storage-lib-external-provisioner, `ProvisioningReschedule`), so that it says nothing.
    """
    here = cluster.Expression("metadata.name", "In", (name,))
    return tuple(dataclasses.replace(each, fields=(*each.fields, here)) for each in terms or (cluster.NodeTerm(),))


def claims_of(pod: cluster.Pod) -> tuple[str, ...]:
    """Keys of the claims that a pod uses, each once; a generic ephemeral volume's claim is named `<pod>-<volume>`."""
    spec = pod.spec
    if not (spec.claims or spec.ephemeral_claims):
        return ()
    named = [f"{pod.namespace}/{claim}" for claim in spec.claims]
    return tuple(dict.fromkeys([*named, *(f"{pod.key}-{each.volume}" for each in spec.ephemeral_claims)]))
