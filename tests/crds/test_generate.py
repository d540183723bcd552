"""The CustomResourceDefinitions: current, complete, structural, and of one mind with the models."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from crds import generate, nodepool, validation
from tests.crds import manifests, test_nodepool

KINDS = {kind.model.__name__: kind for kind in generate.KINDS}
DEFINITIONS: dict[str, dict[str, Any]] = {name: generate.definition(kind) for name, kind in KINDS.items()}


@functools.cache
def schema_of(name: str) -> dict[str, Any]:
    """The schema of a kind, as it is in the file."""
    definition = yaml.safe_load(generate.manifests()[KINDS[name].file])
    schema: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def values(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every value that a schema describes, by path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from values(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from values(schema[key], f"{path}[]")


def at(name: str, path: str) -> dict[str, Any]:
    """What the schema of a kind says about the value at a path."""
    return dict(values(schema_of(name)))[path]


def test_files_are_current():
    """The chart's files are what the models say: ``python -m crds.generate`` writes them."""
    assert {path.name for path in generate.DIRECTORY.iterdir()} == set(generate.manifests())
    for name, text in generate.manifests().items():
        assert (generate.DIRECTORY / name).read_text(encoding="utf-8") == text, name


def test_written(tmp_path):
    """The files can be written anywhere, and hold what the data says."""
    generate.main([str(tmp_path / "crds")])

    for kind in generate.KINDS:
        assert yaml.safe_load((tmp_path / "crds" / kind.file).read_text(encoding="utf-8")) == generate.definition(kind)


@pytest.mark.parametrize("name", KINDS)
def test_definitions_are_valid(name):
    """Each definition is a valid CustomResourceDefinition."""
    kubernetes_validate.validate(yaml.safe_load(generate.manifests()[KINDS[name].file]), "1.35", strict=True)


@pytest.mark.parametrize("name", KINDS)
def test_every_field_is_explained(name):
    """``kubectl explain`` finds a sentence at every field."""
    for path, schema in values(schema_of(name)):
        if path and not path.endswith("[]") and path != ".metadata":
            assert re.fullmatch(r"[A-Z].*\.", schema.get("description", ""), re.DOTALL), path


@pytest.mark.parametrize("name", KINDS)
def test_schemas_are_structural(name):
    """Every value has one type, nothing refers elsewhere, and nothing that OpenAPI does not know is left over."""
    for path, schema in values(schema_of(name)):
        assert ("type" in schema) != ("x-kubernetes-int-or-string" in schema), path
        assert not {"$ref", "$defs", "title", "const", "oneOf", "allOf", "examples"} & set(schema), path
        if schema.get("x-kubernetes-list-type") == "map":
            assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"]), path


def test_names():
    """Groups, names, scopes and subresources are the ones that users and upstream know."""
    nodepools, nodeclaims, classes = (DEFINITIONS[name]["spec"] for name in ("NodePool", "NodeClaim", "OVHNodeClass"))

    assert [nodepools["group"], nodeclaims["group"], classes["group"]] == [
        "karpenter.sh",
        "karpenter.sh",
        "karpenter.ovhcloud.sh",
    ]
    assert [spec["names"]["plural"] for spec in (nodepools, nodeclaims, classes)] == [
        "nodepools",
        "nodeclaims",
        "ovhnodeclasses",
    ]
    assert all(spec["scope"] == "Cluster" for spec in (nodepools, nodeclaims, classes))
    assert all(spec["names"]["categories"] == ["karpenter"] for spec in (nodepools, nodeclaims, classes))
    assert classes["names"]["shortNames"] == ["ovhnc"]
    assert "shortNames" not in nodepools["names"]
    assert nodepools["versions"][0]["subresources"] == {
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.nodes"},
    }
    assert nodeclaims["versions"][0]["subresources"] == {"status": {}}


