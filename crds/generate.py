"""
The CustomResourceDefinitions, written from the models: ``python -m crds.generate [DIRECTORY]``.

The schemas are structural, so that unknown fields are pruned or refused and defaults are filled in, and rules in CEL do
what an admission webhook would do. NodePool and NodeClaim accept and refuse what Karpenter's own definitions do.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

import pathlib
import sys
from dataclasses import dataclass
from typing import Any

import annotated_types
import yaml

from crds import nodeclaim, nodepool, ovhnodeclass, schema

DIRECTORY = pathlib.Path(__file__).parent.parent / "charts" / "karpenter-ovhcloud" / "crds"
"""Where the chart takes the definitions from."""

_HEADER = "# Written by `python -m crds.generate` from the models in crds/: change those.\n"
_READY = '.status.conditions[?(@.type=="Ready")].status'
_AGE = ".metadata.creationTimestamp"

Column = tuple[str, str, str] | tuple[str, str, str, int]
"""Name, type, path, and priority 1 for a column that only ``-o wide`` shows."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its model, its names, and how kubectl shows it."""

    file: str
    model: type[schema.Model]
    group: str
    version: str
    plural: str
    description: str
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    scale: tuple[str, str] | None = None


KINDS = (
    Kind(
        "karpenter.sh_nodepools.yaml",
        nodepool.NodePool,
        "karpenter.sh",
        "v1",
        "nodepools",
        "A NodePool says which nodes may be created for pods that wait for room, how many of them, and when they may "
        "be taken away again. One pool can make nodes of many flavors; several pools keep workloads apart.",
        (
            ("NodeClass", "string", ".spec.template.spec.nodeClassRef.name"),
            ("Nodes", "string", ".status.nodes"),
            ("Ready", "string", _READY),
            ("Age", "date", _AGE),
            ("Weight", "integer", ".spec.weight", 1),
            ("CPU", "string", ".status.resources.cpu", 1),
            ("Memory", "string", ".status.resources.memory", 1),
        ),
        scale=(".spec.replicas", ".status.nodes"),
    ),
    Kind(
        "karpenter.sh_nodeclaims.yaml",
        nodeclaim.NodeClaim,
        "karpenter.sh",
        "v1",
        "nodeclaims",
        "A NodeClaim is one node that Karpenter has asked for, from the decision to create it until its machine is "
        "gone. It is made for a NodePool. Deleting it drains the node and removes the machine.",
        (
            ("Type", "string", r".metadata.labels.node\.kubernetes\.io/instance-type"),
            ("Capacity", "string", r".metadata.labels.karpenter\.sh/capacity-type"),
            ("Zone", "string", r".metadata.labels.topology\.kubernetes\.io/zone"),
            ("Node", "string", ".status.nodeName"),
            ("Ready", "string", _READY),
            ("Age", "date", _AGE),
            ("ImageID", "string", ".status.imageID", 1),
            ("ID", "string", ".status.providerID", 1),
            ("NodePool", "string", r".metadata.labels.karpenter\.sh/nodepool", 1),
            ("NodeClass", "string", ".spec.nodeClassRef.name", 1),
            ("Drifted", "string", '.status.conditions[?(@.type=="Drifted")].status', 1),
            ("EUR/hour", "string", r".metadata.annotations.karpenter\.ovhcloud\.sh/hourly-eur", 1),
        ),
    ),
    Kind(
        "ovhnodeclass-crd.yaml",
        ovhnodeclass.OVHNodeClass,
        ovhnodeclass.GROUP,
        "v1alpha1",
        "ovhnodeclasses",
        "An OVHNodeClass says in which OVHcloud project, Managed Kubernetes cluster and region nodes are bought, with "
        "which credentials, and how they are billed. NodePools refer to it.",
        (
            ("Region", "string", ".spec.region"),
            ("Flavors", "integer", ".status.flavors"),
            ("Ready", "string", _READY),
            ("Age", "date", _AGE),
            ("Plan", "string", ".status.plan", 1),
            ("Version", "string", ".status.kubernetesVersion", 1),
            ("Monthly", "boolean", ".spec.monthlyBilled", 1),
            ("Project", "string", ".spec.serviceName", 1),
            ("Cluster", "string", ".spec.kubeId", 1),
        ),
        short_names=("ovhnc",),
    ),
)


