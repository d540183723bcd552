"""YAML as kubectl reads it: what texts mean, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.snapshot import yamltext

MEANINGS: list[tuple[str, Any]] = [
    # Words of YAML 1.1.
    ("true", True),
    ("yes", True),
    ("On", True),
    ("y", True),
    ("no", False),
    ("OFF", False),
    ("n", False),
    ("~", None),
    ("null", None),
    ("", None),
    ("tRUE", "tRUE"),
    ("nginx", "nginx"),
    # Numbers, in every base that Go reads.
    ("0", 0),
    ("-12", -12),
    ("+12", 12),
    ("1_000", 1000),
    ("017", 15),
    ("0o17", 15),
    ("0x1F", 31),
    ("-0b101", -5),
    ("08", 8.0),
    ("0.5", 0.5),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("1E-2", 0.01),
    ("123456789012345678901234567890", 123456789012345678901234567890),
    # Looks like a number and is none.
    ("100m", "100m"),
    ("1Gi", "1Gi"),
    ("1.2.3", "1.2.3"),
    (".", "."),
    ("0x", "0x"),
    (".inf", ".inf"),
    ("1e999", "1e999"),
    # Timestamps and base-60 numbers stay texts.
    ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00Z"),
    ("2026-05-01", "2026-05-01"),
    ("12:30:45", "12:30:45"),
    # Quotes and tags.
    ('"yes"', "yes"),
    ("'1'", "1"),
    ("!!str 1", "1"),
    ("!!int 7", 7),
    ("!!float 7", 7),
]


def load(text: str | bytes) -> list[Any]:
    return list(yamltext.documents(text if isinstance(text, bytes) else text.encode()))


@pytest.mark.parametrize(("text", "value"), MEANINGS)
def test_meaning_of_a_scalar(text: str, value: Any) -> None:
    """Values and list entries mean what they mean to kubectl, types included."""
    assert load(f"key: {text}") == [{"key": value}]
    assert type(load(f"key: {text}")[0]["key"]) is type(value)
    assert load(f"- {text}\n- x") == [[value, "x"]]


@pytest.mark.parametrize(
    ("text", "keys"),
    [("on: 1", ["true"]), ("no: 1", ["false"]), ("8080: 1", ["8080"]), ("1.5: 1", ["1.5"]), ("'<<': 1", ["<<"])],
)
def test_keys_are_texts(text: str, keys: list[str]) -> None:
    """A key that is a boolean or a number becomes its JSON text."""
    assert list(load(text)[0]) == keys


def test_several_documents() -> None:
    """Documents come one by one, empty ones as None."""
    assert load("a: 1\n---\n---\n# nothing\n---\n- 2\n...\n") == [{"a": 1}, None, None, [2]]


def test_encodings() -> None:
    """UTF-8 with and without a mark, and UTF-16 as PowerShell writes it."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert load("näme: é".encode(encoding)) == [{"näme": "é"}]


def test_aliases_and_merges() -> None:
    """Aliases repeat a value; `<<` merges mappings, own keys first, then the earlier source."""
    text = """
first: &first {one: 1, two: 1}
second: &second {two: 2, three: 2}
list: [*first, *second]
merged: {<<: [*first, *second], three: 3}
"""
    (document,) = load(text)

    assert document["list"] == [{"one": 1, "two": 1}, {"two": 2, "three": 2}]
    assert document["merged"] == {"one": 1, "two": 1, "three": 3}


def test_block_scalars() -> None:
    """Texts of several lines keep their lines."""
    assert load("a: |\n  one\n  two\nb: >-\n  one\n  two\n") == [{"a": "one\ntwo\n", "b": "one two"}]


