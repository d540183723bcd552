"""One component of the control plane as a process with a log file, and the guard that ends all of them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Mapping, Sequence


class Process:
    """
    A started program whose output goes to `log`.

    It has a session of its own, so that Ctrl-C reaches only its owner, who then ends it in order.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: pathlib.Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the process is still there; an ended one is reaped."""
        return self._popen.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, patience: float = 10) -> None:
        """Ask the process to end, then end it; by its own pid."""
        self._popen.terminate()
        try:
            self._popen.wait(patience)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Guard:
    """
    Ends processes and removes their folder when this process is gone, in whatever way.

    It is a shell that waits for the end of its input, whose other end only this process holds.
    """

    SCRIPT = 'trap "" INT TERM; while read -r pid; do pids="$pids $pid"; done; kill -9 $pids 2>/dev/null; rm -rf "$1"'

    def __init__(self, folder: pathlib.Path) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", self.SCRIPT, "guard", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.defpath},
        )

    def add(self, pid: int) -> None:
        """Take care of one more process."""
        assert self._shell.stdin is not None
        os.write(self._shell.stdin.fileno(), f"{pid}\n".encode())

    def dismiss(self) -> None:
        """All processes are ended: nothing is left to guard."""
        self._shell.send_signal(signal.SIGKILL)
        self._shell.wait()
        with contextlib.suppress(OSError):
            if self._shell.stdin is not None:
                self._shell.stdin.close()
