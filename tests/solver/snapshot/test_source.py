"""Where objects come from: files, directories, standard input; YAML, JSON, lists."""

from __future__ import annotations

import io
import json
import os
import pathlib
import threading

import pytest

from solver.snapshot import errors, source
from tests.solver.snapshot import make

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"


def names(objects: list[source.RawObject]) -> list[str]:
    return [item.name for item in objects]


def load(*paths: str | pathlib.Path, stdin: str | None = None) -> tuple[list[source.RawObject], list[str], list[str]]:
    """Objects, problems and notes."""
    problems: list[errors.Problem] = []
    notes: list[str] = []
    objects = source.load([str(path) for path in paths], None if stdin is None else io.StringIO(stdin), problems, notes)
    return objects, [str(problem) for problem in problems], notes


def parse(text: str, name: str = "file.yaml") -> tuple[list[source.RawObject], list[str]]:
    problems: list[errors.Problem] = []
    return source.parse(name, text.encode(), problems) or [], [str(problem) for problem in problems]


def test_documents_know_their_number() -> None:
    """In a file of several documents each object knows its place; empty documents count, but are no objects."""
    objects, problems = parse(POD % "a" + "---\n---\n" + POD % "b")

    assert [item.origin.document for item in objects] == [1, 3]
    assert str(objects[1].origin) == "file.yaml, document 3, Pod b"
    assert problems == []


def test_a_single_document_has_no_number() -> None:
    """Messages about a file of one object do not speak of documents."""
    assert [str(item.origin) for item in parse(POD % "a")[0]] == ["file.yaml, Pod a"]


@pytest.mark.parametrize("name", ["list.yaml", "list.json"])
def test_lists_are_taken_apart(name: str) -> None:
    """`kind: List`, lists in lists, and what the API calls a PodList, whose items say nothing of their kind."""
    inner = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "b"}}, {"metadata": {"name": "c"}}]}
    outer = {"apiVersion": "v1", "kind": "List", "items": [make.pod("a"), inner, make.pod("d")]}
    objects, problems = parse(json.dumps(outer), name)

    assert names(objects) == ["a", "b", "c", "d"]
    assert {item.kind for item in objects} == {"Pod"}
    assert problems == []


def test_empty_lists_are_no_mistake() -> None:
    """`kubectl get` of nothing."""
    assert parse('{"apiVersion": "v1", "kind": "List", "items": []}') == ([], [])


def test_json_objects_may_follow_one_another() -> None:
    """As kubectl takes them."""
    assert names(parse(json.dumps(make.pod("a")) + "\n\n" + json.dumps(make.pod("b")))[0]) == ["a", "b"]


def test_flow_style_yaml_may_start_like_json() -> None:
    """A brace does not make it JSON."""
    assert names(parse("{apiVersion: v1, kind: Pod, metadata: {name: a}}")[0]) == ["a"]


