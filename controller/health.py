"""Metrics, the last plan and probes over plain HTTP, each on its own port as upstream has them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import exposition

from controller import metrics
from controller.loops import lastplan

Answer = tuple[int, str, bytes]


def metrics_page() -> Answer:
    """All metrics as Prometheus reads them."""
    return 200, exposition.CONTENT_TYPE_LATEST, exposition.generate_latest(metrics.REGISTRY)


def plan_page(last: Mapping[str, str]) -> Answer:
    """The last plan as `solve` shows it, 404 before the first."""
    if not last:
        return 404, "text/plain", b"no plan yet: no pod has waited for room since this replica leads\n"
    text = lastplan.heading(last) + last[lastplan.TEXT]
    return 200, "text/plain; charset=utf-8", text.encode()


def probe(ready: Callable[[], str]) -> Callable[[], Answer]:
    """A probe that answers 200 unless `ready` says why not."""

    def answer() -> Answer:
        why_not = ready()
        return (503 if why_not else 200), "text/plain", (why_not or "ok").encode()

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Callable[[], Answer]]) -> None:
        self.pages = pages
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer one request."""
        page = self.server.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else (404, "text/plain", b"not found")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Probes are not worth a line."""


def serve(port: int, pages: Mapping[str, Callable[[], Answer]], host: str = "") -> ThreadingHTTPServer:
    """Serve pages by path in a thread of their own; port 0 takes a free one."""
    server = _Server((host, port), pages)
    threading.Thread(target=server.serve_forever, name=f"http-{port}", daemon=True).start()
    return server
