"""
The mistakes table: what is given to `solve`, the exit code, and the sentence on standard error.

With exit code 2 standard output stays empty; with 0 the sentence is a note or a reason in the plan. Files stand beside a
node class and a NodePool that are right, unless the row brings its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.run import INFLATE, run
from tests.solver.snapshot import make

POD, POOL, CLASS = make.pod(), make.node_pool(), make.node_class()
CPU = "spec.containers[0].resources.requests.cpu"
REF = "spec.template.spec.nodeClassRef"
REQUIREMENTS = "spec.template.spec.requirements"
TYPE = "node.kubernetes.io/instance-type"
SPREAD = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}


def only(key: str, operator: str, *values: str) -> make.Raw:
    """A NodePool with this one requirement."""
    return make.with_field(POOL, REQUIREMENTS, [{"key": key, "operator": operator, "values": list(values)}])


def bomb() -> str:
    """Nine lists of nine, each of the one before: 400 million values in 300 bytes."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return "\n".join(lines)


Row = tuple[str, Any, int, str]

FILES: list[Row] = [
    # What, content (text, bytes, or manifests), exit code, what is said about the file called input.yaml.
    ("empty file", "", 2, "input.yaml: is empty; give a file with Kubernetes manifests"),
    (
        "only comments",
        "# nothing\n---\n",
        2,
        "input.yaml: holds no Kubernetes object; give a file with Kubernetes manifests",
    ),
    ("binary file", b"\x7fELF\0\0\0", 2, "input.yaml: is a binary file; give manifests as YAML or JSON text"),
    ("not UTF-8", "name: é".encode("latin-1"), 2, "input.yaml: byte 7: incomplete UTF-8 octet sequence"),
    ("truncated YAML", 'kind: Pod\nmetadata:\n  name: "web', 2, "the text ends too early: is the file complete?"),
    ("truncated JSON", '{"kind": "Pod", "metadata": {', 2, "the text ends too early: is the file complete?"),
    ("YAML bomb", bomb(), 2, "aliases repeat more than 100000 values; write the values out"),
    ("200 MB of nesting", b"- " * 100_000_000, 2, "nested more than 200 levels deep; no Kubernetes object is"),
    ("200 MB of braces", b'{"a":' * 40_000_000, 2, "nested too deeply; no Kubernetes object is"),
    (
        "a key twice",
        "kind: Pod\nkind: Pod\n",
        2,
        'line 2: the key "kind" stands twice in one mapping; keep one of the two',
    ),
    ("tabs", "metadata:\n\tname: web\n", 2, "indent with blanks, not with tabs"),
    ("a chart's template", "kind: Pod\n{{- if .Values.x }}\n", 2, "render it first, for instance with helm template"),
    ("Helm values", "replicas: 3\n", 2, 'input.yaml, kind: is missing; write it, for instance "kind: Pod"'),
    ("a text", "hello", 2, "input.yaml: is a text, not a Kubernetes object"),
    ("items that are no list", "{apiVersion: v1, kind: List, items: 3}", 2, "items: is not a list"),
    ("duplicate name", [POD, POD], 2, "document 2, Pod default/web: stands twice, first in input.yaml, document 1"),
    ("missing name", [make.without_field(POD, "metadata.name")], 2, "Pod, metadata.name: is missing"),
    (
        "metadata as a list",
        [{**POD, "metadata": []}],
        2,
        "Pod, metadata: a list is not a mapping; write keys and values",
    ),
    ("no namespace", [make.with_field(POD, "metadata.namespace", "my shop")], 2, "metadata.namespace: is not a name"),
    ("kind in lower case", [{**POD, "kind": "pod"}], 2, "pod web, kind: there is no kind pod; write Pod"),
    ("old API version", [{**POOL, "apiVersion": "karpenter.sh/v1beta1"}, CLASS], 2, "write karpenter.sh/v1"),
    ("no containers", [make.pod(containers=[])], 2, "spec.containers: is missing; list at least one container"),
    ("negative quantity", [make.with_field(POD, CPU, "-1")], 2, f"Pod default/web, {CPU}: '-1' is negative"),
    ("no quantity", [make.with_field(POD, CPU, "1 core")], 2, f"{CPU}: '1 core' is not a quantity"),
    ("a number for a text", [make.pod(nodeName=5)], 2, 'spec.nodeName: 5 is not a text; put it in quotes: "5"'),
    (
        "a version without quotes",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {version: 1.10}}\nspec: {containers: [{name: c}]}",
        2,
        "Pod default/web, metadata.labels.version: 1.1 is not a text; put what is written there in quotes",
    ),
    ("a text for a boolean", [make.pod(hostNetwork="yes")], 2, "write true or false, without quotes"),
    ("a text for a number", [make.workload(replicas="3")], 2, "spec.replicas: '3' is not a whole number"),  # type: ignore[arg-type]
    ("negative replicas", [make.workload(replicas=-1)], 2, "spec.replicas: -1 is too small; write 0 or more"),
    ("missing template", [make.without_field(make.workload(), "spec.template")], 2, "spec.template: is missing"),
    (
        "a rule by a name that there is not",
        [make.pod(affinity={"nodeAffinity": {"required": {}}})],
        2,
        "Pod default/web, spec.affinity.nodeAffinity.required: is not a field; fields here are requiredDuringScheduling",
    ),
    (
        "a selector by a name that there is not",
        [make.pod(topologySpreadConstraints=[{**SPREAD, "selector": {}}])],
        2,
        "spec.topologySpreadConstraints[0].selector: is not a field; fields here are topologyKey, maxSkew, ",
    ),
    (
        "amounts that are neither requests nor limits",
        [make.with_field(POD, "spec.containers[0].resources", {"cpu": 1})],
        2,
        "spec.containers[0].resources.cpu: is not a field; fields here are requests, limits, claims",
    ),
    (
        "a resource that there is not",
        [make.with_field(POD, "spec.containers[0].resources.requests.cpus", 1)],
        2,
        "spec.containers[0].resources.requests.cpus: is no resource here; did you mean cpu?",
    ),
    (
        "GPUs of no vendor",
        [make.with_field(POD, "spec.containers[0].resources.requests.gpu", 1)],
        2,
        "spec.containers[0].resources.requests.gpu: is no resource here; did you mean nvidia.com/gpu?",
    ),
    (
        "a GPU for a whole pod",
        [make.pod(resources={"limits": {"nvidia.com/gpu": 1}})],
        2,
        "spec.resources.limits[nvidia.com/gpu]: is no resource here; a whole pod has cpu, memory and hugepages",
    ),
    (
        "unknown operator of a toleration",
        [make.pod(tolerations=[{"key": "a", "operator": "Like"}])],
        2,
        "spec.tolerations[0].operator: 'Like' is not allowed; write Equal, Exists, Lt or Gt",
    ),
    (
        "a toleration that compares with no number",
        [make.pod(tolerations=[{"key": "sla", "operator": "Gt", "value": "high"}])],
        2,
        'spec.tolerations[0]: operator Gt stands with the value "high"; write a whole number in quotes, such as "900"',
    ),
    (
        "unknown operator of a requirement",
        [make.with_field(POOL, REQUIREMENTS, [{"key": TYPE, "operator": "Inn", "values": ["b3-8"]}]), CLASS],
        2,
        f"{REQUIREMENTS}[0].operator: 'Inn' is not one of In, NotIn, Exists, DoesNotExist, Gt, Lt, Gte, Lte",
    ),
    ("NodePool pointing at no node class", [POOL], 2, f'{REF}.name: there is no OVHNodeClass "default" in the input'),
    (
        "NodePool pointing at another node class",
        [make.node_pool(node_class="paris"), CLASS],
        2,
        f'{REF}.name: there is no OVHNodeClass "paris" in the input; write default, or add it',
    ),
    (
        "NodePool of another cloud",
        [make.with_field(POOL, REF, {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"}), CLASS],
        2,
        "write group karpenter.ovhcloud.sh and kind OVHNodeClass",
    ),
    (
        "node class by its API version",
        [make.with_field(POOL, f"{REF}.apiVersion", "karpenter.ovhcloud.sh/v1alpha1"), CLASS],
        2,
        f"{REF}.apiVersion: is not a field; remove it; fields here are group, kind, name",
    ),
    (
        "misspelled field",
        [make.node_pool(limit={"cpu": 1}), CLASS],
        2,
        "spec.limit: is not a field; did you mean limits?",
    ),
    (
        "limits that are none",
        [make.node_pool(limits={"cpu": "many"}), CLASS],
        2,
        "spec.limits.cpu: 'many' is not a quantity",
    ),
    ("negative limits", [make.node_pool(limits={"cpu": -1}), CLASS], 2, "spec.limits.cpu: -1 is "),
    ("weight of 0", [make.node_pool(weight=0), CLASS], 2, "spec.weight: 0 is "),
    ("node class without a region", [POOL, make.without_field(CLASS, "spec.region")], 2, "spec.region: is missing"),
    (
        "node class in no region",
        [POOL, make.with_field(CLASS, "spec.region", "GRA99"), POD],
        2,
        'document 2, OVHNodeClass default, spec.region: unknown region "GRA99"; did you mean GRA9',
    ),
    (
        "unknown flavor",
        [only(TYPE, "In", "b3-9", "b3-16"), CLASS, POD],
        0,
        'note: NodePool general: no flavor of region GRA11 is called "b3-9": did you mean b3-8',
    ),
    (
        "nothing but unknown flavors",
        [only(TYPE, "In", "m5.large"), CLASS, POD],
        0,
        "nodepool requirements filtered out all available instance types",
    ),
    (
        "limits of 0",
        [make.node_pool(limits={"cpu": 0}), CLASS, POD],
        0,
        "all available instance types exceed limits for nodepool (NodePool=/general)",
    ),
    (
        "limits of nothing",
        [make.node_pool(limits={"cpus": 10}), CLASS, POD],
        0,
        'note: NodePool general: no node has "cpus", so that it limits nothing: did you mean cpu?',
    ),
    (
        "labels of another cloud",
        [only("karpenter.k8s.aws/instance-family", "In", "m5"), CLASS, POD],
        0,
        '"karpenter.k8s.aws/instance-family" is a label of another cloud, by which no flavor is chosen',
    ),
    (
        "a processor that nobody sells",
        [only("kubernetes.io/arch", "In", "arm64"), CLASS, POD],
        0,
        "note: NodePool general: its requirements leave no flavor of region GRA11",
    ),
    ("no NodePool", [CLASS, POD], 0, "no dynamic nodepools found"),
    (
        "too big for every flavor",
        [POOL, CLASS, make.with_field(POD, CPU, "500")],
        0,
        "no instance type has enough resources",
    ),
    (
        "M for m",
        [POOL, CLASS, make.with_field(POD, CPU, "2M")],
        0,
        "no instance type has enough resources (CPU request >= 1 Million, m vs M typo?)",
    ),
    (
        "a claim that is not there",
        [POOL, CLASS, make.pod(volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])],
        0,
        'persistentvolumeclaims "data" not found',
    ),
]

FLAGS: list[tuple[tuple[str, ...], int, str]] = [
    (("-f", "https://example.com/web.yaml"), 2, "https://example.com/web.yaml: is a URL; fetch it first: curl -sL URL"),
    ((), 2, "nothing to read; give manifests with -f"),
    (("-f", "/nowhere.yaml"), 2, "/nowhere.yaml: no such file or directory; check the path"),
    (
        ("-f", INFLATE, "-o", "xml"),
        2,
        "invalid value for '-o' / '--output': 'xml' is not one of 'table', 'wide', 'json'",
    ),
    (("-f", INFLATE, "--mode", "shrink"), 2, "'shrink' is not one of 'provision', 'consolidate', 'repack'"),
    (("-f", INFLATE, "--max-nodes", "2"), 2, "--max-nodes is about removing nodes; use it with --mode consolidate"),
    (("-f", INFLATE, "--max-nodes", "0"), 2, "--max-nodes is about removing nodes; use it with --mode consolidate"),
    (("-f", INFLATE, "--live"), 2, "--live reads a cluster, -f reads files; use one of them"),
    (("-f", INFLATE, "--time-limit", "0"), 2, "0 is out of range; write a number above 0 and at most 3600"),
    (("-f", INFLATE, "--time-limit", "5s"), 2, "'5s' is not a number; write for instance 0.5 or 5, without a unit"),
    (("-f", INFLATE, "--seed", "-1"), 2, "'--seed': -1 is not in the range"),
    (("-f", INFLATE, "--gap", "2"), 2, "2 is out of range; write a number from 0 to 1"),
    (("-f", INFLATE, "--now", "yesterday"), 2, "'yesterday' is not an RFC 3339 time"),
    (("-f", INFLATE, "--now", "2026-05-04T08:00:00"), 2, "has no offset; write for instance 2026-05-04T08:00:00Z"),
    (("-f", INFLATE, "--quota", "cpus=3"), 2, "'cpus=3' is not one of vcpus=N, memory=Q, instances=N"),
    (("-f", INFLATE, "--quota", "vcpus=3,vcpus=4"), 2, "vcpus is given twice"),
    (("-f", INFLATE, "--quota", "vcpus=1.5"), 2, "vcpus is a count; write a whole number, not '1.5'"),
    (("-f", INFLATE, "--quota", "memory=lots"), 2, "memory: 'lots' is not a quantity"),
    (("-f", INFLATE, "--quota", "vcpus=-3"), 2, "vcpus is negative"),
    (("-f", INFLATE, "--node-charge", "-1"), 2, "'-1' is out of range; write an amount of EUR"),
    (("-f", INFLATE, "--node-charge", "cheap"), 2, "'cheap' is not an amount"),
    (("-f", INFLATE, "--horizon", "0s"), 2, "'0s' is not positive"),
    (("-f", INFLATE, "--horizon", "a day"), 2, "'a day' is not a duration"),
    (("-f", INFLATE, "--feature-gates", "StaticCapacity"), 2, "is not NAME=true or NAME=false"),
    (("-f", INFLATE, "--preference-policy", "Maybe"), 2, "'Maybe' is not one of"),
    (("-f", INFLATE, "--weights", "light"), 2, "'light' is not one of"),
    (("-f", INFLATE, "--region", "eu-west-par"), 2, 'unknown region "eu-west-par": did you mean EU-WEST-PAR?'),
    (("-f", INFLATE, "--catalog", "/nowhere.csv"), 2, "/nowhere.csv: cannot read this catalogue file"),
    (("-f", INFLATE, "--scale", "inflate=3"), 2, "is not an edit of the form KIND/NAME=N"),
    (
        ("-f", INFLATE, "--scale", "deployment/inflate=1e3"),
        2,
        "1e3 is no number of replicas; write one from 0 to 100000",
    ),
    (("-f", INFLATE, "--scale", "deployment/other=3"), 2, 'there is no Deployment "other" in the input'),
    (("-f", INFLATE, "--compare", "magic"), 2, "'magic' is no policy; write first-fit"),
    (("-f", INFLATE, "--scenarios", "/nowhere.yaml"), 2, "/nowhere.yaml: cannot be read (No such file or directory)"),
    (("-f", INFLATE, "--without-zones", "a"), 2, "no such option '--without-zones'"),
    ((INFLATE,), 2, "unexpected extra argument"),
    (("-f", INFLATE, "--without-zone", "mars"), 0, 'region GRA11 has no zone "mars"'),
    (("-f", INFLATE, "--only-flavors", "b9-*"), 0, 'no flavor of region GRA11 matches "b9-*"'),
]

SCENARIOS: list[tuple[str, str]] = [
    ("", "is not a mapping; write a name for each scenario and its flags below it"),
    ("- a\n", "is not a mapping; write a name for each scenario and its flags below it"),
    ("a: 5\n", "scenario a: is not a mapping of flags; write for instance scale: deployment/web=40"),
    ("a: {frontier: true}\n", "scenario a, frontier: is not a flag of scenarios; write one of scale, "),
    ("a: {region: [GRA7, GRA9]}\n", "scenario a, region: takes one value, not a list"),
    ("a: {quota: cpus=3}\n", "scenario a, quota: 'cpus=3' is not one of vcpus=N, memory=Q, instances=N"),
    ("a: {weights: light}\n", "scenario a, weights: 'light' is not one of 'strict', 'price'"),
    (
        "a: {scale: deployment/other=3}\nb: {}\n",
        'scenarios.yaml, scenario a: --scale deployment/other=3: there is no Deployment "other" in the input',
    ),
    (
        "a: {}\nb: {catalog: /nowhere.csv}\n",
        "scenarios.yaml, scenario b: /nowhere.csv: cannot read this catalogue file",
    ),
    ("a: {}\nb: {region: GRA99}\n", 'scenarios.yaml, scenario b: unknown region "GRA99": did you mean GRA9'),
    ("a: {without-zone: }\n", "scenario a, without-zone: has no value; write one as on the command line"),
    ("a: [", "line 2, column 1: not valid YAML"),
]


def said(code: int, words: tuple[str, ...], sentence: str, capsys: Any, monkeypatch: Any) -> None:
    """The exit code, the sentence, and nothing else than one line for each problem."""
    outcome = run(capsys, monkeypatch, "solve", *words)
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    if code:
        assert outcome.out == ""
        assert sentence in outcome.err
        assert all(line.startswith("error: ") for line in outcome.err.splitlines())
    else:
        assert sentence in outcome.out


@pytest.mark.parametrize(("what", "content", "code", "sentence"), FILES, ids=[row[0] for row in FILES])
def test_files(capsys, monkeypatch, tmp_path: Path, what: str, content: Any, code: int, sentence: str):
    """A wrong file: one line that names file, document, object and field, and says what to write instead."""
    path = tmp_path / "input.yaml"
    if isinstance(content, list):
        content = "\n---\n".join(map(json.dumps, content))
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.chdir(tmp_path)

    said(code, ("-f", "input.yaml"), sentence, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("words", "code", "sentence"), FLAGS, ids=[" ".join(row[0])[-50:] or "nothing" for row in FLAGS]
)
def test_flags(capsys, monkeypatch, words: tuple[str, ...], code: int, sentence: str):
    """Wrong words on the command line: one line, and where the right ones stand."""
    said(code, words, sentence, capsys, monkeypatch)


@pytest.mark.parametrize(("text", "sentence"), SCENARIOS)
def test_scenarios(capsys, monkeypatch, tmp_path: Path, text: str, sentence: str):
    """A file of scenarios that is wrong: file, scenario and flag in one line."""
    path = tmp_path / "scenarios.yaml"
    path.write_text(text)

    said(2, ("-f", INFLATE, "--scenarios", str(path)), sentence, capsys, monkeypatch)


def test_standard_input_is_called_so(capsys, monkeypatch):
    """Messages about what came through a pipe say "standard input"."""
    text = yaml.safe_dump_all([CLASS, make.with_field(POD, CPU, "-1")])
    outcome = run(capsys, monkeypatch, "solve", "-f", "-", stdin=text)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: standard input, document 2, Pod default/web, {CPU}: '-1' is negative")


def test_all_problems_at_once(capsys, monkeypatch, tmp_path: Path):
    """Three mistakes in two objects are three lines."""
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump_all([make.pod(nodeName=1, hostNetwork=2), make.node_pool(weight=0)]))

    assert len(run(capsys, monkeypatch, "solve", "-f", str(path)).err.splitlines()) == 3


def test_a_region_that_another_one_stands_for(capsys, monkeypatch, tmp_path: Path):
    """With --region it makes no difference which region the node class names."""
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump_all([POOL, make.with_field(CLASS, "spec.region", "GRA99"), POD]))

    assert run(capsys, monkeypatch, "solve", "-f", str(path), "--region", "GRA11").code == 0


def test_all_problems_of_scenarios_at_once(capsys, monkeypatch, tmp_path: Path):
    """What is wrong with the input is said once, the rest with the scenario that it is about."""
    bad, path = tmp_path / "input.yaml", tmp_path / "scenarios.yaml"
    bad.write_text(yaml.safe_dump_all([CLASS, POOL, make.pod(nodeName=1)]))
    path.write_text("a: {}\nb: {catalog: /nowhere.csv}\nc: {scale: deployment/web=2}\n")
    lines = run(capsys, monkeypatch, "solve", "-f", str(bad), "--scenarios", str(path)).err.splitlines()

    assert [line.split(": ")[1].removeprefix(f"{tmp_path}/") for line in lines] == [
        "input.yaml, document 3, Pod default/web, spec.nodeName",
        "scenarios.yaml, scenario c",
    ]
