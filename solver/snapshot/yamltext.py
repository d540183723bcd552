"""
YAML as Kubernetes reads it, as plain JSON values; and written so that Kubernetes reads it back.

libyaml finds the events, and the values are built straight from them: no nodes, no tags, no Python objects. Plain
scalars mean what they mean to kubectl (sigs.k8s.io/yaml): booleans, numbers and null of YAML 1.1, among them `yes`,
`on`, `y`, `0x1F`, `017` and `1_000`; timestamps and base-60 numbers stay texts. Keys are texts. `<<` merges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

DEPTH = 200
"""Deepest nesting of mappings and lists. CustomResourceDefinitions, the deepest objects there are, need about 50."""

ALIASED = 100_000
"""How many values of one document aliases and merges may repeat. Manifests written by people repeat a few hundred."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]{1,32})|0[bB]([01]{1,128})|0[oO]?([0-7]{1,48})|([1-9][0-9]{0,40}|0))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"
_MERGE_KEY = "<<"
_MERGE = "\0<<"
"""Key under which the value of a merge waits; no text of a YAML file has a NUL."""


class YamlError(ValueError):
    """
    The text is not YAML that can be read; `message` says what and in which line, `hint` what to do.

    `line` counts from 1 and is None when it is not known.
    """

    def __init__(self, message: str, hint: str = "", line: int | None = None) -> None:
        self.message, self.hint, self.line = message, hint, line
        super().__init__(f"{message}; {hint}" if hint else message)


def documents(text: bytes) -> Iterator[Any]:
    """
    The documents of a text in UTF-8 or UTF-16, one after the other, as dict, list, str, int, float, bool or None.

    Raises `YamlError` at the first thing that cannot be read; the documents before it have been given by then.
    """
    try:
        loader = _Loader(text)
        try:
            yield from _documents(loader)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        raise YamlError(
            f"byte {error.position + 1}: {error.reason}", "write plain UTF-8 text without control characters"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from None


def _documents(loader: Any) -> Iterator[Any]:  # noqa: C901 - one branch for each kind of event
    get_event = loader.get_event
    scalars: dict[str, Any] = {}
    anchors: dict[str, tuple[Any, int]] = {}
    stack: list[tuple[Any, str | None, str | None, int]] = []
    current: Any = []
    key: str | None = None
    anchor: str | None
    count = start = aliased = 0
    while True:
        event = get_event()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value = event.value
            if event.implicit[0]:
                if value in scalars:
                    value = scalars[value]
                else:
                    value = scalars[value] = plain(value)
            elif event.tag and event.tag != "!":
                value = _tagged(event)
            count += 1
            if event.anchor:
                anchors[event.anchor] = (value, 1)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if len(stack) >= DEPTH:
                raise _error(event, f"nested more than {DEPTH} levels deep", "no Kubernetes object is")
            if event.tag and event.tag not in ("!", f"{_TAG}map", f"{_TAG}seq"):
                raise _unknown_tag(event)
            if key is None and type(current) is dict:
                raise _error(event, "a key is a mapping or a list", "write a text, and render templates first")
            stack.append((current, key, event.anchor, start))
            current, key, start = ({} if kind is yaml.MappingStartEvent else []), None, count
            continue
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            value = current
            if kind is yaml.MappingEndEvent and _MERGE in current:
                aliased += _merge(current, event)
            current, key, anchor, before = stack.pop()
            count += 1
            if anchor:
                anchors[anchor] = (value, count - start)
            start = before
        elif kind is yaml.AliasEvent:
            if event.anchor not in anchors:
                raise _error(
                    event,
                    f"*{event.anchor} is used before &{event.anchor} is complete",
                    "put the anchor before its aliases, not around them",
                )
            value, size = anchors[event.anchor]
            count += size
            aliased += size
        elif kind is yaml.DocumentStartEvent:
            current, key, count, start, aliased = [], None, 0, 0, 0
            anchors.clear()
            continue
        elif kind is yaml.DocumentEndEvent:
            yield current[0]
            continue
        elif kind is yaml.StreamEndEvent:
            return
        else:
            continue
        if aliased > ALIASED:
            raise _error(event, f"aliases repeat more than {ALIASED} values", "write the values out")
        if type(current) is list:
            current.append(value)
        elif key is None:
            key = value if type(value) is str else _key(value, event)
            if key == _MERGE_KEY and kind is yaml.ScalarEvent and event.implicit[0]:
                key = _MERGE
            if key in current:
                shown = _MERGE_KEY if key == _MERGE else key
                raise _error(event, f'the key "{shown}" stands twice in one mapping', "keep one of the two")
        else:
            current[key] = value
            key = None


def plain(text: str) -> Any:
    """What a scalar without quotes and tag means to Kubernetes."""
    first = text[:1]
    if first not in "+-.0123456789" or not first:
        return _WORDS.get(text, text)
    digits = text.replace("_", "") if first != "." else text
    match = _INTEGER.fullmatch(digits)
    if match is not None:
        sign, hexadecimal, binary, octal, decimal = match.groups()
        bases = ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10))
        amount = next(int(part, base) for part, base in bases if part is not None)
        return -amount if sign == "-" else amount
    if _FLOAT.fullmatch(digits) is not None:
        number = float(digits)
        return number if abs(number) != float("inf") else text
    return text