def manifests() -> dict[str, str]:
    """File name to YAML text, for every kind."""
    return {kind.file: _HEADER + _yaml(definition(kind)) for kind in KINDS}


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind, as plain data."""
    name = kind.model.__name__
    subresources: dict[str, Any] = {"status": {}}
    if kind.scale is not None:
        subresources["scale"] = {"specReplicasPath": kind.scale[0], "statusReplicasPath": kind.scale[1]}
    names: dict[str, Any] = {
        "kind": name,
        "listKind": f"{name}List",
        "plural": kind.plural,
        "singular": name.lower(),
        "categories": ["karpenter"],
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "additionalPrinterColumns": [_column(*column) for column in kind.columns],
        "schema": {"openAPIV3Schema": _kind_schema(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {"group": kind.group, "names": names, "scope": "Cluster", "versions": [version]},
    }


def _column(name: str, kind: str, path: str, priority: int = 0) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | {"priority": priority} if priority else column


def _kind_schema(kind: Kind) -> dict[str, Any]:
    own = {name: field for name, field in schema.fields(kind.model).items() if name in ("spec", "status")}
    texts = {
        "apiVersion": f"The version of the API that this object is written in: {kind.group}/{kind.version}.",
        "kind": f"What the object is: {kind.model.__name__}.",
    }
    properties: dict[str, Any] = {
        **{name: {"description": _Prose(text), "type": "string"} for name, text in texts.items()},
        "metadata": {"type": "object"},
        **{name: _field_schema(field) for name, field in own.items()},
    }
    return {"description": _Prose(kind.description), "type": "object", "properties": properties, "required": ["spec"]}


def _field_schema(field: schema.Field) -> dict[str, Any]:
    info = field.info
    described = {"description": _Prose(info.description)} if info.description else {}
    default = {"default": info.default} if info.validate_default else {}
    return described | default | _schema(field.shape)


def _schema(shape: schema.Shape) -> dict[str, Any]:
    """The structural schema of a value."""
    text = next(shape.find(schema.Text), None)
    result: dict[str, Any]
    if text is not None:
        result = {"type": "string", "pattern": text.pattern}
    elif shape.model is not None:
        result = _object(shape.model)
    elif shape.item is not None:
        kind, key = ("array", "items") if shape.base is tuple else ("object", "additionalProperties")
        result = {"type": kind, key: _schema(shape.item)}
    else:
        result = {"type": {str: "string", int: "integer", bool: "boolean"}[shape.base]}
    if shape.choices:
        result["enum"] = list(shape.choices)
    result |= _bounds(shape)
    for extra in shape.find(schema.Crd):
        result |= extra.keywords
    validations = [{"message": rule.message, "rule": rule.cel} for rule in shape.rules if rule.cel is not None]
    return result | {"x-kubernetes-validations": validations} if validations else result


def _object(model: schema.AnyModel) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, field in schema.fields(model).items():
        properties[name] = _field_schema(field)
        stated = [extra.required for extra in field.shape.find(schema.Crd) if extra.required is not None]
        if stated[0] if stated else field.info.is_required():
            required.append(name)
    result: dict[str, Any] = {"type": "object", "properties": properties}
    return result | {"required": required} if required else result


def _bounds(shape: schema.Shape) -> dict[str, Any]:
    size = {tuple: "Items", dict: "Properties"}.get(shape.base, "Length")
    bounds: dict[str, Any] = {}
    for entry in shape.metadata:
        match entry:
            case annotated_types.Ge(ge=least):
                bounds["minimum"] = least
            case annotated_types.Le(le=most):
                bounds["maximum"] = most
            case annotated_types.MinLen(min_length=least):
                bounds[f"min{size}"] = least
            case annotated_types.MaxLen(max_length=most):
                bounds[f"max{size}"] = most
            case object(pattern=str(pattern)) if not isinstance(entry, schema.Text):
                bounds["pattern"] = pattern
            case _:
                pass
    return bounds


class _Prose(str):
    """A text for people, which is folded over several lines."""


class _Dumper(yaml.SafeDumper):
    """Writes every value in full, and prose in folded blocks."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


_Dumper.add_representer(
    _Prose,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", str(text), style=">" if len(text) > 80 else None
    ),
)


def _yaml(value: object) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def main(arguments: list[str]) -> None:
    """Write the definitions into a directory, by default the chart's."""
    directory = pathlib.Path(arguments[0]) if arguments else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in manifests().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
