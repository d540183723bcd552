"""
What pydantic found wrong with the shape of a manifest, in words: what it is, and what to write instead.

Each kind of error has a function in `_WORDS`; a hint is taken from the model wherever it knows one.
"""

import datetime
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from crds import forms, schema, wording

Path = wording.Path
Words = tuple[str, str]


def words(model: type[schema.Model], path: Path, details: ErrorDetails) -> Words:
    """Message and hint for one error of pydantic at a path of a manifest."""
    return _WORDS.get(details["type"], _other)(details, _Place(model, path))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a model something is wrong."""

    root: type[schema.Model]
    path: Path

    def shape(self, path: Path) -> schema.Shape | None:
        """What the model says about the value at a path."""
        at: schema.Shape | None = schema.model_shape(self.root)
        for part in path:
            if at is None:
                return None
            if at.model is not None:
                field = schema.fields(at.model).get(str(part))
                at = field.shape if field else None
            else:
                at = at.item
        return at

    def field(self) -> FieldInfo | None:
        """The field, if the last part of the path names one."""
        parent = self.shape(self.path[:-1])
        field = schema.fields(parent.model).get(str(self.path[-1])) if parent and parent.model else None
        return field.info if field else None

    def example(self) -> str:
        """What could be written here."""
        field = self.field()
        if field is not None and field.examples:
            return str(field.examples[0])
        here = self.shape(self.path)
        return here.choices[0] if here and here.choices else ""


def _missing(_details: ErrorDetails, place: _Place) -> Words:
    name, example, here = place.path[-1], place.example(), place.shape(place.path)
    if here is not None and here.model is not None:
        needed = [part for part, field in schema.fields(here.model).items() if field.info.is_required()]
        return "is missing", f"write {name} with {', '.join(needed)}"
    return "is missing", f"write {name}: {example}" if example else f"write {name}"


def _unknown(_details: ErrorDetails, place: _Place) -> Words:
    name = str(place.path[-1])
    parent = place.shape(place.path[:-1])
    siblings = list(schema.fields(parent.model)) if parent and parent.model else []
    if meant := wording.closest(name, siblings):
        return "is not a field", f"did you mean {meant}?"
    elsewhere = [wording.path(path) for path in _paths(schema.model_shape(place.root)) if path[-1] == name]
    if elsewhere and name != "apiVersion":
        return "is not a field here", f"it belongs at {elsewhere[0]}"
    return "is not a field", "remove it; fields here are " + ", ".join(siblings)


def _paths(shape: schema.Shape, path: Path = ()) -> Iterator[Path]:
    """The paths of all fields below a model, nearest first within each level."""
    if shape.base is tuple and shape.item is not None:
        yield from _paths(shape.item, (*path, 0))
    elif shape.model is not None and issubclass(shape.model, schema.Model):
        inner = schema.fields(shape.model)
        yield from ((*path, name) for name in inner)
        for name, field in inner.items():
            yield from _paths(field.shape, (*path, name))


def _choice(details: ErrorDetails, place: _Place) -> Words:
    shape = place.shape(place.path)
    choices = shape.choices if shape else ()
    value = wording.shown(details["input"])
    if len(choices) == 1:
        return f"{value} is not supported", f"write {choices[0]}"
    meant = wording.closest(str(details["input"]), choices)
    return f"{value} is not one of {', '.join(choices)}", f"did you mean {meant}?" if meant else "write one of them"


def _form(details: ErrorDetails, place: _Place) -> Words:
    what, hint = forms.FORMS[details["ctx"]["pattern"]]
    field = place.field()
    if details["input"] == "" and field is not None and not field.is_required():
        return "may not be empty", "leave it out"
    return f"{wording.shown(details['input'])} {what}", hint


def _text(details: ErrorDetails, place: _Place) -> Words:
    value, here = details["input"], place.shape(place.path)
    if not isinstance(value, (bool, int, float, datetime.date)):
        return f"{wording.shown(value)} is not a text", "write a text"
    form = next(here.find(schema.Text), None) if here else None
    if form is not None and not re.search(form.pattern, str(value)):
        return f"{wording.shown(value)} {forms.FORMS[form.pattern][0]}", forms.FORMS[form.pattern][1]
    # 1.10 and 1e3 are read as 1.1 and 1000.0.
    hint = (
        "put what is written there in quotes"
        if isinstance(value, float)
        else f'write it in quotes: "{wording.shown(value)}"'
    )
    return f"{wording.shown(value)} is not a text", hint


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
