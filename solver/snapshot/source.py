"""
Files, directories and standard input as raw objects: manifests as plain JSON values, each with its place.

YAML of several documents, JSON (also several objects one after the other) and lists (`kind: List`, `PodList`, ...) come
out alike. What cannot be read is refused with one sentence; reading goes on, so that all problems are found at once.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from solver.snapshot import errors, yamltext

STANDARD_INPUT = "standard input"

SIZE = 512 * 2**20
"""Most bytes that one file may have; 50,000 pods as kubectl writes them are half of it."""

SUFFIXES = (".yaml", ".yml", ".json")
"""Names of files that are read from directories."""

_BLANKS = re.compile(r"\s*")
_MISTAKES = 20
"""After how many documents of one file that are not YAML the rest is left unread."""

_DOCUMENT = re.compile(rb"^---(?=\s)", re.MULTILINE)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8 = b"\xef\xbb\xbf"


@dataclasses.dataclass(slots=True)
class RawObject:
    """
    One manifest, not to be changed; `synthetic` ones stand for a workload's replicas.

    `group` is the API group, empty for the core group. `namespace` and `name` are empty where the manifest has none (or
    no text).
    """

    origin: errors.Origin
    manifest: dict[str, Any]
    kind: str
    group: str
    namespace: str
    name: str
    synthetic: bool = False


def raw_object(manifest: dict[str, Any], place: errors.Origin, *, synthetic: bool = False) -> RawObject:
    """A manifest that has a kind and an API version, found in the file and document of `place`."""
    metadata = manifest.get("metadata")
    namespace, name = "", ""
    if isinstance(metadata, dict):
        namespace, name = _text(metadata.get("namespace")), _text(metadata.get("name"))
    kind = manifest["kind"]
    origin = errors.Origin(place.file, place.document, kind, f"{namespace}/{name}" if namespace else name)
    group = manifest["apiVersion"].rpartition("/")[0]
    return RawObject(origin, manifest, kind, group, namespace, name, synthetic)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def load(
    paths: Sequence[str], stdin: TextIO | None, problems: list[errors.Problem], notes: list[str] | None = None
) -> list[RawObject]:
    """
    The objects of all `paths` (files, directories, "-" for `stdin`) in order; a file that is named twice is read once.

    What cannot be read is appended to `problems`, what is passed over to `notes`.
    """
    objects: list[RawObject] = []
    seen: set[str] = set()
    for path in paths:
        for name, data in _texts(path, stdin, seen, problems):
            found = parse(name, data, problems)
            if found is not None:
                objects += found
                continue
            what = "holds no Kubernetes object" if data.strip() else "is empty"
            if name in (path, STANDARD_INPUT):
                _wrong(problems, name, what, "give a file with Kubernetes manifests")
            elif notes is not None:
                notes.append(f"{name} {what} and was passed over")
    return objects


def parse(name: str, data: bytes, problems: list[errors.Problem]) -> list[RawObject] | None:
    """
    The objects of one text, None when it has no document; `name` is what messages call it.

    A list without items is a document: kubectl answers with it where there is nothing.
    """
    documents = _documents(name, data)
    if all(document is None for document in documents):
        return None
    objects: list[RawObject] = []
    for number, document in enumerate(documents, start=1):
        origin = errors.Origin(name, number if len(documents) > 1 else None)
        if isinstance(document, _Unread):
            problems.append(errors.Problem(origin, "", document.message, document.hint))
        elif document is not None:
            objects += _objects(document, origin, problems)
    return objects


def wrap(manifests: Iterable[dict[str, Any]], name: str, problems: list[errors.Problem]) -> list[RawObject]:
    """Manifests that are in memory already, as raw objects; lists are taken apart."""
    return [found for manifest in manifests for found in _objects(manifest, errors.Origin(name), problems)]


def _texts(
    path: str, stdin: TextIO | None, seen: set[str], problems: list[errors.Problem]
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each text that a path stands for."""
    if path == "-":
        if stdin is None:
            _wrong(problems, STANDARD_INPUT, "is not open", "pipe manifests into it, or give a file")
        elif STANDARD_INPUT not in seen:
            seen.add(STANDARD_INPUT)
            yield from _checked(STANDARD_INPUT, _read_stream(stdin), problems)
        return
    where = pathlib.Path(path)
    try:
        files = sorted(_manifests(where)) if where.is_dir() else [where]
        if not files:
            _wrong(
                problems,
                path,
                f"no manifests in this directory ({', '.join(SUFFIXES)})",
                "give another directory or a file",
            )
        for file in files:
            real = os.path.realpath(file)
            if real in seen:
                continue
            seen.add(real)
            with file.open("rb") as stream:
                yield from _checked(str(file) if where.is_dir() else path, stream.read(SIZE + 1), problems)
    except FileNotFoundError:
        if "://" in path:
            _wrong(problems, path, "is a URL", "fetch it first: curl -sL URL | karpenter-ovhcloud solve -f -")
        else:
            _wrong(problems, path, "no such file or directory", "check the path")
    except (OSError, ValueError) as error:
        _wrong(
            problems,
            path,
            f"cannot be read ({getattr(error, 'strerror', None) or error})",
            "check the path and its permissions",
        )


