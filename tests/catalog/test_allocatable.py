"""What a node has for pods: formulas, live anchors, and never more than a real node was seen to have."""

import pytest

from catalog import allocatable, catalogue, flavor

MIB = allocatable.MIB


@pytest.mark.parametrize(
    ("memory_gib", "expected_mib"),
    [
        (4, 1975),
        (7, 4928),
        (8, 5913),
        (15, 12803),
        (16, 13788),
        (30, 27569),
        (32, 29538),
        (60, 57100),
        (64, 61038),
        (120, 116163),
        (128, 124038),
        (256, 250038),
    ],
)
def test_memory_for_pods_of_each_size(memory_gib, expected_mib):
    """N x 1000 MiB x 63/64 - 122 MiB of capacity, less 1840 MiB."""
    left = allocatable.memory_allocatable(allocatable.memory_capacity(memory_gib))

    assert left // MIB == expected_mib


def test_memory_of_live_nodes():
    """Two live nodes: the model is within a MiB of both capacities, and the reservation is exactly 1840 MiB."""
    b3_8, c3_4 = 7938364 * 1024, 3815 * MIB

    assert abs(allocatable.memory_capacity(8) - b3_8) < MIB
    assert abs(allocatable.memory_capacity(4) - c3_4) < MIB
    assert allocatable.memory_allocatable(b3_8) == 6054204 * 1024
    assert allocatable.memory_allocatable(c3_4) == 1975 * MIB


def test_measured_nodes_go_before_the_model():
    """The embedded catalogue never promises more than the nodes that were measured really had."""
    flavors = catalogue.embedded().flavors

    assert flavors["b3-8"].capacity["memory"] == 7938364 * 1024
    assert flavors["b3-8"].allocatable["memory"] == 6054204 * 1024
    assert flavors["c3-4"].capacity["memory"] == 3815 * MIB
    assert flavors["c3-4"].allocatable["memory"] == 1975 * MIB


@pytest.mark.parametrize(("vcpus", "expected"), [(1, 845), (2, 1840), (4, 3830), (8, 7810), (16, 15770), (32, 31690)])
def test_cpu_for_pods(vcpus, expected):
    """150m and 5m per vCPU are reserved; 1840m on a live b3-8."""
    assert expected == allocatable.cpu_allocatable(vcpus)


@pytest.mark.parametrize(("disk_gib", "expected_gb"), [(50, 22), (100, 30), (200, 43), (400, 66)])
def test_reserved_storage(disk_gib, expected_gb):
    """log10(GB) x 10 + 10 % of the GB, as OVHcloud's own table has it, and never less than the exact figure."""
    reserved = allocatable.storage_reserved(disk_gib)

    assert expected_gb == reserved // 10**9
    assert reserved / 10**9 >= {50: 21.9897, 100: 30.0, 200: 43.0102, 400: 66.0205}[disk_gib]


def test_storage_of_a_live_node_is_not_exceeded():
    """A live b3-8 has 50620216 Ki of ephemeral storage, about 28.4 GiB of it for pods."""
    assert allocatable.storage_capacity(50) <= 50620216 * 1024
    assert 27.7 < allocatable.storage_allocatable(50) / allocatable.GIB <= 28.4


def test_storage_of_no_disk():
    """A disk of unknown or no size gives no ephemeral storage."""
    made = flavor.make("x1-8", 2, 8)

    assert 0 == made.capacity["ephemeral-storage"] == made.allocatable["ephemeral-storage"]


def test_nothing_goes_below_zero():
    """A machine smaller than what is reserved has nothing for pods."""
    assert allocatable.memory_allocatable(allocatable.memory_capacity(1)) == 0
    assert allocatable.storage_allocatable(5) == 0
    assert allocatable.memory_capacity(0) == 0


def test_every_flavor_of_the_embedded_catalogue():
    """All figures are whole, allocatable lies within capacity, 110 pods fit, GPUs are counted where there are some."""
    for each in catalogue.embedded().flavors.values():
        assert set(each.capacity) == set(each.allocatable)
        for resource, amount in each.allocatable.items():
            assert isinstance(amount, int)
            assert 0 <= amount <= each.capacity[resource]
        assert each.allocatable["pods"] == 110
        assert each.vcpus * 1000 == each.capacity["cpu"]
        assert each.gpus == each.allocatable.get("nvidia.com/gpu", 0)
        assert ("nvidia.com/gpu" in each.capacity) is (each.gpus > 0)


def test_known_figures_replace_the_model():
    """A known capacity moves allocatable with it; a known allocatable stands as it is and may raise the capacity."""
    by_capacity = flavor.make("b3-8", 2, 8, capacity={"memory": 7000 * MIB})
    by_allocatable = flavor.make("b3-8", 2, 8, allocatable={"memory": 8000 * MIB, "pods": 250})

    assert by_capacity.allocatable["memory"] == 5160 * MIB
    assert 8000 * MIB == by_allocatable.allocatable["memory"] == by_allocatable.capacity["memory"]
    assert 250 == by_allocatable.allocatable["pods"] == by_allocatable.capacity["pods"]
