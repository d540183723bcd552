"""What all objects of Kubernetes have: metadata and conditions."""

from typing import Annotated, Any, Literal

import pydantic

from crds import forms, labels, schema, wording


class OwnerReference(schema.Reading):
    """The object that another one belongs to."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class ObjectMeta(schema.Reading):
    """What is used of an object's metadata; whatever else Kubernetes puts there is passed over."""

    name: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    labels: dict[str, str] = pydantic.Field(default_factory=dict)
    annotations: dict[str, str] = pydantic.Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


CONDITION_TYPE = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)


class Condition(schema.Reading):
    """One thing that a controller has found out about an object."""

    type: Annotated[
        str,
        schema.Crd({"maxLength": 316, "pattern": CONDITION_TYPE}, required=True),
        pydantic.Field(description="What the condition is about, in one word, such as Ready."),
    ] = ""
    status: Annotated[
        Literal["True", "False", "Unknown"],
        schema.Crd(required=True),
        pydantic.Field(description="Whether it is so: True, False, or Unknown while that is not decided."),
    ] = "Unknown"
    reason: Annotated[
        str,
        schema.Crd({"maxLength": 1024, "pattern": r"^([A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?|)$"}),
        pydantic.Field(description="Why, in one word that programs can rely on."),
    ] = ""
    message: Annotated[
        str,
        schema.Crd({"maxLength": 32768}),
        pydantic.Field(description="Why, in a sentence for people. Empty when there is nothing to add."),
    ] = ""
    last_transition_time: Annotated[
        forms.Time,
        schema.Crd(required=True),
        pydantic.Field(description="When the status last changed. A new reason or message does not move it."),
    ] = ""
    observed_generation: Annotated[
        int,
        schema.Crd({"format": "int64", "minimum": 0}),
        pydantic.Field(description="The generation of the object that this was found out about."),
    ] = 0


class FullCondition(Condition):
    """A condition that always says why."""

    reason: Annotated[
        str,
        schema.Crd(
            {"minLength": 1, "maxLength": 1024, "pattern": r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"}, required=True
        ),
        pydantic.Field(description="Why, in one word that programs can rely on."),
    ] = ""
    message: Annotated[
        str,
        schema.Crd({"maxLength": 32768}, required=True),
        pydantic.Field(description="Why, in a sentence for people. Empty when there is nothing to add."),
    ] = ""


BY_TYPE = schema.Crd({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})
"""Conditions are a map by their type, so that two writers do not overwrite each other's."""


def name_rule(longest: int, why: str = "") -> schema.Rule:
    """The object needs a name that Kubernetes accepts, of at most `longest` characters."""

    def broken(manifest: Any) -> bool | str:
        name = manifest.get("metadata", {}).get("name")
        if not name:
            return "is missing"
        if not isinstance(name, str) or not labels.is_object_name(name):
            return f"{wording.shown(name)} is not a name"
        return f"{wording.shown(name)} is longer than {longest} characters{why}" if len(name) > longest else False

    hint = f"write at most {longest} lower-case letters, digits and '-', such as general"
    return schema.Rule("is not a name", hint, broken, at="metadata.name")


NAME = name_rule(labels.LONGEST_PREFIX)
NAME_IN_LABEL = name_rule(labels.LONGEST_NAME, ", too long for the label that nodes carry it in")
