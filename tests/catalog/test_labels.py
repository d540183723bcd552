"""Labels of flavors and offerings, and the published table of them."""

import re
from pathlib import Path

import pytest

from catalog import catalogue, flavor, labels

DOCS = Path(__file__).parents[2] / "docs" / "labels.md"
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)")


def table_after(heading: str) -> list[list[str]]:
    """Cells of the first table after a heading, without backticks around whole cells and without the head."""
    section = DOCS.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


@pytest.mark.parametrize(
    ("heading", "documented"),
    [
        ("Known before the node exists", labels.WELL_KNOWN),
        ("Known only once the node exists", labels.NODE_ONLY),
    ],
)
def test_published_tables_say_what_the_code_says(heading, documented):
    """Keys, meanings, examples and who decides, row by row."""
    who = {"flavor": "flavor", "offering": "offering", "pool": "NodePool", "node": "node"}
    expected = [[f"`{key}`", doc.meaning, f"`{doc.example}`", who[doc.decided_by]] for key, doc in documented.items()]

    assert expected == table_after(heading)


def test_published_old_names():
    """The table of old names is the code's."""
    assert [[f"`{old}`", f"`{new}`"] for old, new in labels.OLD_NAMES.items()] == table_after("Old names")


def test_upstreams_well_known_labels_are_all_there():
    """Whatever upstream Karpenter lets a pod select on without a NodePool naming it."""
    assert {
        "karpenter.sh/nodepool",
        "karpenter.sh/capacity-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "node.kubernetes.io/windows-build",
    } <= set(labels.WELL_KNOWN)


def test_every_label_is_decided_by_whom_the_table_says():
    """Flavor labels come from flavors and offering labels from offerings; together they cover the table."""
    by_flavor = {key for each in catalogue.embedded().flavors.values() for key in labels.flavor_labels(each)}
    by_offering = set(labels.offering_labels("GRA7", "nova"))

    def decided_by(who: str) -> set[str]:
        return {key for key, doc in labels.WELL_KNOWN.items() if doc.decided_by == who}

    assert by_flavor == decided_by("flavor") - {labels.WINDOWS_BUILD}
    assert by_offering == decided_by("offering")
    assert {labels.NODEPOOL} == decided_by("pool")
    assert not set(labels.NODE_ONLY) & set(labels.WELL_KNOWN)


def test_every_value_is_a_label_value():
    """Kubernetes takes every value that a flavor of the embedded catalogue yields."""
    for each in catalogue.embedded().flavors.values():
        for value in labels.flavor_labels(each).values():
            assert LABEL_VALUE.fullmatch(value)


def test_labels_of_a_plain_flavor():
    """b3-16, in full."""
    assert labels.flavor_labels(catalogue.embedded().flavors["b3-16"]) == {
        "node.kubernetes.io/instance-type": "b3-16",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "node.k8s.ovh/type": "standard",
        "karpenter.ovhcloud.sh/family": "b3",
        "karpenter.ovhcloud.sh/category": "general",
        "karpenter.ovhcloud.sh/generation": "3",
        "karpenter.ovhcloud.sh/cpu": "4",
        "karpenter.ovhcloud.sh/memory": "16384",
        "karpenter.ovhcloud.sh/bandwidth": "1000",
    }


def test_labels_of_a_gpu_flavor():
    """t2-180 has four cards, local disk and MKS's own GPU label."""
    got = labels.flavor_labels(catalogue.embedded().flavors["t2-180"])

    assert got["node.k8s.ovh/type"] == "gpu"
    assert got["karpenter.ovhcloud.sh/gpu-model"] == "v100s"
    assert got["karpenter.ovhcloud.sh/gpu-count"] == "4"
    assert got["karpenter.ovhcloud.sh/local-disk"] == "4000"
    assert got["karpenter.ovhcloud.sh/category"] == "gpu"


def test_what_is_unknown_has_no_label():
    """No generation in the name of l4, unknown NVMe of i1, no GPU: the labels are absent, not empty."""
    flavors = catalogue.embedded().flavors

    assert labels.GENERATION not in labels.flavor_labels(flavors["l4-90"])
    assert labels.LOCAL_DISK not in labels.flavor_labels(flavors["i1-45"])
    assert labels.GPU_COUNT not in labels.flavor_labels(flavors["b3-8"])
    assert labels.GPU_MODEL not in labels.flavor_labels(flavor.make("x1-8", 2, 8, gpus=1, gpu_model="NVIDIA 16GB"))


@pytest.mark.parametrize(
    ("model", "value"),
    [
        ("NVIDIA V100 16GB", "v100"),
        ("NVIDIA V100S 32GB", "v100s"),
        ("NVIDIA L40S 48GB", "l40s"),
        ("NVIDIA Quadro RTX 5000 16GB", "rtx-5000"),
        ("NVIDIA H200", "h200"),
        ("Tesla V100", "v100"),
        ("AMD Instinct MI300X (192 GiB)", "amd-instinct-mi300x-192-gib"),
        ("", ""),
    ],
)
def test_gpu_models_as_label_values(model, value):
    """Maker, product line and memory are left out of the value."""
    assert value == labels.gpu_model_value(model)


def test_labels_of_an_offering():
    """Zone for pods and for Cinder volumes is the same; the region is spelt as the API spells it."""
    assert labels.offering_labels("EU-WEST-PAR", "eu-west-par-b", "on-demand") == {
        "topology.kubernetes.io/region": "EU-WEST-PAR",
        "topology.kubernetes.io/zone": "eu-west-par-b",
        "topology.cinder.csi.openstack.org/zone": "eu-west-par-b",
        "karpenter.sh/capacity-type": "on-demand",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
        ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
        ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
        ("beta.kubernetes.io/os", "kubernetes.io/os"),
        ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
        ("team", "team"),
    ],
)
def test_old_names_are_translated(old, new):
    """Names that Kubernetes gave up mean the names in use; all others stay."""
    assert new == labels.translate(old)
