"""The only module that imports python-ovh: signs, sends, decodes, repeats what is harmless to repeat, and counts.

python-ovh's ``raw_call`` is used rather than ``get`` and ``put``, because those lose the status of an answer that is
not JSON and stumble over a JSON error that is not an object. Its OAuth2 session is not used: it fetches tokens
without a timeout and writes them and the client secret to the debug log.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import ovh
import requests
from pydantic import ValidationError

from controller import ratelimit, retry
from controller.ovh import credentials as creds
from controller.ovh import errors

T = TypeVar("T")
Parse = Callable[[Any], T]

log = logging.getLogger(__name__)

OFFSET_LIFETIME = 3600.0
"""Seconds for which the difference between our clock and OVH's is trusted; a refused signature ends it at once."""

TOKEN_MARGIN = 60.0
"""Seconds before its expiry at which an OAuth2 token is renewed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, and seconds of silence while an answer is awaited."""

    connect: float = 5.0
    read: float = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt, for metrics: ``operation`` names a method of the client, ``outcome`` is "ok" or an error class."""

    operation: str
    method: str
    path: str
    status: int
    outcome: str
    seconds: float
    query_id: str


class Transport:
    """Calls to one endpoint with one set of credentials; threads and clients of several clusters may share it."""

    def __init__(
        self,
        endpoint: creds.Endpoint,
        credentials: creds.Credentials,
        *,
        timeouts: Timeouts | None = None,
        limiter: ratelimit.TokenBucket | None = None,
        backoff: retry.Backoff | None = None,
        clock: retry.Clock = time.monotonic,
        sleep: retry.Sleep = time.sleep,
        draw: retry.Draw = random.uniform,
        observe: Callable[[Call], object] | None = None,
        dry_run: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.dry_run = dry_run
        self._credentials = credentials
        self._timeouts = timeouts or Timeouts()
        self._limiter = limiter or ratelimit.TokenBucket(clock=clock, sleep=sleep)
        self._backoff = backoff or retry.Backoff()
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._observe = observe
        self._lock = threading.Lock()
        self._threads = threading.local()
        self._offset: tuple[int, float] | None = None
        self._token: tuple[str, float] | None = None
        if isinstance(credentials, creds.ServiceAccount) and endpoint.token_url.startswith("http://"):
            log.warning("OAuth2 secrets travel unencrypted", extra={"endpoint": endpoint.base})

    def __repr__(self) -> str:
        return f"Transport({self.endpoint.base})"

    @property
    def consumer_key_used(self) -> bool:
        """True for an application key, False for a service account."""
        return isinstance(self._credentials, creds.ApplicationKey)

    def call(
        self,
        operation: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        parse: Parse[T],
        repeatable: bool,
        signed: bool = True,
    ) -> T:
        """Send one request, several times if need be, and return what ``parse`` makes of the answer.

        A ``repeatable`` call is sent again after throttling and outages. Any other only when OVH surely did not act:
        refused with 429, or never sent; if it may have acted, ``AmbiguousError`` is raised. ``parse`` gets decoded
        JSON, None for an empty answer; an answer that it does not understand counts as an outage. In a dry run only
        GET is sent, anything else raises ``DryRunError``.
        """
        if self.dry_run and method != "GET":
            raise errors.DryRunError("left out: this is a dry run", errors.Context(method, path))
        renewed = False

        def attempt() -> T:
            nonlocal renewed
            self._permit(method, path)
            try:
                return self._attempt(operation, method, path, body, parse, signed)
            except errors.CredentialsError as error:
                if renewed or not signed or not self._renew(error):
                    raise
                renewed = True
            self._permit(method, path)
            return self._attempt(operation, method, path, body, parse, signed)

        def may_repeat(error: Exception) -> float | None:
            if isinstance(error, errors.ThrottledError):
                self._limiter.pause(error.retry_after or 0.0)
                return error.retry_after or 0.0
            if isinstance(error, errors.OutageError) and (repeatable or not error.sent):
                return error.retry_after or 0.0
            return None

        try:
            return retry.call(attempt, may_repeat, self._backoff, clock=self._clock, sleep=self._sleep, draw=self._draw)
        except errors.OutageError as error:
            if repeatable or not error.sent:
                raise
            raise errors.AmbiguousError(f"{error.message}; the call may have acted", error.context) from None

    def _permit(self, method: str, path: str) -> None:
        """Wait for the shared budget; a rest that OVH asked for may be longer than a caller should sleep."""
        try:
            self._limiter.acquire(self._backoff.patience)
        except ratelimit.PatienceError as error:
            context = errors.Context(method, path)
            raise errors.ThrottledError("not sent: the budget of calls is used up", context, error.wait) from None

    def _attempt(
        self, operation: str, method: str, path: str, body: dict[str, Any] | None, parse: Parse[T], signed: bool
    ) -> T:
        begin = self._clock()
        status, query_id, outcome, level = 0, "", "ok", logging.DEBUG
        try:
            response = self._send(method, path, body, signed)
            status, query_id = response.status_code, response.headers.get("X-OVH-QUERYID", "")
            return self._understand(method, path, response, parse)
        except Exception as error:
            outcome = type(error).__name__
            level = logging.DEBUG if isinstance(error, errors.NotFoundError) else logging.WARNING
            raise
        finally:
            seconds = self._clock() - begin
            facts = {"operation": operation, "method": method, "path": path, "status": status, "outcome": outcome}
            log.log(level, "OVH call", extra={**facts, "queryId": query_id, "seconds": round(seconds, 3)})
            if self._observe is not None:
                self._observe(Call(operation, method, path, status, outcome, seconds, query_id))

    def _understand(self, method: str, path: str, response: requests.Response, parse: Parse[T]) -> T:
        status = response.status_code
        payload = _json(response)
        garbled = payload is None and response.content.strip() not in (b"", b"null")
        if status >= 300:
            raise self._clean(errors.of_answer(method, path, status, response.headers, payload, time.time()))
        context = errors.Context(method, path, status, "", response.headers.get("X-OVH-QUERYID", ""))
        if garbled:
            raise errors.OutageError("the answer is not JSON", context)
        try:
            return parse(payload)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the answer"
            raise errors.OutageError(f"the answer is not understood: {where}: {first['msg']}", context) from None

    def _send(self, method: str, path: str, body: dict[str, Any] | None, signed: bool) -> requests.Response:
        try:
            client = self._client()
            headers: dict[str, str] = {}
            if signed and isinstance(self._credentials, creds.ServiceAccount):
                headers["Authorization"] = f"Bearer {self._bearer(self._credentials)}"
                signed = False
            elif signed:
                client._time_delta = self._time_offset()
            answer: requests.Response = client.raw_call(method, path, body, need_auth=signed, headers=headers)
            return answer
        except requests.RequestException as error:
            raise self._clean(_outage(method, path, error)) from None
        except ovh.exceptions.APIError as error:
            raise self._clean(errors.CredentialsError(str(error), errors.Context(method, path))) from None

    def _clean(self, error: errors.OVHError) -> errors.OVHError:
        """The same error with every secret that its text repeats struck out."""
        for secret in self._credentials.secrets:
            error.message = error.message.replace(secret, "***")
        error.args = (error.message,)
        return error

    def _renew(self, error: errors.CredentialsError) -> bool:
        """Forget what may be stale behind a refusal; True if another attempt makes sense.

        A clock that jumped makes signatures invalid, a revoked token answers 401.
        """
        with self._lock:
            if isinstance(self._credentials, creds.ServiceAccount):
                stale, self._token = self._token, None
                return stale is not None and error.context.status == 401
            self._offset = None
            return error.context.code in errors.SIGNATURE_CODES

    def _client(self) -> Any:
        """The thread's own python-ovh client: it holds a ``requests`` session and promises nothing about threads.

        Its constructor is bypassed because it fills every argument left out from the environment and ``ovh.conf``,
        and refuses when both kinds of credentials turn up: even an empty OVH_CLIENT_ID would spoil a complete
        application key.
        """
        client = getattr(self._threads, "client", None)
        if client is None:
            client = ovh.Client.__new__(ovh.Client)
            keys = self._credentials if isinstance(self._credentials, creds.ApplicationKey) else None
            vars(client).update(
                _endpoint=self.endpoint.base,
                _application_key=keys.application_key if keys else None,
                _application_secret=keys.application_secret if keys else None,
                _consumer_key=keys.consumer_key if keys else None,
                _client_id=None,
                _client_secret=None,
                _oauth2=None,
                _time_delta=None,
                _session=requests.Session(),
                _timeout=(self._timeouts.connect, self._timeouts.read),
            )
            self._threads.client = client
        return client

    def _time_offset(self) -> int:
        """Seconds by which OVH's clock is ahead of ours; signatures carry OVH's time."""
        with self._lock:
            if self._offset is not None and self._clock() < self._offset[1]:
                return self._offset[0]
        path = "/auth/time"
        try:
            response: requests.Response = self._client().raw_call("GET", path, need_auth=False)
        except requests.RequestException as error:
            raise _before_the_call(_outage("GET", path, error)) from None
        answer = _json(response)
        if response.status_code >= 300:
            failure = errors.of_answer("GET", path, response.status_code, response.headers, answer, time.time())
            raise _before_the_call(failure)
        if not isinstance(answer, int):
            context = errors.Context("GET", path, response.status_code)
            raise errors.OutageError("the answer is not a time", context, sent=False)
        offset = answer - int(time.time())
        with self._lock:
            self._offset = (offset, self._clock() + OFFSET_LIFETIME)
        return offset

    def _bearer(self, account: creds.ServiceAccount) -> str:
        """A valid OAuth2 token of the service account."""
        with self._lock:
            if self._token is not None and self._clock() < self._token[1]:
                return self._token[0]
        form = {
            "grant_type": "client_credentials",
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "scope": "all",
        }
        timeouts = (self._timeouts.connect, self._timeouts.read)
        try:
            response = requests.post(self.endpoint.token_url, data=form, timeout=timeouts)
        except requests.RequestException as error:
            raise _before_the_call(_outage("POST", self.endpoint.token_url, error)) from None
        answer = _json(response)
        context = errors.Context("POST", self.endpoint.token_url, response.status_code)
        if response.status_code in (400, 401, 403) and isinstance(answer, dict):
            reason = answer.get("error_description") or answer.get("error") or "no reason given"
            raise self._clean(errors.CredentialsError(f"OAuth2 token refused: {reason}", context))
        if response.status_code == 429:
            wait = errors.retry_after_seconds(response.headers.get("Retry-After"), time.time())
            raise errors.ThrottledError("too many token requests", context, wait)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if response.status_code >= 300 or not isinstance(token, str):
            raise errors.OutageError("no OAuth2 token in the answer", context, sent=False)
        lifetime = answer.get("expires_in")
        usable = lifetime - TOKEN_MARGIN if isinstance(lifetime, (int, float)) else 0.0
        with self._lock:
            self._token = (token, self._clock() + usable)
        return token


def _json(response: requests.Response) -> Any:
    """The decoded body, None when it is not JSON."""
    try:
        return response.json()
    except ValueError:
        return None


def _before_the_call(error: errors.OVHError) -> errors.OVHError:
    """Marks an outage that happened while the call was only prepared: nothing was sent."""
    if isinstance(error, errors.OutageError):
        error.sent = False
    return error


def _outage(method: str, path: str, error: requests.RequestException) -> errors.OutageError:
    """The outage behind a failure of ``requests``; a connection that never stood has sent nothing."""
    context = errors.Context(method, path)
    if isinstance(error, requests.ReadTimeout):
        return errors.OutageError("no answer in time", context)
    reason = getattr(error.args[0], "reason", None) if error.args else None
    text = str(reason or error)
    unsent = isinstance(error, (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError))
    if not unsent and isinstance(error, requests.ConnectionError):
        # urllib3 wraps what fails before a connection stands as the reason of a MaxRetryError.
        unsent = type(reason).__name__ in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
    return errors.OutageError(
        f"no connection: {text}" if unsent else f"connection lost: {text}", context, sent=not unsent
    )
