"""
What is wrong with a manifest, all at once and in words, and the typed object when nothing is.

A manifest is checked twice: its shape by pydantic, its rules (`schema.Rule`) on the values as they stand there. Both
look at everything, so that one broken field does not hide the next. A null counts as a field that is not there, as the
API server has it.

    InvalidObject(ValueError)   one object, with all its problems
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from crds import forms, nodeclaim, nodepool, ovhnodeclass, schema, wording

Path = tuple[str | int, ...]
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
    misshapen: list[Path] = []
    try:
        parsed = model.model_validate(manifest)
    except pydantic.ValidationError as error:
        for details in error.errors(include_url=False):
            path = tuple(part for part in details["loc"] if part != "[key]")
            misshapen.append(path)
            found.append(_shape_problem(model, path, details))
    found += _Rules(stages, misshapen).broken(schema.shape(model), model.RULES, manifest, ())
    return parsed, found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    return value


# Rules


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules of some stages; where a part of a value is misshapen, a rule that stumbles over it says nothing."""

    stages: tuple[schema.Stage, ...]
    misshapen: list[Path]

    def broken(self, shape: schema.Shape, rules: tuple[schema.Rule, ...], value: Any, path: Path) -> Iterator[Problem]:
        """The rules that a value and its parts break."""
        for rule in (*rules, *shape.find(schema.Rule)):
            if rule.stage in self.stages:
                for part, subject in _subjects(rule, value):
                    if message := self._message(rule, subject, (*path, *part)):
                        where = (*path, *part, *(rule.at.split(".") if rule.at else ()))
                        if where not in self.misshapen:
                            yield Problem(_written(where), message, rule.hint)
        for name, inner in _parts(shape, value):
            yield from self.broken(inner, inner.model.RULES if inner.model else (), value[name], (*path, name))

    def _message(self, rule: schema.Rule, value: Any, path: Path) -> str:
        try:
            outcome = rule.broken(value)
        except (LookupError, TypeError, ValueError, AttributeError):
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
    """The parts of a value that may have rules of their own, by name or index."""
    if shape.model is not None and isinstance(value, dict):
        for name, info in schema.fields(shape.model).items():
            if name in value:
                yield name, schema.field_shape(info)
    elif shape.base is tuple and isinstance(value, list):
        for index in range(len(value)):
            yield index, schema.shape(shape.item)


# Shapes


