"""
The base of all models, and what their fields carry besides a type.

Three readers share the same annotations: pydantic checks the shape of an object, `validation` its rules, and `generate`
writes both into the CustomResourceDefinition. A rule therefore stands in one place, once in CEL for the API server and
once in Python.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import alias_generators
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

Stage = Literal["admission", "validation", "use"]
"""When a rule is looked at: by the API server, by upstream's validation of a stored NodePool, or at use."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A rule that no type expresses.

    `broken` gets the value as it stands in the manifest (nulls removed) and returns whether it breaks the rule, or a
    message that is more exact than `message`. As in CEL, looking at a field that is not there breaks the rule. With
    `each` it gets every item of a list, or every key of a map. `at` is the part of the value that is at fault. `cel` is
    the same rule for the API server, on the value as a whole; a rule without it is not part of the definition.
    """

    message: str
    hint: str
    broken: Callable[[Any], bool | str]
    cel: str | None = None
    each: bool = False
    at: str = ""
    stage: Stage = "admission"


def transition(message: str, cel: str) -> Rule:
    """A rule between the old and the new object, which only the API server can see."""
    return Rule(message, "", broken=lambda _: False, cel=cel)


@dataclass(frozen=True, slots=True)
class Crd:
    """
    What the definition of a field says differently from its type.

    `keywords` are added to the schema. `required` overrules what follows from the field's default. A default is part of
    the definition when the model validates it (`validate_default`).
    """

    keywords: Mapping[str, object] = field(default_factory=dict)
    required: bool | None = None


ATOMIC = Crd({"x-kubernetes-list-type": "atomic"})
INT64 = Crd({"format": "int64"})


@dataclass(frozen=True, slots=True)
class Text:
    """A value that is written as a text of a certain form and read into something else; `parse` raises ValueError."""

    pattern: str
    parse: Callable[[str], object]
    write: Callable[[Any], str]

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            self.parse,
            core_schema.str_schema(pattern=self.pattern, strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(self.write),
        )


class Model(pydantic.BaseModel):
    """An object or a part of one that people write; fields are called as in the manifest, in snake case."""

    # Parts of a model are built with it, not each by itself as well.
    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", alias_generator=alias_generators.to_camel, defer_build=True
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()


class Reading(pydantic.BaseModel):
    """A part that controllers write; what is not known here is passed over."""

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore", alias_generator=alias_generators.to_camel)

    RULES: ClassVar[tuple[Rule, ...]] = ()


AnyModel = type[Model] | type[Reading]


@dataclass(frozen=True, slots=True)
class Shape:
    """
    A type taken apart.

    `base` is str, int, bool, dict, tuple or a model; `choices` are the values of a Literal; `item` is what the items of
    a list or the values of a map are; `metadata` is all that was attached with Annotated or Field; `rules` are those
    for the value, its model's first; `ruled` says whether there are rules for it or for any part of it.
    """

    base: Any
    metadata: tuple[Any, ...]
    item: Shape | None = None
    choices: tuple[str, ...] = ()
    model: AnyModel | None = None
    rules: tuple[Rule, ...] = ()
    ruled: bool = False

    def find(self, kind: type[Any]) -> Iterator[Any]:
        """What is attached of one kind."""
        return (entry for entry in self.metadata if isinstance(entry, kind))


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a model: what pydantic knows of it, and its type taken apart."""

    info: FieldInfo
    shape: Shape


def shape(annotation: Any, metadata: tuple[Any, ...] = ()) -> Shape:
    """Take a type apart; None in a union only says that the field may be absent."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        base, *attached = typing.get_args(annotation)
        for entry in attached:
            metadata += tuple(entry.metadata) if isinstance(entry, FieldInfo) else (entry,)
        return shape(base, metadata)
    if origin in (types.UnionType, typing.Union):
        (present,) = (option for option in typing.get_args(annotation) if option is not type(None))
        return shape(present, metadata)
    rules = tuple(entry for entry in metadata if isinstance(entry, Rule))
    if origin is Literal:
        return Shape(str, metadata, choices=typing.get_args(annotation), rules=rules, ruled=bool(rules))
    if origin in (tuple, dict):
        item = shape(typing.get_args(annotation)[0 if origin is tuple else 1])
        return Shape(origin, metadata, item=item, rules=rules, ruled=bool(rules) or item.ruled)
    if isinstance(annotation, type) and issubclass(annotation, (Model, Reading)):
        rules = (*annotation.RULES, *rules)
        ruled = bool(rules) or any(field.shape.ruled for field in fields(annotation).values())
        return Shape(annotation, metadata, model=annotation, rules=rules, ruled=ruled)
    return Shape(annotation, metadata, rules=rules, ruled=bool(rules))


@functools.cache
def model_shape(model: AnyModel) -> Shape:
    """A model taken apart."""
    return shape(model)


@functools.cache
def fields(model: AnyModel) -> dict[str, Field]:
    """The fields of a model by the name they have in a manifest."""
    return {
        str(info.alias): Field(info, shape(info.annotation, tuple(info.metadata)))
        for info in model.model_fields.values()
    }
