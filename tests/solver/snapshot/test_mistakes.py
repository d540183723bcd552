"""
More wrong inputs than the table of `tests/cli/test_mistakes.py` has, for each field: one line that names file, object
and field, what is wrong and what to write.

All of these make `solve` end with exit code 2.
"""

from __future__ import annotations

import gzip
import json
import pathlib
from typing import Any

import pytest

from solver import snapshot
from solver.snapshot import errors
from tests.solver.snapshot import make

POD = make.pod()
DEPLOYMENT = make.workload()
POOL = make.node_pool()
CLASS = make.node_class()

FILES: list[tuple[str, bytes, str]] = [
    ("comment.yaml", b"# nothing here\n---\n", "holds no Kubernetes object; give a file with Kubernetes manifests"),
    ("packed.yaml", gzip.compress(b"kind: Pod"), "is a binary file; give manifests as YAML or JSON text"),
    ("latin1.json", '{"name": "é"}'.encode("latin-1"), "byte 11 is not UTF-8; write UTF-8 text"),
    ("cut.yaml", b"apiVersion: v1\nitems: []\n", "kind: is missing; is the file complete?"),
    ("deep.json", b'{"a":' * 1_000_000, "nested too deeply; no Kubernetes object is"),
    ("twice.json", b'{"kind": "Pod", "kind": "Pod"}', 'the key "kind" stands twice in one object; keep one of the two'),
    ("infinite.json", b'{"replicas": Infinity}', "Infinity is no JSON number; write a number"),
    ("huge.json", b'{"replicas": 1e999}', "1e999 is larger than any number can be; write a smaller number"),
    (
        "list.yaml",
        b"- a\n- b\n",
        "is a list, not a Kubernetes object; write a mapping with apiVersion, kind and metadata",
    ),
    ("number.yaml", b"kind: 5\napiVersion: v1\n", 'kind: is not a text; write it, for instance "kind: Pod"'),
    (
        "item.yaml",
        b"{apiVersion: v1, kind: List, items: [1]}",
        "items[0]: is a number, not a Kubernetes object; write a mapping with apiVersion, kind and metadata",
    ),
]
"""Files that are no manifests: name, content, sentence after the file's name."""

