"""An HTTP server that answers from a script and keeps what it was asked, and a clock that only tests move."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from controller import ratelimit, retry
from controller.ovh import client as clients
from controller.ovh import credentials, transport

PROJECT = "0123456789abcdef0123456789abcdef"
CLUSTER = "0199a1b2-1111-7000-8000-00000000c001"
KEYS = credentials.ApplicationKey("ak-4f1d", "as-secret-77aa", "ck-secret-99bb")
ACCOUNT = credentials.ServiceAccount("EU.client-1a", "cs-secret-55cc")


@dataclass(frozen=True)
class Reply:
    """What the server says next; ``hang_up`` closes the connection without a word."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang_up: bool = False


@dataclass(frozen=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


class Script:
    """Answers by path first (a Reply or a function), then by a queue."""

    def __init__(self) -> None:
        self.queue: list[Reply] = []
        self.routes: dict[str, Callable[[], Reply]] = {"/1.0/auth/time": lambda: Reply(body=1_000_000)}
        self.requests: list[Request] = []

    def reply(self, request: Request) -> Reply:
        self.requests.append(request)
        route = self.routes.get(request.path)
        return route() if route else self.queue.pop(0)

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Method and path of all but the clock's and the token's requests."""
        return [(r.method, r.path) for r in self.requests if "/auth/" not in r.path]


class Time:
    """A clock that moves when somebody sleeps, and remembers the sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@contextmanager
def serve(script: Script) -> Iterator[str]:
    """Run the script on a free port; the base URL without ``/1.0``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            reply = script.reply(Request(self.command, self.path, dict(self.headers), body))
            if reply.hang_up:
                self.close_connection = True
                return
            data = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
            if reply.status == 204:
                data = b""
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def client(
    url: str,
    time: Time,
    keys: credentials.Credentials = KEYS,
    observe: Callable[[transport.Call], object] | None = None,
) -> clients.OVHClient:
    """A client of the script's server whose waits are the test's."""
    place = credentials.endpoint(f"{url}/1.0")
    made = transport.Transport(
        place,
        keys,
        timeouts=transport.Timeouts(2.0, 2.0),
        limiter=ratelimit.TokenBucket(1.0, 100, clock=time, sleep=time.sleep),
        backoff=retry.Backoff(attempts=4, patience=100.0),
        clock=time,
        sleep=time.sleep,
        draw=lambda low, high: high,
        observe=observe,
    )
    return clients.OVHClient(made, PROJECT, CLUSTER)
