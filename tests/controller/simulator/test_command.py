"""The command line, as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.ovh import client as clients
from controller.ovh import credentials, transport
from controller.simulator import clock, command
from tests.controller.simulator import running

RUN = "from controller.simulator.command import simulate_ovh; simulate_ovh()"


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def _control(url: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{url.removesuffix('/1.0')}/control{path}", data, timeout=10) as answer:
        return json.loads(answer.read())


def test_it_starts_where_it_says_remembers_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The first line is the endpoint; a second process goes on with the state of the first."""
    state = tmp_path / "state.json"
    arguments = ("--manual-clock", "--region", "GRA11", "--kube-id", "cluster-1", "--state", str(state))
    pool_id = ""
    for turn in (1, 2):
        with _start(*arguments) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            place = credentials.endpoint(url)
            client = clients.OVHClient(transport.Transport(place, running.APPLICATION), command.PROJECT, "cluster-1")
            if turn == 1:
                pool_id = client.create_node_pool(running.spec()).id
                _control(url, "/clock", {"advance": 10})
            else:
                _control(url, "/clock", {"advance": 400})
                assert client.node_pool(pool_id).status == "READY"
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=20)
            assert process.returncode == 0
            assert f"OVH_ENDPOINT={url}" in errors
            assert "cluster (ovh.kubeId) cluster-1 in GRA11, free" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--region", "GRA99"], "unknown region"),
        (["--quota", "cores=3"], "'cores=3' is not one of vcpus=N, memory=NG, instances=N"),
        (["--quota", "vcpus=many"], "'vcpus=many' is not one of"),
        (["--catalog", "nowhere.csv"], "nowhere.csv"),
        (["--port", "70000"], "port"),
    ],
)
def test_senseless_options_are_wrong_usage(arguments: list[str], message: str) -> None:
    """Exit 2, one sentence, nothing on standard output."""
    result = CliRunner().invoke(command.simulate_ovh, arguments)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_broken_state_file_and_a_broken_kubeconfig_are_said(tmp_path: Path) -> None:
    """Before anything listens."""
    state = tmp_path / "state.json"
    state.write_text("{}", encoding="utf-8")

    broken = CliRunner().invoke(command.simulate_ovh, ["--state", str(state)])
    lost = CliRunner().invoke(command.simulate_ovh, ["--kubeconfig", str(tmp_path / "none")])

    assert (broken.exit_code, lost.exit_code) == (2, 1)
    assert "is not a simulator's state" in broken.stderr
    assert "cannot be used" in lost.stderr


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("", (2000, 8_000_000, 500)),
        ("vcpus=34,memory=430G,instances=10", (34, 430_000, 10)),
        ("memory=20480", (2000, 20_480, 500)),
        ("memory=20480MB,vcpus=1", (1, 20_480, 500)),
    ],
)
def test_a_quota_is_read(text: str, quota: tuple[int, int, int]) -> None:
    """Memory in MB unless it says G; what is left out is plenty."""
    read = command.QuotaOption().convert(text, None, None)

    assert (read.cores, read.ram, read.instances) == quota


def test_the_clock_runs_at_its_speed_and_changes_it() -> None:
    """Sixty times as fast, then twice, without a jump."""
    real = [10.0]
    made = clock.RunningClock(1000.0, 60.0, lambda: real[0])
    real[0] += 2
    assert made.now() == 1120.0

    made.run_at(2.0)
    real[0] += 5
    made.advance(100.0)

    assert (made.now(), made.speed) == (1230.0, 2.0)
