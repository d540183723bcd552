"""`catalog refresh` against the simulator: the account's own catalogue, as a file that `--catalog` reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.run import INFLATE, run
from tests.controller.simulator import running


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch):
    """A simulated account in the environment; gives the words that name its cluster."""
    with running.serve(running.simulation(running.THREE_ZONES)) as ovh:
        for name, value in (
            ("OVH_ENDPOINT", f"{ovh.root}/1.0"),
            ("OVH_APPLICATION_KEY", running.KEYS.application_key),
            ("OVH_APPLICATION_SECRET", running.KEYS.application_secret),
            ("OVH_CONSUMER_KEY", running.KEYS.consumer_key),
        ):
            monkeypatch.setenv(name, value)
        yield "--service-name", ovh.sim.world.project, "--kube-id", ovh.cluster().id


def test_it_writes_a_catalogue_that_solve_reads(capsys, monkeypatch, tmp_path: Path, account):
    """CSV on standard output, with prices; the plan says which catalogue it is from."""
    path = tmp_path / "flavors.csv"
    path.write_text(run(capsys, monkeypatch, "catalog", "refresh", *account).out)
    solved = run(capsys, monkeypatch, "solve", "-f", INFLATE, "--catalog", str(path), "-o", "json")
    plan = json.loads(solved.out)

    assert "\nb3-16,general,3,4,16," in path.read_text()
    assert plan["cost"]["createHourly"] == 0.3069
    assert plan["inputs"]["catalog"].startswith("flavors.csv sha256:")


def test_it_knows_the_zones_of_the_region(capsys, monkeypatch, account):
    """As JSON with the cluster's own region and its zones."""
    found = json.loads(run(capsys, monkeypatch, "catalog", "refresh", *account, "-o", "json").out)

    assert (found["region"], found["version"]) == ("EU-WEST-PAR", "OVHcloud API")
    assert found["zones"] == ["eu-west-par-a", "eu-west-par-b", "eu-west-par-c"]


def test_an_unknown_cluster_is_a_failure(capsys, monkeypatch, account):
    """What OVHcloud refuses is one line and exit code 1."""
    outcome = run(capsys, monkeypatch, "catalog", "refresh", "--service-name", "nobody", "--kube-id", "nothing")

    assert (outcome.code, outcome.out) == (1, "")
    assert "This service does not exist" in outcome.err


def test_without_credentials(capsys, monkeypatch):
    """Missing credentials are named, exit code 2."""
    outcome = run(capsys, monkeypatch, "catalog", "refresh", "--service-name", "a", "--kube-id", "b")

    assert (outcome.code, outcome.out) == (2, "")
    assert "OVH_APPLICATION_KEY" in outcome.err
