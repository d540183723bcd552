"""What can go wrong with OVH, as classes that a caller can act on.

::

    OVHError
    ├── BadRequestError          OVH understood and refuses: the same request will be refused again
    ├── NotFoundError            the thing is not there (or, just after a POST, not there yet)
    ├── ConflictError            the state of the thing forbids it now: duplicate name, pool busy
    │   └── BusyError            a pool that is still scaling or installing cannot be deleted: ask again later
    ├── QuotaError               the project's vCPU, memory or instance quota is used up
    ├── StockError               OVH has no machine of that flavor left
    ├── CredentialsError         keys, consumer key, token or signature are not accepted
    ├── PermissionMissingError   the credentials are fine, one right is missing
    ├── ThrottledError           too many calls
    ├── DryRunError              a call that would change something was not made, as this is a dry run
    └── OutageError              no usable answer: network, gateway page, 5xx, not JSON
        └── AmbiguousError       the same for a call that may have acted: look before you repeat

Status comes first, then ``class`` (services behind the gateway), then ``errorCode`` (the authentication gateway). A
page that is not JSON never counts as "not found" or "forbidden": a proxy wrote it, not OVH.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

_BAD_CREDENTIALS = frozenset({"INVALID_KEY", "INVALID_CREDENTIAL", "NOT_CREDENTIAL", "Client::Unauthorized"})
SIGNATURE_CODES = frozenset({"INVALID_SIGNATURE", "QUERY_TIME_OUT"})
"""Answers that a wrong clock offset causes too (https://github.com/ovh/php-ovh/issues/97)."""

_QUOTA = re.compile(r"quota", re.IGNORECASE)
_STOCK = re.compile(r"out.of.stock|no valid host|not enough (stock|capacity)", re.IGNORECASE)
_BUSY = re.compile(r"\bstatus is [A-Z_]+|Cannot delete NodePool", re.IGNORECASE)
_QUOTA_RESOURCES = (
    ("vcpus", re.compile(r"v?cpu|cores?\b", re.IGNORECASE)),
    ("memory", re.compile(r"\bram\b|memory|RAMQuota", re.IGNORECASE)),
    ("instances", re.compile(r"instance", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Context:
    """Which call failed and how OVH answered; ``status`` 0 means that there was no answer."""

    method: str = ""
    path: str = ""
    status: int = 0
    code: str = ""
    query_id: str = ""


class OVHError(Exception):
    """Base of all errors of this package; ``str()`` is one sentence without secrets."""

    def __init__(self, message: str, context: Context | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.context = context or Context()

    def __str__(self) -> str:
        where = f"{self.context.method} {self.context.path}".strip()
        facts = [str(self.context.status) if self.context.status else "", self.context.code]
        tail = " ".join(fact for fact in facts if fact)
        query = f" (OVH query {self.context.query_id})" if self.context.query_id else ""
        return ": ".join(part for part in (where, tail, self.message) if part) + query


class BadRequestError(OVHError):
    """OVH understood the request and will refuse it again."""


class NotFoundError(OVHError):
    """The resource is not there; a pool may also answer so for a while after it was created."""


class ConflictError(OVHError):
    """The present state of the resource forbids the request."""


class BusyError(ConflictError):
    """The pool is scaling, installing or updating; the same request may pass later."""


class QuotaError(OVHError):
    """The project's quota does not allow it; ``resource`` is vcpus, memory, instances or empty when OVH did not say."""

    def __init__(self, message: str, context: Context | None = None) -> None:
        super().__init__(message, context)
        self.resource = next((name for name, pattern in _QUOTA_RESOURCES if pattern.search(message)), "")


class StockError(OVHError):
    """No machine of the flavor is left where it was asked for."""


class DryRunError(OVHError):
    """The call would have changed something, and nothing is changed in a dry run."""


class CredentialsError(OVHError):
    """The credentials are missing, malformed, expired or refused."""


class PermissionMissingError(OVHError):
    """One right is missing; ``action`` is the IAM action that OVH names, empty for an application key."""

    def __init__(self, message: str, context: Context | None = None, action: str = "") -> None:
        super().__init__(message, context)
        self.action = action


class ThrottledError(OVHError):
    """Too many calls; ``retry_after`` seconds if OVH said how long to wait."""

    def __init__(self, message: str, context: Context | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, context)
        self.retry_after = retry_after


class OutageError(OVHError):
    """No usable answer; ``sent`` is False when the request surely never reached OVH."""

    def __init__(
        self, message: str, context: Context | None = None, *, sent: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(message, context)
        self.sent = sent
        self.retry_after = retry_after


class AmbiguousError(OutageError):
    """No usable answer to a call that may have acted and is not safe to repeat: list, compare, then decide."""


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds in a Retry-After header, given as a number or an HTTP date; None when absent or senseless."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def of_answer(method: str, path: str, status: int, headers: Mapping[str, str], payload: Any, now: float) -> OVHError:
    """The error for an answer of status >= 300; ``payload`` is the decoded body, None when it was not JSON."""
    body: Mapping[str, Any] = payload if isinstance(payload, Mapping) else {}
    code = str(body.get("class") or body.get("errorCode") or "")
    message = str(body.get("message") or "no message")
    context = Context(method, path, status, code, headers.get("X-OVH-QUERYID", ""))
    codes = {str(body.get("class") or ""), str(body.get("errorCode") or "")}
    wait = retry_after_seconds(headers.get("Retry-After"), now)
    if status == 429:
        return ThrottledError("too many calls", context, wait)
    if status >= 500 or status == 408 or not body:
        text = message if body else "the answer is not a JSON object, so a gateway wrote it and not the API"
        return OutageError(text, context, retry_after=wait)
    if status == 401 or codes & _BAD_CREDENTIALS or codes & SIGNATURE_CODES:
        return CredentialsError(message, context)
    if status == 403:
        return _forbidden(body, message, context)
    if status == 404:
        return NotFoundError(message, context)
    return _refused(message, context)


def _forbidden(body: Mapping[str, Any], message: str, context: Context) -> PermissionMissingError:
    details = body.get("details")
    actions = (
        [str(details.get(key) or "") for key in ("unauthorizedActionsByIAM", "unauthorizedActionsByAuthentication")]
        if isinstance(details, Mapping)
        else []
    )
    action = ", ".join(filter(None, actions))
    missing = f"IAM action {action}" if action else f"{context.method} {context.path}"
    return PermissionMissingError(f"{message}; the credentials lack {missing}", context, action)


def _refused(message: str, context: Context) -> OVHError:
    text = f"{context.code} {message}"
    kind: type[OVHError]
    if _STOCK.search(text):
        kind = StockError
    elif _QUOTA.search(text) or context.status == 412:
        kind = QuotaError
    elif _BUSY.search(text):
        kind = BusyError
    elif context.status == 409:
        kind = ConflictError
    else:
        kind = BadRequestError
    return kind(message, context)
