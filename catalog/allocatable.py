"""
What a node of a flavor offers to pods, worked out from the flavor's size.

All results are integers and rounded against us: a figure that is a little low wastes a little room, a figure that is
a little high makes nodes that the pods do not fit on, over and over. Where a real node has been seen its own figures
go before this model (`Catalogue.with_learned`, and the measured columns of the data file).

Units: "cpu" in milli-CPU; "memory" and "ephemeral-storage" in bytes; "pods" and "nvidia.com/gpu" as counts.

Sources: OVHcloud's guides "Software versions and reserved resources" and "Understanding MKS architecture" for what is
reserved; live nodes (b3-8 in EU-WEST-PAR on Kubernetes 1.35, c3-4 in GRA9 on 1.31) for capacity.
"""

from collections.abc import Mapping

CPU = "cpu"
MEMORY = "memory"
EPHEMERAL_STORAGE = "ephemeral-storage"
PODS = "pods"
GPU = "nvidia.com/gpu"

MIB = 1 << 20
GIB = 1 << 30

MAX_PODS = 110
"""Pods per MKS node, the same for every flavor (guide "Known limits")."""

RESERVED_MEMORY = 1840 * MIB
"""1590 MiB for kubelet and system, and 250 MiB hard eviction threshold; seen on two plans and two sizes."""


def memory_capacity(memory_gib: int) -> int:
    """
    Bytes of memory that the kubelet of a flavor with this nominal size reports as capacity, in whole MiB.

    The machine gets N x 1000 MiB for a nominal N GiB; kernel and firmware keep one part in 64 of it and 122 MiB.
    """
    return max(0, memory_gib * 1000 * 63 // 64 - 122) * MIB


def memory_allocatable(capacity: int) -> int:
    """Bytes of memory left for pods of a capacity in bytes."""
    return max(0, capacity - RESERVED_MEMORY)


def cpu_allocatable(vcpus: int) -> int:
    """Milli-CPU left for pods: 150m and 5m per vCPU are reserved."""
    return max(0, vcpus * 1000 - (150 + 5 * vcpus))


def storage_capacity(disk_gib: int) -> int:
    """
    Bytes of ephemeral storage that the kubelet reports for a root disk.

    Partitions and file system take 3.45 % of a 50 GiB disk on a live node; 3.5 % here.
    """
    return disk_gib * GIB * 965 // 1000


def storage_reserved(disk_gib: int) -> int:
    """
    Bytes of ephemeral storage that MKS reserves: log10(size) x 10 GB and 10 % of the size, up to the next 0.1 GB.

    The number of decimal digits of size^100 - 1 is 100 x log10(size) rounded up, without floating point.
    """
    if disk_gib <= 0:
        return 0
    tenths = len(str(disk_gib**100 - 1)) + disk_gib
    return tenths * 100_000_000


def storage_allocatable(disk_gib: int) -> int:
    """Bytes of ephemeral storage left for pods, in whole MiB."""
    return max(0, storage_capacity(disk_gib) - storage_reserved(disk_gib)) // MIB * MIB


def capacity(vcpus: int, memory_gib: int, disk_gib: int | None, gpus: int) -> dict[str, int]:
    """Capacity of a node by resource name; a disk of unknown size (None) counts as no ephemeral storage."""
    resources = {
        CPU: vcpus * 1000,
        MEMORY: memory_capacity(memory_gib),
        EPHEMERAL_STORAGE: storage_capacity(disk_gib or 0),
        PODS: MAX_PODS,
    }
    return resources | ({GPU: gpus} if gpus else {})


def allocatable(vcpus: int, capacity: Mapping[str, int], disk_gib: int | None) -> dict[str, int]:
    """Allocatable of a node by resource name, from its capacity."""
    return dict(capacity) | {
        CPU: cpu_allocatable(vcpus),
        MEMORY: memory_allocatable(capacity[MEMORY]),
        EPHEMERAL_STORAGE: storage_allocatable(disk_gib or 0),
    }