def _manifests(directory: pathlib.Path) -> Iterator[pathlib.Path]:
    def stop(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(directory, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield pathlib.Path(folder, name)


def _read_stream(stream: TextIO) -> bytes:
    binary = getattr(stream, "buffer", None)
    data = binary.read(SIZE + 1) if binary is not None else stream.read(SIZE + 1)
    return data if isinstance(data, bytes) else data.encode()


def _checked(name: str, data: bytes, problems: list[errors.Problem]) -> Iterator[tuple[str, bytes]]:
    if len(data) > SIZE:
        _wrong(
            problems,
            name,
            f"is larger than {SIZE // 2**20} MiB",
            "split it into several files, or leave out what is not needed",
        )
    elif data[:2] not in _UTF16 and b"\0" in data:
        _wrong(problems, name, "is a binary file", "give manifests as YAML or JSON text")
    else:
        yield name, data


@dataclasses.dataclass(frozen=True, slots=True)
class _Unread:
    """A document that cannot be read, and why."""

    message: str
    hint: str


def _documents(name: str, data: bytes) -> list[Any]:
    """The documents of a text in order, `_Unread` ones among them."""
    is_json = name.lower().endswith(".json")
    if is_json or data.removeprefix(_UTF8).lstrip()[:1] in (b"{", b"["):
        try:
            return list(_json(data))
        except _JsonError as error:
            if is_json or not error.maybe_yaml:
                return [_Unread(str(error), error.hint)]
    documents: list[Any] = []
    start = 0
    for _ in range(_MISTAKES):
        # Empty lines stand for what has been read, so that line numbers stay right.
        text = b"\n" * data.count(b"\n", 0, start) + data[start:] if start else data
        try:
            for document in yamltext.documents(text):
                documents.append(document)
            break
        except yamltext.YamlError as error:
            documents.append(_Unread(error.message, error.hint))
            following = _next_document(data, error.line, start)
            if following is None:
                break
            start = following
    return documents


def _next_document(data: bytes, line: int | None, start: int) -> int | None:
    """Where the document begins that follows a mistake in `line`, None when there is none."""
    if line is None:
        return None
    position = 0
    for _ in range(line - 1):
        position = data.find(b"\n", position) + 1
        if not position:
            return None
    mark = _DOCUMENT.search(data, max(position, start + 1))
    return mark.start() if mark is not None else None


class _JsonError(ValueError):
    def __init__(self, message: str, hint: str, *, maybe_yaml: bool = False) -> None:
        super().__init__(message)
        self.hint, self.maybe_yaml = hint, maybe_yaml


def _json(data: bytes) -> Iterator[Any]:
    """JSON values that follow one another."""
    try:
        text = data.decode("utf-16" if data[:2] in _UTF16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _JsonError(f"byte {error.start + 1} is not UTF-8", "write UTF-8 text") from None
    position = _blanks(text, 0)
    while position < len(text):
        try:
            value, end = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            early = "the text ends too early: is the file complete?"
            hint = early if not text[error.pos :].strip() else "correct the text there"
            message = f"line {error.lineno}, column {error.colno}: not valid JSON ({error.msg})"
            raise _JsonError(message, hint, maybe_yaml=True) from None
        except RecursionError:
            raise _JsonError("nested too deeply", "no Kubernetes object is") from None
        except _JsonError:
            raise
        except ValueError as error:
            raise _JsonError(f"not valid JSON ({error})", "correct the text") from None
        yield value
        position = _blanks(text, end)


def _blanks(text: str, position: int) -> int:
    """Where the blanks end that start at `position`."""
    match = _BLANKS.match(text, position)
    return match.end() if match is not None else position


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for index, key in enumerate(names) if key in names[:index])
        raise _JsonError(f'the key "{twice}" stands twice in one object', "keep one of the two")
    return mapping


def _constant(name: str) -> Any:
    raise _JsonError(f"{name} is no JSON number", "write a number")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _JsonError(f"{text} is larger than any number can be", "write a smaller number")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def _objects(document: Any, origin: errors.Origin, problems: list[errors.Problem]) -> Iterator[RawObject]:
    """The object that a document is, or those of the list that it is, lists within lists included."""
    waiting = [(document, "")]
    while waiting:
        manifest, field = waiting.pop()
        problem = _no_object(manifest, origin, field)
        if problem is not None:
            problems.append(problem)
        elif "items" in manifest and manifest["kind"].endswith("List"):
            items = manifest["items"]
            if items is not None and not isinstance(items, list):
                problems.append(errors.Problem(origin, f"{field}items", "is not a list", "write the objects as a list"))
            else:
                waiting += reversed(_items(manifest, items or [], field))
        else:
            yield raw_object(manifest, origin)


def _items(manifest: dict[str, Any], items: list[Any], field: str) -> list[tuple[Any, str]]:
    """The items of a list; those of a PodList, which the API gives without kind, are Pods, and so on."""
    kind = manifest["kind"].removesuffix("List")
    if kind:
        given = {"apiVersion": manifest["apiVersion"], "kind": kind}
        items = [given | item if isinstance(item, dict) else item for item in items]
    return [(item, f"{field}items[{index}].") for index, item in enumerate(items)]


def _no_object(manifest: Any, origin: errors.Origin, field: str) -> errors.Problem | None:
    if not isinstance(manifest, dict):
        names = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
        what = names.get(type(manifest), "empty")
        hint = "write a mapping with apiVersion, kind and metadata"
        return errors.Problem(origin, field.rstrip("."), f"is {what}, not a Kubernetes object", hint)
    for key, example in (("kind", "kind: Pod"), ("apiVersion", "apiVersion: v1")):
        value = manifest.get(key)
        if not isinstance(value, str) or not value:
            cut = key == "kind" and "items" in manifest
            hint = "is the file complete?" if cut else f'write it, for instance "{example}"'
            message = "is missing" if value is None or value == "" else "is not a text"
            return errors.Problem(_named(manifest, origin), f"{field}{key}", message, hint)
    return None


def _named(manifest: dict[str, Any], origin: errors.Origin) -> errors.Origin:
    kind, metadata = manifest.get("kind"), manifest.get("metadata")
    name = namespace = None
    if isinstance(metadata, dict):
        name, namespace = metadata.get("name"), metadata.get("namespace")
    shown = "/".join(part for part in (namespace, name) if isinstance(part, str) and part)
    return errors.Origin(origin.file, origin.document, kind if isinstance(kind, str) else "", shown)


def _wrong(problems: list[errors.Problem], name: str, message: str, hint: str) -> None:
    problems.append(errors.Problem(errors.Origin(name), "", message, hint))
