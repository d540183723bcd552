"""Kubeconfigs that are no help: one sentence that names the file."""

from __future__ import annotations

import pathlib

import pytest

from controller.kube import api as apis

GOOD = """\
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {token: x}}]
"""


def test_a_kubeconfig(tmp_path: pathlib.Path) -> None:
    """One that says where the cluster is."""
    path = tmp_path / "config"
    path.write_text(GOOD)

    assert apis.connection(str(path), "a").host == "https://127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file is empty"),
        ("a: [", "while parsing a flow node"),
        ("hello", "does not support item assignment"),
        ("[]", "list indices"),
        (GOOD.replace("name: a, context", "name: b, context"), "Expected object with name a"),
        (GOOD.replace('"https://127.0.0.1:1"', "5"), "'int' object"),
    ],
)
def test_a_kubeconfig_that_is_none(tmp_path: pathlib.Path, text: str, words: str) -> None:
    """Whatever is wrong with it, the file and the way out are named, in one line."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(apis.UnreachableError) as refusal:
        apis.connection(str(path), None)

    said = str(refusal.value)
    assert said.startswith(f"no access to a cluster: {path}: ")
    assert words in said
    assert said.endswith("; give --kubeconfig and --context, or run inside one")
    assert "\n" not in said
