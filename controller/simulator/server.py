"""The simulated OVH behind a socket: one lock, a call log, and what is spoilt on order."""

from __future__ import annotations

import collections
import copy
import ipaddress
import json
import logging
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from controller.simulator import auth, bodies, clock, control, faults, model, routes, state, store

log = logging.getLogger(__name__)

BASES = ("/1.0", "/v1")
"""Where the API begins; both names are OVH's."""

_LOGGED_CALLS = 100_000


@dataclass(frozen=True)
class HTTPRequest:
    """What came over the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str
    remote: str = "127.0.0.1"


@dataclass(frozen=True)
class HTTPAnswer:
    """What goes back; with ``cut`` nothing does, after ``hold`` seconds of silence."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hold: float = 0.0


class Simulator:
    """Everything that a running simulator has; methods may be called from any thread.

    ``after_advance`` is called, outside the lock, whenever an operator has moved the clock: whoever mirrors the world
    into a cluster catches up before the operator gets an answer.
    """

    def __init__(
        self,
        sim: state.Simulation,
        time_source: clock.Clock,
        keys: auth.Keys | None = None,
        *,
        state_file: Path | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.sim = sim
        self.clock = time_source
        self.gate = auth.Gate(keys or auth.Keys())
        self.faults = faults.Faults()
        self.lock = threading.RLock()
        self.calls: collections.deque[dict[str, Any]] = collections.deque(maxlen=_LOGGED_CALLS)
        self.after_advance: Callable[[], object] = lambda: None
        self._wall = wall
        self._state_file = state_file
        self._saved: tuple[int, int, int] | None = None
        self._asked = 0

    def advance(self) -> None:
        """Let everything happen that is due by the clock, and write it down."""
        with self.lock:
            self.sim.advance(self.clock.now())
            self.save()

    def save(self, *, always: bool = False) -> None:
        """Write the state file if there is one and something may have changed."""
        if self._state_file is None:
            return
        world = self.sim.world
        mark = (world.draws, world.planned, len(world.agenda))
        if always or mark != self._saved:
            store.save(self._state_file, world)
            self._saved = mark

    def freeze(self) -> state.Simulation:
        """The world as it is now, for ever."""
        with self.lock:
            return state.Simulation(copy.deepcopy(self.sim.world), self.sim.shop)

    def answer(self, request: HTTPRequest) -> HTTPAnswer:
        """The answer to a request: the operator's routes, the token route, or the API."""
        target = urllib.parse.urlsplit(request.target)
        if target.path == "/control" or target.path.startswith("/control/"):
            return self._control(request, target)
        with self.lock:
            self._asked += 1
            number = self._asked
            if target.path == "/auth/oauth2/token" and request.method == "POST":
                return self._token(request)
            self.advance()
            for base in BASES:
                if target.path.startswith(f"{base}/"):
                    return self._api(number, request, target, target.path.removeprefix(base))
        return _error(404, "Client::NotFound", f"{target.path} is no route; the API begins with /1.0")

    def _api(self, number: int, request: HTTPRequest, target: urllib.parse.SplitResult, path: str) -> HTTPAnswer:
        if path == "/auth/time":
            return _json(self.gate.time(self._wall()))
        fault = self.faults.take(request.method, path)
        acts = fault is None or fault.acts
        answer = self._act(request, target, path, fault) if acts else HTTPAnswer()
        if fault is not None:
            answer = _spoil(fault, answer, request.method, path, by_key="Authorization" not in request.headers)
        self.calls.append(
            {
                "number": number,
                "time": bodies.moment(self.sim.world.now),
                "method": request.method,
                "path": path,
                "query": target.query,
                "body": _decoded(request.body),
                "status": 0 if answer.cut else answer.status,
                "fault": None if fault is None else fault.kind,
            }
        )
        self.save(always=request.method != "GET")
        query_id = f"EU.ext-sim.{number:08x}"
        return HTTPAnswer(
            answer.status, answer.body, {**answer.headers, "X-OVH-QUERYID": query_id}, answer.cut, answer.hold
        )

    def _act(
        self, request: HTTPRequest, target: urllib.parse.SplitResult, path: str, fault: faults.Fault | None
    ) -> HTTPAnswer:
        host = request.headers.get("Host", "localhost")
        url = f"http://{host}{request.target}"
        found = routes.find(request.method, path, routes.ROUTES)
        try:
            if found is None or not found[0].public:
                self.gate.check(request.method, url, path, request.body, request.headers, self._wall())
            if path == "/auth/currentCredential":
                return _json(self._credential())
            if found is None:
                raise model.Refusal(404, "Client::NotFound", f"Got an invalid (or empty) URL: {request.method} {path}")
            route, params = found
            past = fault.past if fault is not None else None
            query = dict(urllib.parse.parse_qsl(target.query))
            content = routes.Request(past or self.sim, params, query, _body(request.body), f"http://{host}")
            answer = route.handler(content)
        except model.Refusal as refusal:
            return _refused(refusal)
        return self._void() if answer is routes.VOID else _json(answer)

    def _void(self) -> HTTPAnswer:
        habit = self.sim.world.habits.void_answer
        if habit == "204":
            return HTTPAnswer(204)
        return _json(None) if habit == "null" else HTTPAnswer(200, b"", {"Content-Type": "application/json"})

    def _credential(self) -> dict[str, Any]:
        return {
            "credentialId": 1,
            "applicationId": 1,
            "status": "validated",
            "creation": bodies.moment(self.sim.world.now),
            "expiration": None,
            "lastUse": bodies.moment(self.sim.world.now),
            "ovhSupport": False,
            "rules": [{"method": method, "path": path} for method, path in self.gate.granted],
        }

    def _token(self, request: HTTPRequest) -> HTTPAnswer:
        form = dict(urllib.parse.parse_qsl(request.body))
        try:
            return _json(self.gate.token(form, self._wall()))
        except model.Refusal as refusal:
            return _json({"error": refusal.kind, "error_description": refusal.message}, refusal.status)

    def _control(self, request: HTTPRequest, target: urllib.parse.SplitResult) -> HTTPAnswer:
        if not _loopback(request.remote):
            return _error(403, "Client::Forbidden", "the control routes answer to this machine only")
        found = control.find(request.method, target.path)
        if found is None:
            return _error(404, "Client::NotFound", f"{request.method} {target.path} is no control route: GET /control")
        handler, params = found
        try:
            body = _body(request.body)
            with self.lock:
                self.sim.advance(self.clock.now())
                query = dict(urllib.parse.parse_qsl(target.query))
                answer = handler(control.Order(self, params, body, query))
                self.save(always=request.method != "GET")
            if request.method != "GET":
                self.after_advance()
        except model.Refusal as refusal:
            return _refused(refusal)
        return _json(answer)


def serve(simulator: Simulator, host: str, port: int) -> Server:
    """Bind a server; its ``serve_forever`` does the rest. Port 0 takes a free one."""
    return Server((host, port), simulator)


class Server(ThreadingHTTPServer):
    """The socket of a simulator."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        self.stopping = threading.Event()
        super().__init__(address, Handler)

    @property
    def url(self) -> str:
        """What ``OVH_ENDPOINT`` should be."""
        host = str(self.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}{BASES[0]}"

    def shutdown(self) -> None:
        """Stop, and release requests that are held."""
        self.stopping.set()
        super().shutdown()


class Handler(BaseHTTPRequestHandler):
    """Reads a request, writes an answer."""

    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode("utf-8", "replace")
        headers = _Headers(self.headers.items())
        try:
            answer = self.server.simulator.answer(
                HTTPRequest(self.command, self.path, headers, body, str(self.client_address[0]))
            )
        except Exception:
            log.exception("a request broke the simulator", extra={"method": self.command, "target": self.path})
            answer = _error(500, "Server::InternalServerError", "Internal Server Error")
        if answer.cut:
            self.server.stopping.wait(answer.hold)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 (names that http.server looks for)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name of the base class)
        """To the log instead of standard error."""
        log.debug(format, *args)


class _Headers(dict[str, str]):
    """Headers by name in any case."""

    def __init__(self, items: Any) -> None:
        super().__init__((name.title(), value) for name, value in items)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.title(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.title())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).title())


def _spoil(fault: faults.Fault, answer: HTTPAnswer, method: str, path: str, *, by_key: bool) -> HTTPAnswer:
    """What a fault makes of an answer."""
    match fault.kind:
        case "throttle":
            headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            return _error(429, "Client::TooManyRequests", "Too many requests", headers)
        case "html":
            page = f"<html><body><h1>{fault.status} Gateway trouble</h1></body></html>"
            return HTTPAnswer(fault.status, page.encode(), {"Content-Type": "text/html"})
        case "error":
            return _error(fault.status, fault.code, fault.message)
        case "cut":
            return HTTPAnswer(cut=True)
        case "hang":
            return HTTPAnswer(cut=True, hold=fault.seconds)
        case "empty":
            return _json({})
        case "deny":
            return _refused(auth.denial(method, path, by_key=by_key))
        case "busy":
            return _refused(state.busy("delete", "UPSCALING"))
        case "stale":
            return answer


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HTTPAnswer:
    data = json.dumps(body, separators=(",", ":")).encode()
    return HTTPAnswer(status, data, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def _error(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> HTTPAnswer:
    return _refused(model.Refusal(status, kind, message), headers)


def _refused(refusal: model.Refusal, headers: Mapping[str, str] | None = None) -> HTTPAnswer:
    """The services' error has a ``class``, the authentication gateway's an ``errorCode``."""
    body: dict[str, Any] = {"message": refusal.message}
    if "::" in refusal.kind:
        body = {"class": refusal.kind, **body}
    else:
        names = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}
        body |= {"errorCode": refusal.kind, "httpCode": f"{refusal.status} {names.get(refusal.status, 'Error')}"}
    if refusal.details is not None:
        body["details"] = refusal.details
    return _json(body, refusal.status, headers)


def _body(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise model.Refusal(400, "Client::BadRequest", "the body is not JSON") from None


def _decoded(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _loopback(address: str) -> bool:
    host = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(host, "ipv4_mapped", None)
    return (mapped or host).is_loopback
