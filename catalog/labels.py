"""
Labels that pods may select nodes by before the node exists, and who decides each of them.

docs/labels.md is the same table for people; a test compares the two. Upstream's rules about these names (`karpenter`
core, `pkg/apis/v1/labels.go`): a pod may select on a well-known label that a NodePool does not define, because the
flavor or the offering will decide it; old names are translated in requirements, but not in topology keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from catalog import allocatable, flavor

DecidedBy = Literal["flavor", "offering", "pool", "node"]

GROUP = "karpenter.ovhcloud.sh"

NODEPOOL = "karpenter.sh/nodepool"
CAPACITY_TYPE = "karpenter.sh/capacity-type"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
ARCH = "kubernetes.io/arch"
OS = "kubernetes.io/os"
WINDOWS_BUILD = "node.kubernetes.io/windows-build"
HOSTNAME = "kubernetes.io/hostname"

CINDER_ZONE = "topology.cinder.csi.openstack.org/zone"
OVH_TYPE = "node.k8s.ovh/type"
OVH_POOL = "nodepool"

FAMILY = f"{GROUP}/family"
CATEGORY = f"{GROUP}/category"
GENERATION = f"{GROUP}/generation"
CPU = f"{GROUP}/cpu"
MEMORY = f"{GROUP}/memory"
GPU_MODEL = f"{GROUP}/gpu-model"
GPU_COUNT = f"{GROUP}/gpu-count"
LOCAL_DISK = f"{GROUP}/local-disk"
BANDWIDTH = f"{GROUP}/bandwidth"

ON_DEMAND = "on-demand"
"""The only capacity type: OVHcloud sells no spot machines for MKS."""

_GPU_MAKERS = frozenset({"nvidia", "tesla", "quadro"})
_GPU_MEMORY = re.compile(r"\d+gi?b?")


@dataclass(frozen=True, slots=True)
class LabelDoc:
    """
    What a label means, an example value, and who decides it.

    `flavor`: the same on every node of a flavor. `offering`: by region, zone and capacity type. `pool`: by the
    NodePool that the node belongs to. `node`: only known once the node exists.
    """

    meaning: str
    example: str
    decided_by: DecidedBy


WELL_KNOWN: Mapping[str, LabelDoc] = {
    NODEPOOL: LabelDoc("name of the Karpenter NodePool", "general", "pool"),
    CAPACITY_TYPE: LabelDoc("how the machine is bought; always on-demand", ON_DEMAND, "offering"),
    ZONE: LabelDoc("availability zone; `nova` in one-zone regions", "eu-west-par-a", "offering"),
    REGION: LabelDoc("region, spelt as the OVHcloud API spells it", "EU-WEST-PAR", "offering"),
    CINDER_ZONE: LabelDoc("zone for Cinder volumes; the same as the availability zone", "eu-west-par-a", "offering"),
    INSTANCE_TYPE: LabelDoc("flavor", "b3-16", "flavor"),
    ARCH: LabelDoc("processor architecture; always amd64", "amd64", "flavor"),
    OS: LabelDoc("operating system; always linux", "linux", "flavor"),
    WINDOWS_BUILD: LabelDoc("Windows build; no node has it, so selecting on it finds nothing", "10.0.20348", "flavor"),
    OVH_TYPE: LabelDoc("MKS's own kind of node: `gpu` on GPU flavors, `standard` on all others", "standard", "flavor"),
    FAMILY: LabelDoc("flavor family, the first part of the flavor's name", "b3", "flavor"),
    CATEGORY: LabelDoc("general, compute, memory, discovery, iops, gpu or metal", "general", "flavor"),
    GENERATION: LabelDoc("generation of the family; absent where the name tells none (a10, l40s)", "3", "flavor"),
    CPU: LabelDoc("number of vCPUs", "4", "flavor"),
    MEMORY: LabelDoc("nominal memory in MiB, 1024 for each GiB in the flavor's name", "16384", "flavor"),
    GPU_MODEL: LabelDoc("GPU model; only on GPU flavors", "l40s", "flavor"),
    GPU_COUNT: LabelDoc("number of GPUs; only on GPU flavors", "2", "flavor"),
    LOCAL_DISK: LabelDoc("local NVMe in GiB; only on flavors known to have some", "4000", "flavor"),
    BANDWIDTH: LabelDoc("public network bandwidth in Mbit/s; absent where unknown", "1000", "flavor"),
}
"""Labels with a value before the node exists. One decided by the flavor and absent from `flavor_labels` is not set."""

NODE_ONLY: Mapping[str, LabelDoc] = {
    HOSTNAME: LabelDoc("name of the node", "karpenter-b3-16-nova-node-5781fa", "node"),
    OVH_POOL: LabelDoc("name of the MKS node pool, decided by OVHcloud", "karpenter-b3-16-nova", "node"),
}
"""Labels that nodes carry and no offering can promise: a pod that selects on one only fits existing nodes."""

OLD_NAMES: Mapping[str, str] = {
    "failure-domain.beta.kubernetes.io/zone": ZONE,
    "failure-domain.beta.kubernetes.io/region": REGION,
    "beta.kubernetes.io/arch": ARCH,
    "beta.kubernetes.io/os": OS,
    "beta.kubernetes.io/instance-type": INSTANCE_TYPE,
}
"""Names that Kubernetes gave up, with the names in use."""


def translate(key: str) -> str:
    """The name in use of a label key in a requirement; topology keys are not translated."""
    return OLD_NAMES.get(key, key)


def flavor_labels(of: flavor.Flavor) -> dict[str, str]:
    """Labels that every node of a flavor carries."""
    labels = {
        INSTANCE_TYPE: of.name,
        ARCH: "amd64",
        OS: "linux",
        OVH_TYPE: "gpu" if of.gpus else "standard",
        FAMILY: of.family,
        CATEGORY: of.category,
        CPU: str(of.vcpus),
        MEMORY: str(of.memory_gib * (allocatable.GIB // allocatable.MIB)),
    }
    if of.generation is not None:
        labels[GENERATION] = str(of.generation)
    if of.gpus:
        labels[GPU_COUNT] = str(of.gpus)
    if of.gpus and (model := gpu_model_value(of.gpu_model)):
        labels[GPU_MODEL] = model
    if of.nvme_gib:
        labels[LOCAL_DISK] = str(of.nvme_gib)
    if of.bandwidth_mbps:
        labels[BANDWIDTH] = str(of.bandwidth_mbps)
    return labels


def offering_labels(region: str, zone: str, capacity_type: str = ON_DEMAND) -> dict[str, str]:
    """Labels that the place and the way of buying decide; `region` as the API spells it, `zone` as nodes carry it."""
    return {REGION: region, ZONE: zone, CINDER_ZONE: zone, CAPACITY_TYPE: capacity_type}


def gpu_model_value(model: str) -> str:
    """A GPU's full name as a label value, without maker, line and memory: `NVIDIA L40S 48GB` is `l40s`."""
    words = re.findall(r"[a-z0-9]+", model.lower())
    return "-".join(word for word in words if word not in _GPU_MAKERS and not _GPU_MEMORY.fullmatch(word))[:63].rstrip(
        "-"
    )