REFUSED = [
    ("a: 1\nb: 2\na: 3", 'line 3: the key "a" stands twice in one mapping'),
    ("on: 1\ntrue: 2", 'line 2: the key "true" stands twice in one mapping'),
    ("<<: {a: 1}\n<<: {b: 1}", 'line 2: the key "<<" stands twice in one mapping'),
    ("a: *b", "line 1: *b is used before &b is complete"),
    ("a: &a [*a]", "line 1: *a is used before &a is complete"),
    ("a: !Ref b", 'line 1: the tag "!Ref" has no meaning here'),
    ("a: !!set {b}", 'line 1: the tag "!!set" has no meaning here'),
    ("a: !!int x", 'line 1: "x" is no !!int'),
    ("a: !!float yes", 'line 1: "yes" is no !!float'),
    ("? [a]\n: b", "line 1: a key is a mapping or a list"),
    ("~: b", "line 1: a key is empty"),
    ("{<<: 1}", "line 1: << merges what is no mapping"),
    ("a: 'b", "line 1, column 6: not valid YAML (while scanning a quoted scalar: found unexpected end of stream)"),
    ("a: [b, c", "line 2, column 1: not valid YAML (while parsing a flow sequence: did not find expected ',' or ']')"),
    ("a: b: c", "line 1, column 5: not valid YAML (mapping values are not allowed in this context)"),
    (b"a: \xff", "byte 4: invalid leading UTF-8 octet"),
    (b"a: \x01", "byte 4: control characters are not allowed"),
    ("[" * 300, "line 1: nested more than 200 levels deep"),
    ("- " * 300, "line 1: nested more than 200 levels deep"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refused(text: str | bytes, message: str) -> None:
    """What is wrong, and in which line."""
    with pytest.raises(yamltext.YamlError) as refusal:
        load(text)

    assert refusal.value.message == message
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a:\n\tb: 1", "indent with blanks, not with tabs"),
        ("a: {{ .Values.x }}", "write a text, and render templates first"),
        ("a: b\n{{- end }}", "this looks like a template: render it first, for instance with helm template"),
        ("a: [1,", "the text ends too early: is the file complete?"),
        ("a: b: c\nd: e", "correct the text there"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    """The usual mistakes are recognised."""
    with pytest.raises(yamltext.YamlError) as refusal:
        load(text)

    assert refusal.value.hint == hint


def test_documents_before_a_mistake_are_given() -> None:
    """Reading stops at the mistake, not before."""
    documents = yamltext.documents(b"a: 1\n---\nb: 2\nb: 3\n")

    assert next(documents) == {"a": 1}
    with pytest.raises(yamltext.YamlError, match="line 4"):
        next(documents)


def test_aliases_that_multiply_are_refused() -> None:
    """Nine anchors of nine aliases each would be a billion values."""
    levels = [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    bomb = "\n".join(["a: &a [x, x, x, x, x, x, x, x, x]", *levels])

    with pytest.raises(yamltext.YamlError, match="aliases repeat more than 100000 values"):
        load(bomb)


def test_merges_that_multiply_are_refused() -> None:
    """Merges count like aliases."""
    fields = ", ".join(f"k{number}: 1" for number in range(1000))
    bomb = f"a: &a {{{fields}}}\n" + "".join(f"b{number}: {{<<: *a}}\n" for number in range(60))

    with pytest.raises(yamltext.YamlError, match="aliases repeat more than 100000 values"):
        load(bomb)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<é: #", max_size=4), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    """Every JSON text is read as JSON reads it."""
    assert load(json.dumps(value, ensure_ascii=False)) == [value]


WORDS = (
    *("1234e56", "12e03", "1e3", "3E5", "0x1F", "1_000", "017", "0o17", "0b11", "1.5", ".5", "+1", "-0", "1.", "1e999"),
    *("y", "n", "on", "Yes", "NO", "~", "null", "", "true", "inf", ".inf", "NaN", "2026-01-01", "12:30:45", "=", "<<"),
    *("- a", "a: b", "a\nb\n", " a", "é", "#", "a #b", "*a", "&a", "!a", "%a", "@a", "`a", "'", '"', "\t", "7d5f6e8c9"),
    *("x" * 300, "a " * 100),
)


@pytest.mark.parametrize("word", WORDS)
def test_texts_are_written_so_that_they_stay_texts(word: str) -> None:
    """As values and as keys, in lists and in mappings; kubectl reads what is written here as `documents` does."""
    value = {"kind": word, word or "empty": [word, {"a": word}]}

    assert list(yamltext.documents(yamltext.dump([value, value]).encode())) == [value, value]


def test_other_values_are_written_in_full() -> None:
    """Numbers, booleans and nothing; what stands twice is written twice."""
    shared: list[Any] = [1, 1.5, True, None, {}]
    text = yamltext.dump([{"a": shared, "b": shared}])

    assert list(yamltext.documents(text.encode())) == [{"a": shared, "b": shared}]
    assert "&" not in text