@pytest.mark.parametrize(
    ("name", "columns", "wide"),
    [
        ("NodePool", ["NodeClass", "Nodes", "Ready", "Age"], ["Weight", "CPU", "Memory"]),
        (
            "NodeClaim",
            ["Type", "Capacity", "Zone", "Node", "Ready", "Age"],
            ["ImageID", "ID", "NodePool", "NodeClass", "Drifted", "EUR/hour"],
        ),
        ("OVHNodeClass", ["Region", "Flavors", "Ready", "Age"], ["Plan", "Version", "Monthly", "Project", "Cluster"]),
    ],
)
def test_columns(name, columns, wide):
    """What ``kubectl get`` shows, and what it shows with ``-o wide``."""
    shown = DEFINITIONS[name]["spec"]["versions"][0]["additionalPrinterColumns"]

    assert columns == [column["name"] for column in shown if "priority" not in column]
    assert wide == [column["name"] for column in shown if column.get("priority") == 1]


@pytest.mark.parametrize(
    ("path", "default"),
    [
        (".spec.disruption", {"consolidateAfter": "0s"}),
        (".spec.disruption.consolidateAfter", "0s"),
        (".spec.disruption.consolidationPolicy", "WhenEmptyOrUnderutilized"),
        (".spec.disruption.budgets", [{"nodes": "10%"}]),
        (".spec.disruption.budgets[].nodes", "10%"),
        (".spec.template.spec.expireAfter", "720h"),
        (".status.nodes", 0),
    ],
)
def test_nodepool_defaults(path, default):
    """Defaults stand in the schema as people would write them."""
    assert default == at("NodePool", path)["default"]


def test_no_other_defaults():
    """What upstream leaves unset is left unset."""
    with_default = {path for path, schema in values(schema_of("NodePool")) if "default" in schema}

    assert len(with_default) == 7
    assert [path for path, schema in values(schema_of("NodeClaim")) if "default" in schema] == [".spec.expireAfter"]


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("NodePool", ".spec.weight", {"type": "integer", "format": "int32", "minimum": 1, "maximum": 100}),
        ("NodePool", ".spec.replicas", {"type": "integer", "format": "int64", "minimum": 0}),
        ("NodePool", ".spec.template.metadata.labels", {"maxProperties": 100, "x-kubernetes-map-type": "atomic"}),
        ("NodePool", ".spec.template.metadata.annotations", {"x-kubernetes-map-type": "granular"}),
        ("NodePool", ".spec.template.spec", {"required": ["nodeClassRef", "requirements"]}),
        ("NodePool", ".spec.template.spec.requirements", {"maxItems": 100, "x-kubernetes-list-type": "atomic"}),
        ("NodePool", ".spec.template.spec.requirements[].key", {"maxLength": 316}),
        ("NodePool", ".spec.template.spec.requirements[].minValues", {"minimum": 1, "maximum": 50}),
        ("NodePool", ".spec.template.spec.requirements[].values", {"type": "array", "maxLength": 63}),
        ("NodePool", ".spec.template.spec.taints[]", {"required": ["key", "effect"]}),
        ("NodePool", ".spec.template.spec.taints[].key", {"minLength": 1}),
        ("NodePool", ".spec.disruption.budgets", {"maxItems": 50, "x-kubernetes-list-type": "atomic"}),
        ("NodePool", ".spec.disruption.budgets[]", {"required": ["nodes"]}),
        ("NodePool", ".spec.disruption.budgets[].reasons", {"maxItems": 50, "x-kubernetes-list-type": "set"}),
        ("NodePool", ".spec.limits[]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (
            "NodePool",
            ".status.conditions[]",
            {"required": ["type", "status", "reason", "message", "lastTransitionTime"]},
        ),
        ("NodePool", ".status.conditions[].reason", {"minLength": 1}),
        ("NodeClaim", ".status.conditions[]", {"required": ["type", "status", "lastTransitionTime"]}),
        ("NodeClaim", ".status.lastPodEventTime", {"type": "string", "format": "date-time"}),
        ("OVHNodeClass", ".spec", {"required": ["serviceName", "kubeId", "region"]}),
        ("OVHNodeClass", ".spec.monthlyBilled", {"type": "boolean", "default": False}),
    ],
)
def test_constraints(name, path, expected):
    """Bounds, formats, list types and required fields stand where they must."""
    assert expected == {key: value for key, value in at(name, path).items() if key in expected}


