"""The calls on Node objects, against an API server that answers from a script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controller.simulator import cluster
from tests.controller.ovh import script
from tests.controller.ovh.script import Reply


@pytest.fixture
def answers() -> script.Script:
    return script.Script()


@pytest.fixture
def target(answers: script.Script, tmp_path: Path) -> Iterator[cluster.KubernetesCluster]:
    with script.serve(answers) as url:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "other",
            "clusters": [{"name": "here", "cluster": {"server": url}}],
            "users": [{"name": "me", "user": {"token": "token-1"}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "here", "user": "me"}},
                {"name": "other", "context": {"cluster": "none", "user": "me"}},
            ],
        }
        file = tmp_path / "kubeconfig"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        yield cluster.KubernetesCluster(str(file), "here")


def test_nodes_are_listed_page_by_page(answers: script.Script, target: cluster.KubernetesCluster) -> None:
    """All pages, with the context's token."""
    answers.queue = [
        Reply(body={"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "next/1"}}),
        Reply(body={"items": [{"metadata": {"name": "b"}}], "metadata": {}}),
    ]

    assert [node["metadata"]["name"] for node in target.nodes()] == ["a", "b"]
    assert [request.path for request in answers.requests] == [
        "/api/v1/nodes?limit=500",
        "/api/v1/nodes?limit=500&continue=next/1",
    ]
    assert answers.requests[0].headers["authorization"] == "Bearer token-1"


def test_writes_go_where_they_belong(answers: script.Script, target: cluster.KubernetesCluster) -> None:
    """A merge patch for the object, a strategic one for its status, so that conditions merge by type."""
    answers.queue = [Reply(201, {}), Reply(200, {}), Reply(200, {}), Reply(200, {})]

    assert target.create({"metadata": {"name": "a"}})
    assert target.patch("a", {"spec": {}}, status=False)
    assert target.patch("a", {"status": {}}, status=True)
    target.delete("a")

    assert [(r.method, r.path, r.headers.get("Content-Type")) for r in answers.requests] == [
        ("POST", "/api/v1/nodes", "application/json"),
        ("PATCH", "/api/v1/nodes/a", "application/merge-patch+json"),
        ("PATCH", "/api/v1/nodes/a/status", "application/strategic-merge-patch+json"),
        ("DELETE", "/api/v1/nodes/a", None),
    ]
    assert answers.requests[0].body == '{"metadata": {"name": "a"}}'


def test_what_somebody_else_did_first_is_no_error(answers: script.Script, target: cluster.KubernetesCluster) -> None:
    """Exists already, changed meanwhile, gone already."""
    answers.queue = [Reply(409, {}), Reply(409, {}), Reply(404, {}), Reply(404, {})]

    assert not target.create({"metadata": {"name": "a"}})
    assert not target.patch("a", {}, status=False)
    assert not target.patch("a", {}, status=True)
    target.delete("a")


def test_refusals_and_silence_are_one_error(answers: script.Script, target: cluster.KubernetesCluster) -> None:
    """With what was asked, and the server's words."""
    answers.queue = [Reply(403, {"message": "nodes is forbidden"}), Reply(500, raw=b"oops"), Reply(hang_up=True)]

    with pytest.raises(cluster.ClusterError, match="GET /api/v1/nodes: 403 nodes is forbidden"):
        target.nodes()
    with pytest.raises(cluster.ClusterError, match="POST /api/v1/nodes"):
        target.create({"metadata": {"name": "a"}})
    with pytest.raises(cluster.ClusterError, match="DELETE"):
        target.delete("a")


def test_a_kubeconfig_that_is_none_is_refused(tmp_path: Path) -> None:
    """One sentence with the file's name."""
    with pytest.raises(cluster.ClusterError, match="nowhere cannot be used"):
        cluster.KubernetesCluster(str(tmp_path / "nowhere"), None)
