"""The simulator and the controller as processes beside a control plane, as a user starts them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from tests.e2e import controlplane

T = TypeVar("T")

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = "0123456789abcdef0123456789abcdef"
KUBE = "01234567-89ab-cdef-0123-456789abcdef"
PROGRAM = str(pathlib.Path(sys.executable).parent / "karpenter-ovhcloud")

FAST = {
    "LOG_FORMAT": "text",
    "DISABLE_LEADER_ELECTION": "true",
    "OVH_REQUEST_RATE": "20",
    "OVH_REQUEST_BURST": "20",
    "OVH_POLL_INTERVAL": "500ms",
    "OVH_IDLE_INTERVAL": "3s",
    "OVH_SETTLE_TIME": "5s",
    "VALIDATION_DELAY": "1s",
    "DISRUPTION_INTERVAL": "1s",
    "EMPTY_POOL_AFTER": "2s",
    "ORPHAN_AFTER": "5s",
    "DRAINED_DELAY": "1s",
    "SOLVE_TIME_LIMIT": "2s",
}
"""Settings that make the controller as impatient as a simulator at sixty times its speed."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def until(condition: Callable[[], T], what: str, seconds: float = 60.0, pause: float = 0.25) -> T:
    """Wait until a condition holds, and return what it answered. Raises `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {seconds:.0f} s; the last answer was {found!r}")
        time.sleep(pause)


@contextlib.contextmanager
def simulator(
    plane: controlplane.ControlPlane, folder: pathlib.Path, *, speed: float = 60, region: str = "GRA11"
) -> Iterator[dict[str, str]]:
    """An OVH for a control plane; gives the environment that the controller needs to speak to it."""
    port = free_port()
    log = folder / "simulator.log"
    command = [PROGRAM, "simulate-ovh", "--port", str(port), "--region", region, "--kube-id", KUBE]
    command += ["--project", PROJECT, "--speed", str(speed), "--kubeconfig", str(plane.kubeconfig)]
    with process(command, dict(os.environ), log) as started:
        until(lambda: started.poll() is not None or "OVH_CONSUMER_KEY" in log.read_text(), "the simulator starts")
        lines = dict(line.split("=", 1) for line in log.read_text().splitlines() if line.startswith("OVH_"))
        yield lines


@contextlib.contextmanager
def controller(
    plane: controlplane.ControlPlane,
    ovh: Mapping[str, str],
    folder: pathlib.Path,
    *arguments: str,
    name: str = "controller",
) -> Iterator[Controller]:
    """A controller on that cluster."""
    ports = {"METRICS_PORT": str(free_port()), "HEALTH_PROBE_PORT": str(free_port())}
    environment = {**os.environ, **FAST, **ovh, **ports, "KUBECONFIG": str(plane.kubeconfig)}
    log = folder / f"{name}.log"
    with process([PROGRAM, "controller", *arguments], environment, log) as started:
        yield Controller(started, log, int(ports["METRICS_PORT"]), int(ports["HEALTH_PROBE_PORT"]))


def order(ovh: Mapping[str, str], method: str, path: str, body: object = None) -> Any:
    """One call to the simulator's control route."""
    root = ovh["OVH_ENDPOINT"].rpartition("/1.0")[0]
    request = urllib.request.Request(
        f"{root}{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


class Controller:
    """A controller that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: pathlib.Path, metrics: int, probes: int) -> None:
        self.process = process
        self.log = log
        self._metrics = metrics
        self._probes = probes

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels, as written."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=5) as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def page(self, path: str) -> str:
        """A page of the metrics port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def ready(self) -> bool:
        """Whether /readyz says so."""
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self._probes}/readyz", timeout=5) as answer,
        ):
            return bool(answer.status == 200)
        return False


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str], log: pathlib.Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose output goes to a file; it is asked to end, and made to after 20 s."""
    with log.open("w") as output:
        started = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