def test_cel_rules():
    """All rules of upstream are there, each with its message, on the value that it is about."""
    rules = {
        (name, path): [rule["message"] for rule in schema["x-kubernetes-validations"]]
        for name in KINDS
        for path, schema in values(schema_of(name))
        if "x-kubernetes-validations" in schema
    }
    requirements = [
        "requirements with operator 'In' must have a value defined",
        "requirements operator 'Gt', 'Lt', 'Gte', or 'Lte' must have a single positive integer value",
        "requirements with 'minValues' must have at least that many values specified in the 'values' field",
    ]
    domain, pool, host = (
        'label domain "karpenter.sh" is restricted',
        'label "karpenter.sh/nodepool" is restricted',
        'label "kubernetes.io/hostname" is restricted',
    )

    assert rules == {
        ("NodePool", ".spec"): [
            "Cannot transition NodePool between static (replicas set) and dynamic (replicas unset) provisioning modes",
            "only 'limits.nodes' is supported on static NodePools",
            "'weight' is not supported on static NodePools",
        ],
        ("NodePool", ".spec.disruption.budgets"): ["'schedule' must be set with 'duration'"],
        ("NodePool", ".spec.template.metadata.labels"): [domain, pool, host],
        ("NodePool", ".spec.template.spec.nodeClassRef"): [
            "nodeClassRef.group is immutable",
            "nodeClassRef.kind is immutable",
        ],
        ("NodePool", ".spec.template.spec.nodeClassRef.group"): ["group may not be empty"],
        ("NodePool", ".spec.template.spec.nodeClassRef.kind"): ["kind may not be empty"],
        ("NodePool", ".spec.template.spec.nodeClassRef.name"): ["name may not be empty"],
        ("NodePool", ".spec.template.spec.requirements"): requirements,
        ("NodePool", ".spec.template.spec.requirements[].key"): [domain, pool, host],
        ("NodeClaim", ".spec"): ["spec is immutable"],
        ("NodeClaim", ".spec.nodeClassRef.group"): ["group may not be empty"],
        ("NodeClaim", ".spec.nodeClassRef.kind"): ["kind may not be empty"],
        ("NodeClaim", ".spec.nodeClassRef.name"): ["name may not be empty"],
        ("NodeClaim", ".spec.requirements"): requirements,
        ("NodeClaim", ".spec.requirements[].key"): [domain, host],
    }


VALIDATOR = jsonschema.Draft202012Validator(schema_of("NodePool"))


@pytest.mark.parametrize(("path", "value"), test_nodepool.ACCEPTED)
def test_schema_accepts_what_the_models_accept(path, value):
    """No manifest is turned away by the API server that `solve` would take."""
    manifest = manifests.changed(manifests.NODEPOOL, path, value)

    assert [error.message for error in VALIDATOR.iter_errors(with_defaults(schema_of("NodePool"), manifest))] == []


@pytest.mark.parametrize(("path", "value", "sentence"), test_nodepool.REFUSED)
def test_models_refuse_what_the_schema_refuses(path, value, sentence):
    """What the schema refuses is refused by the models, at the same field."""
    manifest = with_defaults(schema_of("NodePool"), manifests.changed(manifests.NODEPOOL, path, value))
    refused = {".".join(str(part) for part in error.absolute_path) for error in VALIDATOR.iter_errors(manifest)}
    ours = {
        re.sub(r"\[([^]]*)\]", r".\1", problem.field) for problem in validation.problems(nodepool.NodePool, manifest)
    }

    assert all(any(field.startswith(path) for field in ours) for path in refused)


def with_defaults(schema: dict[str, Any], value: Any) -> Any:
    """A value after the API server has dropped nulls and filled in defaults."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        value = {name: part for name, part in value.items() if part is not None}
        value = {
            name: part["default"] for name, part in known.items() if "default" in part and name not in value
        } | value
        inner = schema.get("additionalProperties", {})
        return {name: with_defaults(known.get(name, inner), part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_defaults(schema.get("items", {}), part) for part in value]
    return value
