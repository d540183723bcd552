"""
What is wrong with a manifest, all at once and in words, and the typed object when nothing is.

A manifest is checked twice: its shape by pydantic, its rules (`schema.Rule`) on the values as they stand there. Both
look at everything, so that one broken field does not hide the next. A null counts as a field that is not there, as the
API server has it.

    InvalidObject(ValueError)   one object, with all its problems
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pydantic

from crds import misshapen, nodeclaim, nodepool, ovhnodeclass, schema, wording

Path = wording.Path
M = TypeVar("M", bound=schema.Model)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: where, what, and what to write instead ("" when the message says it already)."""

    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.message}; {self.hint}" if self.hint else f"{where}{self.message}"


class InvalidObject(ValueError):  # noqa: N818 (an object that is not valid is not an error of the program)
    """A manifest that is no object of its kind; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def problems(kind_model: type[schema.Model], raw: object) -> list[Problem]:
    """Everything that is wrong with a manifest of the model's kind; empty when it is valid. Never raises."""
    return _checked(kind_model, raw, _stages(kind_model, admitted=False))[1]


def parse_nodepool(raw: object, *, admitted: bool = False) -> nodepool.NodePool:
    """
    The NodePool that a manifest describes.

    With `admitted` a budget schedule that cannot be read is no problem: the pool works, and its budgets allow nothing.

    Raises `InvalidObject`.
    """
    return _parsed(nodepool.NodePool, raw, admitted)


def parse_nodeclaim(raw: object) -> nodeclaim.NodeClaim:
    """
    The NodeClaim that a manifest describes.

    Raises `InvalidObject`.
    """
    return _parsed(nodeclaim.NodeClaim, raw)


def parse_nodeclass(raw: object) -> ovhnodeclass.OVHNodeClass:
    """
    The OVHNodeClass that a manifest describes.

    Raises `InvalidObject`.
    """
    return _parsed(ovhnodeclass.OVHNodeClass, raw)


def _parsed(model: type[M], raw: object, admitted: bool = False) -> M:
    parsed, found = _checked(model, raw, _stages(model, admitted))
    if parsed is None or found:
        raise InvalidObject(found)
    return parsed


def _stages(model: type[schema.Model], admitted: bool) -> tuple[schema.Stage, ...]:
    """NodeClaims are written by controllers, and nobody looks at them again once the API server has."""
    if issubclass(model, nodeclaim.NodeClaim):
        return ("admission",)
    return ("admission", "validation") if admitted else ("admission", "validation", "use")


def _checked(model: type[M], raw: object, stages: tuple[schema.Stage, ...]) -> tuple[M | None, list[Problem]]:
    if not isinstance(raw, dict):
        return None, [Problem("", f"{wording.shown(raw)} is not an object", "write fields and values")]
    try:
        manifest = _without_nulls(raw)
    except RecursionError:
        return None, [Problem("", "is nested too deeply", "write it with fewer levels")]
    parsed: M | None = None
    found: list[Problem] = []
    broken: set[Path] = set()
    try:
        parsed = model.model_validate(manifest)
    except pydantic.ValidationError as error:
        for details in error.errors(include_url=False):
            path = tuple(part for part in details["loc"] if part != "[key]")
            broken.add(path)
            message, hint = misshapen.words(model, path, details)
            found.append(Problem(wording.path(path), message, hint))
    found += _Rules(stages, broken).broken(schema.model_shape(model), manifest, ())
    return parsed, found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    return value


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules of some stages; where a part of a value is misshapen, a rule that stumbles over it says nothing."""

    stages: tuple[schema.Stage, ...]
    misshapen: set[Path]

    def broken(self, shape: schema.Shape, value: Any, path: Path) -> Iterator[Problem]:
        """The rules that a value and its parts break."""
        for rule in shape.rules:
            if rule.stage in self.stages:
                for part, subject in _subjects(rule, value):
                    if message := self._message(rule, subject, (*path, *part)):
                        where = (*path, *part, *(rule.at.split(".") if rule.at else ()))
                        if where not in self.misshapen:
                            yield Problem(wording.path(where), message, rule.hint)
        for name, inner in _parts(shape, value):
            yield from self.broken(inner, value[name], (*path, name))

    def _message(self, rule: schema.Rule, value: Any, path: Path) -> str:
        try:
            outcome = rule.broken(value)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            outcome = not any(path == bad[: len(path)] for bad in self.misshapen)
        return outcome if isinstance(outcome, str) else rule.message if outcome else ""


def _subjects(rule: schema.Rule, value: Any) -> Iterator[tuple[Path, Any]]:
    """What a rule is about, and where it lies in the value."""
    if not rule.each:
        yield (), value
    elif isinstance(value, list):
        yield from (((index,), item) for index, item in enumerate(value))
    elif isinstance(value, dict):
        yield from (((key,), key) for key in value)


def _parts(shape: schema.Shape, value: Any) -> Iterator[tuple[Any, schema.Shape]]:
    """The parts of a value that have rules of their own, by name or index."""
    if shape.model is not None and isinstance(value, dict):
        for name, field in schema.fields(shape.model).items():
            if field.shape.ruled and name in value:
                yield name, field.shape
    elif shape.item is not None and shape.item.ruled and isinstance(value, list):
        yield from ((index, shape.item) for index in range(len(value)))