def test_directories_are_read_recursively_and_in_order(tmp_path: pathlib.Path) -> None:
    """Manifests of all folders by path; other files and hidden ones are left alone."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for path, name in (("b.yaml", "b"), ("a.yml", "a"), ("sub/c.yaml", "c"), (".git/x.yaml", "x"), (".y.yaml", "y")):
        (tmp_path / path).write_text(POD % name)
    (tmp_path / "d.json").write_text(json.dumps(make.pod("d")))
    (tmp_path / "README.md").write_text("# not a manifest")

    assert names(load(tmp_path)[0]) == ["a", "b", "d", "c"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: pathlib.Path) -> None:
    """By itself, through its directory and through a link."""
    (tmp_path / "a.yaml").write_text(POD % "a")
    (tmp_path / "link.yaml").symlink_to("a.yaml")

    assert names(load(tmp_path / "a.yaml", tmp_path, tmp_path / "link.yaml")[0]) == ["a"]


def test_standard_input() -> None:
    """A dash stands for it, once."""
    objects, problems, _ = load("-", "-", stdin=POD % "a")

    assert names(objects) == ["a"]
    assert objects[0].origin.file == "standard input"
    assert problems == []


def test_pipes_are_files(tmp_path: pathlib.Path) -> None:
    """What a shell makes of `-f <(helm template shop)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(POD % "a",))
    writer.start()
    objects, _, _ = load(pipe)
    writer.join()

    assert names(objects) == ["a"]


def test_utf_16_of_powershell(tmp_path: pathlib.Path) -> None:
    """`kubectl get … > file` on Windows."""
    (tmp_path / "a.yaml").write_text(POD % "a", encoding="utf-16")
    (tmp_path / "b.json").write_text(json.dumps(make.pod("b")), encoding="utf-16")

    assert names(load(tmp_path)[0]) == ["a", "b"]


def test_empty_files_of_a_directory_are_passed_over_with_a_note(tmp_path: pathlib.Path) -> None:
    """Helm leaves such files behind; named explicitly they are a mistake."""
    (tmp_path / "a.yaml").write_text(POD % "a")
    (tmp_path / "b.yaml").write_text("")
    (tmp_path / "c.yaml").write_text("# nothing\n---\n")
    objects, problems, notes = load(tmp_path)

    assert names(objects) == ["a"]
    assert problems == []
    assert notes == [
        f"{tmp_path}/b.yaml is empty and was passed over",
        f"{tmp_path}/c.yaml holds no Kubernetes object and was passed over",
    ]


@pytest.mark.parametrize(
    "text", ["{apiVersion: v1, kind: List, items: []}", '{"apiVersion": "v1", "kind": "PodList", "items": null}']
)
def test_a_list_of_nothing_is_an_answer(tmp_path: pathlib.Path, text: str) -> None:
    """`kubectl get pods -o yaml` where there is no pod."""
    (tmp_path / "a.yaml").write_text(text)

    assert load(tmp_path / "a.yaml") == ([], [], [])


def test_all_files_are_read_however_broken_the_first(tmp_path: pathlib.Path) -> None:
    """Problems are collected over all files, and over all documents up to one that cannot be parsed."""
    (tmp_path / "a.yaml").write_text("a: b: c")
    (tmp_path / "b.yaml").write_text(POD % "ok" + "---\njust text\n---\nkind: Pod\n---\n- [")
    objects, problems, _ = load(tmp_path, tmp_path / "missing")

    assert names(objects) == ["ok"]
    assert problems == [
        (
            f"{tmp_path}/a.yaml: line 1, column 5: not valid YAML (mapping values are not allowed in this context); "
            "correct the text there"
        ),
        (
            f"{tmp_path}/b.yaml, document 2: is a text, not a Kubernetes object; "
            "write a mapping with apiVersion, kind and metadata"
        ),
        f'{tmp_path}/b.yaml, document 3, Pod, apiVersion: is missing; write it, for instance "apiVersion: v1"',
        (
            f"{tmp_path}/b.yaml, document 4: line 10, column 1: not valid YAML (while parsing a flow node: did not "
            "find expected node content); the text ends too early: is the file complete?"
        ),
        f"{tmp_path}/missing: no such file or directory; check the path",
    ]


def test_reading_goes_on_behind_a_document_that_is_not_yaml(tmp_path: pathlib.Path) -> None:
    """At the next document mark, with the right numbers of documents and lines."""
    broken = ["a: b: c\n", "a: 1\na: 2\n", "a: 'open\n", "- [x\n"]
    (tmp_path / "a.yaml").write_text("---\n".join([POD % "first", *broken, POD % "last"]))
    objects, problems, _ = load(tmp_path / "a.yaml")

    assert names(objects) == ["first", "last"]
    assert objects[1].origin.document == 6
    assert [problem.removeprefix(f"{tmp_path}/a.yaml, document ").partition(": not")[0] for problem in problems] == [
        "2: line 5, column 5",
        '3: line 8: the key "a" stands twice in one mapping; keep one of the two',
        "4: line 11, column 1",
        "5: line 13, column 1",
    ]


def test_a_file_that_may_not_be_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's word, and where."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.yaml").write_text(POD % "a")
    monkeypatch.setattr(pathlib.Path, "open", refuse)

    assert load(tmp_path / "a.yaml")[1] == [
        f"{tmp_path}/a.yaml: cannot be read (Permission denied); check the path and its permissions"
    ]


def test_files_beyond_the_limit_are_not_parsed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless input such as /dev/zero ends at the limit."""
    monkeypatch.setattr(source, "SIZE", 1 << 20)

    assert load("/dev/zero")[1] == [
        "/dev/zero: is larger than 1 MiB; split it into several files, or leave out what is not needed"
    ]