def _tagged(event: Any) -> Any:
    name = event.tag.removeprefix(_TAG)
    value = event.value
    if name in ("str", "binary", "timestamp"):
        return value
    meant = plain(value)
    kinds: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
    if name not in kinds:
        raise _unknown_tag(event)
    if not isinstance(meant, kinds[name]) or (isinstance(meant, bool) and name != "bool"):
        raise _error(event, f'"{value}" is no !!{name}', "leave the tag out")
    return meant


def _key(value: Any, event: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise _error(event, f"a key is {'empty' if value is None else 'no text'}", "write a text as key")


def _merge(mapping: dict[str, Any], event: Any) -> int:
    """Resolves `<<` in place: own keys go first, then those of earlier sources. Returns how many were added."""
    given = mapping.pop(_MERGE)
    sources = given if isinstance(given, list) else [given]
    size = len(mapping)
    for source in sources:
        if not isinstance(source, dict):
            raise _error(event, "<< merges what is no mapping", "give it a mapping or several")
        for key, value in source.items():
            mapping.setdefault(key, value)
    return len(mapping) - size


def _error(event: Any, message: str, hint: str) -> YamlError:
    line = int(event.start_mark.line) + 1
    return YamlError(f"line {line}: {message}", hint, line)


def _unknown_tag(event: Any) -> YamlError:
    tag = f"!!{event.tag.removeprefix(_TAG)}" if event.tag.startswith(_TAG) else event.tag
    return _error(event, f'the tag "{tag}" has no meaning here', "leave it out")


def _syntax_error(error: yaml.MarkedYAMLError, text: bytes) -> YamlError:
    what = ": ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark
    if mark is None:
        return YamlError(f"not valid YAML ({what})")
    lines = text.split(b"\n", mark.line)
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else b""
    if rest.startswith(b"\t"):
        hint = "indent with blanks, not with tabs"
    elif b"{{" in text:
        hint = "this looks like a template: render it first, for instance with helm template"
    elif not rest.strip():
        hint = "the text ends too early: is the file complete?"
    else:
        hint = "correct the text there"
    return YamlError(f"line {mark.line + 1}, column {mark.column + 1}: not valid YAML ({what})", hint, mark.line + 1)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes every value in full, and in quotes each text that Kubernetes would take for something else."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    # PyYAML quotes what PyYAML reads otherwise: not y and n, and not 1234e56, which is a commit here and a number there.
    style = None if isinstance(plain(text), str) else "'"
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(values: Iterable[Any]) -> str:
    """Documents of plain JSON values, keys in their order, as `documents` reads them back."""
    return str(yaml.dump_all(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