NO_NAME = "is not a name; write lower-case letters, digits, '-' and '.'"
QUANTITY = (
    "is not a quantity; write a number with an optional suffix (m, k, M, G, T, Ki, Mi, Gi, Ti, ...), "
    "such as 500m, 2 or 4Gi"
)
CPU = "spec.containers[0].resources.requests.cpu"
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
NEAR = {"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}
HEAVY = {"weight": 200, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}
REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
LATER = make.named("storage.k8s.io/v1", "StorageClass", "fast", provisioner="x", volumeBindingMode="Later")


def spread(**fields: object) -> make.Raw:
    """A pod with one spread constraint; a field given as None is left out."""
    given = {key: value for key, value in (SPREAD | fields).items() if value is not None}
    return make.pod(topologySpreadConstraints=[given])


OBJECTS: list[tuple[list[make.Raw], str, str]] = [
    # Names and kinds.
    ([make.pod("Web_1")], "Pod default/Web_1, metadata.name", NO_NAME),
    ([make.with_field(POD, "metadata.name", 5)], "Pod, metadata.name", "5 is not a text; write it in quotes"),
    (
        [make.pod("a" * 254)],
        f"Pod default/{'a' * 254}, metadata.name",
        "is longer than 253 characters; write a shorter one",
    ),
    (
        [make.with_field(DEPLOYMENT, "metadata.namespace", False)],
        "Deployment default/web, metadata.namespace",
        "false is not a text; write it in quotes",
    ),
    (
        [POOL, POOL, CLASS],
        "document 2, NodePool general",
        "stands twice, first in input.yaml, document 1; keep one of the two",
    ),
    ([{**POOL, "kind": "Nodepool"}], "Nodepool general, kind", "there is no kind Nodepool; write NodePool"),
    ([{**DEPLOYMENT, "apiVersion": "v1"}], "Deployment web, apiVersion", "there is no Deployment in v1; write apps/v1"),
    # Types.
    (
        [make.without_field(POD, "spec")],
        "Pod default/web, spec.containers",
        "is missing; list at least one container",
    ),
    (
        [make.pod(containers={"name": "a"})],
        "Pod default/web, spec.containers",
        'a mapping is not a list; start each entry with "- "',
    ),
    (
        [make.pod(containers=["nginx"])],
        "Pod default/web, spec.containers[0]",
        "'nginx' is not a mapping; write keys and values",
    ),
    (
        [make.pod(nodeSelector={"spot": True})],
        "Pod default/web, spec.nodeSelector.spot",
        'true is not a text; put it in quotes: "true"',
    ),
    (
        [make.with_field(POD, "metadata.creationTimestamp", "yesterday")],
        "Pod default/web, metadata.creationTimestamp",
        "'yesterday' is not an instant; write it as in \"2026-05-01T10:00:00Z\"",
    ),
    # Slips of the pen.
    (
        [make.pod(tolerationz=[])],
        "Pod default/web, spec.tolerationz",
        "is not a field; did you mean tolerations?",
    ),
    (
        [make.with_field(POD, "spec.containers[0].resource", {"requests": {"cpu": "1"}})],
        "Pod default/web, spec.containers[0].resource",
        "is not a field; did you mean resources?",
    ),
    (
        [make.with_field(POD, "spec.containers[0].resources", {"request": {"cpu": "1"}})],
        "Pod default/web, spec.containers[0].resources.request",
        "is not a field; did you mean requests?",
    ),
    (
        [make.pod(affinity={"nodeAffinty": {}})],
        "Pod default/web, spec.affinity.nodeAffinty",
        "is not a field; did you mean nodeAffinity?",
    ),
    (
        [make.with_field(POD, "metadata.label", {"app": "web"})],
        "Pod default/web, metadata.label",
        "is not a field; did you mean labels?",
    ),
    (
        [spread(max_skew=1)],
        "Pod default/web, spec.topologySpreadConstraints[0].max_skew",
        "is not a field; did you mean",
    ),
    (
        [make.with_field(DEPLOYMENT, "spec.replica", 5)],
        "Deployment default/web, spec.replica",
        "is not a field; did you mean replicas?",
    ),
    (
        [make.with_field(DEPLOYMENT, "spec.template.spec.nodeselector", {})],
        "Deployment default/web, spec.template.spec.nodeselector",
        "is not a field; did you mean nodeSelector?",
    ),
    (
        [make.budget(minAvailble=1)],
        "PodDisruptionBudget default/web, spec.minAvailble",
        "is not a field; did you mean minAvailable?",
    ),
    (
        [make.pod(initContainers=[{"name": "a", "restartPolicy": "always"}])],
        "Pod default/web, spec.initContainers[0].restartPolicy",
        "'always' is not allowed; write Always, OnFailure or Never",
    ),
    # Amounts.
    (
        [make.with_field(POD, "spec.containers[0].resources.limits", {"cpu": "500m"})],
        f"Pod default/web, {CPU}",
        "is above the limit of 500m; lower the request or raise the limit",
    ),
    (
        [make.with_field(POD, "spec.containers[0].ports", [{"hostPort": 99999}])],
        "Pod default/web, spec.containers[0].ports[0].hostPort",
        "99999 is too large; write at most 65535",
    ),
    # Constraints.
    (
        [make.pod(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedul"}])],
        "Pod default/web, spec.tolerations[0].effect",
        "'NoSchedul' is not allowed; write NoSchedule, PreferNoSchedule or NoExecute",
    ),
    (
        [make.pod(tolerations=[{"value": "a"}])],
        "Pod default/web, spec.tolerations[0]",
        "has no key; write one, or operator Exists to tolerate every taint",
    ),
    (
        [spread(maxSkew=0)],
        "Pod default/web, spec.topologySpreadConstraints[0].maxSkew",
        "0 is too small; write 1 or more",
    ),
    (
        [spread(topologyKey=None)],
        "Pod default/web, spec.topologySpreadConstraints[0].topologyKey",
        'is missing; write it, for instance "topology.kubernetes.io/zone"',
    ),
    (
        [spread(whenUnsatisfiable=None)],
        "Pod default/web, spec.topologySpreadConstraints[0].whenUnsatisfiable",
        "is missing; write DoNotSchedule or ScheduleAnyway",
    ),
    (
        [spread(whenUnsatisfiable="ScheduleAnyway", minDomains=2)],
        "Pod default/web, spec.topologySpreadConstraints[0].minDomains",
        "goes only with DoNotSchedule; leave it out, or write whenUnsatisfiable: DoNotSchedule",
    ),
    (
        [make.pod(affinity={"podAffinity": {REQUIRED: [NEAR]}})],
        f"Pod default/web, spec.affinity.podAffinity.{REQUIRED}[0].labelSelector.matchExpressions[0].operator",
        "'Gt' is not allowed; write In, NotIn, Exists or DoesNotExist",
    ),
    (
        [make.pod(affinity={"nodeAffinity": {PREFERRED: [HEAVY]}})],
        f"Pod default/web, spec.affinity.nodeAffinity.{PREFERRED}[0].weight",
        "200 is too large; write at most 100",
    ),
    # Workloads.
    (
        [make.workload(replicas=10**6)],
        "Deployment default/web, spec.replicas",
        "1000000 pods are too many for one workload; write at most 100000",
    ),
    (
        [make.with_field(DEPLOYMENT, f"spec.template.{CPU}", "one")],
        f"Deployment default/web, spec.template.{CPU}",
        f"'one' {QUANTITY}",
    ),
    (
        [make.workload("StatefulSet", volumeClaimTemplates=[{"spec": {}}])],
        "StatefulSet default/web, spec.volumeClaimTemplates[0].metadata.name",
        'is missing; write it, for instance "data"',
    ),
    (
        [make.workload("StatefulSet", ordinals={"start": -3})],
        "StatefulSet default/web, spec.ordinals.start",
        "-3 is too small; write 0 or more",
    ),
    (
        [make.workload("DaemonSet", template={"spec": {}})],
        "DaemonSet default/web, spec.template.spec.containers",
        "is missing; list at least one container",
    ),
    # NodePools and node classes.
    ([make.without_field(POOL, "spec.template")], "NodePool general, spec.template", "is missing; "),
    (
        [make.with_field(CLASS, "spec.monthlyBilled", "yes")],
        "OVHNodeClass default, spec.monthlyBilled",
        "'yes' is not true or false; ",
    ),
    (
        [make.with_field(CLASS, "spec.region", "gra11")],
        "OVHNodeClass default, spec.region",
        'unknown region "gra11"; did you mean GRA11?',
    ),
    # Nodes, budgets, volumes.
    (
        [make.with_field(make.node(), "status.allocatable.memory", "much")],
        "Node node-a, status.allocatable.memory",
        f"'much' {QUANTITY}",
    ),
    (
        [make.with_field(make.node(), "spec.taints", [{"effect": "NoSchedule"}])],
        "Node node-a, spec.taints[0].key",
        'is missing; write it, for instance "dedicated"',
    ),
    (
        [make.budget(minAvailable="half")],
        "PodDisruptionBudget default/web, spec.minAvailable",
        "'half' is no number of pods; write a count such as 1 or a percentage such as \"50%\"",
    ),
    (
        [make.budget(minAvailable=1, maxUnavailable=1)],
        "PodDisruptionBudget default/web, spec",
        "has both minAvailable and maxUnavailable; keep one of the two",
    ),
    (
        [LATER],
        "StorageClass fast, volumeBindingMode",
        "'Later' is not allowed; write Immediate or WaitForFirstConsumer",
    ),
    (
        [make.named("scheduling.k8s.io/v1", "PriorityClass", "high")],
        "PriorityClass high, value",
        "is missing; write a whole number",
    ),
]
"""Manifests, the object and field that are named after the file, and the sentence, or how it begins."""


def problems_of(*paths: pathlib.Path, scale: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(errors.SnapshotError) as refusal:
        snapshot.read([str(path) for path in paths], scale=scale)
    return [str(problem) for problem in refusal.value.problems]


@pytest.mark.parametrize(("name", "content", "sentence"), FILES, ids=[name for name, _, _ in FILES])
def test_files(tmp_path: pathlib.Path, name: str, content: bytes, sentence: str) -> None:
    """Each of these files is refused with this one sentence."""
    path = tmp_path / name
    path.write_bytes(content)

    (problem,) = problems_of(path)
    assert problem.removeprefix(str(path)).lstrip(",: ").removeprefix("Pod, ") == sentence


@pytest.mark.parametrize(("objects", "where", "what"), OBJECTS, ids=[f"{row[1]}: {row[2]}"[:90] for row in OBJECTS])
def test_objects(tmp_path: pathlib.Path, objects: list[make.Raw], where: str, what: str) -> None:
    """Each of these objects is refused with this one sentence."""
    path = tmp_path / "input.yaml"
    path.write_text("\n---\n".join(map(json.dumps, objects)))

    (problem,) = problems_of(path)
    assert problem.replace(f"{tmp_path}/", "").startswith(f"input.yaml, {where}: {what}")
    assert problem.isprintable()


PATHS: list[tuple[str, str]] = [
    ("missing.yaml", "missing.yaml: no such file or directory; check the path"),
    ("empty", "empty: no manifests in this directory (.yaml, .yml, .json); give another directory or a file"),
    ("input.yaml/x", "input.yaml/x: cannot be read (Not a directory); check the path and its permissions"),
]


@pytest.mark.parametrize(("path", "sentence"), PATHS)
def test_paths(tmp_path: pathlib.Path, path: str, sentence: str) -> None:
    """Each of these paths is refused with this one sentence."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "input.yaml").write_text(json.dumps(POD))

    assert problems_of(tmp_path / path) == [f"{tmp_path}/{sentence}"]


def test_standard_input_that_is_not_there() -> None:
    """A dash without anything to read."""
    with pytest.raises(
        errors.SnapshotError, match="standard input: is not open; pipe manifests into it, or give a file"
    ):
        snapshot.read(["-"])


EDITS: list[tuple[str, str]] = [
    ("web=5", "is not an edit of the form KIND/NAME=N; write for instance deployment/web=5"),
    ("deployment/web=", "is not an edit of the form KIND/NAME=N; write for instance deployment/web=5"),
    ("deployment/web=many", "many is no number of replicas; write one from 0 to 100000"),
    ("deployment/web=-1", "-1 is no number of replicas; write one from 0 to 100000"),
    ("deployment/web=100001", "100001 is no number of replicas; write one from 0 to 100000"),
    ("deployment/web=²", "² is no number of replicas; write one from 0 to 100000"),
    ("pod/web=5", "a pod cannot be scaled; write one of deployment, statefulset, replicaset, replicationcontroller"),
    ("deployment/wep=5", 'there is no Deployment "wep" in the input; check kind and name'),
    ("deployment/a/web=5", 'there is no Deployment "a/web" in the input; check kind and name'),
    ("deploy/api=5", "2 Deployments have this name; write deploy/default/api or deploy/shop/api"),
]


@pytest.mark.parametrize(("edit", "sentence"), EDITS)
def test_edits(tmp_path: pathlib.Path, edit: str, sentence: str) -> None:
    """Each of these `--scale` edits is refused with this one sentence."""
    path = tmp_path / "input.yaml"
    api = make.workload(name="api")
    path.write_text(
        "\n---\n".join(map(json.dumps, [DEPLOYMENT, api, make.with_field(api, "metadata.namespace", "shop")]))
    )

    assert problems_of(path, scale=(edit,)) == [f"--scale {edit}: {sentence}"]


def test_all_problems_are_found_at_once(tmp_path: pathlib.Path) -> None:
    """Over files, documents, objects and fields, each on a line of its own."""
    first: list[Any] = [make.pod(nodeName=1, hostNetwork=2), make.workload(replicas=-1), make.node_pool(weight=0)]
    (tmp_path / "a.yaml").write_text("\n---\n".join(map(json.dumps, first)))
    (tmp_path / "b.yaml").write_text("a: b: c")
    with pytest.raises(errors.SnapshotError) as refusal:
        snapshot.read([str(tmp_path)])

    lines = str(refusal.value).replace(f"{tmp_path}/", "").splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "a.yaml, document 1, Pod default/web, spec.hostNetwork",
        "a.yaml, document 1, Pod default/web, spec.nodeName",
        "a.yaml, document 2, Deployment default/web, spec.replicas",
        "a.yaml, document 3, NodePool general, spec.weight",
        "b.yaml",
    ]


def test_a_flood_of_problems_is_cut() -> None:
    """A mistake in thousands of pods does not fill the terminal; the exception has them all."""
    with pytest.raises(errors.SnapshotError) as refusal:
        snapshot.from_objects([make.pod(f"web-{number}", nodeName=1) for number in range(250)])

    assert len(refusal.value.problems) == 250
    assert str(refusal.value).splitlines()[-1] == "and 150 problems more"
