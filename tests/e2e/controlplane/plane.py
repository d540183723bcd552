"""Starting and stopping a control plane: ports, files, flags, order."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import types
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Self

import urllib3
import yaml

from tests.e2e.controlplane import binaries, process
from tests.e2e.controlplane import client as clients

JUDGE = ("etcd", "kube-apiserver", "kube-scheduler")
"""What decides whether a pod may run on a node: pods and nodes are what the test writes, nothing else changes them."""

FULL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""A cluster that lives: workloads make pods, nodes get ready, pods run, owners and deleted nodes are cleaned up."""

_MASTERS = ("system:masters",)
_START_PATIENCE = 60.0
_TRIES = 3


class ControlPlane:
    """
    A control plane on free loopback ports, for the length of a `with` block; several may run at once.

    - `components`: which to start, `FULL` or `JUDGE` or any part that includes etcd and kube-apiserver.
    - `qps`: requests a second that controller manager and scheduler allow themselves (their defaults are 20 and 50).
    - `scheduler`: fields of KubeSchedulerConfiguration that go over the harness's own.
    - `users`: further users and their groups, each with a token and a kubeconfig (`kubeconfig_of`).
    - `audit`: record every finished request; see `audit_events`.
    - `graceful`: pods take their grace period to end; otherwise they are gone at once.
    - `stages`: kwok stages that are added, or take the place of the harness's stage of that name.
    - `emulated_version`: behave as an older minor, such as "1.33".
    - `arguments`: further command-line arguments by component.

    The folder is removed at the end, but for its logs when the block raises or `keep_logs` was set.
    """

    def __init__(
        self,
        *,
        components: Collection[str] = FULL,
        qps: int = 1000,
        scheduler: Mapping[str, Any] | None = None,
        users: Mapping[str, Sequence[str]] | None = None,
        audit: bool = False,
        graceful: bool = False,
        stages: Sequence[Mapping[str, Any]] = (),
        emulated_version: str = "",
        arguments: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        unknown = set(components) - set(FULL)
        if unknown or not {"etcd", "kube-apiserver"} <= set(components):
            raise ValueError(
                f"components must be some of {', '.join(FULL)}, the first two included: {', '.join(components)}"
            )
        self.components = tuple(name for name in FULL if name in components)
        self.keep_logs = False
        self._qps = qps
        self._scheduler = dict(scheduler or {})
        self._users = {"admin": _MASTERS, **(users or {})}
        self._audit = audit
        self._graceful = graceful
        self._stages = stages
        self._emulated_version = emulated_version
        self._arguments = {name: list(more) for name, more in (arguments or {}).items()}
        self._processes: dict[str, process.Process] = {}
        self._commands: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        missing = binaries.missing()
        if missing:
            raise FileNotFoundError(missing)
        for left in reversed(range(_TRIES)):
            try:
                self._start()
            except _PortTakenError:
                # Another program took a port between its choice and its use.
                self._stop(keep=False)
                if not left:
                    raise
            except BaseException:
                self._stop(keep=True)
                raise
            else:
                return self
        raise AssertionError("unreachable")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> None:
        self._stop(keep=self.keep_logs or error is not None)
        if error is not None:
            error.add_note(f"logs of the control plane: {self.logs}")

    @property
    def logs(self) -> pathlib.Path:
        """The folder with one log file per component; it outlives the block only where `keep_logs` says so."""
        return self.folder / "logs"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs, by component."""
        return {name: running.pid for name, running in self._processes.items() if running.running}

    def kubeconfig_of(self, user: str) -> pathlib.Path:
        """A kubeconfig for one of `users`."""
        return self.folder / f"{user}.kubeconfig"

    def client_of(self, user: str, *, dry_run: bool = False) -> clients.Client:
        """A client for one of `users`."""
        return clients.Client(self.server, self.tokens[user], self.ca_file, dry_run=dry_run)

    @property
    def environment(self) -> dict[str, str]:
        """Environment for programs that talk to this cluster: KUBECONFIG, helm and kubectl on PATH."""
        path = [str(binaries.folder()), str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", "")]
        helm = {f"HELM_{name}_HOME": str(self.folder / "helm" / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": os.pathsep.join(path), **helm}

    def run(self, *command: str, stdin: str | None = None, timeout: float = 60) -> str:
        """
        Run a program such as kubectl or helm against this cluster and return its standard output.

        Raises `RuntimeError` with its standard error when it fails.
        """
        environment = self.environment
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            raise FileNotFoundError(f"{command[0]} is not on PATH")
        ended = subprocess.run(
            [program, *command[1:]],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if ended.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr.strip()}")
        return ended.stdout

    def stop(self, component: str) -> None:
        """Stop one component, as a crash or an upgrade would."""
        self._processes[component].stop()

    def start(self, component: str) -> None:
        """Start a stopped component again, on the same ports and files."""
        self._launch(component)
        if component == "kube-apiserver":
            self._wait(self._ready, "kube-apiserver did not get ready")

    def compact(self, revision: int) -> None:
        """Make etcd forget everything before a revision, so that watches from before it end with 410."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._etcd_port}/v3/kv/compaction",
            json.dumps({"revision": str(revision), "physical": True}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def audit_events(self, *, user: str | None = None, writes_only: bool = False) -> Iterator[dict[str, Any]]:
        """
        Finished requests so far, in order, as audit.k8s.io/v1 Events (`verb`, `user.username`, `objectRef`, …).

        `writes_only` leaves out get, list and watch; dry runs stay: their `requestURI` has `dryRun=All`.
        """
        if not self._audit:
            raise ValueError("start the control plane with audit=True")
        for line in (self.folder / "audit.log").read_text().splitlines():
            event = json.loads(line)
            if user is not None and event["user"]["username"] != user:
                continue
            if writes_only and event["verb"] in ("get", "list", "watch"):
                continue
            yield event

    # Starting

    def _start(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="control-plane-"))
        self.logs.mkdir()
        self._guard = process.Guard(self.folder)
        etcd_port, peer_port, api_port = _free_ports(3)
        self._etcd_port = etcd_port
        self.server = f"https://127.0.0.1:{api_port}"
        self.ca_file = self.folder / "certificates" / "apiserver.crt"
        self.kubeconfig = self.kubeconfig_of("admin")
        self.tokens = {user: secrets.token_hex(16) for user in (*self._users, *self.components[2:])}
        self._write_files()
        self._commands = {
            "etcd": self._etcd(etcd_port, peer_port),
            "kube-apiserver": self._apiserver(etcd_port, api_port),
            "kube-controller-manager": self._controller_manager(),
            "kube-scheduler": self._kube_scheduler(),
            "kwok": self._kwok(),
        }
        self._launch("etcd")
        self._launch("kube-apiserver")
        self._wait(self.ca_file.exists, "kube-apiserver did not write its certificate")
        self.client = self.client_of("admin")
        self._wait(self._ready, "kube-apiserver did not get ready")
        for component in self.components[2:]:
            self._launch(component)
        if "kube-controller-manager" in self.components:
            self._wait(self._has_default_account, "kube-controller-manager did not create the default service account")

    def _write_files(self) -> None:
        lines = []
        for user, token in self.tokens.items():
            groups = ",".join(self._users.get(user, _MASTERS))
            lines.append(f'{token},{user},{user},"{groups}"\n')
            self._write(f"{user}.kubeconfig", _kubeconfig(self.server, self.ca_file, user, token))
        (self.folder / "tokens.csv").write_text("".join(lines))
        key = subprocess.run([binaries.folder() / "controlplane", "rsa-key"], check=True, capture_output=True).stdout
        (self.folder / "service-accounts.key").write_bytes(key)
        self._write("kube-scheduler.yaml", self._scheduler_configuration())
        if self._audit:
            rules = [{"level": "Metadata"}]
            self._write(
                "audit.yaml",
                {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules},
            )
            (self.folder / "audit.log").touch()
        (self.folder / "kwok.yaml").write_text(yaml.safe_dump_all(self._kwok_stages()))

    def _write(self, name: str, content: Any) -> None:
        # JSON is YAML: all these files are read as YAML.
        (self.folder / name).write_text(json.dumps(content, indent=2))

    def _etcd(self, port: int, peer_port: int) -> list[str]:
        clients_url, peers_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
        return [
            *("etcd", "--name", "test", "--data-dir", str(self.folder / "etcd"), "--log-level", "warn"),
            *("--listen-client-urls", clients_url, "--advertise-client-urls", clients_url),
            *("--listen-peer-urls", peers_url, "--initial-advertise-peer-urls", peers_url),
            *("--initial-cluster", f"test={peers_url}", "--unsafe-no-fsync"),
        ]

    def _apiserver(self, etcd_port: int, port: int) -> list[str]:
        key = str(self.folder / "service-accounts.key")
        command = [
            *("kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{etcd_port}", "--secure-port", str(port)),
            *("--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none"),
            *("--cert-dir", str(self.ca_file.parent), "--token-auth-file", str(self.folder / "tokens.csv")),
            *("--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key),
            *("--service-account-signing-key-file", key, "--service-cluster-ip-range", "10.96.0.0/16"),
            *("--authorization-mode", "Node,RBAC", "--allow-privileged", "--profiling=false"),
            *self._emulation(),
        ]
        if "kube-controller-manager" not in self.components:
            # Nobody would create service accounts, nor take the not-ready taint off a node that says it is ready.
            command += ["--disable-admission-plugins", "ServiceAccount,TaintNodesByCondition"]
        if self._audit:
            command += [
                "--audit-policy-file",
                str(self.folder / "audit.yaml"),
                "--audit-log-path",
                str(self.folder / "audit.log"),
            ]
            command += ["--audit-log-mode", "blocking-strict"]
        return command

    def _controller_manager(self) -> list[str]:
        return [
            *("kube-controller-manager", "--kubeconfig", str(self.kubeconfig_of("kube-controller-manager"))),
            *(
                "--service-account-private-key-file",
                str(self.folder / "service-accounts.key"),
                "--root-ca-file",
                str(self.ca_file),
            ),
            *(
                "--leader-elect=false",
                "--secure-port",
                "0",
                "--flex-volume-plugin-dir",
                str(self.folder / "volume-plugins"),
            ),
            *("--kube-api-qps", str(self._qps), "--kube-api-burst", str(2 * self._qps), "--profiling=false"),
            *self._emulation(),
        ]

    def _kube_scheduler(self) -> list[str]:
        return [
            "kube-scheduler",
            "--config",
            str(self.folder / "kube-scheduler.yaml"),
            "--secure-port",
            "0",
            *self._emulation(),
        ]

    def _kwok(self) -> list[str]:
        return [
            *("kwok", "--kubeconfig", str(self.kubeconfig_of("kwok")), "--config", str(self.folder / "kwok.yaml")),
            *("--manage-all-nodes", "--node-lease-duration-seconds", "40"),
        ]

    def _emulation(self) -> list[str]:
        return ["--emulated-version", self._emulated_version] if self._emulated_version else []

    def _scheduler_configuration(self) -> dict[str, Any]:
        connection = {"kubeconfig": str(self.kubeconfig_of("kube-scheduler")), "qps": self._qps, "burst": 2 * self._qps}
        return {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": connection,
            **self._scheduler,
        }

    def _kwok_stages(self) -> list[Any]:
        own = yaml.safe_load_all(pathlib.Path(__file__).with_name("kwok.yaml").read_text())
        stages = {stage["metadata"]["name"]: stage for stage in own}
        if self._graceful:
            stages["pod-gone"]["spec"]["delay"] = {"durationFrom": {"expressionFrom": ".metadata.deletionTimestamp"}}
        stages |= {stage["metadata"]["name"]: dict(stage) for stage in self._stages}
        return list(stages.values())

    def _launch(self, component: str) -> None:
        command = [*self._commands[component], *self._arguments.get(component, ())]
        program = "kwok" if component == "kwok" else "controlplane"
        command = [str(binaries.folder() / program), *(command[1:] if component == "kwok" else command)]
        started = process.Process(component, command, self.logs / f"{component}.log")
        self._guard.add(started.pid)
        self._processes[component] = started

    def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while not condition():
            for component in self._processes.values():
                if not component.running:
                    if "address already in use" in component.log.read_text(errors="replace"):
                        raise _PortTakenError(f"{component.name} found its port taken")
                    raise RuntimeError(
                        f"{component.name} ended while starting; its log {component.log} ends with:\n{component.tail()}"
                    )
            if time.monotonic() > deadline:
                raise TimeoutError(f"{problem} within {_START_PATIENCE:.0f} s; logs: {self.logs}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        with contextlib.suppress(urllib3.exceptions.HTTPError, clients.ApiError):
            # The namespace exists only after the server's own start-up work, which readiness does not wait for.
            return bool(self.client.request("GET", "/readyz") == "ok" and self.client.get("v1", "Namespace", "default"))
        return False

    def _has_default_account(self) -> bool:
        return any(
            account["metadata"]["name"] == "default"
            for account in self.client.list("v1", "ServiceAccount", namespace="default")
        )

    # Stopping

    def _stop(self, *, keep: bool) -> None:
        for component in reversed(self._processes.values()):
            component.stop()
        self._processes.clear()
        self._guard.dismiss()
        for entry in [*self.folder.iterdir()] if keep else [self.folder]:
            if entry != self.logs:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


class _PortTakenError(RuntimeError):
    """A component could not bind the port that was chosen for it."""


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]


def _kubeconfig(server: str, ca_file: pathlib.Path, user: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(ca_file)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": user, "context": {"cluster": "test", "user": user}}],
        "current-context": user,
    }