def _shape_problem(model: type[schema.Model], path: Path, details: ErrorDetails) -> Problem:
    describe = _WORDS.get(details["type"], _other)
    message, hint = describe(details, _Place(model, path))
    return Problem(_written(path), message, hint)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a model something is wrong."""

    root: type[schema.Model]
    path: Path

    def shape(self, path: Path) -> schema.Shape | None:
        """What the model says about the value at a path."""
        at: schema.Shape | None = schema.shape(self.root)
        for part in path:
            if at is None:
                return None
            if at.model is not None:
                info = schema.fields(at.model).get(str(part))
                at = schema.field_shape(info) if info else None
            else:
                at = schema.shape(at.item) if at.item else None
        return at

    def field(self) -> FieldInfo | None:
        """The field, if the last part of the path names one."""
        parent = self.shape(self.path[:-1])
        return schema.fields(parent.model).get(str(self.path[-1])) if parent and parent.model else None

    def example(self) -> str:
        """What could be written here."""
        field = self.field()
        if field is not None and field.examples:
            return str(field.examples[0])
        here = self.shape(self.path)
        return here.choices[0] if here and here.choices else ""


Words = tuple[str, str]


def _missing(_details: ErrorDetails, place: _Place) -> Words:
    name, example, here = place.path[-1], place.example(), place.shape(place.path)
    if here is not None and here.model is not None:
        needed = [part for part, info in schema.fields(here.model).items() if info.is_required()]
        return "is missing", f"write {name} with {', '.join(needed)}"
    return "is missing", f"write {name}: {example}" if example else f"write {name}"


def _unknown(_details: ErrorDetails, place: _Place) -> Words:
    name = str(place.path[-1])
    parent = place.shape(place.path[:-1])
    siblings = list(schema.fields(parent.model)) if parent and parent.model else []
    if meant := _closest(name, siblings):
        return "is not a field", f"did you mean {meant}?"
    elsewhere = [_written(path) for path in _paths(schema.shape(place.root)) if path[-1] == name]
    if elsewhere:
        return "is not a field here", f"it belongs at {elsewhere[0]}"
    return "is not a field", "remove it; fields here are " + ", ".join(siblings)


def _paths(shape: schema.Shape, path: Path = ()) -> Iterator[Path]:
    """The paths of all fields below a model, nearest first within each level."""
    if shape.base is tuple:
        yield from _paths(schema.shape(shape.item), (*path, 0))
    elif shape.model is not None and issubclass(shape.model, schema.Model):
        inner = {name: schema.field_shape(info) for name, info in schema.fields(shape.model).items()}
        yield from ((*path, name) for name in inner)
        for name, part in inner.items():
            yield from _paths(part, (*path, name))


def _choice(details: ErrorDetails, place: _Place) -> Words:
    shape = place.shape(place.path)
    choices = shape.choices if shape else ()
    value = wording.shown(details["input"])
    if len(choices) == 1:
        return f"{value} is not supported", f"write {choices[0]}"
    meant = _closest(str(details["input"]), choices)
    return f"{value} is not one of {', '.join(choices)}", f"did you mean {meant}?" if meant else "write one of them"


def _closest(name: str, known: Sequence[str]) -> str:
    """The known name that was probably meant, in whatever case it was written, or nothing."""
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else ""


def _form(details: ErrorDetails, place: _Place) -> Words:
    what, hint = forms.FORMS[details["ctx"]["pattern"]]
    field = place.field()
    if details["input"] == "" and field is not None and not field.is_required():
        return "may not be empty", "leave it out"
    return f"{wording.shown(details['input'])} {what}", hint


def _text(details: ErrorDetails, place: _Place) -> Words:
    value, here = details["input"], place.shape(place.path)
    if not isinstance(value, (bool, int, float)):
        return f"{wording.shown(value)} is not a text", "write a text"
    form = next(here.find(schema.Text), None) if here else None
    if form is not None and not re.search(form.pattern, str(value)):
        return f"{wording.shown(value)} {forms.FORMS[form.pattern][0]}", forms.FORMS[form.pattern][1]
    return f"{wording.shown(value)} is not a text", f'write it in quotes: "{wording.shown(value)}"'


def _list(details: ErrorDetails, _place: _Place) -> Words:
    value = details["input"]
    hint = f"write [{json.dumps(value)}]" if isinstance(value, (str, bool, int, float)) else "write a list"
    return f"{wording.shown(value)} is not a list", hint


def _refused(details: ErrorDetails, _place: _Place) -> Words:
    return str(details["ctx"]["message"]), str(details["ctx"]["hint"])


def _own_words(details: ErrorDetails, _place: _Place) -> Words:
    return str(details["ctx"]["error"]), ""


def _kind(what: str, hint: str) -> Callable[[ErrorDetails, _Place], Words]:
    return lambda details, _place: (f"{wording.shown(details['input'])} is not {what}", hint)


def _limit(words: str, advice: str, key: str) -> Callable[[ErrorDetails, _Place], Words]:
    def describe(details: ErrorDetails, _place: _Place) -> Words:
        limit = details["ctx"][key]
        return f"{wording.shown(details['input'])} is {words} {limit}", f"write {advice} {limit}"

    return describe


def _too_many(details: ErrorDetails, _place: _Place) -> Words:
    limit = details["ctx"]["max_length"]
    return f"has {len(details['input'])} entries", f"write at most {limit}"


def _too_long(details: ErrorDetails, _place: _Place) -> Words:
    return f"{wording.shown(details['input'])} is too long", f"write at most {details['ctx']['max_length']} characters"


def _empty(_details: ErrorDetails, place: _Place) -> Words:
    example = place.example()
    return "may not be empty", f"write {example}" if example else f"write a {place.path[-1]}"


def _other(details: ErrorDetails, _place: _Place) -> Words:
    return f"{wording.shown(details['input'])} is refused", details["msg"]


_WORDS: dict[str, Callable[[ErrorDetails, _Place], Words]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _choice,
    "string_pattern_mismatch": _form,
    "string_type": _text,
    "refused": _refused,
    "value_error": _own_words,
    "int_type": _kind("a whole number", "write a whole number without quotes"),
    "int_parsing": _kind("a whole number", "write a whole number without quotes"),
    "int_from_float": _kind("a whole number", "write a whole number"),
    "bool_type": _kind("true or false", "write true or false without quotes"),
    "bool_parsing": _kind("true or false", "write true or false without quotes"),
    "tuple_type": _list,
    "invalid_key": _kind("the name of a field", "write field names as text"),
    "dict_type": _kind("a map", "write names and values"),
    "model_type": _kind("an object", "write fields and values"),
    "model_attributes_type": _kind("an object", "write fields and values"),
    "greater_than_equal": _limit("less than", "at least", "ge"),
    "less_than_equal": _limit("more than", "at most", "le"),
    "too_long": _too_many,
    "string_too_long": _too_long,
    "string_too_short": _empty,
}


def _written(path: Path) -> str:
    """A path as people write it: `spec.taints[0].key`, `metadata.labels[example.com/team]`."""
    text = ""
    for part in path:
        if isinstance(part, int) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
